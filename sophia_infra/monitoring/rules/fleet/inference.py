"""Rules about the inference gateway: dollars, budgets, refusals and backends.

The plan's rule stays as it was printed, for whoever waits for its name. It compares every series (model,
backend, user, kind) alone with $10 and then waits an hour: at a steady $12/h in one series its first message
comes after 1 h 51 min and $22.20, two users of $6/h are never seen, and a spike of $30 keeps it true for
about an hour, so that the moment of evaluation decides. `InferenceCostsHigh` adds up, and speaks at 80 % of
the hour's limit, before the gateway refuses: after 41 minutes and $8.20.

Burn is measured against the month's budget. Inference comes in bursts: all of a budget spent in nine office
hours is 2.7 times its pace by day. So pages keep the factors of the SRE workbook (14.4 and 6), and the ticket
over three days starts at 1.2 where the workbook has 1.0, which a budget that is used up exactly would reach.
Counters start from the ledger's totals: only their increases are added up.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from sophia_infra.monitoring.rule import Alert, Recording, RuleGroup, duration
from sophia_infra.monitoring.rules.fleet.texts import (
    USD,
    USD_ROUND,
    VALUE_PERCENT,
    VALUE_USD,
    asked,
)
from sophia_infra.monitoring.slo import PAGE, BurnWindow, burn_condition
from sophia_infra.monitoring.terms import Terms

__all__ = ["BURN_WINDOWS_S", "TICKET", "groups"]

TICKET: Final = (BurnWindow(Decimal(3), 86_400, 7_200), BurnWindow(Decimal("1.2"), 259_200, 21_600))
BURN_WINDOWS_S: Final = tuple(
    sorted({seconds for window in (*PAGE, *TICKET) for seconds in (window.long_s, window.short_s)})
)

_WARN_AT: Final = Decimal("0.8")
"""Share of a limit from which to warn: the gateway's own default (alert_percent)."""

_HOURS_PER_MONTH: Final = 720
_COST: Final = "lambda_inference_cost_total"
_TOKENS: Final = "lambda_inference_tokens_total"
_REFUSED: Final = "lambda_inference_refused_total"
_RATE: Final = "inference:usd_per_hour:rate5m"


def groups(terms: Terms) -> tuple[RuleGroup, ...]:
    """Nothing without a gateway."""
    if not terms.has_gateway:
        return ()
    team = next(one.team for one in terms.of_kind("gateway"))
    costs = (*_cost_alerts(terms, team), *_burn_alerts(terms, team))
    return (
        RuleGroup("inference-costs", (*_dollars(), *_burn(terms), *costs)),
        RuleGroup("inference-usage", _usage()),
        RuleGroup("inference-budgets", (_user_near_budget(team), _refused_by_budget(team))),
    )


def _dollars() -> tuple[Recording, ...]:
    """Dollars per hour: in all, and by model, user and backend."""
    hourly = f"rate({_COST}[5m])"
    return (
        Recording(_RATE, f"sum({hourly}) * 3600"),
        *(
            Recording(f"inference_{label}:usd_per_hour:rate5m", f"sum by ({label}) ({hourly}) * 3600")
            for label in ("model", "user", "backend")
        ),
        Recording("inference:usd_per_hour:rate30m", f"sum(rate({_COST}[30m])) * 3600"),
        # Tiles of 30 minutes: 30 days of every counter would be read otherwise.
        Recording("inference:cost_usd:sum30d", "sum_over_time(inference:usd_per_hour:rate30m[30d:30m]) / 2"),
    )


def _usage() -> tuple[Recording, ...]:
    requests, hits = "lambda_inference_requests_total", "lambda_inference_cache_hits_total"
    tokens_1h = f"(sum by (model) (increase({_TOKENS}[1h])) > 0)"
    return (
        Recording("inference_model:tokens_per_second:rate5m", f"sum by (model, kind) (rate({_TOKENS}[5m]))"),
        Recording(
            "inference_model:usd_per_thousand_tokens:ratio_rate1h",
            f"1000 * sum by (model) (increase({_COST}[1h])) / {tokens_1h}",
        ),
        Recording(
            "inference_model:cache_hits_per_request:ratio_rate1h",
            f"sum by (model) (increase({hits}[1h])) / (sum by (model) (increase({requests}[1h])) > 0)",
        ),
    )


def _burn(terms: Terms) -> tuple[Recording, ...]:
    """Dollars of a window divided by the month's share of it: 1 uses the budget up in exactly 30 days."""
    return tuple(
        Recording(
            _burn_name(seconds), f"sum(increase({_COST}[{duration(seconds)}])) / {_share(terms, seconds)}"
        )
        for seconds in BURN_WINDOWS_S
    )


