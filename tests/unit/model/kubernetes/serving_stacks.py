"""A small right stack that serves a model behind the gateway, for tests to spoil. Not a test itself."""

from __future__ import annotations

from typing import Any

from tests.unit.model.kubernetes.kubernetes_stacks import REMOVED, SECTION, Change

__all__ = ["DOOR", "GATEWAY", "REMOVED", "SERVER", "SERVING", "VLLM"]

GATEWAY = "sophia:gateway"
SERVER = (SECTION, "workloads", "server")
DOOR = (SECTION, "workloads", "door")
VLLM = (*SERVER, "vllm")

_SERVER: dict[str, Any] = {
    "image": "vllm/vllm-openai:v0.21.0",
    "ports": {"http": 8090},
    "health": {"startup_s": 900},
    "cpu": 4,
    "memory": "16Gi",
    "gpu": {"model": "A100"},
    "vllm": {"model": "Qwen/Qwen3-32B-AWQ", "names": ["qwen-3-32b"], "max_model_len": 40960},
    "shm": "4Gi",
    "volumes": {"models": {"mount": "/models", "size": "50Gi"}},
    "secret_env": {"VLLM_API_KEY": "inference.vllm_api_key"},
    "internet": True,
}
_DOOR: dict[str, Any] = {
    "image": "sophia/inference-gateway:1.0.0",
    "gateway": True,
    "ports": {"http": 8091},
    "cpu": 1,
    "memory": "1Gi",
    "grace_s": 75,
    "autoscale": {"min": 1, "max": 3, "cpu": 70, "rps": 50},
    "secret_env": {
        "SOPHIA_GATEWAY_KEYS": "inference.gateway_key_hashes",
        "LEDGER_URL": "inference.ledger_url",
        "SERVER_KEY": "inference.vllm_api_key",
    },
    "talks_to": ["server", "store"],
}
_GATEWAY: dict[str, Any] = {
    "backends": {
        "own-gpu": {
            "workload": "server",
            "api_key_env": "SERVER_KEY",
            "models": {"qwen-3-32b": "qwen-3-32b"},
        }
    },
    "ledger_url_env": "LEDGER_URL",
}
SERVING: tuple[Change, ...] = ((SERVER, _SERVER), (DOOR, _DOOR), ((GATEWAY,), _GATEWAY))
"""Changes to the right stack of kubernetes_stacks."""
