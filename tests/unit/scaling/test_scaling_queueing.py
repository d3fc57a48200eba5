"""The queue against Erlang's formula, against a slow and simple queue, and on changes of its servers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.scaling.capacity import LeadTime
from sophia_infra.scaling.erlang import erlang_c, wait_quantile_s
from sophia_infra.scaling.errors import SettingsRefused
from sophia_infra.scaling.queueing import (
    Queue,
    highest_rate_per_s,
    simulate_queue,
    with_lead_time,
)
from sophia_infra.scaling.series import FloatArray


@pytest.mark.parametrize(("servers", "busy"), [(1, 0.6), (3, 0.8), (10, 0.9)])
def test_long_runs_agree_with_erlang(servers: int, busy: float) -> None:
    random = np.random.default_rng(11)
    count, mean_s = 300_000, 2.0
    rate = busy * servers / mean_s
    arrivals = np.cumsum(random.exponential(1 / rate, count))
    served = simulate_queue(arrivals, random.exponential(mean_s, count), [(0.0, servers)])
    waits = served.waits_s[count // 10 :]
    chance = erlang_c(servers, rate * mean_s)
    assert np.mean(waits > 0) == pytest.approx(chance, rel=0.04)
    assert waits.mean() == pytest.approx(chance / (servers / mean_s - rate), rel=0.08)
    for level in (0.95, 0.99):
        expected = wait_quantile_s(servers, rate, mean_s, level)
        assert np.quantile(waits, level) == pytest.approx(expected, rel=0.1)


def test_erlang_by_hand() -> None:
    assert erlang_c(1, 0.5) == pytest.approx(0.5)
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert erlang_c(5, 0.0) == 0.0
    assert wait_quantile_s(2, 0.5, 1.0, 0.5) == 0.0
    with pytest.raises(SettingsRefused, match="A load of 2 on 2 servers has no steady state"):
        erlang_c(2, 2.0)


CALLS = st.lists(st.tuples(st.floats(0, 3), st.floats(0.01, 5)), min_size=1, max_size=60)


def one_by_one(arrivals: FloatArray, services: FloatArray, servers: int) -> list[float]:
    """The waits by the recursion of Kiefer and Wolfowitz."""
    free = [0.0] * servers
    waits = []
    for arrival_s, service_s in zip(arrivals, services, strict=True):
        free.sort()
        begin_s = max(arrival_s, free[0])
        waits.append(begin_s - arrival_s)
        free[0] = begin_s + service_s
    return waits


@given(CALLS, st.integers(1, 5))
def test_waits_are_those_of_a_simple_queue(calls: list[tuple[float, float]], servers: int) -> None:
    arrivals, services = np.cumsum([one[0] for one in calls]), np.array([one[1] for one in calls])
    served = simulate_queue(arrivals, services, [(0.0, servers)])
    np.testing.assert_allclose(served.waits_s, one_by_one(arrivals, services, servers), atol=1e-9)
    np.testing.assert_array_equal(served.services_s, services)
    assert served.unserved == 0


@given(CALLS, st.integers(1, 5), st.lists(st.floats(0.1, 200), max_size=8, unique=True))
def test_cutting_the_time_into_pieces_changes_nothing(
    calls: list[tuple[float, float]], servers: int, cuts: list[float]
) -> None:
    arrivals, services = np.cumsum([one[0] for one in calls]), np.array([one[1] for one in calls])
    pieces = [(0.0, servers), *((cut, servers) for cut in sorted(cuts))]
    np.testing.assert_allclose(
        simulate_queue(arrivals, services, pieces).waits_s,
        simulate_queue(arrivals, services, [(0.0, servers)]).waits_s,
        atol=1e-9,
    )


@given(CALLS, st.integers(1, 4), st.integers(0, 3), st.floats(0, 60))
def test_more_servers_make_nobody_wait_longer(
    calls: list[tuple[float, float]], servers: int, more: int, from_s: float
) -> None:
    arrivals, services = np.cumsum([one[0] for one in calls]), np.array([one[1] for one in calls])
    few = simulate_queue(arrivals, services, [(0.0, servers)]).waits_s
    many = simulate_queue(arrivals, services, [(0.0, servers), (from_s + 1e-6, servers + more)]).waits_s
    assert (many <= few + 1e-9).all()


def test_a_new_server_takes_the_first_of_those_who_wait() -> None:
    served = simulate_queue(np.array([0.0, 1.0, 2.0]), np.array([10.0, 1.0, 1.0]), [(0.0, 1), (5.0, 2)])
    assert served.waits_s.tolist() == [0.0, 4.0, 4.0]


def test_a_server_that_goes_finishes_its_call() -> None:
    arrivals, services = np.array([0.0, 0.0, 3.0]), np.array([10.0, 4.0, 1.0])
    served = simulate_queue(arrivals, services, [(0.0, 2), (2.0, 1)])
    """The one who comes at 3 waits for both: the server of 4 s is gone when it is free."""
    assert served.waits_s.tolist() == [0.0, 0.0, 7.0]


def test_without_servers_everybody_waits_and_is_counted() -> None:
    queue = Queue()
    queue.run(10.0, 0, np.array([1.0, 4.0]), np.array([1.0, 1.0]))
    served = queue.served()
    assert (served.unserved, served.waits_s.tolist(), queue.waiting) == (2, [9.0, 6.0], 2)
    with pytest.raises(ValueError, match="the queue stands at 10"):
        queue.run(9.0, 1, np.array([]), np.array([]))
    with pytest.raises(SettingsRefused, match="before the first number of servers"):
        simulate_queue(np.array([1.0]), np.array([1.0]), [(2.0, 1)])


def test_added_servers_come_after_their_lead_time_and_dropped_ones_go_at_once() -> None:
    random = np.random.default_rng(0)
    fixed = LeadTime(240.0, 240.0)
    assert with_lead_time([(0, 2), (100, 4), (1000, 1)], fixed, random) == [
        (0, 2),
        (340, 3),
        (340, 4),
        (1000, 1),
    ]
    assert with_lead_time([(0, 2), (100, 4), (200, 2)], fixed, random) == [(0, 2)]
    spread = with_lead_time([(0, 1), (0, 50)], LeadTime(240.0, 1500.0), random)
    arrived = [at_s for at_s, _ in spread[1:]]
    assert (len(arrived), arrived == sorted(arrived)) == (49, True)
    assert 240 <= arrived[0] < arrived[-1] <= 1500


def test_the_highest_rate_is_where_the_limit_is_met() -> None:
    random = np.random.default_rng(3)
    gaps, services = random.exponential(1.0, 60_000), random.exponential(0.05, 60_000)
    rate = highest_rate_per_s(services, gaps, 4, limit_s=0.1, of="wait")
    assert wait_quantile_s(4, rate, 0.05, 0.95) == pytest.approx(0.1, rel=0.15)
    assert highest_rate_per_s(services, gaps, 4, limit_s=0.1) == 0.0
    assert highest_rate_per_s(services, gaps, 4, limit_s=0.2, overhead_s=0.02) < highest_rate_per_s(
        services, gaps, 4, limit_s=0.2
    )
