"""The files of one run under the project's own logs folder, and reading the event log while it grows."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sophia_infra.engine.events import Event, EventReader

KEPT_RUNS = 30
"""Log files of older runs are removed; a run writes some 100 kB."""


@dataclass(frozen=True, slots=True)
class RunFiles:
    """What a run writes: everything the engine printed, and its events as one JSON object a line."""

    text: Path
    events: Path


def new_run_files(logs: Path, verb: str, stack: str) -> RunFiles:
    """Make the two empty files of a new run (mode 0600) and remove those of the oldest runs."""
    _remove_old_runs(logs)
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    name = f"{stamp}-{os.getpid()}-{verb}-{stack.replace('/', '.')}"
    files = RunFiles(text=logs / f"{name}.log", events=logs / f"{name}.events.jsonl")
    for file in (files.text, files.events):
        file.touch(mode=0o600)
    return files


def _remove_old_runs(logs: Path) -> None:
    texts = sorted(logs.glob("*.log"), key=lambda file: file.name)
    for text in texts[: max(0, len(texts) - KEPT_RUNS + 1)]:
        text.unlink(missing_ok=True)
        text.with_suffix(".events.jsonl").unlink(missing_ok=True)


class EventLog:
    """Reads the events that were added to a file since the last call. A line that is not whole waits."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._offset = 0
        self._reader = EventReader()

    def read(self) -> Iterator[Event]:
        """Yield the new events; lines that are not JSON objects are skipped."""
        with self._file.open("rb") as stream:
            stream.seek(self._offset)
            for line in stream:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                try:
                    document = json.loads(line)
                except ValueError:
                    continue
                event = self._reader.read(document) if isinstance(document, dict) else None
                if event is not None:
                    yield event
