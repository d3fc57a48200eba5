"""A container's life with Kubernetes: what it is asked, how long that waits, and how it is told to end."""

from __future__ import annotations

import math
from typing import Any

from sophia_infra.model.gateway_rules import LINGER_S
from sophia_infra.model.kubernetes import WorkloadConfig

__all__ = ["build_lifecycle", "build_probes"]

_STARTUP_PERIOD_S = 5


def build_probes(row: WorkloadConfig) -> dict[str, Any]:
    """A start may take its time; after that three unanswered questions take the pod out, then end it."""
    health = row.health
    port = health.port or next(iter(row.ports))

    def question(path: str) -> dict[str, Any]:
        if health.tcp:
            return {"tcpSocket": {"port": port}}
        return {"httpGet": {"path": path, "port": port, "scheme": "HTTP"}}

    timeout_s = 5
    return {
        "startupProbe": {
            **question(health.path),
            "periodSeconds": _STARTUP_PERIOD_S,
            "timeoutSeconds": timeout_s,
            "failureThreshold": math.ceil(health.startup_s / _STARTUP_PERIOD_S),
        },
        "readinessProbe": {
            **question(health.ready_path or health.path),
            "periodSeconds": 5,
            "timeoutSeconds": timeout_s,
            "failureThreshold": 3,
        },
        "livenessProbe": {
            **question(health.path),
            "periodSeconds": health.liveness_period_s,
            "timeoutSeconds": timeout_s,
            "failureThreshold": 3,
        },
    }


def build_lifecycle(row: WorkloadConfig) -> dict[str, Any]:
    """A model's server is told to end seconds after its Service knows, so that no new call finds it deaf.

    What it has begun it may finish: the row's `grace_s` counts from here. The gateway lingers by itself.
    """
    wait_s = min(LINGER_S, row.grace_s - 1)
    if row.vllm is None or wait_s < 1:
        return {}
    return {"lifecycle": {"preStop": {"sleep": {"seconds": wait_s}}}}
