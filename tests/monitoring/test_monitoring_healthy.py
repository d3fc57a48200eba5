"""A healthy platform raises no alarm: all rules of stack `local` in a real Prometheus that scrapes it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.monitoring.rules import all_alerts, all_rules, rule_file
from tests.effort import FULL
from tests.monitoring.healthy import healthy_platform
from tests.monitoring.history import backfill
from tests.monitoring.platform import LivePlatform, Platform, constant, serve
from tests.monitoring.prometheus import Prometheus, prometheus
from tests.monitoring.rule_cases import local_terms

ALWAYS = frozenset({"Watchdog"})
"""Alarms that are there by design; their descriptions say so."""

_HISTORY_S = 3600
_STEP_S = 60
_INTERVAL_S = 1.0
_VIRTUAL_MINUTES = 180 if FULL else 80
"""The longest delay of an alert is one hour."""
_VIRTUAL_STEP_S = 120


def at_one_pace(rules: dict[str, Any]) -> dict[str, Any]:
    """The rule file without intervals of its own, so that nobody waits for minutes."""
    groups = [{key: part for key, part in group.items() if key != "interval"} for group in rules["groups"]]
    return {"groups": groups}


@dataclass(frozen=True)
class Watched:
    """A platform that is scraped, and who watches it."""

    server: Prometheus
    live: LivePlatform

    def wait_for_a_round(self) -> None:
        """Every target is read and after that every group is evaluated, all of it from now on."""
        now_s = time.time()
        self.server.wait_until("every target read again", lambda: self._oldest_scrape_s() > now_s)
        read_s = time.time()
        self.server.wait_until("every group evaluated again", lambda: self._oldest_round_s() > read_s)

    def named(self) -> set[tuple[str, str]]:
        """(name, state) of every alarm but those that are always there."""
        return {
            (alert["labels"]["alertname"], alert["state"])
            for alert in self.server.alerts()
            if alert["labels"]["alertname"] not in ALWAYS
        }

    def become(self, platform: Platform) -> None:
        """Go on as another platform."""
        self.live.platform = platform
        self.wait_for_a_round()

    def _oldest_scrape_s(self) -> float:
        return min(seconds_of(target["lastScrape"]) for target in self.server.targets())

    def _oldest_round_s(self) -> float:
        return min(seconds_of(group["lastEvaluation"]) for group in self.server.rule_groups())


def seconds_of(text: str) -> float:
    """Seconds since 1970 of Go's time, whose nanoseconds Python does not read."""
    whole, _, rest = text.partition(".")
    zone = rest.lstrip("0123456789") or "Z"
    fraction = rest.removesuffix(zone)[:6] or "0"
    moment = datetime.fromisoformat(whole.removesuffix("Z") + zone.replace("Z", "+00:00"))
    return moment.timestamp() + float(f"0.{fraction}")


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Ten seconds: an hour of history, then a live platform that goes on from it."""
    folder = tmp_path_factory.mktemp("watched")
    end_s = float(int(time.time()) // _STEP_S * _STEP_S)
    platform = healthy_platform(end_s - _HISTORY_S)
    history = folder / "history.txt"
    platform.openmetrics(history, platform.origin_s, end_s, _STEP_S)
    backfill(folder, history)
    rules = at_one_pace(rule_file(local_terms()))
    with (
        serve(platform) as live,
        prometheus(folder, rule_file=rules, targets=live.targets, interval_s=_INTERVAL_S) as server,
    ):
        watched = Watched(server, live)
        server.wait_until_scraped()
        watched.wait_for_a_round()
        yield watched


@pytest.fixture
def healthy_again(watched: Watched) -> Iterator[Platform]:
    """The platform, which is healthy again after the test."""
    platform = watched.live.platform
    yield platform
    watched.become(platform)


@pytest.mark.slow
def test_every_target_is_read(watched: Watched) -> None:
    """Buys: the pages of the platform are what Prometheus reads, with a history of their own before."""
    assert {target["lastError"] for target in watched.server.targets()} == {""}
    assert len(watched.server.targets()) == len(watched.live.platform.pages)


@pytest.mark.slow
def test_every_group_is_loaded(watched: Watched) -> None:
    """Buys: the real server takes the file as it is."""
    loaded = {group["name"]: len(group["rules"]) for group in watched.server.rule_groups()}
    assert loaded == {group.name: len(group.rules) for group in all_rules(local_terms())}


@pytest.mark.slow
def test_every_rule_can_be_evaluated(watched: Watched) -> None:
    """Buys: no join finds two series where it wants one, with every pod and node of the stack there."""
    broken = {
        rule["name"]: rule.get("lastError")
        for group in watched.server.rule_groups()
        for rule in group["rules"]
        if rule["health"] != "ok" or rule.get("lastError")
    }
    assert broken == {}


@pytest.mark.slow
def test_no_alarm_is_pending_or_firing(watched: Watched) -> None:
    """Buys: no rule of ours cries wolf on the stack that we ship."""
    found = [
        (alert["state"], alert["labels"])
        for alert in watched.server.alerts()
        if alert["labels"]["alertname"] not in ALWAYS
    ]
    assert found == []


@pytest.mark.slow
def test_the_watchdog_barks(watched: Watched) -> None:
    """Buys: an empty list of alarms is an answer of a server that evaluates."""
    states = {alert["labels"]["alertname"]: alert["state"] for alert in watched.server.alerts()}
    assert states == dict.fromkeys(ALWAYS, "firing")


@pytest.mark.slow
def test_a_hot_gpu_is_seen_at_once(watched: Watched, healthy_again: Platform) -> None:
    """Buys: the silence above is not that of rules which never match."""
    watched.become(healthy_again.with_line("DCGM_FI_DEV_GPU_TEMP", constant(95), node="sophia-ai-core"))
    assert watched.named() == {("GpuTooHot", "pending")}


@pytest.mark.slow
def test_a_machine_of_nobody_is_seen_at_once(watched: Watched, healthy_again: Platform) -> None:
    """Buys: the same for money; $12/h are more than half of the budget, so it is urgent."""
    sick = healthy_again.with_line("lambda_cloud_usd_per_hour", constant(12), owner="unknown")
    watched.become(sick.with_line("lambda_cloud_machines", constant(1), owner="unknown"))
    assert watched.named() == {("MachinesUnknown", "pending"), ("MachinesUnknownCostly", "pending")}


@pytest.mark.slow
def test_a_target_that_does_not_answer_is_seen_at_once(watched: Watched, healthy_again: Platform) -> None:
    """Buys: what is down looks down, through a real scrape that fails."""
    watched.become(healthy_again.down(job="mcp-slack", pod="mcp-slack-7d9f8b6c5-00000"))
    assert watched.named() == {("PrometheusTargetDown", "pending")}


@pytest.mark.slow
def test_hours_of_health_raise_nothing(tmp_path: Path) -> None:
    """Some seconds. Buys: what only an hour's delay or a window of hours would bring out."""
    whole = f"{_VIRTUAL_MINUTES}m"
    ever = f'max by (alertname, alertstate) (max_over_time(ALERTS{{alertname!="Watchdog"}}[{whole}]))'
    document = {
        "rule_files": ["rules.json"],
        "evaluation_interval": f"{_VIRTUAL_STEP_S}s",
        "tests": [
            {
                "interval": f"{_VIRTUAL_STEP_S}s",
                "input_series": healthy_platform().promtool_series(
                    _VIRTUAL_STEP_S, _VIRTUAL_MINUTES * 60 // _VIRTUAL_STEP_S
                ),
                "promql_expr_test": [{"expr": ever, "eval_time": whole, "exp_samples": []}],
            }
        ],
    }
    (tmp_path / "rules.json").write_text(json.dumps(rule_file(local_terms())), encoding="utf-8")
    (tmp_path / "tests.json").write_text(json.dumps(document), encoding="utf-8")
    result = subprocess.run(
        ["promtool", "test", "rules", "tests.json"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_virtual_time_is_longer_than_every_delay() -> None:
    assert max(alert.for_s for alert in all_alerts(local_terms()).values()) < _VIRTUAL_MINUTES * 60
