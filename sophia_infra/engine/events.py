"""What the engine reports while it works, as small typed events.

Source: the JSON event log of the Pulumi CLI (`--event-log`), types of sdk/v3 v3.259.0
`go/common/apitype/events.go`. Event kinds and fields that we do not know are ignored: a newer engine may
add some.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["info", "warning", "error"]

REFRESH_OP = "refresh"


@dataclass(frozen=True, slots=True)
class ResourceState:
    """One resource before or after a step. Secret values arrive masked by the engine."""

    id: str
    parent: str
    protect: bool
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing the engine does to one resource.

    `op` is the engine's word: create, update, delete, same, replace, create-replacement, delete-replaced,
    read, refresh, import, discard ... `diffs` names changed properties, `replace_keys` those that force a
    replacement, `detailed_diff` maps property paths to add, update, delete (or the same with `-replace`).
    """

    op: str
    urn: str
    type: str
    provider: str
    old: ResourceState | None
    new: ResourceState | None
    diffs: tuple[str, ...] = ()
    replace_keys: tuple[str, ...] = ()
    detailed_diff: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_bookkeeping(self) -> bool:
        """Whether this is the stack itself or a provider: counted by the engine, of no interest to people."""
        return self.type == "pulumi:pulumi:Stack" or self.type.startswith("pulumi:providers:")

    @property
    def name(self) -> str:
        """The resource's name in the program: the last part of the URN."""
        return self.urn.rsplit("::", 1)[-1]


@dataclass(frozen=True, slots=True)
class ResourcePlanned:
    """A preview says that this step would be done."""

    step: Step


@dataclass(frozen=True, slots=True)
class ResourceStarted:
    """The engine begins this step."""

    step: Step


@dataclass(frozen=True, slots=True)
class ResourceDone:
    """The step is done and its result is in `step.new`."""

    step: Step


@dataclass(frozen=True, slots=True)
class ResourceRefreshed:
    """The real resource was read: `step.op` is same, update (it drifted) or delete (it is gone)."""

    step: Step


@dataclass(frozen=True, slots=True)
class ResourceFailed:
    """The step failed. Its reason came before as a `Diagnostic` with the same URN."""

    step: Step


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A message about a resource (`urn`) or about the run (urn None). Debug messages are left out."""

    severity: Severity
    urn: str | None
    message: str
    ephemeral: bool = False


@dataclass(frozen=True, slots=True)
class PolicyViolation:
    """A policy pack objects to a resource or to the stack. `enforcement` is advisory or mandatory."""

    urn: str | None
    pack: str
    policy: str
    enforcement: str
    message: str
    severity: str | None = None


@dataclass(frozen=True, slots=True)
class EngineMessage:
    """A line of the engine about itself, for example that a cancellation was received."""

    message: str


@dataclass(frozen=True, slots=True)
class Summary:
    """The end of a run. `changes` counts resources by op; `result` is succeeded, failed or canceled."""

    changes: Mapping[str, int]
    duration_s: int
    result: str
    is_preview: bool
    maybe_corrupt: bool

    @property
    def changed(self) -> int:
        """How many resources the run changed or would change."""
        return sum(count for op, count in self.changes.items() if op not in {"same", "read", REFRESH_OP})


Event = (
    ResourcePlanned
    | ResourceStarted
    | ResourceDone
    | ResourceRefreshed
    | ResourceFailed
    | Diagnostic
    | PolicyViolation
    | EngineMessage
    | Summary
)


class EventReader:
    """Turns the engine's JSON objects into events, in order. One reader serves one run."""

    def __init__(self) -> None:
        self._refreshing: set[str] = set()

    def read(self, document: Mapping[str, Any]) -> Event | None:
        """Return the event in `document`, or None for a kind that we ignore or cannot read."""
        for kind, parse in (
            ("resourcePreEvent", self._resource_begins),
            ("resOutputsEvent", self._resource_ends),
            ("resOpFailedEvent", _resource_failed),
            ("diagnosticEvent", _diagnostic),
            ("policyEvent", _policy_violation),
            ("summaryEvent", _summary),
            ("stdoutEvent", _engine_message),
            ("errorEvent", _engine_error),
        ):
            payload = document.get(kind)
            if isinstance(payload, Mapping):
                return parse(payload)
        return None

    def _resource_begins(self, payload: Mapping[str, Any]) -> Event:
        step = _step(payload)
        if step.op == REFRESH_OP:
            self._refreshing.add(step.urn)
        return ResourcePlanned(step) if payload.get("planning") else ResourceStarted(step)

    def _resource_ends(self, payload: Mapping[str, Any]) -> Event | None:
        step = _step(payload)
        if step.urn in self._refreshing:
            self._refreshing.discard(step.urn)
            return ResourceRefreshed(step)
        # A preview repeats what it planned, with the same content.
        return None if payload.get("planning") else ResourceDone(step)


