"""Dollars by namespace and by team."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from sophia_infra.model.errors import UnknownPrice
from sophia_infra.model.money import RATE_PATTERN, Rate, format_usd, parse_rate
from sophia_policies.gpu_capacity import demands_of
from sophia_policies.machines import Machine, machines_of
from sophia_policies.plain import Resource, is_unknown, text_of
from sophia_policies.rule import Finding, Setting, Situation, StackRule, cannot_tell, violation

__all__ = ["NO_TEAM", "RULES"]

NO_TEAM = "(none)"


def _check_teams(resources: Sequence[Resource], situation: Situation) -> Iterator[Finding]:
    limits = situation.settings["limits"]
    if not limits:
        return
    usd: dict[str, Decimal] = defaultdict(Decimal)
    for machine in machines_of(resources):
        team = machine.tag("team")
        price = _price(machine, situation)
        if is_unknown(team) or price is None:
            yield cannot_tell(
                f"the team or the price of {machine.name} is not known; it is not counted", machine.resource
            )
        else:
            usd[text_of(team) or NO_TEAM] += price
    for team, text in limits.items():
        yield from _compare(f"team {team}", usd[team], parse_rate(text))


def _check_namespaces(resources: Sequence[Resource], situation: Situation) -> Iterator[Finding]:
    limits = situation.settings["limits"]
    if not limits:
        return
    prices = _usd_per_gpu_hour(resources, situation)
    usd: dict[str, Decimal] = defaultdict(Decimal)
    for demand in demands_of(resources, None):
        template = demand.template
        fitting = [price for model, price in prices if demand.model in (None, model)]
        if is_unknown(demand.pods) or is_unknown(demand.gpus) or not fitting:
            yield cannot_tell(
                f"what the GPUs of {template.resource.name} cost is not known; they are not counted",
                template.resource,
            )
            continue
        # A pod that is bound to no model may land on the dearest one.
        usd[template.namespace] += max(fitting) * demand.pods * demand.gpus
    for namespace, text in limits.items():
        yield from _compare(f"namespace {namespace}", usd[namespace], parse_rate(text))


def _usd_per_gpu_hour(resources: Sequence[Resource], situation: Situation) -> list[tuple[str, Decimal]]:
    found: list[tuple[str, Decimal]] = []
    for machine in machines_of(resources):
        price = _price(machine, situation)
        if price is not None and machine.row and machine.row.gpu_model:
            found.append((machine.row.gpu_model, price / machine.row.gpu_count))
    return found


def _price(machine: Machine, situation: Situation) -> Decimal | None:
    try:
        return None if is_unknown(machine.type) else situation.prices.get(text_of(machine.type))
    except UnknownPrice:
        return None


def _compare(who: str, usd_per_hour: Decimal, limit: Rate) -> Iterator[Finding]:
    if usd_per_hour > limit.usd_per_hour:
        rate = Rate(usd_per_hour)
        yield violation(
            f"{who} costs {format_usd(rate.usd_per_hour)}/h ({format_usd(rate.usd_per_month)}/month), "
            f"more than its {limit}"
        )


def _rates_setting(example: str) -> dict[str, Setting]:
    return {
        "limits": Setting(
            {"type": "object", "additionalProperties": {"type": "string", "pattern": RATE_PATTERN}},
            {},
            f"for example `{example}`; empty: no limit",
        )
    }


RULES: Iterable[StackRule] = (
    StackRule(
        name="usd-per-team",
        level="mandatory",
        summary="The machines of one team (tag `team`) stay within the team's budget.",
        reason="A stack within its budget can still be used up by one team.",
        fix=f"Give machines back, or raise `limits`; machines without the tag count for `{NO_TEAM}`.",
        settings=_rates_setting('{"research": "$40/day"}'),
        check=_check_teams,
    ),
    StackRule(
        name="usd-per-namespace",
        level="mandatory",
        summary="The GPUs that one namespace may use at its largest stay within its budget.",
        reason="Autoscalers spend at night; a namespace has to have a ceiling in dollars, not only in GPUs.",
        fix="Lower replicas or autoscaler maxima of the namespace, or raise `limits`.",
        settings=_rates_setting('{"sophia-ai-prod": "$100/day"}'),
        check=_check_namespaces,
    ),
)
