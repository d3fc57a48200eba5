"""How risky an advice is, by rules that anybody can read. Pure.

Low is what a program may do by itself. Two things only can be low, because a machine's local disk is lost
when it ends, Lambda has no stop, a relaunch can be refused, and what the state holds has to change through
the stack file:

1. An orphan or a duplicate of this stack, proven by the rules of `sophia doctor` against a state that was
   read, old enough, not seen at work, of which the API tells enough to launch the same description again.
2. An empty filesystem that this stack made, that neither state nor file holds, unused and old enough.

Whatever has the name of an always-on or protected machine is never low, not even a lost copy of it: the two
cannot be told apart with certainty by a name. Everything of the stack file is medium at least, and high when
it is always on, protected, or when data would be lost. What nobody of ours launched is high.
"""

from __future__ import annotations

from collections.abc import Iterable

from sophia_infra.optimization.config import OptimizationConfig
from sophia_infra.optimization.facts import FilesystemFacts, Fleet, MachineFacts
from sophia_infra.optimization.recommendation import Risk, Verdict
from sophia_infra.optimization.usage import MachineUsage

__all__ = ["filesystem_verdict", "machine_verdict", "stray_verdict"]


def machine_verdict(
    machine: MachineFacts, config: OptimizationConfig, *, further: Iterable[str] = ()
) -> Verdict:
    """Of a change to a machine that the stack file has. `further` are reasons that make it high."""
    reasons = ["it is in the stack file, so it changes through the file"]
    risk: Risk = "medium"
    high = list(further)
    if machine.always_on:
        high.append("the file says that it is always on")
    if _is_protected(machine.name, machine.protected, config):
        high.append("it is protected")
    if machine.adopted:
        high.append("it was adopted, so nothing says how to launch it again")
    if high:
        risk = "high"
    return Verdict(risk, (*reasons, *high))


def stray_verdict(
    machine: MachineFacts, fleet: Fleet, config: OptimizationConfig, usage: MachineUsage | None
) -> Verdict:
    """Of ending a machine of this stack that is in no state."""
    against = []
    if not fleet.state_known:
        against.append("the state was not read, so nothing proves that it is in none")
    if machine.standing not in ("orphan", "duplicate"):
        against.append(f"`sophia doctor` calls it {machine.standing}")
    if machine.standing == "duplicate" and not machine.twin_in_state:
        against.append("its twin is in no state either, so one of the two is needed")
    if machine.in_state:
        against.append("the state holds it")
    if any(one.always_on or one.protected for one in fleet.machines if one.name == machine.name):
        against.append(f"{machine.name} is the name of an always-on or protected machine of the file")
    if _is_protected(machine.name, machine.protected, config):
        against.append("it is protected")
    if machine.age_s is None:
        against.append("nothing says when it was launched")
    elif machine.age_s < config.orphan_min_minutes * 60:
        against.append(f"it is younger than {config.orphan_min_minutes} min")
    if not machine.is_restorable:
        against.append("the API does not tell enough to launch it again")
    if usage is not None and usage.days > 0 and usage.quiet_share < 1:
        against.append("it was seen at work")
    if against:
        return Verdict("medium", tuple(against))
    return Verdict(
        "low",
        (
            "it is of this stack, in no state, and no launch of the file",
            "it was not seen at work",
            "the same description can be launched again; its local disk is lost",
        ),
    )


def filesystem_verdict(one: FilesystemFacts, fleet: Fleet, config: OptimizationConfig) -> Verdict:
    """Of deleting a filesystem."""
    if one.bytes_used != 0:
        held = "an unknown amount of data" if one.bytes_used is None else f"{one.bytes_used:,} bytes"
        return Verdict("high", (f"it holds {held}, which nothing brings back",))
    against = []
    if not fleet.state_known:
        against.append("the state was not read, so nothing proves that it is in none")
    if one.in_state or one.in_file:
        against.append("it is in the stack file or its state, so it changes through the file")
    if not one.is_ours:
        against.append("nothing proves that this stack made it")
    if one.is_in_use:
        against.append("it is in use")
    if _is_protected(one.name, one.protected, config):
        against.append("it is protected")
    if one.age_s is None or one.age_s < config.filesystem_min_hours * 3600:
        against.append(f"it is younger than {config.filesystem_min_hours} h, and its size is told hours late")
    if against:
        return Verdict("medium", tuple(against))
    return Verdict(
        "low",
        ("it is empty, unused, made by this stack, in no state and not in the file", "it can be made again"),
    )


def _is_protected(name: str, protected: bool, config: OptimizationConfig) -> bool:
    return protected or name in config.protected
