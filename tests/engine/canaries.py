"""Values that must never come out: planted in every secret input, then looked for in all that was written.

A value counts as found as it is, in base64 (at any offset), in hex, and escaped for a URL.
"""

from __future__ import annotations

import base64
import secrets
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import quote

__all__ = ["Canaries", "core_limit", "open_to_others", "watched_command_lines"]

_LOOK_EVERY_S = 0.02
_MOUNT_OF_PROCESSES = Path("/proc")


@dataclass
class Canaries:
    """Secrets by a name that a failure may show; the values differ in each run."""

    values: dict[str, str] = field(default_factory=dict)

    def plant(self, name: str, form: str = "{}") -> str:
        """A new value of this form; the whole text of it is what is looked for."""
        self.values[name] = form.format(f"canary{secrets.token_hex(20)}")
        return self.values[name]

    def add(self, name: str, value: str) -> None:
        """A secret that somebody else made."""
        assert len(value) >= 16, f"{name} is too short to be told from other text"
        self.values[name] = value

    def found_in(self, content: bytes) -> set[str]:
        """Names of the values in `content`, whatever their form."""
        return {name for name, value in self.values.items() if any(form in content for form in _forms(value))}

    def found_in_files(self, folders: Iterable[Path], allowed: Mapping[str, Iterable[str]]) -> list[str]:
        """`name in file` for each value that lies in a file below `folders`.

        Args:
            allowed: name -> files, relative to their folder, that are made to hold it.
        """
        found = []
        for folder in folders:
            for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                where = str(file.relative_to(folder))
                names = self.found_in(file.read_bytes()) | self.found_in(where.encode())
                leaked = sorted(name for name in names if where not in allowed.get(name, ()))
                found += [f"{name} in {where}" for name in leaked]
        return found


def open_to_others(folder: Path) -> list[str]:
    """`mode path` of everything below `folder`, itself included, that group or others may touch."""
    return [
        f"{stat.S_IMODE(path.lstat().st_mode):o} {path.relative_to(folder)}"
        for path in sorted((folder, *folder.rglob("*")))
        if not path.is_symlink() and path.lstat().st_mode & 0o077
    ]


def core_limit(pid: int) -> str:
    """The soft limit of a process's core dump, in bytes, as the kernel prints it."""
    lines = (_MOUNT_OF_PROCESSES / str(pid) / "limits").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("Max core file size")).split()[4]


@contextmanager
def watched_command_lines(canaries: Canaries) -> Iterator[set[str]]:
    """Look at the command line of every process while inside; the set holds `name: program`."""
    found: set[str] = set()
    ended = threading.Event()

    known: set[bytes] = set()

    def look() -> None:
        while not ended.wait(_LOOK_EVERY_S):
            for folder in _MOUNT_OF_PROCESSES.iterdir():
                if folder.name.isdigit():
                    try:
                        line = (folder / "cmdline").read_bytes()
                    except OSError:  # it ended just now
                        continue
                    if line in known:
                        continue
                    known.add(line)
                    program = line.partition(b"\0")[0].decode(errors="replace")
                    found.update(f"{name}: {program}" for name in canaries.found_in(line))

    thread = threading.Thread(target=look, name="command-lines", daemon=True)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


@cache
def _forms(value: str) -> set[bytes]:
    raw = value.encode()
    # What base64 makes of a text depends on where in the stream it begins; its ends depend on the neighbours.
    encoded = {base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4] for shift in range(3)}
    return {raw, raw.hex().encode(), quote(value, safe="").encode(), *encoded}
