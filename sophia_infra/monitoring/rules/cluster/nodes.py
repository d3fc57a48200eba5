"""Rules about machines as nodes: lost, not joined, under pressure, with a wrong clock."""

from __future__ import annotations

from typing import Final

from sophia_infra.monitoring.rule import Alert, RuleGroup
from sophia_infra.monitoring.rules.cluster.parts import DOLLARS, NODE_USD, PLATFORM
from sophia_infra.monitoring.terms import Terms

__all__ = ["groups"]

_NOT_READY: Final = 'max by (node) (kube_node_status_condition{condition="Ready",status="true"} == 0)'

_BOOT_S: Final = 1200
"""Boot and join take 4 to 15 minutes; more than 20 is a machine that is paid for and does nothing."""

_MACHINE: Final = "name, instance_id, instance_type, region, node"


def groups(terms: Terms) -> list[RuleGroup]:
    """Machines that are missing, then those that struggle."""
    return [RuleGroup("sophia-nodes", (*_machines(terms), *_loads()))]


def _machines(terms: Terms) -> list[Alert]:
    lost = _NOT_READY
    price = ""
    if terms.has_exporter:
        # A node without a price, such as one outside Lambda, still alarms: with 0.
        price = "{{ if gt $value 0.0 }} It costs " + DOLLARS + " an hour meanwhile.{{ end }}"
        lost = f"{NODE_USD} and on (node) {_NOT_READY}\nor on (node)\n{_NOT_READY}"
    made = [
        Alert(
            "NodeLost",
            lost,
            for_s=300,
            severity="critical",
            owner=PLATFORM,
            summary=f"Node {{{{ $labels.node }}}} has not been ready for five minutes.{price}",
            description="Its pods do not answer, or soon move. Compare with `sophia status`: a machine that "
            "is unhealthy or terminated at Lambda has to be replaced; log in to one that is active.",
        )
    ]
    return [*made, _not_joined()] if terms.has_exporter else made


def _not_joined() -> Alert:
    """Machines of this cluster's regions: where Prometheus sees nodes of one region, others are elsewhere."""
    active = (
        f'max by ({_MACHINE}) (lambda_cloud_instance_info{{owner="stack",node!=""}})\n'
        "* on (instance_id) group_left ()\n"
        "max by (instance_id) (lambda_cloud_instance_usd_per_hour)\n"
        'and on (instance_id) (lambda_cloud_instance_status{status="active"} == 1)\n'
        "unless on (node) kube_node_info"
    )
    seen = "count by (region) (max by (node, region) (lambda_node_usd_per_hour) and on (node) kube_node_info)"
    return Alert(
        "NodeNotJoined",
        f"({active})\nand on (region) {seen}\nor\n({active})\nand on () count({seen}) > 1",
        for_s=_BOOT_S,
        severity="critical",
        owner=PLATFORM,
        summary="Machine {{ $labels.name }} ({{ $labels.instance_type }}) runs for "
        + DOLLARS
        + " an hour and is no node of the cluster.",
        description="It has been active for 20 minutes and did not join. Read its boot log, or end it.",
    )


def _loads() -> list[Alert]:
    return [
        Alert(
            "NodeUnderPressure",
            "max by (node, condition) (kube_node_status_condition"
            '{condition=~".*Pressure",status="true"} == 1)',
            for_s=300,
            severity="warning",
            owner=PLATFORM,
            summary="Node {{ $labels.node }} reports {{ $labels.condition }}.",
            description="The kubelet evicts pods, those without requests first, and takes no new ones.",
        ),
        Alert(
            "NodeMemoryNearFull",
            "1 - min by (node) (node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes) > 0.95",
            for_s=600,
            severity="warning",
            owner=PLATFORM,
            summary="{{ $value | humanizePercentage }} of the memory of {{ $labels.node }} is taken.",
            description="The kernel is about to kill the largest process there.",
        ),
        Alert(
            "NodeCpuSaturated",
            '1 - avg by (node) (rate(node_cpu_seconds_total{mode="idle"}[5m])) > 0.9',
            for_s=1800,
            severity="warning",
            owner=PLATFORM,
            summary="The CPUs of {{ $labels.node }} have been {{ $value | humanizePercentage }} busy for "
            "half an hour.",
            description="A GPU that waits for its CPU is paid for and idle. Move pods without GPU elsewhere.",
        ),
        Alert(
            "NodeClockOff",
            "max by (node) (abs(node_timex_offset_seconds)) > 0.05\nor on (node)\n"
            "max by (node) (node_timex_maxerror_seconds) >= 16 and on (node) node_timex_sync_status == 0",
            for_s=600,
            severity="warning",
            owner=PLATFORM,
            summary="The clock of {{ $labels.node }} is off or follows no reference.",
            description="Certificates, tokens, leases and costs by the minute all depend on it.",
        ),
    ]
