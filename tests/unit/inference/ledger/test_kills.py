"""A process that keeps the books is killed at random moments; what it was told is safe must be there once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from sophia_infra.inference.ledger import Ledger, audit, usage_report
from tests.effort import FULL
from tests.summary import SUMMARY_LINE
from tests.unit.inference.ledger.books import NOON

KILLS = {"sqlite": 20, "postgresql": 8} if FULL else {"sqlite": 5, "postgresql": 2}
# A server outlives its client, so fewer show there what there is to see.
ROOT = Path(__file__).parents[4]
PICO = Decimal("0.000000000001")


def kill_one(address: str, name: str, after_lines: int) -> list[tuple[str, str]]:
    """Start a victim, kill it when it has said `after_lines` lines, and give back all that it said."""
    victim = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.inference.ledger.victim", address, name],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert victim.stdout is not None
    with victim.stdout:
        said = [victim.stdout.readline() for _ in range(after_lines)]
        victim.send_signal(signal.SIGKILL)
        said += victim.stdout.readlines()
    assert victim.wait(30) == -signal.SIGKILL
    pairs = [line.decode().split() for line in said]
    return [(verb, request_id) for verb, request_id in pairs]


@pytest.mark.slow
def test_kills_lose_nothing_and_count_nothing_twice(
    address: str, ledger: Ledger, record_property: Callable[[str, object], None]
) -> None:
    """Slow: interpreters start and die; it buys that SIGKILL loses no acknowledged call."""
    chance = random.Random(7)
    reserved: set[str] = set()
    settled: list[str] = []
    released: set[str] = set()
    kills = KILLS[ledger.database.engine.dialect.name]
    for kill in range(kills):
        for verb, request_id in kill_one(address, f"g{kill}", chance.randint(1, 400)):
            if verb == "settled":
                settled.append(request_id)
            else:
                (reserved if verb == "reserved" else released).add(request_id)
        assert audit(ledger) == ()

    ledger.release("nobody")  # waits for a commit that the server still does for the last victim
    assert len(settled) == len(set(settled))
    for request_id in settled:
        found = ledger.find_entry(request_id)
        assert found is not None, f"{request_id} was acknowledged and is lost"
        assert found.usd == PICO
    open_ids = {item.request_id for item in ledger.list_reservations()}
    assert not open_ids & {*settled, *released}
    for request_id in reserved - set(settled) - released - open_ids:
        # Reserved and then settled or released, without the time to say so.
        found = ledger.find_entry(request_id)
        assert found is None or found.usd == PICO

    before = usage_report(ledger).total
    recovered = ledger.recover(NOON + timedelta(hours=1))
    assert {entry.request_id for entry in recovered} == open_ids
    after = usage_report(ledger).total
    assert after.unknown_usd == Decimal("0.30") * len(open_ids)
    assert after.usd == before.usd + after.unknown_usd
    assert ledger.list_reservations() == ()
    assert audit(ledger) == ()
    record_property(
        SUMMARY_LINE,
        f"ledger: {kills} kills, {len(settled)} settled, {len(open_ids)} unknown, 0 lost, 0 double",
    )
