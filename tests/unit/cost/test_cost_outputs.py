"""The document, the pull request comment and the table say the same; hostile names stay names."""

# ruff: noqa: E501 (the comment stands here as it is posted)
from __future__ import annotations

import html
import io
import json
import re
import subprocess
import sys
from decimal import Decimal
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from sophia_infra.cli.cost_views import show_cost
from sophia_infra.cost import (
    BudgetTerms,
    CostReport,
    LiveFacts,
    Prices,
    QuotaTerms,
    StackTerms,
    build_report,
    read_plan,
    words,
)
from sophia_infra.cost.document import CostDocument
from sophia_infra.cost.document_building import build_document
from sophia_infra.cost.markdown import MARKER, escape, render_markdown
from sophia_infra.cost.schema import SCHEMA_FILE, build_schema
from sophia_infra.cost.terms import terms_of_plan
from sophia_infra.model.money import parse_rate
from sophia_infra.model.price_book import PriceBook
from tests.effort import examples
from tests.unit.cost.cost_plans import (
    DATED,
    create,
    delete,
    fleet_of_the_plan,
    keep,
    plan_of,
    recorded,
    replace,
    step,
    terms,
)

VALIDATOR = jsonschema_rs.validator_for(build_schema())
LIMIT = BudgetTerms(parse_rate("$200/day"), 80, "Pulumi.local.yaml")


def everything() -> CostReport:
    """One report with something of every kind in it."""
    plan = plan_of(
        fleet_of_the_plan("same"),
        create("sophia-more", "gpu_1x_a100", "us-south-1", fallbacks=[{"type": "gpu_1x_gh200"}]),
        create("sophia-adopted", adopt={"name": "x"}),
        delete("sophia-old"),
        replace("sophia-moved", ("gpu_1x_a10", "us-west-1"), ("gpu_1x_a6000", "us-south-1")),
        step("create", "models", kind="pulumi-python:dynamic/lambda:Filesystem"),
    )
    known = terms(
        {"sophia-more": 2, "sophia-moved": 1, "sophia-ai-core": 1},
        stack="local",
        budget=LIMIT,
        quota=QuotaTerms(instances=7, gpus=100, per_type={"gpu_1x_a10": 0}),
    )
    return build_report(plan, DATED, known, LiveFacts(capacity={"gpu_1x_a100": ["us-east-1"]}))


def test_the_schema_file_is_what_the_code_makes() -> None:
    """After a change: `python -m sophia_infra.cost.schema > sophia_infra/cost/cost_report.schema.json`."""
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == build_schema()
    done = subprocess.run(
        [sys.executable, "-m", "sophia_infra.cost.schema"], capture_output=True, text=True, check=True
    )
    assert done.stdout == SCHEMA_FILE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [
        "create.events.jsonl",
        "same.events.jsonl",
        "replace.events.jsonl",
        "replace.digest.json",
        "destroy.digest.json",
        "refresh-gone.events.jsonl",
        "state.json",
    ],
)
def test_real_outputs_keep_to_the_schema(name: str) -> None:
    plan = read_plan(recorded(name))
    VALIDATOR.validate(build_document(build_report(plan, DATED, terms_of_plan(plan.config)), exit_code=0))


def test_a_report_with_everything_keeps_to_the_schema_and_the_schema_is_closed() -> None:
    document: dict[str, Any] = dict(
        build_document(everything(), exit_code=3, notices=["dated"], changes={"create": 1})
    )
    VALIDATOR.validate(document)
    assert not VALIDATOR.is_valid({**document, "more": 1})
    assert not VALIDATOR.is_valid({**document, "headline": 1})
    row = document["rows"][0]
    assert not VALIDATOR.is_valid({**document, "rows": [{**row, "after_usd_per_hour": 1.29}]})
    assert not VALIDATOR.is_valid({**document, "rows": [{**row, "action": "explode"}]})
    missing = {key: value for key, value in document.items() if key != "totals"}
    assert not VALIDATOR.is_valid(missing)


