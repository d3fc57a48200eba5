"""Rules about machines: whose they are, whether they work, what their types cost and where there are some.

Machines that nobody answers for are counted together: eight forgotten ones are one alarm with eight lines.
They wake somebody from half of the stack's budget on ($4.17/h of $200 a day); below that a night costs less
than the sleep.
"""

from __future__ import annotations

from typing import Final

from sophia_infra.monitoring.rule import Alert, RuleGroup, Severity
from sophia_infra.monitoring.rules.fleet.texts import USD, USD_ROUND, VALUE_USD, asked
from sophia_infra.monitoring.terms import Terms

__all__ = ["COSTLY_SHARE", "groups"]

COSTLY_SHARE: Final = "0.5"
"""Of the budget: machines of nobody that cost more than this wake somebody."""

_OTHERS_LEFT_OUT: Final = 'owner!="other"'
_MACHINE: Final = "instance_id, name, instance_type, region"
_NAMED: Final = "{{ $labels.name }} ({{ $labels.instance_type }} in {{ $labels.region }})"
_DAY_OF_MACHINE: Final = asked(
    "max(lambda_cloud_instance_usd_per_hour{instance_id=%instance_id%}) * 24", USD_ROUND
)
_SO_FAR_OF_MACHINE: Final = asked("max(lambda_cloud_instance_cost_usd_total{instance_id=%instance_id%})", USD)


def groups(terms: Terms) -> tuple[RuleGroup, ...]:
    """Nothing without the exporter."""
    if not terms.has_exporter:
        return ()
    return (
        RuleGroup("fleet-machines-of-nobody", (*_of_nobody_alerts(),)),
        RuleGroup("fleet-machines", (_missing(), _unhealthy(), _booting())),
        RuleGroup("fleet-market", (_price_changed(), _capacity_gone())),
    )


def _of_nobody_alerts() -> tuple[Alert, ...]:
    unknown = (
        "Machines of the account carry no tag of any stack: launched by hand, or lost. `sophia instances` "
        "lists them; `sophia doctor --terminate ID` ends one."
    )
    orphaned = (
        "Machines carry this stack's tag and are not in its file, or a second one runs for one name. `sophia "
        "doctor` lists them with the command that ends each. A replacement that overlaps ends within half "
        "an hour."
    )
    return (
        _of_nobody("MachinesUnknown", "unknown", "warning", 900, unknown),
        _of_nobody("MachinesUnknownCostly", "unknown", "critical", 180, unknown),
        _of_nobody("MachinesOrphaned", "orphan", "warning", 2_700, orphaned),
        _of_nobody("MachinesOrphanedCostly", "orphan", "critical", 600, orphaned),
    )


def _of_nobody(name: str, owner: str, severity: Severity, for_s: int, description: str) -> Alert:
    rate = f'max(lambda_cloud_usd_per_hour{{owner="{owner}"}})'
    limit = f"max(lambda_cloud_budget_usd_per_hour) * {COSTLY_SHARE}" if severity == "critical" else "0"
    count = asked(f'max(lambda_cloud_machines{{owner="{owner}"}})', 'printf "%.0f"', otherwise="some")
    cost = f'lambda_cloud_instance_cost_usd_total{{owner="{owner}"}}'
    so_far = asked(f"sum(max by (instance_id) ({cost}))")
    one = "{{ .Labels.name }} {{ .Labels.instance_type }} {{ .Labels.region }} {{ .Labels.instance_id }}"
    machines = f"query `max by ({_MACHINE}) ({cost})` | sortByLabel `name`"
    listed = f"{{{{ range {machines} }}}} {one}: {{{{ .Value | {USD} }}}};{{{{ end }}}}"
    return Alert(
        name=name,
        expr=f"{rate} > {limit}",
        for_s=for_s,
        severity=severity,
        owner="platform",
        summary=f"{count} {_OWNER_WORDS[owner]} cost {VALUE_USD}/h, {asked(f'{rate} * 24', USD_ROUND)} a "
        f"day; {so_far} so far.",
        description=f"{description} Dollars so far:{listed}",
    )


