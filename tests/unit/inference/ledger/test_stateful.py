"""Any order of reserve, settle, release, recover and crash, against a plain model of the books."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sophia_infra.inference.budgets import BudgetScope, window_limit_usd
from sophia_infra.inference.errors import OverBudget
from sophia_infra.inference.ledger import Ledger, RequestTaken, audit, open_ledger, usage_report
from sophia_infra.inference.ledger.deciding import WindowKey, WindowSums, keys_of
from sophia_infra.inference.usage import Reservation
from tests.effort import examples
from tests.unit.inference.ledger.books import NOON, entry, of_all, of_user, reservation, settled

IDS = st.sampled_from([f"r{number}" for number in range(6)])
USERS = st.sampled_from(["ann", "bob"])
# Pico-dollars up to a limit of 0.40: some fit twice, some never.
AMOUNTS = st.integers(0, 450_000_000_000).map(lambda pico: Decimal(pico).scaleb(-12))
STEPS = st.integers(0, 4_000)


@dataclass(frozen=True)
class Line:
    """What the model knows of one entry."""

    user: str
    booked_at: datetime
    usd: Decimal


def budgets_of(user: str) -> list[BudgetScope]:
    scopes = [of_all(hour="0.70", day="1.50", month="2"), of_user("ann", hour="0.40", request="0.40")]
    return scopes if user == "ann" else scopes[:1]


class Books(RuleBasedStateMachine):
    """The model: a dictionary of open reservations, a dictionary of lines, and sums made anew each time."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="sophia-ledger-")
        self._path = Path(self._folder.name) / "ledger.db"
        self.ledger: Ledger = open_ledger(f"sqlite:///{self._path}")
        self.now = NOON
        self.open: dict[str, Reservation] = {}
        self.lines: dict[str, Line] = {}

    def teardown(self) -> None:
        self.ledger.close()
        self._folder.cleanup()

    def used(self, keys: Iterable[WindowKey]) -> dict[WindowKey, WindowSums]:
        """Sums of the model."""
        wanted = set(keys)
        sums: dict[WindowKey, WindowSums] = {}
        for line in self.lines.values():
            for key in wanted.intersection(keys_of(line.user, line.booked_at)):
                before = sums.get(key, WindowSums())
                sums[key] = before._replace(spent_usd=before.spent_usd + line.usd)
        for item in self.open.values():
            for key in wanted.intersection(keys_of(item.user, item.at)):
                before = sums.get(key, WindowSums())
                sums[key] = before._replace(reserved_usd=before.reserved_usd + item.usd)
        return sums

    def fits(self, asked: Reservation) -> bool:
        sums = self.used(keys_of(asked.user, asked.at))
        for scope in budgets_of(asked.user):
            if asked.usd > scope.budget.usd_per_request:
                return False
            for key in keys_of(asked.user, asked.at):
                limit_usd = window_limit_usd(scope.budget, key.window)
                if key.scope == scope.name and sums.get(key, WindowSums()).used_usd + asked.usd > limit_usd:
                    return False
        return True

    @rule(seconds=STEPS)
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(request_id=IDS, user=USERS, usd=AMOUNTS)
    def reserve(self, request_id: str, user: str, usd: Decimal) -> None:
        asked = reservation(request_id, str(usd), user=user, at=self.now)
        taken = request_id in self.lines or self.open.get(request_id, asked) != asked
        try:
            self.ledger.reserve(asked, budgets_of(user))
        except RequestTaken:
            assert taken
        except OverBudget:
            assert not taken
            assert not self.fits(asked)
        else:
            assert not taken
            assert request_id in self.open or self.fits(asked)
            self.open[request_id] = asked

    @precondition(lambda self: self.open)
    @rule(data=st.data(), part=st.integers(0, 100))
    def settle(self, data: st.DataObject, part: int) -> None:
        """At a part of what was set aside: never more, so budgets must hold."""
        item = self.open.pop(data.draw(st.sampled_from(sorted(self.open))))
        usd = (item.usd * part / 100).quantize(Decimal("1e-12"))
        usd = min(usd, item.usd)
        assert self.ledger.settle(settled(item, str(usd), at=self.now)) is True
        self.lines[item.request_id] = Line(item.user, item.at, usd)

    @precondition(lambda self: self.lines)
    @rule(data=st.data(), usd=AMOUNTS)
    def settle_again(self, data: st.DataObject, usd: Decimal) -> None:
        request_id = data.draw(st.sampled_from(sorted(self.lines)))
        assert self.ledger.settle(entry(request_id, str(usd), at=self.now)) is False

    @rule(request_id=IDS)
    def release(self, request_id: str) -> None:
        assert self.ledger.release(request_id) is (self.open.pop(request_id, None) is not None)

    @rule()
    def recover(self) -> None:
        expired = {key: item for key, item in self.open.items() if item.expires_at <= self.now}
        written = self.ledger.recover(self.now)
        assert {item.request_id for item in written} == set(expired)
        for key, item in expired.items():
            del self.open[key]
            self.lines[key] = Line(item.user, item.at, item.usd)

    @rule()
    def crash_and_reopen(self) -> None:
        """The connections are left as they are, as by a process that is gone; the file stays."""
        dead = self.ledger
        self.ledger = open_ledger(f"sqlite:///{self._path}")
        dead.close()

    @invariant()
    def sums_are_exact_and_no_budget_is_passed(self) -> None:
        moments = [(line.user, line.booked_at) for line in self.lines.values()]
        moments += [(item.user, item.at) for item in self.open.values()]
        keys = {key for user, at in moments for key in keys_of(user, at)}
        expected, kept = self.used(keys), self.ledger.windows(keys)
        assert {key: sums for key, sums in kept.items() if sums != WindowSums()} == {
            key: sums for key, sums in expected.items() if sums != WindowSums()
        }
        for scope in budgets_of("ann"):
            for key, sums in kept.items():
                if key.scope == scope.name:
                    assert sums.used_usd <= window_limit_usd(scope.budget, key.window)
        assert audit(self.ledger) == ()
        assert usage_report(self.ledger).total.usd == sum(line.usd for line in self.lines.values())
        assert {item.request_id: item for item in self.ledger.list_reservations()} == self.open


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=examples(25), stateful_step_count=30, deadline=None)
