"""From a run's record and the environment to what it is carried out with; and its background processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from sophia_infra.engine.home import Home, open_home
from sophia_infra.joining import merge_user_data
from sophia_infra.privacy import PRIVATE_UMASK
from sophia_infra.provider.opening import open_session
from sophia_infra.provider.session import Session
from sophia_infra.provider.settings import cloud_access
from sophia_infra.training.access import MachineAccess
from sophia_infra.training.context import RunMeans
from sophia_infra.training.errors import RunRefused, WatchdogMissing
from sophia_infra.training.gang import BootText
from sophia_infra.training.history import LaunchHistory
from sophia_infra.training.run_folder import RunFolder
from sophia_infra.training.run_spec import RunSpec
from sophia_infra.training.self_terminate import self_terminate_text
from sophia_infra.training.ssh import SshAccess
from sophia_infra.training.stand_in import StandInAccess

__all__ = [
    "STAND_IN_JOB_VARIABLE",
    "JoinMeans",
    "ensure_watchdog",
    "open_means",
    "start_attending",
    "sweeping_means",
]

STAND_IN_JOB_VARIABLE: Final = "SOPHIA_STAND_IN_JOB_S"
"""Seconds that a job lasts on the emulator, where nothing runs it. Default 600."""

_START_TIMEOUT_S: Final = 20.0
_POLL_S: Final = 0.02
_SHOWN_LINES: Final = 5
_Part = Literal["attend", "watch"]
_started: Final[list[subprocess.Popen[bytes]]] = []
"""Children of this process that are meant to outlive it: kept, so that none is reported as forgotten."""


@dataclass(frozen=True, slots=True)
class JoinMeans:
    """What makes the machines of a run nodes of a cluster.

    Attributes:
        boot_text: name of the node, instance type, region -> cloud-init text, a secret.
        access: to the cluster; None where nothing boots, on the emulator.
    """

    boot_text: Callable[[str, str, str], str]
    access: MachineAccess | None


def open_means(
    folder: RunFolder,
    *,
    environment: Mapping[str, str] = os.environ,
    say: Callable[[str], None] = print,
    with_watchdog: bool = True,
    join: JoinMeans | None = None,
) -> RunMeans:
    """What the run is carried out with in this process.

    Args:
        join: needed to launch for a run of `bootstrap: join`; whoever only ends machines does without.

    Raises:
        SettingsRefused: no key, or no emulator answers.
        RunRefused: its cluster's self-terminate key, or what its machines join with, is not here; said when
            a machine is about to be launched.
    """
    spec = folder.spec()
    settings = {"sophia:endpoint": spec.endpoint}
    session = open_session(settings.get, say=say, environment=environment)
    access: MachineAccess = SshAccess(spec.ssh_user, folder.known_hosts)
    if spec.endpoint == "emulator":
        job_s = float(environment.get(STAND_IN_JOB_VARIABLE, "600"))
        access = StandInAccess(session.clock, folder.path / "stand-in.json", job_s)
    if join is not None and join.access is not None:
        access = join.access
    return RunMeans(
        client=session.client,
        clock=session.clock,
        access=access,
        history=LaunchHistory.of(open_home(environ=environment)),
        variables={name: environment[name] for name in spec.env if name in environment},
        boot_text=_boot_text(folder, spec, environment, join),
        ensure_watchdog=(lambda: ensure_watchdog(folder, environment)) if with_watchdog else (lambda: None),
        say=say,
    )


def sweeping_means(session: Session, home: Home, say: Callable[[str], None]) -> RunMeans:
    """What closing dead runs takes: the cloud and its clock. Nobody logs in to their machines."""
    return RunMeans(
        client=session.client,
        clock=session.clock,
        access=SshAccess("nobody", home.root / "no-known-hosts"),
        history=LaunchHistory.of(home),
        say=say,
    )


def _boot_text(
    folder: RunFolder, spec: RunSpec, environment: Mapping[str, str], join: JoinMeans | None
) -> BootText:
    end_text = _end_text(folder, spec, environment)
    if spec.bootstrap != "join":
        return end_text

    def text(number: int) -> str:
        if join is None:
            raise RunRefused(
                f"Run {spec.run_id}: what its machines join with is not known to this process.",
                next_step="go on with it by `sophia train run`, without --detach.",
            )
        place = spec.choices[folder.state().choice]
        joining = join.boot_text(spec.node_name(number), place.instance_type, place.region)
        return merge_user_data(joining, end_text(number))

    return text


def _end_text(folder: RunFolder, spec: RunSpec, environment: Mapping[str, str]) -> BootText:
    if spec.self_terminate_key_env is None:
        return lambda _number: None
    key_env = spec.self_terminate_key_env
    base_url = cloud_access({"sophia:endpoint": spec.endpoint}.get, environment).base_url

    def text(number: int) -> str:
        key = environment.get(key_env)
        if not key:
            raise RunRefused(
                f"{key_env} is not set, and the machines of run {spec.run_id} end themselves by its key.",
                next_step="export it and run the same command again, or switch self_terminate off.",
            )
        return self_terminate_text(
            base_url=base_url,
            api_key=key,
            stack=spec.stack,
            run_id=spec.run_id,
            number=number,
            deadline_s=folder.state().deadline_s or 0,
        )

    return text


def ensure_watchdog(folder: RunFolder, environment: Mapping[str, str] = os.environ) -> None:
    """A living watchdog of the run: the one that is there, or one started now. Raises WatchdogMissing."""
    if not folder.is_held("watchdog"):
        _start("watch", folder, environment, lambda: folder.is_held("watchdog"))


def start_attending(folder: RunFolder, environment: Mapping[str, str] = os.environ) -> int:
    """Attend the run in a process of its own, which outlives this one; its id. Raises WatchdogMissing."""
    return _start("attend", folder, environment, lambda: folder.is_held("starter"))


def _start(part: _Part, folder: RunFolder, environment: Mapping[str, str], is_up: Callable[[], bool]) -> int:
    log = folder.path / f"{part}.log"
    log.touch(mode=0o600)
    with log.open("ab") as stream:
        # In its own session: neither Ctrl-C nor the end of a terminal reaches it.
        process = subprocess.Popen(
            [sys.executable, "-m", "sophia_infra.training", part, str(folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            env=dict(environment),
            umask=PRIVATE_UMASK,
        )
    _started.append(process)
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        if is_up():
            return process.pid
        if process.poll() is not None:
            break
        time.sleep(_POLL_S)
    if process.poll() == 0:
        return process.pid  # it had nothing to do, or another one was quicker
    raise WatchdogMissing(
        f"`python -m sophia_infra.training {part}` did not start. {_last_lines(log)}",
        next_step="run the same command again; without a watchdog nothing is launched.",
    )


def _last_lines(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-_SHOWN_LINES:]
    return " ".join(lines) or "It said nothing."
