"""An instance as the state records it: which properties exist, and what a change of each one means."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sophia_infra.joining import merge_user_data
from sophia_infra.lambda_cloud import Instance, LaunchRequest
from sophia_infra.model.launch_choice import LaunchChoice, launch_choices
from sophia_infra.provider.boot_data import BOOT_DATA, boot_data_digest, without_boot_data
from sophia_infra.provider.matching import LIVE_STATUSES
from sophia_infra.provider.tags import LaunchKey, Owner, launch_digest

__all__ = [
    "DEFERRED",
    "LIVE_STATUSES",
    "REPLACING",
    "REPLACING_ADOPTED",
    "CapacityWait",
    "InstanceSpec",
    "Machine",
    "outputs_of",
]

# Launch-only facts of the machine (facts 1.3): a change needs another machine.
REPLACING = (
    "instance_type",
    "region",
    "image",
    "ssh_key_name",
    "user_data",
    "filesystems",
    "hostname",
    "generation",
)
# What an adopted machine came with was never declared here: only these two can be compared.
REPLACING_ADOPTED = ("instance_type", "region")
# Launch-only too, but no reason to end a paid machine: recorded, and used by the next launch. `boot_data`
# is one of them, but compared by its digest (provider/boot_data.py).
DEFERRED = ("tags", "firewall_ruleset_ids")

# `fallbacks` and `wait_for_capacity` steer a launch and say nothing about the machine that is there.


@dataclass(frozen=True, slots=True)
class Machine:
    """What a launch or an adoption established: the id, which candidate it is, and its name now."""

    id: str
    candidate: LaunchChoice
    name: str | None

    @classmethod
    def of(cls, instance: Instance) -> Machine:
        return cls(instance.id, LaunchChoice(instance.instance_type.name, instance.region), instance.name)


@dataclass(frozen=True, slots=True)
class CapacityWait:
    """Opt-in waiting: at most `max_minutes`, and at most `max_usd` of run rate of the rest of the stack."""

    max_minutes: float
    max_usd: Decimal


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """The properties of one instance, read once from what the engine passes."""

    owner: Owner
    display_name: str | None
    candidates: tuple[LaunchChoice, ...]
    ssh_key_name: str
    image: Mapping[str, str] | None
    user_data: str | None = field(repr=False)
    boot_data: str | None = field(repr=False)
    hostname: str | None
    filesystems: tuple[str, ...]
    firewall_ruleset_ids: tuple[str, ...]
    tags: Mapping[str, str]
    generation: int
    adopt: Mapping[str, str] | None
    capacity_wait: CapacityWait | None

    @classmethod
    def of(cls, props: Mapping[str, Any]) -> InstanceSpec:
        """Read known properties. Values of numbers may be float: the engine has no integers."""
        fallbacks = ((row.get("type"), row.get("region")) for row in props.get("fallbacks") or ())
        first, *further = launch_choices(props["instance_type"], props["region"], fallbacks)
        wait = props.get("wait_for_capacity")
        return cls(
            owner=Owner(props["stack"], props["logical_name"]),
            display_name=props.get("name") or None,
            candidates=(first, *further),
            ssh_key_name=props.get("ssh_key_name") or "",
            image=props.get("image") or None,
            user_data=props.get("user_data") or None,
            boot_data=props.get(BOOT_DATA) or None,
            hostname=props.get("hostname") or None,
            filesystems=tuple(props.get("filesystems") or ()),
            firewall_ruleset_ids=tuple(props.get("firewall_ruleset_ids") or ()),
            tags=dict(props.get("tags") or {}),
            generation=int(props.get("generation") or 1),
            adopt=props.get("adopt") or None,
            capacity_wait=CapacityWait(float(wait["max_minutes"]), Decimal(str(wait["max_usd"])))
            if wait
            else None,
        )

    @property
    def launch_key(self) -> LaunchKey:
        """The key of this launch. Fallbacks are not part of it: whichever was used, it is this launch.

        Nor is `boot_data`: it changes when a server is rebuilt, and that ends no agent.
        """
        first = self.candidates[0]
        user_data = hashlib.sha256((self.user_data or "").encode()).hexdigest()
        digest = launch_digest(
            {
                "instance_type": first.instance_type,
                "region": first.region,
                "image": dict(self.image or {}),
                "ssh_key_name": self.ssh_key_name,
                "user_data_sha256": user_data,
                "filesystems": sorted(self.filesystems),
                "hostname": self.hostname or "",
            }
        )
        return LaunchKey(self.owner, self.generation, digest)

    def launch_request(self, candidate: LaunchChoice, launched_at_s: float) -> LaunchRequest:
        """The request for `candidate`, with the tags by which the machine is found again."""
        return LaunchRequest(
            region_name=candidate.region,
            instance_type_name=candidate.instance_type,
            ssh_key_names=(self.ssh_key_name,),
            name=self.display_name,
            hostname=self.hostname,
            image_id=(self.image or {}).get("id"),
            image_family=(self.image or {}).get("family"),
            user_data=merge_user_data(self.boot_data, self.user_data) if self.boot_data else self.user_data,
            file_system_names=self.filesystems,
            firewall_ruleset_ids=self.firewall_ruleset_ids,
            tags={**self.tags, **self.launch_key.tags(launched_at_s)},
        )


def outputs_of(props: Mapping[str, Any], machine: Machine, *, adopted: bool) -> dict[str, Any]:
    """What the state records of a machine: the inputs, and facts that do not change while it lives.

    Status and address are not among them: they change by themselves, and each change would be drift.
    `FleetReady` reports them. Nor is `boot_data`, a secret that only the inputs hold: its digest stands
    for it, and `launched_with` keeps the digest of what the machine really booted with.
    """
    digest = boot_data_digest(props)
    return {
        **without_boot_data(props),
        "instance_id": machine.id,
        "launched_type": machine.candidate.instance_type,
        "launched_region": machine.candidate.region,
        "adopted": adopted,
        "launched_with": {**{name: props.get(name) for name in DEFERRED}, **digest},
        **digest,
    }
