"""The second step of a run: its nodes come up. Waited for in the middle too, when too few are left."""

from __future__ import annotations

from sophia_infra.training.context import COLLECT_S, RunContext
from sophia_infra.training.errors import NodesLost
from sophia_infra.training.node_health import lost_nodes, note_boots
from sophia_infra.training.replacing import replace_missing

__all__ = ["boot_nodes", "wait_until_ready"]


def boot_nodes(run: RunContext) -> None:
    """`wait_until_ready` after the launch, with its outcome noted for the odds of later launches."""
    try:
        wait_until_ready(run)
    except NodesLost:
        run.remember("unhealthy")
        raise
    run.remember("whole" if len(run.nodes()) == run.spec.nodes else "unhealthy")
    run.state.phase = "running"
    run.save()


def wait_until_ready(run: RunContext) -> None:
    """Every node that is left takes commands, and enough are left.

    Raises:
        NodesLost, CapReached, RunStopped.
    """
    began_s = run.now_s
    early_s = COLLECT_S if run.state.incarnation else 0.0
    unhealthy_since_s: dict[int, float] = {}
    while True:
        run.check_limits(early_s)
        listed = run.sync()
        lost = lost_nodes(run, listed, unhealthy_since_s)
        waiting = note_boots(run, listed, lost, began_s)
        if lost:
            run.lose(lost)
        replace_missing(run)
        if not waiting and len(run.nodes()) >= run.spec.min_nodes:
            run.save()
            return
        run.means.say(f"{len(run.nodes())} of {run.spec.nodes} nodes ready")
        run.look_again(early_s)
