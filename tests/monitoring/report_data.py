"""Three weeks of a small fleet as OpenMetrics text, with names that no page may take for markup."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.monitoring.prometheus import data_folder

__all__ = ["DAYS", "DAY_S", "EVIL", "FLEET_USD_PER_HOUR", "STEP_S", "alert_rules", "fill", "usd_per_hour"]

DAY_S = 86_400
DAYS = 20
STEP_S = 300
EVIL = "<script>alert(1)</script>"
FLEET_USD_PER_HOUR = 7.35
_GPUS = (
    ("sophia-ai-core", "NVIDIA GH200 480GB", 60),
    ("sophia-mcp-orchestrator", "NVIDIA RTX A6000", 45),
    ("sophia-data-pipeline", "NVIDIA A100-PCIE-40GB", 40),
    (f"node-{EVIL}", "Quadro RTX 6000", 55),
    ("sophia-development", "NVIDIA A10", 25),
)
_SERVICES = (
    ("inference", "inference-gateway", 2e-4),
    ("http", "sophia-backend", 2e-3),
    ("http", "mcp-github", 0),
)

Value = Callable[[float], float]


def usd_per_hour(at_s: float) -> float:
    """What the stack's machines cost: the fleet, and a second A10 for three days out of seven."""
    return FLEET_USD_PER_HOUR + (1.29 if int(at_s // DAY_S) % 7 < 3 else 0.0)


def _write_history(file: Path, end_s: int) -> None:
    """`DAYS` days until `end_s` (a multiple of `STEP_S`)."""
    start_s = end_s - DAYS * DAY_S
    with file.open("w", encoding="utf-8") as stream:
        for name, kind, series in _metrics(start_s, end_s):
            stream.write(f"# TYPE {name} {kind}\n")
            for sample, labels, value in series:
                for at_s in _moments(kind, start_s, end_s):
                    stream.write(f"{sample}{{{_labels(labels)}}} {value(at_s):.6f} {at_s}\n")
        stream.write("# EOF\n")


def fill(folder: Path, end_s: int) -> None:
    """Give the Prometheus of `folder`, which does not run now, that history.

    Blocks of a month, not of two hours: promtool reads the whole file once for each block.
    """
    file, data = folder / "history.txt", data_folder(folder)
    data.mkdir(parents=True)
    _write_history(file, end_s)
    command = ["promtool", "tsdb", "create-blocks-from", "--max-block-duration=744h", "openmetrics"]
    result = subprocess.run([*command, str(file), str(data)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def alert_rules() -> dict[str, Any]:
    """Alarms that are always there, one of them with markup in its text and a script for an address."""
    rows = (
        ("Watchdog", "info", "Monitoring works.", "docs/runbooks.md"),
        ("OrphanMachine", "critical", f"A machine named {EVIL} costs $1.29/h.", "javascript:alert(1)"),
        (
            "GatewayBudgetHigh",
            "warning",
            "80 % of the month's budget is used.",
            "https://example.com/runbooks#x",
        ),
    )
    rules = [
        {
            "alert": name,
            "expr": "vector(1)",
            "labels": {"severity": severity, "owner": "platform"},
            "annotations": {"summary": summary, "runbook_url": url},
        }
        for name, severity, summary, url in rows
    ]
    return {"groups": [{"name": "report", "rules": rules}]}


def _moments(kind: str, start_s: int, end_s: int) -> Iterator[int]:
    """Every 5 minutes; of what is asked for its rate now every minute at the end."""
    dense_s = end_s if kind == "gauge" else end_s - 4 * 3600
    yield from range(start_s, dense_s, STEP_S)
    yield from range(dense_s, end_s + 1, STEP_S if kind == "gauge" else 60)


def _metrics(start_s: int, end_s: int) -> Iterator[tuple[str, str, list[tuple[str, dict[str, str], Value]]]]:
    owners: dict[str, Value] = {
        "stack": usd_per_hour,
        "orphan": lambda _at: 0.0,
        "other": lambda _at: 3.0,
        "unknown": lambda _at: 0.69,
    }
    gauges: dict[str, list[tuple[dict[str, str], Value]]] = {
        "lambda_cloud_usd_per_hour": [({"owner": owner}, value) for owner, value in owners.items()],
        "lambda_cloud_month_spent_usd": [
            ({"owner": "stack"}, lambda _at: 1_234.56),
            ({"owner": "orphan"}, lambda _at: 1.0),
            ({"owner": "other"}, lambda _at: 500.0),
        ],
        "lambda_cloud_month_spent_complete": [({}, lambda _at: 1.0)],
        "lambda_cloud_last_success_timestamp_seconds": [({}, lambda at_s: at_s)],
        "lambda_inference_queue_length": [({"backend": "own-gpu"}, lambda _at: 3.0)],
        "lambda_inference_budget_use_ratio": [({"user": "ann"}, lambda _at: 0.42)],
        "lambda_inference_backend_ready": [
            ({"backend": "own-gpu"}, lambda _at: 1.0),
            ({"backend": "there"}, lambda _at: 0.0),
        ],
        "DCGM_FI_DEV_GPU_UTIL": [
            (_gpu(number), _wave(mean, number)) for number, (_, _, mean) in enumerate(_GPUS)
        ],
        "DCGM_FI_DEV_FB_USED": [(_gpu(number), lambda _at: 30.0) for number in range(len(_GPUS))],
        "DCGM_FI_DEV_FB_FREE": [(_gpu(number), lambda _at: 70.0) for number in range(len(_GPUS))],
        "slo:requests:rate5m": [(_service(row), lambda _at: 2.0) for row in _SERVICES],
        "slo:errors:rate5m": [(_service(row), _constant(2.0 * row[2])) for row in _SERVICES],
        "slo:errors_per_request:ratio_rate30d": [(_service(row), _constant(row[2])) for row in _SERVICES],
        "slo:error_budget_remaining:ratio": [
            (_service(row), _constant(1 - row[2] / 0.001)) for row in _SERVICES
        ],
        "slo:objective:ratio": [({}, lambda _at: 0.999)],
    }
    for name, series in gauges.items():
        yield name, "gauge", [(name, labels, value) for labels, value in series]
    yield (
        "lambda_inference_cost",
        "counter",
        [
            (
                "lambda_inference_cost_total",
                {"model": "qwen-3-32b"},
                lambda at_s: 2.4 * (at_s - start_s) / DAY_S,
            )
        ],
    )
    yield (
        "lambda_inference_requests",
        "counter",
        [("lambda_inference_requests_total", {"outcome": "ok"}, lambda at_s: 0.5 * (at_s - start_s))],
    )
    yield (
        "lambda_inference_latency_seconds",
        "histogram",
        [
            (f"lambda_inference_latency_seconds_{part}", labels, _grows(share, start_s))
            for part, labels, share in (
                ("bucket", {"le": "0.5"}, 0.9),
                ("bucket", {"le": "1.0"}, 1.0),
                ("bucket", {"le": "+Inf"}, 1.0),
                ("count", {}, 1.0),
                ("sum", {}, 0.3),
            )
        ],
    )


def _gpu(number: int) -> dict[str, str]:
    node, model, _ = _GPUS[number]
    pod = {"namespace": "sophia-ai-prod", "pod": f"pod-{number}"} if number else {}
    return {"node": node, "gpu": "0", "UUID": f"GPU-{number}", "modelName": model, **pod}


def _service(row: tuple[str, str, float]) -> dict[str, str]:
    return {"slo": row[0], "namespace": "sophia-ai-prod", "service": row[1]}


def _wave(mean: int, number: int) -> Value:
    return lambda at_s: min(100.0, max(0.0, mean + 25 * math.sin(2 * math.pi * at_s / DAY_S + number)))


def _constant(value: float) -> Value:
    return lambda _at: value


def _grows(per_s: float, start_s: int) -> Value:
    return lambda at_s: 0.5 * per_s * (at_s - start_s)


def _labels(labels: dict[str, str]) -> str:
    return ",".join(f'{name}="{value}"' for name, value in labels.items())