_OWNER_WORDS: Final = {"unknown": "machine(s) of nobody", "orphan": "orphaned machine(s) of the stack"}


def _missing() -> Alert:
    return Alert(
        name="MachineMissing",
        expr="max by (name) (lambda_cloud_machine_missing) == 1",
        for_s=900,
        severity="warning",
        owner="platform",
        summary="{{ $labels.name }} is in the stack's file and does not run: it costs nothing, and its "
        "work is not done.",
        description="It ended, was preempted, or was never launched. `sophia preview` shows what is to be "
        "launched and whether there is capacity; `sophia up` launches it.",
    )


def _unhealthy() -> Alert:
    return Alert(
        name="MachineUnhealthy",
        expr=_billed_while("unhealthy"),
        for_s=600,
        severity="warning",
        owner="platform",
        summary=f"{_NAMED} is unhealthy and billed: {VALUE_USD}/h, {_DAY_OF_MACHINE} a day; "
        f"{_SO_FAR_OF_MACHINE} since its launch.",
        description="Lambda calls it unhealthy and bills it all the same. Some never become active again: "
        "restart it in Lambda's console; when that does not help, raise its `generation` in the stack's file "
        "and run `sophia up`.",
    )


def _booting() -> Alert:
    return Alert(
        name="MachineBootingTooLong",
        expr=_billed_while("booting"),
        # Eight GPUs were seen to take 25 minutes; the provider stops waiting after 30.
        for_s=1_800,
        severity="warning",
        owner="platform",
        summary=f"{_NAMED} boots for more than 30 minutes at {VALUE_USD}/h, {_DAY_OF_MACHINE} a day; "
        f"{_SO_FAR_OF_MACHINE} so far.",
        description="One GPU boots in 3 to 6 minutes, eight in 10 to 25. It is unlikely to come: terminate "
        "it and launch it again, in another region when there is capacity.",
    )


def _billed_while(status: str) -> str:
    """Dollars per hour of each machine in this state."""
    rate = f"max by ({_MACHINE}) (lambda_cloud_instance_usd_per_hour{{{_OTHERS_LEFT_OUT}}})"
    state = f'max by (instance_id) (lambda_cloud_instance_status{{status="{status}"}}) == 1'
    return f"{rate} * on (instance_id) group_left () ({state})"


def _price_changed() -> Alert:
    live = "max by (instance_type) (lambda_cloud_type_usd_per_hour)"
    planned = "max by (instance_type) (lambda_cloud_type_planned_usd_per_hour)"
    planned_here = asked("max(lambda_cloud_type_planned_usd_per_hour{instance_type=%instance_type%})")
    running = asked(
        "sum(lambda_cloud_instance_usd_per_hour{instance_type=%instance_type%}) * 24",
        USD_ROUND,
        otherwise="nothing",
    )
    return Alert(
        name="PriceChanged",
        # Prices are whole cents.
        expr=f"{live} and on (instance_type) (abs({live} - {planned}) > 0.005)",
        for_s=600,
        severity="warning",
        owner="platform",
        summary=f"{{{{ $labels.instance_type }}}} costs {VALUE_USD}/h, {planned_here} was planned; what "
        f"runs of it costs {running} a day.",
        description="Lambda's list price is another one than that of the dated price book. `sophia preview` "
        "shows the budget at the new price.",
    )


def _capacity_gone() -> Alert:
    gone = "max by (instance_type, region) (lambda_cloud_capacity) == 0"
    runs = 'max by (instance_type, region) (lambda_cloud_instance_info{owner="stack"})'
    cost = asked(
        "sum(lambda_cloud_instance_usd_per_hour{instance_type=%instance_type%, region=%region%})",
        otherwise="$0.00",
    )
    return Alert(
        name="CapacityGone",
        expr=f"{gone} and on (instance_type, region) {runs}",
        for_s=900,
        severity="info",
        owner="platform",
        summary=f"No more {{{{ $labels.instance_type }}}} is to be had in {{{{ $labels.region }}}}, where "
        f"{cost}/h of the stack's run: what ends there cannot be launched again now.",
        description="Do not terminate or replace a machine of this type for now. `sophia types` shows where "
        "there is capacity.",
    )
