"""Every operation of the provider, every fault, every moment: run again, and all is as if nothing had been.

The provider core runs against a real emulator over HTTP. A fault strikes at the first moment of the update,
in the next trial at the second, and so on until one is not reached any more. Then the same update runs once
more on a healthy service. The emulator says what there is and what it costs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from sophia_infra.emulator.launch_orders import LaunchOrder
from tests.faults.kinds import FAULTS
from tests.faults.trials import TRIALS, RecordProperty, moments_of
from tests.unit.provider.faults import World
from tests.unit.provider.simulated_engine import INSTANCE, Resource
from tests.unit.provider.stage import KEY_NAME, LIVE, PUBLIC_KEY, STACK, props

A10_USD = Decimal("1.29")
LISTS = {"listInstances", "listFilesystems", "listSSHKeys", "firewallRulesetsList"}
SSH = {"protocol": "tcp", "ports": [22.0, 22.0], "source": "203.0.113.0/24", "description": "office"}
PING = {"protocol": "icmp", "source": "0.0.0.0/0"}
LAG_S = 40.0
THEIRS = "somebody else's"


def resource(kind: str, name: str, given: dict[str, Any], *, terminate_first: bool = False) -> Resource:
    return Resource(kind, name, lambda _: given, terminate_first)


def machine(label: str = "a", *, terminate_first: bool = False, **changes: Any) -> Resource:
    return resource(INSTANCE, label, props(label, **changes), terminate_first=terminate_first)


def filesystem(name: str = "models") -> Resource:
    return resource("filesystem", "disk", {"stack": STACK, "name": name, "region": "us-east-1"})


def key(name: str = "stack-key") -> Resource:
    return resource("key", "ssh-key", {"name": name, "public_key": PUBLIC_KEY.replace("B" * 43, "D" * 43)})


def ruleset(*rules: dict[str, Any], region: str = "us-east-1") -> Resource:
    return resource("ruleset", "web", {"name": "web", "region": region, "rules": list(rules)})


ADOPTED = resource(
    INSTANCE, "a", {**props("a", ssh_key_name=None, name="adopted"), "adopt": {"name": THEIRS}}
)


@dataclass(frozen=True)
class Operation:
    """What the file said before and says now, and how many machines there will have been by then."""

    before: tuple[Resource, ...]
    after: tuple[Resource, ...]
    launches: int = 0
    list_lag_s: float = 0.0


OPERATIONS = {
    "create machine": Operation((), (machine(),), 1),
    "create machine, list lags": Operation((), (machine(),), 1, LAG_S),
    "update machine": Operation((machine(),), (machine(name="renamed"),), 1),
    "replace machine": Operation((machine(),), (machine(generation=2),), 2),
    "replace machine, old one first": Operation(
        (machine(),), (machine(generation=2, terminate_first=True),), 2
    ),
    "replace machine, list lags": Operation((machine(),), (machine(generation=2),), 2, LAG_S),
    "delete machine": Operation((machine(), machine("b")), (machine("b"),), 2),
    "adopt machine": Operation((), (ADOPTED,), 1),
    "create filesystem": Operation((), (filesystem(),)),
    "replace filesystem": Operation((filesystem(),), (filesystem("more-models"),)),
    "delete filesystem": Operation((filesystem(),), ()),
    "create key": Operation((), (key(),)),
    "replace key": Operation((key(),), (key("new-key"),)),
    "delete key": Operation((key(),), ()),
    "create ruleset": Operation((), (ruleset(SSH),)),
    "update ruleset": Operation((ruleset(SSH),), (ruleset(SSH, PING),)),
    "replace ruleset": Operation((ruleset(SSH),), (ruleset(SSH, region="us-west-1"),)),
    "delete ruleset": Operation((ruleset(SSH),), ()),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("faults"))
    yield world
    world.close()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_whatever_fails_at_any_moment_the_next_run_ends_where_an_undisturbed_one_does(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    record_property: RecordProperty,
    operation: str,
    fault: str,
) -> None:
    # Nobody pulls the plug of this machine, and fsync is most of the time of notes and state file.
    monkeypatch.setattr(os, "fsync", lambda _: None)
    wanted = OPERATIONS[operation]
    trials = 0
    for at in moments_of(f"{operation} {fault}"):
        world.begin_stack(wanted.list_lag_s)
        if wanted.after == (ADOPTED,):
            _somebody_else_launches(world)
        world.emulator.save()
        assert world.update(wanted.before) == ("done", False)
        ended, was_struck = world.update(wanted.after, FAULTS[fault], at)
        if not was_struck:
            assert ended == "done"
            break
        trials += 1
        _run_again(world, wanted.after, f"moment {at}, {ended}")
        _check(world, wanted, f"moment {at}, {ended}")
    record_property(TRIALS, trials)


def _somebody_else_launches(world: World) -> None:
    order = LaunchOrder("us-east-1", "gpu_1x_a10", [KEY_NAME], name=THEIRS)
    with world.emulator.cloud.lock:
        world.emulator.cloud.instances.launch(order)


def _run_again(world: World, program: tuple[Resource, ...], label: str) -> None:
    ended, _ = world.update(program)
    assert ended == "done", (label, world.failure)


def _check(world: World, wanted: Operation, label: str) -> None:
    dump = world.emulator.cloud.dump()
    machines = [row for row in dump["instances"] if row["status"] in LIVE]
    there: dict[str, Callable[[], set[str]]] = {
        INSTANCE: lambda: {row["id"] for row in machines},
        "filesystem": lambda: {row["id"] for row in dump["filesystems"]},
        "key": lambda: {row["id"] for row in dump["ssh_keys"] if row["name"] != KEY_NAME},
        "ruleset": lambda: {row["id"] for row in dump["firewall_rulesets"]},
    }
    assert not any(entry.delete for entry in world.engine.state), label
    for kind, ids in there.items():
        held = [entry.id for entry in world.engine.state if entry.kind == kind]
        assert ids() == set(held), f"orphans, or entries of nothing: {kind}, {label}"
        assert len(held) == sum(one.kind == kind for one in wanted.after), label
    assert len(dump["instances"]) == wanted.launches, f"double launches, {label}"
    assert Decimal(dump["billing"]["usd_per_hour"]) == A10_USD * len(machines), label
    world.emulator.clock.advance(wanted.list_lag_s)
    seen = len(world.emulator.cloud.requests.since(0))
    _run_again(world, wanted.after, label)
    sent = {str(one.operation) for one in world.emulator.cloud.requests.since(0)[seen:]}
    assert sent <= LISTS, f"a further run changed something: {sent}, {label}"
