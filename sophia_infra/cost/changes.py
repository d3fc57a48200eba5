"""From the engine's steps to what changes about machines. No prices yet; no order between resources matters.

A plan says the same thing in several steps (`create-replacement`, `replace`, `delete-replaced`), and one
resource may hold two machines: the current one, and one that an interrupted update did not terminate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from sophia_infra.cost.billing import is_component, is_known, why_unpriced
from sophia_infra.cost.errors import PlanUnreadable, UnknownResource
from sophia_infra.engine.events import ResourceState, Step
from sophia_infra.model.launch_choice import LaunchChoice, launch_choices
from sophia_infra.model.resource_tokens import kind_of

__all__ = [
    "Action",
    "Machine",
    "MachineChange",
    "Plan",
    "ReplaceOrder",
    "Unpriced",
    "plan_of_steps",
]

ReplaceOrder = Literal["launch_first", "terminate_first"]

_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""How the engine writes a value that is known only after the update (SDK: `rpc.UNKNOWN`)."""

_MAKES = frozenset({"create", "import"})
_KEEPS = frozenset({"same", "update", "read"})
_REPLACES = frozenset({"create-replacement", "import-replacement", "read-replacement", "replace"})
_ENDS = frozenset({"delete", "delete-replaced"})
_REFRESH = "refresh"
# These change the state's books and no machine.
_BOOKKEEPING = frozenset({"discard", "discard-replaced", "read-discard", "remove-pending-replace", ""})
_OPS = _MAKES | _KEEPS | _REPLACES | _ENDS | _BOOKKEEPING | {_REFRESH}


class Action(StrEnum):
    """What happens to one machine."""

    CREATE = "create"
    ADOPT = "adopt"
    """Taken into the stack; it runs and is billed already."""
    KEEP = "same"
    UPDATE = "update"
    """Changed in place: the machine and its price stay."""
    REPLACE = "replace"
    DELETE = "delete"
    GONE = "gone"
    """The state has it, and a refresh found that it no longer runs."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine as it is billed. `fallbacks` are what a launch may take instead; empty once it runs."""

    instance_type: str
    region: str
    fallbacks: tuple[LaunchChoice, ...] = ()

    @property
    def choices(self) -> tuple[LaunchChoice, ...]:
        """The declared choice and its fallbacks, in the order in which a launch tries them."""
        return (LaunchChoice(self.instance_type, self.region), *self.fallbacks)


@dataclass(frozen=True, slots=True)
class MachineChange:
    """One machine before and after; None where there is none.

    Attributes:
        name: the resource's name in the program.
        instance_id: of the machine before; "" when there is none.
        order: of a replacement; None when the plan does not say.
        reasons: properties that force a replacement.
        is_adopted: the machine was not launched by the stack.
    """

    name: str
    action: Action
    before: Machine | None
    after: Machine | None
    instance_id: str = ""
    order: ReplaceOrder | None = None
    reasons: tuple[str, ...] = ()
    is_adopted: bool = False


