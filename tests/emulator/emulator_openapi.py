"""A test copy of the vendor's document: narrowed to values that exist, closed, and with links.

The vendor's own has no links, so a stateful run could never use an id that an answer gave.
"""

from __future__ import annotations

import copy
from typing import Any

from sophia_infra.emulator.document import document
from sophia_infra.model.catalogue import REGIONS

KEY_NAME = "ops"

_REGION = {"type": "string", "enum": list(REGIONS)[:3]}

LINKS: dict[str, dict[str, dict[str, Any]]] = {
    "launchInstance": {
        "getInstance": {"parameters": {"id": "$response.body#/data/instance_ids/0"}},
        "postInstance": {"parameters": {"id": "$response.body#/data/instance_ids/0"}},
        "terminateInstance": {"requestBody": {"instance_ids": ["$response.body#/data/instance_ids/0"]}},
        "restartInstance": {"requestBody": {"instance_ids": ["$response.body#/data/instance_ids/0"]}},
    },
    "addSSHKey": {"deleteSSHKey": {"parameters": {"id": "$response.body#/data/id"}}},
    "createFilesystem": {"filesystemDelete": {"parameters": {"id": "$response.body#/data/id"}}},
    "createFirewallRuleset": {
        name: {"parameters": {"id": "$response.body#/data/id"}}
        for name in ("getFirewallRuleset", "updateFirewallRuleset", "deleteFirewallRuleset")
    },
    "createFabricPartition": {
        name: {"parameters": {"id": "$response.body#/data/id"}}
        for name in ("updateFabricPartition", "deleteFabricPartition")
    },
    "createTicket": {
        name: {"parameters": {"ticket_id": "$response.body#/data/id"}}
        for name in ("getTicket", "updateTicket", "initiateAttachmentUpload", "listAttachments")
    },
    "initiateAttachmentUpload": {
        name: {
            "parameters": {
                "ticket_id": "$request.path.ticket_id",
                "attachment_id": "$response.body#/data/attachment_id",
            }
        }
        for name in ("completeAttachmentUpload", "deleteAttachment")
    },
    "completeAttachmentUpload": {
        "getAttachmentDownloadUrl": {
            "parameters": {
                "ticket_id": "$request.path.ticket_id",
                "attachment_id": "$request.path.attachment_id",
            }
        }
    },
}
"""operationId -> operationId -> where the target's values stand in the source's exchange."""


def linked_document() -> dict[str, Any]:
    whole: dict[str, Any] = copy.deepcopy(document())
    for operations in whole["paths"].values():
        for operation in operations.values():
            name = operation["operationId"]
            if "requestBody" in operation:
                body = operation["requestBody"]["content"]["application/json"]["schema"]
                _narrow(name, body)
            for target, link in LINKS.get(name, {}).items():
                links = operation["responses"]["200"].setdefault("links", {})
                links[target] = {"operationId": target, **link}
    return whole


def _narrow(operation_id: str, body: dict[str, Any]) -> None:
    """Close the body, and let it name regions, types and a key that exist."""
    body["additionalProperties"] = False
    # schemathesis never starts a chain with an operation that wants an id which nothing hands out.
    for name in ("workspace_id", "instance_id", "cluster_id"):
        body["properties"].pop(name, None)
    for name in ("region", "region_name"):
        if name in body["properties"]:
            body["properties"][name] = _REGION
    if operation_id == "createTicket":
        body["properties"]["type"] = {"const": "incident"}
        body["required"].append("severity")
    if operation_id == "launchInstance":
        body["properties"]["instance_type_name"] = {"type": "string", "enum": ["gpu_1x_gh200", "gpu_1x_a10"]}
        body["properties"]["ssh_key_names"] = {
            "type": "array",
            "items": {"const": KEY_NAME},
            "minItems": 1,
            "maxItems": 1,
        }
        for name in ("file_system_names", "file_system_mounts", "firewall_rulesets", "image"):
            del body["properties"][name]
