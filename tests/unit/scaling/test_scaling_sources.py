"""Reading a load: from a server that answers as Prometheus, from the real one, and from a real ledger."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import create_connection, socket
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from sophia_infra.inference.ledger import Ledger, open_ledger
from sophia_infra.scaling.errors import SeriesRefused, SettingsRefused, SourceRefused, SourceUnavailable
from sophia_infra.scaling.series import WEEK_S
from sophia_infra.scaling.sources import LedgerSource, PrometheusSource
from tests.unit.inference.ledger.books import entry, reservation, settled
from tests.unit.scaling.loads import MONDAY_S, STEP_S

END_S = MONDAY_S + 4 * STEP_S


@contextmanager
def answering(status: int, body: object, asked: list[dict[str, str]] | None = None) -> Iterator[str]:
    """A server that gives every question the same answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if asked is not None:
                question = parse_qs(urlsplit(self.path).query)
                asked.append({name: value[0].removesuffix(".000") for name, value in question.items()})
            payload = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def matrix(*series: list[tuple[float, str]]) -> dict[str, Any]:
    result = [{"metric": {}, "values": [list(pair) for pair in one]} for one in series]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


def test_a_sample_stands_for_the_step_that_ends_with_it() -> None:
    asked: list[dict[str, str]] = []
    answer = matrix([(MONDAY_S + STEP_S, "1.5"), (MONDAY_S + 3 * STEP_S, "NaN"), (END_S, "2")])
    with answering(200, answer, asked) as url:
        series = PrometheusSource(url, "up").read(MONDAY_S + 7, END_S + 7, STEP_S)
    assert series.start_s == MONDAY_S
    np.testing.assert_equal(series.values, [1.5, np.nan, np.nan, 2.0])
    assert asked == [{"query": "up", "start": str(MONDAY_S + STEP_S), "end": str(END_S), "step": str(STEP_S)}]


def test_six_weeks_are_asked_for_in_pieces_that_prometheus_answers() -> None:
    asked: list[dict[str, str]] = []
    with answering(200, matrix(), asked) as url:
        series = PrometheusSource(url).read(MONDAY_S, MONDAY_S + 6 * WEEK_S, STEP_S)
    assert np.isnan(series.values).all()
    points = [(int(one["end"]) - int(one["start"])) // STEP_S + 1 for one in asked]
    assert sum(points) == len(series) == 12_096
    assert max(points) <= 11_000
    assert int(asked[1]["start"]) == int(asked[0]["end"]) + STEP_S


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (503, b"starting", SourceUnavailable, "cannot answer now (HTTP 503)"),
        (429, b"slow down", SourceUnavailable, "HTTP 429"),
        (
            400,
            {"status": "error", "error": "parse error"},
            SourceRefused,
            "parse error",
        ),
        (200, b"<html>", SourceRefused, "is not Prometheus"),
        (200, matrix([(END_S, "1")], [(END_S, "2")]), SourceRefused, "2 series"),
        (200, matrix([(END_S, "-1")]), SeriesRefused, "Value 3 of the series is -1"),
        (200, matrix([(END_S, "+Inf")]), SeriesRefused, "Value 3 of the series is inf"),
    ],
)
def test_what_is_no_load_is_said_and_whose_fault_it_is(
    status: int, body: object, error: type[Exception], said: str
) -> None:
    with answering(status, body) as url, pytest.raises(error) as raised:
        PrometheusSource(url, "up").read(MONDAY_S, END_S, STEP_S)
    assert said in str(raised.value)
    assert "Next: " in str(raised.value)


def test_nobody_there_is_unavailable() -> None:
    with closing(socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SourceUnavailable, match="does not answer"):
            PrometheusSource(url).read(MONDAY_S, END_S, STEP_S)


