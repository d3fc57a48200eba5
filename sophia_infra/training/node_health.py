"""Which nodes of a run take commands by now, and which are lost by what the account says."""

from __future__ import annotations

from collections.abc import Mapping

from sophia_infra.lambda_cloud import Instance, NotFound
from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.instance import READY_TIMEOUT_MINUTES, READY_TIMEOUT_MINUTES_8_GPUS
from sophia_infra.provider.fleet_ready import UNHEALTHY_GRACE_S
from sophia_infra.training.context import RunContext

__all__ = ["is_gone", "lost_nodes", "note_boots"]


def note_boots(
    run: RunContext, listed: Mapping[int, Instance], lost: dict[int, str], began_s: float
) -> list[int]:
    """Note which nodes have come up; into `lost`, which ones have not in time. The numbers still awaited.

    Args:
        began_s: since when this process waits: what it did not see counts from then.
    """
    gpus = CATALOGUE[run.choice.instance_type].gpu_count
    minutes = READY_TIMEOUT_MINUTES_8_GPUS if gpus >= 8 else READY_TIMEOUT_MINUTES
    waiting = []
    for record in run.state.living.values():
        if record.number in lost or record.lost_because is not None or record.ready_at_s is not None:
            continue
        row = listed.get(record.number)
        if row is not None and row.status == "active" and row.ip and run.answers(record):
            record.ready_at_s = run.now_s
        elif run.now_s - max(began_s, record.launched_at_s) > minutes * 60:
            lost[record.number] = f"not ready after {minutes} min"
        else:
            waiting.append(record.number)
    return waiting


def lost_nodes(
    run: RunContext, listed: Mapping[int, Instance], unhealthy_since_s: dict[int, float]
) -> dict[int, str]:
    """Number -> why, of the living nodes that the account says are gone, ending, or unhealthy for long."""
    lost = {}
    for number, record in run.state.living.items():
        if record.lost_because is not None:
            continue
        row = listed.get(number)
        if row is None:
            if is_gone(run, record.id):
                lost[number] = "its machine is gone"
        elif row.id != record.id:
            lost[number] = "another machine runs under its number"
        elif row.status == "terminating":
            lost[number] = "its machine is being terminated from outside"
        elif row.status == "unhealthy":
            since_s = unhealthy_since_s.setdefault(number, run.now_s)
            if run.now_s - since_s >= UNHEALTHY_GRACE_S:
                lost[number] = f"unhealthy for {UNHEALTHY_GRACE_S / 60:.0f} min"
        else:
            unhealthy_since_s.pop(number, None)
    return lost


def is_gone(run: RunContext, instance_id: str) -> bool:
    """Believed from the machine's own address, and of a young one only when the list must show it."""
    try:
        row = run.session.client.get_instance(instance_id)
    except NotFound:
        return not run.session.may_turn_up(instance_id)
    return row.status in ("terminated", "preempted")
