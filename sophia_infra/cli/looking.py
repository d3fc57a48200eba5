"""`sophia status`, `instances`, `types` and `doctor`: they look, and only `doctor --terminate` touches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sophia_infra.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from sophia_infra.cli.stack_context import StackContext
    from sophia_infra.engine.stack_file import PreparedStack

__all__ = ["run_doctor", "run_instances", "run_status", "run_types"]


def run_status(stack: str, *, as_json: bool) -> ExitCode:
    """The stack's machines and their cost, by one list request, and services of clusters here; no engine."""
    from sophia_infra.cli.stack_context import open_stack

    # Said before the file is checked and the cloud asked, which takes half a second.
    context = open_stack(stack, on_found=None if as_json else _say_title)
    if context.emulator_is_stopped:
        return _say_stopped(context, as_json=as_json)

    from sophia_infra.cli.kubernetes_view import kubernetes_document, look_at_clusters, show_kubernetes
    from sophia_infra.cli.local_kubernetes import kubernetes_mode
    from sophia_infra.cli.views import make_console, show_fleet
    from sophia_infra.operations.fleet_status import build_fleet_status
    from sophia_infra.provider.clustered_machines import machines_of_clusters

    session = context.open_session()
    rows = session.instances.rows(0)
    clustered = machines_of_clusters(session.client, context.config.one_click_ids)
    status = build_fleet_status(
        context.tag, context.instances, rows, session.clock.now(), clustered=clustered
    )
    mode = kubernetes_mode(context.home, context.config, context.prepared.phase)
    clusters = look_at_clusters(context.home, mode)
    if as_json:
        document: dict[str, Any] = {
            "stack": context.name,
            "phase": context.prepared.phase,
            "machines": [row.as_json() for row in status.rows],
            "usd_per_hour": str(status.usd_per_hour),
            "usd_per_month_720h": str(status.usd_per_month),
            "training_machines": status.training_machines,
            "training_usd_per_hour": str(status.training_usd_per_hour),
            "other_machines": status.other_machines,
            "other_usd_per_hour": str(status.other_usd_per_hour),
            "kubernetes": kubernetes_document(context.home, context.name, mode, clusters),
        }
        print(json.dumps(document, indent=2))
    else:
        console = make_console()
        show_fleet(console, None, status, context.budget_usd_per_hour)
        show_kubernetes(console, context.home, context.name, mode, clusters)
    return ExitCode.OK


def run_instances(stack: str, *, as_json: bool) -> ExitCode:
    """All machines of the account that the stack's key can see, of whatever stack."""
    from sophia_infra.cli.stack_context import open_stack

    context = open_stack(stack)
    if context.emulator_is_stopped:
        return _say_stopped(context, as_json=as_json)

    from rich.table import Table

    from sophia_infra.cli.views import make_console, print_table
    from sophia_infra.model.money import format_usd
    from sophia_infra.operations.fleet_status import usd_so_far
    from sophia_infra.provider.tags import STACK_TAG

    session = context.open_session()
    machines = session.instances.rows(0)
    now_s = session.clock.now()
    if as_json:
        rows = [
            {
                "id": machine.id,
                "name": machine.name,
                "status": machine.status,
                "instance_type": machine.instance_type.name,
                "region": machine.region,
                "ip": machine.ip,
                "usd_per_hour": str(machine.instance_type.usd_per_hour),
                "tags": dict(machine.tags),
            }
            for machine in machines
        ]
        print(json.dumps(rows, indent=2))
        return ExitCode.OK
    table = Table(pad_edge=False, box=None)
    for heading in ("Id", "Name", "Status", "Type", "Region", "Address", "$/h", "$ so far", "Stack"):
        table.add_column(heading, no_wrap=True, justify="right" if heading.startswith("$") else "left")
    for machine in machines:
        so_far = usd_so_far(machine, now_s)
        table.add_row(
            machine.id,
            machine.name or "-",
            machine.status,
            machine.instance_type.name,
            machine.region,
            machine.ip or "-",
            format_usd(machine.instance_type.usd_per_hour),
            "?" if so_far is None else format_usd(so_far),
            machine.tags.get(STACK_TAG, "-"),
        )
    console = make_console()
    if machines:
        print_table(console, table, least=("Address", "Region", "$/h", "Stack", "Type"))
    else:
        console.print("The account runs no machines.")
    return ExitCode.OK


