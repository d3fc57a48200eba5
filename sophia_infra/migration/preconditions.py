"""What must hold before the first command of a phase: the right stack, the right time, the right order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Final

from sophia_infra.migration.errors import GateRed, PlanRefused
from sophia_infra.migration.journal import Progress
from sophia_infra.migration.steps import PhaseName
from sophia_infra.migration.table import TABLE
from sophia_infra.migration.timeline import PHASE_DAYS
from sophia_infra.model.stack import StackConfig
from sophia_infra.rollout.cutover_services import cutover_order

__all__ = [
    "STACK_ORDER",
    "check_calendar",
    "check_order",
    "check_stack",
    "check_undo",
    "needs_of",
    "next_stack",
    "services_of",
]

STACK_ORDER: Final = ("development", "staging", "canary", "production")
"""A stack of these names migrates only when the one before has, where that one has a file."""

_NUMBERS: Final[Mapping[PhaseName, int]] = {"phase1": 1, "phase2": 2, "phase3": 3, "complete": 1}


def next_stack(stack: str, has_file: Callable[[str], bool]) -> str:
    """The stack that gets this one's images; "" for the last one, and for a stack of no such order."""
    later = STACK_ORDER[STACK_ORDER.index(stack) + 1 :] if stack in STACK_ORDER else ()
    return next((one for one in later if has_file(one)), "")


def services_of(config: StackConfig) -> tuple[str, ...]:
    """Services that move from Swarm, in the order of moving; none where the stack knows no Swarm."""
    if config.kubernetes is None or config.rollout is None or config.rollout.swarm_address is None:
        return ()
    return tuple(service.name for service in cutover_order(config.kubernetes))


def needs_of(config: StackConfig, *, prometheus: bool, next_stack: str) -> frozenset[str]:
    """Which `Need`s of the table the stack meets."""
    kubernetes = config.kubernetes
    met = {
        "gateway": config.gateway is not None,
        "secrets": kubernetes is not None and kubernetes.secrets is not None,
        "prometheus": prometheus,
        "next": bool(next_stack),
    }
    return frozenset(need for need, is_met in met.items() if is_met)


def check_stack(name: PhaseName, stack: str, config: StackConfig, progress: Progress) -> None:
    """Refuse a phase that has no object in the stack, or that would take back a later one.

    Raises:
        PlanRefused: it is the wrong stack for the phase.
    """
    if name != "phase1" and config.kubernetes is None:
        raise PlanRefused(
            f"Stack {stack} has no `sophia:kubernetes`, and {name} is about Kubernetes.",
            next_step=f"add it to Pulumi.{stack}.yaml, or migrate another stack.",
        )
    later = [
        phase
        for phase in ("phase2", "phase3")
        if phase in progress.rounds and _NUMBERS[phase] > _NUMBERS[name] and name != "complete"
    ]
    if later and not _is_finished(name, progress):
        raise PlanRefused(
            f"Stack {stack} is in {later[-1]} already: {name} would take back what that made.",
            next_step=f"go on with `sophia migrate {later[-1]} --stack {stack}`.",
        )


def check_order(
    name: PhaseName,
    stack: str,
    progress: Progress,
    *,
    has_file: Callable[[str], bool],
    progress_of: Callable[[str], Progress],
) -> None:
    """Refuse a phase whose predecessor is not done, in this stack or in the stack before it.

    Raises:
        GateRed: it names the command that has to be run first.
    """
    number = _NUMBERS[name]
    before: PhaseName | None = f"phase{number - 1}" if number > 1 else None  # type: ignore[assignment]
    if before is not None and not _is_finished(before, progress):
        raise _red(f"{before} of stack {stack} is not done.", f"sophia migrate {before} --stack {stack}")
    if stack not in STACK_ORDER:
        return
    earlier = [one for one in STACK_ORDER[: STACK_ORDER.index(stack)] if has_file(one)]
    if earlier and not _is_finished(name, progress_of(earlier[-1])):
        raise _red(
            f"{name} of stack {earlier[-1]}, which comes before {stack}, is not done on this machine.",
            f"sophia migrate {name} --stack {earlier[-1]}",
        )


def check_calendar(name: PhaseName, start: date | None, today: date) -> None:
    """Refuse a phase before its first day; without a start there is no calendar.

    Raises PlanRefused.
    """
    if start is None:
        return
    first = start + timedelta(days=PHASE_DAYS[_NUMBERS[name]][0] - 1)
    if today < first:
        raise PlanRefused(
            f"The plan has {name} from {first.isoformat()} on, and today is {today.isoformat()}.",
            next_step="wait, or move the plan with an earlier --start.",
        )


def check_undo(name: PhaseName, stack: str, progress: Progress) -> None:
    """Refuse to undo a phase before the later one, which stands on it.

    Raises PlanRefused.
    """
    for later in ("phase3", "phase2"):
        up = progress.steps.get(f"p{_NUMBERS[later]}-up")
        if _NUMBERS[later] > _NUMBERS[name] and up is not None and up.status != "undone":
            raise PlanRefused(
                f"{later} of stack {stack} stands on {name} and is not undone.",
                next_step=f"run `sophia migrate undo {later} --stack {stack}` first.",
            )


def _is_finished(name: PhaseName, progress: Progress) -> bool:
    """Whether the phase was begun, and its last step is done."""
    return name in progress.rounds and progress.is_done(TABLE[name][-1].step.step_id)


def _red(message: str, line: str) -> GateRed:
    return GateRed(message, next_step=f"run `{line}` first.", step_id="", exit_code=6)
