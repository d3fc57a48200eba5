"""End one machine by hand, and only one that the stack's state does not hold."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sophia_infra.cli.confirming import ask
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.model.money import HOURS_PER_MONTH, format_usd
from sophia_infra.model.scaled_tags import is_scaled
from sophia_infra.operations.fleet_status import usd_so_far
from sophia_infra.provider.instance_end import terminate

if TYPE_CHECKING:
    from sophia_infra.audit import AuditLog
    from sophia_infra.provider.session import Session

__all__ = ["terminate_stray"]


def terminate_stray(
    session: Session, instance_id: str, *, held: frozenset[str], yes: bool, log: AuditLog
) -> ExitCode:
    """Terminate `instance_id` after a question, and wait until the list no longer shows it.

    Refused when the state holds it (then `sophia down` or the stack file is the way), and without `yes`
    where nobody can answer.
    """
    if instance_id in held:
        print(
            f"sophia: {instance_id} is in the stack's state: remove it from the stack file instead.",
            file=sys.stderr,
        )
        return ExitCode.USAGE
    machine = next((row for row in session.instances.rows(0) if row.id == instance_id), None)
    if machine is None:
        print(
            f"sophia: no machine with id {instance_id} is in the account. Next: see `sophia instances`.",
            file=sys.stderr,
        )
        return ExitCode.USAGE
    if is_scaled(machine.tags):
        print(
            f"sophia: {instance_id} is the node scaler's, which would launch another: lower the pool's max, "
            "or `sophia scaler run --empty --apply` ends all of them.",
            file=sys.stderr,
        )
        return ExitCode.USAGE
    so_far = usd_so_far(machine, session.clock.now())
    cost = f", {format_usd(so_far)} so far" if so_far is not None else ""
    line = (
        f"{machine.name or instance_id}: {machine.instance_type.name} in {machine.region}, {machine.status}"
    )
    print(f"{line}, {format_usd(machine.instance_type.usd_per_hour)}/h{cost}")
    if not yes:
        answer = ask("Terminate it? Its local disk is lost.", nothing="Nothing was terminated.")
        if answer is None:
            return ExitCode.USAGE
        if not answer:
            print("Nothing was terminated.")
            return ExitCode.OK
    price = machine.instance_type.usd_per_hour
    with log.change(
        action="doctor --terminate",
        subject=machine.name or instance_id,
        why="in no state of the stack",
        before={"id": instance_id, "machine": line, "usd_per_hour": str(price)},
        usd_per_month_change=-price * HOURS_PER_MONTH,
    ):
        terminate(session, instance_id, machine.name or instance_id)
    print("Terminated; the account no longer lists it as running.")
    return ExitCode.OK
