"""Exceptions: owned, dated, closed in form, and never silent."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sophia_policies.errors import WaiversRefused
from sophia_policies.evaluation import Verdict, judge_resource, judge_stack
from sophia_policies.registry import NOT_WAIVABLE, RULES_BY_NAME
from sophia_policies.rule import ResourceRule, Situation, StackRule
from sophia_policies.waivers import Waiver, list_waivers, load_waivers, parse_waivers

from tests.unit.policies.policy_cases import TODAY, machine, root

RULES = RULES_BY_NAME.keys() - NOT_WAIVABLE
FILE = """
waivers:
  - rule: max-machine-price
    resource: sophia-*
    owner: ml@example.com
    reason: one training week
    expires: 2026-11-24
    stack: production
"""
PRICE = RULES_BY_NAME["max-machine-price"]
DEAR = machine("sophia-big", "gpu_8x_h100_sxm5")


def waiver(expires: date = TODAY, **changes: object) -> Waiver:
    made = Waiver("max-machine-price", "sophia-*", "ml@example.com", "one training week", expires)
    return replace(made, **changes)  # type: ignore[arg-type]


def judge(*waivers: Waiver) -> list[Verdict]:
    assert isinstance(PRICE, ResourceRule)
    return list(judge_resource(PRICE, DEAR, Situation(today=TODAY, stack="local", waivers=waivers)))


def test_a_file_becomes_waivers() -> None:
    assert parse_waivers(FILE, RULES) == (waiver(stack="production"),)


def test_no_file_and_an_empty_one_are_no_waivers(tmp_path: Path) -> None:
    assert load_waivers(RULES, tmp_path / "none.yaml") == ()
    assert parse_waivers("", RULES) == parse_waivers("waivers: []\n", RULES) == ()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "owner: ml@example.com",
            "ownr: ml@example.com",
            "ownr is not a key of a waiver, did you mean owner?",
        ),
        ("owner: ml@example.com", "owner: ''", "owner has to be text"),
        ("owner: ml@example.com", "stack: other", "is given twice"),
        ("reason: one training week", "", "reason is missing"),
        ("max-machine-price", "max-machine-prize", "did you mean max-machine-price?"),
        ("max-machine-price", "waiver-expired", "there is no rule 'waiver-expired'"),
        ("2026-11-24", "24.11.2026", "a day is wanted, for example 2026-12-31"),
        ("2026-11-24", "2026-02-30", "a day is wanted"),
        ("waivers:", "exceptions:", "the one key waivers"),
        ("waivers:", "waivers: {a: b}\nmore:", "the one key waivers"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(old: str, new: str, words: str) -> None:
    with pytest.raises(WaiversRefused, match=r"^waivers\.yaml: ") as refused:
        parse_waivers(FILE.replace(old, new), RULES)

    assert words in str(refused.value)


def test_the_same_waiver_twice_is_refused() -> None:
    entry = FILE.partition("waivers:\n")[2]

    with pytest.raises(WaiversRefused, match="is there twice"):
        parse_waivers(FILE + entry, RULES)


def test_without_a_waiver_the_violation_has_the_level_of_its_rule() -> None:
    (verdict,) = judge()

    assert verdict.level is None
    assert "Fix: " in verdict.text
    assert verdict.text.endswith("See docs/policies.md#max-machine-price")


def test_a_waiver_on_its_last_day_makes_an_advisory_that_names_owner_and_day() -> None:
    (verdict,) = judge(waiver(TODAY))

    assert verdict.level == "advisory"
    assert verdict.text.startswith("waived until 2026-11-24 by ml@example.com (one training week): ")
    assert "costs $31.92/h" in verdict.text


def test_a_waiver_of_yesterday_does_not_help_and_is_named() -> None:
    (verdict,) = judge(waiver(TODAY - timedelta(days=1)))

    assert verdict.level is None
    assert verdict.text.startswith("the waiver by ml@example.com expired on 2026-11-23: ")


def test_of_two_waivers_the_valid_one_counts() -> None:
    (verdict,) = judge(waiver(TODAY - timedelta(days=1)), waiver(TODAY + timedelta(days=5)))

    assert verdict.text.startswith("waived until 2026-11-29")


@pytest.mark.parametrize(
    ("changes", "helps"),
    [
        ({"resource": "sophia-big"}, True),
        ({"resource": "urn:sophia-*"}, True),
        ({"resource": "sophia"}, False),
        ({"resource": "SOPHIA-*"}, False),
        ({"rule": "allowed-regions"}, False),
    ],
)
def test_a_waiver_covers_its_rule_and_its_resources_only(changes: dict[str, Any], helps: bool) -> None:
    (verdict,) = judge(waiver(**changes))

    assert (verdict.level == "advisory") == helps


def test_a_waiver_of_the_stack_is_for_its_name() -> None:
    rule = RULES_BY_NAME["monthly-budget"]
    assert isinstance(rule, StackRule)
    mine = waiver(rule="monthly-budget", resource="local")
    situation = Situation(today=TODAY, stack="local", settings={"limit": "$1/day"}, waivers=(mine,))

    (verdict,) = judge_stack(rule, [DEAR], situation)

    assert verdict.level == "advisory"


def test_the_rule_about_expired_waivers_cannot_be_waived() -> None:
    rule = RULES_BY_NAME["waiver-expired"]
    assert isinstance(rule, ResourceRule)
    old = waiver(TODAY - timedelta(days=1))
    trick = waiver(rule="waiver-expired", resource="*")

    (verdict,) = judge_resource(rule, root(), Situation(today=TODAY, stack="local", waivers=(old, trick)))

    assert verdict.level is None


def test_the_list_says_what_is_left() -> None:
    rows = list_waivers([waiver(TODAY + timedelta(days=3)), waiver(TODAY - timedelta(days=1))], TODAY)

    assert [(row["expires"], row["valid"], row["days_left"]) for row in rows] == [
        ("2026-11-23", False, -1),
        ("2026-11-27", True, 3),
    ]
    assert set(rows[0]) == {"rule", "resource", "stack", "owner", "reason", "expires", "valid", "days_left"}


def test_a_waiver_without_a_stack_is_for_all() -> None:
    assert waiver().concerns("local")
    assert waiver(stack="local").concerns("local")
    assert not waiver(stack="production").concerns("local")
