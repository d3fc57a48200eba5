"""Each operationId of the document as a function from a checked request to an answer's payload."""

# ruff: noqa: ARG001 (one signature for all operations, used or not)

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from sophia_infra.emulator.cloud import Cloud
from sophia_infra.emulator.errors import FORBIDDEN, INVALID_PARAMETERS, Refused
from sophia_infra.emulator.firewalls import GLOBAL_RULESET_NAME
from sophia_infra.emulator.images import all_images
from sophia_infra.emulator.launch_orders import LaunchOrder
from sophia_infra.emulator.wire import render
from sophia_infra.emulator.wire.calls import Call, Payload
from sophia_infra.emulator.wire.ticket_operations import TICKET_OPERATIONS
from sophia_infra.model.catalogue import CATALOGUE

__all__ = ["OPERATIONS"]


def list_instance_types(cloud: Cloud, call: Call) -> Payload:
    live: dict[str, dict[str, int]] = {}
    for one in cloud.instances.ever():
        if one.ended_at_s is None:
            by_region = live.setdefault(one.instance_type, {})
            by_region[one.region] = by_region.get(one.region, 0) + 1
    return Payload(
        {
            name: {
                "instance_type": render.instance_type(cloud, name, cloud.meter.cents_per_hour(name)),
                "regions_with_capacity_available": [
                    render.region(code) for code in cloud.capacity.regions_listed(name, live.get(name, {}))
                ],
            }
            for name in CATALOGUE
        }
    )


def list_regions(cloud: Cloud, call: Call) -> Payload:
    return Payload([render.region(code) for code in cloud.capacity.regions_shown()])


def list_images(cloud: Cloud, call: Call) -> Payload:
    shown = cloud.capacity.regions_shown()
    return Payload([render.image(row) for row in all_images().values() if row.region in shown])


def list_instances(cloud: Cloud, call: Call) -> Payload:
    _refuse_when_forbidden(cloud)
    listed = cloud.instances.listed()
    if "cluster_id" in call.query:
        listed = [one for one in listed if one.cluster_id == call.query["cluster_id"]]
    return Payload([render.instance(cloud, one) for one in listed])


def get_instance(cloud: Cloud, call: Call) -> Payload:
    _refuse_when_forbidden(cloud)
    return Payload(render.instance(cloud, cloud.instances.get(call.path["id"])))


def rename_instance(cloud: Cloud, call: Call) -> Payload:
    return Payload(render.instance(cloud, cloud.instances.rename(call.path["id"], call.body.get("name"))))


def launch_instance(cloud: Cloud, call: Call) -> Payload:
    body = dict(call.body)
    if body.pop("quantity", 1) != 1:
        raise Refused(INVALID_PARAMETERS, "Requested too many instances.")
    order = LaunchOrder(region=body.pop("region_name"), instance_type=body.pop("instance_type_name"), **body)
    return Payload({"instance_ids": [cloud.instances.launch(order).id]})


def restart_instances(cloud: Cloud, call: Call) -> Payload:
    records = cloud.instances.restart(call.body["instance_ids"])
    return Payload({"restarted_instances": [render.instance(cloud, one) for one in records]})


def terminate_instances(cloud: Cloud, call: Call) -> Payload:
    records = cloud.instances.terminate(call.body["instance_ids"])
    return Payload({"terminated_instances": [render.instance(cloud, one) for one in records]})


def list_ssh_keys(cloud: Cloud, call: Call) -> Payload:
    return Payload([render.ssh_key(cloud, one) for one in cloud.ssh_keys.all()])


def add_ssh_key(cloud: Cloud, call: Call) -> Payload:
    name = call.body["name"]
    if "public_key" in call.body:
        return Payload(render.ssh_key(cloud, cloud.ssh_keys.add(name, call.body["public_key"])))
    generated = cloud.ssh_keys.generate(name)
    return Payload(render.ssh_key(cloud, generated.record) | {"private_key": generated.private_key})


def delete_ssh_key(cloud: Cloud, call: Call) -> Payload:
    cloud.instances.settle()
    cloud.ssh_keys.delete(call.path["id"])
    return Payload({})


def list_filesystems(cloud: Cloud, call: Call) -> Payload:
    cloud.instances.settle()
    return Payload([render.filesystem(cloud, one) for one in cloud.filesystems.all()])


def create_filesystem(cloud: Cloud, call: Call) -> Payload:
    record = cloud.filesystems.create(call.body["name"], call.body["region"])
    return Payload(render.filesystem(cloud, record))


def delete_filesystem(cloud: Cloud, call: Call) -> Payload:
    cloud.instances.settle()
    cloud.filesystems.delete(call.path["id"])
    return Payload({"deleted_ids": [call.path["id"]]})


