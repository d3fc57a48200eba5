"""What keeps a cost from being said.

    CostError
    |-- PlanUnreadable       no JSON, cut off, or not a shape that the engine writes
    |-- PlanFailed           the preview itself failed, so its steps are not all there
    |-- PlanIncomplete       unchanged resources were left out, and a limit was to be judged
    `-- UnknownResource      resources of a type that nobody told us how it is billed

An instance type without a price is `model.errors.UnknownPrice`, which names the resource that needs it. A
wrong figure is worse than none: each of these ends the command before a figure is printed. `fault` is
the user's in all of them, `retry` never helps, `next_step` says what does.
"""

from __future__ import annotations

from collections.abc import Sequence

from sophia_infra.model.room_error import RoomError

__all__ = [
    "CostError",
    "PlanFailed",
    "PlanIncomplete",
    "PlanUnreadable",
    "UnknownResource",
]

SHOWN = 3


class CostError(RoomError):
    """Base of the room."""


class PlanUnreadable(CostError):
    """The text is none of the engine's formats, or an unknown version of one.

    Attributes:
        line: 1-based line of the file where that shows; None when it is about the whole.
    """

    def __init__(self, message: str, *, next_step: str, line: int | None = None) -> None:
        self.line = line
        super().__init__(message, next_step=next_step)


class PlanFailed(CostError):
    """The engine stopped with errors; `reasons` are its own words."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        said = "; ".join(self.reasons[:SHOWN]) or "the engine gave no reason"
        super().__init__(
            f"The preview in this file failed, so its steps are not all there: {said}.",
            next_step="mend what it says and run the preview again.",
        )


class PlanIncomplete(CostError):
    """`left_out` unchanged resources are not in the file: the difference is exact, the totals are not."""

    def __init__(self, left_out: int) -> None:
        self.left_out = left_out
        super().__init__(
            f"{left_out} unchanged resources are not in this file, so no limit can be judged by it.",
            next_step="make it with `pulumi preview --json --show-sames`, or use the event log "
            "(`pulumi preview --event-log FILE`).",
        )


class UnknownResource(CostError):
    """`resources` are (name, type) pairs; each may cost money that nothing here knows of."""

    def __init__(self, resources: Sequence[tuple[str, str]]) -> None:
        self.resources = tuple(resources)
        named = ", ".join(f"{name} ({kind})" for name, kind in self.resources[:SHOWN])
        more = f" and {len(self.resources) - SHOWN} more" if len(self.resources) > SHOWN else ""
        super().__init__(
            f"How these are billed is not known: {named}{more}.",
            next_step="say how in sophia_infra/cost/billing.py; free ones belong there too.",
        )
