"""The gate of a canary asks a real Prometheus, over series that the rules themselves recorded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal

import pytest

from sophia_infra.metrics_client.prometheus import PrometheusApi
from sophia_infra.monitoring.rule import RuleGroup
from sophia_infra.monitoring.slo import Objective, objective_recordings
from sophia_infra.rollout.gates import BurnRate
from tests.monitoring.history import backfill
from tests.monitoring.platform import Line, Page, Platform, Series
from tests.monitoring.prometheus import prometheus

pytestmark = pytest.mark.slow

NAMESPACE = "sophia-ai-prod"
BY = "sum by (namespace, service)"
HTTP = Objective(
    "http",
    f"{BY} (rate(http_requests_total[5m]))",
    f'{BY} (rate(http_requests_total{{status=~"5.."}}[5m]))',
)


def counted(service: str, status: str, per_s: float) -> Page:
    labels = {"namespace": NAMESPACE, "service": service, "instance": f"{service}-{status}"}
    return Page(service, labels, (Series("http_requests_total", {"status": status}, Line(0, per_s)),))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusApi]:
    """Half an hour of a good candidate, of one with 8 % errors, and of a stable side with errors of its own.
    Costs some starts of Prometheus; buys the real rules, the real PromQL and the real labels."""
    folder = tmp_path_factory.mktemp("prometheus")
    end_s = float(int(time.time()) // 60 * 60)
    start_s = end_s - 1800
    pages = (
        counted("good-canary", "200", 5.0),
        counted("bad-canary", "200", 4.6),
        counted("bad-canary", "500", 0.4),
        counted("good", "500", 3.0),
        counted("few-canary", "500", 0.004),
    )
    history = folder / "history.txt"
    Platform(pages, start_s).openmetrics(history, start_s, end_s, 30)
    rules = RuleGroup("slo", objective_recordings((HTTP,))).as_prometheus("https://docs.example.com")
    backfill(
        folder,
        history,
        recordings={"groups": [rules]},
        start_s=start_s + 300,
        end_s=end_s,
        step_s=60,
    )
    with prometheus(folder) as server:
        yield PrometheusApi(server.url)


def gate(api: PrometheusApi, service: str) -> BurnRate:
    def ask(query: str) -> list[tuple[dict[str, str], float]]:
        return [(dict(sample.labels), sample.value) for sample in api.query(query)]

    return BurnRate(ask, NAMESPACE, service, Decimal("0.999"))


def test_errors_of_the_candidate_are_seen_and_those_of_others_are_not(api: PrometheusApi) -> None:
    bad = gate(api, "bad-canary").look(25)
    assert bad.health == "failing"
    assert "8.0% of calls fail" in bad.why
    good = gate(api, "good-canary").look(25)
    assert (good.health, good.why) == ("healthy", "5 calls/s of good-canary within the budget")


def test_too_few_calls_to_burn_a_budget_are_not_healthy_when_they_fail(api: PrometheusApi) -> None:
    few = gate(api, "few-canary").look(5)
    assert (few.health, few.why) == ("unknown", "100.0% of the few calls of few-canary fail")


def test_a_candidate_that_nothing_measures_is_not_healthy(api: PrometheusApi) -> None:
    dark = gate(api, "dark-canary").look(5)
    assert (dark.health, dark.why) == ("unknown", "no calls of dark-canary are measured")
