"""`sophia:rollout`: steps in which traffic moves to something new, and how long each is watched."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Final

from pydantic import Field

from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import ClosedModel, Form, number_form, text_form

__all__ = ["RolloutConfig"]

_MOST_STEPS: Final = 20
_WEIGHT: Final = {"type": "integer", "minimum": 1, "maximum": 100}


def _parse_weights(value: object) -> tuple[int, ...]:
    """Percent, rising, the last one 100."""
    allowed = "whole numbers from 1 to 100, each above the one before, the last one 100"
    if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= _MOST_STEPS:
        raise Refused(f"is not a list of 1 to {_MOST_STEPS} weights", allowed=allowed)
    weights: list[int] = []
    for one in value:
        if isinstance(one, bool) or not isinstance(one, int) or not 1 <= one <= 100:
            raise Refused("holds something that is no percentage", allowed=allowed)
        weights.append(one)
    if weights != sorted(set(weights)) or weights[-1] != 100:
        raise Refused("does not rise to 100", allowed=allowed)
    return tuple(weights)


def _check_address(text: str) -> None:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        raise Refused("is not an IPv4 address") from None
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        raise Refused("is no address that a cluster can send traffic to")


Weights = Annotated[
    tuple[int, ...],
    Form(
        _parse_weights,
        {"type": "array", "items": _WEIGHT, "minItems": 1, "maxItems": _MOST_STEPS},
        list,
    ),
]


class RolloutConfig(ClosedModel):
    """Steps of `sophia canary` and `sophia cutover`."""

    weights: Weights = Field(
        default=(5, 25, 50, 100),
        description="Percent of the traffic that the new side gets, step by step. Default [5, 25, 50, 100].",
    )
    bake_minutes: Annotated[float, number_form(0, 10_080)] = Field(
        default=10.0,
        description="How long each step has to stay healthy without a break, in minutes, above 0 and up to "
        "10080. Default 10: two of the shortest windows that errors are measured over.",
    )
    no_data_minutes: Annotated[float, number_form(0, 1440)] = Field(
        default=10.0,
        description="How long a step may go without a measurement before the traffic goes back, in minutes, "
        "above 0 and up to 1440. Default 10. No data is not healthy.",
    )
    ready_minutes: Annotated[float, number_form(0, 240)] = Field(
        default=15.0,
        description="How long the new pods may take until they are ready, in minutes, above 0 and up to 240. "
        "Default 15; a model that loads its weights needs more.",
    )
    swarm_address: Annotated[str, text_form("an address", max_characters=15, extra=_check_address)] | None = (
        Field(
            default=None,
            description="IPv4 address where the old Docker Swarm publishes its ports, for `sophia cutover`. "
            "Default none: there is no Swarm to move from.",
        )
    )

    @property
    def timing(self) -> dict[str, Any]:
        """The three limits in seconds, as `rollout.shifting.Timing` takes them."""
        return {
            "bake_s": self.bake_minutes * 60,
            "no_data_s": self.no_data_minutes * 60,
            "ready_s": self.ready_minutes * 60,
        }
