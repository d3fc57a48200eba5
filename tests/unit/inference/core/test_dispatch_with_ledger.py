"""The dispatcher over the real ledger: many callers at once, some of whom go away."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

from sophia_infra.inference.answers import Answer
from sophia_infra.inference.catalogue import load_catalogue
from sophia_infra.inference.clock import SystemClock
from sophia_infra.inference.dispatch import Dispatcher
from sophia_infra.inference.errors import OverBudget
from sophia_infra.inference.ledger import AsyncLedger, open_ledger
from sophia_infra.inference.ledger.reports import usage_report
from sophia_infra.model.gateway import GatewayConfig
from tests.inference_clock import run_async
from tests.unit.inference.core.fakes import FakeTransport, chat, config_for


def _dispatcher(config: GatewayConfig, url: str) -> Dispatcher:
    # The fake answers without a wait, so the machine's clock lets no time pass here.
    transport = FakeTransport(SystemClock())
    return Dispatcher(config, load_catalogue(), AsyncLedger(open_ledger(url)), {"main": transport})


def test_sixty_four_callers_at_once_never_pass_the_hard_budget_of_the_real_ledger(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    config = config_for(budget={"usd_per_day": "$0.05"})

    async def run() -> list[Answer | BaseException]:
        dispatcher = _dispatcher(config, url)
        calls = [dispatcher.complete(chat(request_id=f"r{n}")) for n in range(64)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        await dispatcher.aclose()
        return outcomes

    outcomes = run_async(run())
    answers = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
    assert answers
    assert all(isinstance(outcome, Answer | OverBudget) for outcome in outcomes)
    assert any(isinstance(outcome, OverBudget) for outcome in outcomes)
    with open_ledger(url) as ledger:
        report = usage_report(ledger, by="model")
    assert sum((row.usd for row in report.rows), Decimal(0)) == sum(
        (answer.usd for answer in answers), Decimal(0)
    )


def test_callers_that_go_away_at_any_moment_leave_no_money_set_aside(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"

    async def run() -> None:
        dispatcher = _dispatcher(config_for(), url)
        for turns in range(60):
            work = asyncio.ensure_future(dispatcher.complete(chat(request_id=f"r{turns}")))
            for _ in range(turns):
                await asyncio.sleep(0)
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        await dispatcher.aclose()

    run_async(run())
    with open_ledger(url) as ledger:
        assert ledger.list_reservations() == ()
