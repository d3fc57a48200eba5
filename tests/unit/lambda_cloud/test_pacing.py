"""The two rates of the account, kept by any number of threads and processes."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from sophia_infra.lambda_cloud import LambdaCloud, Pacer
from sophia_infra.lambda_cloud.pacing import LAUNCH_INTERVAL_S, REQUEST_INTERVAL_S, Slot
from sophia_infra.model.clock import VirtualClock
from tests.unit.lambda_cloud.every_call import LAUNCH
from tests.unit.lambda_cloud.service import ScriptedService

from .conftest import success_of

KEY = Pacer.key_id("https://cloud.lambda.ai", "a-key")


class Witness(VirtualClock):
    """A clock that remembers, per thread, what it showed last: after `wait`, the moment of the grant."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.local()

    def now(self) -> float:
        self._thread.shown_s = super().now()
        return float(self._thread.shown_s)

    def last_shown_s(self) -> float:
        """The time that this thread saw last."""
        return float(self._thread.shown_s)


class Stopped:
    """A clock that stands still, and holds every sleeper until the test lets time pass."""

    def __init__(self) -> None:
        self._now_s = 1_790_000_000.0
        self._changed = threading.Condition()
        self.sleepers = 0

    def now(self) -> float:
        with self._changed:
            return self._now_s

    def sleep(self, duration_s: float) -> None:
        with self._changed:
            wakes_s = self._now_s + duration_s
            self.sleepers += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._now_s >= wakes_s, timeout=10)
            self.sleepers -= 1
            self._changed.notify_all()

    def advance(self, duration_s: float) -> None:
        with self._changed:
            self._now_s += duration_s
            self._changed.notify_all()

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Let the threads run until `is_so`: they take no time of this clock."""
        with self._changed:
            for _ in range(10_000):
                if is_so():
                    return
                self._changed.wait(0.001)
        raise AssertionError("the threads never got there")


def in_threads(count: int, work: Callable[[int], object]) -> None:
    threads = [threading.Thread(target=work, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def most_in_a_window(moments: list[float], window_s: float) -> int:
    return max(sum(first <= moment < first + window_s for moment in moments) for first in moments)


def test_the_promised_rates() -> None:
    assert REQUEST_INTERVAL_S == 1.0
    assert LAUNCH_INTERVAL_S == 12.0


@pytest.mark.parametrize("shared", [False, True], ids=["in one process", "through a file"])
def test_32_threads_stay_below_60_requests_and_5_launches_in_any_60_s(tmp_path: Path, shared: bool) -> None:
    clock = Witness()
    pacer = Pacer(tmp_path if shared else None, KEY, clock)
    requests: list[float] = []
    launches: list[float] = []
    in_line = threading.Barrier(32)

    def work(_: int) -> None:
        in_line.wait()
        for kind in ("request", "launch", "request", "request"):
            pacer.wait(kind)
            requests.append(clock.last_shown_s())
            if kind == "launch":
                launches.append(clock.last_shown_s())

    in_threads(32, work)
    assert (len(requests), len(launches)) == (128, 32)
    assert most_in_a_window(requests, 60.0) <= 60
    assert most_in_a_window(launches, 60.0) <= 5
    assert min(b - a for a, b in pairwise(sorted(requests))) >= 1.0
    assert min(b - a for a, b in pairwise(sorted(launches))) >= 12.0


def test_32_instances_launched_at_once_keep_the_rates_at_the_service(service: ScriptedService) -> None:
    clock = Witness()
    service.script("POST /api/v1/instance-operations/launch", success_of("launchInstance"))
    granted: list[float] = []

    class Recording(Pacer):
        def wait(self, kind: Slot) -> float:
            waited_s = super().wait(kind)
            granted.append(clock.last_shown_s())
            return waited_s

    with LambdaCloud(service.url, "k", clock=clock, pacer=Recording(None, KEY, clock)) as cloud:
        in_threads(32, lambda _: cloud.launch_instance(LAUNCH))
    assert len(service.asked) == 32
    assert most_in_a_window(granted, 60.0) <= 5


def test_several_processes_share_one_pace(tmp_path: Path) -> None:
    """Costs about a second of real time and buys the only proof that the file works between processes."""
    program = """
