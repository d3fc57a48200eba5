"""32 machines made from 32 threads keep both rates in any minute, by the service's own clock."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sophia_infra.emulator import Cloud, CloudSettings, EmulatorServer
from sophia_infra.emulator.limits import Limits
from sophia_infra.lambda_cloud import LambdaCloud, Pacer
from sophia_infra.lambda_cloud.pacing import Slot
from sophia_infra.provider.instance import InstanceKind
from sophia_infra.provider.journal import Journal
from sophia_infra.provider.session import Session
from tests.unit.provider.stage import API_KEY, KEY_NAME, PUBLIC_KEY, numbered, props

COUNT = 32
WINDOW_S = 60.0


class FairClock:
    """Virtual time for many threads: it stands still while a request is on its way.

    A sleeper is woken in the order of its time, and only once no granted request is between its grant and
    its judgement by the service. Without that, another thread's sleep would move the time under a request,
    and the service would judge the jump of the clock instead of the pacing.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._now_s = 1_790_000_000.0
        self._on_their_way = 0
        self._wake_at_s: list[float] = []

    @property
    def standing_still(self) -> threading.Condition:
        """Held, the time does not move."""
        return self._changed

    def now(self) -> float:
        with self._changed:
            return self._now_s

    def sleep(self, duration_s: float) -> None:
        with self._changed:
            wake_at_s = self._now_s + max(0.0, duration_s)
            self._wake_at_s.append(wake_at_s)
            self._changed.notify_all()
            arrived = self._changed.wait_for(
                lambda: not self._on_their_way and wake_at_s <= min(self._wake_at_s), timeout=30
            )
            assert arrived, "a request never arrived"
            self._wake_at_s.remove(wake_at_s)
            self._now_s = max(self._now_s, wake_at_s)
            self._changed.notify_all()

    def depart(self) -> None:
        with self._changed:
            self._on_their_way += 1

    def arrive(self) -> None:
        with self._changed:
            self._on_their_way -= 1
            self._changed.notify_all()


class DepartingPacer(Pacer):
    """The real pacer; a grant and the departure of its request are one moment."""

    def __init__(
        self, clock: FairClock, request_interval_s: float = 1.0, launch_interval_s: float = 12.0
    ) -> None:
        super().__init__(None, "rates", clock, request_interval_s, launch_interval_s)
        self._fair_clock = clock

    def _ask(self, kind: Slot, *, ahead: int) -> tuple[float, float]:
        with self._fair_clock.standing_still:
            now_s, turn_s = super()._ask(kind, ahead=ahead)
            if turn_s <= now_s:
                self._fair_clock.depart()
            return now_s, turn_s


class ArrivingLimits(Limits):
    """The emulator's own limits; a request has arrived once they have judged it."""

    clock: FairClock

    def seconds_to_wait(self, *, launch: bool) -> float:
        wait_s = super().seconds_to_wait(launch=launch)
        self.clock.arrive()
        return wait_s


@pytest.fixture
def limited() -> Iterator[tuple[str, Cloud, FairClock]]:
    clock = FairClock()
    cloud = Cloud(CloudSettings(limits="json", limit_tolerance_s=0.0), clock)
    cloud.limits = limits = ArrivingLimits(cloud.core)
    limits.clock = clock
    cloud.ssh_keys.add(KEY_NAME, PUBLIC_KEY)
    with EmulatorServer(cloud) as server:
        yield server.url, cloud, clock


def create_all(url: str, clock: FairClock, pacer: Pacer, directory: Path) -> list[str]:
    """32 creates in 32 threads of one session; their ids."""
    with LambdaCloud(url, API_KEY, clock=clock, pacer=pacer, random_part=lambda: 1.0) as client:
        session = Session(client, clock, Journal(directory), say=lambda _: None)
        kind = InstanceKind(session)
        start = threading.Barrier(COUNT)

        def create(name: str) -> str:
            start.wait(30)
            return kind.create(props(name)).id

        with ThreadPoolExecutor(COUNT) as threads:
            return list(threads.map(create, numbered("machine", COUNT)))


def most_in_a_window(times_s: list[float]) -> int:
    """The most of `times_s` in any half-open window of 60 s that begins with one of them."""
    return max(sum(1 for other in times_s if 0 <= other - one < WINDOW_S) for one in times_s)


def test_32_parallel_creates_keep_both_rates(limited: tuple[str, Cloud, FairClock], tmp_path: Path) -> None:
    url, cloud, clock = limited
    began_s = clock.now()
    ids = create_all(url, clock, DepartingPacer(clock), tmp_path)
    requests = cloud.requests.since(0)
    launches_s = [one.at_s for one in requests if one.operation == "launchInstance"]
    assert len(set(ids)) == COUNT
    assert len(launches_s) == COUNT
    assert {one.status for one in requests} == {200}
    assert cloud.limits.refused_count == 0
    assert most_in_a_window([one.at_s for one in requests]) <= 60
    assert most_in_a_window(launches_s) <= 5
    assert clock.now() - began_s <= (COUNT - 1) * 12 * 1.05, "and no more than 5 % above the floor"


def test_the_service_does_notice_a_pace_that_is_one_tenth_too_fast(
    limited: tuple[str, Cloud, FairClock], tmp_path: Path
) -> None:
    """What the test above proves: its scaffold hides no burst."""
    url, cloud, clock = limited
    create_all(url, clock, DepartingPacer(clock, launch_interval_s=10.8), tmp_path)
    assert cloud.limits.refused_count > 0
    assert 429 in {one.status for one in cloud.requests.since(0)}
