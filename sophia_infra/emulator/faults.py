"""Rules that spoil a request: at which operation, at which moment, how, and how often. No HTTP here."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from sophia_infra.emulator.errors import InvalidSettings

__all__ = ["ANY_OPERATION", "FaultAction", "FaultBook", "FaultMoment", "FaultRule"]

ANY_OPERATION = "*"
FaultMoment = Literal["before", "after"]
FaultAction = Literal["drop", "delay", "status", "hold", "truncate"]


@dataclass(slots=True, kw_only=True)
class FaultRule:
    """One rule.

    Attributes:
        operation: an operationId of the document, or `*` for any.
        when: `before` the work is done (nothing has changed) or `after` it (done and saved, not answered).
        action: `drop` the connection, `delay` by `delay_s`, answer `status`, `hold` until released,
            `truncate` the answer in the middle.
        times: how many requests it spoils; None: all until it is deleted.
        status, code, body: the answer of `status`; a `body` that is text leaves as text/plain, one that
            is a mapping as JSON, none becomes the usual envelope with `code`.
        delay_s: seconds on the emulator's clock (a virtual clock is moved on, nobody waits).
        retry_after_s: Retry-After of a `status` answer.
    """

    fault_id: str
    operation: str
    when: FaultMoment
    action: FaultAction
    times: int | None = 1
    status: int | None = None
    code: str | None = None
    body: str | dict[str, Any] | None = None
    delay_s: float = 0.0
    retry_after_s: int | None = None
    hits: int = 0
    holding: int = 0
    ended: bool = False
    _waiting: list[Callable[[bool], None]] = field(default_factory=list, repr=False)

    def hold(self, wake: Callable[[bool], None]) -> None:
        """Register a held request; `wake(go_on)` is called once, at the release."""
        self.holding += 1
        self._waiting.append(wake)

    def release(self, *, go_on: bool) -> None:
        """Wake every held request and end the rule. `go_on` False: their connections are dropped."""
        self.ended = True
        waiting, self._waiting = self._waiting, []
        self.holding = 0
        for wake in waiting:
            wake(go_on)

    def public(self) -> dict[str, Any]:
        """All fields for the control API."""
        return {
            one.name: getattr(self, one.name)
            for one in dataclasses.fields(self)
            if not one.name.startswith("_")
        }


class FaultBook:
    """The rules in force, oldest first; the first that fits a request spoils it."""

    def __init__(self, known_operations: Callable[[], frozenset[str]]) -> None:
        self._known_operations = known_operations
        self._rules: dict[str, FaultRule] = {}
        self._numbers = itertools.count(1)

    def add(self, operation: str, when: str, action: str, **more: Any) -> FaultRule:
        """A new rule (fields as in `FaultRule`).

        Raises:
            InvalidSettings: an unknown operation, moment or action, `status` without a status, or
                `times` below 1.
        """
        if operation != ANY_OPERATION and operation not in self._known_operations():
            raise InvalidSettings(f"operation {operation!r} is not an operationId of the document, nor '*'")
        if when not in get_args(FaultMoment):
            raise InvalidSettings(f"when is {when!r}; allowed: {', '.join(get_args(FaultMoment))}")
        if action not in get_args(FaultAction):
            raise InvalidSettings(f"action is {action!r}; allowed: {', '.join(get_args(FaultAction))}")
        rule = FaultRule(
            fault_id=f"fault-{next(self._numbers)}",
            operation=operation,
            when=when,  # type: ignore[arg-type]  # checked above
            action=action,  # type: ignore[arg-type]
            **more,
        )
        if action == "status" and (rule.status is None or not 200 <= rule.status <= 599):
            raise InvalidSettings("action 'status' needs a status from 200 to 599")
        if rule.times is not None and rule.times < 1:
            raise InvalidSettings(f"times is {rule.times}; it must be at least 1, or null for always")
        if rule.delay_s < 0:
            raise InvalidSettings(f"delay_s is {rule.delay_s}; it must not be negative")
        self._rules[rule.fault_id] = rule
        return rule

    def all(self) -> list[FaultRule]:
        return list(self._rules.values())

    def find(self, fault_id: str) -> FaultRule | None:
        return self._rules.get(fault_id)

    def take(self, operation: str, when: FaultMoment) -> FaultRule | None:
        """The rule that spoils this request at this moment, counted as a hit; None: nothing happens."""
        for rule in self._rules.values():
            if (
                rule.when == when
                and rule.operation in (operation, ANY_OPERATION)
                and not rule.ended
                and (rule.times is None or rule.hits < rule.times)
            ):
                rule.hits += 1
                return rule
        return None

    def remove(self, fault_id: str) -> bool:
        """Delete one rule, letting held requests go on. False: there is none of that id."""
        rule = self._rules.pop(fault_id, None)
        if rule is not None:
            rule.release(go_on=True)
        return rule is not None

    def clear(self, *, go_on: bool = True) -> None:
        """Delete all rules; held requests go on, or are dropped (`go_on` False) when the server ends."""
        rules, self._rules = self._rules, {}
        for rule in rules.values():
            rule.release(go_on=go_on)
