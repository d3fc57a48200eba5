"""Firewall rulesets: what may reach the instances from outside. Inbound allow rules only, IPv4 only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import ClosedModel, Conflict, ConflictsFound, choice_form, text_form
from sophia_infra.model.value_types import Ports, Region, SourceNetwork

__all__ = ["FirewallConfig", "FirewallRuleConfig", "Protocol"]

Protocol = Literal["tcp", "udp", "icmp", "all"]


class FirewallRuleConfig(ClosedModel):
    """One kind of traffic that is let in."""

    protocol: Annotated[Protocol, choice_form("a protocol", ("tcp", "udp", "icmp", "all"))] = Field(
        description="tcp, udp, icmp or all. No default: what is opened is always written out."
    )
    ports: Ports | None = Field(
        default=None,
        description='One port ("22") or a range ("8000-8100") within 1 to 65535. Default none: required for '
        "tcp, udp and all, forbidden for icmp, which has no ports.",
    )
    source: SourceNetwork = Field(
        description="IPv4 network that may connect, in CIDR notation; one address means /32. No default: "
        "opening a port to everybody (0.0.0.0/0) is always written out."
    )
    description: Annotated[str, text_form("a description", max_characters=128, min_characters=0)] = Field(
        default="",
        description="At most 128 characters (API limit). Default empty: the API wants the field, not a text.",
    )

    @model_validator(mode="after")
    def _ports_fit_protocol(self) -> Self:
        conflicts = list(self._find_conflicts())
        if conflicts:
            raise ConflictsFound(conflicts)
        return self

    def _find_conflicts(self) -> Iterator[Conflict]:
        if self.protocol == "icmp" and self.ports is not None:
            yield Conflict(("ports",), Refused("does not go with icmp, which has no ports"), str(self.ports))
        if self.protocol != "icmp" and self.ports is None:
            yield Conflict(
                ("ports",),
                Refused(f"is missing; protocol {self.protocol} needs it", allowed='"22", "8000-8100"'),
            )


class FirewallConfig(ClosedModel):
    """A ruleset of one region. Instances of that region refer to it by name."""

    region: Region = Field(
        description="Region code; the same as that of the instances that use it (API rule). No default: it "
        "cannot be changed later."
    )
    rules: tuple[FirewallRuleConfig, ...] = Field(
        description="Inbound allow rules; everything else stays closed. No default, may be empty; changed in "
        "place without touching an instance."
    )
