"""Machines as the API answers them, and states as the engine exports them. Not a test itself."""

from __future__ import annotations

from typing import Any

from sophia_infra.lambda_cloud import Instance
from sophia_infra.model.resource_tokens import resource_token
from sophia_infra.provider.instance_spec import InstanceSpec

STACK = "sophia-infra/test"
NOW_S = 1_790_000_000.0
INSTANCE_TOKEN = resource_token("Instance", "dynamic")


def instance_id(number: int) -> str:
    return f"{number:032x}"


def props(label: str = "core", /, **changes: Any) -> dict[str, Any]:
    return {
        "stack": STACK,
        "logical_name": label,
        "name": label,
        "instance_type": "gpu_1x_a10",
        "region": "us-east-1",
        "generation": 1,
        "ssh_key_name": "key",
        **changes,
    }


def machine(number: int, tags: dict[str, str] | None = None, **changes: Any) -> Instance:
    """One of $1.29/h, untagged unless told otherwise."""
    return Instance.parse(
        {
            "id": instance_id(number),
            "name": f"machine {number}",
            "status": "active",
            "ip": f"192.0.2.{number}",
            "region": {"name": "us-east-1", "description": "Virginia, USA"},
            "instance_type": {
                "name": "gpu_1x_a10",
                "description": "1x A10 (24 GB PCIe)",
                "gpu_description": "A10 (24 GB PCIe)",
                "price_cents_per_hour": 129,
                "specs": {"vcpus": 30, "memory_gib": 222, "storage_gib": 1400, "gpus": 1},
            },
            "ssh_key_names": ["key"],
            "file_system_names": [],
            "actions": {},
            "tags": [{"key": key, "value": value} for key, value in (tags or {}).items()],
            **changes,
        }
    )


def launched(number: int, spec: dict[str, Any], ago_s: float = 3600.0, **changes: Any) -> Instance:
    """A machine that was launched for `spec`, `ago_s` seconds before `NOW_S`."""
    return machine(number, InstanceSpec.of(spec).launch_key.tags(NOW_S - ago_s), **changes)


def entry(label: str, number: int, *, delete: bool = False) -> dict[str, Any]:
    """One resource of an exported state."""
    row: dict[str, Any] = {
        "urn": f"urn:pulumi:test::sophia-infra::sophia:lambda:Fleet${INSTANCE_TOKEN}::{label}",
        "type": INSTANCE_TOKEN,
        "id": instance_id(number),
    }
    return {**row, "delete": True} if delete else row


def deployment(*entries: dict[str, Any], creating: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """The `deployment` of an exported state, with creates that were pending."""
    others = [{"urn": "urn:pulumi:test::sophia-infra::pulumi:pulumi:Stack::x", "type": "pulumi:pulumi:Stack"}]
    pending = [
        {"type": "creating", "resource": {"type": INSTANCE_TOKEN, "inputs": spec}} for spec in creating
    ]
    return {"resources": [*others, *entries], "pending_operations": pending}
