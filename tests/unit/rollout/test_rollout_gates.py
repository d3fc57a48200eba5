"""What the gates say of answers, silence and missing numbers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sophia_infra.rollout.gates import BurnRate, Gate, HttpAnswers, judge_all
from sophia_infra.rollout.shifting import Health, Verdict

OURS = {"namespace": "prod", "service": "web-canary", "slo": "http"}


class Said:
    def __init__(self, health: Health, why: str) -> None:
        self._verdict = Verdict(health, why)

    def look(self, weight: int) -> Verdict:
        return self._verdict


@pytest.mark.parametrize(
    ("gates", "expected"),
    [
        ([], Verdict("unknown", "nothing is measured")),
        ([Said("healthy", "a"), Said("healthy", "b")], Verdict("healthy", "a; b")),
        ([Said("healthy", "a"), Said("unknown", "b")], Verdict("unknown", "b")),
        ([Said("unknown", "a"), Said("failing", "b"), Said("failing", "c")], Verdict("failing", "b; c")),
    ],
)
def test_one_failure_decides_and_no_gate_knows_nothing(gates: list[Gate], expected: Verdict) -> None:
    assert judge_all(gates, 5) == expected


class Numbers:
    """Prometheus, as far as this gate asks it."""

    def __init__(self, burning: Sequence[float], rates: Sequence[float], **labels: str) -> None:
        self._burning, self._rates, self._labels = burning, rates, {**OURS, **labels}
        self._ratios: Sequence[float] = [0.0005]

    def __call__(self, query: str) -> list[tuple[dict[str, str], float]]:
        asked = {"slo:requests:rate5m": self._rates, "slo:errors_per_request:ratio_rate5m": self._ratios}
        values = asked.get(query, self._burning)
        return [(self._labels, value) for value in values]


def burn(ask: Numbers) -> BurnRate:
    return BurnRate(ask, "prod", "web-canary", Decimal("0.999"))


def test_the_burn_rate_of_the_candidate_alone_decides() -> None:
    assert burn(Numbers([0.2], [4.0])).look(5).health == "failing"
    assert burn(Numbers([0.2], [4.0], service="web")).look(5).health == "unknown"
    assert burn(Numbers([0.2], [4.0], slo="lambda-api")).look(5).health == "unknown"
    assert burn(Numbers([], [4.0])).look(5).health == "healthy"


def test_few_calls_of_which_many_fail_are_no_proof_of_health() -> None:
    numbers = Numbers([], [0.01])
    numbers._ratios = [0.5]
    verdict = burn(numbers).look(5)
    assert (verdict.health, verdict.why) == ("unknown", "50.0% of the few calls of web-canary fail")


@pytest.mark.parametrize("rates", [[], [0.0]])
def test_no_calls_are_not_healthy_calls_but_for_a_side_that_gets_none(rates: list[float]) -> None:
    assert burn(Numbers([], rates)).look(5).health == "unknown"
    assert burn(Numbers([], rates)).look(0).health == "healthy"


def test_a_silent_prometheus_is_unknown_and_no_error() -> None:
    def silent(_query: str) -> list[tuple[dict[str, str], float]]:
        raise OSError("refused")

    verdict = BurnRate(silent, "prod", "web-canary", Decimal("0.999")).look(5)
    assert (verdict.health, verdict.why) == ("unknown", "Prometheus gave no answer: refused")


class Handler(BaseHTTPRequestHandler):
    statuses: list[int]

    def do_GET(self) -> None:
        self.send_response(self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("statuses", "health"),
    [([200], "healthy"), ([302], "healthy"), ([503, 503, 200], "healthy"), ([404], "failing")],
)
def test_a_probe_takes_one_good_answer_of_three(
    server: ThreadingHTTPServer, statuses: list[int], health: Health
) -> None:
    Handler.statuses = statuses
    url = f"http://127.0.0.1:{server.server_port}/health"
    assert HttpAnswers(url).look(5).health == health


def test_a_probe_of_a_closed_port_fails_and_says_where() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as gone:
        port = gone.server_port
    verdict = HttpAnswers(f"http://127.0.0.1:{port}/").look(5)
    assert verdict.health == "failing"
    assert f"127.0.0.1:{port}" in verdict.why
