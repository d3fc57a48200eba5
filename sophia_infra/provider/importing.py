"""What the state should hold of a thing that is in the account and in no state: inputs from the live thing.

An imported machine is an adopted one: what it booted with cannot be read, so it is held to its type and
region only, and the program says `adopt: {"id": ...}` of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sophia_infra.lambda_cloud import Instance, NotFound
from sophia_infra.model.resource_tokens import KindName
from sophia_infra.provider.errors import ImportRefused
from sophia_infra.provider.firewall_ruleset import FirewallRulesetKind
from sophia_infra.provider.instance_spec import LIVE_STATUSES, Machine, outputs_of
from sophia_infra.provider.outcome import Found, Props
from sophia_infra.provider.session import Session
from sophia_infra.provider.tags import LAUNCH_TAG, LAUNCHED_AT_TAG, NAME_TAG, STACK_TAG, Owner

__all__ = ["import_resource"]

_OUR_TAGS: Final = frozenset({STACK_TAG, NAME_TAG, LAUNCH_TAG, LAUNCHED_AT_TAG})


def import_resource(session: Session, kind: KindName, resource_id: str, owner: Owner) -> Found:
    """The live thing with this id, its `inputs` as the program should write them; id None: there is none.

    Args:
        owner: the stack and the logical name that it gets.

    Raises:
        ImportRefused: a kind that owns nothing in the account.
        LambdaCloudError: the account could not be read.
    """
    if kind not in _IMPORTS:
        raise ImportRefused(
            f"{owner.name}: nothing of the kind {kind} lies in the account, so there is nothing to import.",
            next_step="let the program make it.",
        )
    return _IMPORTS[kind](session, resource_id, owner)


def _instance(session: Session, resource_id: str, owner: Owner) -> Found:
    try:
        live = session.client.get_instance(resource_id)
    except NotFound:
        return Found(None)
    if live.status not in LIVE_STATUSES:
        return Found(None)
    inputs = _instance_inputs(live, owner)
    return Found(live.id, outputs_of(inputs, Machine.of(live), adopted=True), inputs)


def _instance_inputs(live: Instance, owner: Owner) -> Props:
    optional = {
        "name": live.name,
        "ssh_key_name": next(iter(live.ssh_key_names), None),
        "filesystems": sorted(live.file_system_names),
        "firewall_ruleset_ids": sorted(live.firewall_ruleset_ids),
        "tags": {key: value for key, value in sorted(live.tags.items()) if key not in _OUR_TAGS},
    }
    return {
        "stack": owner.stack,
        "logical_name": owner.name,
        "instance_type": live.instance_type.name,
        "region": live.region,
        "generation": 1,
        "adopt": {"id": live.id},
        **{name: value for name, value in optional.items() if value},
    }


def _ssh_key(session: Session, resource_id: str, _owner: Owner) -> Found:
    for key in session.ssh_keys.rows(session.waits.fresh_s):
        if key.id == resource_id:
            inputs = {"name": key.name, "public_key": key.public_key}
            return Found(key.id, {**inputs, "ssh_key_id": key.id}, inputs)
    return Found(None)


def _filesystem(session: Session, resource_id: str, owner: Owner) -> Found:
    for row in session.filesystems.rows(session.waits.fresh_s):
        if row.id == resource_id:
            inputs = {"stack": owner.stack, "name": row.name, "region": row.region}
            # Somebody's data: an import is no permission to delete it with the stack.
            facts = {"filesystem_id": row.id, "mount_point": row.mount_point, "was_there_before": True}
            return Found(row.id, {**inputs, **facts}, inputs)
    return Found(None)


def _firewall_ruleset(session: Session, resource_id: str, _owner: Owner) -> Found:
    for row in session.firewall_rulesets.rows(session.waits.fresh_s):
        if row.id == resource_id:
            found = FirewallRulesetKind(session).read(resource_id, {"region": row.region})
            return Found(row.id, {**found.outputs, "firewall_ruleset_id": row.id}, found.inputs)
    return Found(None)


_IMPORTS: Final[Mapping[Any, Callable[[Session, str, Owner], Found]]] = {
    "Instance": _instance,
    "SshKey": _ssh_key,
    "Filesystem": _filesystem,
    "FirewallRuleset": _firewall_ruleset,
}
