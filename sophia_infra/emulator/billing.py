"""The meter: what instances and filesystems have cost so far. Decimal dollars, six places.

An instance costs its launch price for every started minute from launch until it ended, also while
booting or unhealthy (a user was billed for unhealthy ones). A filesystem costs by the bytes it holds.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from math import ceil

from sophia_infra.emulator.core import Core
from sophia_infra.emulator.records import FilesystemRecord, InstanceRecord
from sophia_infra.model.money import HOURS_PER_MONTH, usd_from_cents
from sophia_infra.model.price_book import PriceBook

__all__ = ["Meter"]

_MICRO_USD = Decimal("0.000001")
_BYTES_PER_GIB = 1024**3


class Meter:
    def __init__(self, core: Core) -> None:
        self._core = core

    def cents_per_hour(self, instance_type: str) -> int:
        """Today's price of one instance in US cents per hour."""
        override = self._core.settings.price_overrides_cents_per_hour.get(instance_type)
        if override is not None:
            return override
        return int(PriceBook.fallback().get(instance_type) * 100)

    def instance_usd(self, record: InstanceRecord) -> Decimal:
        """Dollars for one instance so far; final once it has ended."""
        until_s = self._core.now() if record.ended_at_s is None else record.ended_at_s
        minutes = ceil((until_s - record.launched_at_s) / 60)
        return _rounded(usd_from_cents(record.cents_per_hour) * minutes / 60)

    def filesystem_usd(self, record: FilesystemRecord) -> Decimal:
        """Dollars for one filesystem so far: usage times time, at the price book's rate."""
        hours = Decimal(str(self._core.now() - record.metered_at_s)) / 3600
        rate = PriceBook.fallback().file_storage_usd_per_gib_month
        gib = Decimal(record.bytes_used) / _BYTES_PER_GIB
        return Decimal(record.billed_usd) + _rounded(gib * rate * hours / HOURS_PER_MONTH)

    def set_filesystem_bytes(self, record: FilesystemRecord, bytes_used: int) -> None:
        """Settle what the old usage cost, then go on with `bytes_used`."""
        record.billed_usd = str(self.filesystem_usd(record))
        record.metered_at_s = self._core.now()
        record.bytes_used = bytes_used

    def close_filesystem(self, record: FilesystemRecord) -> None:
        """Keep what a filesystem cost when it is deleted."""
        state = self._core.state
        state.deleted_filesystems_usd = str(
            Decimal(state.deleted_filesystems_usd) + self.filesystem_usd(record)
        )

    def totals(self) -> dict[str, str]:
        """`usd_total` = `usd_instances` + `usd_filesystems`, and `usd_per_hour` of what lives (text)."""
        state = self._core.state
        instances = sum((self.instance_usd(one) for one in state.instances.values()), Decimal(0))
        filesystems = Decimal(state.deleted_filesystems_usd) + sum(
            (self.filesystem_usd(one) for one in state.filesystems.values()), Decimal(0)
        )
        cents = sum(one.cents_per_hour for one in state.instances.values() if one.ended_at_s is None)
        return {
            "usd_total": str(instances + filesystems),
            "usd_instances": str(instances),
            "usd_filesystems": str(filesystems),
            "usd_per_hour": str(usd_from_cents(cents)),
        }


def _rounded(usd: Decimal) -> Decimal:
    return usd.quantize(_MICRO_USD, rounding=ROUND_HALF_EVEN)
