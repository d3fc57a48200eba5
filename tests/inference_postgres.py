"""A real Postgres for tests of the ledger, from Debian's binaries, on a port of the kernel's choice.

Postgres refuses to run as root, so root starts it as the user `postgres`.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

__all__ = ["PostgresServer", "needs_postgres", "run_postgres"]

_BINARIES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)

needs_postgres = pytest.mark.skipif(
    _BINARIES is None and os.environ.get("CI") != "true",
    reason="NOT TESTED ON POSTGRES: /usr/lib/postgresql/*/bin is not there (apt-get install postgresql)",
)
"""Skips where no server is; in CI the test fails instead."""


@dataclass(slots=True)
class PostgresServer:
    """A running server. `stop` and `start` are for tests of what happens meanwhile."""

    folder: Path
    port: int
    _numbers: Iterator[int]

    def new_database(self) -> str:
        """URL of a database that nobody used."""
        name = f"ledger_{next(self._numbers)}"
        self._run("createdb", "-h", str(self.folder), "-p", str(self.port), "-U", "postgres", name)
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Back once it takes connections."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder}"
        self._control("-o", f"{options} -c fsync=off -c max_connections=60", "start")

    def stop(self) -> None:
        """At once, as after a crash."""
        self._control("-m", "immediate", "stop")

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.folder), "-w", "-l", f"{self.folder}/log", *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        assert _BINARIES is not None, "Postgres is not installed, and CI must not skip its tests"
        # No pipes: the server that pg_ctl leaves behind would hold them open.
        subprocess.run(
            [str(_BINARIES / program), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            user="postgres" if os.geteuid() == 0 else None,
            cwd=self.folder,
            timeout=60,
        )


@contextmanager
def run_postgres() -> Iterator[PostgresServer]:
    """A server with a folder of its own, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="sophia-ledger-postgres-") as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = PostgresServer(Path(folder), port, count(1))
        server._run("initdb", "-D", folder, "-U", "postgres", "-A", "trust", "--no-sync")
        server.start()
        try:
            yield server
        finally:
            server._control("-m", "immediate", "stop")
