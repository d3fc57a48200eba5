"""How the price of a machine is split between its GPUs, its CPUs and its memory, for dollars per workload.

Lambda sells whole machines, so a split is a convention. Ours stands on one fact: what vCPUs and memory cost
where they are sold alone, as `cpu_4x_general`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Final

from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.price_book import PriceBook

__all__ = ["CPU_TYPE", "CostWeights", "cost_weights"]

CPU_TYPE: Final = "cpu_4x_general"
"""The only type that is sold without a GPU."""

_GPU_SHARE_AT_LEAST: Final = Decimal("0.5")
_PLACES: Final = Decimal("0.000001")
_ONE: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class CostWeights:
    """Shares of a machine's price, each 0 to 1; together exactly 1."""

    gpu: Decimal
    cpu: Decimal
    memory: Decimal

    def as_mapping(self) -> Mapping[str, Decimal]:
        """Resource -> share."""
        return {"gpu": self.gpu, "cpu": self.cpu, "memory": self.memory}


def cost_weights(usd_per_hour: Decimal, *, vcpus: int, memory_gib: int, gpus: int) -> CostWeights:
    """Split the price of one machine.

    The price of `cpu_4x_general` (4 vCPUs, 16 GiB, $0.20/h in the price book of 2026-08-20) counts half for
    its vCPUs and half for its memory: $0.025 a vCPU and $0.00625 a GiB per hour. That half and half is our
    convention. What the machine's vCPUs and memory cost at these rates is their part of its price, and the
    rest is the GPUs'. Their part is cut to half of the price where it is more, in proportion: nobody rents a
    GPU machine for its memory, though the ones with the most of it (GH200: 432 GiB) would look like that.

    Args:
        usd_per_hour: price of the whole machine, above 0.
        vcpus, memory_gib, gpus: of the whole machine. Without GPUs their weight is 0.
    """
    usd_per_vcpu, usd_per_gib = _rates_of_cpu_machines()
    cpu_usd, memory_usd = usd_per_vcpu * vcpus, usd_per_gib * memory_gib
    total_usd = cpu_usd + memory_usd
    if not gpus:
        cpu = (cpu_usd / total_usd).quantize(_PLACES)
        return CostWeights(Decimal(0), cpu, _ONE - cpu)
    kept = min(total_usd, usd_per_hour * (_ONE - _GPU_SHARE_AT_LEAST)) / usd_per_hour
    cpu = (kept * cpu_usd / total_usd).quantize(_PLACES)
    memory = (kept * memory_usd / total_usd).quantize(_PLACES)
    return CostWeights(_ONE - cpu - memory, cpu, memory)


@cache
def _rates_of_cpu_machines() -> tuple[Decimal, Decimal]:
    """Dollars per hour for one vCPU and for one GiB of memory, of the dated price book."""
    row = CATALOGUE[CPU_TYPE]
    half_usd = PriceBook.fallback().get(CPU_TYPE) / 2
    return half_usd / row.vcpus, half_usd / row.memory_gib
