"""The base of this room's errors; `errors.py` draws the tree."""

from __future__ import annotations

from typing import ClassVar, Literal

__all__ = ["Fault", "InferenceError"]

Fault = Literal["caller", "operator", "backend"]


class InferenceError(Exception):
    """Base. `str` is one line: what happened, then the next step.

    Attributes:
        retry_after_s: seconds after which a try makes sense; None when nobody knows.
        param: field of the request that is at fault; None when it is none.
    """

    fault: ClassVar[Fault] = "caller"
    retry: ClassVar[bool] = False
    status: ClassVar[int] = 400
    code: ClassVar[str] = "invalid_request_error"
    next_step: str = "Correct the request and send it again."

    def __init__(
        self,
        message: str,
        *,
        next_step: str | None = None,
        retry_after_s: float | None = None,
        param: str | None = None,
    ) -> None:
        self.message = message
        if next_step is not None:
            self.next_step = next_step
        self.retry_after_s = retry_after_s
        self.param = param
        super().__init__(f"{message} {self.next_step}")
