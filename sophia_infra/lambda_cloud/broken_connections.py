"""From what went wrong below HTTP to the error that says whether anything was sent."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import requests
import urllib3.exceptions

from sophia_infra.lambda_cloud.errors import Unreachable
from sophia_infra.lambda_cloud.operations import Operation
from sophia_infra.lambda_cloud.redaction import excerpt

__all__ = ["unreachable"]

_NOTHING_WAS_SENT = (
    requests.exceptions.ConnectTimeout,
    # Only https goes through a proxy, and there an error of the proxy means that no tunnel was made.
    requests.exceptions.ProxyError,
    # Both are named, so that nothing depends on how urllib3 relates the two.
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
)


def unreachable(operation: Operation, error: Exception, url: str) -> Unreachable:
    """The error for an exception of requests or urllib3: no whole answer came from `url`.

    `may_have_happened` is False for a write only when no connection was opened, so that nothing was sent.
    A certificate that is not trusted will not be better in a second: such an error is never `retry`.
    """
    causes = tuple(_causes(error))
    distrusted = any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes)
    unsent = distrusted or any(isinstance(cause, _NOTHING_WAS_SENT) for cause in causes)
    what = "no connection to" if unsent else "no whole answer from"
    return Unreachable(
        f"{what} {url}: {excerpt(str(error)) or type(error).__name__}",
        may_have_happened=operation.is_write and not unsent,
        hopeless=distrusted,
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and what it wraps: requests keeps the cause in the arguments, urllib3 in `reason`.

    Not its `__context__`: that leads on to whatever the caller was handling when it called us, and an
    earlier refused connection there would make a launch look unsent that was sent.
    """
    pending: list[object] = [error]
    seen: set[int] = set()
    while pending:
        cause = pending.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            pending += [*cause.args, getattr(cause, "reason", None), cause.__cause__]
