"""Firewall rulesets, the global ruleset and the older account-wide rules. Inbound allow rules only."""

from __future__ import annotations

import ipaddress
from typing import Any

from sophia_infra.emulator.core import Core
from sophia_infra.emulator.errors import (
    INVALID_PARAMETERS,
    LAUNCH_RESOURCE_NOT_FOUND,
    QUOTA_EXCEEDED,
    RULESET_IN_USE,
    RULESET_NOT_FOUND,
    Refused,
)
from sophia_infra.emulator.records import RuleRecord, RulesetRecord
from sophia_infra.model.catalogue import REGIONS

__all__ = ["GLOBAL_RULESET_NAME", "Firewalls", "parse_rules"]

GLOBAL_RULESET_NAME = "Default Workspace Global Rules"


def parse_rules(rules: list[dict[str, Any]]) -> list[RuleRecord]:
    """Rules as the document's schema lets them through, with the conditions it states in prose.

    Raises:
        Refused: 400; ports are missing, given for icmp or reversed, or the source is no IPv4 network.
    """
    return [_parse_rule(index, rule) for index, rule in enumerate(rules)]


def _parse_rule(index: int, rule: dict[str, Any]) -> RuleRecord:
    protocol, ports = rule["protocol"], rule.get("port_range")
    if protocol == "icmp" and ports is not None:
        raise Refused(INVALID_PARAMETERS, f"rules/{index}/port_range is not allowed for icmp.")
    if protocol != "icmp" and ports is None:
        raise Refused(INVALID_PARAMETERS, f"rules/{index}/port_range is required for {protocol}.")
    if ports is not None and ports[0] > ports[1]:
        raise Refused(INVALID_PARAMETERS, f"rules/{index}/port_range must be [min, max].")
    try:
        network = ipaddress.IPv4Network(rule["source_network"], strict=False)
    except ValueError:
        raise Refused(INVALID_PARAMETERS, f"rules/{index}/source_network is not an IPv4 network.") from None
    return RuleRecord(
        protocol,
        None if ports is None else [int(port) for port in ports],
        str(network),
        rule["description"],
    )


class Firewalls:
    def __init__(self, core: Core) -> None:
        self._core = core

    def all(self) -> list[RulesetRecord]:
        return list(self._core.state.rulesets.values())

    def get(self, ruleset_id: str) -> RulesetRecord:
        try:
            return self._core.state.rulesets[ruleset_id]
        except KeyError:
            raise Refused(RULESET_NOT_FOUND) from None

    def instance_ids(self, ruleset_id: str) -> list[str]:
        """Instances that carry the ruleset and have not ended."""
        return [
            one.id
            for one in self._core.state.instances.values()
            if one.ended_at_s is None and ruleset_id in one.firewall_ruleset_ids
        ]

    def create(self, name: str, region: str, rules: list[dict[str, Any]]) -> RulesetRecord:
        if region not in REGIONS:
            raise Refused(INVALID_PARAMETERS, f"Region {region!r} does not exist.")
        parsed = parse_rules(rules)
        quota = self._core.settings.quota_rulesets
        if quota is not None and len(self._core.state.rulesets) >= quota:
            raise Refused(QUOTA_EXCEEDED)
        record = RulesetRecord(self._core.new_id(), name, region, parsed, self._core.now())
        self._core.state.rulesets[record.id] = record
        self._core.audit("firewall_ruleset", "created", [record.id], name=name, region=region)
        return record

    def update(self, ruleset_id: str, name: str | None, rules: list[dict[str, Any]] | None) -> RulesetRecord:
        """Replace the name, the whole list of rules, or both; None leaves one as it is."""
        record = self.get(ruleset_id)
        parsed = None if rules is None else parse_rules(rules)
        if name is not None:
            record.name = name
        if parsed is not None:
            record.rules = parsed
        self._core.audit("firewall_ruleset", "updated", [ruleset_id])
        return record

    def delete(self, ruleset_id: str) -> None:
        self.get(ruleset_id)
        if self.instance_ids(ruleset_id):
            raise Refused(RULESET_IN_USE)
        del self._core.state.rulesets[ruleset_id]
        self._core.audit("firewall_ruleset", "deleted", [ruleset_id])

    def ids_for_launch(self, wanted: list[dict[str, str]], region: str) -> list[str]:
        """Ruleset ids of a launch in `region`. Refused: one does not exist, or stands elsewhere."""
        for entry in wanted:
            record = self._core.state.rulesets.get(entry["id"])
            if record is None:
                raise Refused(LAUNCH_RESOURCE_NOT_FOUND, f"Firewall ruleset {entry['id']!r} does not exist.")
            if record.region != region:
                raise Refused(
                    INVALID_PARAMETERS, f"Firewall ruleset {record.name!r} is not in region {region}."
                )
        return list(dict.fromkeys(entry["id"] for entry in wanted))

    def global_rules(self) -> list[RuleRecord]:
        return self._core.state.global_rules

    def update_global(self, rules: list[dict[str, Any]] | None) -> list[RuleRecord]:
        if rules is not None:
            self._core.state.global_rules = parse_rules(rules)
        self._core.audit("firewall_ruleset", "updated", ["global"])
        return self._core.state.global_rules

    def account_rules(self) -> list[RuleRecord]:
        """The older rules of the whole account; the service does not apply them in us-south-1."""
        return self._core.state.account_rules

    def set_account_rules(self, rules: list[dict[str, Any]]) -> list[RuleRecord]:
        self._core.state.account_rules = parse_rules(rules)
        self._core.audit("firewall_rule", "updated", [])
        return self._core.state.account_rules
