"""The machine's clock, which people set, as a process reads it."""

from __future__ import annotations

import time

from sophia_infra.model.clock import SystemClock, VirtualClock


class Machine:
    """Time passes, and somebody sets the clock."""

    def __init__(self) -> None:
        self.passed = VirtualClock()
        self.set_by_s = 0.0

    def wall(self) -> float:
        return self.passed.now() + self.set_by_s


def test_a_clock_that_is_set_back_goes_on_from_where_it_was() -> None:
    machine = Machine()
    clock = SystemClock(machine.wall, machine.passed.now)
    before_s = clock.now()
    machine.set_by_s = -86_400.0
    machine.passed.advance(60)
    assert clock.now() == before_s + 60


def test_a_clock_that_is_set_forward_is_followed_and_so_is_its_correction() -> None:
    machine = Machine()
    clock = SystemClock(machine.wall, machine.passed.now)
    before_s = clock.now()
    machine.set_by_s = 86_400.0
    assert clock.now() == before_s + 86_400
    machine.set_by_s = 0.0
    assert clock.now() == before_s


def test_it_shows_the_machines_time() -> None:
    before_s = time.time()
    assert before_s <= SystemClock().now()
