"""From the typed stack file to the properties of resources: pure functions, plain data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from sophia_infra.model.instance import InstanceConfig
from sophia_infra.model.network import FirewallConfig
from sophia_infra.model.ssh import SshConfig
from sophia_infra.model.storage import FilesystemConfig

__all__ = ["filesystem_props", "firewall_props", "instance_props", "key_name_of", "ssh_key_name"]

_NAME_LIMIT = 64
_DIGEST_LENGTH = 12


def ssh_key_name(stack: str, public_key: str) -> str:
    """A name that is the same for the same key of the same stack, and another for another key.

    Key names are not unique in the account and a launch with an ambiguous one fails (facts 5.3).
    """
    return _fitting(f"{stack.replace('/', '-')}-{_digest(' '.join(public_key.split()[:2]))}")


def key_name_of(stack: str, ssh: SshConfig | None) -> str | None:
    """Name in the account of the key that every launched machine of the stack gets; None without one."""
    if ssh is None or ssh.public_key is None:
        return None if ssh is None else ssh.existing
    return ssh_key_name(stack, str(ssh.public_key))


def filesystem_props(label: str, filesystem: FilesystemConfig, stack: str) -> dict[str, Any]:
    """Properties of a Filesystem: its name in the account is the name in the stack file."""
    return {"stack": stack, "name": label, "region": filesystem.region}


def firewall_props(label: str, firewall: FirewallConfig, stack: str) -> dict[str, Any]:
    """Properties of a FirewallRuleset: named after stack and label, because rulesets carry no tags."""
    rules = []
    for rule in firewall.rules:
        row: dict[str, Any] = {
            "protocol": rule.protocol,
            "source": str(rule.source),
            "description": rule.description,
        }
        if rule.ports is not None:
            row["ports"] = [rule.ports.low, rule.ports.high]
        rules.append(row)
    return {"name": _fitting(f"{stack.replace('/', '-')}-{label}"), "region": firewall.region, "rules": rules}


def instance_props(
    label: str,
    instance: InstanceConfig,
    *,
    stack: str,
    ssh_key_name: Any,
    filesystem_names: Sequence[Any],
    firewall_ruleset_ids: Sequence[Any],
) -> dict[str, Any]:
    """Properties of an Instance as `provider.instance_spec` reads them.

    The last three may be outputs of other resources. An adopted machine gets only what can be compared.
    """
    props: dict[str, Any] = {
        "stack": stack,
        "logical_name": label,
        "instance_type": instance.type,
        "region": instance.region,
        "generation": instance.generation,
    }
    if instance.name or instance.adopt is None:
        props["name"] = instance.name or label
    if instance.adopt is not None:
        wanted = {"id": instance.adopt.id, "name": instance.adopt.name}
        return {**props, "adopt": {key: value for key, value in wanted.items() if value}}
    image = {"id": instance.image_id, "family": instance.image_family}
    optional: dict[str, Any] = {
        "image": {key: value for key, value in image.items() if value},
        "hostname": instance.hostname,
        "user_data": instance.user_data,
        "filesystems": list(filesystem_names),
        "firewall_ruleset_ids": list(firewall_ruleset_ids),
        "tags": dict(instance.tags),
        "fallbacks": [
            {key: value for key, value in (("type", row.type), ("region", row.region)) if value}
            for row in instance.fallbacks
        ],
        "wait_for_capacity": {
            "max_minutes": instance.wait_for_capacity.max_minutes,
            "max_usd": str(instance.wait_for_capacity.max_usd),
        }
        if instance.wait_for_capacity
        else None,
    }
    return {
        **props,
        "ssh_key_name": ssh_key_name,
        **{key: value for key, value in optional.items() if value},
    }


def _fitting(name: str) -> str:
    """`name` within the API's 64 characters; a longer one ends in its digest, so that no two become equal."""
    if len(name) <= _NAME_LIMIT:
        return name
    return f"{name[: _NAME_LIMIT - _DIGEST_LENGTH - 1]}-{_digest(name)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]
