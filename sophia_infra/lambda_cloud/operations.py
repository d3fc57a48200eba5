"""The 37 operations of Lambda Cloud API 1.10.0 as data. A test compares them with the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sophia_infra.lambda_cloud.pacing import Slot

__all__ = ["OPERATIONS", "Method", "Operation"]

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the API."""

    operation_id: str
    """As in the OpenAPI document."""

    call: str
    """The method of `LambdaCloud` that performs it."""

    method: Method

    path: str
    """Below the base URL, with `{id}` and the like still in it."""

    repeatable: bool
    """Performed twice it leaves what one performance leaves, so that an unclear answer may be followed by
    another try. False for whatever makes an object, and for restart: a second one cuts off a booting node."""

    slot: Slot = "request"

    @property
    def is_write(self) -> bool:
        """Whether it can change anything."""
        return self.method != "GET"


def _once(operation_id: str, call: str, method: Method, path: str, slot: Slot = "request") -> Operation:
    return Operation(operation_id, call, method, f"/api/v1{path}", repeatable=False, slot=slot)


def _repeatable(operation_id: str, call: str, method: Method, path: str) -> Operation:
    return Operation(operation_id, call, method, f"/api/v1{path}", repeatable=True)


_TICKET = "/tickets/{ticket_id}"
_ATTACHMENT = f"{_TICKET}/attachments/{{attachment_id}}"

OPERATIONS: Mapping[str, Operation] = {
    operation.operation_id: operation
    for operation in (
        _repeatable("listInstanceTypes", "list_instance_types", "GET", "/instance-types"),
        _repeatable("listRegions", "list_regions", "GET", "/regions"),
        _repeatable("listImages", "list_images", "GET", "/images"),
        _repeatable("listInstances", "list_instances", "GET", "/instances"),
        _repeatable("getInstance", "get_instance", "GET", "/instances/{id}"),
        _repeatable("postInstance", "rename_instance", "POST", "/instances/{id}"),
        _once("launchInstance", "launch_instance", "POST", "/instance-operations/launch", "launch"),
        _once("restartInstance", "restart_instances", "POST", "/instance-operations/restart"),
        _repeatable("terminateInstance", "terminate_instances", "POST", "/instance-operations/terminate"),
        _repeatable("listSSHKeys", "list_ssh_keys", "GET", "/ssh-keys"),
        _once("addSSHKey", "add_ssh_key", "POST", "/ssh-keys"),
        _repeatable("deleteSSHKey", "delete_ssh_key", "DELETE", "/ssh-keys/{id}"),
        # The list is at /file-systems, the rest at /filesystems: POST /file-systems answers 405.
        _repeatable("listFilesystems", "list_filesystems", "GET", "/file-systems"),
        _once("createFilesystem", "create_filesystem", "POST", "/filesystems"),
        _repeatable("filesystemDelete", "delete_filesystem", "DELETE", "/filesystems/{id}"),
        _repeatable("firewallRulesList", "list_firewall_rules", "GET", "/firewall-rules"),
        _repeatable("firewallRulesSet", "set_firewall_rules", "PUT", "/firewall-rules"),
        _repeatable("firewallRulesetsList", "list_firewall_rulesets", "GET", "/firewall-rulesets"),
        _once("createFirewallRuleset", "create_firewall_ruleset", "POST", "/firewall-rulesets"),
        _repeatable(
            "getGlobalFirewallRuleset", "get_global_firewall_ruleset", "GET", "/firewall-rulesets/global"
        ),
        _repeatable(
            "updateGlobalFirewallRuleset",
            "update_global_firewall_ruleset",
            "PATCH",
            "/firewall-rulesets/global",
        ),
        _repeatable("getFirewallRuleset", "get_firewall_ruleset", "GET", "/firewall-rulesets/{id}"),
        _repeatable("updateFirewallRuleset", "update_firewall_ruleset", "PATCH", "/firewall-rulesets/{id}"),
        _repeatable("deleteFirewallRuleset", "delete_firewall_ruleset", "DELETE", "/firewall-rulesets/{id}"),
        _repeatable("getAuditEvents", "list_audit_events", "GET", "/audit-events"),
        _once("createFabricPartition", "create_fabric_partition", "POST", "/fabric"),
        _repeatable("updateFabricPartition", "update_fabric_partition", "POST", "/fabric/{id}"),
        _repeatable("deleteFabricPartition", "delete_fabric_partition", "DELETE", "/fabric/{id}"),
        _repeatable("listTickets", "list_tickets", "GET", "/tickets"),
        _once("createTicket", "create_ticket", "POST", "/tickets"),
        _repeatable("getTicket", "get_ticket", "GET", _TICKET),
        # An update may carry a comment, which a second try would post again.
        _once("updateTicket", "update_ticket", "PATCH", _TICKET),
        _repeatable("listAttachments", "list_attachments", "GET", f"{_TICKET}/attachments"),
        _once("initiateAttachmentUpload", "initiate_attachment_upload", "POST", f"{_TICKET}/attachments"),
        _repeatable("deleteAttachment", "delete_attachment", "DELETE", _ATTACHMENT),
        # Nothing says what a second completion does.
        _once("completeAttachmentUpload", "complete_attachment_upload", "POST", f"{_ATTACHMENT}/complete"),
        _repeatable(
            "getAttachmentDownloadUrl", "get_attachment_download_url", "GET", f"{_ATTACHMENT}/download"
        ),
    )
}
