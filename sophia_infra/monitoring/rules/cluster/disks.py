"""Rules about what fills up: disks of nodes and volumes of claims, by the trend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sophia_infra.monitoring.rule import Alert, RuleGroup, Severity
from sophia_infra.monitoring.rules.cluster.parts import PLATFORM
from sophia_infra.monitoring.terms import Terms

__all__ = ["groups"]


@dataclass(frozen=True, slots=True)
class _Pace:
    """How fast it fills.

    Attributes:
        unit: end of the alert's name.
        free_ratio: only below this share of free space; the trend of an empty disk means nothing.
        window: what the trend is drawn from, as PromQL writes it.
        ahead_s: how far it is followed.
    """

    unit: str
    free_ratio: float
    window: str
    ahead_s: int
    for_s: int
    severity: Severity
    words: str


_PACES: Final = (
    _Pace("Hours", 0.2, "1h", 4 * 3600, 900, "critical", "four hours"),
    _Pace("Days", 0.4, "6h", 4 * 86_400, 3600, "warning", "four days"),
)
_DISKS: Final = '{fstype!~"tmpfs|ramfs|overlay|squashfs|iso9660|fuse.*|nfs.*|virtiofs"}'
_DISK: Final = "node, mountpoint"
_CLAIM: Final = "namespace, persistentvolumeclaim"


def groups(_terms: Terms) -> list[RuleGroup]:
    """Four hours and four days ahead."""
    return [RuleGroup("sophia-disks", tuple(make(pace) for make in (_disk, _volume) for pace in _PACES))]


def _disk(pace: _Pace) -> Alert:
    free = f"node_filesystem_avail_bytes{_DISKS}"
    writable = f"unless on ({_DISK}) node_filesystem_readonly == 1"
    return Alert(
        f"DiskFullIn{pace.unit}",
        f"{_fills(_DISK, free, f'node_filesystem_size_bytes{_DISKS}', pace)}\n{writable}",
        for_s=pace.for_s,
        severity=pace.severity,
        owner=PLATFORM,
        summary="{{ $labels.mountpoint }} of {{ $labels.node }} has {{ $value | humanizePercentage }} left "
        f"and is full in {pace.words} at this rate.",
        description="Images, logs and local volumes share this disk; when it is full the node evicts pods.",
    )


def _volume(pace: _Pace) -> Alert:
    free, size = "kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes"
    return Alert(
        f"VolumeFullIn{pace.unit}",
        _fills(_CLAIM, free, size, pace),
        for_s=pace.for_s,
        severity=pace.severity,
        owner=PLATFORM,
        summary="Claim {{ $labels.persistentvolumeclaim }} in {{ $labels.namespace }} has "
        f"{{{{ $value | humanizePercentage }}}} left and is full in {pace.words} at this rate.",
        description="k3s' local-path cannot grow a volume and counts the whole disk of the node: free space, "
        "or move to a larger claim.",
    )


def _fills(labels: str, free: str, size: str, pace: _Pace) -> str:
    return (
        f"min by ({labels}) ({free} / {size}) < {pace.free_ratio}\n"
        f"and on ({labels})\n"
        f"min by ({labels}) (predict_linear({free}[{pace.window}], {pace.ahead_s})) < 0"
    )
