"""The harness itself: a server that answers, remembers, is told of mistakes, and is gone afterwards."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import pytest
import requests

from tests.monitoring.history import backfill
from tests.monitoring.platform import Line, Page, Platform, Series, constant, serve
from tests.monitoring.prometheus import Prometheus, QueryRefused, prometheus

_LABELS = {"instance": "pod-a:9090", "namespace": "sophia-ai-prod"}
_RULES = {
    "groups": [
        {
            "name": "calls",
            "rules": [
                # The second asks for what the first records, and stands before it.
                {"record": "calls:per_minute:sum", "expr": "sum(calls:per_second:rate2m) * 60"},
                {"record": "calls:per_second:rate2m", "expr": "rate(calls_total[2m])"},
                {"alert": "ManyCalls", "expr": "calls:per_minute:sum > 100"},
            ],
        }
    ]
}


def calls(origin_s: float, *, per_s: float = 2.0) -> Platform:
    series = Series("calls_total", {"handler": "/v1"}, Line(0, per_s))
    return Platform((Page("calls", _LABELS, (series,)),), origin_s)


def is_gone(server: Prometheus) -> bool:
    with contextlib.suppress(requests.ConnectionError):
        requests.get(f"{server.url}/-/ready", timeout=5)
        return False
    return True


def test_it_answers_and_is_gone_afterwards(tmp_path: Path) -> None:
    with prometheus(tmp_path) as server:
        assert server.query("1 + 1")[0].value == 2
    assert is_gone(server)


def test_it_is_gone_when_the_test_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), prometheus(tmp_path) as server:
        _ = 1 / 0
    assert is_gone(server)


def test_a_wrong_expression_is_refused_in_its_own_words(tmp_path: Path) -> None:
    with (
        prometheus(tmp_path) as server,
        pytest.raises(QueryRefused, match=r"unclosed left paren[^\n]*\nsum\(up"),
    ):
        server.query("sum(up")


def test_a_wrong_rule_file_ends_the_start_with_its_log(tmp_path: Path) -> None:
    rules = {"groups": [{"name": "g", "rules": [{"record": "a:b", "expr": "sum("}]}]}
    said = r"Prometheus ended with 1[\s\S]*could not parse expression"
    with pytest.raises(AssertionError, match=said), prometheus(tmp_path, rule_file=rules):
        pass


@pytest.mark.slow
def test_a_live_page_is_scraped_and_judged(tmp_path: Path) -> None:
    """Four seconds of a real clock. Buys: labels, rules and alarms as a cluster would have them."""
    with (
        serve(calls(time.time() - 60, per_s=600)) as live,
        prometheus(tmp_path, rule_file=_RULES, targets=live.targets, interval_s=0.5) as server,
    ):
        server.wait_until_scraped()
        (up,) = server.query("up")
        assert (up.labels, up.value) == ({"__name__": "up", "job": "calls", **_LABELS}, 1.0)
        server.wait_until("the alarm", lambda: bool(server.alerts()))
        assert server.alerts()[0]["labels"]["alertname"] == "ManyCalls"
        live.platform = live.platform.down(job="calls")
        server.wait_until("the target is down", lambda: server.query("up")[0].value == 0)
        assert "503" in server.targets()[0]["lastError"]


@pytest.mark.slow
def test_rules_can_be_replaced_while_it_runs(tmp_path: Path) -> None:
    """A second of a real clock. Buys: one server for several rule files."""
    with prometheus(tmp_path, interval_s=0.2) as server:
        assert server.rule_groups() == []
        server.write_rules(
            {"groups": [{"name": "g", "rules": [{"record": "one:one:one", "expr": "vector(1)"}]}]}
        )
        server.wait_until("the record", lambda: bool(server.query("one:one:one")))


@pytest.mark.slow
def test_a_history_is_there_with_what_rules_would_have_recorded(tmp_path: Path) -> None:
    """Two starts of a server. Buys: six hours in seconds, recordings upon recordings among them."""
    end_s = float(int(time.time()) // 60 * 60)
    start_s = end_s - 6 * 3600
    history = tmp_path / "history.txt"
    calls(start_s).openmetrics(history, start_s, end_s, 60)
    backfill(tmp_path, history, recordings=_RULES, start_s=start_s + 600, end_s=end_s, step_s=60)
    with prometheus(tmp_path) as server:
        (series,) = server.query_range("calls_total", start_s, end_s, 60)
        assert [value for _, value in series.values] == [120.0 * minute for minute in range(361)]
        (recorded,) = server.query_range("calls:per_minute:sum", start_s + 1200, end_s, 60)
        assert {round(value, 6) for _, value in recorded.values} == {120.0}


def test_rules_that_ask_for_each_other_have_no_order(tmp_path: Path) -> None:
    rules = [{"record": "a:a:a", "expr": "b:b:b"}, {"record": "b:b:b", "expr": "a:a:a"}]
    history = tmp_path / "history.txt"
    Platform((Page("job", {}, (Series("x", {}, constant(1)),)),)).openmetrics(history, 0, 60, 60)
    with pytest.raises(ValueError, match=r"ask for each other: \['a:a:a', 'b:b:b'\]"):
        backfill(tmp_path, history, recordings={"groups": [{"name": "g", "rules": rules}]})
