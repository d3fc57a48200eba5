"""Firewall rules, which are sent and received in one form, and the rulesets that hold them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from sophia_infra.lambda_cloud.answer_fields import Fields
from sophia_infra.lambda_cloud.answers import region_name
from sophia_infra.lambda_cloud.errors import InvalidSpec, UnexpectedAnswer

__all__ = ["PROTOCOLS", "FirewallRule", "FirewallRuleset", "GlobalFirewallRuleset", "build_rules"]

PROTOCOLS = ("tcp", "udp", "icmp", "all")
DESCRIPTION_CHARACTERS = 128
LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class FirewallRule:
    """One inbound rule; there are only rules that allow. Rules have no id: equal fields are the same rule."""

    protocol: str
    """`tcp`, `udp`, `icmp` or `all`."""
    source_network: str
    """IPv4 CIDR; a bare address becomes `/32`, which is what it means to the service."""
    description: str = ""
    """Up to 128 characters."""
    port_range: tuple[int, int] | None = None
    """First and last port, 1 to 65535; None for icmp, which must have none."""

    def __post_init__(self) -> None:
        if "/" not in self.source_network and _is_ipv4(self.source_network):
            object.__setattr__(self, "source_network", f"{self.source_network}/32")

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "FirewallRule")
        ports = fields.optional_many("port_range", _parse_port)
        if len(ports) not in {0, 2}:
            raise UnexpectedAnswer(f"FirewallRule.port_range has {len(ports)} ports in the answer, not 2")
        return cls(
            protocol=fields.text("protocol"),
            source_network=fields.text("source_network"),
            description=fields.optional_text("description") or "",
            port_range=(ports[0], ports[1]) if ports else None,
        )

    def build(self) -> dict[str, object]:
        """The rule as JSON. Raises InvalidSpec when it breaks a rule of the API."""
        self._check()
        body: dict[str, object] = {
            "protocol": self.protocol,
            "source_network": self.source_network,
            "description": self.description,
        }
        return body if self.port_range is None else {**body, "port_range": list(self.port_range)}

    def _check(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise InvalidSpec(f"protocol is {self.protocol!r}; allowed are {', '.join(PROTOCOLS)}")
        if not _is_ipv4(self.source_network):
            raise InvalidSpec(f"source_network is {self.source_network!r}, which is no IPv4 network")
        if len(self.description) > DESCRIPTION_CHARACTERS:
            raise InvalidSpec(
                f"description of a firewall rule is {len(self.description)} characters long; "
                f"{DESCRIPTION_CHARACTERS} are allowed"
            )
        if self.protocol == "icmp":
            if self.port_range is not None:
                raise InvalidSpec("port_range must be absent for icmp, which has no ports")
        elif self.port_range is None:
            raise InvalidSpec(f"port_range is missing; {self.protocol} needs one")
        elif not 1 <= self.port_range[0] <= self.port_range[1] <= LAST_PORT:
            raise InvalidSpec(
                f"port_range is {self.port_range[0]} to {self.port_range[1]}; "
                f"allowed are 1 to {LAST_PORT}, first before last"
            )


def build_rules(rules: Sequence[FirewallRule]) -> list[dict[str, object]]:
    """`rules` as JSON. Raises InvalidSpec for the first that breaks a rule of the API."""
    return [rule.build() for rule in rules]


def _parse_port(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise UnexpectedAnswer("FirewallRule.port_range has something else than integers in the answer")
    return value


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class FirewallRuleset:
    """Rules of one region, under a name; `instance_ids` are the instances that were launched with it."""

    id: str
    name: str
    region: str
    rules: tuple[FirewallRule, ...]
    created: str
    instance_ids: tuple[str, ...]

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "FirewallRuleset")
        return cls(
            id=fields.text("id"),
            name=fields.text("name"),
            region=fields.one("region", region_name),
            rules=fields.many("rules", FirewallRule.parse),
            created=fields.text("created"),
            instance_ids=fields.texts("instance_ids"),
        )


@dataclass(frozen=True, slots=True)
class GlobalFirewallRuleset:
    """The rules of every instance of the account; `id` is `global`. They do not apply to us-south-1."""

    id: str
    name: str
    rules: tuple[FirewallRule, ...]

    @classmethod
    def parse(cls, value: object) -> Self:
        fields = Fields(value, "GlobalFirewallRuleset")
        return cls(fields.text("id"), fields.text("name"), fields.many("rules", FirewallRule.parse))
