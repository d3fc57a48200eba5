"""Whose a machine is: what exporter, reports, status and doctor say of the same list is the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

import pytest

from sophia_infra.lambda_cloud import Instance
from sophia_infra.model.scaled_tags import SCALER_TAG, ScaledName
from sophia_infra.operations.doctor import FindingKind, examine
from sophia_infra.operations.fleet_status import build_fleet_status
from sophia_infra.provider.matching import is_billed
from sophia_infra.provider.ownership import Claim, claim_of
from sophia_infra.provider.run_tags import RunTags, node_owner
from sophia_infra.provider.tags import NAME_TAG, STACK_TAG
from sophia_infra.reports.fleet import read_fleet
from tests.unit.operations.machines import NOW_S, STACK, instance_id, machine

RUN = "20260820-101112-3fa9c1"


def training(
    stack: str = STACK, deadline_s: float = NOW_S + 3600, broken: Mapping[str, str] = MappingProxyType({})
) -> dict[str, str]:
    """The tags of node 2 of a run; `broken` ones do not fit the others."""
    owner = node_owner(stack, RUN, 2)
    run = RunTags(stack, RUN, 2, int(deadline_s), Decimal(400))
    return {STACK_TAG: owner.stack, NAME_TAG: owner.name, **run.build(24), **broken}


def scaled() -> dict[str, str]:
    name = ScaledName("burst", 1, int(NOW_S) - 3600)
    return {STACK_TAG: STACK, NAME_TAG: name.name, SCALER_TAG: name.value}


@dataclass(frozen=True)
class Case:
    tags: dict[str, str]
    claim: Claim
    finding: FindingKind | None = None


CASES = {
    "nobody's": Case({}, Claim("unknown")),
    "somebody's own tags": Case({"team": "x"}, Claim("unknown")),
    "an orphan": Case({STACK_TAG: STACK, NAME_TAG: "gone"}, Claim("orphan", STACK), FindingKind.ORPHAN),
    "the scaler's": Case(scaled(), Claim("stack", STACK, "node scaler")),
    "another stack's": Case({STACK_TAG: "sophia-infra/b", NAME_TAG: "x"}, Claim("other", "sophia-infra/b")),
    "a run's": Case(training(), Claim("training", STACK, f"training run {RUN}")),
    "a late run's": Case(
        training(deadline_s=NOW_S - 601),
        Claim("training", STACK, f"training run {RUN}"),
        FindingKind.OVERDUE,
    ),
    "a run's that is ending": Case(
        training(deadline_s=NOW_S - 60), Claim("training", STACK, f"training run {RUN}")
    ),
    "a run's without a deadline": Case(
        training(broken={"sophia-deadline": "soon"}), Claim("orphan", STACK), FindingKind.ORPHAN
    ),
    "a run's of another stack": Case(
        training("sophia-infra/b", NOW_S - 9_999),
        Claim("other", "sophia-infra/b", f"training run {RUN}"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_view_says_the_same_of_a_machine(name: str) -> None:
    case = CASES[name]
    listed = [machine(1, case.tags)]
    assert claim_of(case.tags, STACK) == case.claim
    [row] = read_fleet(STACK, {}, listed, NOW_S).machines
    assert row.owner == case.claim.owner
    status = build_fleet_status(STACK, {}, listed, NOW_S)
    assert (len(status.rows), status.training_machines, status.other_machines) == {
        "stack": (1, 0, 0),
        "orphan": (1, 0, 0),
        "training": (0, 1, 0),
        "other": (0, 0, 1),
        "unknown": (0, 0, 1),
    }[case.claim.owner]
    assert sum((status.usd_per_hour, status.training_usd_per_hour, status.other_usd_per_hour)) == Decimal(
        "1.29"
    )
    findings = examine(STACK, {}, listed, (), NOW_S)
    assert [one.kind for one in findings] == ([case.finding] if case.finding else [])


def test_an_overdue_training_machine_is_told_with_the_command_that_ends_it() -> None:
    [finding] = examine(STACK, {}, [machine(1, CASES["a late run's"].tags)], (), NOW_S)
    assert (finding.instance_id, finding.fix) == (instance_id(1), "sophia train sweep --stack test")
    assert finding.usd_per_hour == Decimal("1.29")


def test_a_training_machine_is_named_as_the_account_names_it() -> None:
    [row] = read_fleet(STACK, {}, [machine(1, training())], NOW_S).machines
    assert (row.name, row.purpose) == ("machine 1", f"training run {RUN}")


@pytest.mark.parametrize(
    ("status", "billed"),
    [
        ("booting", True),
        ("unhealthy", True),
        ("terminating", True),
        ("contactable", True),
        ("terminated", False),
    ],
)
def test_a_machine_costs_until_it_is_seen_to_have_ended(status: str, billed: bool) -> None:
    one: Instance = machine(1, training(), status=status)
    assert is_billed(one) is billed
    assert build_fleet_status(STACK, {}, [one], NOW_S).training_machines == billed
    assert len(read_fleet(STACK, {}, [one], NOW_S).machines) == billed
