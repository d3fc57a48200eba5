"""Short commands of the engine on one stack: make it, read its outputs and state, take a dead lock away."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sophia_infra.engine.errors import StackMissing
from sophia_infra.engine.failures import Failure, explain, locks_of, read_project_name, stack_locked
from sophia_infra.engine.home import Home, engine_environment, file_backend, write_private_file
from sophia_infra.engine.locate import Engine
from sophia_infra.engine.locks import LockHolder, remove_torn_attributes
from sophia_infra.engine.stack_file import PreparedStack, prepare_stack
from sophia_infra.privacy import PRIVATE_UMASK

COMMAND_TIMEOUT_S = 60.0
"""These commands take under a second; a remote backend may be slow."""


def ensure_stack(
    engine: Engine, stack: PreparedStack, home: Home, *, environ: Mapping[str, str] = os.environ
) -> PreparedStack:
    """Make `stack` in its backend unless it is there, and return it ready for `run_operation`.

    The salt of stack `local` goes into its effective copy; that of another stack goes into its tracked file.

    Raises:
        PassphraseWrong, ConfigRefused, UpdateFailed: the engine could not make it.
    """
    environment = _environment(engine, stack.name, home, environ)
    if _in_file_backend(stack.name, home, environment):
        return stack
    command = ["stack", "init", stack.name, "--no-select"]
    answer = _pulumi(engine, command, environment, stack.project_directory)
    already_there = "already exists" in answer.stderr
    if answer.returncode != 0 and not already_there:
        raise _explained(answer, "stack init", stack.name, home, environment)
    # The engine wrote the salt and rewrote the values; bring the values back as they are in the tracked file.
    again = prepare_stack(stack.name, home)
    return PreparedStack(stack.name, again.config_file, stack.phase, stack.phase_source, stack.config)


def stack_exists(engine: Engine, stack: str, home: Home, *, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the backend knows `stack`; answered without the engine for a file backend."""
    environment = _environment(engine, stack, home, environ)
    if file_backend(environment) is not None:
        return _in_file_backend(stack, home, environment)
    try:
        export_stack(engine, stack, home, environ=environ)
    except StackMissing:
        return False
    return True


