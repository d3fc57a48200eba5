"""What can go wrong between the engine and an API server.

    PluginError                 attributes: message, fault, retry, grpc_status
    ├── SettingsRefused         kubeconfig or a provider argument is wrong or asks for what this plugin lacks
    ├── ClusterUnreachable      no TLS connection within the limit; nothing was sent
    ├── CredentialsRefused      401, an expired certificate or an expired token
    ├── ApiRefused              the server answered with a Status: code, reason, causes
    ├── KindUnknown             the server serves no such kind (yet)
    ├── AlreadyExists           `create` met an object that is not ours
    ├── NotSupported            the official plugin can do it, this one cannot
    ├── ReleaseFailed           the helm binary said no, or is not there
    ├── TakenFile               two resources render to one file
    ├── StillThere              a deleted object did not go away in time
    ├── Cancelled               the run was stopped
    └── NotReady                the object exists and is not ready: reasons, id and outputs are recorded

`fault` is "user", "environment" or "cluster". `retry` is True when the same call may work later without a
change. `grpc_status` names the gRPC status that the engine gets. Messages of the server are passed on word by
word; values that are secret inputs of the resource are cut out by the servicer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

Fault = Literal["user", "environment", "cluster"]


class PluginError(Exception):
    """Base of this room. `str()` is what the user reads."""

    fault: Fault = "user"
    retry: bool = False
    grpc_status: str = "FAILED_PRECONDITION"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class SettingsRefused(PluginError):
    """The provider cannot work with these arguments. Nothing was sent."""

    grpc_status = "INVALID_ARGUMENT"


class ClusterUnreachable(PluginError):
    """The API server does not answer, or not as itself (TLS). Nothing was changed."""

    fault: Fault = "environment"
    retry = True
    grpc_status = "UNAVAILABLE"


class CredentialsRefused(PluginError):
    """The server does not know who we are, or no longer."""

    grpc_status = "UNAUTHENTICATED"


class ApiRefused(PluginError):
    """The server understood the request and said no.

    Attributes:
        code: HTTP status, 4xx or 5xx.
        reason: the server's word for it, for example "Conflict" or "Invalid"; empty when it sent none.
        causes: rows with `field`, `message` and `reason` out of the server's Status.
        retry_after_s: how long the server wants to be left alone; None when it did not say.
    """

    fault: Fault = "cluster"

    def __init__(
        self,
        message: str,
        *,
        code: int,
        reason: str = "",
        causes: Sequence[Mapping[str, Any]] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.causes = tuple(causes)
        self.retry_after_s = retry_after_s

    @property
    def is_gone(self) -> bool:
        """No such object, namespace or kind."""
        return self.code in (404, 410)


class KindUnknown(PluginError):
    """The server serves no such kind: a CRD is missing or not established yet."""

    retry = True
    grpc_status = "NOT_FOUND"


class AlreadyExists(PluginError):
    """An object of this name is there and belongs to somebody else."""

    grpc_status = "ALREADY_EXISTS"


class NotSupported(PluginError):
    """Out of the reach of this plugin; the message says what to use instead."""

    grpc_status = "UNIMPLEMENTED"


class ReleaseFailed(PluginError):
    """A helm command failed; the message ends with what helm said."""

    fault: Fault = "cluster"


class TakenFile(PluginError):
    """Two resources would be written to the same manifest file."""


class StillThere(PluginError):
    """The server accepted a deletion, and the object is there after the time limit."""

    fault: Fault = "cluster"
    retry = True
    grpc_status = "DEADLINE_EXCEEDED"


class Cancelled(PluginError):
    """The engine asked to stop while something was waited for."""

    retry = True
    grpc_status = "CANCELLED"


class NotReady(PluginError):
    """The object was written and is not ready. The engine records it and updates it in the next run.

    `outputs` holds the object as last seen; `reasons` are sentences for the user.
    """

    fault: Fault = "cluster"
    retry = True

    def __init__(self, reasons: Sequence[str], *, id_: str, outputs: Any) -> None:
        # Naming the type of `outputs`, values.Properties, would bring Pulumi's SDK to readers of errors.
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)
        self.id = id_
        self.outputs = outputs
