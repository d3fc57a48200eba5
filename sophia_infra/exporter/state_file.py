"""The exporter's memory between two processes: one small JSON file, whole or not there."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from pathlib import Path

from sophia_infra.exporter.errors import StateUnusable
from sophia_infra.exporter.meter import Meter

__all__ = ["StateFile"]

_VERSION = 1
_log = logging.getLogger(__name__)


class StateFile:
    """Keeps a meter in `path`, for one stack.

    Without it, or after it was lost, machines with our tag go on by their launch time. What ended earlier in
    the month is not in its sum then (`lambda_cloud_month_spent_complete` is 0), and machines without a tag
    are counted from when they are seen.
    """

    def __init__(self, path: Path, stack: str) -> None:
        self._path = path
        self._stack = stack
        self._is_failing = False

    def load(self) -> Meter:
        """The kept meter; a new one when there is none.

        A file that holds no such state, or another stack's, is moved aside, said in the log, and not used.

        Raises:
            StateUnusable: the file cannot be read, or its folder is not there.
        """
        if not self._path.parent.is_dir():
            raise StateUnusable(f"The folder of the state file {self._path} does not exist.")
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return Meter()
        except OSError as error:
            raise StateUnusable(f"The state file {self._path} cannot be read: {error.strerror}.") from error
        try:
            document = json.loads(text)
            if document["version"] != _VERSION or document["stack"] != self._stack:
                raise ValueError(f"it is of version {document['version']!r} and stack {document['stack']!r}")
            return Meter.load(document["meter"])
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            aside = self._path.with_name(f"{self._path.name}.unusable")
            moved = "it could not be moved aside"
            with contextlib.suppress(OSError):
                self._path.replace(aside)
                moved = f"it is {aside} now"
            _log.warning(
                "the state in %s cannot be used (%s: %s); %s, and counting begins anew",
                self._path,
                type(error).__name__,
                error,
                moved,
            )
            return Meter()

    def save(self, meter: Meter) -> None:
        """Replace the file at once, so that a kill leaves the old or the new one. Failures are said once."""
        document = {"version": _VERSION, "stack": self._stack, "meter": meter.dump()}
        partial = self._path.with_name(f".{self._path.name}.partial")
        try:
            with partial.open("w", encoding="utf-8") as file:
                json.dump(document, file, separators=(",", ":"))
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path)
        except OSError as error:
            if not self._is_failing:
                _log.warning("the state cannot be written to %s: %s", self._path, error.strerror or error)
            self._is_failing = True
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            return
        if self._is_failing:
            _log.info("the state is written to %s again", self._path)
        self._is_failing = False
