"""The restore drill: bring a set back beside the real thing, compare, and write down how long it took.

`<home>/backup/<stack>/drills.jsonl`, one document a line, hash-chained like the audit log:
`when` (UTC), `set`, `passed`, `rto_s` (seconds from the first byte read to the last row compared), `rpo_s`
(age of the set when the drill began: what would have been lost), `databases` {name: {tables, rows}}, `files`,
`resources`, `problems` and `previous`.
"""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from sophia_infra.audit.chained_file import ChainedFile
from sophia_infra.backup.contents import own_folder
from sophia_infra.backup.databases import DatabaseAddress
from sophia_infra.backup.errors import BackupError, BackupRefused
from sophia_infra.backup.postgres import plain_dump, plain_of_archive, query
from sophia_infra.backup.restoring import SetReader
from sophia_infra.backup.row_digests import rows_of_text
from sophia_infra.engine.home import Home

__all__ = ["Drill", "drills_file", "read_drills", "record_drill", "run_drill"]


@dataclass(frozen=True, slots=True)
class Drill:
    """How one drill ended; the fields as in the file."""

    when: str
    set: str
    passed: bool
    rto_s: float
    rpo_s: float
    databases: Mapping[str, Mapping[str, int]]
    files: int
    resources: int
    problems: tuple[str, ...]


def run_drill(
    reader: SetReader,
    scratch: Path,
    server: DatabaseAddress | None,
    *,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    say: Callable[[str], None] = lambda _line: None,
) -> Drill:
    """Restore every part to a place of its own, compare the rows, leave nothing behind.

    Args:
        scratch: a folder that only we may read.
        server: a database on a Postgres where new ones may be made; needed when the set has a dump of one.

    Raises:
        BackupRefused: `server` is needed and None.
        StoreUnavailable: the store did not answer.
    """
    manifest = reader.manifest
    names = [
        (str(part.detail["database"]), part.detail.get("server"))
        for part in manifest.parts
        if part.kind == "database"
    ]
    if server is None and any(kind == "postgres" for _, kind in names):
        raise BackupRefused(
            "The set holds a dump of a Postgres, and no server was named to bring it back to.",
            next_step="set --scratch-url-env to a variable with the address of one, best not the real one.",
        )
    begun, started_s = now(), time.monotonic()
    problems: list[str] = []
    databases: dict[str, dict[str, int]] = {}
    files = resources = 0
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        try:
            say("restoring files")
            files = reader.files_to(Path(folder) / "files", overwrite=False)
            if manifest.part("state") is not None:
                resources = len((reader.state().get("deployment") or {}).get("resources") or [])
        except BackupError as error:
            problems.append(error.message)
        for name, kind in names:
            say(f"restoring database {name}")
            try:
                if kind == "postgres" and server is not None:
                    databases[name] = _postgres(reader, name, server, problems)
                else:
                    target = DatabaseAddress("sqlite", str(Path(folder) / f"{name}.sqlite"))
                    reader.database_to(name, target, overwrite=False)
                    databases[name] = _count_sqlite(target.file)
            except BackupError as error:
                problems.append(error.message)
    return Drill(
        when=begun.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        set=manifest.set_id,
        passed=not problems,
        rto_s=round(time.monotonic() - started_s, 3),
        rpo_s=round(max(0.0, begun.timestamp() - manifest.made_at_s), 3),
        databases=databases,
        files=files,
        resources=resources,
        problems=tuple(problems),
    )


def drills_file(home: Home, stack: str) -> Path:
    """Where the drills of a stack are written down."""
    return home.root / "backup" / stack / "drills.jsonl"


def record_drill(home: Home, stack: str, drill: Drill) -> None:
    """Append a drill, and have it on the disk. Raises OSError."""
    own_folder(home, stack)
    ChainedFile(drills_file(home, stack)).append(lambda previous: {**asdict(drill), "previous": previous})


def read_drills(home: Home, stack: str) -> list[Drill]:
    """All drills, oldest first; none when there was none. A line that is no drill is left out."""
    found = []
    for fields in ChainedFile(drills_file(home, stack)).documents():
        try:
            fields.pop("previous")
            found.append(Drill(**{**fields, "problems": tuple(fields["problems"])}))
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
    return found


def _postgres(reader: SetReader, name: str, server: DatabaseAddress, problems: list[str]) -> dict[str, int]:
    """Restore into a database that exists only meanwhile; every table must hold what the archive holds."""
    database = f"sophia_drill_{secrets.token_hex(6)}"
    query(server, f'CREATE DATABASE "{database}"')
    try:
        target = server.named(database)
        reader.database_to(name, target, overwrite=False)
        wanted = rows_of_text(plain_of_archive(reader.dump(name)))
        found = rows_of_text(plain_dump(target))
    finally:
        query(server, f'DROP DATABASE "{database}" WITH (FORCE)')
    problems += [
        f"table {table} of {name} did not come back as it was"
        for table in sorted({*wanted, *found})
        if wanted.get(table) != found.get(table)
    ]
    return {"tables": len(found), "rows": sum(table.rows for table in found.values())}


def _count_sqlite(file: Path) -> dict[str, int]:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(file)) as database:
        tables = [
            str(row[0]) for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        quoted = ('"{}"'.format(table.replace('"', '""')) for table in tables)
        rows = sum(
            int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 (quoted)
            for table in quoted
        )
    return {"tables": len(tables), "rows": rows}
