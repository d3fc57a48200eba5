"""Dollars of the whole stack: refused before the first machine, and counted again at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from sophia_infra.model.money import RATE_PATTERN, Rate, format_usd, parse_rate
from sophia_infra.model.resource_tokens import resource_token
from sophia_policies.machines import Bill, Machine, add_up, is_instance, machine_of, machines_of
from sophia_policies.plain import Resource
from sophia_policies.rule import (
    Finding,
    ResourceRule,
    Setting,
    Situation,
    StackRule,
    cannot_tell,
    note,
    violation,
)

__all__ = ["ROOT_STACK", "RULES"]

ROOT_STACK = "pulumi:pulumi:Stack"

_DEFAULT_ALERT_PERCENT = 80


def _limit(situation: Situation, periods: tuple[str, ...]) -> Rate | None:
    """The limit that pack configuration gives, else the stack's own when it counts in one of `periods`."""
    text = situation.settings.get("limit")
    if isinstance(text, str) and text:
        return parse_rate(text)
    if situation.stack_config is None:
        return None
    own = situation.stack_config.budget.limit
    return own if own.period in periods else None


def _alert_percent(situation: Situation) -> int:
    percent = situation.settings.get("alert_percent")
    if isinstance(percent, int):
        return percent
    config = situation.stack_config
    return config.budget.alert_percent if config else _DEFAULT_ALERT_PERCENT


def _check_monthly(resources: Sequence[Resource], situation: Situation) -> Iterator[Finding]:
    limit = _limit(situation, ("day", "month"))
    if limit is not None:
        yield from _compare(resources, situation, limit, "month")


def _check_hourly(resources: Sequence[Resource], situation: Situation) -> Iterator[Finding]:
    limit = _limit(situation, ("h",))
    if limit is not None:
        yield from _compare(resources, situation, limit, "h")


def _compare(
    resources: Sequence[Resource], situation: Situation, limit: Rate, period: str
) -> Iterator[Finding]:
    machines = machines_of(resources)
    bill = add_up(machines, situation.prices)
    yield from _unsure(bill)
    rate = Rate(bill.usd_per_hour)
    if rate.usd_per_month > limit.usd_per_month:
        sentence = _sentence(rate, limit, period, situation)
        if any(not machine.is_adopted for machine in machines):
            yield violation(sentence)
        else:
            yield note(
                f"{sentence}; all of it is adopted and paid already, and nothing can be launched on top"
            )
        return
    dearest = Rate(bill.dearest_usd_per_hour)
    if dearest.usd_per_month > limit.usd_per_month:
        yield note(
            f"within the budget as wanted, but with the fallbacks "
            f"{_sentence(dearest, limit, period, situation)}"
        )
    percent = rate.usd_per_month * 100 / limit.usd_per_month
    if percent >= _alert_percent(situation):
        yield note(f"{_amount(rate, period)} is {percent:.1f} % of the budget of {limit}")


def _unsure(bill: Bill) -> Iterator[Finding]:
    for machine, kind in bill.unpriced:
        yield violation(
            f"{machine.name} is a {kind}, which has no list price, so that the budget cannot be kept",
            machine.resource,
        )
    if bill.uncertain:
        names = ", ".join(machine.name for machine in bill.uncertain)
        yield cannot_tell(f"the type of {names} is not known, so the sum holds only the others")


def _sentence(rate: Rate, limit: Rate, period: str, situation: Situation) -> str:
    over = _in_period(rate, period) - _in_period(limit, period)
    return (
        f"{_amount(rate, period)} is over the budget of {limit} by {format_usd(over)}/{period} "
        f"(list prices of {situation.prices.as_of})"
    )


def _amount(rate: Rate, period: str) -> str:
    return f"{format_usd(_in_period(rate, period))}/{period}"


def _in_period(rate: Rate, period: str) -> Decimal:
    return rate.usd_per_hour if period == "h" else rate.usd_per_month


