"""`sophia report` as its users see it: a file and its headline, or one sentence and no file.

Each test starts the real command against an emulator in this process and services on loopback.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.emulator import EmulatorServer
from tests.unit.cli.sophia_command import Sophia
from tests.unit.cli.sources import a_prometheus, address_of_nobody
from tests.unit.cli.test_cli_inference import booked, entry
from tests.unit.cli.test_cli_looking import TAGS, launch
from tests.unit.lambda_cloud.service import DROP
from tests.unit.metrics_client.prometheus_stand_in import PrometheusStandIn


@pytest.fixture
def prometheus() -> Iterator[PrometheusStandIn]:
    with a_prometheus() as service:
        yield service


def test_a_report_is_written_and_named(
    sophia: Sophia, emulator: EmulatorServer, prometheus: PrometheusStandIn, tmp_path: Path
) -> None:
    launch(emulator, "a", TAGS)
    launch(emulator, "by-hand")
    prometheus.vectors["time()"] = [({}, 1_795_000_000)]
    out = tmp_path / "weekly.html"
    done = sophia.run("report", "--out", str(out), "--days", "7", "--prometheus", prometheus.url)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith("1 machine of no stack file costs $1.29/h.")
    assert lines[1].startswith("Stack local: 1 machine at $1.29/h ($30.96/day); at least $")
    assert lines[2].startswith(f"Written: {out} (") or "weekly.html" in lines[2]
    page = out.read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "with 7 days of history" in page
    assert "lambda_cloud_usd_per_hour of sophia exporter" in page

    document = sophia.run("report", "--out", str(out), "--json").json()
    assert list(document) == ["path", "bytes", "headline", "snapshot"]
    assert (document["path"], document["bytes"]) == (str(out), out.stat().st_size)


def test_a_report_has_the_ledgers_days_where_there_is_no_prometheus(sophia: Sophia, tmp_path: Path) -> None:
    booked(sophia, entry(1), entry(2))
    out = tmp_path / "report.html"
    assert sophia.run("report", "--out", str(out)).code == 0
    page = out.read_text(encoding="utf-8")
    assert "Source: the inference ledger" in page
    assert "$0.000206" in page


def test_no_report_is_written_when_a_source_that_was_named_is_away(
    sophia: Sophia, prometheus: PrometheusStandIn, tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    done = sophia.run("report", "--out", str(out), "--prometheus", address_of_nobody())
    assert (done.code, done.out) == (ExitCode.CLOUD, "")
    prometheus.script("GET /api/v1/query_range", DROP)
    prometheus.vectors["time()"] = [({}, 1_795_000_000)]
    assert sophia.run("report", "--out", str(out), "--prometheus", prometheus.url).code == ExitCode.CLOUD
    assert not out.exists()


def test_wrong_places_for_a_report(sophia: Sophia, emulator: EmulatorServer, tmp_path: Path) -> None:
    stack_file = sophia.project / "Pulumi.local.yaml"
    before = stack_file.read_text()
    for out, says in (
        (tmp_path, "is a folder"),
        (tmp_path / "no" / "report.html", "There is no folder"),
        (stack_file, "is there and is not a report: it stays"),
        (Path("/proc/report.html"), "could not be written"),
    ):
        done = sophia.run("report", "--out", str(out))
        assert done.code == ExitCode.USAGE, done.said
        assert says in done.said
    assert stack_file.read_text() == before
    assert sophia.run("report", "--days", "0").code == ExitCode.USAGE
    assert sophia.run("report", "--days", "401").code == ExitCode.USAGE
