"""Records as the JSON that the vendor's document describes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sophia_infra.emulator.cloud import Cloud
from sophia_infra.emulator.filesystems import default_mount_point
from sophia_infra.emulator.identity import ACCOUNT_ID, API_KEY_ID, USER_EMAIL, USER_ID, WORKSPACE_ID
from sophia_infra.emulator.images import Image
from sophia_infra.emulator.instances import ENDED
from sophia_infra.emulator.records import (
    AttachmentRecord,
    AuditRecord,
    FilesystemRecord,
    InstanceRecord,
    PartitionRecord,
    RuleRecord,
    RulesetRecord,
    SSHKeyRecord,
    TicketRecord,
)
from sophia_infra.model.catalogue import CATALOGUE, REGIONS

__all__ = [
    "attachment",
    "audit_event",
    "filesystem",
    "image",
    "instance",
    "instance_type",
    "iso_time",
    "partition",
    "region",
    "rules",
    "ruleset",
    "ssh_key",
    "ticket",
    "ticket_created",
]

_CATALOG_VERSION = "2025-09-06"
_IMAGE_TIME = "2025-12-01T00:00:00Z"
_UNAVAILABLE = {
    "vm-has-not-launched": "The instance has not launched yet.",
    "vm-is-too-old": "The instance is too old for this action.",
    "vm-is-terminating": "The instance is terminating.",
    "vm-action-in-progress": "Another action is in progress.",
}


def iso_time(at_s: float) -> str:
    """Seconds since 1970 as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at_s, tz=UTC).isoformat().replace("+00:00", "Z")


def region(code: str) -> dict[str, str]:
    return {"name": code, "description": REGIONS[code]}


def instance_type(cloud: Cloud, name: str, cents_per_hour: int) -> dict[str, Any]:
    row = CATALOGUE[name]
    answer: dict[str, Any] = {
        "name": name,
        "description": row.description,
        "gpu_description": row.gpu_description,
        "price_cents_per_hour": cents_per_hour,
        "specs": {
            "vcpus": row.vcpus,
            "memory_gib": row.memory_gib,
            "storage_gib": row.storage_gib,
            "gpus": row.gpu_count,
        },
    }
    if cloud.settings.extra_fields:
        answer["architecture"] = row.architecture
    return answer


def instance(cloud: Cloud, record: InstanceRecord) -> dict[str, Any]:
    answer: dict[str, Any] = {"id": record.id}
    if record.name is not None:
        answer["name"] = record.name
    if record.ip is not None:
        answer |= {"ip": record.ip, "private_ip": record.private_ip}
    elif cloud.settings.ip_while_booting != "absent":
        no_address = None if cloud.settings.ip_while_booting == "null" else ""
        answer |= {"ip": no_address, "private_ip": no_address}
    answer |= {
        "status": record.status,
        "ssh_key_names": [record.ssh_key_name],
        "file_system_names": [mount.filesystem_name for mount in record.mounts],
        "region": region(record.region),
        "instance_type": instance_type(cloud, record.instance_type, record.cents_per_hour),
        "actions": _actions(cloud, record),
        "tags": [{"key": tag.key, "value": tag.value} for tag in record.tags],
        "firewall_rulesets": [{"id": one} for one in record.firewall_ruleset_ids],
    }
    if record.mounts:
        answer["file_system_mounts"] = [
            {"mount_point": mount.mount_point, "file_system_id": mount.filesystem_id}
            for mount in record.mounts
        ]
    if record.hostname is not None:
        answer["hostname"] = record.hostname
    if record.status == "active":
        answer["jupyter_token"] = record.jupyter_token
        answer["jupyter_url"] = f"https://jupyter-{record.id}.emulator.invalid/?token={record.jupyter_token}"
    if cloud.settings.extra_fields:
        answer |= {"is_reserved": False, "workspace_id": WORKSPACE_ID}
    return answer


