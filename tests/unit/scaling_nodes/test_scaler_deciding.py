"""The pure decision: properties that hold for every look, and the rules one by one."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sophia_infra.model.price_book import PriceBook
from sophia_infra.model.scaled_tags import ScaledName
from sophia_infra.model.scaler import ScheduledMin
from sophia_infra.scaling.nodes.books import Books
from sophia_infra.scaling.nodes.cluster import NodeSeen
from sophia_infra.scaling.nodes.deciding import decide_pool
from sophia_infra.scaling.nodes.demand import Demand, Need, join_needs
from sophia_infra.scaling.nodes.releasing import choose_release
from sophia_infra.scaling.nodes.settings import PoolSettings
from sophia_infra.scaling.nodes.viewing import Pending, PoolView, ScaledMachine
from tests.unit.scaling_nodes.ground import A10, EAST, limits, pool, quota

NOW_S = 1_790_000_000.0


def machines(count: int, first: int = 1) -> tuple[ScaledMachine, ...]:
    return tuple(
        ScaledMachine(
            f"{number:032x}",
            ScaledName("gpu", number, 1),
            "active",
            A10,
            EAST,
            Decimal("1.29"),
            NOW_S - number,
        )
        for number in range(first, first + count)
    )


def view(ready: int = 0, coming: int = 0, draining: int = 0, **more: Any) -> PoolView:
    return PoolView(
        "gpu",
        ready=machines(ready),
        coming=machines(coming, 100),
        draining=machines(draining, 200),
        **more,
    )


def asks(soon: int, later: int | None = None, missing: tuple[str, ...] = ()) -> Demand:
    return Demand(soon, soon if later is None else later, missing, f"a load needs {soon}", "prometheus")


@st.composite
def pools(draw: st.DrawFn) -> PoolSettings:
    most = draw(st.integers(1, 8))
    return pool(
        max=most,
        min=draw(st.integers(0, most)),
        warm_spares=draw(st.integers(0, 3)),
        cooldown_s=draw(st.sampled_from([0.0, 600.0])),
        scale_down_after_s=draw(st.sampled_from([0.0, 300.0])),
    )


@st.composite
def views(draw: st.DrawFn) -> PoolView:
    small = st.integers(0, 6)
    pending = tuple(Pending("gpu", 300 + at, NOW_S, None) for at in range(draw(st.integers(0, 2))))
    changed = draw(st.one_of(st.none(), st.floats(NOW_S - 4000, NOW_S)))
    ending, lost = machines(draw(st.integers(0, 3)), 400), machines(draw(st.integers(0, 2)), 500)
    return view(
        draw(small),
        draw(small),
        draw(small),
        pending=pending,
        ending=ending,
        lost=lost,
        last_change_s=changed,
    )


demands = st.one_of(
    st.builds(Demand),
    st.builds(Demand, missing=st.just(("prometheus: nothing was measured",))),
    st.builds(
        lambda soon, more, missing: asks(soon, soon + more, missing),
        st.integers(0, 10),
        st.integers(0, 3),
        st.sampled_from([(), ("forecast: too little",)]),
    ),
)
low = st.one_of(st.none(), st.floats(NOW_S - 2000, NOW_S))


@given(pools(), views(), demands, low)
@settings(deadline=None, max_examples=500)
def test_what_holds_for_every_decision(
    one: PoolSettings, seen: PoolView, demand: Demand, low_since_s: float | None
) -> None:
    made = decide_pool(one, seen, demand, NOW_S, low_since_s)
    have = seen.counted_on
    assert made == decide_pool(one, seen, demand, NOW_S, low_since_s)
    assert made.launch >= 0 <= made.release
    assert not (made.release and (made.launch or made.rescue)), "never both"
    assert have + made.launch + made.rescue <= max(one.max, have), "never above the maximum"
    assert made.rescue <= len(seen.draining)
    assert made.release <= len(seen.ready)
    if made.release:
        assert have - made.release >= one.min
        if have <= one.max:
            assert not demand.missing, "nothing is released in the dark"
            assert have - made.release >= min(
                one.max, (demand.later or 0) + (one.warm_spares if demand.later is not None else 0)
            )
            changed = seen.last_change_s
            assert changed is None or NOW_S - changed >= one.cooldown_s
            assert NOW_S - (NOW_S if low_since_s is None else low_since_s) >= one.scale_down_after_s
    if have < one.min:
        room = max(0, one.max - seen.billed)
        missing = one.min - have - made.rescue
        assert made.launch >= min(missing, room), "the minimum asks for no measurement"
    if made.launch:
        assert seen.billed + made.launch <= one.max
        assert made.rescue == len(seen.draining), "what is under drain comes first"
        needs = max(one.min, 0 if demand.soon is None else demand.soon + one.warm_spares)
        assert have + made.launch + made.rescue <= needs
    assert made.reason


@given(views(), st.integers(0, 8), st.integers(0, 8))
@settings(deadline=None)
def test_more_load_never_means_fewer_nodes(seen: PoolView, load: int, more: int) -> None:
    one = pool(max=8, cooldown_s=0.0, scale_down_after_s=0.0)

    def change(soon: int) -> int:
        made = decide_pool(one, seen, asks(soon), NOW_S, NOW_S - 1)
        return made.launch + made.rescue - made.release

    assert change(load) <= change(load + more)


def test_each_rule_says_its_word() -> None:
    def word(one: PoolSettings, seen: PoolView, demand: Demand, low_since_s: float | None = None) -> str:
        return decide_pool(one, seen, demand, NOW_S, low_since_s).word

    assert word(pool(min=1), view(), Demand()) == "min"
    assert word(pool(), view(), asks(2)) == "demand"
    assert word(pool(warm_spares=1), view(2), asks(2)) == "spare"
    assert word(pool(), view(5), asks(5)) == "over_max"
    assert word(pool(), view(2), asks(0, missing=("forecast: stale",))) == "stale"
    assert word(pool(), view(2), asks(2)) == "enough"
    assert word(pool(), view(2, last_change_s=NOW_S - 60), asks(0), NOW_S - 9999) == "cooldown"
    assert word(pool(), view(2), asks(0), NOW_S - 60) == "stabilizing"
    assert word(pool(), view(0, 2), asks(0), NOW_S - 9999) == "booting"
    assert word(pool(), view(2), asks(0), NOW_S - 9999) == "surplus"


def test_a_forecast_keeps_what_the_hour_needs() -> None:
    made = decide_pool(pool(), view(3), asks(1, 2), NOW_S, NOW_S - 9999)
    assert (made.action, made.release) == ("release", 1)


def test_of_several_sources_the_largest_counts() -> None:
    joined = join_needs([Need("a", 1, 5, "one"), Need("b", 2, 3, "two")], ["c: gone"])
    assert (joined.soon, joined.later, joined.words, joined.missing) == (2, 5, "two", ("c: gone",))


def test_a_change_of_the_future_holds_for_one_cooldown_and_says_so() -> None:
    made = decide_pool(pool(), view(2, last_change_s=NOW_S + 9e9), asks(0), NOW_S, NOW_S - 9999)
    assert made.word == "cooldown"
    assert "30 min" in made.reason


def test_office_hours_raise_the_minimum_a_lead_time_early() -> None:
    office = ScheduledMin.model_validate({"begin": "09:00", "end": "18:00", "min": 3})
    one = pool(schedule=(office,), lead_s=900.0)
    # 2026-09-21 is a Monday; 09:00 in New York is 13:00 UTC.
    monday_9 = datetime(2026, 9, 21, 13, tzinfo=UTC).timestamp()
    day_s = 86_400.0
    assert one.min_at(monday_9 - 901) == 0
    assert one.min_at(monday_9 - 900) == 3
    assert one.min_at(monday_9 + 9 * 3600 - 1) == 3
    assert one.min_at(monday_9 + 9 * 3600) == 0
    assert one.min_at(monday_9 + 5 * day_s) == 0, "a Saturday"
    labor_day_9 = datetime(2026, 9, 7, 13, tzinfo=UTC).timestamp()
    assert one.min_at(labor_day_9) == 0


@given(st.lists(st.sampled_from([A10, "gpu_8x_h100_sxm5", "gpu_1x_gh200"]), max_size=30))
@settings(deadline=None)
def test_books_never_let_a_launch_through_that_breaks_a_limit(kinds: list[str]) -> None:
    prices = PriceBook.fallback()
    bounds = limits(
        max_instances=6,
        budget_usd_per_hour=Decimal(70),
        max_gpus={"gpu_8x_h100_sxm5": 8},
        quota=quota(instances=5, gpus=20, per_type={"1xGH200": 2}),
    )
    books, launched = Books(), []
    for kind in kinds:
        if not books.limits_reached(kind, prices.get(kind), bounds):
            books.add(kind, prices.get(kind))
            books.scaled += 1
            launched.append(kind)
    assert sum((prices.get(kind) for kind in launched), Decimal(0)) <= 70
    assert len(launched) <= 5
    assert launched.count("gpu_8x_h100_sxm5") <= 1
    assert launched.count("gpu_1x_gh200") <= 2


def test_the_youngest_of_the_idle_ones_goes_first() -> None:
    rows = machines(3)
    nodes = {
        f"gpu-scaled-{n}": NodeSeen(f"gpu-scaled-{n}", "gpu", True, gpu_pods=int(n == 1)) for n in (1, 2, 3)
    }
    assert [one.name.number for one in choose_release(rows, nodes, 2)] == [2, 3]
    assert [one.name.number for one in choose_release(rows, None, 1)] == [1]
