"""How many instances of a type a region has room for, and what the list says about it."""

from __future__ import annotations

from sophia_infra.emulator.core import Core
from sophia_infra.model.catalogue import OBSERVED_REGIONS, REGIONS

__all__ = ["Capacity"]


class Capacity:
    """Room per (instance type, region). A count is a total: instances that live there use it up."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def set(self, instance_type: str, region: str, count: int | None, *, listed: bool | None = None) -> None:
        """Room for `count` instances in all (None: unlimited).

        `listed` overrides what /instance-types says about the pair; None lets the list follow the room
        (or `stale_capacity`). Both names must be known to the caller.
        """
        key = _key(instance_type, region)
        self._core.state.capacity[key] = count
        if listed is None:
            self._core.state.listed_capacity.pop(key, None)
        else:
            self._core.state.listed_capacity[key] = listed

    def has_room(self, instance_type: str, region: str, live: int) -> bool:
        """Whether one more fits beside `live` instances."""
        count = self._core.state.capacity.get(
            _key(instance_type, region), self._core.settings.default_capacity
        )
        return count is None or live < count

    def regions_shown(self) -> tuple[str, ...]:
        """Region codes that answers may name, in the order of the catalogue."""
        hidden = OBSERVED_REGIONS if self._core.settings.documented_regions_only else ()
        return tuple(region for region in REGIONS if region not in hidden)

    def regions_listed(self, instance_type: str, live_by_region: dict[str, int]) -> list[str]:
        """Region codes that /instance-types shows for the type: advisory, like the real list."""
        listed = self._core.state.listed_capacity
        stale = self._core.settings.stale_capacity
        return [
            region
            for region in self.regions_shown()
            if listed.get(
                _key(instance_type, region),
                stale or self.has_room(instance_type, region, live_by_region.get(region, 0)),
            )
        ]


def _key(instance_type: str, region: str) -> str:
    return f"{instance_type}@{region}"
