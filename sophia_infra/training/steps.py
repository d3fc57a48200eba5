"""The steps of a run up to the end of its job: launch, wait for the boot, train. Each may begin anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sophia_infra.lambda_cloud import Instance, NotFound
from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.instance import READY_TIMEOUT_MINUTES, READY_TIMEOUT_MINUTES_8_GPUS
from sophia_infra.provider.fleet_ready import UNHEALTHY_GRACE_S
from sophia_infra.provider.instance_spec import Machine
from sophia_infra.training.access import JobStart
from sophia_infra.training.caps import latest_end
from sophia_infra.training.context import COLLECT_S, RunContext
from sophia_infra.training.errors import CapReached, JobFailed, MachineUnreachable, NodesLost, NoRoom
from sophia_infra.training.gang import Gang, wait_for_room
from sophia_infra.training.history import Fate, Launch
from sophia_infra.training.machines import ending_of_run

__all__ = ["job_of", "launch_nodes", "train", "wait_until_ready"]

SILENCE_S: Final = 300.0
"""How long SSH may fail on a machine that the list calls active, before it counts as lost."""
LEAST_LEFT_S: Final = 1800.0
"""What has to be left of the limits for another try after the planned one: a boot may take 25 min."""
VERDICT_S: Final = 180.0
"""A job fails first on the nodes that live when one dies: so long the list gets to say that one is gone."""


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
            _remember(run, "no capacity")
            tried.add(run.state.choice)
            run.means.say(f"{error.message} Ending what was launched.")
            ending_of_run(run.session, run.spec.stack, run.spec.run_id)
            _close_all(run)
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
        if record.number not in listed and _is_gone(run, record.id):
            record.ended_at_s = run.now_s  # it died while nobody looked; its number is launched again
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


def wait_until_ready(run: RunContext) -> None:
    """Every node that is left is active, has an address and takes commands. Raises NodesLost."""
    began_s = run.now_s
    gpus = CATALOGUE[run.choice.instance_type].gpu_count
    minutes = READY_TIMEOUT_MINUTES_8_GPUS if gpus >= 8 else READY_TIMEOUT_MINUTES
    unhealthy_since_s: dict[int, float] = {}
    while True:
        run.check_limits()
        listed = run.sync()
        lost = _lost_nodes(run, listed, unhealthy_since_s)
        waiting = []
        for record in run.state.living.values():
            if record.number in lost or record.lost_because is not None or record.ready_at_s is not None:
                continue
            row = listed.get(record.number)
            if row is not None and row.status == "active" and row.ip and run.means.access.answers(row.ip):
                record.ready_at_s = run.now_s
            elif run.now_s - max(began_s, record.launched_at_s) > minutes * 60:
                lost[record.number] = f"not ready after {minutes} min"
            else:
                waiting.append(record.number)
        try:
            if lost:
                run.lose(lost)
        except NodesLost:
            _remember(run, "unhealthy")
            raise
        if not waiting:
            break
        run.means.say(f"{len(run.nodes()) - len(waiting)} of {len(run.nodes())} nodes ready")
        run.look_again()
    _remember(run, "whole" if len(run.nodes()) == run.spec.nodes else "unhealthy")
    run.state.phase = "running"
    run.save()


def train(run: RunContext) -> None:
    """The job has ended with 0 on every node. Raises JobFailed, NodesLost, CapReached, RunStopped."""
    while not _train_with_these(run):
        run.means.say(f"going on with {len(run.nodes())} nodes from the last checkpoint")
    run.state.job_ended_s = run.now_s
    run.save()


def job_of(run: RunContext) -> JobStart:
    """The present incarnation of the job, on the nodes that it was started on and that are left."""
    by_number = {node.number: node for node in run.nodes()}
    return JobStart(
        run_id=run.spec.run_id,
        incarnation=run.state.incarnation,
        nodes=[by_number[number] for number in run.state.ranks if number in by_number],
        gpus=run.spec.gpus_of(run.choice),
        command=run.spec.command,
        variables=run.means.variables,
        checkpoints=f"/lambda/nfs/{run.spec.checkpoints}" if run.spec.checkpoints else None,
    )


def _train_with_these(run: RunContext) -> bool:
    """One incarnation. True: done; False: a node was lost, and enough are left to go on."""
    _begin_incarnation(run)
    job = job_of(run)
    started: set[int] = set()
    silent_since_s: dict[int, float] = {}
    unhealthy_since_s: dict[int, float] = {}
    failed_since_s: float | None = None
    while True:
        run.check_limits(COLLECT_S)
        listed = run.sync()
        lost = _lost_nodes(run, listed, unhealthy_since_s)
        codes: dict[int, int] = {}
        for node in job.nodes:
            if node.number in lost:
                continue
            try:
                if node.number not in started:
                    run.means.access.start(job, node)
                    started.add(node.number)
                look = run.means.access.look(job, node)
                words, is_silent = look.words, look.state == "silent"
            except MachineUnreachable as error:
                look, words, is_silent = None, error.message, True
            if not is_silent:
                silent_since_s.pop(node.number, None)
                if look is not None and look.code is not None:
                    codes[node.number] = look.code
            elif run.now_s - silent_since_s.setdefault(node.number, run.now_s) > SILENCE_S:
                lost[node.number] = f"takes no command: {words}"
        if lost:
            run.lose(lost)
            return False
        if len(codes) == len(job.nodes) and not any(codes.values()):
            return True
        if any(codes.values()):
            failed_since_s = run.now_s if failed_since_s is None else failed_since_s
            is_elastic = run.spec.min_nodes < len(job.nodes)
            if not is_elastic or run.now_s - failed_since_s >= VERDICT_S:
                raise _job_failed(run, codes)
        run.look_again(COLLECT_S)


def _begin_incarnation(run: RunContext) -> None:
    """Start anew when the nodes are others than those of the last start; go on with it otherwise."""
    numbers = [node.number for node in run.nodes()]
    if run.state.incarnation and run.state.ranks == numbers:
        return
    if run.state.incarnation:
        old = job_of(run)
        for node in old.nodes:
            run.means.access.cancel(old, node)
    run.state.incarnation += 1
    run.state.ranks = numbers
    run.state.job_began_s = run.state.job_began_s or run.now_s
    run.save()
    run.means.say(f"starting the job on {len(numbers)} nodes (start {run.state.incarnation})")


def _lost_nodes(
    run: RunContext, listed: Mapping[int, Instance], unhealthy_since_s: dict[int, float]
) -> dict[int, str]:
    """Number -> why, of the living nodes that the account says are gone, ending, or unhealthy for long."""
    lost = {}
    for number, record in run.state.living.items():
        if record.lost_because is not None:
            continue
        row = listed.get(number)
        if row is None:
            if _is_gone(run, record.id):
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


def _is_gone(run: RunContext, instance_id: str) -> bool:
    """Believed from the machine's own address, and of a young one only when the list must show it."""
    try:
        row = run.session.client.get_instance(instance_id)
    except NotFound:
        return not run.session.may_turn_up(instance_id)
    return row.status in ("terminated", "preempted")


def _close_all(run: RunContext) -> None:
    for record in run.state.living.values():
        record.ended_at_s = run.now_s


def _remember(run: RunContext, fate: Fate) -> None:
    choice = run.choice
    run.means.history.add(Launch(run.now_s, choice.instance_type, choice.region, run.spec.nodes, fate))


def _job_failed(run: RunContext, codes: Mapping[int, int]) -> JobFailed:
    run.state.job_ended_s = run.now_s
    failed = ", ".join(f"{code} on node {number}" for number, code in codes.items() if code)
    return JobFailed(
        f"The command of run {run.spec.run_id} ended with code {failed}.",
        next_step=f"read the logs in {run.folder.results}.",
    )
