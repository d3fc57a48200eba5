"""What this machine is about to launch, written before the request leaves.

The tag on the machine is the proof; the journal only says how long to look for it. A run killed between
the launch and its answer leaves an intent behind, and the next run keeps listing until a launch of that
age must be visible (the list may lag: peers.md 3.2) before it dares to launch again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from sophia_infra.provider.errors import JournalUnwritable

__all__ = ["Intent", "Journal"]


@dataclass(frozen=True, slots=True)
class Intent:
    """One creation that was begun: when (seconds since 1970), and the id once it was answered."""

    key: str
    begun_at_s: float
    resource_id: str | None = None


class Journal:
    """Intents as one small file each in `directory`, which is made when first written to.

    A file is replaced atomically and flushed to disk before the request it announces is sent.
    An unreadable file counts as an intent without a time: the caller then waits the full lag.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def find(self, key: str) -> Intent | None:
        """The intent for `key`, None when there is none."""
        try:
            fields = json.loads(self._path(key).read_text(encoding="utf-8"))
            begun_at_s = float(fields["begun_at_s"])
            if math.isfinite(begun_at_s):
                return Intent(key, begun_at_s, fields["resource_id"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return Intent(key, math.inf)

    def list(self) -> list[Intent]:
        """All readable intents, oldest first."""
        found = []
        for path in self._directory.glob("*.json"):
            try:
                fields = json.loads(path.read_text(encoding="utf-8"))
                found.append(Intent(fields["key"], float(fields["begun_at_s"]), fields["resource_id"]))
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return sorted(found, key=lambda intent: intent.begun_at_s)

    def write(self, intent: Intent) -> None:
        """Record `intent`, durably, in place of an earlier one with its key. Raises JournalUnwritable."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._replace(intent)
        except OSError as error:
            raise JournalUnwritable(
                f"{self._directory} cannot be written ({error.strerror}), and without a note there a crash "
                "could launch a machine twice. Nothing was launched or made.",
                next_step="free space there, or correct its owner and mode; then run the same command again.",
            ) from error

    def forget(self, key: str) -> None:
        """Drop the intent for `key`: what it announced was refused, or is gone again.

        One that cannot be dropped does no harm: it only makes a later launch look twice.
        """
        with contextlib.suppress(OSError):
            self._path(key).unlink(missing_ok=True)

    def forget_id(self, resource_id: str) -> None:
        """Drop every intent that ended in `resource_id`."""
        for intent in self.list():
            if intent.resource_id == resource_id:
                self.forget(intent.key)

    def _replace(self, intent: Intent) -> None:
        descriptor, temporary = tempfile.mkstemp(dir=self._directory, prefix=".intent-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                json.dump(asdict(intent), stream)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).replace(self._path(intent.key))
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def _path(self, key: str) -> Path:
        return self._directory / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
