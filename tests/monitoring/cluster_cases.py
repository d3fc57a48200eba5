"""What the cases about clusters share: the terms, the prices, and cases in pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

from sophia_infra.monitoring.rules import all_alerts
from sophia_infra.monitoring.terms import Terms
from tests.monitoring.rule_cases import Case, local_terms

BEFORE = "just before its delay is over"
"""Part of the name of a case that does not fire yet."""

GH200 = 'instance_type="gpu_1x_gh200",gpu_model="GH200"'
NODE_PRICE = f'lambda_node_usd_per_hour{{node="core",instance_id="i-1",{GH200},region="us-east-3"}}'


@cache
def cluster_terms() -> Terms:
    """Stack local with everything on, n8n's rows as n8n."""
    terms = local_terms()
    services = tuple(
        replace(service, kind="n8n") if service.name in ("n8n-main", "n8n-worker") else service
        for service in terms.services
    )
    return replace(terms, services=services, has_keda=True, has_forecast=True)


def silent(
    alert: str, name: str, series: Mapping[str, str], at_s: int | None = None, *, step_s: int = 60
) -> Case:
    """It does not fire, also ten minutes after it would have."""
    terms = cluster_terms()
    if at_s is None:
        at_s = all_alerts(terms)[alert].for_s + 600
    return Case(alert, name, series, at_s, (), step_s, terms)


def fires(
    alert: str,
    name: str,
    series: Mapping[str, str],
    labels: Mapping[str, str] | Sequence[Mapping[str, str]],
    *,
    from_s: int = 0,
    step_s: int = 60,
) -> list[Case]:
    """It fires after its delay, and one step before that it does not.

    Args:
        from_s: when its expression becomes true: seconds after the first sample.
    """
    terms = cluster_terms()
    alarms = (labels,) if isinstance(labels, Mapping) else tuple(labels)
    for_s = all_alerts(terms)[alert].for_s
    # Groups are judged in any order, so what another group records may come a step later.
    made = [Case(alert, name, series, from_s + for_s + 2 * step_s, alarms, step_s, terms)]
    if for_s:
        at_s = from_s + for_s - step_s
        made.append(Case(alert, f"{name}, {BEFORE}", series, at_s, (), step_s, terms))
    return made
