"""A world in which a minute is a second: a real emulator, exporter, gateway and Prometheus, and the rest.

What has no real server here (nodes, pods, GPUs) is the healthy platform of numbers, as fast as well.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from sophia_infra.lambda_cloud import LambdaCloud, LaunchRequest, Pacer
from sophia_infra.model.stack_config import load_stack_config
from sophia_infra.monitoring.exporter_settings import exporter_settings_of
from sophia_infra.monitoring.rules import rule_file
from sophia_infra.provider.tags import LAUNCHED_AT_TAG, NAME_TAG, STACK_TAG
from tests.load.stand import Stand
from tests.monitoring.healthy import healthy_platform
from tests.monitoring.platform import Line, LivePlatform, Platform, Series, serve
from tests.monitoring.prometheus import Prometheus, Target, free_port, prometheus
from tests.monitoring.rule_cases import CHECKOUT, local_terms
from tests.monitoring.scaled_rules import scaled

__all__ = [
    "A100",
    "A100_USD_PER_HOUR",
    "ALWAYS",
    "FLEET_USD_PER_HOUR",
    "SPEED",
    "STACK",
    "FastWorld",
    "fast_world",
]

SPEED = 60
STACK = "sophia-infra/local"
A100, A100_USD_PER_HOUR = "gpu_1x_a100", 1.99
FLEET_USD_PER_HOUR = 7.35
ALWAYS = frozenset({"Watchdog", "MonthSpentIncomplete"})
"""Fire all the time: by design, and because this exporter began in the middle of a month."""

_API_KEY = "secret_monitoring_0123456789abcdef0123456789abcdef.AbCdEf0123456789"
_DATA_AGE = "max(lambda_cloud_data_age_seconds)"
_REWRITTEN = {
    "BackupTooOld": {"7200": f"7200 / {SPEED}"},
    # The exporter's clock is the emulator's: its seconds are virtual ones already.
    "FleetDataStale": {_DATA_AGE: f"({_DATA_AGE} / {SPEED})"},
}
_MINUTE_S = 60 / SPEED
_START_TIMEOUT_S = 30.0
_POLL_S = 0.1


@dataclass
class FastWorld:
    """What a test does to it, and what it looks at. `known` are alarms that nobody waits for any more."""

    cloud: LambdaCloud
    emulator_url: str
    live: LivePlatform
    server: Prometheus
    gateway: Stand
    exporter: subprocess.Popen[bytes]
    known: set[str] = field(default_factory=lambda: set(ALWAYS))

    def launch(self, count: int, instance_type: str, region: str, name: str, **tags: str) -> list[str]:
        """Machines launched behind the stack's back; their ids."""
        request = _machine(instance_type, region, name, tags)
        return [self.cloud.launch_instance(request) for _ in range(count)]

    def terminate(self, ids: Sequence[str]) -> None:
        self.cloud.terminate_instances(list(ids))

    def control(self, path: str, **body: Any) -> Any:
        answer = requests.post(f"{self.emulator_url}/_emulator/{path}", json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def clear_faults(self) -> None:
        requests.delete(f"{self.emulator_url}/_emulator/faults", timeout=10).raise_for_status()

    def become(self, platform: Platform) -> None:
        self.live.platform = platform

    def firing(self) -> dict[str, list[dict[str, Any]]]:
        """Name -> alarms that fire, without the known ones."""
        found: dict[str, list[dict[str, Any]]] = {}
        for alert in self.server.alerts():
            name = alert["labels"]["alertname"]
            if alert["state"] == "firing" and name not in self.known:
                found.setdefault(name, []).append(alert)
        return found

    def summaries(self, name: str) -> list[str]:
        """What the alarms of this name that fire say."""
        return [alert["annotations"]["summary"] for alert in self.firing()[name]]

    def minutes_until(self, *names: str, within_minutes: float) -> dict[str, float]:
        """Wait until exactly these fire; for each the virtual minutes from now until it did."""
        began_s = time.monotonic()
        first: dict[str, float] = {}
        while set(self.firing()) != set(names):
            for name in self.firing():
                first.setdefault(name, (time.monotonic() - began_s) / _MINUTE_S)
            assert (time.monotonic() - began_s) / _MINUTE_S < within_minutes, (
                f"wanted {sorted(names)}, these fire: {sorted(self.firing())}"
            )
            time.sleep(_POLL_S)
        for name in names:
            first.setdefault(name, (time.monotonic() - began_s) / _MINUTE_S)
        return first

    def stay(self, *names: str, minutes: float) -> None:
        """Exactly these fire, all the time, for so many virtual minutes."""
        until_s = time.monotonic() + minutes * _MINUTE_S
        while time.monotonic() < until_s:
            assert set(self.firing()) == set(names), f"these fire: {sorted(self.firing())}"
            time.sleep(_POLL_S)

    def value(self, expr: str) -> float:
        """Of an expression that gives one series."""
        [sample] = self.server.query(expr)
        return sample.value


@contextlib.contextmanager
def fast_world(folder: Path) -> Iterator[FastWorld]:
    """The stack `local` as it runs when nothing is wrong, in the second week of a month."""
    with contextlib.ExitStack() as stack:
        emulator_url = stack.enter_context(_emulator(folder))
        _go_to_the_tenth(emulator_url)
        unpaced = Pacer(None, "test", request_interval_s=0, launch_interval_s=0)
        cloud = stack.enter_context(LambdaCloud(emulator_url, _API_KEY, pacer=unpaced))
        _launch_the_fleet(cloud, emulator_url)
        exporter_url, exporter = stack.enter_context(_exporter(folder, emulator_url))
        (folder / "gateway").mkdir()
        gateway = stack.enter_context(Stand(folder / "gateway"))
        live = stack.enter_context(serve(_others(time.time())))
        targets = [
            *live.targets,
            _as_service("sophia-exporter", "monitoring", f"{exporter_url}/metrics"),
            _as_service("inference-gateway", "sophia-ai-prod", f"{gateway.gateway.url}/metrics"),
        ]
        rules = scaled(rule_file(local_terms()), SPEED, rewrite=_REWRITTEN)
        groups = [
            {key: part for key, part in group.items() if key != "interval"} for group in rules["groups"]
        ]
        server = stack.enter_context(
            prometheus(
                folder / "prometheus", rule_file={"groups": groups}, targets=targets, interval_s=_MINUTE_S
            )
        )
        server.wait_until_scraped()
        yield FastWorld(cloud, emulator_url, live, server, gateway, exporter)


def _others(origin_s: float) -> Platform:
    """The healthy platform without what is real here, and 60 times as fast."""
    platform = healthy_platform(origin_s)
    pages = [
        dataclasses.replace(page, series=tuple(map(_faster, page.series)))
        for page in platform.pages
        if page.job not in ("sophia-exporter", "inference-gateway")
    ]
    return dataclasses.replace(platform, pages=tuple(pages))


def _faster(series: Series) -> Series:
    line = series.line
    if line.is_moment:
        return dataclasses.replace(series, line=Line(line.base / SPEED, line.per_s, is_moment=True))
    return dataclasses.replace(series, line=Line(line.base, line.per_s * SPEED))


def _as_service(name: str, namespace: str, url: str) -> Target:
    labels = {"namespace": namespace, "service": name, "pod": f"{name}-0", "endpoint": "metrics"}
    return Target(name, url, {**labels, "instance": f"{name}:1"})


@contextlib.contextmanager
def _emulator(folder: Path) -> Iterator[str]:
    endpoint = folder / "emulator.json"
    command = [sys.executable, "-m", "sophia_infra.emulator", "--speed", str(SPEED)]
    with _running([*command, "--endpoint-file", str(endpoint)], folder / "emulator.log"):
        yield str(_read(endpoint)["url"])


@contextlib.contextmanager
def _exporter(folder: Path, emulator_url: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    settings = exporter_settings_of(load_stack_config(CHECKOUT / "Pulumi.local.yaml"), STACK)
    config = folder / "exporter.json"
    config.write_text(json.dumps(settings.as_json()), encoding="utf-8")
    port = free_port()
    command = [sys.executable, "-m", "sophia_infra.exporter", "--config", str(config)]
    command += ["--listen", f"127.0.0.1:{port}", "--state", str(folder / "exporter-state.json")]
    environment = {**os.environ, "LAMBDA_API_URL": emulator_url, "LAMBDA_API_KEY": _API_KEY}
    with _running(command, folder / "exporter.log", environment) as process:
        url = f"http://127.0.0.1:{port}"
        _until("the exporter answers", lambda: _answers(f"{url}/ready"))
        yield url, process


@contextlib.contextmanager
def _running(
    command: Sequence[str], log: Path, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as out, subprocess.Popen(command, stdout=out, stderr=out, env=environment) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _go_to_the_tenth(emulator_url: str) -> None:
    """To a day on which a month has a past and a future, whenever this test runs."""
    now = datetime.fromtimestamp(
        requests.get(f"{emulator_url}/_emulator/health", timeout=10).json()["now_s"], UTC
    )
    following = (now.replace(day=28, hour=0, minute=0, second=0) - now).total_seconds() + 4 * 86_400
    first = datetime.fromtimestamp(now.timestamp() + following, UTC).replace(day=1)
    seconds = first.replace(day=10, hour=12).timestamp() - now.timestamp()
    answer = requests.post(f"{emulator_url}/_emulator/advance", json={"seconds": seconds}, timeout=10)
    answer.raise_for_status()


def _launch_the_fleet(cloud: LambdaCloud, emulator_url: str) -> None:
    cloud.add_ssh_key("key")
    fleet = load_stack_config(CHECKOUT / "Pulumi.local.yaml").fleet
    now_s = requests.get(f"{emulator_url}/_emulator/health", timeout=10).json()["now_s"]
    for name, machine in fleet.items():
        tags = {STACK_TAG: STACK, NAME_TAG: name, LAUNCHED_AT_TAG: str(int(now_s))}
        cloud.launch_instance(_machine(machine.type, machine.region, name, tags))


def _machine(instance_type: str, region: str, name: str, tags: Mapping[str, str]) -> LaunchRequest:
    return LaunchRequest(
        region_name=region, instance_type_name=instance_type, ssh_key_names=["key"], name=name, tags=tags
    )


def _read(endpoint: Path) -> dict[str, Any]:
    _until(f"{endpoint.name} is written", endpoint.exists)
    found: dict[str, Any] = json.loads(endpoint.read_text(encoding="utf-8"))
    return found


def _answers(url: str) -> bool:
    with contextlib.suppress(requests.ConnectionError, requests.Timeout):
        return requests.get(url, timeout=5).ok
    return False


def _until(what: str, holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline_s, f"not within {_START_TIMEOUT_S:g} s: {what}"
        time.sleep(0.05)
