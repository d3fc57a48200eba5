"""Stand-ins for `pulumi` and `go`: scripts that run as real processes, and the lock files of the engine."""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import textwrap
from pathlib import Path
from typing import Any

from sophia_infra.engine import Engine, Home

PULUMI_BEGINNING = """\
#!{python} -IS
import json, os, signal, sys, time
arguments = sys.argv[1:]
seen = ("PULUMI_", "PATH", "NO_COLOR", "LAMBDA_")
environment = {{name: value for name, value in os.environ.items() if name.startswith(seen)}}
with open({calls!r}, "a") as calls:
    print(json.dumps({{"arguments": arguments, "environment": environment, "cwd": os.getcwd()}}), file=calls)
def event(**content):
    with open(arguments[arguments.index("--event-log") + 1], "a") as log:
        print(json.dumps({{"sequence": 0, "timestamp": 0, **content}}), file=log)
"""


class FakePulumi:
    """A script named `pulumi` that writes down each call and then runs the Python lines of the test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.engine = Engine(directory, "3.259.0", "cache")
        self._calls = directory / "calls.jsonl"

    def does(self, body: str) -> Engine:
        """Let the script do `body`; there, `event(**content)` writes to the event log."""
        beginning = PULUMI_BEGINNING.format(python=sys.executable, calls=str(self._calls))
        write_script(self.directory / "pulumi", beginning + textwrap.dedent(body))
        return self.engine

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The calls so far: arguments, the interesting part of the environment, cwd."""
        if not self._calls.exists():
            return []
        return [json.loads(line) for line in self._calls.read_text().splitlines()]


GO = """\
#!{python} -IS
import os, pathlib, sys
arguments = sys.argv[1:]
mode = {mode!r}
with open({calls!r}, "a") as calls:
    print(os.getpid(), *arguments, file=calls)
if arguments[0] == "version":
    print("go version {version} linux/amd64")
elif arguments[:2] == ["list", "-deps"]:
    if mode == "network":
        sys.exit("go: github.com/x/y@v1: dial tcp: lookup proxy.test: no such host")
    print("go: downloading github.com/x/y v1.0.0", file=sys.stderr)
    print("errors\\nfmt\\ngithub.com/x/y")
elif arguments[:2] == ["list", "-m"]:
    print({sdk!r})
elif arguments[0] == "build":
    target = pathlib.Path(arguments[arguments.index("-o") + 1])
    print("errors", file=sys.stderr)
    print("github.com/x/y", file=sys.stderr, flush=True)
    if mode == "compile":
        sys.exit("# github.com/x/y\\n./y.go:1:1: undefined: z")
    if mode == "disk":
        sys.exit("# github.com/x/y\\nwrite $WORK/b001/_pkg_.a: no space left on device")
    if mode == "wait":
        # Answers when somebody has opened it for writing.
        pathlib.Path({calls!r}).with_name("gate").read_bytes()
    version = "v0.0.1" if mode == "wrong-version" else "v3.259.0"
    for name in ("pulumi", "pulumi-language-python", "pulumi-resource-pulumi-python"):
        file = target / name
        file.write_text("#!/bin/sh\\necho " + version + "\\n")
        file.chmod(0o755)
"""


class FakeGo:
    """A script named `go` on a PATH of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._sdk = directory / "sdk"
        self._gate = directory / "gate"
        self._is_released = False
        for name in ("python/cmd/pulumi-language-python-exec", "python/dist/pulumi-resource-pulumi-python"):
            file = self._sdk / name
            file.parent.mkdir(parents=True)
            file.write_text("#!/bin/sh\n")
            file.chmod(0o444)
        os.mkfifo(self._gate)
        self.does()

    def does(self, mode: str = "", version: str = "go1.26.8") -> None:
        """Choose how it builds (network, compile, disk, wait, wrong-version) and which version it is."""
        text = GO.format(
            python=sys.executable,
            mode=mode,
            version=version,
            calls=str(self.directory / "calls"),
            sdk=str(self._sdk),
        )
        write_script(self.directory / "bin" / "go", text)

    def release(self) -> None:
        """Let a build in mode `wait` go on, as soon as it waits; again: nothing."""
        if not self._is_released:
            self._is_released = True
            self._gate.write_bytes(b"")

    @property
    def path(self) -> str:
        """The folder for PATH."""
        return str(self.directory / "bin")

    @property
    def calls(self) -> list[list[str]]:
        """The calls so far: pid, then arguments."""
        file = self.directory / "calls"
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def builds(self) -> list[list[str]]:
        """The calls of `go build`."""
        return [call for call in self.calls if call[1] == "build"]


def write_script(file: Path, text: str) -> Path:
    """Write an executable file in one step: a script that is open for writing cannot be started."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".draft")
    draft.write_text(text)
    draft.chmod(0o755)
    return draft.replace(file)


def write_lock(home: Home, pid: int, *, at: str, name: str = "a", host: str = "") -> Path:
    """Write a lock of stack `local` as the engine does, with the `.attrs` file that lies beside it."""
    folder = home.state / ".pulumi" / "locks" / "organization" / "shop" / "local"
    folder.mkdir(parents=True, exist_ok=True)
    content = {"pid": pid, "username": "ann", "hostname": host or socket.gethostname(), "timestamp": at}
    file = folder / f"{name}.json"
    file.write_text(json.dumps(content))
    (folder / f"{name}.json.attrs").write_text("{}")
    return file


def wait_until_ended(pid: int) -> None:
    """Return once process `pid` is gone, or dead and not yet collected by its heir; 10 s at most."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([process], [], [], 10)[0], f"process {pid} still runs"
    finally:
        os.close(process)
