"""Every panel of every dashboard shows something on a healthy platform, by the word of a real Prometheus."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from sophia_infra.monitoring.dashboards import all_dashboards, queries
from sophia_infra.monitoring.rules import rule_file
from tests.monitoring.healthy import healthy_platform
from tests.monitoring.history import backfill
from tests.monitoring.prometheus import Prometheus, QueryRefused, prometheus
from tests.monitoring.rule_cases import local_terms

_HISTORY_S = 2 * 3600
_STEP_S = 60
_BOARDS = sorted(all_dashboards(local_terms()))


@dataclass(frozen=True)
class Shown:
    """A server with a history that ends at `end_s`."""

    server: Prometheus
    end_s: float

    def of_panel(self, expr: str, *, hours: int, is_table: bool) -> int:
        """How many series a panel gets, as Grafana asks for them."""
        expr = substituted(expr)
        if is_table:
            return len(self.server.query(expr, self.end_s))
        start_s = self.end_s - hours * 3600
        return len(self.server.query_range(expr, start_s, self.end_s, hours * 3600 / 200))


def substituted(expr: str) -> str:
    """The expression with Grafana's variables: an interval as it picks one, and all of every other."""
    expr = expr.replace("$__rate_interval", "5m")
    return re.sub(r"\$\{?\w+\}?", ".*", expr)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """Ten seconds: two hours of every series of stack `local`, and what its rules record of them."""
    folder = tmp_path_factory.mktemp("shown")
    end_s = float(int(time.time()) // _STEP_S * _STEP_S)
    history = folder / "history.txt"
    start_s = end_s - _HISTORY_S
    healthy_platform(start_s).openmetrics(history, start_s, end_s, _STEP_S)
    # Of what is recorded the last hour is enough: no panel shows less than the end of its range.
    backfill(
        folder,
        history,
        recordings=rule_file(local_terms()),
        start_s=end_s - 3600,
        end_s=end_s,
        step_s=_STEP_S,
    )
    with prometheus(folder) as server:
        yield Shown(server, end_s)


def empty_panels(shown: Shown, board: dict[str, Any]) -> list[str]:
    """Title and expression of every query that is refused or answered with nothing."""
    hours = int(re.fullmatch(r"now-(\d+)h", board["time"]["from"])[1])  # type: ignore[index]
    tables = {panel["title"] for panel in board["panels"] if panel["type"] == "table"}
    found = []
    for title, expr in queries(board):
        try:
            count = shown.of_panel(expr, hours=hours, is_table=title in tables)
        except QueryRefused as refused:
            found.append(f"{title}: refused: {refused}")
        else:
            if count == 0:
                found.append(f"{title}: nothing: {substituted(expr)}")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", _BOARDS)
def test_every_panel_shows_something_when_all_is_well(name: str, shown: Shown) -> None:
    """Buys: no panel of ours is empty because of a label or a metric that only we believe in."""
    assert empty_panels(shown, all_dashboards(local_terms())[name]) == []


@pytest.mark.slow
def test_an_empty_panel_is_named_with_its_expression(shown: Shown) -> None:
    """Buys: the test above can fail, for a typo in a metric, a label that is not there, and wrong PromQL."""
    board = all_dashboards(local_terms())["fleet-and-money"]
    panels = {panel["title"]: panel for panel in board["panels"]}
    panels["Spent this month"]["targets"][0]["expr"] = "lambda_cloud_month_spend_usd"
    panels["Age of these figures"]["targets"][0]["expr"] = 'max(lambda_cloud_data_age_seconds{region="$x"})'
    panels["Pace of spending"]["targets"][0]["expr"] = "sum(up"
    assert empty_panels(shown, board) == [
        "Spent this month: nothing: lambda_cloud_month_spend_usd",
        'Age of these figures: nothing: max(lambda_cloud_data_age_seconds{region=".*"})',
        "Pace of spending: refused: 1:7: parse error: unclosed left parenthesis\nsum(up",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", _BOARDS)
def test_values_of_tables_join_their_lines(name: str, shown: Shown) -> None:
    """Buys: a table has one line for each thing and no label without a heading, as Grafana merges them."""
    for panel in all_dashboards(local_terms())[name]["panels"]:
        if panel["type"] != "table":
            continue
        organized = panel["transformations"][1]["options"]["renameByName"]
        headings = {label for label in organized if not label.startswith("Value")}
        facts, *columns = (
            [one.labels for one in shown.server.query(substituted(target["expr"]), shown.end_s)]
            for target in panel["targets"]
        )
        assert all(set(line) == headings for line in facts), panel["title"]
        for column in columns:
            for labels in column:
                lines = [line for line in facts if labels.items() <= line.items()]
                assert lines, (panel["title"], labels)


@pytest.mark.slow
@pytest.mark.parametrize("name", _BOARDS)
def test_every_variable_has_values(name: str, shown: Shown) -> None:
    """Buys: no list of choices is empty, so no panel is."""
    board = all_dashboards(local_terms())[name]
    for variable in board["templating"]["list"]:
        if variable["type"] != "query":
            continue
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
        assert found, variable["query"]
        series = shown.server.query(substituted(found[1]), shown.end_s)
        assert {one.labels.get(found[2], "") for one in series} - {""}, variable["query"]


@pytest.mark.slow
@pytest.mark.parametrize("name", _BOARDS)
def test_annotations_are_understood(name: str, shown: Shown) -> None:
    """Buys: alarms are drawn into the charts, and no error stands there instead. None fires in health."""
    for annotation in all_dashboards(local_terms())[name]["annotations"]["list"]:
        assert shown.server.query(annotation["expr"], shown.end_s) == ()