def test_a_span_that_cannot_be_is_refused() -> None:
    with pytest.raises(SettingsRefused, match="an end that is not before the start"):
        PrometheusSource("http://127.0.0.1:1").read(END_S, MONDAY_S, STEP_S)


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("prometheus") is None and os.environ.get("CI") != "true",
    reason="NOT TESTED ON PROMETHEUS: it is not on PATH (apt-get install prometheus)",
)
def test_the_real_prometheus_answers_with_what_it_recorded(tmp_path: Path) -> None:
    """Buys that the question is one that Prometheus understands, and that steps are where they belong."""
    begin_s = int(time.time()) // STEP_S * STEP_S - 86_400
    counter = "".join(
        f'calls_total{{gateway="a"}} {minute * 60 * (1 + (minute >= 30))} {begin_s + minute * 60}\n'
        for minute in range(61)
    )
    (tmp_path / "metrics").write_text(f"# TYPE calls counter\n{counter}# EOF\n")
    blocks = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(tmp_path / "metrics")]
    subprocess.run([*blocks, str(tmp_path / "data")], check=True, capture_output=True)
    (tmp_path / "config.yml").write_text("{}")
    with closing(socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["prometheus", f"--config.file={tmp_path}/config.yml", f"--storage.tsdb.path={tmp_path}/data"]
    server = subprocess.Popen(
        [*command, f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=90d"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        source = PrometheusSource(f"http://127.0.0.1:{port}", "sum(rate(calls_total[5m]))")
        _until_open(port)
        series = _until_read(source, begin_s)
    finally:
        server.kill()
        server.wait()
    assert np.isnan(series[-1])
    np.testing.assert_allclose(series[1:5], 1.0)
    np.testing.assert_allclose(series[8:11], 2.0)


def _until_open(port: int) -> None:
    deadline_s = time.monotonic() + 60
    while True:
        try:
            create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        else:
            return


def _until_read(source: PrometheusSource, begin_s: int) -> Any:
    deadline_s = time.monotonic() + 60
    while True:
        try:
            return source.read(begin_s, begin_s + 14 * STEP_S + 3600, STEP_S).values
        except SourceUnavailable:
            assert time.monotonic() < deadline_s
            time.sleep(0.05)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(f"sqlite:///{tmp_path}/ledger.db") as opened:
        yield opened


def moment(offset_s: float) -> datetime:
    return datetime.fromtimestamp(MONDAY_S + offset_s, tz=UTC)


def test_calls_of_the_ledger_are_counted_by_when_they_were_taken(ledger: Ledger) -> None:
    for number, offset_s in enumerate((310.0, 599.9, 600.0, 1200.5)):
        ledger.settle(entry(f"r{number}", at=moment(offset_s), backend="own" if number else "other"))
    source = LedgerSource(ledger)
    series = source.read(MONDAY_S, MONDAY_S + 6 * STEP_S, STEP_S)
    np.testing.assert_allclose(series.values * STEP_S, [np.nan, 2, 1, 0, 1, 0])
    own = LedgerSource(ledger, {"backend": "own"}).read(MONDAY_S, MONDAY_S + 6 * STEP_S, STEP_S)
    np.testing.assert_allclose(own.values * STEP_S, [np.nan, 1, 1, 0, 1, 0])
    later = source.read(MONDAY_S + 4 * STEP_S, MONDAY_S + 6 * STEP_S, STEP_S)
    np.testing.assert_allclose(later.values * STEP_S, [1, 0])


def test_a_call_that_still_runs_counts_once(ledger: Ledger) -> None:
    ledger.settle(entry("first", at=moment(0)))
    running = reservation("second", at=moment(10))
    ledger.reserve(running)
    source = LedgerSource(ledger)
    assert source.read(MONDAY_S, MONDAY_S + STEP_S, STEP_S).values * STEP_S == pytest.approx(2.0)
    ledger.settle(settled(running))
    assert source.read(MONDAY_S, MONDAY_S + STEP_S, STEP_S).values * STEP_S == pytest.approx(2.0)


def test_an_empty_ledger_measured_nothing(ledger: Ledger) -> None:
    assert np.isnan(LedgerSource(ledger).read(MONDAY_S, END_S, STEP_S).values).all()
    with pytest.raises(
        SettingsRefused, match=r"narrowed by 'at'\. Next: choose from model, backend and user"
    ):
        LedgerSource(ledger, {"at": "x"})
