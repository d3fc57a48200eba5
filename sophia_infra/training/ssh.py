"""The machines of a run by the system's own ssh and rsync (scp where there is no rsync).

Nobody knows the host keys of new machines: they are taken at the first connection and must stay the same
for the rest of the run. Keys come from the user's agent and ssh configuration; none is read here.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from sophia_infra.lambda_cloud import redact
from sophia_infra.provider.fleet_ready import ssh_answers
from sophia_infra.training.access import JobLook, JobStart, Node
from sophia_infra.training.errors import MachineUnreachable
from sophia_infra.training.job_script import RUNS_FOLDER, cancel_script, look_script, read_look, start_script

__all__ = ["Completed", "Executor", "SshAccess", "SubprocessExecutor"]

COMMAND_TIMEOUT_S: Final = 60.0
COPY_TIMEOUT_S: Final = 240.0
_SSH_FAILED: Final = 255
_WORDS_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class Completed:
    """How a command ended. `code` 255 is ssh's own failure."""

    code: int
    out: str = ""
    err: str = ""


class Executor(Protocol):
    """Runs one command of this machine to its end."""

    def __call__(self, command: Sequence[str], *, stdin: str, timeout_s: float) -> Completed:
        """Raises MachineUnreachable when it is not there or does not end in time (real seconds)."""
        ...


class SubprocessExecutor:
    """The real one."""

    def __call__(self, command: Sequence[str], *, stdin: str, timeout_s: float) -> Completed:
        try:
            done = subprocess.run(
                list(command), input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise MachineUnreachable(
                f"{command[0]} did not end within {timeout_s:.0f} s.", next_step="it is tried again."
            ) from error
        except OSError as error:
            raise MachineUnreachable(
                f"{command[0]} cannot be run: {error.strerror}.", next_step="install OpenSSH's client."
            ) from error
        return Completed(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True, slots=True)
class SshAccess:
    """See `MachineAccess`.

    Attributes:
        user: to log in as.
        known_hosts: file for the keys of this run's machines.
        execute: runs ssh and rsync.
        probe: whether an SSH server greets at an address.
        find: path of a program, None when it is not installed.
    """

    user: str
    known_hosts: Path
    execute: Executor = field(default_factory=SubprocessExecutor)
    probe: Callable[[str], bool] = ssh_answers
    find: Callable[[str], str | None] = shutil.which

    def answers(self, node: Node) -> bool:
        return self.probe(node.address)

    def start(self, job: JobStart, node: Node) -> None:
        done = self._shell(node, start_script(job, node))
        if done.code != 0 or "sophia-job begun" not in done.out:
            raise MachineUnreachable(
                f"The job was not started on node {node.number} ({node.address}): {_words(done)}.",
                next_step="it is tried again; `ssh` there by hand shows what is wrong.",
            )

    def look(self, job: JobStart, node: Node) -> JobLook:
        try:
            done = self._shell(node, look_script(job))
        except MachineUnreachable as error:
            return JobLook("silent", words=error.message)
        return JobLook("silent", words=_words(done)) if done.code == _SSH_FAILED else read_look(done.out)

    def cancel(self, job: JobStart, node: Node) -> None:
        try:
            self._shell(node, cancel_script(job))
        except MachineUnreachable:
            return

    def forget(self, node: Node) -> None:
        # Its address may come back with another machine, whose key would be refused.
        with contextlib.suppress(OSError):
            lines = self.known_hosts.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if node.address not in line.partition(" ")[0].split(",")]
            if kept != lines:
                self.known_hosts.write_text("".join(kept), encoding="utf-8")

    def collect(self, job: JobStart, node: Node, source: str, target: Path) -> str:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = source if source.startswith("/") else f"{RUNS_FOLDER}/{job.run_id}/{source}"
        remote = f"{self.user}@{_bracketed(node.address)}:{place}"
        if self.find("rsync"):
            command = ["rsync", "-a", "--partial", "-e", " ".join(["ssh", *self._options()]), remote]
        else:
            command = ["scp", "-r", "-p", "-q", *self._options(), remote]
        done = self.execute([*command, f"{target}/"], stdin="", timeout_s=COPY_TIMEOUT_S)
        if done.code != 0:
            raise MachineUnreachable(
                f"{place} of node {node.number} was not copied: {_words(done)}.",
                next_step="copy it by hand before the machine ends, or keep results on a filesystem.",
            )
        return f"{place} of node {node.number} is in {target}"

    def _shell(self, node: Node, script: str) -> Completed:
        command = ["ssh", *self._options(), "-T", "--", f"{self.user}@{node.address}", "bash -s"]
        return self.execute(command, stdin=script, timeout_s=COMMAND_TIMEOUT_S)

    def _options(self) -> list[str]:
        options: Mapping[str, str] = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "accept-new",
            "HashKnownHosts": "no",
            "UserKnownHostsFile": str(self.known_hosts).replace(" ", "\\ "),
            "ConnectTimeout": "10",
            "ServerAliveInterval": "10",
            "ServerAliveCountMax": "3",
            "LogLevel": "ERROR",
        }
        return [word for name, value in options.items() for word in ("-o", f"{name}={value}")]


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _words(done: Completed) -> str:
    lines = (done.err.strip() or done.out.strip()).splitlines()
    return redact(lines[-1][:_WORDS_CHARACTERS]) if lines else f"exit code {done.code}"
