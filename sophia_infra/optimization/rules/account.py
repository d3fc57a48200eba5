"""What needs no metric: strays, machines of nobody, filesystems, the budget, prices. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from sophia_infra.model.money import HOURS_PER_MONTH, format_usd
from sophia_infra.optimization.facts import FilesystemFacts, MachineFacts
from sophia_infra.optimization.recommendation import (
    Action,
    Evidence,
    Kind,
    Recommendation,
    Saving,
    Verdict,
    recommendation_id,
)
from sophia_infra.optimization.risk import filesystem_verdict, stray_verdict
from sophia_infra.optimization.rules.look import ACCOUNT, Look
from sophia_infra.optimization.stack_change import AddMachine, StackChange

__all__ = ["find_budget", "find_filesystems", "find_prices", "find_strays", "find_untagged"]


def find_strays(look: Look) -> Iterator[Recommendation]:
    """Machines of this stack that nobody needs by the rules of `sophia doctor`."""
    for machine in look.fleet.machines:
        if machine.standing not in ("orphan", "duplicate", "to delete"):
            continue
        verdict = stray_verdict(machine, look.fleet, look.config, look.any_usage_of(machine))
        age = "unknown" if machine.age_s is None else f"{machine.age_s / 3600:.1f} h"
        command = f"sophia doctor --stack {_short(look)}"
        is_low = verdict.risk == "low"
        yield Recommendation(
            id=recommendation_id(Kind.ORPHAN, look.fleet.stack, machine.instance_id),
            kind=Kind.ORPHAN,
            subject=machine.name,
            title=f"{machine.name} ({machine.instance_id}) is {_called(machine)}: end it",
            savings={machine.key: Saving.exactly(machine.usd_per_month)},
            evidence=(
                look.price(machine),
                Evidence("found as", machine.standing, "state, account and journal, as `sophia doctor`", 0.0),
                Evidence("age", age, "its launch tag", 0.0),
            ),
            verdict=verdict,
            steps=(
                (
                    "look at the account and the state once more",
                    f"terminate {machine.instance_id} and wait until the list shows it ended",
                    f"watch the health gate for {look.config.gate_minutes} min",
                )
                if is_low
                else (f"`{command}` shows it; `{command} --terminate {machine.instance_id}` ends it",)
            ),
            undo="launch the same description again (type, region, name, SSH key, filesystems, firewall, "
            "tags), with the default image and without user data; what was on its local disk is gone"
            if machine.is_restorable
            else "",
            action=Action("end machine", machine.instance_id) if is_low else None,
        )


def find_untagged(look: Look) -> Iterator[Recommendation]:
    """Machines that neither this stack nor another one of ours launched."""
    for machine in look.fleet.machines:
        if machine.standing != "untagged":
            continue
        values = {
            "type": machine.instance_type,
            "region": machine.region,
            "purpose": "launched by hand; say what it is for",
            "protect": True,
            "adopt": {"id": machine.instance_id},
        }
        yield Recommendation(
            id=recommendation_id(Kind.UNTAGGED, look.fleet.stack, machine.instance_id),
            kind=Kind.UNTAGGED,
            subject=machine.name,
            title=f"{machine.name} ({machine.instance_id}) has no owner: adopt it, or let its owner end it",
            savings={machine.key: Saving.of(Decimal(0), Decimal(0), machine.usd_per_month)},
            evidence=(look.price(machine), Evidence("tags", "none of ours", ACCOUNT, 0.0)),
            verdict=Verdict("high", ("nothing of ours launched it, and somebody may need it",)),
            steps=(
                "ask who launched it; the console's audit log names the key",
                "needed: adopt it (the diff does), so that it is in the budget",
                "not needed: its owner ends it in the console",
            ),
            undo="take it out of the file again: `sophia up` leaves a protected machine alone",
            change=StackChange((AddMachine(_dns_name(machine), values),)),
        )


def find_filesystems(look: Look) -> Iterator[Recommendation]:
    """Filesystems that no machine mounts."""
    worth = look.fleet.worth
    for one in look.fleet.filesystems:
        if one.is_in_use or one.in_file:
            continue
        verdict = filesystem_verdict(one, look.fleet, look.config)
        is_low = verdict.risk == "low"
        yield Recommendation(
            id=recommendation_id(Kind.FILESYSTEM, look.fleet.stack, one.filesystem_id),
            kind=Kind.FILESYSTEM,
            subject=one.name,
            title=f"filesystem {one.name} in {one.region} is used by nothing",
            savings={one.key: Saving.exactly(worth[one.key])},
            evidence=(
                Evidence("holds", _held(one), "GET /file-systems, hours old", None),
                Evidence(
                    "price",
                    f"{format_usd(look.fleet.usd_per_gib_month)} a GiB and month",
                    "an example on Lambda's billing page",
                    None,
                ),
            ),
            verdict=verdict,
            steps=(
                ("look at the account once more", f"delete {one.name}", "watch the health gate")
                if is_low
                else (f"mount {one.name} and look at what is on it", "copy what is needed, then delete it")
            ),
            undo=f"make a filesystem {one.name} in {one.region} again" if one.bytes_used == 0 else "",
            action=Action("delete filesystem", one.filesystem_id) if is_low else None,
        )


def find_budget(look: Look) -> Iterator[Recommendation]:
    """The run rate beside the budget."""
    budget = look.fleet.budget
    if budget is None:
        return
    month = look.fleet.usd_per_hour * HOURS_PER_MONTH
    percent = month * 100 / budget.usd_per_month
    if percent < look.fleet.alert_percent:
        return
    over = month - budget.usd_per_month
    said = f"{format_usd(over)} a month over" if over > 0 else f"{format_usd(-over)} a month below"
    yield Recommendation(
        id=recommendation_id(Kind.BUDGET, look.fleet.stack),
        kind=Kind.BUDGET,
        subject=look.fleet.stack,
        title=f"the stack runs at {percent:.0f} % of its budget",
        savings={},
        evidence=(
            Evidence(
                "run rate",
                f"{format_usd(look.fleet.usd_per_hour)}/h, {format_usd(month)}/month",
                ACCOUNT,
                0.0,
            ),
            Evidence("budget", f"{budget}: it is {said} it", "the stack file", None),
        ),
        verdict=Verdict("high", ("a budget is changed by whoever answers for it",)),
        steps=(
            "follow other recommendations, or raise sophia:budget",
            "`sophia cost forecast` says the month's end",
        ),
        undo="set the budget back",
    )


def find_prices(look: Look) -> Iterator[Recommendation]:
    """Types whose list price has moved away from what was planned with."""
    seen: set[str] = set()
    for machine in look.fleet.own:
        planned = machine.planned_usd_per_hour
        if planned is None or machine.instance_type in seen:
            continue
        seen.add(machine.instance_type)
        change = (machine.usd_per_hour / planned - 1) * 100
        if abs(change) < look.config.price_change_percent:
            continue
        count = sum(1 for one in look.fleet.own if one.instance_type == machine.instance_type)
        month = (machine.usd_per_hour - planned) * count * HOURS_PER_MONTH
        yield Recommendation(
            id=recommendation_id(Kind.PRICE, look.fleet.stack, machine.instance_type),
            kind=Kind.PRICE,
            subject=machine.instance_type,
            title=f"{machine.instance_type} costs {change:+.1f} % against {look.fleet.prices_of}",
            savings={},
            evidence=(
                Evidence("now", f"{format_usd(machine.usd_per_hour)}/h", ACCOUNT, 0.0),
                Evidence(
                    "planned", f"{format_usd(planned)}/h", f"price book of {look.fleet.prices_of}", None
                ),
                Evidence("together", f"{format_usd(month)} a month for {count} machines", ACCOUNT, 0.0),
            ),
            verdict=Verdict("high", ("prices are the provider's; nothing is applied",)),
            steps=("look at the budget again", "look at rightsizing with the new price (`sophia optimize`)"),
            undo="nothing is changed",
        )


def _called(machine: MachineFacts) -> str:
    return {
        "orphan": "an orphan",
        "duplicate": "a second machine of one launch",
        "to delete": "left over from a replacement",
    }[machine.standing]


def _held(one: FilesystemFacts) -> str:
    return "an unknown amount" if one.bytes_used is None else f"{one.bytes_used:,} bytes"


def _dns_name(machine: MachineFacts) -> str:
    kept = "".join(char if char.isalnum() else "-" for char in machine.name.lower()).strip("-")
    return kept[:40] if kept and kept[0].isalpha() else f"adopted-{machine.instance_id[:8]}"


def _short(look: Look) -> str:
    return look.fleet.stack.rsplit("/", 1)[-1]
