"""How far a call got, and its one line in the log."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from sophia_infra.inference.answers import Answer
from sophia_infra.inference.gateway.bodies import Endpoint
from sophia_infra.inference.gateway.door import Door
from sophia_infra.inference.gateway.logs import CALL_LOG, FIELDS

__all__ = ["Progress", "write_call_line"]

_call_log = logging.getLogger(CALL_LOG)


@dataclass(slots=True)
class Progress:
    """How far one call got.

    Attributes:
        started_s: on the clock's monotonic time.
        status: HTTP status of the answer; 0 when none was begun.
        outcome: ok, refused (the caller's fault), failed, caller_gone, stalled or cancelled.
        code: of the error, if any.
    """

    request_id: str
    started_s: float
    user: str | None = None
    body: dict[str, Any] | None = None
    answer_began: bool = False
    answer_done: bool = False
    status: int = 0
    outcome: str = "ok"
    code: str | None = None
    answer: Answer | None = None


def write_call_line(progress: Progress, endpoint: Endpoint, door: Door) -> None:
    """One line with who, what, how long and how much; the prompt only when the door was told to."""
    if not _call_log.isEnabledFor(logging.INFO):
        return
    answer, body = progress.answer, progress.body or {}
    asked = body.get("model")
    fields: dict[str, object] = {
        "request_id": progress.request_id,
        "user": progress.user,
        "endpoint": endpoint,
        # Any other text is the caller's own, and may be a prompt or a key in the wrong field.
        "asked_model": asked if isinstance(asked, str) and door.catalogue.get(asked) else None,
        "stream": body.get("stream") is True,
        "status": progress.status,
        "outcome": progress.outcome,
        "code": progress.code,
        "duration_ms": round((door.clock.monotonic() - progress.started_s) * 1000, 1),
    }
    if answer is not None:
        fields |= {
            "model": answer.model,
            "backend": answer.backend,
            "input_tokens": answer.tokens.input,
            "output_tokens": answer.tokens.output,
            "usd": format(answer.usd, "f"),
            "attempts": answer.attempts,
            "cached": answer.cached,
        }
    if door.log_prompts:
        fields["prompt"] = body.get("messages", body.get("prompt"))
    _call_log.info("call", extra={FIELDS: fields})
