"""What a caller is told when the last try failed."""

from __future__ import annotations

from sophia_infra.inference.errors import BackendFailed, InferenceError, RequestRefused
from sophia_infra.inference.upstream import AttemptFailed, FailureKind

__all__ = ["call_failed"]

_SENTENCES: dict[FailureKind, str] = {
    "connection": "the connection could not be made or was lost",
    "timeout": "it did not answer in time",
    "rate_limited": "it takes no more requests now (429)",
    "server": "it failed",
    "malformed": "its answer is not in OpenAI's form",
    "quota": "the account there has no money left",
    "misconfigured": "it refuses our key, or does not know the model",
}
_OPERATOR_STEP = "Check base_url, models and api_key_env of this backend in sophia:gateway."


def call_failed(failure: AttemptFailed, backend: str, attempts: int) -> InferenceError:
    """The error for a caller: the request's fault stays the caller's, all else is the backend's."""
    if failure.kind == "refused":
        return _refused(failure, backend)
    status = f" (HTTP {failure.status})" if failure.status and failure.kind == "server" else ""
    tries = "1 try" if attempts == 1 else f"{attempts} tries"
    return BackendFailed(
        f"No answer after {tries}; the last backend was {backend}: {_SENTENCES[failure.kind]}{status}.",
        backend=backend,
        attempts=attempts,
        next_step=_OPERATOR_STEP if failure.kind in ("misconfigured", "quota") else None,
        retry_after_s=failure.retry_after_s,
    )


def _refused(failure: AttemptFailed, backend: str) -> RequestRefused:
    if failure.limit_tokens is not None:
        return RequestRefused(
            f"{backend} holds {failure.limit_tokens} tokens, input and output together: the call needs more.",
            next_step="Shorten the messages, or lower max_tokens.",
            param=failure.param or "messages",
        )
    about = f", field {failure.param}" if failure.param else ""
    why = f", {failure.reason}" if failure.reason else ""
    return RequestRefused(
        f"{backend} refused the request (HTTP {failure.status}{why}{about}).",
        next_step="Correct the fields that go beyond OpenAI's API or the model, and send it again.",
        param=failure.param,
    )
