"""From the engine's JSON to a `Plan`. Four shapes, told apart by what is in them, never by a file's name.

    digest      `pulumi preview --json`, `pulumi destroy --preview-only --json`: one object with `steps`
    event log   `--event-log FILE`, and `--json` with PULUMI_ENABLE_STREAMING_JSON_PREVIEW: one event a line
    state       `pulumi stack export`: one object with `deployment`; what runs, or what a destroy would end

Source: sdk/v3 v3.259.0 `go/common/display/json.go`, `go/common/apitype/events.go`; recorded outputs of that
version are the test data.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sophia_infra.cost.changes import Plan, plan_of_steps
from sophia_infra.cost.errors import PlanFailed, PlanUnreadable
from sophia_infra.engine.events import (
    REFRESH_OP,
    Diagnostic,
    Event,
    EventReader,
    PolicyViolation,
    ResourceDone,
    ResourcePlanned,
    ResourceRefreshed,
    ResourceStarted,
    ResourceState,
    Step,
    Summary,
)

__all__ = ["MAX_PLAN_BYTES", "plan_of_events", "plan_of_state", "read_plan"]

MAX_PLAN_BYTES: Final = 64 * 1024 * 1024
"""More than the event log of 10,000 resources; a larger file is a mistake, not a plan."""

STATE_VERSIONS: Final = (3, 4)
_SHAPES = "a digest of `pulumi preview --json`, an event log of `--event-log`, or a `pulumi stack export`"
_MAKE_IT = "give the file that one of these commands wrote, whole"


def read_plan(text: str) -> Plan:
    """Read any of the shapes.

    Raises:
        PlanUnreadable: not JSON, none of the shapes, another version of one, or cut off.
        PlanFailed: the run that wrote it failed.
        UnknownResource: it holds a resource type that nobody said how it is billed.
    """
    text = text.lstrip("\ufeff \t\r\n")
    if not text.startswith("{"):
        what = "is empty" if not text else "is not JSON as the engine writes it"
        raise PlanUnreadable(f"The plan {what}: expected {_SHAPES}.", next_step=f"{_MAKE_IT}.")
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise PlanUnreadable(
                f"The plan is broken JSON or cut off: {error.msg}, line {error.lineno} column {error.colno}.",
                next_step=f"{_MAKE_IT}.",
                line=error.lineno,
            ) from None
        return _plan_of_lines(text)
    except RecursionError:
        raise PlanUnreadable("The plan is nested too deeply.", next_step=f"{_MAKE_IT}.") from None
    if "deployment" in document:
        return plan_of_state(document)
    if "steps" in document or "changeSummary" in document:
        return _plan_of_digest(document)
    if any(key.endswith("Event") for key in document):
        return _plan_of_lines(text)
    raise PlanUnreadable(
        f"The JSON has the keys {', '.join(sorted(document)[:6]) or '(none)'}: expected {_SHAPES}.",
        next_step=f"{_MAKE_IT}.",
    )


def plan_of_events(
    events: Iterable[Event], *, config: Mapping[str, str] | None = None, must_end: bool = False
) -> Plan:
    """Read the events of one run: of a preview, or of an update that is over.

    Args:
        events: in order, as `run_operation` hands them on.
        config: the stack's configuration, when known.
        must_end: whether the last event has to be there; a file without it was cut off.

    Raises: as `read_plan`.
    """
    steps: list[Step] = []
    errors: list[str] = []
    summary: Summary | None = None
    for event in events:
        match event:
            case ResourcePlanned(step) | ResourceStarted(step) | ResourceDone(step):
                steps.append(step)
            case ResourceRefreshed(step):
                steps.append(_refreshed(step))
            case Diagnostic(severity="error"):
                errors.append(event.message)
            case PolicyViolation(enforcement="mandatory"):
                errors.append(f"policy {event.policy}: {event.message}")
            case Summary():
                summary = event
            case _:
                pass
    if summary is not None and summary.result not in ("", "succeeded"):
        raise PlanFailed(errors or [f"the run {summary.result}"])
    if errors and (summary is None or not summary.result):
        raise PlanFailed(errors)
    if summary is None and must_end:
        raise PlanUnreadable(
            "The event log ends before the run does: its summary is missing.", next_step=f"{_MAKE_IT}."
        )
    return plan_of_steps(steps, config=config)


def plan_of_state(document: Mapping[str, Any], *, destroy: bool = False) -> Plan:
    """Read a `pulumi stack export`: what runs, or with `destroy` what a destroy would end.

    Machines that an interrupted update left to be terminated are billed, and are among them. A destroy leaves
    protected ones alone. Raises PlanUnreadable: another version of the format. UnknownResource.
    """
    version = document.get("version")
    deployment = document.get("deployment")
    if version not in STATE_VERSIONS or not isinstance(deployment, Mapping):
        raise PlanUnreadable(
            f"The state has version {version!r}; known: {', '.join(map(str, STATE_VERSIONS))}.",
            next_step="export it with Pulumi 3.259 or one near it.",
        )
    steps = []
    for row in _rows(deployment.get("resources"), "resources"):
        state = _state(row)
        op = "delete" if destroy and not row.get("protect") else "same"
        provider = str(row.get("provider") or "")
        steps.append(Step(op, str(row.get("urn") or ""), str(row.get("type") or ""), provider, state, state))
    return plan_of_steps(steps)


def _plan_of_digest(document: Mapping[str, Any]) -> Plan:
    errors = [
        str(row.get("message", "")).strip().removeprefix("error: ")
        for row in _rows(document.get("diagnostics"), "diagnostics")
        if str(row.get("severity", "")).startswith("error")
    ]
    if errors:
        raise PlanFailed(errors)
    steps = [_digest_step(row) for row in _rows(document.get("steps"), "steps")]
    summary = document.get("changeSummary")
    if not isinstance(summary, Mapping):
        raise PlanUnreadable(
            "The digest has no changeSummary: cut off, or of another version.", next_step=f"{_MAKE_IT}."
        )
    return plan_of_steps(steps, left_out=_left_out(steps, summary), config=_config(document.get("config")))


def _left_out(steps: Sequence[Step], summary: Mapping[str, Any]) -> int:
    """How many unchanged resources the digest does not list. What was refreshed is listed by that."""
    same = summary.get("same", 0)
    listed = {
        step.urn for step in steps if step.op == "same" and not step.type.startswith("pulumi:providers:")
    }
    planned = {step.urn for step in steps if step.op != REFRESH_OP}
    refreshed = {step.urn for step in steps if step.op == REFRESH_OP} - planned
    left_out = same - len(listed) - len(refreshed) if isinstance(same, int) else -1
    if left_out < 0:
        raise PlanUnreadable(
            "The digest counts fewer unchanged resources than it lists: some were found gone, and it does "
            "not say which.",
            next_step="use the event log of the preview (`--event-log FILE`), which does.",
        )
    return left_out


def _digest_step(row: Mapping[str, Any]) -> Step:
    old, new = row.get("oldState"), row.get("newState")
    states = [state for state in (new, old) if isinstance(state, Mapping)]
    reasons = row.get("replaceReasons")
    return Step(
        op=str(row.get("op") or ""),
        urn=str(row.get("urn") or ""),
        type=str(next((state.get("type") for state in states if state.get("type")), "")),
        provider=str(row.get("provider") or ""),
        old=_state(old),
        new=_state(new),
        replace_keys=tuple(map(str, reasons)) if isinstance(reasons, list) else (),
    )


def _plan_of_lines(text: str) -> Plan:
    documents = list(_lines(text))
    if not any(key.endswith("Event") for document in documents for key in document):
        raise PlanUnreadable(
            f"No line is an event of the engine: expected {_SHAPES}.", next_step=f"{_MAKE_IT}."
        )
    reader = EventReader()
    events: list[Event] = []
    config: Mapping[str, str] = {}
    for number, document in enumerate(documents, start=1):
        prelude = document.get("preludeEvent")
        if isinstance(prelude, Mapping):
            config = _config(prelude.get("config"))
        try:
            event = reader.read(document)
        except (TypeError, ValueError, AttributeError) as error:
            raise PlanUnreadable(
                f"Event {number} is not as this version of the engine writes it ({error}).",
                next_step="use Pulumi 3.259 or one near it.",
                line=number,
            ) from None
        if event is not None:
            events.append(event)
    return plan_of_events(events, config=config, must_end=True)


def _lines(text: str) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, Mapping):
            raise PlanUnreadable(
                f"Line {number} is not a JSON object: broken or cut off.",
                next_step=f"{_MAKE_IT}.",
                line=number,
            )
        yield document


def _refreshed(step: Step) -> Step:
    """A preview reports `refresh`, a refresh what it found: to us both are what runs now."""
    gone = step.op == "delete" or step.new is None
    return Step(REFRESH_OP, step.urn, step.type, step.provider, step.old, None if gone else step.new)


def _rows(value: object, name: str) -> list[Mapping[str, Any]]:
    rows = [] if value is None else value
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise PlanUnreadable(f"`{name}` is not a list of objects.", next_step=f"{_MAKE_IT}.")
    return rows


def _state(value: object) -> ResourceState | None:
    if not isinstance(value, Mapping):
        return None
    inputs, outputs = value.get("inputs"), value.get("outputs")
    return ResourceState(
        id=str(value.get("id") or ""),
        parent=str(value.get("parent") or ""),
        protect=bool(value.get("protect")),
        inputs=inputs if isinstance(inputs, Mapping) else {},
        outputs=outputs if isinstance(outputs, Mapping) else {},
    )


def _config(value: object) -> Mapping[str, str]:
    return {str(key): str(item) for key, item in value.items()} if isinstance(value, Mapping) else {}
