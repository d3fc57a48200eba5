"""What is made of the measurements: the gate, its strictness, what is not due, and the page."""

from __future__ import annotations

from dataclasses import replace

from sophia_infra.reports.figures import known, unknown
from sophia_infra.validation.catalogue import chosen, criteria
from sophia_infra.validation.markdown import render_markdown
from sophia_infra.validation.report import validate

from .worlds import a_fleet, a_watched_snapshot, a_world, local_config


def test_a_gate_is_green_when_all_that_is_known_holds() -> None:
    report = validate(a_world(), chosen(phase=2), gate=2)
    assert report.is_green
    assert report.as_json()["failed"] == []
    assert set(report.as_json()["refuted"]) == {"$5", "$6", "M4.1", "B1", "B5"}


def test_strict_takes_what_is_unknown_for_a_failure() -> None:
    world = a_world(findings=unknown("nobody was asked"))
    assert validate(world, chosen(["R1"])).is_green
    strict = validate(world, chosen(["R1"]), strict=True)
    assert [row.criterion.id for row in strict.failed] == ["R1"]


def test_a_source_that_does_not_answer_keeps_the_gate_closed() -> None:
    report = validate(a_world(trouble=("Cluster sophia: silent",)), chosen(["K3"]))
    assert (report.failed, report.is_green) == ((), False)


def test_what_belongs_to_a_later_phase_is_not_due() -> None:
    config = local_config().model_copy(update={"phase": 1})
    world = a_world(config=config, phase=1)
    rows = {row.criterion.id: row for row in validate(world, criteria()).rows}
    assert rows["2.2c"].verdict == "unknown"
    assert rows["2.2c"].measured.value == "not due: it comes with phase 2, and the stack is in phase 1"
    assert rows["1.3a"].verdict == "pass"


def test_every_row_says_where_to_look_again() -> None:
    for row in validate(a_world(), criteria()).rows:
        assert row.measured.value, row.criterion.id
        assert row.measured.evidence, row.criterion.id


def test_the_document_has_every_criterion_with_its_label() -> None:
    document = validate(a_world(), criteria()).as_json()
    assert document["gate"] is None
    assert sum(document["counts"].values()) == len(document["criteria"]) == len(criteria())
    (row,) = (row for row in document["criteria"] if row["id"] == "2.2c")
    assert row["verdict"] == "pass"
    assert row["label"] == "mechanism proved"
    assert row["reason"]
    assert row["tests"]


def test_the_page_begins_with_what_closes_the_gate() -> None:
    fleet = known(a_fleet(**{"sophia-production": "absent"}), "list", 0.0)
    report = validate(a_world(snapshot=a_watched_snapshot(fleet=fleet)), criteria())
    page = render_markdown(report)
    begin = page.split("## Head and summary")[0]
    assert "## Closes the gate" in begin
    assert "4 of 5 active: sophia-production absent" in begin
    assert page == render_markdown(report)


def test_names_from_the_cloud_stay_in_their_cell() -> None:
    fleet = a_fleet()
    evil = replace(fleet.machines[0], status="a|b\n## c\x1b[2J")
    world = a_world(
        snapshot=a_watched_snapshot(
            fleet=known(replace(fleet, machines=(evil, *fleet.machines[1:])), "l", 0.0)
        )
    )
    page = render_markdown(validate(world, chosen(["K3"])))
    assert "a\\|b ## c" in page
    assert "\x1b" not in page
