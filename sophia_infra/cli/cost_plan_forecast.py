"""`sophia cost forecast`: the month's dollars at its end, for one stack, by one list request."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.stack_context import open_stack
from sophia_infra.model.money import Rate, format_usd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sophia_infra.cost.forecast import DayCost, Interval, MonthForecast
    from sophia_infra.cost.spending import Spent
    from sophia_infra.operations.fleet_status import FleetStatus
    from sophia_infra.provider.session import Session

__all__ = ["run_forecast"]


def run_forecast(stack: str, *, prometheus: str | None, as_json: bool) -> ExitCode:
    """Print the forecast; OVER_BUDGET when more is expected than the budget's month.

    Args:
        prometheus: address; its history gives the spent dollars of ended machines and the interval. None:
            only what runs is known, and no interval is given.
    """
    context = open_stack(stack)
    if context.emulator_is_stopped:
        if as_json:
            print(json.dumps({"stack": context.name, "emulator": "stopped", "expected_usd": "0"}))
        else:
            print(f"The emulator of stack {context.name} is stopped, so nothing runs. `sophia up` starts it.")
        return ExitCode.OK
    from sophia_infra.cost.forecast import forecast_month
    from sophia_infra.operations.fleet_status import build_fleet_status

    session = context.open_session()
    rows = session.instances.rows(0)
    now_s = session.clock.now()
    status = build_fleet_status(context.tag, context.instances, rows, now_s)
    spent = _spent(session, status, now_s)
    days = () if prometheus is None else _days(prometheus, now_s)
    now = datetime.fromtimestamp(int(now_s), tz=UTC)
    # Prometheus saw machines that have ended; the list knows launches from before it watched: the larger one.
    watched = sum((one.usd for one in days if one.day >= now.date().replace(day=1)), Decimal(0))
    found = forecast_month(days, now, status.usd_per_hour, spent_usd=max(spent.usd, watched))
    limit = context.config.budget.limit
    if as_json:
        print(json.dumps(_document(context.name, found, spent, status, limit), indent=2))
    else:
        _say(context.name, found, spent, status, limit)
    return ExitCode.OVER_BUDGET if found.expected_usd > limit.usd_per_month else ExitCode.OK


def _spent(session: Session, status: FleetStatus, now_s: float) -> Spent:
    from sophia_infra.cost.spending import RunningMachine, spent_this_month
    from sophia_infra.provider.tags import LAUNCHED_AT_TAG

    tags = {machine.id: machine.tags for machine in session.instances.rows(session.waits.refresh_s)}
    running = []
    for row in status.rows:
        if row.usd_per_hour:
            launched = tags.get(row.instance_id, {}).get(LAUNCHED_AT_TAG, "")
            at_s = int(launched) if launched.isdecimal() else None
            running.append(RunningMachine(row.name, row.usd_per_hour, at_s))
    return spent_this_month(running, now_s)


def _days(address: str, now_s: float) -> Sequence[DayCost]:
    """Days gone by, today's part included. Raises SourceError of the reports room."""
    from sophia_infra.metrics_client.prometheus import PrometheusApi
    from sophia_infra.reports.history import read_history

    api = PrometheusApi.from_environment(address)
    try:
        days = read_history(api, now_s, 60).cost.value or ()
    finally:
        api.close()
    today = datetime.fromtimestamp(int(now_s), tz=UTC).date()
    return [one for one in days if one.day <= today]


def _document(
    stack: str, found: MonthForecast, spent: Spent, status: FleetStatus, limit: Rate
) -> dict[str, Any]:
    return {
        "stack": stack,
        "spent_usd": str(found.spent_usd),
        "spent_unknown_since_first": list(spent.unknown),
        "usd_per_hour": str(status.usd_per_hour),
        "expected_usd": str(found.expected_usd),
        "interval_80": _interval(found.interval_80),
        "interval_95": _interval(found.interval_95),
        "budget_usd_per_month": str(limit.usd_per_month),
        "over_budget": found.expected_usd > limit.usd_per_month,
        "days": [
            {"day": one.day.isoformat(), "usd": str(one.usd), "ahead": one.is_ahead} for one in found.days
        ],
        "method": found.method,
    }


def _interval(interval: Interval | None) -> dict[str, str] | None:
    if interval is None:
        return None
    return {"low_usd": str(interval.low_usd), "high_usd": str(interval.high_usd)}


def _say(stack: str, found: MonthForecast, spent: Spent, status: FleetStatus, limit: Rate) -> None:
    print(
        f"Stack {stack}: {format_usd(found.spent_usd)} since {spent.since:%Y-%m-%d}, the month's first, "
        f"{format_usd(status.usd_per_hour)}/h now, {format_usd(found.expected_usd)} expected at its end."
    )
    for interval in (found.interval_80, found.interval_95):
        if interval is not None:
            print(
                f"With a chance of {interval.percent} % between {format_usd(interval.low_usd)} and "
                f"{format_usd(interval.high_usd)}."
            )
    if spent.unknown:
        print(f"Counted from the first, their launch time being unknown: {', '.join(spent.unknown)}.")
    budget = limit.usd_per_month
    share = found.expected_usd * 100 / budget
    print(f"Budget {limit}: {share:.0f} % of its month ({format_usd(budget)}).")
    print(found.method)
