"""What a backend looks like from inside this room: it answers bytes, or the try failed in one of few ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

__all__ = ["AttemptFailed", "Endpoint", "FailureKind", "RawAnswer", "RawStream", "Transport"]

Endpoint = Literal["chat", "completions"]

FailureKind = Literal[
    "connection",  # none, or lost before the answer was whole
    "timeout",
    "rate_limited",  # 429
    "server",  # 5xx
    "malformed",  # an answer that is not what OpenAI's API says
    "quota",  # 429 because an account has no money left: the same backend will not change its mind
    "misconfigured",  # 3xx, 401, 403, 404: this backend is set up wrong, another may do
    "refused",  # any other 4xx: the request is at fault
]

_SAME_BACKEND_MAY_HELP = frozenset({"connection", "timeout", "rate_limited", "server", "malformed"})
_ANSWER_LOST = frozenset({"connection", "timeout", "malformed"})
_SPEAKS_AGAINST_BACKEND = frozenset({"connection", "timeout", "server", "malformed", "misconfigured"})


class AttemptFailed(Exception):
    """One try at one backend. Stays inside this room: callers get an InferenceError.

    Attributes:
        status: HTTP status; None without an answer.
        retry_after_s: what the backend asked for.
        param, reason: name of the field and the backend's error code, where they are plain identifiers.
        limit_tokens: the context that the backend names when the prompt is too long for it.
        sent: whether the request may have reached the backend; False where no connection was made.
    """

    def __init__(
        self,
        kind: FailureKind,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        param: str | None = None,
        reason: str | None = None,
        limit_tokens: int | None = None,
        sent: bool = True,
    ) -> None:
        self.kind = kind
        self.status = status
        self.retry_after_s = retry_after_s
        self.param = param
        self.reason = reason
        self.limit_tokens = limit_tokens
        self.sent = sent
        super().__init__(f"{kind} ({status})" if status else kind)

    @property
    def same_backend_may_help(self) -> bool:
        return self.kind in _SAME_BACKEND_MAY_HELP

    @property
    def may_have_cost(self) -> bool:
        """Whether the backend may have worked and billed: the answer was lost. An error costs nothing."""
        return self.sent and self.kind in _ANSWER_LOST

    @property
    def speaks_against_backend(self) -> bool:
        """Whether the circuit breaker counts it."""
        return self.kind in _SPEAKS_AGAINST_BACKEND


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """A whole answer as the backend sent it; header names in small letters."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class RawStream(Protocol):
    """Server-sent events of one answer."""

    async def next(self) -> bytes | None:
        """Payload of the next `data:`; None after the last one. Raises AttemptFailed."""
        ...

    async def aclose(self) -> None:
        """Stop the answer; a backend that notices stops generating."""
        ...


class Transport(Protocol):
    """The way to one backend."""

    async def complete(
        self, endpoint: Endpoint, body: Mapping[str, Any], *, request_id: str, timeout_s: float
    ) -> RawAnswer:
        """Send the body, take the whole answer. Raises AttemptFailed, or BackendEnded."""
        ...

    async def open_stream(
        self, endpoint: Endpoint, body: Mapping[str, Any], *, request_id: str, timeout_s: float
    ) -> RawStream:
        """Send the body, return once the answer's head is there. Raises AttemptFailed, or BackendEnded."""
        ...

    async def count(self, model: str, body: Mapping[str, Any], timeout_s: float) -> int | None:
        """Input tokens by the model's own tokenizer; None when the backend cannot say."""
        ...

    async def aclose(self) -> None:
        """Close its connections."""
        ...
