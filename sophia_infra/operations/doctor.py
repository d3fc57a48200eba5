"""Compare what the state holds with what the account runs, and name the exact fix of each difference.

Three sources: the state (resources and pending operations), the live list with our tags, and the launch
journal of this machine. Pure: nothing is asked and nothing is changed here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sophia_infra.lambda_cloud import Instance
from sophia_infra.operations.fleet_status import usd_so_far
from sophia_infra.provider.instance_spec import LIVE_STATUSES, InstanceSpec
from sophia_infra.provider.journal import Intent
from sophia_infra.provider.ownership import claim_of
from sophia_infra.provider.run_tags import RunTags
from sophia_infra.provider.tags import LAUNCH_TAG, NAME_TAG, STACK_TAG

__all__ = ["Finding", "FindingKind", "examine", "ids_in_state"]

INSTANCE_TYPE_TOKEN = "pulumi-python:dynamic/lambda:Instance"  # noqa: S105 (a resource type, no secret)

_OVERDUE_S = 600.0
"""How long after its deadline a training machine may be on its way out: a poll, and its end."""


class FindingKind(StrEnum):
    """What is wrong. `TO_ADOPT` mends itself at the next update, and so does `TO_DELETE` as a rule."""

    TO_ADOPT = "launched by a killed run"
    ORPHAN = "orphan"
    DUPLICATE = "duplicate"
    GONE = "gone"
    TO_DELETE = "still to be terminated"
    LEFTOVER = "leftover entry"
    OVERDUE = "training machine past its deadline"


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. `fix` is a command line or a sentence; money is what it costs while it stays."""

    kind: FindingKind
    name: str
    instance_id: str
    detail: str
    fix: str
    usd_per_hour: Decimal = Decimal(0)
    usd_so_far: Decimal | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain data; money as decimal text."""
        return {
            "kind": self.kind.value,
            "name": self.name,
            "id": self.instance_id,
            "detail": self.detail,
            "fix": self.fix,
            "usd_per_hour": str(self.usd_per_hour),
            "usd_so_far": None if self.usd_so_far is None else str(self.usd_so_far),
        }


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    instance_id: str
    to_delete: bool


def ids_in_state(deployment: Mapping[str, Any]) -> frozenset[str]:
    """The ids of the machines that the state holds as current: these are not for the doctor to end."""
    return frozenset(entry.instance_id for entry in _entries(deployment) if not entry.to_delete)


def examine(
    stack: str,
    deployment: Mapping[str, Any],
    machines: Iterable[Instance],
    intents: Iterable[Intent],
    now_s: float,
    *,
    wanted: Collection[str] | None = None,
) -> list[Finding]:
    """All differences, dearest first.

    Args:
        stack: "project/stack", the value of the stack tag.
        deployment: the `deployment` object of `pulumi stack export`.
        machines: the account's list of instances.
        intents: launches begun on this machine.
        now_s: seconds since 1970 on the cloud's clock.
        wanted: launch keys of the stack file as it is now (`wanted_launches`): only a machine of such a
            launch is taken over by the next update. None: the file is not known, and whatever was begun
            counts as wanted.
    """
    listed = list(machines)
    live = {machine.id: machine for machine in listed if machine.status in LIVE_STATUSES}
    entries = _entries(deployment)
    findings = [*_of_state(stack, entries, live, now_s)]
    held = {entry.instance_id for entry in entries}
    expected = (
        _expected_keys(deployment) | {intent.key for intent in intents} if wanted is None else set(wanted)
    )
    by_key: dict[str, list[Instance]] = defaultdict(list)
    for machine in live.values():
        # Those of the node scaler and of training runs are in no state on purpose.
        if claim_of(machine.tags, stack).owner == "orphan":
            owner = machine.tags.get(STACK_TAG)
            by_key[f"{owner}/{machine.tags.get(NAME_TAG)}/{machine.tags.get(LAUNCH_TAG)}"].append(machine)
        elif (overdue := _overdue(stack, machine, now_s)) is not None:
            findings.append(overdue)
    for key, group in by_key.items():
        strays = [machine for machine in group if machine.id not in held]
        doubled = len(group) > 1
        findings += [_stray(stack, machine, now_s, doubled, key in expected) for machine in strays]
    return sorted(findings, key=lambda finding: (-finding.usd_per_hour, finding.name))


def _of_state(
    stack: str, entries: Iterable[_Entry], live: Mapping[str, Instance], now_s: float
) -> Iterable[Finding]:
    entries = list(entries)
    current = {entry.instance_id for entry in entries if not entry.to_delete}
    command = f"sophia up --stack {stack.rsplit('/', 1)[-1]}"
    for entry in entries:
        machine = live.get(entry.instance_id)
        if entry.to_delete and entry.instance_id in current:
            yield Finding(
                FindingKind.LEFTOVER,
                entry.name,
                entry.instance_id,
                "the state lists this machine twice: as current, and as one to terminate",
                'remove the entry with `"delete": true` from `pulumi stack export`, then '
                "`pulumi stack import`",
            )
        elif entry.to_delete and machine is not None:
            yield Finding(
                FindingKind.TO_DELETE,
                entry.name,
                entry.instance_id,
                "a replaced machine that an interrupted update did not terminate",
                # A file that was changed once more makes that update refuse to launch beside this machine.
                f"{command}; where that is refused: {_terminate_command(stack, machine.id)}",
                machine.instance_type.usd_per_hour,
                usd_so_far(machine, now_s),
            )
        elif not entry.to_delete and machine is None:
            yield Finding(
                FindingKind.GONE,
                entry.name,
                entry.instance_id,
                "the state holds it, and it no longer runs",
                f"{command} --refresh",
            )


def _overdue(stack: str, machine: Instance, now_s: float) -> Finding | None:
    run = RunTags.of(machine.tags)
    if run is None or run.stack != stack or now_s - run.deadline_s <= _OVERDUE_S:
        return None
    return Finding(
        FindingKind.OVERDUE,
        machine.name or "?",
        machine.id,
        f"run {run.run_id} should have ended it, and neither starter nor watchdog did",
        f"sophia train sweep --stack {stack.rsplit('/', 1)[-1]}",
        machine.instance_type.usd_per_hour,
        usd_so_far(machine, now_s),
    )


def _stray(stack: str, machine: Instance, now_s: float, doubled: bool, expected: bool) -> Finding:
    stack_name = stack.rsplit("/", 1)[-1]
    terminate = _terminate_command(stack, machine.id)
    if doubled:
        kind, detail, fix = FindingKind.DUPLICATE, "another live machine has the same launch key", terminate
    elif expected:
        kind = FindingKind.TO_ADOPT
        detail = "it runs and is in no state; the next update takes it over"
        fix = f"sophia up --stack {stack_name}"
    else:
        kind, detail, fix = FindingKind.ORPHAN, "it carries this stack's tag and is in no state", terminate
    return Finding(
        kind,
        machine.tags.get(NAME_TAG, "?"),
        machine.id,
        detail,
        fix,
        machine.instance_type.usd_per_hour,
        usd_so_far(machine, now_s),
    )


def _terminate_command(stack: str, instance_id: str) -> str:
    return f"sophia doctor --stack {stack.rsplit('/', 1)[-1]} --terminate {instance_id}"


def _entries(deployment: Mapping[str, Any]) -> list[_Entry]:
    return [
        _Entry(row["urn"].rsplit("::", 1)[-1], row.get("id", ""), bool(row.get("delete")))
        for row in deployment.get("resources") or ()
        if row.get("type") == INSTANCE_TYPE_TOKEN
    ]


def _expected_keys(deployment: Mapping[str, Any]) -> set[str]:
    """The launch keys that pending creates were about to use."""
    keys = set()
    for operation in deployment.get("pending_operations") or ():
        row = operation.get("resource") or {}
        if row.get("type") == INSTANCE_TYPE_TOKEN and operation.get("type") == "creating":
            try:
                keys.add(str(InstanceSpec.of(row["inputs"]).launch_key))
            except (KeyError, TypeError, ValueError):
                continue
    return keys
