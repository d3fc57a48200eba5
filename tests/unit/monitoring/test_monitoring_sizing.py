"""The disk of a Prometheus is enough for what it keeps, and grows with everything that it is for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.monitoring.sizing import GIB, SERIES_PER_TARGET, SHARE_FOR_DATA, Demand, size_for

DEMANDS = st.builds(
    Demand,
    targets=st.dictionaries(st.sampled_from(sorted(SERIES_PER_TARGET)), st.integers(0, 500)),
    recorded_series=st.integers(0, 20_000),
    scrape_s=st.integers(5, 60),
    evaluation_s=st.integers(5, 60),
    retention_days=st.integers(1, 400),
)


def test_the_formula_of_prometheus_by_hand() -> None:
    """100,000 series every 30 s for 30 days: 3,333 samples a second, 17.3 GB at two bytes each."""
    demand = Demand(targets={"control_plane": 6, "pod": 20, "gpu": 10, "machine": 2}, recorded_series=30)
    assert demand.scraped_series == 6 * 16_000 + 20 * 170 + 10 * 45 + 2 * 60
    assert demand.samples_per_s == pytest.approx((99_970 + 30) / 30)
    blocks_bytes = 100_000 / 30 * 2 * 30 * 86_400
    wal_bytes = 100_000 / 30 * 12 * 3 * 3600
    assert wal_bytes > 3 * 128 * 1024**2, "else three segments would be the larger"
    wanted = (blocks_bytes + wal_bytes) * 1.3 / 0.85
    assert size_for(demand).claim_gib == -(-wanted // GIB) == 26


@given(DEMANDS)
def test_what_is_kept_fits_below_the_size_at_which_prometheus_deletes(demand: Demand) -> None:
    rate = demand.samples_per_s
    kept_bytes = rate * 2 * demand.retention_days * 86_400 + rate * 12 * 3 * 3600
    assert kept_bytes <= size_for(demand).claim_gib * GIB * SHARE_FOR_DATA
    assert size_for(demand).claim_gib >= 1


@given(DEMANDS, st.sampled_from(sorted(SERIES_PER_TARGET)), st.integers(1, 100))
def test_more_targets_of_any_kind_never_need_less(demand: Demand, kind: str, more: int) -> None:
    targets = {**demand.targets, kind: demand.targets.get(kind, 0) + more}
    _never_less(demand, replace(demand, targets=targets))


@given(DEMANDS, st.integers(1, 5_000))
def test_more_recorded_series_never_need_less(demand: Demand, more: int) -> None:
    _never_less(demand, replace(demand, recorded_series=demand.recorded_series + more))


@given(DEMANDS, st.integers(1, 100))
def test_longer_retention_never_needs_less(demand: Demand, more: int) -> None:
    _never_less(demand, replace(demand, retention_days=demand.retention_days + more))


@given(DEMANDS, st.integers(1, 4))
def test_scraping_more_often_never_needs_less(demand: Demand, less: int) -> None:
    often = replace(demand, scrape_s=demand.scrape_s - less, evaluation_s=demand.evaluation_s - less)
    _never_less(demand, often)


def test_each_of_them_counts() -> None:
    base = Demand(targets={"node": 20}, recorded_series=1_000)
    claim_gib = size_for(base).claim_gib
    assert size_for(replace(base, retention_days=60)).claim_gib > 1.9 * claim_gib
    assert size_for(replace(base, scrape_s=15, evaluation_s=15)).claim_gib > 1.9 * claim_gib
    assert size_for(replace(base, targets={"node": 40})).memory_mib > size_for(base).memory_mib


def test_an_unknown_kind_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError, match="nodes"):
        _ = Demand(targets={"nodes": 1}).scraped_series


def _never_less(before: Demand, after: Demand) -> None:
    smaller, larger = size_for(before), size_for(after)
    assert larger.claim_gib >= smaller.claim_gib
    assert larger.memory_mib >= smaller.memory_mib