def _step(payload: Mapping[str, Any]) -> Step:
    metadata = _mapping(payload.get("metadata"))
    detailed = _mapping(metadata.get("detailedDiff"))
    return Step(
        op=str(metadata.get("op", "")),
        urn=str(metadata.get("urn", "")),
        type=str(metadata.get("type", "")),
        provider=str(metadata.get("provider", "")),
        old=_state(metadata.get("old")),
        new=_state(metadata.get("new")),
        diffs=_strings(metadata.get("diffs")),
        replace_keys=_strings(metadata.get("keys")),
        detailed_diff={
            path: str(_mapping(difference).get("diffKind", "")) for path, difference in detailed.items()
        },
    )


def _state(value: object) -> ResourceState | None:
    if not isinstance(value, Mapping):
        return None
    return ResourceState(
        id=str(value.get("id") or ""),
        parent=str(value.get("parent") or ""),
        protect=bool(value.get("protect")),
        inputs=_mapping(value.get("inputs")),
        outputs=_mapping(value.get("outputs")),
    )


def _resource_failed(payload: Mapping[str, Any]) -> Event:
    return ResourceFailed(_step(payload))


def _diagnostic(payload: Mapping[str, Any]) -> Event | None:
    severity = str(payload.get("severity", "")).partition("#")[0]  # "info#err" is info on another stream
    message = str(payload.get("message", "")).strip()
    if severity not in ("info", "warning", "error") or not message:
        return None
    return Diagnostic(
        severity=severity,  # type: ignore[arg-type]  # narrowed by the line above, which mypy does not see
        urn=payload.get("urn") or None,
        message=message,
        ephemeral=bool(payload.get("ephemeral")),
    )


def _policy_violation(payload: Mapping[str, Any]) -> Event:
    return PolicyViolation(
        urn=payload.get("resourceUrn") or None,
        pack=str(payload.get("policyPackName", "")),
        policy=str(payload.get("policyName", "")),
        enforcement=str(payload.get("enforcementLevel", "")),
        message=str(payload.get("message", "")).strip(),
        severity=payload.get("severity") or None,
    )


def _summary(payload: Mapping[str, Any]) -> Event:
    return Summary(
        changes={str(op): int(count) for op, count in _mapping(payload.get("resourceChanges")).items()},
        duration_s=int(payload.get("durationSeconds") or 0),
        result=str(payload.get("result") or ""),
        is_preview=bool(payload.get("isPreview")),
        maybe_corrupt=bool(payload.get("maybeCorrupt")),
    )


def _engine_message(payload: Mapping[str, Any]) -> Event | None:
    message = str(payload.get("message", "")).strip()
    return EngineMessage(message) if message else None


def _engine_error(payload: Mapping[str, Any]) -> Event:
    return Diagnostic(severity="error", urn=None, message=str(payload.get("error", "")).strip())


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _strings(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()
