"""Series about machines: one row for each, whose they are, what each has cost, which nodes they are."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from prometheus_client.metrics_core import Metric

from sophia_infra.exporter.families import counter, gauge
from sophia_infra.exporter.machines import OWNERS, Machine
from sophia_infra.exporter.snapshot import Snapshot
from sophia_infra.model.money import usd_from_cents
from sophia_infra.monitoring.cost_weights import cost_weights

__all__ = ["STATUSES", "machine_families"]

STATUSES = ("booting", "active", "unhealthy", "terminating", "terminated", "preempted")
"""What the API documents."""

_PRICED = ("instance_id", "name", "instance_type", "gpu_model", "region", "owner")


def machine_families(snapshot: Snapshot, now_s: float) -> Iterator[Metric]:
    """At `now_s`, seconds since 1970. Without a sample before the first list that succeeded."""
    machines = snapshot.machines
    cost_usd = {} if snapshot.dollars is None else snapshot.dollars.cost_usd
    yield gauge(
        "lambda_cloud_instance_info",
        "1; a listed instance: its type, place, owner as seen from this stack, and node.",
        ("instance_id", "name", "instance_type", "gpu_model", "region", "stack", "owner", "node"),
        [
            (
                (
                    one.instance_id,
                    one.name,
                    one.instance_type,
                    one.gpu_model,
                    one.region,
                    one.stack,
                    one.owner,
                    one.node,
                ),
                1,
            )
            for one in machines
        ],
    )
    yield gauge(
        "lambda_cloud_instance_status",
        "1 for the status that the instance has, 0 for every other.",
        ("instance_id", "name", "status"),
        [
            ((one.instance_id, one.name, status), int(status == one.status))
            for one in machines
            for status in dict.fromkeys((*STATUSES, one.status))
        ],
    )
    yield gauge(
        "lambda_cloud_instance_age_seconds",
        "Seconds since the launch by our own tag; absent without one. 0 when that lies ahead.",
        ("instance_id", "name"),
        [
            ((one.instance_id, one.name), max(0.0, now_s - one.launched_at_s))
            for one in machines
            if one.launched_at_s is not None
        ],
    )
    yield gauge(
        "lambda_cloud_instance_usd_per_hour",
        "List price now, dollars per hour; 0 once the instance has ended.",
        _PRICED,
        [(_priced(one), usd_from_cents(one.cents_per_hour) if one.is_billed else 0) for one in machines],
    )
    yield counter(
        "lambda_cloud_instance_cost_usd_total",
        "Dollars at list price since the launch by our tag, else since it was first seen here.",
        _PRICED,
        [(_priced(one), cost_usd[one.instance_id]) for one in machines],
    )
    yield from _sums(snapshot)
    yield from _nodes(machines)


def _sums(snapshot: Snapshot) -> Iterator[Metric]:
    billed = [one for one in snapshot.machines if one.is_billed]
    yield gauge(
        "lambda_cloud_machines",
        "Billed instances by owner.",
        ("owner",),
        ()
        if snapshot.fleet is None
        else [((owner,), sum(one.owner == owner for one in billed)) for owner in OWNERS],
    )
    gpus: dict[tuple[str, str], int] = {}
    for one in billed:
        if one.gpus:
            key = (one.gpu_model, one.owner)
            gpus[key] = gpus.get(key, 0) + one.gpus
    yield gauge(
        "lambda_cloud_gpus", "GPUs of billed instances.", ("gpu_model", "owner"), sorted(gpus.items())
    )
    yield gauge(
        "lambda_cloud_machine_missing",
        "1 when no instance runs for this machine of the file, else 0.",
        ("name",),
        ()
        if snapshot.fleet is None
        else [((name,), int(missing)) for name, missing in snapshot.fleet.missing.items()],
    )


def _nodes(machines: tuple[Machine, ...]) -> Iterator[Metric]:
    # A type that the service gives away has no price to be split.
    nodes = [one for one in machines if one.node and one.is_billed and one.cents_per_hour]
    yield gauge(
        "lambda_node_usd_per_hour",
        "List price now of the machine that is this node, dollars per hour.",
        ("node", "instance_id", "instance_type", "gpu_model", "region"),
        [
            (
                (one.node, one.instance_id, one.instance_type, one.gpu_model, one.region),
                usd_from_cents(one.cents_per_hour),
            )
            for one in nodes
        ],
    )
    yield gauge(
        "lambda_node_cost_weight",
        "Share of a node's price that a resource stands for; 1 in all (monitoring/cost_weights.py).",
        ("node", "resource"),
        [((one.node, resource), share) for one in nodes for resource, share in _weights(one)],
    )


def _weights(machine: Machine) -> list[tuple[str, Decimal]]:
    weights = cost_weights(
        usd_from_cents(machine.cents_per_hour),
        vcpus=machine.vcpus,
        memory_gib=machine.memory_gib,
        gpus=machine.gpus,
    )
    return list(weights.as_mapping().items())


def _priced(machine: Machine) -> tuple[str, ...]:
    return (
        machine.instance_id,
        machine.name,
        machine.instance_type,
        machine.gpu_model,
        machine.region,
        machine.owner,
    )
