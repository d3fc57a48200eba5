"""What the exporter takes with 64 machines: memory after a hundred scrapes, and the time of one."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.stack_config import load_stack_config
from sophia_infra.monitoring.exporter_settings import (
    ExporterSettings,
    MachineSettings,
    exporter_settings_of,
)
from sophia_infra.provider.tags import LaunchKey, Owner
from tests.bench.figures import Figure

__all__ = ["measure_exporter"]

_MACHINES = 64
_SCRAPES = 100
_STACK = "sophia-infra/bench"
_TYPES = [name for name, row in CATALOGUE.items() if row.gpu_count == 1]
_KEY = "secret_bench_00000000000000000000000000000000.not-a-real-secret"
_CHECKOUT = Path(__file__).parents[2]
_KIB_PER_MIB = 1024
_WAIT_S = 60.0


def measure_exporter() -> Sequence[Figure]:
    """Resident memory and seconds of a scrape, of a real process beside a real emulator."""
    with tempfile.TemporaryDirectory(prefix="sophia-bench-") as folder, _emulator() as cloud:
        _launch(cloud)
        settings = Path(folder) / "settings.json"
        settings.write_text(json.dumps(_settings().as_json()))
        with _exporter(settings, Path(folder) / "state.json", cloud) as (process, url):
            took_s, size = _scrape_many(url)
            resident_mib, peak_mib = _memory_mib(process.pid)
    how = f"{_MACHINES} machines, all of them nodes; {_SCRAPES} scrapes of {size // 1024} KiB"
    took_s.sort()
    return [
        Figure(
            "exporter, memory",
            resident_mib,
            "MiB",
            60,
            f"VmRSS after {how}; peak {peak_mib:.0f} MiB",
        ),
        Figure(
            "exporter, a scrape",
            took_s[0],
            "s",
            0.05,
            f"least of {how}; median {took_s[_SCRAPES // 2] * 1000:.1f} ms, p95 "
            f"{took_s[_SCRAPES * 95 // 100] * 1000:.1f} ms",
        ),
    ]


def _settings() -> ExporterSettings:
    """Those of the tracked stack `local`, with other machines."""
    base = exporter_settings_of(load_stack_config(_CHECKOUT / "Pulumi.local.yaml"), _STACK)
    machines = {
        f"node-{n}": MachineSettings((_TYPES[n % len(_TYPES)],), ("us-east-3",), node=f"node-{n}")
        for n in range(_MACHINES)
    }
    return replace(base, poll_s=5, machines=machines)


def _launch(cloud: str) -> None:
    _post(cloud, "/ssh-keys", {"name": "ops", "public_key": "ssh-ed25519 AAAA ops"})
    for n in range(_MACHINES):
        tags = LaunchKey(Owner(_STACK, f"node-{n}"), 1, "0123456789abcdef").tags(time.time())
        order = {
            "region_name": "us-east-3",
            "instance_type_name": _TYPES[n % len(_TYPES)],
            "ssh_key_names": ["ops"],
            "name": f"node-{n}",
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
        }
        _post(cloud, "/instance-operations/launch", order)


def _post(cloud: str, path: str, body: object) -> None:
    connection = http.client.HTTPConnection(urlsplit(cloud).netloc, timeout=10)
    headers = {"Authorization": f"Bearer {_KEY}", "Content-Type": "application/json"}
    connection.request("POST", f"/api/v1{path}", json.dumps(body), {**headers, "User-Agent": "sophia-bench"})
    answer = connection.getresponse()
    if answer.status != http.client.OK:
        raise RuntimeError(f"POST {path} was answered with {answer.status}: {answer.read()!r}")
    connection.close()


def _scrape_many(url: str) -> tuple[list[float], int]:
    """Seconds of each scrape, on one new connection each as Prometheus' first, and bytes of the last."""
    took_s: list[float] = []
    text = b""
    for _ in range(_SCRAPES):
        began_s = time.perf_counter()
        text = _get(url)
        took_s.append(time.perf_counter() - began_s)
    rows = text.count(b"\nlambda_cloud_instance_cost_usd_total{")
    if rows != _MACHINES:
        raise RuntimeError(f"{rows} machines were shown")
    return took_s, len(text)


def _get(url: str) -> bytes:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    text = connection.getresponse().read()
    connection.close()
    return text


def _memory_mib(pid: int) -> tuple[float, float]:
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    kib = {line.partition(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return int(kib["VmRSS"]) / _KIB_PER_MIB, int(kib["VmHWM"]) / _KIB_PER_MIB


@contextmanager
def _emulator() -> Iterator[str]:
    command = [sys.executable, "-m", "sophia_infra.emulator"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[2].rstrip(",")
        finally:
            process.terminate()


@contextmanager
def _exporter(settings: Path, state: Path, cloud: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Once all three kinds of lists were read, so that everything is in its memory."""
    command = [sys.executable, "-m", "sophia_infra.exporter", "--config", str(settings)]
    process = subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", "--state", str(state)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LAMBDA_API_KEY": _KEY, "LAMBDA_API_URL": cloud},
    )
    with process:
        try:
            assert process.stderr is not None
            url = process.stderr.readline().partition(" serving ")[2].partition("/metrics")[0]
            until_s = time.monotonic() + _WAIT_S
            while b'operation="listFilesystems",outcome="ok"} 1' not in _get(url):
                if time.monotonic() > until_s:
                    raise RuntimeError("the exporter did not read all lists")
                time.sleep(0.1)
            yield process, url
        finally:
            process.terminate()
