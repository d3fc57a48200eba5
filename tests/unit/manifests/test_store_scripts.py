"""What the stores' scripts do: start in the right role, copy before they delete, fail when a step fails."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.unit.manifests.store_scripts import SCRIPTS, fake, install, run

WORD = 'p"a\\ss $x'
REDIS = {
    "PORT": "6379",
    "POD_NAME": "redis-1",
    "POD_DOMAIN": "redis-headless.apps",
    "FIRST_HOST": "redis-0.x.y",
}
OLD_S = 30 * 86_400


@pytest.fixture
def root(tmp_path: Path) -> Path:
    install(tmp_path)
    (tmp_path / "sophia" / "redis.conf").write_text("dir /data\n", encoding="utf-8")
    fake(tmp_path, "redis-server", 'cat "$1"')
    return tmp_path


def test_shellcheck_has_nothing_to_say() -> None:
    found = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert found, "shellcheck comes with the development packages"
    scripts = sorted(str(path) for path in SCRIPTS.glob("*.sh"))
    done = subprocess.run(
        [found, "--severity=warning", *scripts], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_a_single_redis_follows_nobody_and_its_password_is_one_word(root: Path) -> None:
    done = run(root, "redis-start.sh", environ={**REDIS, "GROUP": "no", "REDIS_PASSWORD": WORD})
    assert done.returncode == 0, done.stderr
    assert done.stdout == 'dir /data\nrequirepass "p\\"a\\\\ss $x"\nmasterauth "p\\"a\\\\ss $x"\n'


@pytest.mark.parametrize(
    ("said", "pod", "follows"),
    [
        ("", "redis-1", "redis-0.x.y"),
        ("redis-2.x.y\n6379", "redis-1", "redis-2.x.y"),
        ("NOAUTH Authentication required.", "redis-1", "redis-0.x.y"),
        ("redis-1.redis-headless.apps\n6379", "redis-1", None),
    ],
)
def test_a_redis_of_a_group_follows_whom_the_sentinels_name(
    root: Path, said: str, pod: str, follows: str | None
) -> None:
    fake(root, "redis-cli", f"printf '%s\\n' '{said}'")
    environ = {**REDIS, "POD_NAME": pod, "GROUP": "yes", "SENTINEL_HOST": "s", "SENTINEL_PORT": "26379"}
    lines = run(root, "redis-start.sh", environ=environ).stdout.splitlines()
    assert [line for line in lines if line.startswith("replicaof")] == (
        [f"replicaof {follows} 6379"] if follows else []
    )
    assert f"replica-announce-ip {pod}.redis-headless.apps" in lines
    assert not [line for line in lines if line.startswith("requirepass")]


def test_a_sentinel_watches_the_leader_with_the_password(root: Path) -> None:
    fake(root, "redis-cli", 'case "$*" in *PING*) echo PONG ;; *) echo ;; esac')
    environ = {**REDIS, "SENTINEL_HOST": "s", "SENTINEL_PORT": "26379", "QUORUM": "2", "REDIS_PASSWORD": "w"}
    done = run(root, "redis-sentinel.sh", environ=environ)
    assert "sentinel monitor sophia redis-0.x.y 6379 2" in done.stdout
    assert 'sentinel auth-pass sophia "w"' in done.stdout
    assert 'requirepass "w"' in done.stdout


def test_the_password_stands_on_no_command_line(root: Path) -> None:
    fake(root, "redis-cli", f'echo "$*" >> {root}/seen; echo PONG')
    assert run(root, "redis-ready.sh", "6379", environ={"REDIS_PASSWORD": WORD}).returncode == 0
    assert WORD not in (root / "seen").read_text(encoding="utf-8")
    fake(root, "redis-cli", "echo NOAUTH")
    assert run(root, "redis-ready.sh", "6379", environ={}).returncode != 0


def age(path: Path) -> Path:
    then = time.time() - OLD_S
    os.utime(path, (then, then))
    return path


def test_a_redis_copy_is_checked_before_old_ones_go(root: Path) -> None:
    old = root / "backup" / "old.rdb"
    old.touch()
    age(old)
    fake(root, "redis-cli", 'for last; do :; done; echo data > "$last"')
    environ = {"REDIS_HOST": "redis", "PORT": "6379", "KEEP_DAYS": "7"}
    fake(root, "redis-check-rdb", "exit 1")
    assert run(root, "redis-backup.sh", environ=environ).returncode != 0
    assert old.exists()
    fake(root, "redis-check-rdb", "exit 0")
    assert run(root, "redis-backup.sh", environ=environ).returncode == 0
    assert not old.exists()
    (copy,) = (root / "backup").iterdir()
    assert copy.suffix == ".rdb"


def test_a_postgres_copy_that_fails_keeps_the_old_ones(root: Path) -> None:
    old = root / "backup" / "old"
    old.mkdir()
    age(old)
    fake(root, "pg_dumpall", "echo globals")
    fake(root, "psql", "printf 'one\\ntwo\\n'")
    fake(root, "pg_restore", "exit 0")
    fake(root, "pg_dump", "exit 1")
    environ = {"PGHOST": "x", "KEEP_DAYS": "7"}
    assert run(root, "postgres-backup.sh", environ=environ).returncode != 0
    assert old.exists()
    fake(root, "pg_dump", 'echo "$4" > "$3"')
    done = run(root, "postgres-backup.sh", environ=environ)
    assert done.returncode == 0, done.stderr
    (copy,) = (root / "backup").iterdir()
    assert sorted(path.name for path in copy.iterdir()) == ["globals.sql", "one.dump", "two.dump"]


class Qdrant(HTTPServer):
    """The few answers that the scripts ask for. `broken` paths answer 500."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str]] = []
        self.broken: tuple[str, str] | None = None
        self.key = ""
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Qdrant

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.seen.append((self.command, self.path, body))
        self.server.key = self.headers["api-key"]
        broken = (self.command, self.path) == self.server.broken
        self.send_response(500 if broken else 200)
        self.end_headers()
        snapshots = [
            {"name": "old.snapshot", "creation_time": "2020-01-01T00:00:00", "size": 1},
            {"name": "new.snapshot", "creation_time": "2999-01-01T00:00:00", "size": 1},
        ]
        results: dict[tuple[str, str], object] = {
            ("GET", "/collections"): {"collections": [{"name": "notes"}]},
            ("POST", "/collections/notes/snapshots"): snapshots[1],
            ("GET", "/collections/notes/snapshots"): snapshots,
        }
        result = results.get((self.command, self.path), True)
        self.wfile.write(json.dumps({"result": result}, separators=(",", ":")).encode())

    do_GET = do_POST = do_PUT = do_DELETE = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def qdrant() -> Iterator[Qdrant]:
    server = Qdrant()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def environment(root: Path, server: Qdrant) -> dict[str, str]:
    """One pod, whose name is the loopback address."""
    common = root / "sophia" / "qdrant-common.sh"
    text = common.read_text(encoding="utf-8").replace("printf '%s-%s.%s\\n'", "printf '127.0.0.1\\n' #")
    common.write_text(text, encoding="utf-8")
    return {
        "PORT": str(server.server_port),
        "REPLICAS": "1",
        "STORE": "qdrant",
        "POD_DOMAIN": "x",
        "KEEP_DAYS": "7",
        "QDRANT__SERVICE__API_KEY": "k",
    }


