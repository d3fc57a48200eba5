"""History, snapshot and report of a real Prometheus, and the page in a real browser in both themes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, sync_playwright

from sophia_infra.metrics_client.prometheus import PrometheusApi
from sophia_infra.reports.gathering import Gatherer, Sources
from sophia_infra.reports.history import History, read_history
from sophia_infra.reports.rendering import render_report
from sophia_infra.reports.snapshot import BudgetTerms, Snapshot, with_history
from tests.monitoring.prometheus import prometheus
from tests.monitoring.report_data import DAY_S, DAYS, EVIL, STEP_S, alert_rules, fill, usd_per_hour
from tests.unit.reports.figures import a_machine, a_snapshot, with_everything

WITHIN_S = 60.0
POLL_S = 0.1
AHEAD_S = 3_600
"""The history ends later than any test does, for Prometheus shows no sample older than 5 minutes."""


@pytest.fixture(scope="module")
def end_s() -> int:
    return int(time.time() + AHEAD_S) // STEP_S * STEP_S


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, end_s: int) -> Iterator[PrometheusApi]:
    folder = tmp_path_factory.mktemp("prometheus")
    fill(folder, end_s)
    with prometheus(folder, rule_file=alert_rules()) as server:
        api = PrometheusApi(server.url)
        deadline_s = time.monotonic() + WITHIN_S
        while len([row for row in api.alerts() if row.state == "firing"]) < len(
            alert_rules()["groups"][0]["rules"]
        ):
            assert time.monotonic() < deadline_s
            time.sleep(POLL_S)
        yield api
        api.close()


@pytest.fixture(scope="module")
def now_s(end_s: int) -> float:
    """Noon of the last whole day, so that today has a part."""
    return float(end_s // DAY_S * DAY_S - DAY_S // 2)


@pytest.fixture(scope="module")
def history(api: PrometheusApi, now_s: float) -> History:
    return read_history(api, now_s, DAYS)


@pytest.fixture(scope="module")
def snapshot(api: PrometheusApi, history: History) -> Snapshot:
    fleet = a_snapshot(a_machine(1), a_machine(2, "unknown", name=EVIL)).fleet.value
    assert fleet is not None
    sources = Sources(lambda: (fleet, time.time()), "the account", api)
    return with_history(Gatherer("local", BudgetTerms(Decimal(6000), 80), sources).gather(), history.cost)


def day_of(at_s: float) -> date:
    return datetime.fromtimestamp(at_s, UTC).date()


def test_dollars_of_a_day_are_its_rate_added_up(history: History, now_s: float) -> None:
    assert history.cost.value is not None
    found = {row.day: row for row in history.cost.value}
    today = day_of(now_s)
    assert max(found) == today
    for ago in range(1, DAYS - 2):
        day = today - timedelta(days=ago)
        at_s = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
        assert found[day].is_whole
        assert float(found[day].usd) == pytest.approx(24 * usd_per_hour(at_s), abs=0.01)
    assert not found[today].is_whole
    half = Decimal(str(12 * usd_per_hour(now_s)))
    assert half <= found[today].usd <= half + 1  # the step at noon belongs to the part


def test_a_day_on_which_watching_began_is_not_whole(api: PrometheusApi, end_s: int) -> None:
    longer = read_history(api, end_s - AHEAD_S, DAYS + 5)
    assert longer.cost.value is not None
    first = longer.cost.value[0]
    assert not first.is_whole
    assert first.day >= day_of(end_s - DAYS * DAY_S)


def test_a_single_day_is_todays_part(api: PrometheusApi, now_s: float) -> None:
    found = read_history(api, now_s, 1)
    assert found.cost.value is not None
    assert [row.day for row in found.cost.value] == [day_of(now_s)]
    assert found.slo.value is not None
    assert {len(row.days) for row in found.slo.value} == {1}


def test_inference_gpus_and_objectives_by_day(history: History) -> None:
    assert history.inference.value is not None
    assert float(history.inference.value[-3].usd) == pytest.approx(2.4, rel=0.02)
    assert history.gpus.value is not None
    assert [row.name for row in history.gpus.value][:2] == [f"node-{EVIL} GPU 0", "sophia-ai-core GPU 0"]
    means = {row.name: row.mean_percent for row in history.gpus.value}
    assert means["sophia-ai-core GPU 0"] == pytest.approx(60, abs=2)
    assert history.slo.value is not None
    worst = {row.service: row.worst[1] for row in history.slo.value}
    assert worst == pytest.approx({"inference-gateway": 0.9998, "sophia-backend": 0.998, "mcp-github": 1.0})


def test_what_is_known_now(snapshot: Snapshot) -> None:
    assert snapshot.trouble == ()
    assert snapshot.month.value is not None
    assert (str(snapshot.month.value.usd), snapshot.month.value.is_complete) == ("1235.56", True)
    inference = snapshot.inference
    assert inference.calls_per_s.value == pytest.approx(0.5, rel=0.01)
    assert inference.p95_s.value == pytest.approx(0.75, rel=0.01)
    assert float(inference.usd_per_hour.value or 0) == pytest.approx(0.1, rel=0.02)
    assert (inference.queue_length.value, inference.budget_use_ratio.value) == (3, 0.42)
    assert inference.backends.value is not None
    assert inference.backends.value.waiting == ("there",)
    assert snapshot.gpus.value is not None
    assert {row.memory_percent for row in snapshot.gpus.value} == {30.0}
    assert [row.pods for row in snapshot.gpus.value if row.node == "sophia-ai-core"] == [()]
    assert snapshot.slo.value is not None
    assert [round(row.budget_left_ratio, 3) for row in snapshot.slo.value.services] == [-1.0, 0.8, 1.0]
    assert snapshot.alerts.value is not None
    assert [row.name for row in snapshot.alerts.value] == ["OrphanMachine", "GatewayBudgetHigh"]
    assert list(snapshot.unknowns()) == ["Prometheus has no series of the gateway"]


def test_the_forecast_has_intervals_from_the_days(snapshot: Snapshot) -> None:
    forecast = snapshot.forecast.value
    assert forecast is not None
    if forecast.interval_80 is not None:
        assert forecast.interval_80.low_usd <= forecast.expected_usd <= forecast.interval_80.high_usd
    assert "a random walk" in forecast.method


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Chromium's sandbox needs a user other than root.
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def reports(
    snapshot: Snapshot, history: History, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """One of the real Prometheus, and one with every notice and 64 GPUs."""
    folder = tmp_path_factory.mktemp("reports")
    files = {"prometheus": folder / "prometheus.html", "everything": folder / "everything.html"}
    files["prometheus"].write_text(render_report(snapshot, history), encoding="utf-8")
    files["everything"].write_text(render_report(*with_everything(gpus=64)), encoding="utf-8")
    return files


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["prometheus", "everything"])
def test_the_page_is_quiet_accessible_and_fits(
    browser: Browser, reports: dict[str, Path], name: str, theme: str, width: int, tmp_path: Path
) -> None:
    """A second or two each: a real browser, with axe's rules on all of the page, tables opened."""
    context = browser.new_context(
        color_scheme="dark" if theme == "dark" else "light", viewport={"width": width, "height": 844}
    )
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url))
    page.goto(reports[name].as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert [text for text in said if text not in (reports[name].as_uri(), "data:,")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert _wider_than_the_window(page) == []
    assert Axe().run(page).response["violations"] == []
    background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert background == ("rgb(18, 23, 29)" if theme == "dark" else "rgb(255, 255, 255)")
    context.close()


@pytest.mark.slow
def test_paper_shows_the_light_theme_and_every_table(browser: Browser, reports: dict[str, Path]) -> None:
    """A real browser's print styles."""
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(reports["prometheus"].as_uri())
    assert not page.locator("details table").first.is_visible()
    page.emulate_media(media="print")
    assert page.locator("details table").first.is_visible()
    assert not page.locator("nav").is_visible()
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    context.close()


@pytest.mark.slow
def test_the_keyboard_reaches_the_report_at_once(browser: Browser, reports: dict[str, Path]) -> None:
    """A real browser's focus."""
    page = browser.new_page()
    page.goto(reports["prometheus"].as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.close()


def _wider_than_the_window(page: Page) -> list[str]:
    """Elements that stick out, but for those that scroll by themselves and what lies in them."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('body *')]
             .filter(one => !one.closest('.scroll') && !one.closest('.skip'))
             .filter(one => one.getBoundingClientRect().right > innerWidth + 1)
             .map(one => one.outerHTML.slice(0, 80))"""
    )
    return found