def test_the_document_adds_up_for_a_reader_who_has_nothing_else() -> None:
    document: CostDocument = build_document(everything(), exit_code=3)
    for key in ("before_usd_per_hour", "after_usd_per_hour", "difference_usd_per_hour"):
        rows = sum(Decimal(row[key]) for row in document["rows"])
        assert str(rows) == document["totals"][key]
    assert document["adopted_usd_per_hour"] == "1.29"
    assert document["budget"] is not None
    assert document["budget"]["limit_usd_per_month"] == "6000.00"
    assert document["left_out"] == 0
    assert document["unpriced"][0]["name"] == "models"
    assert any("egress" in note.lower() for note in document["notes"])
    assert json.loads(json.dumps(document)) == document


def test_every_row_says_the_day_of_its_price_and_the_source_of_that_day_is_named() -> None:
    live = PriceBook.live({"gpu_1x_a100": 150}, now=1_790_000_000)
    plan = plan_of(create("a", "gpu_1x_a100", "us-south-1"), create("b"))
    report = build_report(plan, Prices((live, PriceBook.fallback())))
    for text in (table_of(report), render_markdown(report)):
        rows = {
            name: next(line for line in text.splitlines() if f"{name} " in line[:4]) for name in ("a", "b")
        }
        assert "2026-09-21" in rows["a"]
        assert "2026-08-20" in rows["b"]
        assert "Prices of 2026-09-21: Lambda Cloud API, GET /instance-types" in text
        assert "Prices of 2026-08-20: Lambda Cloud list prices" in text


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (
            build_report(
                plan_of(fleet_of_the_plan("same"), create("m", "gpu_1x_a100", "us-south-1")),
                DATED,
                StackTerms(budget=LIMIT),
            ),
            "+$1.99/h (+$1,432.80/month) -> $9.34/h, 112 % of budget",
        ),
        (
            build_report(plan_of(fleet_of_the_plan("delete")), DATED, StackTerms(budget=LIMIT)),
            "-$7.35/h (-$5,292.00/month) -> $0.00/h, 0 % of budget",
        ),
        (
            build_report(plan_of(keep("a")), DATED),
            "$0.00/h ($0.00/month) -> $1.29/h, no budget given",
        ),
        (
            build_report(read_plan(recorded("replace-without-sames.digest.json")), DATED),
            "$0.00/h ($0.00/month); 3 unchanged resources are not in the plan",
        ),
    ],
)
def test_the_headline_is_one_stable_line(report: CostReport, expected: str) -> None:
    assert words.headline(report) == expected
    assert expected in render_markdown(report)
    assert expected in table_of(report)
    assert build_document(report, exit_code=0)["headline"] == expected


COMMENT = f"""\
{MARKER}
### Cost of stack local: +$1.99/h (+$1,432.80/month) -> $3.28/h, 39 % of budget

| Instance | Change | Type | Region | Boot | Capacity now | Price of | $/h before | $/h after | $/h | $/month |
|---|---|---|---|---|---|---|---:|---:|---:|---:|
| more | create | 1xA100 | us-south-1 | 3-6 min | listed | 2026-08-20 | $0.00 | $1.99 | +$1.99 | +$1,432.80 |

- Budget $200/day (Pulumi.local.yaml): 15 % before, 39 % after.
- The budget of one day lasts 61.0 h.
- The month's budget of $6,000.00 (720 h) lasts 1829.3 h at this rate, counted from now.
- A listed capacity reserves nothing: a launch may still be refused.

<details><summary>Totals by phase, region and GPU</summary>

| Total | Instances | $/h before | $/h after | $/h | $/month (720 h) |
|---|---|---:|---:|---:|---:|
| all | 1 -> 2 | $1.29 | $3.28 | +$1.99 | +$1,432.80 |
| phase 1 | 1 -> 1 | $1.29 | $1.29 | $0.00 | $0.00 |
| phase 2 | 0 -> 1 | $0.00 | $1.99 | +$1.99 | +$1,432.80 |
| us-south-1 | 0 -> 1 | $0.00 | $1.99 | +$1.99 | +$1,432.80 |
| us-west-1 | 1 -> 1 | $1.29 | $1.29 | $0.00 | $0.00 |
| A10 | 1 -> 1 | $1.29 | $1.29 | $0.00 | $0.00 |
| A100 | 0 -> 1 | $0.00 | $1.99 | +$1.99 | +$1,432.80 |

</details>

<details><summary>1 unchanged</summary>

| Instance | Type | Region | $/h |
|---|---|---|---:|
| a | 1xA10 | us-west-1 | $1.29 |

</details>

<details><summary>Not in these figures</summary>

- Egress is free at Lambda. Taxes and support are in no figure.

</details>

<sub>Prices of 2026-08-20: Lambda Cloud list prices: a GET /instance-types answer of 2026-08-20; \
gpu\\_4x\\_b200\\_sxm6 of 2026-04-11 and cpu\\_4x\\_general from a public catalogue file of 2026</sub>
"""


