"""The resource kind FirewallRuleset: inbound rules of one region; its rules change in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sophia_infra.lambda_cloud import FirewallRule
from sophia_infra.provider.in_use import delete_when_free
from sophia_infra.provider.keeping import stays
from sophia_infra.provider.outcome import Checked, Created, Diff, Found, Props, same
from sophia_infra.provider.session import Session

__all__ = ["FirewallRulesetKind"]


class FirewallRulesetKind:
    """Properties: `name` (up to 64 characters), `region` and `rules`.

    A rule is `{protocol, ports: [first, last] or absent, source, description}`. A ruleset of the same
    name and region is taken over and gets our rules: rulesets carry no tags, so the name is the key.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def check(self, _olds: Mapping[str, Any], news: Props) -> Checked:
        return Checked(news, tuple((name, "is missing") for name in ("name", "region") if not news.get(name)))

    def diff(self, resource_id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Diff:
        changed = tuple(
            name for name in ("name", "region", "rules") if not same(olds.get(name), news.get(name))
        )
        replaces = tuple(name for name in changed if name == "region")
        if not replaces:
            self._session.memory.keep(resource_id, str(news["name"]))
        return Diff(changes=changed, replaces=replaces)

    def create(self, news: Props) -> Created:
        rules = _rules(news)
        rows = self._session.firewall_rulesets.rows(self._session.waits.fresh_s)
        found = next((row for row in rows if (row.name, row.region) == (news["name"], news["region"])), None)
        if found is None:
            found = self._session.client.create_firewall_ruleset(news["name"], news["region"], rules)
        elif list(found.rules) != rules:
            found = self._session.client.update_firewall_ruleset(found.id, rules=rules)
        self._session.firewall_rulesets.make_stale()
        self._session.memory.hand_out(found.id)
        return Created(found.id, {**news, "firewall_ruleset_id": found.id})

    def read(self, resource_id: str, props: Props) -> Found:
        for row in self._session.firewall_rulesets.rows(self._session.waits.refresh_s):
            if row.id != resource_id:
                continue
            drift: Props = {}
            if row.name != props.get("name"):
                drift["name"] = row.name
            if list(row.rules) != _rules(props):
                drift["rules"] = [_rule_props(rule) for rule in row.rules]
            outputs = {**props, **drift}
            inputs = {name: value for name, value in outputs.items() if name != "firewall_ruleset_id"}
            return Found(row.id, outputs, inputs=inputs if drift else None)
        return Found(None)

    def update(self, resource_id: str, olds: Mapping[str, Any], news: Props) -> Props:
        self._session.client.update_firewall_ruleset(resource_id, name=news["name"], rules=_rules(news))
        self._session.firewall_rulesets.make_stale()
        return {**news, "firewall_ruleset_id": olds.get("firewall_ruleset_id", resource_id)}

    def delete(self, resource_id: str, props: Mapping[str, Any]) -> None:
        if stays(self._session, resource_id, f"firewall ruleset {props.get('name', resource_id)}"):
            return
        delete_when_free(
            self._session,
            lambda: self._session.client.delete_firewall_ruleset(resource_id),
            label=f"firewall ruleset {props.get('name', resource_id)}",
            is_held_by=lambda machine: resource_id in machine.firewall_ruleset_ids,
        )
        self._session.firewall_rulesets.make_stale()


def _rules(props: Mapping[str, Any]) -> list[FirewallRule]:
    return [
        FirewallRule(
            protocol=row["protocol"],
            source_network=row["source"],
            description=row.get("description") or "",
            port_range=(int(row["ports"][0]), int(row["ports"][1])) if row.get("ports") else None,
        )
        for row in props.get("rules") or ()
    ]


def _rule_props(rule: FirewallRule) -> Props:
    props: Props = {
        "protocol": rule.protocol,
        "source": rule.source_network,
        "description": rule.description,
    }
    if rule.port_range:
        props["ports"] = list(rule.port_range)
    return props
