"""Dashboards as data: always the same, nothing over anything else, panels explained, links real."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

from sophia_infra.monitoring.dashboards import all_dashboards, boards, queries
from sophia_infra.monitoring.inventory import inventory
from sophia_infra.monitoring.rule import Recording, runbook_anchor
from sophia_infra.monitoring.rules import all_alerts, all_rules
from sophia_infra.monitoring.terms import Terms
from tests.monitoring.rule_cases import CHECKOUT, local_terms
from tests.promql_expressions import metric_names, scraped_labels, selectors

_RUNBOOKS = "https://runbooks.example.com/runbooks.md"
_MOST_PANELS = 16
_GRID_COLUMNS = 24


def panels_of(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Panels that show something: all but headings."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def with_address(terms: Terms) -> Terms:
    return dataclasses.replace(terms, config=terms.config.model_copy(update={"runbooks_url": _RUNBOOKS}))


def smaller(**parts: Any) -> Terms:
    """The stack without some of its parts."""
    return dataclasses.replace(local_terms(), **parts)


def without_exporter() -> Terms:
    terms = local_terms()
    exporter = terms.config.exporter.model_copy(update={"enabled": False})
    return dataclasses.replace(terms, config=terms.config.model_copy(update={"exporter": exporter}))


VARIANTS = {
    "all": local_terms(),
    "with runbooks at an address": with_address(local_terms()),
    "without exporter": without_exporter(),
    "without gateway": smaller(has_gateway=False),
    "without training": smaller(has_training=False),
    "without rows": smaller(services=(), has_gateway=False),
}


@cache
def made(variant: str = "all") -> dict[str, dict[str, Any]]:
    """Name -> board of a stack; nobody changes them."""
    return all_dashboards(VARIANTS[variant])


_BOARDS = sorted(made())


def test_money_comes_first() -> None:
    assert next(iter(made())) == "fleet-and-money"
    assert [panel["title"] for panel in panels_of(made()["fleet-and-money"])][:6] == [
        "Dollars per hour now",
        "Spent this month",
        "Forecast of the month, of its budget",
        "Dollars per hour of orphans and unknown machines",
        "Dollars per hour of idle GPUs",
        "Age of these figures",
    ]


@pytest.mark.parametrize(
    ("variant", "missing"),
    [
        ("all", set()),
        ("without exporter", {"fleet-and-money"}),
        ("without gateway", {"inference"}),
        ("without training", {"training"}),
        ("without rows", {"inference", "services"}),
    ],
)
def test_a_stack_has_no_board_for_what_it_has_not(variant: str, missing: set[str]) -> None:
    assert set(_BOARDS) - set(made(variant)) == missing


def test_two_processes_write_the_same_bytes() -> None:
    code = (
        "import json; from tests.monitoring.rule_cases import local_terms;"
        "from sophia_infra.monitoring.dashboards import all_dashboards;"
        "print(json.dumps(all_dashboards(local_terms())))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=CHECKOUT,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert texts == {json.dumps(all_dashboards(local_terms())) + "\n"}


def test_the_library_is_not_imported_before_a_board_is_asked_for() -> None:
    code = "import sys, sophia_infra.monitoring.dashboards; print('grafana_foundation_sdk' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert result.stdout == "False\n"


def test_every_board_has_an_address_of_its_own_that_says_its_name() -> None:
    assert {name: board["uid"] for name, board in made().items()} == {
        name: f"sophia-{name}" for name in _BOARDS
    }
    titles = [board["title"] for board in made().values()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_panel_lies_over_another_or_outside_the_grid(variant: str) -> None:
    for name, board in made(variant).items():
        places = [(panel["title"], panel["gridPos"]) for panel in board["panels"]]
        for title, place in places:
            assert place["x"] >= 0, (name, title)
            assert place["x"] + place["w"] <= _GRID_COLUMNS, (name, title)
        for (one, a), (other, b) in itertools.combinations(places, 2):
            apart = (
                a["x"] + a["w"] <= b["x"]
                or b["x"] + b["w"] <= a["x"]
                or a["y"] + a["h"] <= b["y"]
                or b["y"] + b["h"] <= a["y"]
            )
            assert apart, f"{name}: {one} lies over {other}"


@pytest.mark.parametrize("name", _BOARDS)
def test_a_person_can_read_it_at_once(name: str) -> None:
    assert 8 <= len(panels_of(made()[name])) <= _MOST_PANELS


@pytest.mark.parametrize("name", _BOARDS)
def test_every_panel_has_its_own_id_and_title(name: str) -> None:
    ids = [panel["id"] for panel in made()[name]["panels"]]
    titles = [panel["title"] for panel in panels_of(made()[name])]
    assert len(set(ids)) == len(ids)
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", _BOARDS)
def test_every_panel_says_what_it_shows_in_which_unit_and_asks_something(name: str) -> None:
    # With an address nothing is added to a description.
    board = made("with runbooks at an address")[name]
    assert board["description"].endswith(".")
    for panel in panels_of(board):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        assert isinstance(panel["options"], dict), panel["title"]
        assert {target["datasource"]["uid"] for target in panel["targets"] if "datasource" in target} <= {
            "${datasource}"
        }
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]


@pytest.mark.parametrize("name", _BOARDS)
def test_dollars_have_the_unit_of_dollars(name: str) -> None:
    for panel in panels_of(made()[name]):
        if "Dollars" in panel["title"]:
            assert panel["fieldConfig"]["defaults"]["unit"] == "currencyUSD", panel["title"]


@pytest.mark.parametrize("name", _BOARDS)
def test_every_variable_of_a_query_is_declared_and_every_declared_one_is_used(name: str) -> None:
    board = made()[name]
    declared = {variable["name"] for variable in board["templating"]["list"]}
    used = {
        variable
        for _, expr in queries(board)
        for variable in re.findall(r"\$(\w+)", expr)
        if not variable.startswith("__")
    }
    assert used | {"datasource"} == declared


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_metric_is_exported_or_recorded(variant: str) -> None:
    terms = VARIANTS[variant]
    recorded = {
        rule.record for group in all_rules(terms) for rule in group.rules if isinstance(rule, Recording)
    }
    known = {*inventory(), *recorded}
    unknown = {
        (name, title, metric)
        for name, board in made(variant).items()
        for title, expr in (*queries(board), *annotations_of(board), *variables_of(board))
        for metric in metric_names(expr) - known
    }
    assert unknown == set()


@pytest.mark.parametrize("name", _BOARDS)
def test_no_query_chooses_by_a_label_that_its_metric_has_not(name: str) -> None:
    """A real server would not tell: `.*` also matches a label that is not there."""
    wrong = {
        (title, selector.metric, label)
        for title, expr in queries(made()[name])
        for selector in selectors(expr)
        if selector.metric in inventory()
        for label in selector.labels - scraped_labels(inventory()[selector.metric])
    }
    assert wrong == set()


def annotations_of(board: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["name"], one["expr"]) for one in board["annotations"]["list"]]


def variables_of(board: dict[str, Any]) -> list[tuple[str, str]]:
    """What the choices of a variable are read from, without the label."""
    return [
        (one["name"], re.fullmatch(r"label_values\((.+), \w+\)", one["query"])[1])  # type: ignore[index]
        for one in board["templating"]["list"]
        if one["type"] == "query"
    ]


def test_every_alarm_that_a_panel_names_is_a_rule_of_the_stack() -> None:
    unknown = {name: board.unknown_alerts for name, board in boards(local_terms()).items()}
    assert not any(unknown.values()), unknown


def test_panels_link_to_the_runbooks_of_their_alarms() -> None:
    headings = {
        line.removeprefix("## ").strip()
        for file in (CHECKOUT / "docs").glob("runbooks*.md")
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.startswith("## ")
    }
    anchors = {runbook_anchor(alert) for alert in all_alerts(local_terms()) if alert in headings}
    links = [
        link["url"]
        for board in made("with runbooks at an address").values()
        for panel in panels_of(board)
        for link in panel.get("links", ())
    ]
    assert len(links) > 50
    for link in links:
        address, _, anchor = link.partition("#")
        assert address == _RUNBOOKS
        assert anchor in anchors, anchor


def test_a_path_to_runbooks_is_said_and_not_linked() -> None:
    """Grafana would look for it on its own host."""
    panel = panels_of(made()["gpu"])[0]
    assert not panel.get("links")
    assert "docs/runbooks.md#gpuwasted" in panel["description"]


@pytest.mark.parametrize("name", _BOARDS)
def test_every_board_leads_to_all_others(name: str) -> None:
    board = made()[name]
    (link,) = [one for one in board["links"] if one["type"] == "dashboards"]
    assert link["tags"] == board["tags"]


def test_links_between_boards_point_to_boards_and_to_variables_they_have() -> None:
    found = made()
    variables = {
        board["uid"]: {one["name"] for one in board["templating"]["list"]} for board in found.values()
    }
    links = re.findall(r"/d/([\w-]+)\?var-(\w+)=", json.dumps(found))
    assert links
    for uid, variable in links:
        assert variable in variables[uid]
