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
from tests.bench.emulator_process import KEY, emulator_process, memory_mib, post
from tests.bench.figures import Figure
from tests.bench.rivals import bare_exporter

__all__ = ["measure_exporter"]

_MACHINES = 64
_SCRAPES = 100
_STACK = "sophia-infra/bench"
_TYPES = [name for name, row in CATALOGUE.items() if row.gpu_count == 1]
_CHECKOUT = Path(__file__).parents[2]
_WAIT_S = 60.0


def measure_exporter() -> Sequence[Figure]:
    """Resident memory and seconds of a scrape, of a real process beside a real emulator."""
    with tempfile.TemporaryDirectory(prefix="sophia-bench-") as folder, emulator_process() as (_, cloud):
        _launch(cloud)
        settings = Path(folder) / "settings.json"
        settings.write_text(json.dumps(_settings().as_json()))
        with _exporter(settings, Path(folder) / "state.json", cloud) as (process, url):
            took_s, text = _scrape_many(url)
            resident_mib, peak_mib = memory_mib(process.pid)
    how = f"{_MACHINES} machines, all of them nodes; {_SCRAPES} scrapes of {len(text) // 1024} KiB"
    took_s.sort()
    rows = sum(not line.startswith(b"#") for line in text.splitlines())
    bare_mib, bare_s = bare_exporter(rows)
    bare = f"prometheus_client alone with as many series ({rows:,})"
    return [
        Figure(
            "exporter, memory",
            resident_mib,
            "MiB",
            60,
            f"VmRSS after {how}; peak {peak_mib:.0f} MiB",
            reference=(bare_mib, bare),
        ),
        Figure(
            "exporter, a scrape",
            took_s[0],
            "s",
            0.05,
            f"least of {how}; median {took_s[_SCRAPES // 2] * 1000:.1f} ms, p95 "
            f"{took_s[_SCRAPES * 95 // 100] * 1000:.1f} ms",
            reference=(bare_s, bare),
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


def _launch(url: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    post(connection, "/ssh-keys", {"name": "ops", "public_key": "ssh-ed25519 AAAA ops"})
    for n in range(_MACHINES):
        tags = LaunchKey(Owner(_STACK, f"node-{n}"), 1, "0123456789abcdef").tags(time.time())
        order = {
            "region_name": "us-east-3",
            "instance_type_name": _TYPES[n % len(_TYPES)],
            "ssh_key_names": ["ops"],
            "name": f"node-{n}",
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
        }
        post(connection, "/instance-operations/launch", order)
    connection.close()


def _scrape_many(url: str) -> tuple[list[float], bytes]:
    """Seconds of each scrape, on one new connection each as Prometheus' first, and the text of the last."""
    took_s: list[float] = []
    text = b""
    for _ in range(_SCRAPES):
        began_s = time.perf_counter()
        text = _get(url)
        took_s.append(time.perf_counter() - began_s)
    rows = text.count(b"\nlambda_cloud_instance_cost_usd_total{")
    if rows != _MACHINES:
        raise RuntimeError(f"{rows} machines were shown")
    return took_s, text


def _get(url: str) -> bytes:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    text = connection.getresponse().read()
    connection.close()
    return text


@contextmanager
def _exporter(settings: Path, state: Path, cloud: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Once all three kinds of lists were read, so that everything is in its memory."""
    command = [sys.executable, "-m", "sophia_infra.exporter", "--config", str(settings)]
    process = subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0", "--state", str(state)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "LAMBDA_API_KEY": KEY, "LAMBDA_API_URL": cloud},
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