def test_a_qdrant_copy_is_made_before_old_ones_go(root: Path, qdrant: Qdrant) -> None:
    done = run(root, "qdrant-backup.sh", environ=environment(root, qdrant))
    assert done.returncode == 0, done.stderr
    assert [(method, path) for method, path, _body in qdrant.seen] == [
        ("GET", "/collections"),
        ("POST", "/collections/notes/snapshots"),
        ("GET", "/collections/notes/snapshots"),
        ("DELETE", "/collections/notes/snapshots/old.snapshot"),
    ]
    assert qdrant.key == "k"


@pytest.mark.parametrize("broken", [("GET", "/collections"), ("POST", "/collections/notes/snapshots")])
def test_a_qdrant_that_refuses_a_copy_fails_the_job(
    root: Path, qdrant: Qdrant, broken: tuple[str, str]
) -> None:
    qdrant.broken = broken
    done = run(root, "qdrant-backup.sh", environ=environment(root, qdrant))
    assert done.returncode != 0
    assert f"{broken[0]} {broken[1]} on 127.0.0.1: HTTP/1.0 500" in done.stderr
    assert not [entry for entry in qdrant.seen if entry[0] == "DELETE"]


def test_a_qdrant_takes_back_its_newest_copy(root: Path, qdrant: Qdrant) -> None:
    done = run(root, "qdrant-restore.sh", environ=environment(root, qdrant))
    assert done.returncode == 0, done.stderr
    method, path, body = qdrant.seen[-1]
    assert (method, path) == ("PUT", "/collections/notes/snapshots/recover")
    assert json.loads(body)["location"].endswith("/qdrant/snapshots/notes/new.snapshot")
