"""Make a new run's record from a plan, or find the run of that workload that is to be gone on with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock

from sophia_infra.engine.home import Home, make_private_folder
from sophia_infra.training.errors import RecordUnusable
from sophia_infra.training.planning import RunPlan
from sophia_infra.training.run_folder import RunFolder, list_runs, new_run_id, runs_folder
from sophia_infra.training.run_spec import RunSpec

__all__ = ["begin_run", "beginning", "find_open_run"]


@contextmanager
def beginning(home: Home) -> Iterator[None]:
    """One at a time looks for an open run and makes a new one: two commands at once make one run."""
    make_private_folder(runs_folder(home))
    with FileLock(runs_folder(home) / "beginning.lock", mode=0o600):
        yield


def find_open_run(home: Home, stack: str, workload: str) -> RunFolder | None:
    """The run of this workload that has not ended, the newest of several; None when there is none.

    A second cluster for it would be a double launch: a killed run is gone on with, a living one is refused.
    """
    for folder in reversed(list_runs(home)):
        try:
            spec = folder.spec()
            is_open = folder.state().phase != "ended"
        except RecordUnusable:
            continue
        if is_open and (spec.stack, spec.workload) == (stack, workload):
            return folder
    return None


def begin_run(
    home: Home, plan: RunPlan, *, stack: str, endpoint: str, now_s: float, poll_s: float
) -> RunFolder:
    """Write the record of a run that does `plan`. Nothing is launched here. Raises RecordUnusable."""
    config = plan.config
    wait = config.wait_for_capacity
    spec = RunSpec(
        run_id=new_run_id(now_s),
        stack=stack,
        endpoint=endpoint,
        cluster=plan.cluster,
        workload=config.workload,
        nodes=plan.nodes,
        min_nodes=plan.min_nodes,
        max_usd=plan.max_usd,
        max_hours=plan.max_hours,
        choices=tuple(one.choice for one in plan.ranked),
        command=config.command,
        ssh_key=plan.ssh_key,
        began_s=now_s,
        bootstrap=config.bootstrap,
        ssh_user=config.ssh_user,
        env=config.env,
        image_family=config.image_family,
        checkpoints=config.checkpoints,
        results=config.results,
        replace_lost=config.replace_lost,
        wait_minutes=None if wait is None else float(wait.max_minutes),
        wait_usd=None if wait is None else wait.max_usd,
        self_terminate_key_env=config.self_terminate_key_env,
        poll_s=poll_s,
    )
    folder = RunFolder(runs_folder(home) / spec.run_id)
    folder.make(spec)
    return folder
