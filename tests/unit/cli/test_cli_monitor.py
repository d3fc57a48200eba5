"""`sophia monitor` as its users see it: one page, one document, a screen that leaves the terminal alone.

Each test starts the real command against an emulator in this process and services on loopback.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.emulator import EmulatorServer
from sophia_infra.provider.tags import NAME_TAG
from tests.unit.cli.sophia_command import A10, API_KEY, Sophia
from tests.unit.cli.sources import a_gateway, a_prometheus, address_of_nobody
from tests.unit.cli.terminal import WITHIN_S, on_terminal, read_to_end, read_until
from tests.unit.cli.test_cli_looking import TAGS, launch
from tests.unit.lambda_cloud.service import ScriptedService
from tests.unit.metrics_client.prometheus_stand_in import PrometheusStandIn, alert

TOKEN = "eyJhbGciOiJ.secret-token.0123456789abcdef"


@pytest.fixture
def prometheus() -> Iterator[PrometheusStandIn]:
    with a_prometheus() as service:
        yield service


@pytest.fixture
def gateway() -> Iterator[ScriptedService]:
    with a_gateway() as service:
        yield service


def test_one_page_shows_what_is_known_and_says_what_is_not(sophia: Sophia, emulator: EmulatorServer) -> None:
    launch(emulator, "a", TAGS)
    done = sophia.run("monitor", "--once")
    assert (done.code, done.err) == (0, "")
    row = next(line for line in done.out.splitlines() if line.startswith("a "))
    for shown in ("gpu_1x_a10", "active", "$1.29", "development"):
        assert shown in row
    assert "1 machine at $1.29/h ($30.96/day)" in done.said
    assert "6 % of $15,000.00/month (720 h) at this rate" in done.said
    assert "alerts (no Prometheus was given: --prometheus URL)" in done.said
    assert "queue ?" in done.said


def test_lost_machines_come_first_in_words(sophia: Sophia, emulator: EmulatorServer) -> None:
    launch(emulator, "a", TAGS)
    launch(emulator, "old", {**TAGS, NAME_TAG: "old"})
    launch(emulator, "by-hand")
    done = sophia.run("monitor", "--once")
    assert "2 machines of no stack file cost $2.58/h. `sophia instances` lists them" in done.said
    lines = done.out.splitlines()
    places = [
        next(n for n, line in enumerate(lines) if line.startswith(name))
        for name in ("old ", "by-hand ", "a ")
    ]
    assert places == sorted(places)


def test_one_round_costs_one_list_request(sophia: Sophia, emulator: EmulatorServer) -> None:
    sophia.run("monitor", "--once", "--json")
    assert [seen.operation for seen in emulator.cloud.requests.since(0)] == ["listInstances"]


def test_the_document_has_the_documented_keys(
    sophia: Sophia, emulator: EmulatorServer, prometheus: PrometheusStandIn, gateway: ScriptedService
) -> None:
    machine_id = launch(emulator, "a", TAGS)
    prometheus.alert_rows = [alert("A", "critical", summary="it burns", runbook_url="docs/runbooks.md#a")]
    done = sophia.run(
        *("monitor", "--once", "--json", "--prometheus", prometheus.url, "--gateway", f"{gateway.url}/v1"),
        PROMETHEUS_TOKEN=TOKEN,
    )
    assert (done.code, done.err) == (0, "")
    document = done.json()
    assert list(document) == [
        *("stack", "taken_at", "budget", "fleet", "month", "forecast", "inference", "gpus", "slo", "alerts"),
        "trouble",
    ]
    assert document["budget"] == {"usd_per_month_720h": "15000", "alert_percent": 80}
    assert list(document["fleet"]) == ["value", "source", "at", "missing"]
    fleet = document["fleet"]["value"]
    (machine,) = fleet["machines"]
    assert (machine["id"], machine["owner"], machine["usd_per_hour"]) == (machine_id, "stack", "1.29")
    nothing = dict.fromkeys(("orphan", "other", "training", "unknown"), "0")
    assert fleet["usd_per_hour"] == {"stack": "1.29", **nothing}
    assert Decimal(document["month"]["value"]["usd"]) > 0
    assert Decimal(document["forecast"]["value"]["expected_usd"]) >= Decimal(
        document["month"]["value"]["usd"]
    )
    assert document["inference"]["budget_use_ratio"]["value"] == 0.42
    assert document["inference"]["backends"]["value"] == {"ready": 1, "total": 1, "waiting": []}
    assert document["alerts"]["value"] == [
        {
            "name": "A",
            "severity": "critical",
            "state": "firing",
            "owner": "platform",
            "summary": "it burns",
            "since": "2026-11-28T09:30:00.123456789Z",
            "runbook_url": "docs/runbooks.md#a",
        }
    ]
    assert document["gpus"]["value"] is None
    assert document["gpus"]["missing"]
    assert TOKEN not in done.out
    assert {row.headers["Authorization"] for row in prometheus.asked} == {f"Bearer {TOKEN}"}
    assert API_KEY not in json.dumps([row.headers for row in prometheus.asked + gateway.asked])


@pytest.mark.parametrize(
    ("severity", "fail_on", "code"),
    [
        ("critical", "critical", ExitCode.FINDINGS),
        ("critical", "warning", ExitCode.FINDINGS),
        ("warning", "warning", ExitCode.FINDINGS),
        ("warning", "critical", ExitCode.OK),
        ("info", "warning", ExitCode.OK),
        ("critical", None, ExitCode.OK),
    ],
)
def test_alerts_change_the_exit_code_only_when_asked(
    sophia: Sophia, prometheus: PrometheusStandIn, severity: str, fail_on: str | None, code: ExitCode
) -> None:
    prometheus.alert_rows = [alert("A", severity), alert("B", "critical", "pending")]
    options = () if fail_on is None else ("--fail-on", fail_on)
    done = sophia.run("monitor", "--once", "--prometheus", prometheus.url, *options)
    assert (done.code, done.err) == (code, "")
    assert "1 firing, 1 pending" in done.said


def test_a_source_that_is_away_is_one_sentence_beside_what_is_known(
    sophia: Sophia, emulator: EmulatorServer
) -> None:
    launch(emulator, "a", TAGS)
    nobody = address_of_nobody()
    done = sophia.run("monitor", "--once", "--prometheus", nobody, PROMETHEUS_TOKEN=TOKEN)
    assert done.code == ExitCode.CLOUD
    assert done.err.startswith(f"sophia: Prometheus at {nobody} does not answer. Next: see whether it runs")
    assert done.err.count("\n") == 1
    assert "1 machine at $1.29/h" in done.said
    assert TOKEN not in done.said


def test_something_else_at_the_address(sophia: Sophia, gateway: ScriptedService) -> None:
    done = sophia.run("monitor", "--once", "--prometheus", gateway.url)
    assert done.code == ExitCode.USAGE
    assert f"What answers at {gateway.url} is not Prometheus." in done.said
    done = sophia.run("monitor", "--once", "--gateway", sophia.environment["LAMBDA_API_URL"])
    assert done.code == ExitCode.USAGE
    assert "is no inference gateway of this project" in done.said


def test_wrong_command_lines_ask_nobody(sophia: Sophia, emulator: EmulatorServer) -> None:
    for arguments, says in (
        (("--prometheus", "http://prometheus.example.com"), "is http to another machine"),
        (("--gateway", "127.0.0.1:9"), "is not an http or https address"),
        (("--interval", "0"), "0"),
        (("--fail-on", "critical"), "give --prometheus URL too"),
        (("--fail-on", "info", "--prometheus", "http://127.0.0.1:9"), "'info'"),
        (("--stack", "nowhere"), "There is no Pulumi.nowhere.yaml."),
    ):
        done = sophia.run("monitor", "--once", *arguments)
        assert done.code == ExitCode.USAGE, arguments
        assert says in done.said
    assert emulator.cloud.requests.since(0) == []


def test_a_stopped_emulator_is_no_failure(
    stopped: Sophia, prometheus: PrometheusStandIn, tmp_path: Path
) -> None:
    done = stopped.run("monitor", "--once")
    assert (done.code, done.out) == (
        0,
        "The emulator of stack local is stopped, so nothing runs. `sophia up` starts it.\n",
    )
    document = stopped.run("monitor", "--json").json()
    assert document["fleet"]["value"]["machines"] == []
    assert document["fleet"]["source"] == "the emulator, which is stopped, so nothing runs"
    done = stopped.run("monitor", "--once", "--prometheus", prometheus.url)
    assert "In the file and not running: a" in done.said
    out = tmp_path / "report.html"
    assert stopped.run("report", "--out", str(out)).code == 0
    assert "The account runs no machines." in out.read_text(encoding="utf-8")


def test_a_screen_is_drawn_until_ctrl_c_and_leaves_the_terminal_as_it_was(
    sophia: Sophia, emulator: EmulatorServer
) -> None:
    launch(emulator, "a", TAGS)
    with on_terminal(sophia, "monitor", "--interval", "1") as (process, master):
        shown = read_until(master, b"a  ")
        assert b"\x1b[?1049h" in shown
        process.send_signal(signal.SIGINT)
        rest = read_to_end(master)
        assert process.wait(WITHIN_S) == 0
    assert rest.count(b"\x1b[?1049l") == 1
    assert rest.count(b"\x1b[?25h") == 1
    assert b"Traceback" not in shown + rest


def test_a_kill_leaves_the_terminal_as_it_was(sophia: Sophia) -> None:
    with on_terminal(sophia, "monitor") as (process, master):
        read_until(master, b"Budget")
        process.send_signal(signal.SIGTERM)
        rest = read_to_end(master)
        assert process.wait(WITHIN_S) == 128 + signal.SIGTERM
    assert rest.count(b"\x1b[?1049l") == 1


def test_a_wrong_address_ends_before_any_screen(sophia: Sophia, gateway: ScriptedService) -> None:
    with on_terminal(sophia, "monitor", "--prometheus", gateway.url) as (process, master):
        shown = read_to_end(master)
        assert process.wait(WITHIN_S) == ExitCode.USAGE
    assert b"is not Prometheus" in shown
    assert b"\x1b[?1049h" not in shown


def test_names_with_markup_are_shown_as_they_are(
    sophia: Sophia, emulator: EmulatorServer, tmp_path: Path
) -> None:
    sophia.write_config({"a": {**A10, "purpose": "<script>alert(1)</script> [bold]x[/bold]"}})
    launch(emulator, "a", TAGS)
    assert "<script>alert(1)</script> [bold]x[/bold]" in sophia.run("monitor", "--once").said
    out = tmp_path / "report.html"
    sophia.run("report", "--out", str(out))
    assert "<script" not in out.read_text(encoding="utf-8")
