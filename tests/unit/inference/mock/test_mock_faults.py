"""Faults come when asked for, as often as asked for, and by seeded chance."""

from __future__ import annotations

from collections import Counter

import pytest

from sophia_infra.inference.mock_backend import KINDS, BadMockSettings, Fault, InvalidFault, MockSettings
from sophia_infra.inference.mock_backend.faults import Faults


def drawn(faults: Faults, count: int, prompt: str = "") -> list[str]:
    return ["" if fault is None else fault.kind for fault in (faults.draw(prompt) for _ in range(count))]


def test_a_rule_hits_so_many_requests_and_then_no_more() -> None:
    faults = Faults({}, seed=0, retry_after_s=None)
    faults.add(Fault("unavailable", times=2))
    faults.add(Fault("rate_limited"))
    assert drawn(faults, 4) == ["unavailable", "unavailable", "rate_limited", ""]


def test_a_rule_can_wait_for_one_prompt() -> None:
    faults = Faults({}, seed=0, retry_after_s=None)
    faults.add(Fault("slow", times=None, containing="needle"))
    assert drawn(faults, 1, "hay") == [""]
    assert drawn(faults, 2, "a needle in hay") == ["slow", "slow"]


def test_chance_is_the_same_for_the_same_seed_and_near_its_rate() -> None:
    rates = {"cut_after": 0.1, "internal_error": 0.2}
    runs = [drawn(Faults(rates, seed=seed, retry_after_s=1.0), 5_000) for seed in (7, 7, 8)]
    assert runs[0] == runs[1] != runs[2]
    counts = Counter(runs[0])
    assert 400 < counts["cut_after"] < 600
    assert 850 < counts["internal_error"] < 1_150


def test_nothing_goes_wrong_after_clear() -> None:
    faults = Faults({"slow": 1.0}, seed=0, retry_after_s=None)
    faults.add(Fault("slow", times=None))
    faults.clear()
    assert drawn(faults, 3) == ["", "", ""]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"kind": "burning"}, "allowed are"),
        ({"kind": "slow", "times": 0}, "from 1"),
        ({"kind": "slow", "delay_s": -1}, "below 0"),
    ],
)
def test_an_impossible_rule_is_refused(fields: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidFault, match=says):
        Fault(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"models": ()}, "name at least one"),
        ({"models": ("a", "")}, "name at least one"),
        ({"while_loading": "hide"}, "refuse and wait"),
        ({"speed": 0}, "speed is 0"),
        ({"token_s": -1}, "token_s is -1"),
        ({"fault_rates": {"burning": 0.1}}, f"allowed are {', '.join(KINDS)}"),
        ({"fault_rates": {"slow": 0.6, "cut_after": 0.6}}, "add up to 1.2"),
    ],
)
def test_impossible_settings_are_refused_with_what_is_allowed(fields: dict[str, object], says: str) -> None:
    with pytest.raises(BadMockSettings, match=says):
        MockSettings(**fields)  # type: ignore[arg-type]
