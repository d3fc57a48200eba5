"""Each operation of the API called once through the client, with every argument that it takes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sophia_infra.lambda_cloud import FileSystemMount, FirewallRule, LambdaCloud, LaunchRequest

ID = "5b1c0d9e8f7a4b6c9d0e1f2a3b4c5d6e"
ATTACHMENT = "0920582c7ff041399e34823a0be62549"

RULES = [
    FirewallRule("tcp", "203.0.113.0/24", "office", (22, 22)),
    FirewallRule("icmp", "0.0.0.0/0", "ping"),
]

LAUNCH = LaunchRequest(
    region_name="us-east-3",
    instance_type_name="gpu_1x_gh200",
    ssh_key_names=["ops-1a2b"],
    name="node-a",
    hostname="node-a",
    image_family="lambda-stack-24-04",
    user_data="#cloud-config\n",
    tags={"owner-id": "stack-dev"},
    file_system_names=["models"],
    file_system_mounts=[FileSystemMount("/data/models", ID)],
    firewall_ruleset_ids=[ID],
)

CALLS: dict[str, Callable[[LambdaCloud], object]] = {
    "listInstanceTypes": lambda c: c.list_instance_types(),
    "listRegions": lambda c: c.list_regions(),
    "listImages": lambda c: c.list_images(),
    "listInstances": lambda c: c.list_instances(cluster_id=ID),
    "getInstance": lambda c: c.get_instance(ID),
    "postInstance": lambda c: c.rename_instance(ID, "node-b"),
    "launchInstance": lambda c: c.launch_instance(LAUNCH),
    "restartInstance": lambda c: c.restart_instances([ID]),
    "terminateInstance": lambda c: c.terminate_instances([ID]),
    "listSSHKeys": lambda c: c.list_ssh_keys(),
    "addSSHKey": lambda c: c.add_ssh_key("ops", "ssh-ed25519 AAAA ops"),
    "deleteSSHKey": lambda c: c.delete_ssh_key(ID),
    "listFilesystems": lambda c: c.list_filesystems(),
    "createFilesystem": lambda c: c.create_filesystem("models", "us-east-3"),
    "filesystemDelete": lambda c: c.delete_filesystem(ID),
    "firewallRulesList": lambda c: c.list_firewall_rules(),
    "firewallRulesSet": lambda c: c.set_firewall_rules(RULES),
    "firewallRulesetsList": lambda c: c.list_firewall_rulesets(),
    "createFirewallRuleset": lambda c: c.create_firewall_ruleset("web", "us-east-3", RULES),
    "getFirewallRuleset": lambda c: c.get_firewall_ruleset(ID),
    "updateFirewallRuleset": lambda c: c.update_firewall_ruleset(ID, name="web", rules=RULES),
    "deleteFirewallRuleset": lambda c: c.delete_firewall_ruleset(ID),
    "getGlobalFirewallRuleset": lambda c: c.get_global_firewall_ruleset(),
    "updateGlobalFirewallRuleset": lambda c: c.update_global_firewall_ruleset(RULES),
    "getAuditEvents": lambda c: list(
        c.list_audit_events(
            start=datetime(2026, 1, 1, tzinfo=UTC),
            end=datetime(2026, 2, 1, tzinfo=UTC),
            resource_type="cloud",
        )
    ),
    "createFabricPartition": lambda c: c.create_fabric_partition("training", "us-east-3", workspace_id=ID),
    "updateFabricPartition": lambda c: c.update_fabric_partition(ID, "training-2"),
    "deleteFabricPartition": lambda c: c.delete_fabric_partition(ID),
    "listTickets": lambda c: list(
        c.list_tickets(
            statuses=["open", "pending"],
            types=["incident"],
            severities=["sev_1"],
            order_by="created_at",
            direction="desc",
        )
    ),
    "createTicket": lambda c: c.create_ticket(
        "slow", "very", type="incident", severity="sev_2", ip="192.0.2.1", instance_id=ID, cluster_id=ID
    ),
    "getTicket": lambda c: c.get_ticket(ID),
    "updateTicket": lambda c: c.update_ticket(ID, solved=True, severity="sev_3", comment="thanks"),
    "listAttachments": lambda c: c.list_attachments(ID, status="uploaded"),
    "initiateAttachmentUpload": lambda c: c.initiate_attachment_upload(ID, "log.gz", "application/gzip", 7),
    "deleteAttachment": lambda c: c.delete_attachment(ID, ATTACHMENT),
    "completeAttachmentUpload": lambda c: c.complete_attachment_upload(ID, ATTACHMENT),
    "getAttachmentDownloadUrl": lambda c: c.get_attachment_download_url(ID, ATTACHMENT),
}


def filled(path: str) -> str:
    """A path of the document with the ids that `CALLS` uses."""
    return path.format(id=ID, ticket_id=ID, attachment_id=ATTACHMENT)