def _actions(cloud: Cloud, record: InstanceRecord) -> dict[str, Any]:
    if record.status in ENDED or record.status == "terminating":
        blocked = dict.fromkeys(
            ("migrate", "rebuild", "restart", "cold_reboot", "terminate"), "vm-is-terminating"
        )
    elif record.status == "booting":
        why = "vm-action-in-progress" if record.restarting_from else "vm-has-not-launched"
        blocked = dict.fromkeys(("migrate", "rebuild", "restart", "cold_reboot"), why)
        if cloud.instances.refuses_terminate(record):
            blocked["terminate"] = why
    else:
        blocked = {"migrate": "vm-is-too-old"}
    return {
        action: (
            {
                "available": False,
                "reason_code": blocked[action],
                "reason_description": _UNAVAILABLE[blocked[action]],
            }
            if action in blocked
            else {"available": True}
        )
        for action in ("migrate", "rebuild", "restart", "cold_reboot", "terminate")
    }


def image(row: Image) -> dict[str, Any]:
    return {
        "id": row.id,
        "created_time": _IMAGE_TIME,
        "updated_time": _IMAGE_TIME,
        "name": f"{row.family}-{row.architecture}",
        "description": f"{row.family} for {row.architecture}",
        "family": row.family,
        "version": row.version,
        "architecture": row.architecture,
        "region": region(row.region),
    }


def ssh_key(cloud: Cloud, record: SSHKeyRecord) -> dict[str, Any]:
    answer = {"id": record.id, "name": record.name, "public_key": record.public_key}
    return answer | {"workspace_id": WORKSPACE_ID} if cloud.settings.extra_fields else answer


def filesystem(cloud: Cloud, record: FilesystemRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "mount_point": default_mount_point(record.name),
        "created": iso_time(record.created_at_s),
        "created_by": {"id": USER_ID, "email": USER_EMAIL, "status": "active"},
        "is_in_use": cloud.filesystems.is_in_use(record.id),
        "region": region(record.region),
        "bytes_used": record.bytes_used,
    }


def rules(records: list[RuleRecord]) -> list[dict[str, Any]]:
    return [
        {"protocol": one.protocol, "source_network": one.source_network, "description": one.description}
        | ({} if one.port_range is None else {"port_range": one.port_range})
        for one in records
    ]


def ruleset(cloud: Cloud, record: RulesetRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "region": region(record.region),
        "rules": rules(record.rules),
        "created": iso_time(record.created_at_s),
        "instance_ids": cloud.firewalls.instance_ids(record.id),
    }


def partition(record: PartitionRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "created": iso_time(record.created_at_s),
        "name": record.name,
        "workspace_id": record.workspace_id,
        "region": region(record.region),
    }


def ticket_created(record: TicketRecord) -> dict[str, Any]:
    answer = {
        "id": record.id,
        "status": record.status,
        "type": record.type,
        "created_at": iso_time(record.created_at_s),
    }
    return answer | ({} if record.severity is None else {"severity": record.severity})


def ticket(record: TicketRecord) -> dict[str, Any]:
    answer: dict[str, Any] = ticket_created(record) | {
        "subject": record.subject,
        "description": record.description,
        "updated_at": iso_time(record.updated_at_s),
        "comments": [
            {"body": one.body, "author": one.author, "created_at": iso_time(one.created_at_s)}
            for one in record.comments
        ],
    }
    if record.resolved_at_s is not None:
        answer["resolved_at"] = iso_time(record.resolved_at_s)
    return answer


def attachment(record: AttachmentRecord) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "id": record.id,
        "filename": record.filename,
        "content_type": record.content_type,
        "size_bytes": record.size_bytes,
        "upload_status": record.upload_status,
        "created_at": iso_time(record.created_at_s),
    }
    if record.uploaded_at_s is not None:
        answer["uploaded_at"] = iso_time(record.uploaded_at_s)
    return answer


def audit_event(record: AuditRecord) -> dict[str, Any]:
    return {
        "service_name": "cloud",
        "resource_name": record.resource_name,
        "action": record.action,
        "catalog_version": _CATALOG_VERSION,
        "event_id": record.event_id,
        "event_time": iso_time(record.at_s),
        "actor_lrn": f"lrn:cloud:identity:{USER_ID}",
        "resource_lrns": [f"lrn:cloud:{record.resource_name}:{one}" for one in record.resource_ids],
        "resource_owner_lrn": f"lrn:cloud:account:{ACCOUNT_ID}",
        "request_api_key_lrn": f"lrn:cloud:api_key:{API_KEY_ID}",
        "additional_details": record.details,
    }
