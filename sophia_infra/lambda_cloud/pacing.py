"""Keeps every thread and every process that uses one key within the account's two rates.

Algorithm: for each rate, the time of the last grant is kept in one file per key and base URL. A waiter
sleeps, outside every lock, until its turn, and then asks for its grant under the lock: granted only when
the interval since the last grant has really passed, else it sleeps on. So a late waker (a suspended
laptop wakes all of them at once) never makes a burst, and a killed process leaves no reserved turns behind
that the living would wait for. Within a process turns follow each other in order; between processes the
first to ask wins.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from sophia_infra.model.clock import Clock, SystemClock
from sophia_infra.privacy import open_private

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["LAUNCH_INTERVAL_S", "REQUEST_INTERVAL_S", "Pacer", "Slot"]

Slot = Literal["request", "launch"]

REQUEST_INTERVAL_S = 1.0
"""Lambda Cloud API 1.10.0: about one request per second."""

LAUNCH_INTERVAL_S = 12.0
"""Lambda Cloud API 1.10.0: one launch per 12 seconds, five per minute."""

_log = logging.getLogger(__name__)


class Pacer:
    """Grants slots: `request` for any call, `launch` for a launch, which uses up a `request` slot too.

    In any 60 s that begin with a grant there are at most 60 requests and 5 launches, whatever the number
    of threads and of processes that share `directory`.

    Args:
        directory: where the shared file lies; made when absent (OSError when it cannot be made).
            None: the slots are shared by the threads of this process only.
        key_id: what the limit belongs to, as from `key_id()`; only a digest of it becomes a file name.
        clock: processes that share a directory must share its origin too. Against an emulator that runs
            `n` times as fast, keep the system clock and divide both intervals by `n`.
        request_interval_s: seconds of `clock` between two requests.
        launch_interval_s: seconds of `clock` between two launches.
    """

    _KINDS: ClassVar[Mapping[Slot, tuple[Slot, ...]]] = {
        "request": ("request",),
        "launch": ("launch", "request"),
    }

    def __init__(
        self,
        directory: Path | None,
        key_id: str,
        clock: Clock | None = None,
        request_interval_s: float = REQUEST_INTERVAL_S,
        launch_interval_s: float = LAUNCH_INTERVAL_S,
    ) -> None:
        if request_interval_s < 0 or launch_interval_s < 0:
            raise ValueError(
                f"intervals are {request_interval_s} s and {launch_interval_s} s; they must not be negative"
            )
        self._clock = SystemClock() if clock is None else clock
        self._intervals_s: dict[Slot, float] = {"request": request_interval_s, "launch": launch_interval_s}
        self._waiting: dict[Slot, int] = {"request": 0, "launch": 0}
        self._granted_s: dict[Slot, float] = {}
        self._threads = threading.Lock()
        self._path: Path | None = None
        self._processes: AbstractContextManager[object] = nullcontext()
        if directory is not None:
            self._share(directory, key_id)

    @staticmethod
    def key_id(base_url: str, api_key: str) -> str:
        """What a limit belongs to: this key at this service. A digest, from which nobody reads the key."""
        return hashlib.sha256(f"{base_url.rstrip('/')}\n{api_key}".encode()).hexdigest()

    def wait(self, kind: Slot) -> float:
        """Return when one `kind` may be sent, and not before; the seconds of the clock spent waiting."""
        with self._threads:
            began_s, turn_s = self._ask(kind, ahead=self._waiting[kind])
            if turn_s <= began_s:
                return 0.0
            self._waiting[kind] += 1
        try:
            granted_s = self._sleep_until_granted(kind, began_s, turn_s)
        except BaseException:
            with self._threads:
                self._waiting[kind] -= 1
            raise
        return granted_s - began_s

    def free_share(self, kind: Slot) -> float:
        """How much of the interval before the next slot of `kind` has passed, 0 to 1; 1: it is free now.

        Never waits for a slot, nor for another process.
        """
        with self._threads:
            now_s = self._clock.now()
            grants = self._last_grants(now_s)
            return min(
                (
                    min(1.0, max(0.0, (now_s - grants[k]) / self._intervals_s[k]))
                    for k in self._KINDS[kind]
                    if k in grants and self._intervals_s[k] > 0
                ),
                default=1.0,
            )

    def _sleep_until_granted(self, kind: Slot, now_s: float, turn_s: float) -> float:
        while True:
            self._clock.sleep(turn_s - now_s)
            with self._threads:
                now_s, turn_s = self._ask(kind, ahead=0)
                if turn_s <= now_s:
                    self._waiting[kind] -= 1
                    return now_s

    def _share(self, directory: Path, key_id: str) -> None:
        # 70 ms, which a client that stays within one process need not pay.
        from filelock import FileLock

        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"pace-{hashlib.sha256(key_id.encode()).hexdigest()[:32]}"
        self._path = directory / f"{name}.json"
        self._processes = FileLock(directory / f"{name}.lock", poll_interval=0.005, mode=0o600)

    def _ask(self, kind: Slot, *, ahead: int) -> tuple[float, float]:
        """Now, and this waiter's turn: granted when the turn has come, that is when it is free and first."""
        with self._processes:
            now_s = self._clock.now()
            self._granted_s = self._last_grants(now_s)
            kinds = self._KINDS[kind]
            free_s = max(self._granted_s.get(k, float("-inf")) + self._intervals_s[k] for k in kinds)
            turn_s = max(now_s, free_s) + ahead * self._intervals_s[kind]
            if turn_s <= now_s:
                self._granted_s.update(dict.fromkeys(kinds, now_s))
                self._keep()
            return now_s, turn_s

    def _last_grants(self, now_s: float) -> dict[Slot, float]:
        """The later of file and memory. A grant in the future means that a clock was set back: no grant."""
        stored = self._read()
        grants: dict[Slot, float] = {}
        for kind, interval_s in self._intervals_s.items():
            known = [g for g in (stored.get(kind), self._granted_s.get(kind)) if g is not None]
            sane = [g for g in known if g <= now_s + interval_s]
            if sane:
                grants[kind] = max(sane)
        return grants

    def _read(self) -> dict[str, float]:
        if self._path is None:
            return {}
        try:
            stored = json.loads(self._path.read_bytes())
            return {kind: float(stored[kind]) for kind in self._intervals_s if kind in stored}
        except (OSError, ValueError, TypeError, OverflowError):
            return {}

    def _keep(self) -> None:
        if self._path is None:
            return
        partial = self._path.with_suffix(".partial")
        try:
            with open(partial, "w", encoding="utf-8", opener=open_private) as file:
                json.dump(self._granted_s, file)
            os.replace(partial, self._path)
        except OSError as error:
            _log.warning("pacing is not shared with other processes for now: %s", error)
