"""What can go wrong at the door itself; the rest of the tree is `sophia_infra.inference.errors`.

InferenceError
├── PathUnknown        no such address (404)                          caller
├── MethodUnknown      the address takes another method (405)         caller
├── BodyTooSlow        the request did not arrive in time (408)       caller    retry
├── BodyTooLarge       more bytes than the gateway takes (413)        caller
├── BodyTypeUnknown    the body is announced as no JSON (415)         caller
├── TooManyStreams     as many streams are open as may be (429)       operator  retry
├── GatewayFailed      a mistake of this program (500)                operator
├── GatewayBusy        the calls under way hold all memory (503)      operator  retry
└── SettingsRefused
    └── KeyFileRefused     the file of keys cannot be read or parsed  operator
"""

from __future__ import annotations

from sophia_infra.inference.errors import InferenceError, SettingsRefused

__all__ = [
    "BodyTooLarge",
    "BodyTooSlow",
    "BodyTypeUnknown",
    "GatewayBusy",
    "GatewayFailed",
    "KeyFileRefused",
    "MethodUnknown",
    "PathUnknown",
    "TooManyStreams",
]


class PathUnknown(InferenceError):
    """No such address. The path is not repeated: it is the caller's text."""

    status = 404
    code = "not_found"
    next_step = "GET /openapi.json lists what there is."


class MethodUnknown(InferenceError):
    """The address is there, and not for this method. `allowed` goes into the header Allow."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, allowed: str) -> None:
        self.allowed = allowed
        super().__init__("This address does not take that method.", next_step=f"Use {allowed}.")


class BodyTooSlow(InferenceError):
    """The body was not there in time."""

    retry = True
    status = 408
    code = "request_timeout"
    next_step = "Send it again."


class BodyTooLarge(InferenceError):
    """Refused while it is read: the rest is not taken."""

    status = 413
    code = "request_too_large"

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(
            f"The request has more than {limit_bytes} bytes.",
            next_step="Send a shorter one, or raise sophia:gateway.limits.max_body_bytes.",
        )


class BodyTypeUnknown(InferenceError):
    """The header Content-Type names something else than JSON."""

    status = 415
    code = "unsupported_media_type"
    next_step = "Send JSON with the header `Content-Type: application/json`."


class TooManyStreams(InferenceError):
    """As many streams are open as one process may hold."""

    fault = "operator"
    retry = True
    status = 429
    code = "too_many_streams"
    next_step = "Send it again later, or raise sophia:gateway.limits.open_streams."


class GatewayFailed(InferenceError):
    """A mistake of this program. The log has the details under the request's id; the caller gets none."""

    fault = "operator"
    status = 500
    code = "internal_error"
    next_step = "Report it with the header x-request-id."


class GatewayBusy(InferenceError):
    """The bodies of the calls under way fill the memory that is meant for them."""

    fault = "operator"
    retry = True
    status = 503
    code = "gateway_busy"
    next_step = "Send it again later; a second gateway would take it now."


class KeyFileRefused(SettingsRefused):
    """The file of keys cannot be read, or has a line of another form."""

    next_step = "Correct the file of keys; `user: <sha256 of the key>` is one line for each key."
