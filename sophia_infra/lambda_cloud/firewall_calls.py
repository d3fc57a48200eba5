"""Calls about firewall rules and rulesets. They do not apply to us-south-1."""

from __future__ import annotations

from collections.abc import Sequence

from sophia_infra.lambda_cloud.answer_fields import parse_list
from sophia_infra.lambda_cloud.calls import Calls, nothing, payload
from sophia_infra.lambda_cloud.errors import InvalidSpec
from sophia_infra.lambda_cloud.firewall import (
    FirewallRule,
    FirewallRuleset,
    GlobalFirewallRuleset,
    build_rules,
)
from sophia_infra.lambda_cloud.specs import NAME_CHARACTERS, check_text

__all__ = ["FirewallCalls"]


class FirewallCalls(Calls):
    """Inbound rules: the account's own, and rulesets that a launch names.

    A list of rules is always replaced as a whole. Every method that sends rules raises InvalidSpec before
    anything is sent when one of them breaks a rule of the API.
    """

    def list_firewall_rules(self) -> list[FirewallRule]:
        """The account-wide rules (the older interface; see `get_global_firewall_ruleset`)."""
        return self._perform("firewallRulesList", payload(_parse_rules))

    def set_firewall_rules(self, rules: Sequence[FirewallRule]) -> list[FirewallRule]:
        """Replace all account-wide rules by these; the rules in force afterwards."""
        return self._perform("firewallRulesSet", payload(_parse_rules), body={"data": build_rules(rules)})

    def list_firewall_rulesets(self) -> list[FirewallRuleset]:
        """Every ruleset, without the global one."""
        return self._perform(
            "firewallRulesetsList",
            payload(lambda data: parse_list(data, "data", FirewallRuleset.parse)),
        )

    def create_firewall_ruleset(
        self, name: str, region: str, rules: Sequence[FirewallRule]
    ) -> FirewallRuleset:
        """Make a ruleset (name up to 64 characters, not known to be unique) for launches in `region`."""
        return self._perform(
            "createFirewallRuleset",
            payload(FirewallRuleset.parse),
            body={
                "name": check_text("name", name, longest=NAME_CHARACTERS),
                "region": region,
                "rules": build_rules(rules),
            },
        )

    def get_firewall_ruleset(self, ruleset_id: str) -> FirewallRuleset:
        """One ruleset. Raises NotFound."""
        return self._perform("getFirewallRuleset", payload(FirewallRuleset.parse), ids={"id": ruleset_id})

    def update_firewall_ruleset(
        self,
        ruleset_id: str,
        *,
        name: str | None = None,
        rules: Sequence[FirewallRule] | None = None,
    ) -> FirewallRuleset:
        """Change name, rules, or both; it applies to running instances. None leaves a thing as it is."""
        if name is None and rules is None:
            raise InvalidSpec("neither name nor rules is given; there is nothing to update")
        body: dict[str, object] = {}
        if name is not None:
            body["name"] = check_text("name", name, longest=NAME_CHARACTERS)
        if rules is not None:
            body["rules"] = build_rules(rules)
        return self._perform(
            "updateFirewallRuleset", payload(FirewallRuleset.parse), ids={"id": ruleset_id}, body=body
        )

    def delete_firewall_ruleset(self, ruleset_id: str) -> None:
        """Delete a ruleset. Raises InUse while an instance was launched with it, NotFound when it is gone."""
        self._perform("deleteFirewallRuleset", nothing, ids={"id": ruleset_id})

    def get_global_firewall_ruleset(self) -> GlobalFirewallRuleset:
        """The rules that apply to every instance of the account."""
        return self._perform("getGlobalFirewallRuleset", payload(GlobalFirewallRuleset.parse))

    def update_global_firewall_ruleset(self, rules: Sequence[FirewallRule]) -> GlobalFirewallRuleset:
        """Replace the rules that apply to every instance of the account."""
        return self._perform(
            "updateGlobalFirewallRuleset",
            payload(GlobalFirewallRuleset.parse),
            body={"rules": build_rules(rules)},
        )


def _parse_rules(data: object) -> list[FirewallRule]:
    return parse_list(data, "data", FirewallRule.parse)
