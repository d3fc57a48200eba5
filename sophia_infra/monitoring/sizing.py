"""How large the disk and the memory of a Prometheus have to be for what it scrapes.

    series  = sum over targets of (targets of a kind x series of one)  + recorded series
    rate    = scraped series / scrape_s + recorded series / evaluation_s         samples a second
    blocks  = rate x BYTES_PER_SAMPLE x retention                                bytes on disk
    wal     = rate x WAL_BYTES_PER_SAMPLE x WAL_S, at least three segments       bytes before they are a block
    claim   = (blocks + wal) x CHURN / SHARE_FOR_DATA, in whole GiB

Sources: Prometheus' documentation, page Storage: needed_disk_space = retention_time_seconds *
ingested_samples_per_second * bytes_per_sample; 1 to 2 bytes a sample; at least three write-ahead log files of
128 MiB and two hours of raw samples; retention.size at 80 to 85 % of the disk. Series of one target are
estimates, rounded up, from the exporters' own lists of metrics in 2026-08. Pods that come and go leave series
behind: CHURN stands for them. Nobody promises a figure for memory: 8 KiB for each series in the head are
twice what an idle Prometheus is seen to take, because rules and dashboards ask for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

__all__ = ["SERIES_PER_TARGET", "SHARE_FOR_DATA", "Demand", "Size", "size_for"]

GIB: Final = 1 << 30
MIB: Final = 1 << 20
BYTES_PER_SAMPLE: Final = 2
WAL_BYTES_PER_SAMPLE: Final = 12
WAL_S: Final = 3 * 3600
WAL_SEGMENT_BYTES: Final = 128 * MIB
CHURN: Final = 1.3
SHARE_FOR_DATA: Final = 0.85
"""Of the claim: Prometheus deletes its oldest blocks above it, so that the rest is never used up."""
BASE_MEMORY_BYTES: Final = 256 * MIB
MEMORY_BYTES_PER_SERIES: Final = 8 * 1024
SECONDS_PER_DAY: Final = 86_400

SERIES_PER_TARGET: Final[Mapping[str, int]] = MappingProxyType(
    {
        "node": 2_600,  # node-exporter 1,400 at 30 CPUs, kubelet 1,200
        "gpu": 45,  # one for each row of the counters
        "pod": 170,  # cAdvisor 60, kube-state-metrics 110
        "control_plane": 16_000,  # API server, its histograms above all; CoreDNS
        "self": 6_000,  # Prometheus, Alertmanager, Grafana, the operators
        "http": 450,
        "vllm": 900,
        "gateway": 2_500,
        "n8n": 250,
        "postgres": 900,
        "redis": 450,
        "qdrant": 350,
        "route": 60,  # of the ingress controller
        "machine": 60,  # of our own exporter
    }
)
"""Kind of target -> series of one."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What one Prometheus has to keep.

    Attributes:
        targets: kind, a key of SERIES_PER_TARGET -> how many.
        recorded_series: series that rules make.
        scrape_s, evaluation_s: seconds between two samples of a scraped and of a recorded series.
        retention_days: how long they are kept.
    """

    targets: Mapping[str, int] = field(default_factory=dict)
    recorded_series: int = 0
    scrape_s: int = 30
    evaluation_s: int = 30
    retention_days: int = 30

    @property
    def scraped_series(self) -> int:
        return sum(SERIES_PER_TARGET[kind] * count for kind, count in self.targets.items())

    @property
    def samples_per_s(self) -> float:
        return self.scraped_series / self.scrape_s + self.recorded_series / self.evaluation_s


@dataclass(frozen=True, slots=True)
class Size:
    """What that takes.

    Attributes:
        claim_gib: whole GiB of the claim.
        memory_mib: what its process needs, in steps of 256 MiB.
    """

    claim_gib: int
    memory_mib: int


def size_for(demand: Demand) -> Size:
    """Disk and memory for `demand`; neither shrinks when something is added."""
    rate = demand.samples_per_s
    blocks_bytes = rate * BYTES_PER_SAMPLE * demand.retention_days * SECONDS_PER_DAY
    wal_bytes = max(rate * WAL_BYTES_PER_SAMPLE * WAL_S, 3 * WAL_SEGMENT_BYTES)
    claim_bytes = (blocks_bytes + wal_bytes) * CHURN / SHARE_FOR_DATA
    series = demand.scraped_series + demand.recorded_series
    memory_bytes = BASE_MEMORY_BYTES + series * CHURN * MEMORY_BYTES_PER_SERIES
    step_bytes = 256 * MIB
    return Size(math.ceil(claim_bytes / GIB), math.ceil(memory_bytes / step_bytes) * 256)
