"""The forecaster as a process beside a real Prometheus: it reads the load there, and is scraped by it."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from sophia_infra.model.scaler import CalendarConfig
from sophia_infra.model.scaling_site import ForecasterSite, as_text
from tests.monitoring.history import backfill
from tests.monitoring.prometheus import Target, free_port, prometheus

DAYS = 3
TRIGGER = 'max(lambda_inference_predicted_demand{quantile="0.9"}) or vector(0)'


def write_history(file: Path, end_s: float) -> None:
    """Calls of some days, a sample a minute: five a second by night, fifteen by day."""
    begin_s = end_s - DAYS * 86_400
    total, lines = 0.0, ["# TYPE lambda_inference_requests counter"]
    for minute in range(DAYS * 1440):
        at_s = begin_s + minute * 60
        total += 60 * (10 - 5 * math.cos(2 * math.pi * at_s / 86_400))
        lines.append(f'lambda_inference_requests_total{{model="a"}} {total:.1f} {at_s:.0f}')
    file.write_text("\n".join([*lines, "# EOF", ""]), encoding="utf-8")


@contextmanager
def forecaster(config: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    """What the container starts."""
    command = [sys.executable, "-m", "sophia_infra.scaling.serving", "forecast", "--config", str(config)]
    with subprocess.Popen(
        [*command, "--listen", f"127.0.0.1:{port}"], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_prometheus_scrapes_a_forecast_of_what_it_measured_itself(tmp_path: Path) -> None:
    """Costs two processes; buys that query, gauges and the pods' trigger fit each other on a real server."""
    now_s = time.time()
    write_history(tmp_path / "history", now_s)
    backfill(tmp_path / "p", tmp_path / "history")
    port = free_port()
    page = f"http://127.0.0.1:{port}"
    with prometheus(tmp_path / "p", targets=[Target("sophia-forecaster", f"{page}/metrics")]) as server:
        config = tmp_path / "forecaster.json"
        site = ForecasterSite(prometheus_url=server.url, query=None, every_s=30, calendar=CalendarConfig())
        config.write_text(as_text(site), encoding="utf-8")
        assert server.query(TRIGGER)[0].value == 0, "without a forecaster the trigger asks for nothing"
        with forecaster(config, port) as process:
            server.wait_until("the forecast is scraped", lambda: server.query(TRIGGER)[0].value > 0)
            assert requests.get(f"{page}/ready", timeout=10).status_code == 200
            asked = server.query(TRIGGER)[0].value
            expected = 10 - 5 * math.cos(2 * math.pi * now_s / 86_400)
            assert asked == pytest.approx(expected, rel=0.25)
            assert len(server.query("lambda_inference_prediction_model_info")) == 1
            assert server.query("lambda_inference_prediction_data_age_seconds")[0].value < 900
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