def stack_outputs(
    engine: Engine,
    stack: str,
    home: Home,
    *,
    show_secrets: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> dict[str, Any]:
    """Return the outputs of `stack`; secret ones read "[secret]" unless asked for.

    Raises:
        StackMissing: no such stack.
        PassphraseWrong: only with `show_secrets`.
    """
    flags = ["--show-secrets"] if show_secrets else []
    return _json(engine, ["stack", "output", "--json", *flags], stack, home, environ)


def export_stack(
    engine: Engine, stack: str, home: Home, *, environ: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """Return the state of `stack` as the engine exports it (`deployment.resources`, pending operations ...).

    Secrets stay encrypted. Raises StackMissing when there is no such stack.
    """
    return _json(engine, ["stack", "export"], stack, home, environ)


def import_stack(
    engine: Engine,
    stack: str,
    deployment: Mapping[str, Any],
    home: Home,
    *,
    environ: Mapping[str, str] = os.environ,
) -> None:
    """Replace the state of `stack`, which exists, by what `export_stack` once gave.

    What the state before held and this one does not is forgotten, machines included: the caller has looked.

    Raises:
        StackLocked, StackMissing, PassphraseWrong, UpdateFailed: the state is as it was.
    """
    environment = _environment(engine, stack, home, environ)
    with tempfile.TemporaryDirectory(dir=home.root) as folder:
        file = Path(folder) / "state.json"
        write_private_file(file, json.dumps(deployment))
        command = ["stack", "import", "--file", str(file), "--stack", stack]
        answer = _pulumi(engine, command, environment, home.checkout)
    if answer.returncode != 0:
        raise _explained(answer, "stack import", stack, home, environment)


def config_value(
    engine: Engine, stack: PreparedStack, key: str, home: Home, *, environ: Mapping[str, str] = os.environ
) -> str:
    """Return one decrypted value of the stack file, such as a secret that the environment does not hold.

    Raises:
        PassphraseWrong, ConfigRefused, UpdateFailed: the engine could not read it, or it is not there.
    """
    environment = _environment(engine, stack.name, home, environ)
    command = ["config", "get", key, "--stack", stack.name, "--config-file", str(stack.config_file)]
    answer = _pulumi(engine, command, environment, home.checkout)
    if answer.returncode != 0:
        raise _explained(answer, "config get", stack.name, home, environment)
    return answer.stdout.rstrip("\n")


def lock_holders(
    engine: Engine, stack: str, home: Home, *, environ: Mapping[str, str] = os.environ
) -> tuple[LockHolder, ...]:
    """Return who holds `stack` now; empty when nobody does or the backend is no folder of this machine."""
    environment = _environment(engine, stack, home, environ)
    return locks_of(home.checkout / "Pulumi.yaml", stack, environment)


def unlock_if_dead(
    engine: Engine, stack: str, home: Home, *, environ: Mapping[str, str] = os.environ
) -> tuple[LockHolder, ...]:
    """Take away the locks of dead runs of this host and return them; do nothing when there is no lock.

    `pulumi cancel` removes all locks of a stack, so one live (or unknown) holder stops it. No run can start
    between the look and the removal: the dead lock keeps it out. Attributes that the dead run left half
    written go first, since the engine could not read the stack with them.

    Raises:
        StackLocked: a holder lives, or is on another host.
    """
    holders = lock_holders(engine, stack, home, environ=environ)
    if not holders:
        return ()
    if not all(holder.alive is False for holder in holders):
        raise stack_locked("unlock", stack, holders)
    environment = _environment(engine, stack, home, environ)
    backend = file_backend(environment)
    if backend is not None:
        remove_torn_attributes(
            backend, read_project_name(home.checkout / "Pulumi.yaml"), stack.rsplit("/", 1)[-1]
        )
    answer = _pulumi(engine, ["cancel", "--yes", "--stack", stack], environment, home.checkout)
    if answer.returncode != 0:
        raise _explained(answer, "cancel", stack, home, environment)
    return holders


def _in_file_backend(stack: str, home: Home, environment: Mapping[str, str]) -> bool:
    backend = file_backend(environment)
    if backend is None:
        return False
    project = read_project_name(home.checkout / "Pulumi.yaml")
    folder = backend / ".pulumi" / "stacks" / project
    return any((folder / f"{stack}{ending}").is_file() for ending in (".json", ".json.gz", ".json.zst"))


def _environment(engine: Engine, stack: str, home: Home, environ: Mapping[str, str]) -> dict[str, str]:
    return engine_environment(
        stack,
        home,
        engine_directory=engine.directory,
        ambient_plugins=engine.ambient_plugins,
        environ=environ,
    )


def _json(
    engine: Engine, command: Sequence[str], stack: str, home: Home, environ: Mapping[str, str]
) -> dict[str, Any]:
    environment = _environment(engine, stack, home, environ)
    answer = _pulumi(engine, [*command, "--stack", stack], environment, home.checkout)
    if answer.returncode != 0:
        raise _explained(answer, " ".join(command[:2]), stack, home, environment)
    document = json.loads(answer.stdout)
    return document if isinstance(document, dict) else {}


def _pulumi(
    engine: Engine, arguments: Sequence[str], environment: Mapping[str, str], directory: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [engine.pulumi, *arguments, "--non-interactive", "--color", "never"],
        env=dict(environment),
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
        umask=PRIVATE_UMASK,
    )


def _explained(
    answer: subprocess.CompletedProcess[str],
    verb: str,
    stack: str,
    home: Home,
    environment: Mapping[str, str],
) -> Exception:
    return explain(
        Failure(
            verb=verb,
            stack=stack,
            exit_code=answer.returncode,
            text=answer.stderr or answer.stdout,
            project_file=home.checkout / "Pulumi.yaml",
            environment=environment,
        )
    )
