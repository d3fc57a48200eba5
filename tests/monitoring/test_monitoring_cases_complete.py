"""Every alarm of a stack has a case in which it fires and one in which it stays silent, in some module."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import tests.monitoring
from sophia_infra.monitoring.rule import Alert
from sophia_infra.monitoring.rules import all_alerts
from tests.monitoring.rule_cases import Case, local_terms

_ALWAYS = "Watchdog"
"""Fires whatever happens: there is no case in which it does not."""


def _all_cases() -> Iterator[Case]:
    for module in pkgutil.iter_modules(tests.monitoring.__path__):
        if module.name.startswith("cases_"):
            found = importlib.import_module(f"tests.monitoring.{module.name}").CASES
            yield from (case for case in found if isinstance(case, Case))


def _missing(alert: Alert, cases: list[Case]) -> Iterator[str]:
    own = [case for case in cases if case.alert == alert.name]
    firing = [case for case in own if case.fires]
    silent = [case for case in own if not case.fires]
    if not firing:
        yield f"{alert.name}: no case fires"
    if not silent and alert.name != _ALWAYS:
        yield f"{alert.name}: no case stays silent"
    # The same series, earlier: it waits for its delay.
    waits = any(one.series == other.series and one.at_s < other.at_s for one in silent for other in firing)
    if alert.for_s and not waits:
        yield f"{alert.name}: no case shows that it waits {alert.for_s} s"


def test_every_alarm_has_cases_that_fire_wait_and_stay_silent() -> None:
    cases = list(_all_cases())
    every_terms = {id(case.terms): case.terms for case in cases} | {0: local_terms()}
    alerts = {name: alert for terms in every_terms.values() for name, alert in all_alerts(terms).items()}
    assert {case.alert for case in cases} <= set(alerts)
    assert [line for alert in alerts.values() for line in _missing(alert, cases)] == []
