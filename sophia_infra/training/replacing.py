"""Launch a machine again for each lost node, when the cluster says `replace_lost`. May be killed anywhere.

A node is launched again only after its lost machine has ended: so a run never has more machines at once than
it was planned with, and the deadline that was fixed before its first launch goes on holding.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from sophia_infra.lambda_cloud import LambdaCloudError
from sophia_infra.provider.errors import ProviderError, Stopped
from sophia_infra.provider.instance_spec import Machine
from sophia_infra.training.context import LEAST_LEFT_S, RunContext
from sophia_infra.training.errors import NodesLost, NoRoom
from sophia_infra.training.gang import Gang, places_with_room

__all__ = ["replace_missing"]


def replace_missing(run: RunContext) -> None:
    """Try once, unless nothing is missing; what finds no room is tried again at a later look.

    Raises:
        NodesLost: fewer than `min_nodes` are left, and the limits of waiting for room are used up.
        Stopped, CapReached, RunStopped: the run has to end.
    """
    if not run.spec.replace_lost:
        return
    missing = run.missing()
    why_not = _launch(run, missing) if missing else ""
    if why_not:
        run.means.say(f"node {', '.join(map(str, missing))} is not replaced yet: {why_not}")
    if len(run.left()) >= run.spec.min_nodes:
        run.state.short_since_s = None
    elif run.state.short_since_s is None:
        run.state.short_since_s = run.now_s
        run.save()
    if why_not and run.state.short_since_s is not None and _has_waited(run, run.state.short_since_s):
        raise NodesLost(
            f"Run {run.spec.run_id} has {len(run.left())} of {run.spec.nodes} nodes left, needs "
            f"{run.spec.min_nodes}, and cannot replace them: {why_not}",
            next_step="run it again; with `wait_for_capacity` it waits for room within those limits.",
        )


def _launch(run: RunContext, missing: Sequence[int]) -> str:
    """Why not all of them have a machine now; "" when they have."""
    deadline_s = run.state.deadline_s or 0
    if deadline_s - run.now_s < LEAST_LEFT_S:
        return "less than half an hour of the run's limits is left."

    def launched(number: int, machine: Machine, launched_at_s: float) -> None:
        run.note(machine.id, number, launched_at_s)
        run.save()
        run.means.say(f"node {number} is replaced by {machine.id}")

    gang = Gang(run.spec, run.choice, deadline_s, run.means.boot_text, None)
    try:
        if not places_with_room(run.session, [run.choice]):
            return f"no capacity is listed for {run.choice}."
        gang.launch(run.session, missing, launched)
    except Stopped:
        raise
    except NoRoom as error:
        return error.message
    except (ProviderError, LambdaCloudError) as error:
        return str(error)  # the nodes that are left go on: one of them less is no reason to end them
    return ""


def _has_waited(run: RunContext, since_s: float) -> bool:
    """Whether the limits of `wait_for_capacity` are used up by nodes that do nothing; without any: yes."""
    waited_s = run.now_s - since_s
    rate = sum((one.usd_per_hour for one in run.left()), Decimal(0))
    usd = rate * int(waited_s) / 3600
    return waited_s >= (run.spec.wait_minutes or 0.0) * 60 or usd >= (run.spec.wait_usd or Decimal(0))
