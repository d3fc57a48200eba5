"""The last step of a run: its job, begun anew when nodes are lost or are back. May begin anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sophia_infra.training.access import JobStart, Node
from sophia_infra.training.booting import wait_until_ready
from sophia_infra.training.context import COLLECT_S, RunContext
from sophia_infra.training.errors import JobFailed, MachineUnreachable
from sophia_infra.training.node_health import lost_nodes, note_boots
from sophia_infra.training.replacing import replace_missing

__all__ = ["job_of", "train"]

SILENCE_S: Final = 300.0
"""How long a machine that the list calls active may take no command before it counts as lost."""
VERDICT_S: Final = 180.0
"""A job fails first on the nodes that live when one dies: so long the list gets to say that one is gone."""


def train(run: RunContext) -> None:
    """The job has ended with 0 on every node. Raises JobFailed, NodesLost, CapReached, RunStopped."""
    while True:
        if len(run.nodes()) < run.spec.min_nodes:
            wait_until_ready(run)
        if _train_with_these(run):
            break
        run.means.say("going on from the last checkpoint")
    run.state.job_ended_s = run.now_s
    run.save()


def job_of(run: RunContext) -> JobStart:
    """The present incarnation of the job, on the nodes that it was started on and that are left."""
    by_id = {node.instance_id: node for node in run.nodes()}
    return JobStart(
        run_id=run.spec.run_id,
        incarnation=run.state.incarnation,
        nodes=[by_id[one] for one in run.state.members if one in by_id],
        gpus=run.spec.gpus_of(run.choice),
        command=run.spec.command,
        variables=run.means.variables,
        checkpoints=f"/lambda/nfs/{run.spec.checkpoints}" if run.spec.checkpoints else None,
    )


def _train_with_these(run: RunContext) -> bool:
    """One incarnation. True: done; False: begin another, with the nodes that are left or are back."""
    _begin_incarnation(run)
    job = job_of(run)
    began_s = run.now_s
    looks = _Looks(run, job)
    unhealthy_since_s: dict[int, float] = {}
    failed_since_s: float | None = None
    while True:
        run.check_limits(COLLECT_S)
        listed = run.sync()
        lost = lost_nodes(run, listed, unhealthy_since_s)
        booting = note_boots(run, listed, lost, began_s)
        codes = looks.look(lost)
        if lost:
            run.lose(lost)
        if any(node.number in lost for node in job.nodes):
            return False
        if len(codes) == len(job.nodes) and not any(codes.values()):
            return True
        replace_missing(run)
        if len(run.nodes()) > len(job.nodes) and not booting:
            return False
        if any(codes.values()):
            failed_since_s = run.now_s if failed_since_s is None else failed_since_s
            may_be_lost = run.spec.replace_lost or run.spec.min_nodes < len(job.nodes)
            if not may_be_lost or run.now_s - failed_since_s >= VERDICT_S:
                raise _job_failed(run, codes)
        run.look_again(COLLECT_S)


class _Looks:
    """The job as its nodes tell it, and since when one of them tells nothing."""

    def __init__(self, run: RunContext, job: JobStart) -> None:
        self._run = run
        self._job = job
        self._started: set[int] = set()
        self._silent_since_s: dict[int, float] = {}

    def look(self, lost: dict[int, str]) -> dict[int, int]:
        """Start it where it was not; exit codes by number. Nodes that were silent too long go into `lost`."""
        codes: dict[int, int] = {}
        for node in self._job.nodes:
            if node.number in lost:
                continue
            code, silent_because = self._look_at(node)
            if code is not None:
                codes[node.number] = code
            if silent_because is None:
                self._silent_since_s.pop(node.number, None)
            elif self._is_silent_too_long(node):
                lost[node.number] = f"takes no command: {silent_because}"
        return codes

    def _look_at(self, node: Node) -> tuple[int | None, str | None]:
        """Its exit code, None while it runs; why the node is silent, None when it is not."""
        access = self._run.means.access
        try:
            if node.number not in self._started:
                access.start(self._job, node)
                self._started.add(node.number)
            look = access.look(self._job, node)
        except MachineUnreachable as error:
            return None, error.message
        return look.code, look.words if look.state == "silent" else None

    def _is_silent_too_long(self, node: Node) -> bool:
        now_s = self._run.now_s
        return now_s - self._silent_since_s.setdefault(node.number, now_s) > SILENCE_S


def _begin_incarnation(run: RunContext) -> None:
    """Start anew when the nodes are others than those of the last start; go on with it otherwise."""
    members = [node.instance_id for node in run.nodes()]
    if run.state.incarnation and run.state.members == members:
        return
    if run.state.incarnation:
        old = job_of(run)
        for node in old.nodes:
            run.means.access.cancel(old, node)
    run.state.incarnation += 1
    run.state.members = members
    run.state.job_began_s = run.state.job_began_s or run.now_s
    run.save()
    run.means.say(f"starting the job on {len(members)} nodes (start {run.state.incarnation})")


def _job_failed(run: RunContext, codes: Mapping[int, int]) -> JobFailed:
    run.state.job_ended_s = run.now_s
    failed = ", ".join(f"{code} on node {number}" for number, code in codes.items() if code)
    return JobFailed(
        f"The command of run {run.spec.run_id} ended with code {failed}.",
        next_step=f"read the logs in {run.folder.results}.",
    )
