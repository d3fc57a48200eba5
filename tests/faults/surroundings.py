"""Account, clock and disk that work goes on with, and one fault that spoils them at one moment."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sophia_infra.lambda_cloud import LambdaCloud, Pacer
from sophia_infra.lambda_cloud.client import TIMEOUT_READ_S
from sophia_infra.model.clock import VirtualClock
from sophia_infra.provider.journal import Intent, Journal
from tests.faults.kinds import GIVES_UP_S, TIMEOUTS, Fault, RequestStrike, SkewedClock, Strike
from tests.faults.restartable_emulator import RestartableEmulator
from tests.unit.provider.simulated_engine import Doom, DoomedClient
from tests.unit.provider.stage import API_KEY

__all__ = ["FailingDisk", "Means", "Surroundings"]


class FailingDisk(Journal):
    """The real journal on a disk that takes nothing any more once `error` is set."""

    def __init__(self, directory: Path, before: Doom, after: Doom) -> None:
        super().__init__(directory)
        self._before, self._after = before, after
        self.error = 0

    def write(self, intent: Intent) -> None:
        self._before.moment()
        super().write(intent)
        self._after.moment()

    def forget(self, key: str) -> None:
        # A full disk lets files go; one that is read-only does not, and the room passes over it.
        if self.error != errno.EROFS:
            super().forget(key)

    def _replace(self, intent: Intent) -> None:
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        super()._replace(intent)


@dataclass(frozen=True)
class Means:
    """What one process works with. `noting` counts its notes, `whole` all that it does."""

    client: LambdaCloud
    journal: FailingDisk
    strike: Strike
    noting: Doom
    whole: Doom


class Surroundings:
    """An emulator of its own, and a machine with a clock and a folder for notes.

    Args:
        wrap: what every client is put into.
    """

    def __init__(
        self, folder: Path, *, wrap: Callable[[LambdaCloud], object] = lambda client: client, **settings: Any
    ) -> None:
        self.true_clock = VirtualClock()
        self.clock = SkewedClock(self.true_clock)
        self.emulator = RestartableEmulator(folder, self.true_clock, **settings)
        self._clients = contextlib.ExitStack()
        self._journal: FailingDisk | None = None
        self._wrap = wrap
        self._client, self._impatient = self._new_client(), self._new_client(timeout_read_s=GIVES_UP_S)

    def close(self) -> None:
        self._clients.close()
        self.emulator.close()

    def begin(self, **settings: Any) -> None:
        """A new account, and a clock that is right."""
        self.heal()
        self.emulator.cloud.reset()
        self.emulator.cloud.change_settings(settings)
        self.clock.skew_s = 0.0

    def means(self, notes: Path, fault: Fault | None = None, at: int = 0) -> Means:
        """Of a new process that notes in `notes`, and meets `fault` at its moment number `at`."""
        strike = Strike(at, lambda: fault.happen(self) if fault else None)
        moments = fault.moments if fault else "none"
        nothing = Doom(None)
        whole = strike if moments == "all" else nothing
        noting = strike if moments in ("all", "note") else nothing
        self._journal = FailingDisk(notes, noting, whole)
        counted: object = self._client
        if moments == "all":
            counted = DoomedClient(self._client, strike)
        elif moments == "request":
            late = fault in TIMEOUTS
            counted = RequestStrike(
                self._client,
                strike,
                self._impatient if late else self._client,
                self._carry_out_late if late else lambda: None,
            )
        return Means(cast(LambdaCloud, counted), self._journal, strike, noting, whole)

    def heal(self) -> None:
        """The service answers again; what was held back is done only now."""
        with self.emulator.cloud.lock:
            self.emulator.cloud.faults.clear(go_on=True)
        self.emulator.finish_requests()

    def spoil(self, when: str, action: str, **more: Any) -> None:
        with self.emulator.cloud.lock:
            self.emulator.cloud.faults.add("*", when, action, **more)

    def turn_clock(self, skew_s: float) -> None:
        self.clock.skew_s = skew_s

    def fail_disk(self, error: int) -> None:
        assert self._journal is not None
        self._journal.error = error

    def restart_emulator(self) -> None:
        self.emulator.restart()

    def _carry_out_late(self) -> None:
        """The service does the work when the client has waited in vain for as long as it ever does."""
        self.clock.advance(TIMEOUT_READ_S)
        self.heal()

    def _new_client(self, **more: Any) -> LambdaCloud:
        pacer = Pacer(None, "test", self.clock, 0.0, 0.0)
        made = self._clients.enter_context(
            LambdaCloud(
                self.emulator.url, API_KEY, clock=self.clock, pacer=pacer, random_part=lambda: 0.5, **more
            )
        )
        return cast(LambdaCloud, self._wrap(made))
