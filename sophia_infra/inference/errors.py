"""What can go wrong with a call to a model.

    InferenceError
    ├── RequestRefused      a field is missing, unknown or wrong (400)             caller
    ├── PromptTooLong       more tokens than the model takes (400)                 caller
    ├── OutputTooLong       more output asked for than the model gives (400)       caller
    ├── KeyRefused          no such key (401)                                      caller
    ├── ModelNotAllowed     this user may not use the model (403)                  caller
    ├── UnknownModel        no model of that name (404)                            caller
    ├── RateLimited         too many requests with this key (429)                  caller    retry
    ├── OverBudget          the call could pass a hard limit in dollars (429)      caller
    ├── BackendEnded        Lambda's Inference API is no more (410)                operator
    ├── QueueFull           too many calls wait already (429)                      operator  retry
    ├── NoBackendReady      nobody serves this model now (503)                     operator  retry
    ├── LedgerUnavailable   the books cannot be written (503)                      operator  retry
    ├── SettingsRefused     the configuration cannot be right (500)                operator
    ├── BackendFailed       every try failed (502)                                 backend   retry
    └── DeadlinePassed      not done in the time given (504)                       backend   retry

Each says whose fault it is (`fault`), whether the same call may help later (`retry`), what to do next
(`next_step`), and how it looks over HTTP in OpenAI's form (`status`, `code`). No error holds a prompt, an
answer, a key or a body of a backend.
"""

from __future__ import annotations

from sophia_infra.inference.error_base import Fault, InferenceError
from sophia_infra.inference.limit_errors import (
    ModelNotAllowed,
    OutputTooLong,
    OverBudget,
    PromptTooLong,
    UnknownModel,
)

__all__ = [
    "BackendEnded",
    "BackendFailed",
    "DeadlinePassed",
    "Fault",
    "InferenceError",
    "KeyRefused",
    "LedgerUnavailable",
    "ModelNotAllowed",
    "NoBackendReady",
    "OutputTooLong",
    "OverBudget",
    "PromptTooLong",
    "QueueFull",
    "RateLimited",
    "RequestRefused",
    "SettingsRefused",
    "UnknownModel",
]


class RequestRefused(InferenceError):
    """The request cannot be right. The message says what is allowed."""


class KeyRefused(InferenceError):
    """No key, or none that is known."""

    status = 401
    code = "invalid_api_key"
    next_step = "Send a key of this gateway as 'Authorization: Bearer ...'."


class RateLimited(InferenceError):
    """More requests with this key than it may send."""

    retry = True
    status = 429
    code = "rate_limit_exceeded"
    next_step = "Wait as long as Retry-After says, then send it again."


class BackendEnded(InferenceError):
    """Lambda's Inference API, which ended on 2025-09-25."""

    fault = "operator"
    status = 410
    code = "backend_ended"

    def __init__(self, backend: str) -> None:
        self.backend = backend
        super().__init__(
            f"The backend {backend} is Lambda's Inference API, which ended on 2025-09-25.",
            next_step="Serve the model on your own GPUs (kind vllm), or name another OpenAI-compatible "
            "endpoint (kind openai) in sophia:gateway.backends.",
        )


class QueueFull(InferenceError):
    """As many calls wait for a backend as may."""

    fault = "operator"
    retry = True
    status = 429
    code = "queue_full"
    next_step = "Wait as long as Retry-After says, then send it again."


class NoBackendReady(InferenceError):
    """No backend of this model can take a call now: cold, resting after failures, or not there."""

    fault = "operator"
    retry = True
    status = 503
    code = "no_backend_ready"
    next_step = "Send it again later; /ready of the gateway says which backends are up."


class LedgerUnavailable(InferenceError):
    """Usage cannot be written down, so nothing is sent: an unpaid call would be an uncounted one."""

    fault = "operator"
    retry = True
    status = 503
    code = "ledger_unavailable"
    next_step = "Check the ledger's database, then send it again."


class SettingsRefused(InferenceError):
    """The configuration of the client or the gateway is missing or cannot be right."""

    fault = "operator"
    status = 500
    code = "settings_refused"
    next_step = "Correct the setting and start again."


class BackendFailed(InferenceError):
    """All tries failed. `backend` is the last one asked, `attempts` how many tries were sent."""

    fault = "backend"
    retry = True
    status = 502
    code = "backend_failed"
    next_step = "Send it again; if it stays so, look at the backend's log."

    def __init__(
        self,
        message: str,
        *,
        backend: str = "",
        attempts: int = 0,
        next_step: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        self.backend = backend
        self.attempts = attempts
        super().__init__(message, next_step=next_step, retry_after_s=retry_after_s)


class DeadlinePassed(InferenceError):
    """The call was not done in the seconds it had, all tries and all waiting included."""

    fault = "backend"
    retry = True
    status = 504
    code = "deadline_passed"
    next_step = "Send it again, ask for a shorter answer, or raise sophia:gateway.limits.timeout_s."
