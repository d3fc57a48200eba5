"""What can go wrong with a control plane on this machine.

    ControlPlaneError           attributes: message, fault, retry, next_step
    ├── KubeToolsMissing        no built tools here and none can be built (no Go, an old one, or no sources)
    ├── InvalidPlane            a name or a node that no control plane can have; nothing was touched
    ├── PlaneBusy               another process starts or stops the same control plane
    ├── ComponentEnded          a component ended while it should start: component, log_file, last_lines
    ├── PlaneNotReady           components run, but the plane was not ready in time
    ├── PlaneNotStopped         a component lives on after SIGTERM and SIGKILL
    ├── RequestRefused          the API server answered with an error: status, reason
    └── Unreachable             the API server did not answer

`fault` is "user" or "environment" (this machine). `retry` is True when the same call may work later without
a change. Building the tools raises `sophia_infra.engine.BuildFailed`, as building the engine does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

__all__ = [
    "ComponentEnded",
    "ControlPlaneError",
    "InvalidPlane",
    "KubeToolsMissing",
    "PlaneBusy",
    "PlaneNotReady",
    "PlaneNotStopped",
    "RequestRefused",
    "Unreachable",
]

Fault = Literal["user", "environment"]


class ControlPlaneError(Exception):
    """Base of this room. `str()` is the sentence for the user: what happened, then what to do next."""

    fault: Fault = "environment"
    retry: bool = False

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}".strip()


class KubeToolsMissing(ControlPlaneError):
    """kube-apiserver and its companions are not on this machine and cannot be built."""


class InvalidPlane(ControlPlaneError):
    """A name or a node description that cannot be used. Nothing was touched."""

    fault: Fault = "user"


class PlaneBusy(ControlPlaneError):
    """Another process holds the lock of this control plane. Nothing was touched."""

    retry = True


class ComponentEnded(ControlPlaneError):
    """A component ended by itself; what this start had begun is stopped again."""

    def __init__(
        self, message: str, *, next_step: str, component: str, log_file: Path, last_lines: Sequence[str]
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.component = component
        self.log_file = log_file
        self.last_lines = tuple(last_lines)
        self.retry = any("address already in use" in line for line in last_lines)

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"  {line}" for line in self.last_lines), self.next_step])


class PlaneNotReady(ControlPlaneError):
    """All components run, but something that a ready plane has is missing. What was begun is stopped."""

    retry = True


class PlaneNotStopped(ControlPlaneError):
    """A component still runs after it was told to end and then killed."""

    retry = True


class RequestRefused(ControlPlaneError):
    """The API server answered with an error: its HTTP status, and its one-word reason."""

    def __init__(self, message: str, *, status: int, reason: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class Unreachable(ControlPlaneError):
    """No answer came; the request may or may not have been carried out."""

    retry = True
