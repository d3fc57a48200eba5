"""What cannot go together across the parts of a stack file, and what is only worth a warning. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sophia_infra.model.catalogue import REGIONS_WITHOUT_FIREWALL
from sophia_infra.model.errors import Refused, did_you_mean
from sophia_infra.model.forms import Conflict
from sophia_infra.model.gateway import GatewayConfig
from sophia_infra.model.gateway_rules import find_gateway_conflicts
from sophia_infra.model.instance import InstanceConfig
from sophia_infra.model.kubernetes.config import KubernetesConfig
from sophia_infra.model.kubernetes.scaling_fit import find_scaling_misfits
from sophia_infra.model.kubernetes.stack_fit import find_fit_conflicts
from sophia_infra.model.network import FirewallConfig
from sophia_infra.model.scaler import ScalerConfig
from sophia_infra.model.scaler_rules import find_scaler_conflicts
from sophia_infra.model.storage import FilesystemConfig
from sophia_infra.model.training import ClusterConfig
from sophia_infra.model.training_rules import find_training_conflicts

__all__ = ["StackParts", "find_stack_conflicts", "find_warnings"]


@dataclass(frozen=True, slots=True)
class StackParts:
    """The parts that refer to each other; those that could not be read are None or left out.

    Attributes:
        fleet: instances that could be read.
        filesystems, firewalls: every declared name; None for one, or for a whole section, that could not
            be read, so that a reference to it is not reported as well.
        endpoint: None when it could not be read.
        has_emulator, has_ssh: the key is there, right or wrong.
        phase: 1 when it could not be read.
        kubernetes: what of the section could be read; None without one.
        is_whole: nothing of the fleet and of the section was left out for being unreadable.
        gateway: None without one, and when it could not be read.
        has_gateway: the key is there, right or wrong.
        training: clusters that could be read.
        scaler: None without one, and when it could not be read.
        has_scaler: the key is there, right or wrong.
    """

    fleet: Mapping[str, InstanceConfig]
    filesystems: Mapping[str, FilesystemConfig | None] | None
    firewalls: Mapping[str, FirewallConfig | None] | None
    endpoint: Literal["emulator", "lambda"] | None
    has_emulator: bool
    has_ssh: bool
    phase: int = 1
    kubernetes: KubernetesConfig | None = None
    is_whole: bool = True
    gateway: GatewayConfig | None = None
    has_gateway: bool = False
    training: Mapping[str, ClusterConfig] = field(default_factory=dict)
    scaler: ScalerConfig | None = None
    has_scaler: bool = False


def find_stack_conflicts(parts: StackParts) -> list[Conflict]:
    """All conflicts between the parts, with paths from the top."""
    return [
        *_find_emulator_settings_for_lambda(parts),
        *_find_missing_key(parts),
        *_find_wrong_references(parts),
        *_find_double_names(parts.fleet),
        *_find_double_adoptions(parts.fleet),
        *_find_misfits(parts),
        *_find_gateway_misfits(parts),
        *_find_launcher_misfits(parts),
    ]


def _find_launcher_misfits(parts: StackParts) -> Iterator[Conflict]:
    """Of what launches machines beside the fleet: training runs and the node scaler."""
    # A section that cannot be read is there all the same.
    has_kubernetes = parts.kubernetes is not None or not parts.is_whole
    kube = parts.kubernetes
    has_queue = has_kubernetes if kube is None else kube.cluster == "joined" and kube.training is not None
    yield from find_training_conflicts(
        parts.training, filesystems=parts.filesystems, has_ssh=parts.has_ssh, has_queue=has_queue
    )
    if parts.scaler is not None:
        names = {*parts.fleet, *(one.name for one in parts.fleet.values() if one.name is not None)}
        yield from find_scaler_conflicts(
            parts.scaler, fleet=names, has_ssh=parts.has_ssh, has_kubernetes=has_kubernetes
        )
    if parts.kubernetes is not None and parts.is_whole and (parts.scaler is not None or not parts.has_scaler):
        yield from find_scaling_misfits(parts.kubernetes, parts.scaler, parts.fleet, parts.phase)


def find_warnings(fleet: Mapping[str, InstanceConfig], firewalls: Mapping[str, FirewallConfig]) -> list[str]:
    """Sentences about what is allowed and will not do what it looks like; each begins with its key."""
    nowhere = sorted(REGIONS_WITHOUT_FIREWALL)
    found = [
        f"sophia:firewalls.{name}: Lambda does not apply firewall rules in {firewall.region}; "
        "close the ports on the instances themselves"
        for name, firewall in firewalls.items()
        if firewall.region in nowhere and firewall.rules
    ]
    for name, instance in fleet.items():
        if instance.firewalls and instance.region in nowhere:
            found.append(
                f"sophia:fleet.{name}.firewalls: have no effect in {instance.region}; "
                "every port of the instance is open to the network"
            )
    return found


def _find_misfits(parts: StackParts) -> list[Conflict]:
    if parts.kubernetes is None:
        return []
    return find_fit_conflicts(parts.kubernetes, parts.fleet, parts.phase, is_whole=parts.is_whole)


def _find_gateway_misfits(parts: StackParts) -> Iterator[Conflict]:
    if parts.gateway is not None or not parts.has_gateway:
        yield from find_gateway_conflicts(parts.gateway, parts.kubernetes, is_whole=parts.is_whole)


def _find_emulator_settings_for_lambda(parts: StackParts) -> Iterator[Conflict]:
    if parts.has_emulator and parts.endpoint == "lambda":
        yield Conflict(("emulator",), Refused("goes only with sophia:endpoint emulator"))


def _find_missing_key(parts: StackParts) -> Iterator[Conflict]:
    launched = [name for name, instance in parts.fleet.items() if not instance.is_adopted]
    if launched and not parts.has_ssh:
        yield Conflict(
            ("ssh",),
            Refused(f"is missing: {launched[0]} is launched, and a launch takes one SSH key"),
        )


def _find_wrong_references(parts: StackParts) -> Iterator[Conflict]:
    sections = (("filesystems", parts.filesystems), ("firewalls", parts.firewalls))
    for kind, section in sections:
        if section is None:
            continue
        for name, instance in parts.fleet.items():
            for at, wanted in enumerate(getattr(instance, kind)):
                yield from _find_wrong_reference((name, kind, at), instance, wanted, section)


def _find_wrong_reference(
    where: tuple[str, str, int],
    instance: InstanceConfig,
    wanted: str,
    section: Mapping[str, FilesystemConfig | None] | Mapping[str, FirewallConfig | None],
) -> Iterator[Conflict]:
    name, kind, at = where
    loc = ("fleet", name, kind, at)
    if wanted not in section:
        hint = did_you_mean(wanted, section)
        allowed = ", ".join(section) or f"nothing: sophia:{kind} is empty"
        yield Conflict(loc, Refused(f"is not in sophia:{kind}{hint}", allowed=allowed), wanted)
        return
    target = section[wanted]
    if target is None:
        return
    if target.region != instance.region:
        yield Conflict(loc, Refused(f"is in {target.region} and the instance in {instance.region}"), wanted)
        return
    for number, fallback in enumerate(instance.fallbacks):
        if fallback.region not in (None, target.region):
            yield Conflict(
                ("fleet", name, "fallbacks", number, "region"),
                Refused(f"is not the region of {wanted} ({kind}), which stays in {target.region}"),
                fallback.region,
            )


def _find_double_names(fleet: Mapping[str, InstanceConfig]) -> Iterator[Conflict]:
    """The API takes two machines of one name; people who end one of them by name do not."""
    first_by_name = {label: label for label, instance in fleet.items() if instance.name is None}
    for label, instance in fleet.items():
        if instance.name is None:
            continue
        first = first_by_name.setdefault(instance.name, label)
        if first != label:
            yield Conflict(
                ("fleet", label, "name"), Refused(f"is the name of {first} already"), instance.name
            )


def _find_double_adoptions(fleet: Mapping[str, InstanceConfig]) -> Iterator[Conflict]:
    first_by_target: dict[tuple[str, str], str] = {}
    for name, instance in fleet.items():
        if instance.adopt is None:
            continue
        key, target = ("id", instance.adopt.id) if instance.adopt.id else ("name", instance.adopt.name or "")
        first = first_by_target.setdefault((key, target), name)
        if first != name:
            yield Conflict(("fleet", name, "adopt", key), Refused(f"is adopted by {first} already"), target)
