"""The account's machines as the exporter sees them: whose each one is, which node, at which price."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

from sophia_infra.lambda_cloud import Instance
from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.scaled_tags import is_scaled
from sophia_infra.monitoring.exporter_settings import ExporterSettings
from sophia_infra.provider.matching import ENDED_STATUSES, LIVE_STATUSES, is_for, launched_at_s
from sophia_infra.provider.ownership import OWNERS, Claim, MachineOwner, claim_of
from sophia_infra.provider.tags import NAME_TAG, STACK_TAG, LaunchKey, Owner

__all__ = ["NO_GPU", "OWNERS", "Fleet", "Machine", "MachineOwner", "see_fleet"]

NO_GPU = "none"
"""GPU model of a machine without one."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One listed instance.

    Attributes:
        instance_id: the API's.
        name: in the fleet of its stack by our tag, or by which it is adopted; else its name in the account.
        instance_type: API name.
        gpu_model: `GH200`; `NO_GPU` without.
        gpus, vcpus, memory_gib: of the whole machine, as the API says.
        region: code.
        stack: whose it is by its tags, "project/stack"; ours for an adopted one; "" when nobody's.
        owner: seen from our stack.
        node: name of its node in our cluster; "" when it is none.
        status: the API's.
        launched_at_s: seconds since 1970, by our tag; None when nobody noted it.
        cents_per_hour: list price now of the whole machine, as the API says.
    """

    instance_id: str
    name: str
    instance_type: str
    gpu_model: str
    gpus: int
    vcpus: int
    memory_gib: int
    region: str
    stack: str
    owner: MachineOwner
    node: str
    status: str
    launched_at_s: int | None
    cents_per_hour: int

    @property
    def is_billed(self) -> bool:
        """Until it is seen to have ended: also while terminating, and in a status that nobody knows yet."""
        return self.status not in ENDED_STATUSES


@dataclass(frozen=True, slots=True)
class Fleet:
    """One list of the account.

    Attributes:
        machines: every listed instance, ended ones too while the API shows them.
        missing: name of every machine of the file -> whether nothing runs for it.
    """

    machines: tuple[Machine, ...]
    missing: Mapping[str, bool]


def see_fleet(
    settings: ExporterSettings, instances: Iterable[Instance], clustered: Container[str] = ()
) -> Fleet:
    """Match a list of the account with the machines of the file.

    Args:
        clustered: ids of the machines of 1-Click Clusters that the file reads.
    """
    listed = tuple(instances)
    chosen: dict[str, str] = {}
    second: dict[str, str] = {}
    missing: dict[str, bool] = {}
    for name, wanted in settings.machines.items():
        mine = [
            one
            for one in listed
            if one.id not in chosen
            and is_for(one, settings.stack, name, adopt_id=wanted.adopt_id, adopt_name=wanted.adopt_name)
        ]
        mine.sort(key=lambda one: _precedence(one, settings.stack, name), reverse=True)
        chosen.update({one.id: name for one in mine[:1]})
        second.update({one.id: name for one in mine[1:]})
        missing[name] = not any(one.status in LIVE_STATUSES for one in mine)
    machines = tuple(
        _machine(one, settings, chosen.get(one.id), second.get(one.id), one.id in clustered)
        for one in sorted(listed, key=lambda one: one.id)
    )
    return Fleet(machines, missing)


def _precedence(instance: Instance, stack: str, name: str) -> tuple[bool, bool, int, int, str]:
    """Which of two machines for one name is the one that stays: the newer launch of those that run."""
    key = LaunchKey.of(Owner(stack, name), instance.tags)
    return (
        instance.status in LIVE_STATUSES,
        instance.status not in ENDED_STATUSES,
        key.generation if key else 0,
        launched_at_s(instance) or 0,
        instance.id,
    )


def _machine(
    instance: Instance,
    settings: ExporterSettings,
    chosen: str | None,
    second: str | None,
    is_clustered: bool,
) -> Machine:
    claim = claim_of(instance.tags, settings.stack, is_clustered=is_clustered)
    if chosen is not None:
        claim = Claim("stack", settings.stack)
    elif second is not None:
        claim = Claim("orphan", settings.stack)
    name = chosen or second or instance.tags.get(NAME_TAG) or instance.name or ""
    kind = instance.instance_type
    return Machine(
        instance_id=instance.id,
        name=name,
        instance_type=kind.name,
        gpu_model=_gpu_model(kind.name, kind.gpu_description, kind.specs.gpus),
        gpus=kind.specs.gpus,
        vcpus=kind.specs.vcpus,
        memory_gib=kind.specs.memory_gib,
        region=instance.region,
        stack=claim.stack,
        owner=claim.owner,
        node=_node(instance, settings, chosen, name),
        status=instance.status,
        launched_at_s=launched_at_s(instance),
        cents_per_hour=max(0, kind.price_cents_per_hour),
    )


def _node(instance: Instance, settings: ExporterSettings, chosen: str | None, name: str) -> str:
    if chosen is None:
        is_own = instance.tags.get(STACK_TAG) == settings.stack
        return name if is_own and is_scaled(instance.tags) else ""
    wanted = settings.machines[chosen]
    # A node's name goes with the generation: while an older machine still runs, this one's is not its name.
    key = LaunchKey.of(Owner(settings.stack, name), instance.tags)
    return wanted.node if key is None or key.generation == wanted.generation else ""


def _gpu_model(instance_type: str, gpu_description: str, gpus: int) -> str:
    """By the catalogue; for a type that came later, what the API's text begins with: `H200 (141 GB)`."""
    if not gpus:
        return NO_GPU
    known = CATALOGUE.get(instance_type)
    return (known.gpu_model if known else None) or gpu_description.partition(" (")[0].strip() or instance_type