def _cost_alerts(terms: Terms, team: str) -> tuple[Alert, ...]:
    limit = terms.inference_usd_per_hour
    near = _plain(limit * _WARN_AT)
    return (
        Alert(
            name="HighInferenceCosts",
            expr=f"increase({_COST}[1h]) > 10",
            for_s=3_600,
            severity="warning",
            owner=team,
            summary=f"{{{{ $labels.user }}}} spent {VALUE_USD} on {{{{ $labels.model }}}} "
            f"({{{{ $labels.kind }}}}) in an hour, for an hour.",
            description="The plan's own rule: one series at a time, an hour late. InferenceCostsHigh came "
            "before it. `sophia inference usage --by user` shows who spends.",
        ),
        Alert(
            name="InferenceCostsHigh",
            # The second half ends the alarm when the spending ends, not an hour later.
            expr=f"sum(increase({_COST}[1h])) > {near} and sum(increase({_COST}[5m])) * 12 > {near}",
            for_s=0,
            severity="warning",
            owner=team,
            summary=f"Inference cost {VALUE_USD} in an hour, {asked(f'{_RATE} * 24', USD_ROUND)} a day at "
            f"the present pace; the gateway refuses from ${limit} an hour on.",
            description="All users, models and backends together. `sophia inference usage --by user` shows "
            "who spends; sophia:gateway.users.<name>.budget limits one of them.",
        ),
    )


def _burn_alerts(terms: Terms, team: str) -> tuple[Alert, ...]:
    month = terms.inference_usd_per_month
    times = '{{ $value | printf "%.1f" }} times'
    return (
        Alert(
            name="InferenceBudgetBurnsFast",
            expr=burn_condition(PAGE, _burns),
            for_s=0,
            severity="critical",
            owner=team,
            summary=f"Inference spends {times} as fast as ${month} a month allows: {_spent(terms, 3_600)} "
            f"in the last hour, {_spent(terms, 21_600)} in the last 6.",
            description="At this pace the month's budget is gone within days, and then every call is "
            "refused. `sophia inference usage --by user` shows who spends.",
        ),
        Alert(
            name="InferenceBudgetBurns",
            expr=burn_condition(TICKET, _burns),
            for_s=0,
            severity="warning",
            owner=team,
            summary=f"Inference spends {times} as fast as ${month} a month allows: {_spent(terms, 86_400)} "
            f"in the last day, {_spent(terms, 259_200)} in the last 3.",
            description="The month's budget will not last. `sophia inference break-even` says from which "
            "use an own GPU is cheaper; sophia:gateway.budget is where the limits are.",
        ),
    )


def _user_near_budget(team: str) -> Alert:
    return Alert(
        name="InferenceUserNearBudget",
        expr=f"max by (user) (lambda_inference_budget_use_ratio) >= {_WARN_AT}",
        for_s=300,
        severity="warning",
        owner=team,
        summary=f"{{{{ $labels.user }}}} has used {VALUE_PERCENT} of the fullest budget that binds it, at "
        + asked("inference_user:usd_per_hour:rate5m{user=%user%}", otherwise="$0.00")
        + "/h now.",
        description="At 100 % its calls are refused until the hour, day or month ends. Its own budget or the "
        "one for all may be the fullest: `sophia inference usage --by user`.",
    )


def _refused_by_budget(team: str) -> Alert:
    return Alert(
        name="InferenceRefusedByBudget",
        expr=f'sum(increase({_REFUSED}{{code="insufficient_quota"}}[15m])) > 5',
        for_s=0,
        severity="warning",
        owner=team,
        summary='{{ $value | printf "%.0f" }} calls were refused in 15 minutes because a budget is used up; '
        f"inference costs {asked(_RATE)}/h now.",
        description="Callers get 429 insufficient_quota. `sophia inference usage` shows which budget is full "
        "and when it is whole again.",
    )


def _burns(seconds: int, factor: Decimal) -> str:
    return f"{_burn_name(seconds)} > {factor}"


def _burn_name(seconds: int) -> str:
    return f"inference:budget_burn:ratio{duration(seconds)}"


def _spent(terms: Terms, seconds: int) -> str:
    return asked(f"{_burn_name(seconds)} * {_share(terms, seconds)}", USD)


def _share(terms: Terms, seconds: int) -> str:
    """Dollars of the month's budget that belong to so many seconds, as PromQL."""
    return f"({_plain(terms.inference_usd_per_month)} * {seconds} / {_HOURS_PER_MONTH * 3_600})"


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")
