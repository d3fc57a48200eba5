"""What a run may ask for, checked against the cluster's limits and against what the account has. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from sophia_infra.lambda_cloud import Filesystem, InstanceTypeWithCapacity, SshKey
from sophia_infra.model.money import format_usd
from sophia_infra.model.training import ClusterConfig
from sophia_infra.training.errors import CapRefused, RunRefused
from sophia_infra.training.history import Launch

__all__ = [
    "Limits",
    "Market",
    "checked_caps",
    "checked_key",
    "checked_nodes",
    "checked_regions",
    "checked_types",
]


@dataclass(frozen=True, slots=True)
class Limits:
    """What the command line asks for within the cluster's own limits; None: the cluster's."""

    nodes: int | None = None
    instance_type: str | None = None
    region: str | None = None
    max_usd: Decimal | None = None
    max_hours: int | None = None


@dataclass(frozen=True, slots=True)
class Market:
    """What the account says now: one answer each of the types, the filesystems and the SSH keys."""

    types: Mapping[str, InstanceTypeWithCapacity]
    filesystems: Collection[Filesystem]
    ssh_keys: Collection[SshKey]
    launches: Collection[Launch]
    now_s: float


def checked_nodes(name: str, config: ClusterConfig, limits: Limits) -> int:
    nodes = config.max_nodes if limits.nodes is None else limits.nodes
    least = config.min_nodes or 1
    if not least <= nodes <= config.max_nodes:
        raise RunRefused(
            f"{name}: {nodes} nodes are asked for. Nothing was launched.",
            next_step=f"ask for {least} to {config.max_nodes}, or change min_nodes or max_nodes in the file.",
        )
    return nodes


def checked_caps(name: str, config: ClusterConfig, limits: Limits) -> tuple[Decimal, int]:
    """The command line may lower a limit that the reviewed file sets, and not raise it."""
    if limits.max_usd is not None and limits.max_usd > config.max_usd:
        raise CapRefused(
            f"{name}: --max-usd {format_usd(limits.max_usd)} is above the cluster's "
            f"{format_usd(config.max_usd)}. Nothing was launched.",
            next_step="ask for less, or raise max_usd in the stack file, where it is reviewed.",
        )
    if limits.max_hours is not None and limits.max_hours > config.max_hours:
        raise CapRefused(
            f"{name}: --max-hours {limits.max_hours} is above the cluster's {config.max_hours}. "
            "Nothing was launched.",
            next_step="ask for less, or raise max_hours in the stack file, where it is reviewed.",
        )
    return limits.max_usd or config.max_usd, limits.max_hours or config.max_hours


def checked_types(name: str, config: ClusterConfig, limits: Limits, market: Market) -> dict[str, Decimal]:
    """API name -> dollars per hour of one node."""
    wanted = config.types if limits.instance_type is None else (limits.instance_type,)
    for type_name in wanted:
        if type_name not in config.types:
            raise RunRefused(
                f"{name}: type {type_name} is not one of the cluster's. Nothing was launched.",
                next_step=f"use {' or '.join(config.types)}, or add it to the cluster's fallbacks.",
            )
    sold = {one: market.types[one].instance_type.usd_per_hour for one in wanted if one in market.types}
    priced = {one: usd for one, usd in sold.items() if usd > 0}
    if not priced:
        raise RunRefused(
            f"{name}: the account is not offered {', '.join(wanted)} at a price. Nothing was launched.",
            next_step="`sophia types` shows what it is offered.",
        )
    return priced


def checked_regions(name: str, config: ClusterConfig, limits: Limits, market: Market) -> tuple[str, ...]:
    regions = config.regions
    if limits.region is not None:
        if limits.region not in regions:
            raise RunRefused(
                f"{name}: region {limits.region} is not allowed for it. Nothing was launched.",
                next_step=f"use one of: {', '.join(regions)}.",
            )
        regions = (limits.region,)
    if config.checkpoints is None:
        return regions
    home = next((one.region for one in market.filesystems if one.name == config.checkpoints), None)
    if home is None:
        raise RunRefused(
            f"{name}: the account has no filesystem {config.checkpoints}. Nothing was launched.",
            next_step="make it (`sophia:filesystems`, then `sophia up`), or correct `checkpoints`.",
        )
    if home not in regions:
        raise RunRefused(
            f"{name}: filesystem {config.checkpoints} is in {home}, and the run may only be in "
            f"{', '.join(regions)}. Nothing was launched.",
            next_step="run it where its checkpoints are, or name another filesystem: one never moves.",
        )
    return (home,)


def checked_key(name: str, wanted: str | None, market: Market) -> str:
    if wanted is None:
        raise RunRefused(
            f"{name}: no SSH key is named, and a launch takes one. Nothing was launched.",
            next_step="set `ssh_key` of the cluster, or `sophia:ssh`.",
        )
    found = [key for key in market.ssh_keys if key.name == wanted]
    if len(found) == 1:
        return wanted
    have = f"{len(found)} keys" if found else "no key"
    raise RunRefused(
        f"{name}: the account has {have} named {wanted}. Nothing was launched.",
        next_step="delete all but one of them, or give one another name."
        if found
        else "register it (`sophia up` registers that of `sophia:ssh`), or correct `ssh_key`.",
    )
