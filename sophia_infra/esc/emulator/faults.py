"""Answers that a test puts in the way of requests."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Fault", "FaultBook"]

ANY = "*"


@dataclass(slots=True)
class Fault:
    """Spoils the next `times` requests of an operation (None: all until cleared).

    Attributes:
        operation: a name of `wire.OPERATIONS`, or `*`.
        status: answered instead; None: only wait.
        delay_s: real seconds to wait before.
        body: answered with `status`; None: the usual error body.
        retry_after_s: header of that answer.
    """

    operation: str = ANY
    status: int | None = None
    times: int | None = 1
    delay_s: float = 0.0
    body: str | None = None
    retry_after_s: int | None = None


@dataclass(slots=True)
class FaultBook:
    """The faults in force, oldest first."""

    faults: list[Fault] = field(default_factory=list)

    def take(self, operation: str) -> Fault | None:
        """The first fault for `operation`, counted."""
        for fault in self.faults:
            if fault.operation in (operation, ANY) and (fault.times is None or fault.times > 0):
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None
