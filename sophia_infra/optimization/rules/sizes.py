"""Machines that could be smaller, or share one. Pure.

Memory has to fit with headroom, and what was used has to fit into the share that may be used of the other
machine, by speeds from data sheets; never on a GPU of an older generation, where programs may not run. A
machine that was high for a while is left alone: its peak is why it has that size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from sophia_infra.cost.boot import boot_minutes
from sophia_infra.model.catalogue import CATALOGUE, InstanceType
from sophia_infra.model.money import format_usd
from sophia_infra.optimization.capacity_risk import capacity_risk
from sophia_infra.optimization.facts import MachineFacts, Offer
from sophia_infra.optimization.gpu_speed import SOURCE, is_older, speed_ratio
from sophia_infra.optimization.profiling import percentile
from sophia_infra.optimization.recommendation import (
    Evidence,
    Kind,
    Recommendation,
    Saving,
    recommendation_id,
)
from sophia_infra.optimization.risk import machine_verdict
from sophia_infra.optimization.rules.look import ACCOUNT, Look
from sophia_infra.optimization.rules.machines import is_idle
from sophia_infra.optimization.stack_change import Edit, RemoveKey, RemoveMachine, SetValue, StackChange
from sophia_infra.optimization.usage import MachineUsage, Track

__all__ = ["find_consolidations", "find_smaller"]


def find_smaller(look: Look) -> Iterator[Recommendation]:
    """For each machine the cheapest type that carries what was used."""
    for machine, usage in look.judged():
        if usage.high_stretches or is_idle(usage, look):
            continue
        fitting = [offer for offer in look.fleet.offers.values() if _carries(offer, machine, usage, look)]
        if not fitting:
            continue
        here = [offer for offer in fitting if machine.region in offer.regions]
        best = min(here or fitting, key=lambda offer: (offer.usd_per_hour, offer.instance_type))
        yield _smaller(look, machine, usage, best)


def find_consolidations(look: Look) -> Iterator[Recommendation]:
    """For each machine the one that could do its work beside its own."""
    judged = [(machine, usage) for machine, usage in look.judged() if not usage.high_stretches]
    for machine, usage in judged:
        if is_idle(usage, look):
            continue
        hosts = []
        for host, host_usage in judged:
            if host is machine or host.region != machine.region or not _has_places(machine, look):
                continue
            together = _together(machine, usage, host, host_usage, look)
            if together is not None:
                hosts.append((together.gpu_p95, host, together))
        if hosts:
            _, host, together = min(hosts, key=lambda row: (row[0], row[1].name))
            yield _consolidation(look, machine, host, together)


def _carries(offer: Offer, machine: MachineFacts, usage: MachineUsage, look: Look) -> bool:
    old, new = CATALOGUE.get(machine.instance_type), CATALOGUE.get(offer.instance_type)
    if old is None or new is None or offer.usd_per_hour >= machine.usd_per_hour:
        return False
    if new.architecture != old.architecture or new.gpu_count != old.gpu_count:
        return False
    if is_older(old.name, new.name):
        return False
    ratio = speed_ratio(old.name, new.name)
    if ratio is None or usage.gpu_p95 / ratio > look.config.optimal_percent:
        return False
    return _memory_fits(new, usage.gpu_memory_gib, usage.memory_gib, look) and _processors_fit(
        new, (usage.cpu_peak or 0.0) / 100 * old.vcpus, look
    )


def _memory_fits(row: InstanceType, gpu_gib: float | None, gib: float | None, look: Look) -> bool:
    """Unknown use fits nowhere."""
    if gpu_gib is None or gib is None or row.gpu_memory_gib is None:
        return False
    room = 1 + look.config.headroom_percent / 100
    most = row.gpu_memory_gib * look.config.gpu_memory_percent / 100
    return gpu_gib <= most and gpu_gib * room <= row.gpu_memory_gib and gib * room <= row.memory_gib


def _processors_fit(row: InstanceType, cores: float, look: Look) -> bool:
    return cores <= row.vcpus * look.config.optimal_percent / 100


def _smaller(look: Look, machine: MachineFacts, usage: MachineUsage, offer: Offer) -> Recommendation:
    saved = (machine.usd_per_hour - offer.usd_per_hour) * 720
    risk = capacity_risk(
        offer.instance_type,
        machine.region,
        look.usage.capacity if look.usage else {},
        wait_hours=look.config.capacity_wait_hours,
    )
    boot = boot_minutes(offer.instance_type)
    once = machine.usd_per_hour * boot.high / 60 + risk.usd(Decimal(1), machine.usd_per_hour, high=True)
    ratio = speed_ratio(machine.instance_type, offer.instance_type) or 1.0
    edits: list[Edit] = [
        SetValue(machine.name, "type", offer.instance_type),
        *([RemoveKey(machine.name, "adopt")] if machine.adopted else []),
    ]
    config = look.fleet.config
    row = None if config is None else config.fleet.get(machine.name)
    if row is not None and not machine.adopted:
        edits.append(SetValue(machine.name, "generation", row.generation + 1))
    verdict = machine_verdict(
        machine, look.config, further=() if ratio >= 1 else (f"its GPU would be {ratio:.2f} times as fast",)
    )
    return Recommendation(
        id=recommendation_id(Kind.RIGHTSIZE, look.fleet.stack, machine.name, offer.instance_type),
        kind=Kind.RIGHTSIZE,
        subject=machine.name,
        title=f"{machine.name} fits on a {offer.instance_type}",
        savings={machine.key: Saving.of(saved - once, saved, saved)},
        evidence=(
            look.price(machine),
            Evidence(
                "price there", f"{format_usd(offer.usd_per_hour)}/h {offer.instance_type}", ACCOUNT, 0.0
            ),
            Evidence("use there", f"p95 {usage.gpu_p95 / ratio:.1f} %", SOURCE, None),
            Evidence(
                "first month",
                f"{format_usd(once)} once, for a boot beside the old one and a launch that may be refused",
                risk.source,
                None,
            ),
            *look.measured(usage),
        ),
        verdict=verdict,
        steps=(
            f"change its type to {offer.instance_type} and raise its generation (the diff does)",
            "`sophia up`: it launches the new one and ends the old one",
            "compare latency and throughput for a week",
        ),
        undo="take the diff back with a higher generation and run `sophia up`: a "
        f"{machine.instance_type} again, if there is capacity",
        requires=(
            *([f"`protect: false` for {machine.name} before this"] if machine.protected else []),
            f"capacity for {offer.instance_type} in {machine.region}"
            + ("" if machine.region in offer.regions else ", which lists none now"),
        ),
        change=StackChange(tuple(edits)),
    )


@dataclass(frozen=True, slots=True)
class _Together:
    gpu_p95: float
    gpu_memory_gib: float
    memory_gib: float


def _together(
    machine: MachineFacts, usage: MachineUsage, host: MachineFacts, host_usage: MachineUsage, look: Look
) -> _Together | None:
    """What the host would carry, step by step, so that day and night work fit together; None: too much."""
    old, new = CATALOGUE.get(machine.instance_type), CATALOGUE.get(host.instance_type)
    if old is None or new is None or old.architecture != new.architecture or old.gpu_count != new.gpu_count:
        return None
    if is_older(old.name, new.name):
        return None
    ratio = speed_ratio(old.name, new.name)
    gib = (usage.gpu_memory_gib, host_usage.gpu_memory_gib, usage.memory_gib, host_usage.memory_gib)
    if ratio is None or usage.tracks is None or host_usage.tracks is None or None in gib:
        return None
    gpu_gib, all_gib = (gib[0] or 0.0) + (gib[1] or 0.0), (gib[2] or 0.0) + (gib[3] or 0.0)
    sums = _sum_tracks(usage.tracks.gpu_percent, host_usage.tracks.gpu_percent, ratio)
    cores = (usage.cpu_peak or 0.0) / 100 * old.vcpus + (host_usage.cpu_peak or 0.0) / 100 * new.vcpus
    if not sums or not _memory_fits(new, gpu_gib, all_gib, look) or not _processors_fit(new, cores, look):
        return None
    p95 = percentile(sums, 95)
    return _Together(p95, gpu_gib, all_gib) if p95 <= look.config.optimal_percent else None


def _sum_tracks(one: Track, other: Track, ratio: float) -> list[float]:
    """Both loads on the other machine, where both were measured."""
    shift = (one.start_s - other.start_s) // one.step_s
    found = []
    for place, value in enumerate(one.values):
        there = place + shift
        beside = other.values[there] if 0 <= there < len(other.values) else None
        if value is not None and beside is not None:
            found.append(value / ratio + beside)
    return found


def _has_places(machine: MachineFacts, look: Look) -> bool:
    """Whether every workload of the stack still has a place when this machine is gone."""
    config = look.fleet.config
    if config is None or config.kubernetes is None:
        return True
    from sophia_infra.model.kubernetes.placement import place_on

    fleet = config.instances()
    rest = {name: row for name, row in fleet.items() if name != machine.name}
    before = {(one.section, one.name) for one in place_on(fleet, config.kubernetes).unplaced}
    after = place_on(rest, config.kubernetes).unplaced
    return all((one.section, one.name) in before for one in after)


def _consolidation(
    look: Look, machine: MachineFacts, host: MachineFacts, together: _Together
) -> Recommendation:
    month = machine.usd_per_month
    row = CATALOGUE[host.instance_type]
    return Recommendation(
        id=recommendation_id(Kind.CONSOLIDATE, look.fleet.stack, machine.name, host.name),
        kind=Kind.CONSOLIDATE,
        subject=machine.name,
        title=f"{host.name} can do the work of {machine.name} too",
        savings={machine.key: Saving.of(month * Decimal("0.9"), month, month)},
        keeps=frozenset({host.key}),
        evidence=(
            look.price(machine),
            Evidence(
                "both on it",
                f"GPU p95 {together.gpu_p95:.1f} %, {together.gpu_memory_gib:.1f} of {row.gpu_memory_gib} "
                f"GiB GPU memory, {together.memory_gib:.1f} of {row.memory_gib} GiB memory",
                f"{look.usage.source if look.usage else ''}; {SOURCE}",
                0.0,
            ),
        ),
        verdict=machine_verdict(machine, look.config),
        steps=(
            f"share the GPU of {host.name}: `gpu_sharing` with time_slicing 2 for {row.gpu_model}",
            f"move the workloads of {machine.name} there (`gpu: {{model: {row.gpu_model}}}`)",
            f"take {machine.name} out of the fleet (the diff does), then `sophia up`",
        ),
        undo=f"put {machine.name} back, `sophia up`, and move its workloads back",
        requires=(
            *([f"`protect: false` for {machine.name} before this"] if machine.protected else []),
            "work that bears to share a GPU: time slicing has no memory limit of its own",
        ),
        change=StackChange((RemoveMachine(machine.name),)),
    )
