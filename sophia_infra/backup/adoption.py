"""What of a stack file exists in the account: by launch key, by id, or by a name that is unique. Pure.

The same rules by which the provider takes over what it is to make (`provider.instance_launch`, `filesystem`,
`ssh_key`, `firewall_ruleset`), so that the plan says what an update that only adopts will do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from sophia_infra.components.fleet_props import firewall_props, instance_props, key_name_of
from sophia_infra.lambda_cloud import Filesystem, FirewallRuleset, Instance, SshKey
from sophia_infra.model.instance import InstanceConfig
from sophia_infra.model.scaled_tags import is_scaled
from sophia_infra.model.stack_config import StackConfig
from sophia_infra.provider.instance_spec import LIVE_STATUSES, InstanceSpec
from sophia_infra.provider.tags import STACK_TAG, LaunchKey

__all__ = ["Account", "AdoptionRow", "plan_adoption"]

Standing = Literal["found", "missing", "free to make", "another spec", "several", "unknown to the file"]


@dataclass(frozen=True, slots=True)
class Account:
    """What the account lists now."""

    instances: Sequence[Instance]
    filesystems: Sequence[Filesystem] = ()
    ssh_keys: Sequence[SshKey] = ()
    firewall_rulesets: Sequence[FirewallRuleset] = ()


@dataclass(frozen=True, slots=True)
class AdoptionRow:
    """One thing of the stack file, or one machine of the stack that the file does not know.

    Attributes:
        kind: "instance", "filesystem", "ssh key" or "firewall ruleset".
        standing: `found` is taken over. `free to make` is not there and made, since it costs nothing.
            `missing`, `another spec` and `several` stay out of the state. `unknown to the file`: a machine
            with the stack's tag that nothing asks for; `sophia doctor` says how to end it.
        ids: of what was found, several when it is ambiguous.
        usd_per_hour: list price of the machines with these ids.
    """

    kind: str
    name: str
    standing: Standing
    ids: tuple[str, ...] = ()
    usd_per_hour: Decimal = field(default=Decimal(0))

    @property
    def is_whole(self) -> bool:
        """Whether the state will hold it."""
        return self.standing in ("found", "free to make")

    def as_json(self) -> dict[str, Any]:
        """Plain data; money as decimal text."""
        return {
            "kind": self.kind,
            "name": self.name,
            "standing": self.standing,
            "ids": list(self.ids),
            "usd_per_hour": str(self.usd_per_hour),
        }


def plan_adoption(config: StackConfig, phase: int, stack: str, account: Account) -> list[AdoptionRow]:
    """One row for each instance, filesystem, key and ruleset up to `phase`, then the unknown machines.

    Args:
        config: the stack file.
        phase: 1 to 3.
        stack: "project/stack", the value of the stack tag.
        account: lists of this moment.
    """
    key_name, rows = key_name_of(stack, config.ssh), []
    if config.ssh is not None and config.ssh.public_key is not None:
        rows.append(_by_name("ssh key", key_name, account.ssh_keys, "free to make"))
    rows += [_by_name("filesystem", name, account.filesystems, "missing") for name in config.filesystems]
    for label, firewall in config.firewalls.items():
        name = str(firewall_props(label, firewall, stack)["name"])
        there = [row for row in account.firewall_rulesets if row.region == firewall.region]
        rows.append(_by_name("firewall ruleset", name, there, "free to make"))
    live = [machine for machine in account.instances if machine.status in LIVE_STATUSES]
    rows += [
        _instance(label, instance, stack, key_name, live)
        for label, instance in config.instances(phase).items()
    ]
    known = {found for row in rows for found in row.ids}
    rows += [
        AdoptionRow(
            "instance",
            machine.name or machine.id,
            "unknown to the file",
            (machine.id,),
            machine.instance_type.usd_per_hour,
        )
        for machine in live
        if machine.tags.get(STACK_TAG) == stack and not is_scaled(machine.tags) and machine.id not in known
    ]
    return rows


def _by_name(
    kind: str,
    name: str | None,
    listed: Iterable[Filesystem | SshKey | FirewallRuleset],
    otherwise: Literal["missing", "free to make"],
) -> AdoptionRow:
    ids = tuple(row.id for row in listed if row.name == name)
    return AdoptionRow(kind, str(name), "found" if ids else otherwise, ids[:1])


def _instance(
    label: str, instance: InstanceConfig, stack: str, key_name: str | None, live: Sequence[Instance]
) -> AdoptionRow:
    if instance.adopt is not None:
        wanted: Mapping[str, Any] = {"id": instance.adopt.id, "name": instance.adopt.name}
        found = [
            machine
            for machine in live
            if machine.id == wanted["id"] or (machine.name is not None and machine.name == wanted["name"])
        ]
        return _row(label, found, "missing")
    props = instance_props(
        label,
        instance,
        stack=stack,
        ssh_key_name=key_name,
        filesystem_names=list(instance.filesystems),
        firewall_ruleset_ids=(),
    )
    key = InstanceSpec.of(props).launch_key
    own = [machine for machine in live if key.owner.owns(machine.tags)]
    same = [machine for machine in own if LaunchKey.of(key.owner, machine.tags) == key]
    return _row(label, same, "missing") if same or not own else _row(label, own, "another spec")


def _row(label: str, found: Sequence[Instance], otherwise: Literal["missing", "another spec"]) -> AdoptionRow:
    rate = sum((machine.instance_type.usd_per_hour for machine in found), Decimal(0))
    ids = tuple(machine.id for machine in found)
    standing: Standing = otherwise
    if otherwise == "missing" and found:
        standing = "found" if len(found) == 1 else "several"
    return AdoptionRow("instance", label, standing, ids, rate)
