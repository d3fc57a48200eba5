"""What holds for any account: who is never touched, and that savings are counted once."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sophia_infra.optimization.config import OptimizationConfig
from sophia_infra.optimization.facts import Fleet, MachineFacts
from sophia_infra.optimization.overlap import choose, conflict, savings_of
from sophia_infra.optimization.recommendation import Kind, Recommendation, Saving, Verdict
from sophia_infra.optimization.rules import Look, find_all
from tests.effort import examples
from tests.unit.optimization.facts import fact, filesystem, fleet, report
from tests.unit.optimization.ground import Ground
from tests.unit.optimization.shapes import machine, office

STANDINGS = ("file", "orphan", "duplicate", "to adopt", "to delete", "elsewhere", "other stack", "untagged")
TRACKS = {
    "idle": machine(1.0),
    "office": machine(office(60.0)),
    "busy": machine(60.0),
    "light": machine(20.0, requests=1.0),
}

facts_of_machines = st.builds(
    lambda number, name, kind, standing, **more: fact(
        name, kind, instance_id=f"id-{number}", standing=standing, **more
    ),
    number=st.integers(0, 10_000),
    name=st.sampled_from(("a", "b", "c", "d")),
    kind=st.sampled_from(("gpu_1x_a10", "gpu_1x_a100", "gpu_1x_gh200", "gpu_1x_rtx6000")),
    standing=st.sampled_from(STANDINGS),
    in_state=st.booleans(),
    always_on=st.booleans(),
    protected=st.booleans(),
    adopted=st.booleans(),
    is_restorable=st.booleans(),
    twin_in_state=st.booleans(),
    age_s=st.one_of(st.none(), st.floats(0, 1e8)),
)
facts_of_filesystems = st.builds(
    lambda number, name, **more: filesystem(name, filesystem_id=f"fs-{number}", **more),
    number=st.integers(0, 10_000),
    name=st.sampled_from(("a", "b", "data")),
    bytes_used=st.sampled_from((None, 0, 0, 7, 10**12)),
    is_in_use=st.booleans(),
    in_file=st.booleans(),
    in_state=st.booleans(),
    is_ours=st.booleans(),
    protected=st.booleans(),
    age_s=st.one_of(st.none(), st.floats(0, 1e8)),
)


def _unique(rows: list[Any], name: str) -> list[Any]:
    return list({getattr(row, name): row for row in rows}.values())


fleets = st.builds(
    lambda machines, filesystems, **more: fleet(
        *_unique(machines, "instance_id"), filesystems=tuple(_unique(filesystems, "filesystem_id")), **more
    ),
    machines=st.lists(facts_of_machines, max_size=8),
    filesystems=st.lists(facts_of_filesystems, max_size=4),
    state_known=st.sampled_from((True, True, True, False)),
)


def _advise(whole: Fleet, shapes: list[str]) -> list[Recommendation]:
    tracks = {
        one.instance_id.removeprefix("id-"): TRACKS[shapes[place % len(shapes)]]
        for place, one in enumerate(whole.machines)
        if shapes
    }
    config = OptimizationConfig(protected=("d",))
    return find_all(Look(whole, report(tracks, config) if tracks else None, config))


def _kept_names(whole: Fleet) -> set[str]:
    return {one.name for one in whole.machines if one.always_on or one.protected} | {"d"}


@settings(max_examples=examples(300))
@given(fleets, st.lists(st.sampled_from(sorted(TRACKS)), max_size=4))
def test_only_strays_and_empty_filesystems_can_be_acted_on(whole: Fleet, shapes: list[str]) -> None:
    machines = {one.instance_id: one for one in whole.machines}
    filesystems = {one.filesystem_id: one for one in whole.filesystems}
    for one in _advise(whole, shapes):
        if one.risk != "low":
            assert not one.can_act
            assert one.action is None
            continue
        assert one.can_act
        assert one.undo
        assert one.verdict.reasons
        assert whole.state_known
        assert one.action is not None
        if one.action.what == "end machine":
            _check_stray(machines[one.action.target_id], whole)
        else:
            target = filesystems[one.action.target_id]
            assert (target.bytes_used, target.is_in_use, target.is_ours) == (0, False, True)
            assert (target.in_file, target.in_state, target.protected) == (False, False, False)


def _check_stray(machine: MachineFacts, whole: Fleet) -> None:
    assert machine.standing in ("orphan", "duplicate")
    assert machine.standing == "orphan" or machine.twin_in_state
    assert machine.is_restorable
    assert not machine.in_state
    assert (machine.always_on, machine.protected) == (False, False)
    assert machine.name not in _kept_names(whole)


@settings(max_examples=examples(300))
@given(fleets, st.lists(st.sampled_from(sorted(TRACKS)), max_size=4), st.data())
def test_savings_of_any_set_are_at_most_its_parts_and_the_run_rate(
    whole: Fleet, shapes: list[str], data: st.DataObject
) -> None:
    found = _advise(whole, shapes)
    subset = [one for one in found if data.draw(st.booleans())]
    total = savings_of(subset, whole.worth)
    parts = sum((one.saving.expected for one in subset), Decimal(0))
    assert total.low <= total.expected <= total.high
    assert total.expected <= parts
    assert total.high <= whole.account_usd_per_hour * 720 + sum(
        (whole.worth[one.key] for one in whole.filesystems), Decimal(0)
    ) + Decimal("0.01") * len(whole.filesystems)
    for one in found:
        assert one.saving.high <= sum((whole.worth[key] for key in one.savings), Decimal("0.01"))


@settings(max_examples=examples(200))
@given(fleets, st.lists(st.sampled_from(sorted(TRACKS)), max_size=4))
def test_what_is_chosen_fits_together_and_nothing_is_forgotten(whole: Fleet, shapes: list[str]) -> None:
    found = _advise(whole, shapes)
    assert len({one.id for one in found}) == len(found), "an id names one advice"
    choice = choose(found)
    assert sorted(one.id for one in (*choice.chosen, *(row for row, _ in choice.excluded))) == sorted(
        one.id for one in found
    )
    for place, one in enumerate(choice.chosen):
        assert not any(conflict(one, other) for other in choice.chosen[place + 1 :])
    for one, by in choice.excluded:
        assert conflict(one, by)


@pytest.mark.parametrize("shape", ["idle", "office", "light"])
def test_a_name_for_which_two_machines_run_is_left_alone_until_one_is_gone(shape: str) -> None:
    """An update replaces it: what the file would lose is both of them."""
    machines = [fact("a", "gpu_1x_a100", instance_id=f"id-{number}") for number in (1, 2)]
    assert _advise(fleet(*machines), [shape]) == []
    assert {one.subject for one in _advise(fleet(machines[0]), [shape])} == {"a"}


LAUNCHES: dict[str, dict[str, Any]] = {
    "other": {"stack": "sophia-infra/other"},
    "elsewhere": {"tags": {"sophia-run": "r"}},
    "young": {"ago_s": 0.0},
}
keys = st.sampled_from([f"machine:{number}" for number in range(5)])
dollars = st.decimals(0, 2000, places=2)
savings = st.builds(
    lambda low, more, most: Saving.of(low, low + more, low + more + most), dollars, dollars, dollars
)


@settings(max_examples=examples(200))
@given(
    st.lists(
        st.tuples(st.dictionaries(keys, savings, min_size=1, max_size=3), st.frozensets(keys, max_size=1)),
        max_size=9,
    ),
    st.dictionaries(keys, dollars),
)
def test_any_savings_are_counted_once(
    rows: list[tuple[dict[str, Saving], frozenset[str]]], worth: dict[str, Decimal]
) -> None:
    made = [
        Recommendation(
            id=f"r-{number}",
            kind=Kind.IDLE,
            subject="x",
            title="x",
            savings=of,
            evidence=(),
            verdict=Verdict("medium", ("a test",)),
            steps=("x",),
            undo="x",
            keeps=frozenset(kept - of.keys()),
        )
        for number, (of, kept) in enumerate(rows)
    ]
    total = savings_of(made, worth)
    assert total.expected <= sum((one.saving.expected for one in made), Decimal(0))
    assert total.high <= sum(worth.values(), Decimal(0))
    chosen = choose(made).chosen
    most = max((one.saving.expected for one in made), default=Decimal(0))
    # The best set is never worth less than its best member alone.
    assert sum((one.saving.expected for one in chosen), Decimal(0)) >= most


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(("stack", "kept", "elsewhere", "other", "young")), st.booleans(), st.booleans()
        ),
        min_size=1,
        max_size=4,
    )
)
def test_auto_implement_on_any_account_ends_only_what_it_may_and_all_of_it_comes_back(
    ground: Ground, rows: list[tuple[str, bool, bool]]
) -> None:
    ground.cloud.reset()
    ground.entries.clear()
    for path in ground.root.rglob("*.json*"):
        path.unlink()
    with ground.cloud.lock:
        ground.cloud.ssh_keys.add("team-key", "ssh-ed25519 x")
    ground.fleet, free = {}, set()
    for number, (kind, always_on, protect) in enumerate(rows):
        label = f"{kind}-{number}"
        made = ground.launch(label, **LAUNCHES.get(kind, {}))
        if kind == "stack":
            free.add(made)
        if kind == "kept":
            row: dict[str, Any] = {"type": "1xA10", "region": "us-east-1", "purpose": "x"}
            ground.fleet[label] = {**row, "always_on": always_on, "protect": protect, "generation": 9}
            if not (always_on or protect):
                free.add(made)
    before = ground.account()
    all_ids = {row["id"] for row in ground.live()}
    outcomes = ground.auto()
    assert {row["id"] for row in ground.live()} == all_ids - free
    assert {one.word for one in outcomes} <= {"done"}
    for one in outcomes:
        asyncio.run(ground.engine().undo(str(one.action_id)))
    assert ground.account() == before
