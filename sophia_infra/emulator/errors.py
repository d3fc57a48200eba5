"""Every error of the emulator room.

    EmulatorError
    ├── Refused              the emulated account says no: an `ErrorKind` (HTTP status, code, texts)
    ├── AnswerInvalid        an answer of ours breaks the vendor's document: our fault, report it
    ├── InvalidSettings      the caller's: a setting or a control request that cannot be meant
    └── StateFileError       the state file cannot be used; nothing was changed
        ├── StateFileCorrupt not ours, cut off, or of another version: move it away or restore it
        └── StateFileInUse   another emulator holds it: stop that one or choose another file

`Refused` is an answer of the service, so the emulator itself never retries it. The kinds below are
the vendor's 15 documented codes with the document's own texts (a test compares them), and a few
that only users reported; those say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = [
    "AnswerInvalid",
    "EmulatorError",
    "ErrorKind",
    "InvalidSettings",
    "Refused",
    "StateFileCorrupt",
    "StateFileError",
    "StateFileInUse",
    "kind_of",
]


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """One way to refuse: HTTP `status`, machine-readable `code`, default `message` and `suggestion`."""

    status: int
    code: str
    message: str
    suggestion: str | None = None


class EmulatorError(Exception):
    """Base of everything this room raises on purpose."""


class Refused(EmulatorError):
    """The emulated account refuses a request. Nothing was changed unless the operation says otherwise.

    Args:
        kind: one of the constants of this module.
        message: replaces the kind's default sentence.
        suggestion: replaces the kind's default suggestion.
    """

    def __init__(self, kind: ErrorKind, message: str | None = None, suggestion: str | None = None) -> None:
        self.kind = kind
        self.message = kind.message if message is None else message
        self.suggestion = kind.suggestion if suggestion is None else suggestion
        super().__init__(f"{kind.status} {kind.code}: {self.message}")


class AnswerInvalid(EmulatorError):
    """An answer does not fit the vendor's document: a fault of the emulator, never of the client."""


class InvalidSettings(EmulatorError):
    """A setting or control request that cannot be meant; the sentence names it and what is allowed."""


class StateFileError(EmulatorError):
    """The state file cannot be used. Nothing was changed."""


class StateFileCorrupt(StateFileError):
    """The file is not a whole state of this version. Restore it, or move it away to start empty."""


class StateFileInUse(StateFileError):
    """Another emulator holds the file's lock. Stop it, or choose another file."""


INVALID_API_KEY: Final = ErrorKind(
    401,
    "global/invalid-api-key",
    "API key was invalid, expired, or deleted.",
    "Check your API key or create a new one, then try again.",
)
ACCOUNT_INACTIVE: Final = ErrorKind(
    403,
    "global/account-inactive",
    "Your account is inactive.",
    "Make sure you have verified your email address and have a valid payment method. "
    "Contact Support if problems continue.",
)
INVALID_ADDRESS: Final = ErrorKind(
    403,
    "global/invalid-address",
    "Your billing address is invalid.",
    "Make sure your billing address is valid. Contact Support if problems continue.",
)
FORBIDDEN: Final = ErrorKind(403, "global/forbidden", "You do not have permission to do this.")
INVALID_PARAMETERS: Final = ErrorKind(400, "global/invalid-parameters", "Invalid request data.")
DUPLICATE: Final = ErrorKind(400, "global/duplicate", "A resource with this name exists already.")
QUOTA_EXCEEDED: Final = ErrorKind(
    400, "global/quota-exceeded", "Quota exceeded.", "Contact Support to increase your quota."
)
LAUNCH_RESOURCE_NOT_FOUND: Final = ErrorKind(
    400,
    "global/object-does-not-exist",
    "A resource named in the launch request does not exist.",
    "Check the names and IDs in the launch request, then try again.",
)
INSTANCE_NOT_FOUND: Final = ErrorKind(
    404, "global/object-does-not-exist", "Specified instance does not exist."
)
FILESYSTEM_NOT_FOUND: Final = ErrorKind(404, "global/object-does-not-exist", "Filesystem was not found.")
RULESET_NOT_FOUND: Final = ErrorKind(
    404,
    "global/object-does-not-exist",
    "Firewall ruleset does not exist or you do not have permission to access it.",
    "Check your firewall ruleset ID and try again.",
)
RESOURCE_NOT_FOUND: Final = ErrorKind(
    404,
    "global/object-does-not-exist",
    "The specified resource does not exist.",
    "Check the resource ID and try again.",
)
NOT_FOUND: Final = ErrorKind(404, "global/not-found", "The requested resource was not found.")
TICKET_NOT_FOUND: Final = ErrorKind(
    404, "global/not-found", "Ticket not found.", "Check the ticket ID and try again."
)
CONFLICT: Final = ErrorKind(
    409, "global/conflict", "The request conflicts with the current state of the resource."
)
RULESET_WRITE_FAILED: Final = ErrorKind(
    409,
    "global/internal-error",
    "An internal server error occurred.",
    "Try again later. Contact Support if the problem persists.",
)
INTERNAL_ERROR: Final = ErrorKind(
    500, RULESET_WRITE_FAILED.code, RULESET_WRITE_FAILED.message, RULESET_WRITE_FAILED.suggestion
)
INSUFFICIENT_CAPACITY: Final = ErrorKind(
    400,
    "instance-operations/launch/insufficient-capacity",
    "Not enough capacity to fulfill launch request.",
    "Choose an instance type with more availability, or try again later.",
)
FILE_SYSTEM_IN_WRONG_REGION: Final = ErrorKind(
    400,
    "instance-operations/launch/file-system-in-wrong-region",
    "The filesystem is in another region than the instance.",
)
FILESYSTEM_IN_USE: Final = ErrorKind(
    400, "filesystems/filesystem-in-use", "The filesystem is mounted to one or more instances."
)
RULESET_IN_USE: Final = ErrorKind(
    400,
    "firewall-rulesets/firewall-ruleset-in-use",
    "Firewall ruleset is in use by one or more instances.",
    "Terminate all instances that are using the ruleset before deleting it.",
)

# From here on: no code of the document. Seen by users, or our guess (see README.md of this room).
UNKNOWN: Final = ErrorKind(400, "global/unknown", "An unknown error occurred.")
METHOD_NOT_ALLOWED: Final = ErrorKind(405, "global/method-not-allowed", "The method is not allowed here.")
BODY_TOO_LARGE: Final = ErrorKind(413, INVALID_PARAMETERS.code, "The request body is too large.")
TOO_MANY_REQUESTS: Final = ErrorKind(429, "global/too-many-requests", "Too many requests.")

_KINDS: Final = {
    kind.code: kind for kind in reversed(list(globals().values())) if isinstance(kind, ErrorKind)
}


def kind_of(code: str, status: int) -> ErrorKind:
    """The kind with this code, answered with `status`; a code that nobody knows gets a plain sentence."""
    known = _KINDS.get(code)
    if known is None:
        return ErrorKind(status, code, "The request failed.")
    return ErrorKind(status, code, known.message, known.suggestion)


EDGE_BLOCK_STATUS: Final = 403
EDGE_BLOCK_TEXT: Final = "error code: 1010"
