"""A small right stack with Kubernetes for tests to spoil in one place. Not a test itself."""

from __future__ import annotations

import copy
from typing import Any

from sophia_infra.model.kubernetes import KubernetesConfig
from sophia_infra.model.stack_config import StackConfig, parse_stack_config
from tests.unit.model.model_stacks import PUBLIC_KEY

SECTION = "sophia:kubernetes"
REMOVED = object()
Change = tuple[tuple[Any, ...], Any]

_MACHINES = {
    "core": ("1xGH200", "us-east-3"),
    "small": ("1xRTX6000", "us-south-1"),
    "shared": ("1xA6000", "us-south-1"),
    "data": ("gpu_1x_a100", "us-south-1"),
}
_STACK: dict[str, Any] = {
    "sophia:phase": 2,
    "sophia:endpoint": "emulator",
    "sophia:budget": {"limit": "$500/day"},
    "sophia:ssh": {"public_key": PUBLIC_KEY},
    "sophia:fleet": {
        name: {"type": kind, "region": region, "purpose": "test"}
        for name, (kind, region) in _MACHINES.items()
    },
    SECTION: {
        "topology": "overlay",
        "gpu_sharing": {"A6000": {"time_slicing": 2}},
        "ingress": {"domain": "sophia.example.com"},
        "secrets": {"organization": "o", "project": "p", "environment": "e"},
        "workloads": {
            "api": {
                "image": "sophia/api:1.0.0",
                "replicas": 2,
                "ports": {"http": 8000, "metrics": 9090},
                "cpu": "1..2",
                "memory": "2Gi..4Gi",
                "ingress": {"host": "api"},
                "secret_env": {"KEY": "ai.key"},
                "talks_to": ["llm", "store"],
            },
            "llm": {
                "image": "sophia/llm:1.0.0",
                "architectures": ["amd64", "arm64"],
                "ports": {"http": 8080},
                "cpu": 4,
                "memory": "16Gi",
                "gpu": {"model": "GH200"},
            },
        },
        "databases": {
            "store": {
                "kind": "postgres",
                "image": "postgres:16.4",
                "storage": "10Gi",
                "cpu": "1",
                "memory": "2Gi",
            }
        },
    },
}
API = (SECTION, "workloads", "api")
LLM = (SECTION, "workloads", "llm")
STORE = (SECTION, "databases", "store")


def changed(*changes: Change) -> dict[str, Any]:
    """The right stack after setting each path to its value, or taking it away for `REMOVED`."""
    stack = copy.deepcopy(_STACK)
    for path, value in changes:
        target: Any = stack
        for part in path[:-1]:
            target = target[part] if isinstance(target, list) else target.setdefault(part, {})
        if value is REMOVED:
            del target[path[-1]]
        else:
            target[path[-1]] = copy.deepcopy(value)
    return stack


def stack_of(*changes: Change) -> StackConfig:
    return parse_stack_config(changed(*changes), "Pulumi.test.yaml")


def section_of(stack: StackConfig) -> KubernetesConfig:
    assert stack.kubernetes is not None
    return stack.kubernetes
