"""The process dies at every request and at every line of the log: nothing is done twice, nothing is lost.

Each case is one process that dies, and then ordinary ones that start again. What is proved is counted by the
emulator: machines that run, machines that ever ran, and the log.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from sophia_infra.optimization.outcome import Outcome
from tests.summary import SUMMARY_LINE
from tests.unit.optimization.ground import HOUR_S, Ground, Killed, dying_log

MOST = 60
"""More requests and lines than any case takes: a case that is past its last one ends the search."""

Record = Callable[[str, object], None]


def settle(ground: Ground) -> list[Outcome]:
    """Ordinary processes after the crash, until nothing is open."""
    outcomes: list[Outcome] = []
    for _ in range(3):
        outcomes += asyncio.run(ground.engine().auto_implement("low", dry_run=False))
    assert not any(one.is_open for one in ground.log().actions().values())
    return outcomes


def die(ground: Ground, dies_at: tuple[int, str], where: str, run: Callable[..., Any]) -> bool:
    """Run once and die; False: it came to its end before."""
    client = ground.client()
    if where == "request":
        client.dies_at = dies_at
        engine = ground.engine(client=client)
    else:
        engine = ground.engine(client=client, log=dying_log(ground, dies_at))
    try:
        asyncio.run(run(engine))
    except Killed:
        return True
    return False


def moments(
    where: str, when: str, prepare: Callable[[], None], case: Callable[[tuple[int, str]], bool]
) -> int:
    """Run `case` for each place until it survives; how many deaths there were."""
    for number in range(1, MOST):
        prepare()
        if not case((number, when)):
            return number - 1
    raise AssertionError(f"more than {MOST} places to die at: {where} {when}")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("where", ["request", "log"])
@pytest.mark.parametrize("what", ["machine", "filesystem"])
def test_an_action_survives_a_death_anywhere(
    ground: Ground, what: str, where: str, when: str, record_property: Record
) -> None:
    def prepare() -> None:
        _fresh(ground)
        if what == "machine":
            ground.launch("lost")
        else:
            ground.filesystem()
        asyncio.run(ground.engine().auto_implement("low"))

    def case(dies_at: tuple[int, str]) -> bool:
        died = die(ground, dies_at, where, lambda engine: engine.auto_implement("low", dry_run=False))
        settle(ground)
        assert ground.account() == ([], [])
        assert len(ground.cloud.dump()["instances"]) == (1 if what == "machine" else 0)
        states = Counter(one.state for one in ground.log().actions().values())
        assert states["kept"] == 1
        assert set(states) <= {"kept", "abandoned"}
        assert ground.log().verify() == []
        return died

    deaths = moments(where, when, prepare, case)
    assert deaths >= 3
    record_property(
        SUMMARY_LINE, f"cost actions: {what}, died at {deaths} of its {where}s {when}: 0 lost, 0 doubled"
    )


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("where", ["request", "log"])
@pytest.mark.parametrize("what", ["machine", "filesystem"])
def test_an_undo_survives_a_death_anywhere(
    ground: Ground, what: str, where: str, when: str, record_property: Record
) -> None:
    before: list[Any] = []
    action: list[str] = []

    def prepare() -> None:
        _fresh(ground)
        if what == "machine":
            ground.launch("lost")
        else:
            ground.filesystem()
        before[:] = [ground.account()]
        (outcome,) = ground.auto()
        action[:] = [str(outcome.action_id)]

    def case(dies_at: tuple[int, str]) -> bool:
        died = die(ground, dies_at, where, lambda engine: engine.undo(action[0]))
        ground.cloud.advance(10.0)
        again = asyncio.run(ground.engine().undo(action[0]))
        assert again.word == "undone"
        assert ground.account() == before[0]
        ever = ground.cloud.dump()["instances"]
        assert len(ever) == (2 if what == "machine" else 0)
        assert ground.log().actions()[action[0]].state == "undone"
        return died

    deaths = moments(where, when, prepare, case)
    assert deaths >= 2
    record_property(
        SUMMARY_LINE, f"cost undos: {what}, died at {deaths} of its {where}s {when}: 0 lost, 0 doubled"
    )


def test_a_gate_is_watched_on_after_a_crash(ground: Ground) -> None:
    ground.launch("lost")
    before = ground.account()
    asyncio.run(ground.engine().auto_implement("low"))
    # Dies right behind `done`, while the gate is watched; then the gate falls.
    assert die(ground, (2, "after"), "log", lambda engine: engine.auto_implement("low", dry_run=False))
    assert ground.words()[-1] == "done"
    ground.gate.falls_at_s = ground.clock.now() + 60
    (settled,) = asyncio.run(ground.engine().recover())
    assert settled.word == "undone"
    assert ground.account() == before


def test_an_unanswered_terminate_is_found_out(ground: Ground) -> None:
    ground.launch("lost")
    asyncio.run(ground.engine().auto_implement("low"))
    with ground.cloud.lock:
        ground.cloud.faults.add("terminateInstance", "after", "drop")
    asyncio.run(ground.engine().auto_implement("low", dry_run=False))
    settle(ground)
    assert ground.live() == []
    assert [one.state for one in ground.log().actions().values()] == ["kept"]


def _fresh(ground: Ground) -> None:
    """An account and a home as new; the time goes on."""
    ground.cloud.reset()
    ground.cloud.advance(HOUR_S)
    for path in sorted(ground.root.rglob("*"), reverse=True):
        if path.is_file():
            path.unlink()
    with ground.cloud.lock:
        ground.cloud.ssh_keys.add("team-key", "ssh-ed25519 x")
    ground.gate.falls_at_s = None