@dataclass(frozen=True, slots=True)
class Unpriced:
    """A resource that may cost money which a plan cannot know, and why."""

    name: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would change.

    Attributes:
        changes: every machine, unchanged ones included.
        unpriced: what is not in dollars, said so.
        left_out: unchanged resources that the file does not list; above 0, totals are not whole.
        config: the stack's configuration as the file records it; empty when it does not.
    """

    changes: tuple[MachineChange, ...]
    unpriced: tuple[Unpriced, ...] = ()
    left_out: int = 0
    config: Mapping[str, str] = field(default_factory=dict)


def plan_of_steps(
    steps: Iterable[Step], *, left_out: int = 0, config: Mapping[str, str] | None = None
) -> Plan:
    """Read the steps of one run, in the order in which the engine reported them.

    Raises:
        UnknownResource: types that nobody said how they are billed.
        PlanUnreadable: a step without what it needs, or of an operation that is not known here.
    """
    by_urn: dict[str, list[Step]] = {}
    for step in steps:
        if not step.urn or not step.type or step.op not in _OPS:
            raise PlanUnreadable(
                f"A step has the operation {step.op!r}, type {step.type!r} and URN {step.urn[:200]!r}: "
                "another version of the engine?",
                next_step="use Pulumi 3.259 or one near it.",
            )
        if not is_component(step):
            by_urn.setdefault(step.urn, []).append(step)
    unknown = {(rows[0].name, rows[0].type): None for rows in by_urn.values() if not is_known(rows[0].type)}
    if unknown:
        raise UnknownResource(sorted(unknown))
    changes: list[MachineChange] = []
    unpriced: list[Unpriced] = []
    for rows in by_urn.values():
        kind = rows[0].type
        reason = why_unpriced(kind)
        if kind_of(kind) == "Instance":
            changes += _changes_of(rows)
        elif reason is not None and any(row.op not in _ENDS for row in rows):
            unpriced.append(Unpriced(rows[0].name, kind.rsplit(":", 1)[-1], reason))
    return Plan(tuple(changes), tuple(unpriced), left_out, dict(config or {}))


def _changes_of(steps: Sequence[Step]) -> list[MachineChange]:
    """The machines of one resource. Later reports of a step replace earlier ones and keep their place."""
    name = steps[0].name
    unique: dict[tuple[str, str], Step] = {}
    for step in steps:
        if step.op not in _BOOKKEEPING:
            unique[step.op, _id(step.old)] = step
    rows = list(unique.values())
    ends = {_id(step.old): at for at, step in enumerate(rows) if step.op in _ENDS}
    found: list[MachineChange] = []
    replacing = [at for at, step in enumerate(rows) if step.op in _REPLACES]
    launching = [step for step in rows if step.op in _MAKES]
    keeping = [step for step in rows if step.op in _KEEPS]
    refreshed = [step for step in rows if step.op == _REFRESH]
    if replacing:
        launches = [at for at in replacing if rows[at].op != "replace"] or replacing
        step = rows[launches[0]]
        end = ends.pop(_id(step.old), None)
        order: ReplaceOrder | None = None
        if end is not None:
            order = "launch_first" if launches[0] < end else "terminate_first"
        before, after = _running(step.old, name), _planned(step.new, name)
        found.append(
            MachineChange(
                name,
                Action.REPLACE,
                before,
                after,
                _id(step.old),
                order,
                step.replace_keys,
                _adopts(step.new),
            )
        )
    elif launching:
        adopts = launching[0].op == "import" or _adopts(launching[0].new)
        action = Action.ADOPT if adopts else Action.CREATE
        after = _planned(launching[0].new, name)
        found.append(MachineChange(name, action, None, after, is_adopted=adopts))
    elif keeping:
        for step in keeping:
            state = step.old or step.new
            action = Action.UPDATE if step.op == "update" else Action.KEEP
            found.append(_staying(name, action, _running(state, name), state))
    elif refreshed and not ends:
        step = refreshed[0]
        if step.new is None:
            found.append(MachineChange(name, Action.GONE, None, None, _id(step.old)))
        else:
            found.append(_staying(name, Action.KEEP, _running(step.new, name), step.new))
    for at in ends.values():
        old = rows[at].old
        found.append(
            MachineChange(
                name, Action.DELETE, _running(old, name), None, _id(old), is_adopted=_was_adopted(old)
            )
        )
    return found


def _staying(name: str, action: Action, machine: Machine, state: ResourceState | None) -> MachineChange:
    return MachineChange(name, action, machine, machine, _id(state), is_adopted=_was_adopted(state))


def _running(state: ResourceState | None, name: str) -> Machine:
    """The machine that a state records: what was launched, which a fallback may have made another type."""
    properties = _properties(state)
    return Machine(
        _text(properties, ("launched_type", "instance_type"), name),
        _text(properties, ("launched_region", "region"), name),
    )


def _planned(state: ResourceState | None, name: str) -> Machine:
    """The machine that a launch will make: declared, or what it became where the log is of a real update."""
    properties = _properties(state)
    if properties.get("launched_type") not in (None, "", _UNKNOWN):
        return _running(state, name)
    rows = properties.get("fallbacks")
    fallbacks = (
        (str(row.get("type") or ""), str(row.get("region") or ""))
        for row in (rows if isinstance(rows, Sequence) and not isinstance(rows, str) else ())
        if isinstance(row, Mapping)
    )
    declared, *further = launch_choices(
        _text(properties, ("instance_type",), name), _text(properties, ("region",), name), fallbacks
    )
    return Machine(declared.instance_type, declared.region, tuple(further))


def _properties(state: ResourceState | None) -> dict[str, Any]:
    return {**state.inputs, **state.outputs} if state is not None else {}


def _text(properties: Mapping[str, Any], keys: Sequence[str], name: str) -> str:
    for key in keys:
        value = properties.get(key)
        if value is not None and (not isinstance(value, str) or value in ("", _UNKNOWN)):
            raise PlanUnreadable(
                f"{key} of {name} is not known in this plan, so it has no price.",
                next_step="set it in the stack file, not from the output of another resource.",
            )
        if value:
            return str(value)
    raise PlanUnreadable(
        f"{name} has no {keys[-1]} in this plan: another version of this program?",
        next_step="make the plan again with the program that reads it.",
    )


def _id(state: ResourceState | None) -> str:
    return state.id if state is not None else ""


def _adopts(new: ResourceState | None) -> bool:
    return bool(_properties(new).get("adopt"))


def _was_adopted(state: ResourceState | None) -> bool:
    return bool(_properties(state).get("adopted"))
