"""Which launches the stack file asks for now: by these keys the next update knows its machines."""

from __future__ import annotations

from collections.abc import Mapping

from sophia_infra.components.fleet_props import instance_props, key_name_of
from sophia_infra.model.instance import InstanceConfig
from sophia_infra.model.ssh import SshConfig
from sophia_infra.provider.instance_spec import InstanceSpec

__all__ = ["wanted_launches"]


def wanted_launches(
    stack: str, ssh: SshConfig | None, instances: Mapping[str, InstanceConfig]
) -> frozenset[str]:
    """The launch keys ("project/stack/name/g1-...") of all instances that are launched, not adopted.

    Args:
        stack: the value of the stack tag, "project/stack".
        ssh: the key of the file.
        instances: those of the phase in force.
    """
    key_name = key_name_of(stack, ssh)
    return frozenset(
        str(
            InstanceSpec.of(
                instance_props(
                    label,
                    instance,
                    stack=stack,
                    ssh_key_name=key_name,
                    filesystem_names=list(instance.filesystems),
                    firewall_ruleset_ids=(),
                )
            ).launch_key
        )
        for label, instance in instances.items()
        if instance.adopt is None
    )
