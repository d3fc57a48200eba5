"""The `sophia` command in a process of its own that is forked, not started: its imports are paid for once.

A run has its own process, environment, folder and streams. What it does not show is the start of Python, and
what modules read from the environment while they are imported: tests of those start the command themselves.

`python -m tests.command_server SOCKET` is the server. It ends when its standard input does.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["READ_AT_START", "Ended", "run_command"]

CHECKOUT = Path(__file__).resolve().parents[1]
PACKAGE = "sophia_infra.cli"
READ_AT_START = ("LANG", "LC_", "PYTHON", "LD_")
"""Variables, by their beginning, that matter while Python starts; each choice of them has a server."""

_USED_BY_TYPER = ("typer.rich_utils", "rich.columns", "rich.markdown", "rich._emoji_codes")
"""What it imports when it shows something."""


@dataclass(frozen=True)
class Ended:
    """How a run ended: exit code (negative: the signal), and what it wrote."""

    code: int
    out: str
    err: str


def run_command(
    arguments: tuple[str, ...],
    environment: Mapping[str, str],
    folder: Path,
    *,
    given: str = "",
    timeout_s: float = 120.0,
) -> Ended:
    """`python -m sophia_infra.cli ARGUMENTS` in that folder, with `given` on its standard input.

    Raises:
        TimeoutError: it took longer, and was killed.
    """
    at_start = {name: value for name, value in environment.items() if name.startswith(READ_AT_START)}
    with contextlib.ExitStack() as stack:
        link = stack.enter_context(socket.socket(socket.AF_UNIX))
        link.settimeout(timeout_s)
        link.connect(str(_server(tuple(sorted(at_start.items())))))
        streams = [stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8")) for _ in range(3)]
        streams[0].write(given)
        streams[0].seek(0)
        socket.send_fds(link, [b"!"], [stream.fileno() for stream in streams])
        request = {"arguments": arguments, "environment": dict(environment), "folder": str(folder)}
        link.sendall(json.dumps(request).encode())
        link.shutdown(socket.SHUT_WR)
        answers = stack.enter_context(link.makefile("r", encoding="ascii"))
        process_id = int(answers.readline())
        try:
            code = int(answers.readline())
        except TimeoutError:
            os.kill(process_id, signal.SIGKILL)
            raise
        for written in streams:
            written.seek(0)
        return Ended(code, streams[1].read(), streams[2].read())


@functools.cache
def _server(at_start: tuple[tuple[str, str], ...]) -> Path:
    """Socket of a server that was started with these variables and is ready."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(READ_AT_START)}
    folder = tempfile.TemporaryDirectory(prefix="sophia-command-")
    address = Path(folder.name) / "socket"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.command_server", str(address)],
        cwd=CHECKOUT,
        env={**kept, **dict(at_start)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )

    def end() -> None:
        process.communicate()
        folder.cleanup()

    atexit.register(end)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n", "the server of commands did not start"
    return address


def _serve(address: str) -> None:
    """Fork for each connection. Returns in the forked process only, ready to be the command."""
    for module in (*sorted(set(_used_by_commands())), *_USED_BY_TYPER):
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(16)
        print("ready", flush=True)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            ready, _, _ = select.select([listener.fileno(), 0], [], [])
            if 0 in ready:
                os._exit(0)
            link, _ = listener.accept()
            if os.fork() == 0:
                break
            link.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _fork_the_command(link)


def _fork_the_command(link: socket.socket) -> None:
    """The forked process returns; this one tells who that is and how it ended, and is gone."""
    _, streams, _, _ = socket.recv_fds(link, 1, 3)
    with link.makefile("r", encoding="utf-8") as asked:
        request = json.load(asked)
    process_id = os.fork()
    if process_id:
        for stream in streams:
            os.close(stream)
        link.sendall(f"{process_id}\n".encode())
        _, status = os.waitpid(process_id, 0)
        link.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    link.close()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    sys.path[0] = request["folder"]
    sys.argv = [PACKAGE, *request["arguments"]]


def _used_by_commands() -> Iterator[str]:
    """Every module of ours that a module of the command imports, at its top or inside a function."""
    for file in (CHECKOUT / "sophia_infra" / "cli").glob("*.py"):
        if file.stem != "__main__":
            yield f"{PACKAGE}.{file.stem}" if file.stem != "__init__" else PACKAGE
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sophia_infra."):
                yield str(node.module)


def _run() -> int:
    """The command until its end, all that it registered for that included."""
    try:
        runpy.run_module(PACKAGE, run_name="__main__", alter_sys=True)
        code: object = 0
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # what waits for threads at any end of Python
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


if __name__ == "__main__":
    _serve(sys.argv[1])
    # Taking everything down that was imported would copy every page that the server shares with us.
    os._exit(_run())
