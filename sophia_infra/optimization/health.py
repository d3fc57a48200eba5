"""The health gate: what says that an action did harm. What cannot be asked is not healthy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Health", "HealthGate"]


@dataclass(frozen=True, slots=True)
class Health:
    """One look: whether all is well, and in words why not."""

    is_well: bool
    reason: str = ""


class HealthGate(Protocol):
    """Something that knows how the services are."""

    def look(self) -> Health:
        """Now. Never raises: what does not answer is not well, and the reason says so."""
        ...
