"""The fleet of one stack: key, filesystems, firewall rulesets, instances, and the wait for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pulumi

from sophia_infra.components.fleet_props import (
    filesystem_props,
    firewall_props,
    instance_props,
    ssh_key_name,
)
from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.instance import InstanceConfig
from sophia_infra.model.stack_config import StackConfig
from sophia_infra.provider.resources import Filesystem, FirewallRuleset, FleetReady, Instance, SshKey

if TYPE_CHECKING:
    from sophia_infra.components.joins import Joins

__all__ = ["Fleet"]


class Fleet(pulumi.ComponentResource):
    """All machines of the stack's phase, and what they need.

    Args:
        name: logical name.
        config: the stack's configuration, checked.
        stack: "project/stack", which goes into the tags of every machine.
        joins: makes the boot text by which machines become nodes of a cluster; None: they do not.

    Outputs:
        machines: {name: {id, status, ip, private_ip, hostname, region, instance_type, architecture,
            usd_per_hour}}, as of the last update or refresh.
        usd_per_hour: list price of all that is billed, a decimal as text.
        architectures: {name: "arm64" or "x86_64"}, known before the first launch.
        instance_ids: {name: id}.
        filesystems: the stack's, by name.
    """

    machines: pulumi.Output[dict[str, Any]]
    usd_per_hour: pulumi.Output[str]
    architectures: dict[str, str]
    instance_ids: dict[str, pulumi.Output[str]]
    filesystems: dict[str, Filesystem]

    def __init__(
        self,
        name: str,
        config: StackConfig,
        stack: str,
        joins: Joins | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("sophia:lambda:Fleet", name, None, opts)
        self._config = config
        self._stack = stack
        self._key_name = self._make_ssh_key()
        self.filesystems = {
            label: Filesystem(
                label,
                filesystem_props(label, filesystem, stack),
                pulumi.ResourceOptions(parent=self, protect=filesystem.protect),
            )
            for label, filesystem in config.filesystems.items()
        }
        self._firewalls = {
            label: FirewallRuleset(
                label, firewall_props(label, firewall, stack), pulumi.ResourceOptions(parent=self)
            )
            for label, firewall in config.firewalls.items()
        }
        wanted = config.instances()
        servers = {label: item for label, item in wanted.items() if joins and joins.is_server(label)}
        instances = {label: self._make_instance(label, item, joins) for label, item in servers.items()}
        if joins and servers:
            # An agent's boot text holds the address of its server, which exists only once that has booted.
            joins.servers_are_ready(self._wait("servers-ready", servers, instances).machines)
        agents = {label: item for label, item in wanted.items() if label not in servers}
        instances |= {label: self._make_instance(label, item, joins) for label, item in agents.items()}
        self.instance_ids = {label: instances[label].id for label in wanted}
        ready = self._wait("fleet-ready", wanted, instances)
        self.machines = ready.machines
        self.usd_per_hour = ready.usd_per_hour
        self.architectures = {label: CATALOGUE[item.type].architecture for label, item in wanted.items()}
        self.register_outputs(
            {
                "machines": self.machines,
                "usd_per_hour": self.usd_per_hour,
                "architectures": self.architectures,
            }
        )

    def _make_ssh_key(self) -> pulumi.Input[str] | None:
        ssh = self._config.ssh
        if ssh is None:
            return None
        if ssh.public_key is None:
            return ssh.existing
        public_key = str(ssh.public_key)
        props = {"name": ssh_key_name(self._stack, public_key), "public_key": public_key}
        return SshKey("ssh-key", props, pulumi.ResourceOptions(parent=self)).name

    def _wait(
        self, name: str, wanted: Mapping[str, InstanceConfig], instances: Mapping[str, Instance]
    ) -> FleetReady:
        return FleetReady(
            name,
            {
                "stack": self._stack,
                "instances": {label: instances[label].id for label in wanted},
                "timeout_minutes": {label: item.ready_timeout_s / 60 for label, item in wanted.items()},
                # Addresses of the emulator are documentation ranges, where nothing can answer.
                "probe_ssh": self._config.endpoint == "lambda",
            },
            pulumi.ResourceOptions(parent=self),
        )

    def _make_instance(self, label: str, instance: InstanceConfig, joins: Joins | None) -> Instance:
        props: dict[str, Any] = instance_props(
            label,
            instance,
            stack=self._stack,
            ssh_key_name=self._key_name,
            filesystem_names=[self.filesystems[item].name for item in instance.filesystems],
            firewall_ruleset_ids=[self._firewalls[item].id for item in instance.firewalls],
        )
        if joins and not instance.is_adopted:
            props["boot_data"] = joins.boot_data(label)
        return Instance(
            label,
            props,
            pulumi.ResourceOptions(
                parent=self,
                protect=instance.is_protected,
                delete_before_replace=instance.replace_order == "terminate_first",
            ),
        )
