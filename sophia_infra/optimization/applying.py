"""Apply low-risk recommendations, watch the health gate, undo; every step in the log before it is taken.

One process at a time for a stack. Whatever was left open by a crash is settled first, from what the account
shows: so nothing is done twice, and nothing is forgotten.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from filelock import FileLock, Timeout

from sophia_infra.lambda_cloud import LambdaCloudError
from sophia_infra.model.money import format_usd
from sophia_infra.optimization import carrying_out
from sophia_infra.optimization.action_log import ActionLog, ActionRecord
from sophia_infra.optimization.config import OptimizationConfig
from sophia_infra.optimization.errors import (
    AccountChanged,
    ApplierBusy,
    NoHealthGate,
    NotAllowed,
    UndoImpossible,
    UnhealthyBefore,
)
from sophia_infra.optimization.gathering import Site
from sophia_infra.optimization.health import HealthGate
from sophia_infra.optimization.outcome import Outcome, OutcomeWord
from sophia_infra.optimization.recommendation import Action, Recommendation
from sophia_infra.provider.errors import ProviderError

__all__ = ["Applier"]

_DAY_S: Final = 86_400.0


class Applier:
    """Acts on one stack.

    Args:
        again: the recommendation of that id from facts read this moment; None when there is none any more.
        gate: None refuses everything but undo.
        say: prints one line of progress.
    """

    def __init__(
        self,
        site: Site,
        config: OptimizationConfig,
        log: ActionLog,
        gate: HealthGate | None,
        again: Callable[[str], Recommendation | None],
        *,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._site = site
        self._config = config
        self._log = log
        self._gate = gate
        self._again = again
        self._say = say

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Be the only one that applies for this stack. Raises ApplierBusy, LogUnusable."""
        self._log.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(f"{self._log.path}.apply.lock", timeout=0, mode=0o600)
        try:
            lock.acquire()
        except Timeout:
            raise ApplierBusy(
                "Another process applies recommendations to this stack.", next_step="wait until it is done."
            ) from None
        try:
            self._log.check()
            yield
        finally:
            lock.release()

    def recover(self) -> list[Outcome]:
        """Settle what a crash left open, and go on watching a gate whose time is not over."""
        return [self._settle(record) for record in self._log.actions().values() if record.is_open]

    def apply(self, wanted: Recommendation) -> Outcome:
        """Do it, if it is still true, allowed and in time.

        Raises:
            NotAllowed, AccountChanged, NoHealthGate, UnhealthyBefore: nothing was done.
            LogUnusable: its intent could not be recorded, so nothing was done.
            LambdaCloudError, ProviderError: it may or may not have happened; the next run finds out.
        """
        one, action = self._check(wanted)
        waits = self.waits_for()
        if waits is not None:
            return Outcome(one.id, one.subject, "waits", waits)
        before = self._before(action.what, action.target_id)
        action_id = self._log.new_id(one.id)
        self._log.record(
            "intent",
            action_id,
            recommendation=one.id,
            what=action.what,
            target=action.target_id,
            subject=one.subject,
            why="; ".join((one.title, *one.verdict.reasons)),
            before=before,
            usd_per_month=str(one.saving.expected),
        )
        self._say(f"{one.title}")
        record = self._log.actions()[action_id]
        self._carry_out(record)
        return self._watch(record)

    def undo(self, action_id: str, why: str) -> Outcome:
        """Take an action back. A second call finds it undone.

        Raises:
            RecommendationMissing: there is no such action.
            UndoImpossible: it was never carried out.
            LambdaCloudError, ProviderError: nothing is lost; call it again.
        """
        record = self._log.action(action_id)
        if record.state == "undone":
            return self._outcome(record, "undone", "it was undone before")
        if record.state == "intent":
            settled = self._settle_intent(record)
            if settled is not None:
                return settled
        if record.state == "abandoned":
            raise UndoImpossible(
                f"Action {record.action_id} was never carried out.",
                next_step="nothing: there is nothing to undo.",
            )
        return self._undo(record, why)

    def waits_for(self) -> str | None:
        """Why no action may begin now, None when one may."""
        now_s = self._site.session.clock.now()
        begun = [one.begun_s for one in self._log.actions().values() if one.state != "abandoned"]
        today = [at_s for at_s in begun if now_s - at_s < _DAY_S]
        if len(today) >= self._config.actions_per_day:
            return f"{len(today)} actions in 24 h, and {self._config.actions_per_day} are allowed"
        last_s = max(begun, default=None)
        if last_s is not None and now_s - last_s < self._config.cooldown_minutes * 60:
            left = self._config.cooldown_minutes - (now_s - last_s) / 60
            return f"the cool-down of {self._config.cooldown_minutes} min has {left:.0f} min left"
        return None

    def _check(self, wanted: Recommendation) -> tuple[Recommendation, Action]:
        """The recommendation as it is now, after every rule that forbids it, and what is to be done."""
        if self._gate is None:
            raise NoHealthGate(
                "Nothing watches the health of the services.", next_step="name Prometheus: --prometheus URL."
            )
        health = self._gate.look()
        if not health.is_well:
            raise UnhealthyBefore(
                f"Nothing is done while the health gate is down: {health.reason}.",
                next_step="mend that first; what changes now could not be told from what was broken before.",
            )
        one = self._again(wanted.id)
        if one is None:
            raise AccountChanged(
                f"{wanted.id} is not true any more.", next_step="`sophia optimize` shows what is."
            )
        action = one.action
        if action is None or not one.can_act:
            raise NotAllowed(
                f"{one.id} is {one.risk} risk: {'; '.join(one.verdict.reasons)}.",
                next_step="make it a pull request: `sophia optimize apply ID` prints the change of the file.",
            )
        updating = self._site.who_updates()
        if updating is not None:
            raise NotAllowed(f"An update of the stack runs ({updating}).", next_step="wait until it is done.")
        brought_back = next(
            (row for row in self._log.actions().values() if row.result_id == action.target_id), None
        )
        if brought_back is not None:
            raise NotAllowed(
                f"{one.subject} was brought back by the undo of {brought_back.action_id}.",
                next_step="look why it was needed; a program does not do the same thing again.",
            )
        return one, action

    def _before(self, what: str, target_id: str) -> dict[str, Any]:
        session = self._site.session
        find = carrying_out.find_machine if what == "end machine" else carrying_out.find_filesystem
        found = find(session, target_id)
        if found is None:
            raise AccountChanged(f"{target_id} is gone already.", next_step="nothing: it costs nothing.")
        return found

    def _carry_out(self, record: ActionRecord) -> None:
        session = self._site.session
        if record.what == "end machine":
            carrying_out.end_machine(session, record.before)
        else:
            carrying_out.delete_filesystem(session, self._site.stack, record.before)
        self._log.record("done", record.action_id, after=None, usd_per_month=str(record.usd_per_month))
        record.state, record.done_s = "done", session.clock.now()

    def _watch(self, record: ActionRecord) -> Outcome:
        """Until the gate falls or its time is over."""
        clock = self._site.session.clock
        end_s = (record.done_s or clock.now()) + self._config.gate_minutes * 60
        while True:
            reason = self._why_unwell()
            if reason is not None:
                self._say(f"{record.subject}: the health gate fell ({reason}): undoing")
                return self._undo(record, f"the health gate fell: {reason}")
            left_s = end_s - clock.now()
            if left_s <= 0:
                break
            clock.sleep(min(left_s, float(self._config.gate_poll_s)))
        self._log.record("kept", record.action_id)
        record.state = "kept"
        saved = format_usd(record.usd_per_month)
        return self._outcome(
            record, "done", f"{saved} a month; undo: sophia optimize undo {record.action_id}"
        )

    def _why_unwell(self) -> str | None:
        if self._gate is None:
            return "nothing watches it any more"
        health = self._gate.look()
        return None if health.is_well else health.reason

    def _undo(self, record: ActionRecord, why: str) -> Outcome:
        session, stack = self._site.session, self._site.stack
        if record.what == "end machine":
            self._check_room(record)
        if record.state != "undo-intent":
            self._log.record("undo-intent", record.action_id, why=why, undo=dict(record.before))
            record.state = "undo-intent"
        if record.what == "end machine":
            after = carrying_out.relaunch(session, stack, record.before)
        else:
            after = carrying_out.make_filesystem(session, stack, record.before)
        self._log.record("undone", record.action_id, after=after, usd_per_month=str(-record.usd_per_month))
        record.state, record.result_id = "undone", str(after["id"])
        return self._outcome(record, "undone", f"{why}; {record.subject} is there again as {after['id']}")

    def _check_room(self, record: ActionRecord) -> None:
        """Refuse a launch beyond the limits; what is undone already runs."""
        fleet = self._site.look()
        known = {one.instance_id for one in fleet.machines}
        if record.target_id in known or record.result_id in known:
            return
        limit = self._config.max_spend.usd_per_hour
        if len(fleet.machines) >= self._config.max_instances or fleet.account_usd_per_hour >= limit:
            raise NotAllowed(
                f"{len(fleet.machines)} machines run at {format_usd(fleet.account_usd_per_hour)}/h, and the "
                f"settings allow no launch from {self._config.max_instances} machines or "
                f"{self._config.max_spend} on. {record.action_id} is not undone yet.",
                next_step="end something or raise max_instances or max_spend, then run the undo again.",
            )

    def _settle(self, record: ActionRecord) -> Outcome:
        try:
            if record.state == "intent":
                settled = self._settle_intent(record)
                if settled is not None:
                    return settled
            if record.state == "undo-intent":
                return self._undo(record, "an undo that a crash interrupted")
            return self._watch(record)
        except (LambdaCloudError, ProviderError, NotAllowed, UndoImpossible) as error:
            return self._outcome(record, "failed", str(error))

    def _settle_intent(self, record: ActionRecord) -> Outcome | None:
        """What a run that died after its intent did: by what the account shows. None: it was done."""
        session = self._site.session
        find = carrying_out.find_machine if record.what == "end machine" else carrying_out.find_filesystem
        if find(session, record.target_id) is not None:
            # The list may lag behind a request that was sent right before the crash.
            lag_s = session.waits.list_lag_s - (session.clock.now() - record.begun_s)
            session.clock.sleep(min(lag_s, session.waits.list_lag_s))
        if find(session, record.target_id) is not None:
            self._log.record("abandoned", record.action_id, why="the account still has it")
            record.state = "abandoned"
            return self._outcome(record, "abandoned", "it was announced and never carried out")
        if record.what == "end machine":
            # It may still be ending: done is what the list shows.
            carrying_out.end_machine(session, record.before)
        self._log.record("done", record.action_id, after=None, found="after a crash")
        record.state, record.done_s = "done", session.clock.now()
        return None

    def _outcome(self, record: ActionRecord, word: OutcomeWord, detail: str) -> Outcome:
        return Outcome(record.recommendation_id, record.subject, word, detail, record.action_id)
