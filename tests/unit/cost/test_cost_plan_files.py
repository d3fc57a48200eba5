"""What the engine writes is read in each of its shapes; whatever else is in a file is a clear error."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sophia_infra.cost import (
    Action,
    CostError,
    Machine,
    PlanFailed,
    PlanIncomplete,
    PlanUnreadable,
    StackTerms,
    UnknownResource,
    build_report,
    plan_of_state,
    read_plan,
    terms_of_plan,
)
from sophia_infra.cost.prices import Prices
from sophia_infra.model.price_book import PriceBook
from tests.effort import examples
from tests.unit.cost.cost_plans import INSTANCE, RECORDED, keep, plan_of, recorded, replace, state_of, step

A10, A6000 = "gpu_1x_a10", "gpu_1x_a6000"
PRICES = Prices((PriceBook.fallback(),))

Seen = tuple[str, str, str | None, str | None, str | None]


def seen(text: str) -> set[Seen]:
    return {
        (change.name, change.action.value, change.order, type_of(change.before), type_of(change.after))
        for change in read_plan(text).changes
    }


def type_of(machine: Machine | None) -> str | None:
    return machine.instance_type if machine else None


CREATED: set[Seen] = {("a", "create", None, None, A10), ("c", "create", None, None, A6000)}
DELETED: set[Seen] = {("a", "delete", None, A10, None), ("c", "delete", None, A6000, None)}
KEPT: set[Seen] = {("a", "same", None, A10, A10), ("c", "same", None, A6000, A6000)}
REPLACED: set[Seen] = {
    ("a", "replace", "launch_first", A10, A6000),
    ("c", "replace", "terminate_first", A6000, A10),
}
UNORDERED: set[Seen] = {("a", "replace", None, A10, A6000), ("c", "replace", None, A6000, A10)}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("create.events.jsonl", CREATED),
        ("create-streaming.events.jsonl", CREATED),
        ("create.digest.json", CREATED),
        ("same.events.jsonl", KEPT),
        ("state.json", KEPT),
        ("replace.events.jsonl", REPLACED),
        ("update-with-replacements.events.jsonl", REPLACED),
        ("replace.digest.json", UNORDERED | {("d", "same", None, A10, A10)}),
        ("replace-without-sames.digest.json", UNORDERED),
        ("destroy.events.jsonl", DELETED),
        ("destroy.digest.json", DELETED),
        ("update.events.jsonl", {("a", "update", None, A6000, A6000), ("c", "delete", None, A10, None)}),
        ("refresh-gone.events.jsonl", REPLACED | {("d", "create", None, None, A10)}),
        ("refresh-gone.digest.json", UNORDERED | {("d", "create", None, None, A10)}),
    ],
)
def test_every_shape_of_the_engine_says_the_same(name: str, expected: set[Seen]) -> None:
    assert seen(recorded(name)) == expected


def test_a_finished_update_tells_what_was_really_launched() -> None:
    planned = {change.name: change for change in read_plan(recorded("replace.events.jsonl")).changes}
    done = {
        change.name: change for change in read_plan(recorded("update-with-replacements.events.jsonl")).changes
    }
    assert planned["a"].after is not None
    assert done["a"].after is not None
    assert [choice.instance_type for choice in planned["a"].after.choices] == [A6000, "gpu_1x_a100_sxm4"]
    assert done["a"].after.fallbacks == ()


def test_the_configuration_in_the_file_gives_budget_phases_and_replace_order() -> None:
    for name in ("create.events.jsonl", "create.digest.json"):
        terms = terms_of_plan(read_plan(recorded(name)).config)
        assert terms.budget is not None
        assert str(terms.budget.limit) == "$500/day"
        assert {name: machine.phase for name, machine in terms.machines.items()} == {"a": 1, "b": 2, "c": 1}
        assert terms.wanted == {"a", "c"}
        assert terms.machines["c"].replace_order == "terminate_first"


def test_a_digest_without_unchanged_resources_has_exact_differences_and_no_judgement() -> None:
    plan = read_plan(recorded("same-without-sames.digest.json"))
    assert (plan.left_out, plan.changes) == (6, ())
    report = build_report(plan, PRICES)
    assert report.left_out == 6
    with pytest.raises(PlanIncomplete, match="--show-sames") as incomplete:
        build_report(plan, PRICES, terms_of_plan(plan.config))
    assert incomplete.value.left_out == 6


def test_left_out_resources_do_not_matter_when_all_machines_are_there() -> None:
    plan = read_plan(recorded("replace-without-sames.digest.json"))
    assert plan.left_out == 3
    fleet = json.loads(plan.config["sophia:fleet"])
    with pytest.raises(PlanIncomplete):
        build_report(plan, PRICES, terms_of_plan(plan.config))
    config = {**plan.config, "sophia:fleet": json.dumps({name: fleet[name] for name in ("a", "c")})}
    assert build_report(plan, PRICES, terms_of_plan(config)).left_out == 0


def test_what_a_refresh_lists_is_not_left_out() -> None:
    assert read_plan(recorded("refresh-gone.digest.json")).left_out == 0
    digest = json.loads(recorded("refresh-gone.digest.json"))
    digest["changeSummary"]["same"] = 0
    with pytest.raises(PlanUnreadable, match="some were found gone"):
        read_plan(json.dumps(digest))


def test_a_state_can_be_read_as_what_a_destroy_would_end() -> None:
    document = json.loads(recorded("state.json"))
    plan = plan_of_state(document, destroy=True)
    assert {change.action for change in plan.changes} == {Action.DELETE}
    for row in document["deployment"]["resources"]:
        row["protect"] = row["urn"].endswith("::a")
    actions = {change.name: change.action for change in plan_of_state(document, destroy=True).changes}
    assert actions == {"a": Action.KEEP, "c": Action.DELETE}


def test_a_machine_left_over_by_an_interrupted_update_is_billed_until_it_is_deleted() -> None:
    left_over = step("delete-replaced", "a", old=state_of("a", (A6000, "us-south-1"), "the-old-one"))
    changes = plan_of(keep("a"), left_over).changes
    assert [(change.action.value, change.before is None) for change in changes] == [
        ("same", False),
        ("delete", False),
    ]
    document = json.loads(recorded("state.json"))
    rows = document["deployment"]["resources"]
    row = next(row for row in rows if row["urn"].endswith("::a"))
    rows.append({**row, "id": "the-old-one", "delete": True})
    assert len(plan_of_state(document).changes) == 3


def test_a_machine_that_a_refresh_finds_gone_is_billed_no_more() -> None:
    old = state_of("a", (A10, "us-west-1"), "x")
    events = [
        {"resourcePreEvent": {"metadata": metadata("refresh", old=old, new=old)}},
        {"resOutputsEvent": {"metadata": metadata("delete", old=old, new=None)}},
        {"summaryEvent": {"resourceChanges": {"delete": 1}, "result": "succeeded"}},
    ]
    (change,) = read_plan("\n".join(map(json.dumps, events))).changes
    assert (change.action, change.before, change.after) == (Action.GONE, None, None)


def metadata(op: str, **states: Any) -> dict[str, Any]:
    def document(state: Any) -> Any:
        return state and {"id": state.id, "inputs": state.inputs, "outputs": state.outputs}

    return {
        "op": op,
        "urn": f"urn:pulumi:local::sophia-infra::{INSTANCE}::a",
        "type": INSTANCE,
        "provider": "p",
        **{key: document(state) for key, state in states.items()},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("   \n", "is empty"),
        ("not json", "is not JSON"),
        ("[]", "is not JSON as the engine writes it"),
        ("{", "broken JSON or cut off"),
        ('{"a": 1}', "has the keys a"),
        ("{}", "has the keys (none)"),
        ('{"steps": 1, "changeSummary": {}}', "`steps` is not a list of objects"),
        ('{"steps": [1], "changeSummary": {}}', "`steps` is not a list of objects"),
        ('{"steps": []}', "no changeSummary"),
        ('{"steps": [{"op": "create"}], "changeSummary": {}}', "another version of the engine?"),
        ('{"version": 2, "deployment": {}}', "has version 2"),
        ('{"version": 3, "deployment": []}', "has version 3"),
        ('{"version": 3, "deployment": {"resources": {}}}', "`resources` is not a list"),
        ('{"cancelEvent": {}}', "ends before the run does"),
        ('{"a": 1}\n{"b": 2}', "No line is an event"),
        ('{"cancelEvent": {}}\n{"summary', "Line 2 is not a JSON object"),
        ('{"cancelEvent": {}}\n[]', "Line 2 is not a JSON object"),
        ('{"summaryEvent": {"resourceChanges": {"same": "many"}}}', "Event 1 is not as this version"),
        ('{"resourcePreEvent": {}}\n{"summaryEvent": {}}', "another version of the engine?"),
        ("{" + '"a":{' * 100_000, "nested too deeply"),
    ],
)
def test_another_shape_is_a_sentence_with_a_next_step(text: str, said: str) -> None:
    with pytest.raises(PlanUnreadable) as unreadable:
        read_plan(text)
    assert said in str(unreadable.value)
    assert "Next: " in str(unreadable.value)


def test_an_event_log_without_its_end_was_cut_off() -> None:
    lines = recorded("create.events.jsonl").splitlines()
    whole = [line for line in lines if "summaryEvent" not in line]
    with pytest.raises(PlanUnreadable, match="its summary is missing"):
        read_plan("\n".join(whole))


def test_a_failed_preview_has_no_price() -> None:
    lines = recorded("create.events.jsonl").replace('"result": "succeeded"', '"result": "failed"')
    error = {"diagnosticEvent": {"severity": "error", "message": "no capacity", "urn": ""}}
    with pytest.raises(PlanFailed, match="no capacity"):
        read_plan(f"{json.dumps(error)}\n{lines}")
    digest = json.loads(recorded("create.digest.json"))
    digest["diagnostics"] = [{"severity": "error", "message": "error: no capacity"}]
    with pytest.raises(PlanFailed, match="no capacity") as failed:
        read_plan(json.dumps(digest))
    assert failed.value.reasons == ("no capacity",)


def test_an_unknown_resource_may_cost_money_so_it_is_an_error() -> None:
    with pytest.raises(UnknownResource, match=r"db \(aws:rds/instance:Instance\)") as unknown:
        plan_of(step("create", "db", new=state_of("db", ("", "")), kind="aws:rds/instance:Instance"))
    assert unknown.value.resources == (("db", "aws:rds/instance:Instance"),)


def test_components_and_free_resources_need_no_price() -> None:
    plan = plan_of(
        step("create", "key", kind="pulumi-python:dynamic/lambda:SshKey"),
        step("create", "pod", kind="kubernetes:core/v1:Pod"),
        step("delete", "old-pod", kind="kubernetes:core/v1:Pod"),
    )
    assert plan.changes == ()
    assert [item.name for item in plan.unpriced] == ["pod"]


@pytest.mark.parametrize("value", [None, "", "04da6b54-80e4-46f7-96ec-b56ff0331ba9", {"secret": 1}, 3])
def test_a_type_that_is_not_known_before_the_update_is_an_error(value: object) -> None:
    with pytest.raises(PlanUnreadable, match=r"instance_type"):
        plan_of(step("create", "a", new=state_of("a", (value, "us-west-1"))))  # type: ignore[arg-type]


def test_a_budget_in_the_file_that_cannot_be_read_is_an_error_not_a_missing_budget() -> None:
    with pytest.raises(PlanUnreadable, match="sophia:budget"):
        terms_of_plan({"sophia:budget": '{"limit": "lots"}'})
    with pytest.raises(PlanUnreadable, match="sophia:quota"):
        terms_of_plan({"sophia:quota": '{"per_type": {"1xFOO": 1}}'})
    assert terms_of_plan({}) == StackTerms()


@settings(max_examples=examples(100), deadline=None)
@given(data=st.data())
def test_a_damaged_file_never_ends_in_another_error(data: st.DataObject) -> None:
    """Cut anywhere, or one value replaced by another kind: a reading, or one of our errors."""
    name = data.draw(st.sampled_from(sorted(path.name for path in RECORDED.iterdir())))
    text = recorded(name)
    if data.draw(st.booleans()):
        text = text[: data.draw(st.integers(0, len(text)))]
    else:
        lines = text.splitlines() if name.endswith("jsonl") else [text]
        at = data.draw(st.integers(0, len(lines) - 1))
        document = json.loads(lines[at])
        damage(document, data)
        lines[at] = json.dumps(document)
        text = "\n".join(lines)
    with contextlib.suppress(CostError):
        read_plan(text)


def damage(document: Any, data: st.DataObject) -> None:
    """Replace one value somewhere below `document`."""
    while True:
        keys = list(document) if isinstance(document, dict) else list(range(len(document)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        inner = document[key]
        if isinstance(inner, (dict, list)) and inner and data.draw(st.booleans()):
            document = inner
            continue
        document[key] = data.draw(st.sampled_from([None, 1, "x", [], {}, [1], {"a": 1}, True, -1]))
        return


def test_the_order_of_a_replacement_is_the_order_of_its_steps() -> None:
    for first in ("launch", "terminate"):
        (change,) = plan_of(replace("a", (A10, "us-west-1"), (A6000, "us-west-1"), first=first)).changes
        assert change.order == f"{first}_first"
