"""The cost engine's queries against a real Prometheus, and only of metrics that somebody exports."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

from sophia_infra.metrics_client.prometheus import PrometheusApi
from sophia_infra.monitoring.inventory import inventory
from sophia_infra.optimization.prometheus import QUERIES, PrometheusGate, PrometheusUsage
from tests.monitoring.prometheus import data_folder, prometheus

STEP_S = 900
_WORD = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
GIB = 2**30


def _history(start_s: int, end_s: int) -> str:
    """Two nodes, a sample a minute: `a` at work with requests, `b` under MIG and idle."""
    lines: dict[str, list[str]] = {}

    def add(name: str, labels: str, at_s: int, value: float) -> None:
        lines.setdefault(name, []).append(f"{name}{{{labels}}} {value!r} {at_s}")

    for at_s in range(start_s, end_s + 1, 60):
        age = at_s - start_s
        add("DCGM_FI_DEV_GPU_UTIL", 'node="a",gpu="0",UUID="u1",pod="p"', at_s, 40)
        add("DCGM_FI_DEV_GPU_UTIL", 'node="a",gpu="1",UUID="u2"', at_s, 60)
        add("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 'node="b",gpu="0",UUID="u3"', at_s, 0.03)
        add("DCGM_FI_DEV_FB_USED", 'node="a",gpu="0",UUID="u1"', at_s, 10_240)
        add("DCGM_FI_DEV_FB_USED", 'node="b",gpu="0",UUID="u3"', at_s, 2_048)
        for node, idle in (("a", 0.25), ("b", 0.99)):
            for cpu in ("0", "1"):
                add("node_cpu_seconds", f'node="{node}",cpu="{cpu}",mode="idle"', at_s, age * idle)
            add("node_memory_MemTotal_bytes", f'node="{node}"', at_s, 200 * GIB)
            add("node_memory_MemAvailable_bytes", f'node="{node}"', at_s, (180 if node == "a" else 192) * GIB)
            add("lambda_node_usd_per_hour", f'node="{node}",instance_id="id-{node}"', at_s, 1.29)
            add("kube_pod_info", f'namespace="n",pod="p-{node}",node="{node}"', at_s, 1)
        add("http_requests", 'namespace="n",pod="p-a",status="2xx"', at_s, age * 2)
        add("lambda_cloud_capacity", 'instance_type="gpu_1x_a10",region="us-east-1"', at_s, float(age < 3600))
    text = []
    for name, samples in lines.items():
        kind = "counter" if name in ("node_cpu_seconds", "http_requests") else "gauge"
        suffix = "_total" if kind == "counter" else ""
        text.append(f"# TYPE {name} {kind}")
        text += sorted(
            (f"{name}{suffix}{line[len(name) :]}" for line in samples),
            key=lambda line: line.rsplit(" ", 2)[0],
        )
    return "\n".join([*text, "# EOF", ""])


def test_usage_and_capacity_are_read_by_machine(tmp_path: Path) -> None:
    end_s = int(time.time()) // STEP_S * STEP_S
    start_s = end_s - 8 * STEP_S
    file = tmp_path / "history.txt"
    file.write_text(_history(start_s - STEP_S, end_s), encoding="utf-8")
    folder = tmp_path / "prometheus"
    made = subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(file), str(data_folder(folder))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    with prometheus(folder) as server:
        recorded = PrometheusUsage(PrometheusApi(server.url)).read(start_s, end_s, STEP_S)
        health = PrometheusGate(PrometheusApi(server.url)).look()
    assert recorded.notes == ()
    a, b = recorded.machines["id-a"], recorded.machines["id-b"]
    assert len(a.gpu_percent.values) == 8
    assert set(a.gpu_percent.values) == {60.0}
    assert {round(value, 6) for value in b.gpu_percent.measured} == {3.0}
    for track, value in (
        (a.gpu_memory_gib, 10.0),
        (b.gpu_memory_gib, 2.0),
        (a.cpu_percent, 75.0),
        (b.cpu_percent, 1.0),
        (a.memory_gib, 20.0),
        (b.memory_gib, 8.0),
        (a.requests_per_s, 2.0),
    ):
        assert track is not None
        assert {round(one, 3) for one in track.measured} == {value}
        assert track.last_end_s == end_s
    assert b.requests_per_s is None
    capacity = recorded.capacity[("gpu_1x_a10", "us-east-1")]
    assert set(capacity.measured) == {0.0, 1.0}
    # This server scrapes nothing, so nobody would see an alert: that is not health.
    assert not health.is_well
    assert "scrapes nothing" in health.reason


def test_every_metric_that_is_asked_for_is_exported() -> None:
    asked = {
        word
        for expr in QUERIES.values()
        for word in _WORD.findall(re.sub(r'\{[^}]*\}|\[[^]]*\]|"[^"]*"', " ", expr))
        if word.startswith(("DCGM_", "node_", "http_", "kube_", "lambda_"))
    } - {"node"}
    assert len(asked) >= 8
    assert asked <= inventory().keys()
    assert {"lambda_node_usd_per_hour", "lambda_cloud_capacity"} <= inventory().keys()
