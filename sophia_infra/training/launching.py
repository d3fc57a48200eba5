"""The first step of a run: all its machines in one place, or none anywhere. May begin anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sophia_infra.provider.instance_spec import Machine
from sophia_infra.training.caps import latest_end
from sophia_infra.training.context import LEAST_LEFT_S, RunContext
from sophia_infra.training.errors import CapReached, NoRoom
from sophia_infra.training.gang import Gang, wait_for_room
from sophia_infra.training.machines import ending_of_run
from sophia_infra.training.node_health import is_gone

__all__ = ["launch_nodes"]


def launch_nodes(run: RunContext) -> None:
    """Every node has a machine, all in one place; or NoRoom, and none has.

    Places are tried whole, one after the other: what was launched in one has ended before the next is tried.
    """
    tried: set[int] = set()
    since_s = run.now_s
    while True:
        if run.state.phase == "planned":
            _choose_place(run, tried, since_s)
        try:
            _launch_in_place(run)
        except NoRoom as error:
            run.remember("no capacity")
            tried.add(run.state.choice)
            run.means.say(f"{error.message} Ending what was launched.")
            ending_of_run(run.session, run.spec.stack, run.spec.run_id)
            for record in run.state.living.values():
                run.note_ended(record)
            run.state.phase = "planned"
            run.save()
            if len(tried) == len(run.spec.choices):
                raise
            continue
        run.state.phase = "booting"
        run.save()
        return


def _choose_place(run: RunContext, tried: set[int], since_s: float) -> None:
    """Fix the next place with room, and the deadline of what is launched there, before anything is."""
    run.means.ensure_watchdog()
    found = [at for at in wait_for_room(run.session, run.spec, since_s) if at not in tried]
    if not found:
        raise NoRoom(
            f"{run.spec.cluster}: no capacity is listed for what was not tried yet. Nothing runs.",
            next_step="try again later, or allow more regions.",
        )
    run.state.choice = found[0]
    now_s = run.now_s
    end = latest_end(
        began_s=run.state.first_launch_s or now_s,
        now_s=now_s,
        max_hours=run.spec.max_hours,
        max_usd=run.spec.max_usd,
        spent_usd=run.state.spent_usd(now_s),
        nodes=run.spec.nodes,
        usd_per_hour=run.choice.usd_per_hour,
        poll_s=run.spec.poll_s,
    )
    if end.at_s - now_s < LEAST_LEFT_S:
        raise CapReached(
            f"Run {run.spec.run_id} found no room until less than half an hour of its limits was left. "
            "Nothing runs.",
            next_step="run it again.",
        )
    run.state.deadline_s, run.state.deadline_by = end.at_s, end.by
    run.state.first_launch_s = run.state.first_launch_s or now_s
    run.state.phase = "launching"
    run.save()


def _launch_in_place(run: RunContext) -> None:
    gang = Gang(run.spec, run.choice, run.state.deadline_s or 0, run.means.boot_text, _wait_left(run))
    run.means.say(f"launching {run.spec.nodes} x {run.choice}")
    listed = run.sync()
    for record in run.state.living.values():
        if record.number not in listed and is_gone(run, record.id):
            run.note_ended(record)  # it died while nobody looked; its number is launched again
    run.save()

    def launched(number: int, machine: Machine, launched_at_s: float) -> None:
        run.note(machine.id, number, launched_at_s)
        run.save()
        run.means.say(f"node {number} of {run.spec.nodes}: {machine.id}")

    gang.launch(run.session, range(1, run.spec.nodes + 1), launched)
    run.sync()
    run.save()


def _wait_left(run: RunContext) -> Mapping[str, Any] | None:
    """The limits of waiting with some nodes launched, which are all that the owner of their tags has."""
    if run.spec.wait_minutes is None or run.spec.wait_usd is None:
        return None
    return {"max_minutes": run.spec.wait_minutes, "max_usd": run.spec.wait_usd}