def test_the_comment_of_a_pull_request_as_it_is_posted() -> None:
    plan = plan_of(keep("a"), create("more", "gpu_1x_a100", "us-south-1"))
    known = terms({"a": 1, "more": 2}, stack="local", budget=LIMIT)
    report = build_report(plan, DATED, known, LiveFacts(capacity={"gpu_1x_a100": ["us-south-1"]}))
    assert render_markdown(report) == COMMENT


def test_the_comment_is_the_same_for_the_same_plan_and_has_no_colour() -> None:
    text = render_markdown(everything(), notices=["Prices are dated."])
    assert text == render_markdown(everything(), notices=["Prices are dated."])
    assert "\x1b" not in text
    assert text.startswith(MARKER)
    assert "- Prices are dated." in text
    assert text.count("<details>") == text.count("</details>") == 3
    for finding in words.findings(everything()):
        assert f"- **{escape(finding)}**" in text


@settings(max_examples=examples(100), deadline=None)
@given(st.text(min_size=1, max_size=60))
def test_a_name_out_of_a_pull_request_stays_a_name(name: str) -> None:
    shown = escape(name)
    assert "\n" not in shown
    bare = re.sub(r"\\.|&lt;|&amp;|&#64;|&#35;", "", shown)
    assert not set(bare) & set("<&@#|`*_[]~\\")
    read_by_a_browser = html.unescape(re.sub(r"\\(.)", r"\1", shown))
    assert read_by_a_browser == " ".join(name.split())


def test_markup_in_names_does_not_reach_the_comment() -> None:
    name = "<img src=x onerror=alert(1)> @everyone #1 `x` | **bold**\n- item"
    text = render_markdown(build_report(plan_of(create(name)), DATED))
    assert "<img" not in text
    assert "@everyone" not in text
    assert "#1 " not in text
    assert "\n- item" not in text
    row = next(line for line in text.splitlines() if "onerror" in line)
    assert row.replace("\\|", "").count("|") == 12


def test_the_table_says_what_is_changed_judged_and_left_out() -> None:
    text = table_of(everything())
    for said in (
        "replace, launch first",
        "1xA10 -> 1xA6000",
        "us-west-1 -> us-south-1",
        "$1.99 ($1.99-$2.29)",
        "adopt",
        "Unchanged: 5, $7.35/h",
        "phase 2",
        "not in the stack file",
        "Over budget",
        "Over quota: 8 instances; the account may run 7",
        "No capacity now: sophia-more needs 1xA100 in us-south-1, or 1xGH200 in us-south-1.",
        "$1.29/h of the difference is billed already",
        "both machines are billed for about 8-11 min, $0.17 to $0.24 once",
        "Not in these figures: Filesystem models: $0.20 per GiB and month",
        "Prices of 2026-08-20",
    ):
        assert said in text, said


def test_an_empty_plan_is_said() -> None:
    assert "No machine is in this plan." in table_of(build_report(plan_of(), DATED))
    assert "No machine changes." in render_markdown(build_report(plan_of(), DATED))


def test_the_cost_room_is_light_to_import() -> None:
    """Costs a fresh interpreter: `cost diff` has 0.4 s for all, and these would take half of it."""
    code = (
        "import sys, sophia_infra.cost, sophia_infra.cost.document_building, sophia_infra.cost.markdown\n"
        "print([name for name in ('pydantic', 'requests', 'yaml', 'rich', 'pulumi') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def table_of(report: CostReport) -> str:
    stream = io.StringIO()
    show_cost(Console(file=stream, width=200, highlight=False), report)
    return stream.getvalue()
