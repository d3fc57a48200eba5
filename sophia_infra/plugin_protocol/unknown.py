"""The value that the engine will know only after another resource is made. Imports nothing: kinds use it."""

from __future__ import annotations

from typing import Final

__all__ = ["UNKNOWN", "Unknown"]


class Unknown:
    """The type of UNKNOWN. Equal to nothing else."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __copy__(self) -> Unknown:
        return self  # code compares by identity

    def __deepcopy__(self, memo: object) -> Unknown:
        return self


UNKNOWN: Final = Unknown()
