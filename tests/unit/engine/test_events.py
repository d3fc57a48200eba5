"""The documents below were written by Pulumi 3.259.0; long values are cut."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.engine import (
    Diagnostic,
    EngineMessage,
    PolicyViolation,
    ResourceDone,
    ResourceFailed,
    ResourcePlanned,
    ResourceRefreshed,
    ResourceStarted,
    Summary,
)
from sophia_infra.engine.event_log import KEPT_RUNS, EventLog, new_run_files
from sophia_infra.engine.events import EventReader

URN = "urn:pulumi:local::shop::pulumi-python:dynamic:Resource::core"


def step_document(op: str, **more: Any) -> dict[str, Any]:
    state = {
        "type": "t",
        "urn": URN,
        "custom": True,
        "id": "i-1",
        "parent": "p",
        "inputs": {"a": 1},
        "outputs": {},
    }
    metadata = {
        "op": op,
        "urn": URN,
        "type": "t",
        "old": None,
        "new": state,
        "detailedDiff": None,
        "provider": "x",
    }
    return {"metadata": {**metadata, **more}}


def test_a_step_of_an_update_starts_and_ends() -> None:
    reader = EventReader()
    started = reader.read({"resourcePreEvent": step_document("create")})
    done = reader.read({"resOutputsEvent": step_document("create")})
    assert isinstance(started, ResourceStarted)
    assert isinstance(done, ResourceDone)
    assert (done.step.op, done.step.name, done.step.old) == ("create", "core", None)
    assert done.step.new is not None
    assert (done.step.new.id, done.step.new.inputs, done.step.new.protect) == ("i-1", {"a": 1}, False)


def test_a_preview_plans_each_step_once() -> None:
    reader = EventReader()
    document = step_document("update", diffs=["name"], detailedDiff={"name": {"diffKind": "update"}})
    planned = reader.read({"resourcePreEvent": {**document, "planning": True}})
    assert isinstance(planned, ResourcePlanned)
    assert (planned.step.diffs, planned.step.detailed_diff) == (("name",), {"name": "update"})
    assert reader.read({"resOutputsEvent": {**document, "planning": True}}) is None


def test_a_replacement_names_what_forces_it() -> None:
    event = EventReader().read({"resourcePreEvent": step_document("create-replacement", keys=["region"])})
    assert isinstance(event, ResourceStarted)
    assert event.step.replace_keys == ("region",)


@pytest.mark.parametrize("planning", [True, False])
@pytest.mark.parametrize("found", ["same", "update", "delete"])
def test_a_refresh_says_what_was_found(planning: bool, found: str) -> None:
    reader = EventReader()
    reader.read({"resourcePreEvent": {**step_document("refresh"), "planning": planning}})
    refreshed = reader.read({"resOutputsEvent": {**step_document(found), "planning": planning}})
    assert isinstance(refreshed, ResourceRefreshed)
    assert refreshed.step.op == found


def test_a_failed_step_comes_after_its_reason() -> None:
    reader = EventReader()
    message = {
        "urn": URN,
        "prefix": "error: ",
        "message": "no capacity\n",
        "color": "never",
        "severity": "error",
    }
    assert reader.read({"diagnosticEvent": message}) == Diagnostic("error", URN, "no capacity")
    assert isinstance(reader.read({"resOpFailedEvent": step_document("create")}), ResourceFailed)


@pytest.mark.parametrize(
    ("severity", "seen"), [("info", "info"), ("info#err", "info"), ("warning", "warning"), ("debug", None)]
)
def test_diagnostics_below_info_are_left_out(severity: str, seen: str | None) -> None:
    event = EventReader().read({"diagnosticEvent": {"message": "x", "severity": severity, "color": "never"}})
    assert (event.severity if isinstance(event, Diagnostic) else None) == seen


def test_a_policy_violation_keeps_pack_policy_and_enforcement() -> None:
    document = {
        "resourceUrn": URN,
        "message": "forbid\nt1 is forbidden",
        "color": "never",
        "policyName": "no-t1",
        "policyPackName": "pack",
        "policyPackVersion": "0.1.0",
        "policyPackVersionTag": "0.1.0",
        "enforcementLevel": "mandatory",
    }
    event = EventReader().read({"policyEvent": document})
    assert event == PolicyViolation(URN, "pack", "no-t1", "mandatory", "forbid\nt1 is forbidden")


def test_the_summary_counts_what_changed() -> None:
    document = {
        "maybeCorrupt": False,
        "durationSeconds": 2,
        "resourceChanges": {"create": 2, "same": 4},
        "PolicyPacks": {},
        "isPreview": False,
        "result": "failed",
    }
    event = EventReader().read({"summaryEvent": document})
    assert event == Summary({"create": 2, "same": 4}, 2, "failed", False, False)
    assert isinstance(event, Summary)
    assert event.changed == 2


def test_the_stack_itself_and_providers_are_bookkeeping() -> None:
    types = {
        "pulumi:pulumi:Stack": True,
        "pulumi:providers:pulumi-python": True,
        "pulumi-python:dynamic:X": False,
    }
    for name, expected in types.items():
        event = EventReader().read({"resourcePreEvent": step_document("create", type=name)})
        assert isinstance(event, ResourceStarted)
        assert event.step.is_bookkeeping is expected


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"sequence": 1, "timestamp": 2},
        {"preludeEvent": {"config": {}}},
        {"cancelEvent": {}},
        {"eventOfTheYear2030": {"x": 1}},
        {"diagnosticEvent": None},
        {"diagnosticEvent": {"message": "", "severity": "error"}},
        {"stdoutEvent": {"message": "\n"}},
    ],
)
def test_other_kinds_of_events_are_ignored(document: dict[str, Any]) -> None:
    assert EventReader().read(document) is None


def test_the_log_is_read_while_it_grows_and_half_a_line_waits(tmp_path: Path) -> None:
    file = tmp_path / "events"
    line = json.dumps({"stdoutEvent": {"message": "hello", "color": "never"}}) + "\n"
    file.write_text(line + line[:10])
    log = EventLog(file)
    assert list(log.read()) == [EngineMessage("hello")]
    assert list(log.read()) == []
    with file.open("a") as stream:
        stream.write(line[10:] + "not json\n[1]\n" + line)
    assert list(log.read()) == [EngineMessage("hello"), EngineMessage("hello")]


def test_only_the_newest_runs_keep_their_files(tmp_path: Path) -> None:
    for number in range(KEPT_RUNS + 5):
        name = f"20260101-{number:06d}-1-up-local"
        (tmp_path / f"{name}.log").touch()
        (tmp_path / f"{name}.events.jsonl").touch()
    files = new_run_files(tmp_path, "up", "organization/shop/local")
    assert len(list(tmp_path.glob("*.log"))) == KEPT_RUNS
    assert len(list(tmp_path.glob("*.events.jsonl"))) == KEPT_RUNS
    assert not (tmp_path / "20260101-000000-1-up-local.log").exists()
    assert {file.stat().st_mode & 0o777 for file in (files.text, files.events)} == {0o600}
