"""The faults of the table, and what counts the moments at which one can strike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from sophia_infra.lambda_cloud import LambdaCloud, Unreachable
from sophia_infra.model.clock import SystemClock, VirtualClock
from tests.faults.trials import DISK_FAULTS
from tests.unit.provider.simulated_engine import Doom, Killed

__all__ = [
    "DAYS_S",
    "FAULTS",
    "GIVES_UP_S",
    "TIMEOUTS",
    "Fault",
    "ProcessClock",
    "RequestStrike",
    "SkewedClock",
    "Spoilable",
    "Strike",
]

DAYS_S = 2 * 86_400.0
GIVES_UP_S = 0.05
"""Real seconds that a client waits for an answer which is held back: each trial of a timeout costs them."""
FOR_LONG = 40
"""Requests that fail one after the other: more than a client tries."""


class Spoilable(Protocol):
    """A world in which something can go wrong."""

    def spoil(self, when: str, action: str, **more: Any) -> None:
        """The service spoils the next request, whatever it is; `more` as in `FaultRule`."""

    def turn_clock(self, skew_s: float) -> None:
        """The clock of this machine is wrong by so much from now on."""

    def fail_disk(self, error: int) -> None:
        """Nothing can be written on this machine any more, by this errno."""

    def restart_emulator(self) -> None:
        """The emulator is killed and started anew on its state file."""


@dataclass(frozen=True)
class Fault:
    """What happens, and which moments are counted: `all`, each `request`, or each `note` in the journal."""

    happen: Callable[[Spoilable], None]
    moments: Literal["all", "request", "note"] = "request"


class SkewedClock(VirtualClock):
    """This machine's clock: that of the cloud, and wrong by `skew_s`."""

    def __init__(self, true: VirtualClock) -> None:
        super().__init__()
        self.true = true
        self.skew_s = 0.0

    def now(self) -> float:
        return self.true.now() + self.skew_s

    def advance(self, duration_s: float) -> None:
        self.true.advance(duration_s)


class ProcessClock(SystemClock):
    """What one process reads on such a machine."""

    def __init__(self, machine: SkewedClock) -> None:
        super().__init__(machine.now, machine.true.now)
        self._machine = machine

    def sleep(self, duration_s: float) -> None:
        self._machine.sleep(duration_s)


class Strike(Doom):
    """Lets the fault happen at one of the moments."""

    def __init__(self, at: int, happen: Callable[[], None]) -> None:
        super().__init__(None)
        self.at, self.count, self._happen = at, 0, happen

    def moment(self) -> None:
        self.count += 1
        if self.count == self.at:
            self._happen()

    @property
    def was_reached(self) -> bool:
        return 0 < self.at <= self.count


class RequestStrike:
    """The real client; the strike counts the requests, and the one it strikes at is sent by `struck`.

    Args:
        on_no_answer: called when a request got none and is not sent again.
    """

    def __init__(
        self, client: LambdaCloud, strike: Strike, struck: LambdaCloud, on_no_answer: Callable[[], None]
    ) -> None:
        self._client, self._strike, self._struck = client, strike, struck
        self._on_no_answer = on_no_answer

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def send(*arguments: Any, **named: Any) -> Any:
            self._strike.moment()
            client = self._struck if self._strike.count == self._strike.at else self._client
            try:
                return getattr(client, name)(*arguments, **named)
            except Unreachable:
                self._on_no_answer()
                raise

        return send


def _killed(_: Spoilable) -> None:
    raise Killed


def _spoiled(when: str, action: str, **more: Any) -> Fault:
    return Fault(lambda world: world.spoil(when, action, **more))


FAULTS: dict[str, Fault] = {
    "kill -9": Fault(_killed, "all"),
    "429 once": _spoiled("before", "status", status=429, retry_after_s=30),
    "429 for long": _spoiled("before", "status", status=429, times=FOR_LONG),
    "500 before": _spoiled("before", "status", status=500),
    "502 after": _spoiled("after", "status", status=502),
    "503 for long": _spoiled("before", "status", status=503, times=FOR_LONG),
    "timeout before": _spoiled("before", "hold"),
    "timeout after": _spoiled("after", "hold"),
    "reset before": _spoiled("before", "drop"),
    "reset after": _spoiled("after", "drop"),
    "reset for long": _spoiled("after", "drop", times=FOR_LONG),
    "answer cut": _spoiled("after", "truncate"),
    "disk full": Fault(lambda world: world.fail_disk(DISK_FAULTS["disk full"]), "note"),
    "disk read-only": Fault(lambda world: world.fail_disk(DISK_FAULTS["disk read-only"]), "note"),
    "clock forward": Fault(lambda world: world.turn_clock(DAYS_S), "all"),
    "clock back": Fault(lambda world: world.turn_clock(-DAYS_S), "all"),
    "emulator restart": Fault(lambda world: world.restart_emulator()),
}
TIMEOUTS = (FAULTS["timeout before"], FAULTS["timeout after"])
