"""Generated loads: the same for a seed, of the form that the plan describes."""

from __future__ import annotations

import numpy as np
import pytest

from sophia_infra.scaling.errors import SettingsRefused
from sophia_infra.scaling.holidays import WORK_CALENDAR
from sophia_infra.scaling.service_mix import ServiceMix
from sophia_infra.scaling.traces import SHAPES, make_trace
from tests.unit.scaling.loads import trace


@pytest.mark.parametrize("shape", SHAPES)
def test_a_trace_is_repeatable_by_its_seed_and_a_load(shape: str) -> None:
    one, again = make_trace(shape, weeks=2, seed=3), make_trace(shape, weeks=2, seed=3)
    assert (one.seen, one.true) == (again.seen, again.true)
    assert np.isfinite(one.true.values).all()
    assert (one.true.values >= 0).all()
    other = make_trace(shape, weeks=2, seed=4)
    assert (one.true == other.true) == (shape == "flat")


def test_the_plans_load_is_in_office_hours_and_quiet_on_weekends_and_at_night() -> None:
    load = trace().true
    local = WORK_CALENDAR.local_steps(load.start_s, load.step_s, len(load))
    hour = local.second_of_day / 3600
    office = (hour >= 9.5) & (hour < 17) & (local.weekday < 5)
    night = (hour < 6) & (local.weekday < 5)
    busy = load.values[office].mean()
    assert busy == pytest.approx(9.3, abs=0.7)
    assert load.values[night].mean() < 0.1 * busy
    assert load.values[local.weekday >= 5].mean() < 0.12 * busy


def test_trend_step_and_gaps_are_what_they_say() -> None:
    weekly = trace("trend").true.values.reshape(7, -1).mean(axis=1)
    """Not against the first week, which has a holiday."""
    assert weekly[6] / weekly[1] == pytest.approx(1.06**5, rel=0.1)
    halves = trace("step").true.values.reshape(7, -1).mean(axis=1)
    assert halves[6] > 1.4 * halves[2]
    gaps = trace("gaps")
    assert 0.03 < np.isnan(gaps.seen.values).mean() < 0.4
    assert not np.isnan(gaps.true.values).any()
    assert trace("spikes").true.values.max() > 1.3 * trace().true.values.max()


def test_four_of_five_calls_are_short() -> None:
    mix = ServiceMix()
    services = mix.draw(np.random.default_rng(0), 100_000)
    assert np.mean(services < 2.0) == pytest.approx(0.8, abs=0.01)
    assert services.mean() == pytest.approx(mix.mean_s, rel=0.02)
    assert services.max() <= mix.longest_s


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"shape": "office"}, "shape is 'office'. Next: choose one of plan, trend"),
        ({"weeks": 0}, "weeks is 0"),
        ({"step_s": 77}, "a step that divides a week"),
        ({"peak_per_s": float("nan")}, "numbers above 0"),
    ],
)
def test_what_cannot_be_made_is_refused(fields: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsRefused, match=said):
        make_trace(**{"shape": "plan", "weeks": 1, **fields})  # type: ignore[arg-type]