import sys
from pathlib import Path
from sophia_infra.lambda_cloud.pacing import Pacer
from sophia_infra.model.clock import SystemClock
class Witness(SystemClock):
    def now(self):
        self.shown_s = super().now()
        return self.shown_s
clock = Witness()
pacer = Pacer(Path(sys.argv[1]), sys.argv[2], clock, 0.02, 0.06)
for kind in ["request", "launch", "request", "request", "launch", "request"]:
    pacer.wait(kind)
    print(kind, repr(clock.shown_s))
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), KEY], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    lines = [
        line.split() for process in processes for line in process.communicate(timeout=60)[0].splitlines()
    ]
    assert all(process.returncode == 0 for process in processes)
    requests = sorted(float(moment) for _, moment in lines)
    launches = sorted(float(moment) for kind, moment in lines if kind == "launch")
    assert (len(requests), len(launches)) == (24, 8)
    assert min(b - a for a, b in pairwise(requests)) >= 0.02 - 1e-6
    assert min(b - a for a, b in pairwise(launches)) >= 0.06 - 1e-6


def test_a_launch_takes_a_launch_slot_and_a_request_slot() -> None:
    clock = VirtualClock()
    pacer = Pacer(None, KEY, clock)
    assert pacer.wait("launch") == 0
    assert pacer.wait("request") == 1
    assert pacer.wait("launch") == 11
    assert pacer.wait("launch") == 12
    clock.advance(100)
    assert pacer.wait("request") == 0
    assert pacer.wait("launch") == 1


def test_waiters_of_a_process_take_turns_in_the_order_in_which_they_came() -> None:
    clock = Stopped()
    pacer = Pacer(None, KEY, clock)
    pacer.wait("launch")
    served: list[str] = []

    def work(name: str) -> None:
        pacer.wait("launch")
        served.append(name)

    threads = []
    for count, name in enumerate("abcd", start=1):
        threads.append(threading.Thread(target=work, args=(name,)))
        threads[-1].start()
        clock.wait_until(lambda count=count: clock.sleepers == count)  # type: ignore[misc]
    for done in (1, 2, 3, 4):
        clock.advance(12)
        clock.wait_until(lambda done=done: (len(served), clock.sleepers) == (done, 4 - done))  # type: ignore[misc]
    for thread in threads:
        thread.join()
    assert served == ["a", "b", "c", "d"]


def test_all_who_wake_up_late_together_make_no_burst() -> None:
    """As after the lid of a laptop was closed: every sleep is over at the same moment."""
    clock = Stopped()
    pacer = Pacer(None, KEY, clock)
    pacer.wait("launch")
    served: list[int] = []

    def work(number: int) -> None:
        pacer.wait("launch")
        served.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    clock.wait_until(lambda: clock.sleepers == 4)
    clock.advance(3600)
    for done in (1, 2, 3, 4):
        clock.wait_until(lambda done=done: (len(served), clock.sleepers) == (done, 4 - done))  # type: ignore[misc]
        clock.advance(12)
    for thread in threads:
        thread.join()


def test_nobody_waits_for_one_who_was_interrupted() -> None:
    class Interrupted(VirtualClock):
        fail = True

        def sleep(self, duration_s: float) -> None:
            if self.fail:
                raise KeyboardInterrupt
            super().sleep(duration_s)

    clock = Interrupted()
    pacer = Pacer(None, KEY, clock)
    pacer.wait("launch")
    with pytest.raises(KeyboardInterrupt):
        pacer.wait("launch")
    clock.fail = False
    assert pacer.wait("launch") == 12


@pytest.mark.parametrize("intervals", [(-1.0, 12.0), (1.0, -0.1)])
def test_a_negative_interval_is_refused(intervals: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        Pacer(None, KEY, VirtualClock(), *intervals)


def test_intervals_of_zero_never_wait() -> None:
    pacer = Pacer(None, KEY, VirtualClock(), 0.0, 0.0)
    assert [pacer.wait("launch") for _ in range(5)] == [0.0] * 5
    assert math.isclose(sum(pacer.wait("request") for _ in range(5)), 0.0)