def _check_before_launch(resource: Resource, situation: Situation) -> Iterator[Finding]:
    """At the stack itself: what the stack file asks for. At each machine: what was registered so far."""
    limit = _limit(situation, ("h", "day", "month"))
    if limit is None:
        return
    declared = _over(_declared(situation), limit, situation)
    if resource.type == ROOT_STACK:
        if declared is not None:
            yield violation(
                f"the stack file asks for machines whose {_sentence(declared, limit, 'month', situation)}"
            )
        return
    machines = machines_of(situation.seen)
    if machine_of(resource) in add_up(machines, situation.prices).uncertain:
        yield cannot_tell(f"the type of {resource.name} is not known, so its price is not in the sum")
    now = _over(machines, limit, situation)
    before = _over([item for item in machines if item.resource.urn != resource.urn], limit, situation)
    if now is not None and before is None and declared is None:  # else it was said before
        yield violation(f"with {resource.name}, {_sentence(now, limit, 'month', situation)}")


def _over(machines: Sequence[Machine], limit: Rate, situation: Situation) -> Rate | None:
    """The run rate of `machines` when it is above `limit` and launching less would lower it; else None."""
    rate = Rate(add_up(machines, situation.prices).usd_per_hour)
    is_over = rate.usd_per_month > limit.usd_per_month
    return rate if is_over and any(not machine.is_adopted for machine in machines) else None


def _declared(situation: Situation) -> list[Machine]:
    """The machines of the stack file, up to its phase."""
    if situation.stack_config is None:
        return []
    return [
        Machine(
            Resource(resource_token("Instance", "dynamic"), name),
            ((item.type, item.region),),
            {},
            item.is_adopted,
        )
        for name, item in situation.stack_config.instances().items()
    ]


def _limit_setting(example: str, source: str) -> dict[str, Setting]:
    return {
        "limit": Setting(
            {"type": "string", "pattern": f"^$|{RATE_PATTERN}"},
            "",
            f"for example `{example}`; default: {source}",
        ),
        "alert_percent": Setting(
            {"type": ["integer", "null"], "minimum": 1, "maximum": 100},
            None,
            "percent of the limit from which to say so; default: that of `sophia:budget`, else 80",
        ),
    }


_REASON = "Nobody notices a GPU that runs too long before the invoice does."
_FIX = "Take machines out of `sophia:fleet`, choose cheaper types, or raise `sophia:budget` on purpose."


def _is_stack_or_machine(resource: Resource) -> bool:
    return resource.type == ROOT_STACK or is_instance(resource)


RULES: Iterable[ResourceRule | StackRule] = (
    StackRule(
        name="monthly-budget",
        level="mandatory",
        summary="All machines of the stack together stay within the budget per month of 720 h. "
        "Over it, adopted machines alone are only noted: they are paid already.",
        reason=_REASON,
        fix=_FIX,
        settings=_limit_setting("$3,600/month", "the limit of `sophia:budget` when it is per day or month"),
        check=_check_monthly,
    ),
    StackRule(
        name="hourly-budget",
        level="mandatory",
        summary="All machines of the stack together stay within the budget per hour.",
        reason=_REASON,
        fix=_FIX,
        settings=_limit_setting("$10/h", "the limit of `sophia:budget` when it is per hour"),
        check=_check_hourly,
    ),
    ResourceRule(
        name="budget-before-launch",
        level="mandatory",
        summary="The budget is checked before the first resource and before each machine.",
        reason="`up --skip-preview` looks at the whole stack only when everything is launched and paid.",
        fix=_FIX,
        settings={
            "limit": Setting(
                {"type": "string", "pattern": f"^$|{RATE_PATTERN}"},
                "",
                "for example `$3,600/month`; default: the limit of `sophia:budget`",
            )
        },
        applies=_is_stack_or_machine,
        check=_check_before_launch,
    ),
)