def run_types(stack: str, *, offline: bool, as_json: bool) -> ExitCode:
    """Instance types with price and capacity: live where the cloud answers, dated where it is not asked."""
    from sophia_infra.model.catalogue import CATALOGUE
    from sophia_infra.model.price_book import PriceBook

    prices, capacity, types = PriceBook.fallback(), None, dict(CATALOGUE)
    if not offline:
        from sophia_infra.cli.stack_context import open_stack

        context = open_stack(stack)
        if context.emulator_is_stopped:
            return run_types(stack, offline=True, as_json=as_json)
        session = context.open_session()
        listed = session.client.list_instance_types()
        cents = {name: row.instance_type.price_cents_per_hour for name, row in listed.items()}
        prices = PriceBook.live(cents, session.clock.now())
        capacity = {name: row.regions_with_capacity for name, row in listed.items()}
        types = {name: row for name, row in types.items() if name in listed}
    if as_json:
        document = {
            "as_of": prices.as_of.isoformat(),
            "source": prices.source,
            "types": {
                name: {
                    "gpu_model": row.gpu_model,
                    "gpu_count": row.gpu_count,
                    "gpu_memory_gib": row.gpu_memory_gib,
                    "architecture": row.architecture,
                    "usd_per_hour": str(prices.get(name)),
                    **({} if capacity is None else {"regions_with_capacity": list(capacity[name])}),
                }
                for name, row in types.items()
            },
        }
        print(json.dumps(document, indent=2))
        return ExitCode.OK
    from sophia_infra.cli.views import make_console, show_types

    show_types(make_console(), types, prices, capacity)
    return ExitCode.OK


def run_doctor(stack: str, *, terminate_id: str | None, yes: bool, as_json: bool) -> ExitCode:
    """Compare state and account; with `terminate_id`, end one machine that no state holds."""
    from sophia_infra.cli.comparison import compare
    from sophia_infra.cli.finding_engine import find_engine_aloud
    from sophia_infra.cli.stack_context import open_stack
    from sophia_infra.cli.views import make_console, show_findings
    from sophia_infra.operations.doctor import ids_in_state

    context = open_stack(stack)
    if context.emulator_is_stopped:
        return _say_stopped(context, as_json=as_json)
    session = context.open_session()
    engine = find_engine_aloud(context.home)
    found = compare(context, engine, session)
    if terminate_id is not None:
        from sophia_infra.audit import audit_log_of
        from sophia_infra.cli.terminating import terminate_stray

        held, log = ids_in_state(found.deployment), audit_log_of(context.home.root, context.name)
        return terminate_stray(session, terminate_id, held=held, yes=yes, log=log)
    if as_json:
        print(json.dumps([finding.as_json() for finding in found.findings], indent=2))
    else:
        show_findings(make_console(), context.name, found.findings)
    return ExitCode.FINDINGS if found.findings else ExitCode.OK


def _say_title(prepared: PreparedStack) -> None:
    print(f"Stack {prepared.name}, phase {prepared.phase}", flush=True)


def _say_stopped(context: StackContext, *, as_json: bool) -> ExitCode:
    """Answer for a stack whose emulator is stopped: nothing runs, and that is no failure."""
    if as_json:
        print(json.dumps({"stack": context.name, "emulator": "stopped", "machines": [], "usd_per_hour": "0"}))
    else:
        print(f"The emulator of stack {context.name} is stopped, so nothing runs. `sophia up` starts it.")
    return ExitCode.OK
