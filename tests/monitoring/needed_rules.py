"""A rule file cut down to what some alerts need: the same rules, a fiftieth of the time for promtool."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tests.promql_expressions import metric_names


def needed_rules(
    document: dict[str, Any], alerts: Collection[str], exprs: Collection[str] = ()
) -> dict[str, Any]:
    """The groups of `document` with these alerts and every recording that they, or `exprs`, read."""
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    wanted = [rule for rule in rules if rule.get("alert") in alerts]
    read = {name for expr in (*exprs, *(rule["expr"] for rule in wanted)) for name in metric_names(expr)}
    while more := [rule for rule in rules if rule.get("record") in read and rule not in wanted]:
        wanted += more
        read |= {name for rule in more for name in metric_names(rule["expr"])}
    groups = ({**group, "rules": [r for r in group["rules"] if r in wanted]} for group in document["groups"])
    return {"groups": [group for group in groups if group["rules"]]}
