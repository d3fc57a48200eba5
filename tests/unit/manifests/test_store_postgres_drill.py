"""A copy and its way back, with a real Postgres where this machine has one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.manifests.store_scripts import install, run

POSTGRES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(POSTGRES is None, reason="no Postgres on this machine"),
]


@pytest.fixture
def server() -> Iterator[dict[str, str]]:
    """A server on a free port; the variables by which clients find it.

    Slow: initdb takes two seconds, and buys that the restore of a real dump was seen to work. Its folder is
    not below pytest's, which other sessions close to other users; Postgres refuses to run as root.
    """
    assert POSTGRES is not None
    user = "postgres" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="sophia-postgres-") as data:
        if user is not None:
            shutil.chown(data, user)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])

        def run_as_owner(*command: str) -> None:
            # No pipes: the server that pg_ctl leaves behind would hold them open.
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=user, cwd=data, timeout=60)

        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data} -c fsync=off"
        control = (str(POSTGRES / "pg_ctl"), "-D", data, "-w", "-l", f"{data}/log")
        run_as_owner(str(POSTGRES / "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "--no-sync")
        run_as_owner(*control, "-o", options, "start")
        try:
            yield {"PGHOST": "127.0.0.1", "PGPORT": port, "KEEP_DAYS": "7"}
        finally:
            run_as_owner(*control, "-m", "immediate", "stop")


def ask(environ: dict[str, str], database: str, text: str) -> str:
    assert POSTGRES is not None
    command = [str(POSTGRES / "psql"), "-U", "postgres", "-d", database, "-Atqc", text]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip()


def test_what_was_lost_comes_back_and_what_came_later_is_gone(tmp_path: Path, server: dict[str, str]) -> None:
    install(tmp_path)
    environ = {**server, "PATH": f"{POSTGRES}:{os.environ['PATH']}"}
    ask(environ, "postgres", "CREATE DATABASE shop")
    ask(environ, "postgres", "CREATE ROLE reader")
    ask(environ, "shop", "CREATE TABLE orders (id int); INSERT INTO orders VALUES (1), (2)")
    done = run(tmp_path, "postgres-backup.sh", environ=environ)
    assert done.returncode == 0, done.stderr

    ask(environ, "shop", "INSERT INTO orders VALUES (3)")
    done = run(tmp_path, "postgres-restore.sh", environ=environ)
    assert done.returncode == 0, done.stderr
    assert ask(environ, "shop", "SELECT string_agg(id::text, ',' ORDER BY id) FROM orders") == "1,2"

    ask(environ, "postgres", "DROP DATABASE shop WITH (FORCE)")
    ask(environ, "postgres", "DROP ROLE reader")
    done = run(tmp_path, "postgres-restore.sh", environ=environ)
    assert done.returncode == 0, done.stderr
    assert ask(environ, "shop", "SELECT count(*) FROM orders") == "2"
    assert ask(environ, "postgres", "SELECT count(*) FROM pg_roles WHERE rolname = 'reader'") == "1"


def test_the_extension_script_runs_where_pgvector_is_missing(server: dict[str, str]) -> None:
    environ = {**server, "PATH": os.environ["PATH"]}
    script = Path(__file__).parents[3] / "sophia_infra/manifests/stores/scripts/postgres-extensions.sql"
    ask(environ, "postgres", script.read_text(encoding="utf-8"))


def test_without_a_copy_the_restore_says_so(tmp_path: Path, server: dict[str, str]) -> None:
    install(tmp_path)
    done = run(tmp_path, "postgres-restore.sh", environ=server)
    assert done.returncode == 1
    assert "no copy in" in done.stderr