def list_firewall_rules(cloud: Cloud, call: Call) -> Payload:
    return Payload(render.rules(cloud.firewalls.account_rules()))


def set_firewall_rules(cloud: Cloud, call: Call) -> Payload:
    return Payload(render.rules(cloud.firewalls.set_account_rules(call.body["data"])))


def list_firewall_rulesets(cloud: Cloud, call: Call) -> Payload:
    cloud.instances.settle()
    return Payload([render.ruleset(cloud, one) for one in cloud.firewalls.all()])


def create_firewall_ruleset(cloud: Cloud, call: Call) -> Payload:
    record = cloud.firewalls.create(call.body["name"], call.body["region"], call.body["rules"])
    return Payload(render.ruleset(cloud, record))


def get_firewall_ruleset(cloud: Cloud, call: Call) -> Payload:
    cloud.instances.settle()
    return Payload(render.ruleset(cloud, cloud.firewalls.get(call.path["id"])))


def update_firewall_ruleset(cloud: Cloud, call: Call) -> Payload:
    cloud.instances.settle()
    record = cloud.firewalls.update(call.path["id"], call.body.get("name"), call.body.get("rules"))
    return Payload(render.ruleset(cloud, record))


def delete_firewall_ruleset(cloud: Cloud, call: Call) -> Payload:
    cloud.instances.settle()
    cloud.firewalls.delete(call.path["id"])
    return Payload({})


def get_global_firewall_ruleset(cloud: Cloud, call: Call) -> Payload:
    rules = render.rules(cloud.firewalls.global_rules())
    return Payload({"id": "global", "name": GLOBAL_RULESET_NAME, "rules": rules})


def update_global_firewall_ruleset(cloud: Cloud, call: Call) -> Payload:
    cloud.firewalls.update_global(call.body.get("rules"))
    return get_global_firewall_ruleset(cloud, call)


def list_audit_events(cloud: Cloud, call: Call) -> Payload:
    events, page_token = cloud.audit_log.page(
        start_s=_parse_time(call.query.get("start")),
        end_s=_parse_time(call.query.get("end")),
        resource_type=call.query.get("resource_type"),
        page_token=call.query.get("page_token"),
    )
    return Payload([render.audit_event(one) for one in events], {"page_token": page_token})


def create_fabric_partition(cloud: Cloud, call: Call) -> Payload:
    record = cloud.fabric.create(call.body["name"], call.body["region"], call.body.get("workspace_id"))
    return Payload(render.partition(record))


def rename_fabric_partition(cloud: Cloud, call: Call) -> Payload:
    return Payload(render.partition(cloud.fabric.rename(call.path["id"], call.body["name"])))


def delete_fabric_partition(cloud: Cloud, call: Call) -> Payload:
    cloud.fabric.delete(call.path["id"])
    return Payload({})


OPERATIONS: Mapping[str, Callable[[Cloud, Call], Payload]] = {
    "listInstanceTypes": list_instance_types,
    "listRegions": list_regions,
    "listImages": list_images,
    "listInstances": list_instances,
    "getInstance": get_instance,
    "postInstance": rename_instance,
    "launchInstance": launch_instance,
    "restartInstance": restart_instances,
    "terminateInstance": terminate_instances,
    "listSSHKeys": list_ssh_keys,
    "addSSHKey": add_ssh_key,
    "deleteSSHKey": delete_ssh_key,
    "listFilesystems": list_filesystems,
    "createFilesystem": create_filesystem,
    "filesystemDelete": delete_filesystem,
    "firewallRulesList": list_firewall_rules,
    "firewallRulesSet": set_firewall_rules,
    "firewallRulesetsList": list_firewall_rulesets,
    "createFirewallRuleset": create_firewall_ruleset,
    "getGlobalFirewallRuleset": get_global_firewall_ruleset,
    "updateGlobalFirewallRuleset": update_global_firewall_ruleset,
    "getFirewallRuleset": get_firewall_ruleset,
    "updateFirewallRuleset": update_firewall_ruleset,
    "deleteFirewallRuleset": delete_firewall_ruleset,
    "getAuditEvents": list_audit_events,
    "createFabricPartition": create_fabric_partition,
    "updateFabricPartition": rename_fabric_partition,
    "deleteFabricPartition": delete_fabric_partition,
    **TICKET_OPERATIONS,
}
"""All operations of the document; a test compares the two."""


def _refuse_when_forbidden(cloud: Cloud) -> None:
    if cloud.settings.forbidden:
        raise Refused(FORBIDDEN)


def _parse_time(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError, OSError):
        raise Refused(INVALID_PARAMETERS, "A time must be ISO 8601 with a time zone.") from None
