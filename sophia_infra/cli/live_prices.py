"""What the stack's cloud says about prices, capacity and what runs; dated prices where it does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from sophia_infra.cli.stack_context import StackContext
from sophia_infra.cost.changes import Plan
from sophia_infra.cost.prices import Prices
from sophia_infra.cost.report import LiveFacts
from sophia_infra.cost.spending import RunningMachine, spent_this_month
from sophia_infra.lambda_cloud import Instance
from sophia_infra.lambda_cloud.errors import LambdaCloudError
from sophia_infra.model.price_book import PriceBook
from sophia_infra.provider.errors import SettingsRefused
from sophia_infra.provider.instance_spec import LIVE_STATUSES
from sophia_infra.provider.tags import LAUNCHED_AT_TAG, STACK_TAG

__all__ = ["CloudAnswer", "ask_cloud", "dated_prices"]


@dataclass(frozen=True, slots=True)
class CloudAnswer:
    """Prices, live facts, and sentences about what could not be asked."""

    prices: Prices
    live: LiveFacts
    notices: tuple[str, ...] = ()


def dated_prices(notice: str = "") -> CloudAnswer:
    """The price book of 2026-08-20 and no live facts."""
    return CloudAnswer(Prices((PriceBook.fallback(),)), LiveFacts(), (notice,) if notice else ())


def ask_cloud(context: StackContext, plan: Plan) -> CloudAnswer:
    """Two list requests; nothing is changed. An unreachable cloud means dated prices and a notice."""
    if context.emulator_is_stopped:
        return dated_prices(f"The emulator of stack {context.name} is stopped: dated prices, no capacity.")
    try:
        session = context.open_session()
        listed = session.client.list_instance_types()
        machines = session.instances.rows(0)
    except (LambdaCloudError, SettingsRefused) as error:
        return dated_prices(f"The cloud could not be asked, so prices are dated: {error}")
    cents = {name: row.instance_type.price_cents_per_hour for name, row in listed.items()}
    now_s = session.clock.now()
    book = PriceBook.live(cents, now_s)
    if context.config.endpoint == "emulator":
        book = replace(book, source="the Lambda Cloud emulator, GET /instance-types")
    billed = [machine for machine in machines if machine.status in LIVE_STATUSES]
    held = {change.instance_id for change in plan.changes}
    mine = [m for m in billed if m.id in held or m.tags.get(STACK_TAG) == context.tag]
    others = [m for m in billed if m.id not in held and not _is_wanted(context, m)]
    return CloudAnswer(
        Prices((book, PriceBook.fallback())),
        LiveFacts(
            capacity={name: row.regions_with_capacity for name, row in listed.items()},
            spent=spent_this_month(_running(mine), now_s),
            others=Counter(machine.instance_type.name for machine in others),
        ),
    )


def _is_wanted(context: StackContext, machine: Instance) -> bool:
    """Whether the stack file adopts it: then the plan counts it already."""
    adopted = [config.adopt for config in context.config.fleet.values() if config.adopt is not None]
    return any(machine.id == adopt.id if adopt.id else machine.name == adopt.name for adopt in adopted)


def _running(machines: Iterable[Instance]) -> Iterable[RunningMachine]:
    for machine in machines:
        launched_at = machine.tags.get(LAUNCHED_AT_TAG, "")
        yield RunningMachine(
            machine.name or machine.id,
            machine.instance_type.usd_per_hour,
            int(launched_at) if launched_at.isdecimal() else None,
        )
