"""pg_dump, pg_restore and psql as streams: no dump is whole in memory, or lies on a disk in plain text."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Final, cast

from sophia_infra.backup.databases import DatabaseAddress
from sophia_infra.backup.errors import BackupRefused, DatabaseFailed
from sophia_infra.backup.stores import READ_BYTES

__all__ = [
    "count_objects",
    "dump_postgres",
    "find_program",
    "list_dump",
    "plain_dump",
    "plain_of_archive",
    "postgres_version",
    "query",
    "restore_postgres",
]

_DEBIAN: Final = Path("/usr/lib/postgresql")
_VERSION: Final = re.compile(r"\d+(\.\d+)?")
_OBJECTS: Final = (
    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname !~ '^pg_' "
    "AND n.nspname <> 'information_schema' AND NOT EXISTS (SELECT FROM pg_depend d "
    "WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"
)
"""Tables, views and sequences that somebody made; those of extensions (deptype e) come with the server."""


def find_program(name: str) -> Path:
    """The newest `name` of Debian's, else the one on PATH. Raises BackupRefused when there is none.

    Newest first, because pg_dump refuses a server that is newer than itself, and reads all older ones.
    """
    versions = sorted(_DEBIAN.glob(f"*/bin/{name}"), key=lambda path: _number(path.parts[-3]), reverse=True)
    found = next(iter(versions), None) or shutil.which(name)
    if found is None:
        raise BackupRefused(
            f"{name} is not installed, and the dump of a Postgres is made and read by it.",
            next_step="`apt-get install postgresql-client`.",
        )
    return Path(found)


def postgres_version() -> str:
    """Of pg_dump, "16.3"."""
    answer = subprocess.run(
        [find_program("pg_dump"), "--version"], capture_output=True, text=True, check=False, timeout=20
    )
    found = _VERSION.search(answer.stdout)
    return found[0] if found else "unknown"


def dump_postgres(address: DatabaseAddress) -> Iterator[bytes]:
    """An archive of the database as of one moment (custom format, compressed). Raises DatabaseFailed."""
    return _read(address, ["pg_dump", "--format=custom", "--no-password", "--dbname", address.target])


def plain_dump(address: DatabaseAddress) -> Iterator[bytes]:
    """The rows of the database as SQL text. Raises DatabaseFailed."""
    return _read(
        address,
        ["pg_dump", "--format=plain", "--data-only", "--no-password", "--dbname", address.target],
    )


def plain_of_archive(archive: Iterable[bytes]) -> Iterator[bytes]:
    """The rows in an archive as SQL text. Raises DatabaseFailed, and whatever `archive` raises."""
    return _read(None, ["pg_restore", "--data-only", "--file", "-"], fed=archive)


def list_dump(archive: Iterable[bytes]) -> list[str]:
    """What is in an archive: one line for each object. Raises DatabaseFailed, and what `archive` raises."""
    text = b"".join(_read(None, ["pg_restore", "--list"], fed=archive)).decode()
    return [line for line in text.splitlines() if line and not line.startswith(";")]


def restore_postgres(archive: Iterable[bytes], address: DatabaseAddress, *, overwrite: bool) -> None:
    """Bring an archive back into a database that exists: all of it or nothing.

    Args:
        overwrite: objects of the archive that are there are dropped first; others stay.

    Raises:
        DatabaseFailed, and whatever `archive` raises: the transaction was rolled back.
    """
    command = ["pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", "--no-password"]
    command += ["--clean", "--if-exists"] if overwrite else []
    for _ in _read(address, [*command, "--dbname", address.target], fed=archive):
        pass


def query(address: DatabaseAddress, sql: str) -> str:
    """The answer of one statement, unaligned. Raises DatabaseFailed."""
    command = ["psql", "--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--no-password"]
    command += ["--set", "ON_ERROR_STOP=1", "--dbname", address.target, "--command", sql]
    return b"".join(_read(address, command)).decode().strip()


def count_objects(address: DatabaseAddress) -> int:
    """Tables, views and sequences that are there. Raises DatabaseFailed, also when there is no database."""
    return int(query(address, _OBJECTS))


def _read(
    address: DatabaseAddress | None,
    command: Sequence[str],
    *,
    fed: Iterable[bytes] | None = None,
) -> Iterator[bytes]:
    """What a program prints. It is killed when the caller stops reading, and when what feeds it raises."""
    name, *arguments = command
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [find_program(name), *arguments],
            env=address.environment() if address else {**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL if fed is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            start_new_session=True,  # a Ctrl-C reaches it through us, once
        )
        feeder = None if fed is None else _Feeder(fed, process)
        try:
            with cast(IO[bytes], process.stdout) as stream:
                while chunk := stream.read(READ_BYTES):
                    yield chunk
            if feeder is not None:
                feeder.finish()
            if process.wait() != 0:
                complaints.seek(0)
                raise _failed(name, address, complaints.read().decode(errors="replace"))
        finally:
            process.kill()
            process.wait()
            if feeder is not None:
                feeder.stop()


class _Feeder:
    """Writes to a program's input in a thread, while its output is read."""

    def __init__(self, chunks: Iterable[bytes], process: subprocess.Popen[bytes]) -> None:
        self._chunks, self._process = chunks, process
        self._error: BaseException | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._feed, name="feeder", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait until the source ended. Raises what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Leave the rest of the source; the program is dead."""
        self._stopped = True
        self._thread.join()

    def _feed(self) -> None:
        stream, is_read = cast(IO[bytes], self._process.stdin), True
        try:
            for chunk in self._chunks:
                if self._stopped:
                    return
                if is_read:
                    try:
                        stream.write(chunk)
                    except BrokenPipeError:
                        # It has what it wants; the source is read to its end, where damage may show.
                        is_read = False
        except BaseException as error:
            self._error = error
            # Before its input ends: a part of an archive must not be taken for the whole.
            self._process.kill()
        finally:
            with contextlib.suppress(OSError):
                stream.close()


def _failed(name: str, address: DatabaseAddress | None, complaint: str) -> DatabaseFailed:
    lines = [line for line in complaint.splitlines() if line.strip()]
    said = next((line for line in lines if "error:" in line), lines[-1] if lines else "it said nothing")
    where = f" of {address.target}" if address else ""
    if address:
        said = address.without(said)
    return DatabaseFailed(
        f"{name}{where}: {said.removeprefix(name + ': ').removeprefix('error: ')[:500]}",
        next_step="check address, password and server version; then run it again.",
    )


def _number(version: str) -> float:
    try:
        return float(version)
    except ValueError:
        return 0.0
