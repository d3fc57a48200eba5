"""Where one machine may be launched: a type in a region, and what may be taken instead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["LaunchChoice", "launch_choices"]


@dataclass(frozen=True, slots=True)
class LaunchChoice:
    """An instance type (API name) and a region (code) to try."""

    instance_type: str
    region: str

    def __str__(self) -> str:
        return f"{self.instance_type} in {self.region}"


def launch_choices(
    instance_type: str, region: str, fallbacks: Iterable[tuple[str | None, str | None]]
) -> tuple[LaunchChoice, ...]:
    """What to try, in order: the wanted type and region, then the fallbacks.

    Args:
        fallbacks: (type, region) each; what is None or empty is as wanted.
    """
    return (
        LaunchChoice(instance_type, region),
        *(LaunchChoice(other or instance_type, place or region) for other, place in fallbacks),
    )
