"""How long a machine takes to boot, and what is added to it when a replacement overlaps.

Source: facts 1.6. One GPU: 3 to 5 minutes promised, 4:04 measured on 1x A10, 238 to 333 s on H100.
Eight GPUs: 10 to 15 promised, up to 25 seen. Between them nobody measured: interpolated, as in the emulator.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from sophia_infra.model.catalogue import CATALOGUE

__all__ = ["OVERLAP_MARGIN_MINUTES", "Minutes", "boot_minutes", "gpu_count", "gpu_model"]

NO_GPU = "no GPU"


@dataclass(frozen=True, slots=True)
class Minutes:
    """From `low` to `high`, both whole minutes. Prints `3-6 min`."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.low}-{self.high} min"

    def plus(self, minutes: int) -> Minutes:
        return Minutes(self.low + minutes, self.high + minutes)


BOOT_MINUTES: Final = (
    (0, Minutes(3, 6)),
    (2, Minutes(5, 10)),
    (4, Minutes(7, 15)),
    (8, Minutes(10, 25)),
)
"""(GPUs from, minutes from launch to active)."""

OVERLAP_MARGIN_MINUTES: Final = 5
"""Added to a boot: the launch call, the SSH server behind active, the terminate and its refusals."""


def boot_minutes(instance_type: str) -> Minutes:
    """Expected minutes from launch to active, by the number of GPUs."""
    gpus = gpu_count(instance_type)
    return next(minutes for start, minutes in reversed(BOOT_MINUTES) if start <= gpus)


def gpu_count(instance_type: str) -> int:
    """GPUs of one instance; of a type newer than the catalogue as its API name says, `gpu_8x_...`."""
    known = CATALOGUE.get(instance_type)
    if known is not None:
        return known.gpu_count
    match = re.match(r"gpu_([0-9]+)x_", instance_type)
    return int(match[1]) if match else 0


def gpu_model(instance_type: str) -> str:
    """`GH200`, `A100`, ...; the type's own name when the catalogue lacks it; `no GPU` for CPU types."""
    known = CATALOGUE.get(instance_type)
    if known is None:
        return instance_type
    return known.gpu_model or NO_GPU
