"""A real Prometheus on loopback, with a folder, rules, targets and a history of its own."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

__all__ = ["Prometheus", "QueryRefused", "Sample", "Target", "data_folder", "free_port", "prometheus"]

_READY_WITHIN_S = 60.0
_POLL_S = 0.05
_RETENTION = "10y"


class QueryRefused(AssertionError):
    """Prometheus would not read or run an expression; its own words."""


@dataclass(frozen=True)
class Target:
    """One page that is scraped.

    Attributes:
        url: whole address of the page, on loopback.
        labels: added to everything that it gives, `instance` among them where it should not be the address.
        honor_labels: whether the page's own labels win.
    """

    job: str
    url: str
    labels: Mapping[str, str] = field(default_factory=dict)
    honor_labels: bool = False


@dataclass(frozen=True)
class Sample:
    """One series of an answer: labels, `__name__` among them, and (seconds since 1970, value) in order."""

    labels: Mapping[str, str]
    values: tuple[tuple[float, float], ...]

    @property
    def value(self) -> float:
        """The last value."""
        return self.values[-1][1]


@dataclass(frozen=True)
class Prometheus:
    """A server that is ready. Every method is one call of its HTTP API."""

    url: str
    folder: Path

    def query(self, expr: str, at_s: float | None = None) -> tuple[Sample, ...]:
        """Value of an expression at a moment; default now.

        Raises:
            QueryRefused: with the server's words.
        """
        parameters = {"query": expr} if at_s is None else {"query": expr, "time": f"{at_s:.3f}"}
        data = self._get("query", parameters)
        if data["resultType"] == "scalar":
            at, value = data["result"]
            return (Sample({}, ((float(at), float(value)),)),)
        return tuple(
            Sample(row["metric"], _values([row["value"]] if "value" in row else row["values"]))
            for row in data["result"]
        )

    def query_range(self, expr: str, start_s: float, end_s: float, step_s: float) -> tuple[Sample, ...]:
        """Values of an expression over a range. Raises QueryRefused."""
        parameters = {"query": expr, "start": f"{start_s:.3f}", "end": f"{end_s:.3f}", "step": f"{step_s:g}"}
        rows = self._get("query_range", parameters)["result"]
        return tuple(Sample(row["metric"], _values(row["values"])) for row in rows)

    def rule_groups(self) -> list[dict[str, Any]]:
        """Groups as the server has loaded them, each rule with `health` and `lastError`."""
        groups: list[dict[str, Any]] = self._get("rules", {})["groups"]
        return groups

    def alerts(self) -> list[dict[str, Any]]:
        """Alarms that are pending or firing."""
        alerts: list[dict[str, Any]] = self._get("alerts", {})["alerts"]
        return alerts

    def targets(self) -> list[dict[str, Any]]:
        """Active targets, each with `health` and `lastError`."""
        targets: list[dict[str, Any]] = self._get("targets", {"state": "active"})["activeTargets"]
        return targets

    def reload(self) -> None:
        """Read configuration and rules again."""
        requests.post(f"{self.url}/-/reload", timeout=30).raise_for_status()

    def write_rules(self, rule_file: Mapping[str, Any]) -> None:
        """Replace the rules of the running server."""
        _write_rules(self.folder, rule_file)
        self.reload()

    def wait_until(self, what: str, holds: Callable[[], bool], within_s: float = 60.0) -> None:
        """Ask again and again until it holds; AssertionError with `what` when it does not in time."""
        deadline = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
            time.sleep(_POLL_S)

    def wait_until_scraped(self) -> None:
        """Every target has been read once, whatever came of it."""
        self.wait_until("every target scraped", self._is_scraped)

    def _is_scraped(self) -> bool:
        targets = self.targets()
        return bool(targets) and all(target["health"] != "unknown" for target in targets)

    def _get(self, what: str, parameters: Mapping[str, str]) -> Any:
        url = f"{self.url}/api/v1/{what}"
        if what.startswith("query"):  # a long expression does not fit into an address
            answer = requests.post(url, data=parameters, timeout=120)
        else:
            answer = requests.get(url, params=parameters, timeout=120)
        said = answer.json()
        if said["status"] != "success":
            raise QueryRefused(f"{said['error']}\n{parameters.get('query', what)}")
        return said["data"]


@contextlib.contextmanager
def prometheus(
    folder: Path,
    *,
    rule_file: Mapping[str, Any] | None = None,
    targets: Iterable[Target] = (),
    interval_s: float = 1.0,
    alertmanager: str | None = None,
) -> Iterator[Prometheus]:
    """A server that is ready; its process has ended, whatever happened, when the block is left.

    Args:
        folder: of this server alone; its series stay there and a second server goes on with them.
        rule_file: as plain data.
        targets: what it scrapes.
        interval_s: seconds between two scrapes, and two evaluations of groups that name no interval.
        alertmanager: host:port of a running Alertmanager.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_rules(folder, rule_file or {"groups": []})
    configuration = folder / "prometheus.json"  # JSON is YAML
    configuration.write_text(json.dumps(_configuration(targets, interval_s, alertmanager)), encoding="utf-8")
    port = free_port()
    log = folder / "prometheus.log"
    command = [
        "prometheus",
        f"--config.file={configuration}",
        f"--storage.tsdb.path={data_folder(folder)}",
        f"--storage.tsdb.retention.time={_RETENTION}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-lifecycle",
        "--log.level=warn",
    ]
    with log.open("ab") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            server = Prometheus(f"http://127.0.0.1:{port}", folder)
            _wait_until_ready(server, process, log)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def data_folder(folder: Path) -> Path:
    """Where the server of a folder keeps its blocks."""
    return folder / "data"


def _write_rules(folder: Path, rule_file: Mapping[str, Any]) -> None:
    (folder / "rules.json").write_text(json.dumps(rule_file), encoding="utf-8")


def _configuration(targets: Iterable[Target], interval_s: float, alertmanager: str | None) -> dict[str, Any]:
    interval = f"{round(interval_s * 1000)}ms"
    jobs: dict[tuple[str, str, bool], list[Target]] = {}
    for target in targets:
        path = urllib.parse.urlsplit(target.url).path or "/"
        jobs.setdefault((target.job, path, target.honor_labels), []).append(target)
    configuration: dict[str, Any] = {
        "global": {
            "scrape_interval": interval,
            "scrape_timeout": interval,
            "evaluation_interval": interval,
        },
        "rule_files": ["rules.json"],
        "scrape_configs": [
            {
                # Names must differ; what people see as `job` is put back by the label.
                "job_name": f"{job}{path}",
                "metrics_path": path,
                "honor_labels": honor_labels,
                "static_configs": [
                    {
                        "targets": [urllib.parse.urlsplit(target.url).netloc],
                        "labels": {"job": job, **target.labels},
                    }
                    for target in group
                ],
            }
            for (job, path, honor_labels), group in jobs.items()
        ],
    }
    if alertmanager is not None:
        configuration["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    return configuration


def _wait_until_ready(server: Prometheus, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"Prometheus ended with {process.returncode}\n{_tail(log)}")
        with contextlib.suppress(requests.ConnectionError, requests.Timeout):
            if requests.get(f"{server.url}/-/ready", timeout=5).ok:
                return
        time.sleep(_POLL_S)
    raise AssertionError(f"Prometheus was not ready within {_READY_WITHIN_S:g} s\n{_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-4000:]


def _values(pairs: Sequence[Sequence[Any]]) -> tuple[tuple[float, float], ...]:
    return tuple((float(at), float(value)) for at, value in pairs)


def free_port() -> int:
    """A port of loopback that nobody had a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
        return port
