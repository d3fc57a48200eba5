"""What the engine asks of one resource, and the answers, without the protocol. And who carries it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from sophia_infra.plugin_protocol.changes import Difference
from sophia_infra.plugin_protocol.values import Properties

NOTHING = Properties({})


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Fields that a verb does not have are empty.

    Attributes:
        old: outputs of the run before.
        old_inputs: checked inputs of the run before.
        new: inputs of this run; checked ones, except in `check`.
        timeout_s: `customTimeouts` of the resource; 0 when it has none.
        seed: random bytes for a name; the same in preview and update where the engine can.
    """

    urn: str
    type: str
    name: str
    id: str = ""
    old: Properties = NOTHING
    old_inputs: Properties = NOTHING
    new: Properties = NOTHING
    timeout_s: float = 0.0
    preview: bool = False
    seed: bytes = b""


@dataclass(frozen=True, slots=True)
class Checked:
    """Inputs as they will be recorded; `failures` maps property paths to sentences."""

    inputs: Properties
    failures: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """An object that `read` met."""

    id: str
    outputs: Properties
    inputs: Properties


class Resources(Protocol):
    """Carries out requests for one sort of resource. Runs in many threads; raises PluginError."""

    def check(self, request: Request) -> Checked: ...

    def diff(self, request: Request) -> Difference: ...

    def create(self, request: Request) -> tuple[str, Properties]: ...

    def update(self, request: Request) -> Properties: ...

    def read(self, request: Request) -> Found | None: ...

    def delete(self, request: Request) -> None: ...


class Reporter(Protocol):
    """Tells the user something while a request runs."""

    def warn(self, urn: str, message: str) -> None:
        """A line that stays; the same one for the same resource is shown once."""

    def status(self, urn: str, message: str) -> None:
        """A line that the next one replaces."""
