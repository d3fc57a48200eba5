"""`sophia cost plan`, `roi` and `forecast`, and the plan's `scripts/analyze_costs.py`.

Each test runs the real command: what is tested is what a user sees.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.emulator import Cloud, CloudSettings, EmulatorServer
from sophia_infra.model.clock import ScaledClock
from tests.unit.cli.sophia_command import A10, CHECKOUT, Sophia
from tests.unit.cli.test_cli_looking import TAGS, launch

SCENARIO = """\
after:
  machines: {core: {type: 1xGH200}, dev: {type: 1xA10, hours: 171.43}}
  tokens: {llama-4-scout: {input_millions: 1500, output_millions: 500}}
  other: {monitoring: "$50/month"}
"""

MIDDLE_OF_NOVEMBER_S = datetime(2026, 11, 16, tzinfo=UTC).timestamp()


@pytest.fixture
def sophia(tmp_path: Path) -> Sophia:
    made = Sophia(tmp_path / "project", tmp_path / "home")
    made.write_config({"a": A10}, budget={"limit": "$900/month"})
    return made


@pytest.fixture
def running(sophia: Sophia) -> Iterator[EmulatorServer]:
    with EmulatorServer(Cloud(CloudSettings(), ScaledClock(1.0, MIDDLE_OF_NOVEMBER_S))) as server:
        sophia.environment["LAMBDA_API_URL"] = server.url
        yield server


def test_both_tables_stand_side_by_side_with_the_reasons(sophia: Sophia) -> None:
    done = sophia.run("cost", "plan")
    assert (done.code, done.err) == (ExitCode.OK, "")
    total = next(line for line in done.out.splitlines() if line.startswith("Total"))
    assert total.split() == [
        "Total", "$5,147.00", "$2,390.00", "$2,757.00", "54", "%", "$3,677.60", "$2,390.00", "$1,287.60",
        "35.0", "%",
    ]  # fmt: skip
    assert "$1,470 of the plan's $5,147 is there twice" in done.out
    assert "at most $6,616.80 by the plan's saving, $3,090.24 by the honest one" in done.out


def test_the_document_has_figures_scenario_and_return(sophia: Sophia, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(SCENARIO)
    picture = tmp_path / "p.svg"
    arguments = (
        "--scenario",
        str(path),
        "--investment",
        "$3,090.24",
        "--plot",
        str(picture),
        "--figures",
        "--json",
    )
    document = sophia.run("cost", "plan", *arguments).json()
    assert document["honest"]["saving_usd_per_month"] == "1287.60"
    assert document["roi"]["honest"]["net_percent"] == "400.0"
    assert document["most_investment_usd"] == {"plan": "6616.80", "honest": "3090.24"}
    assert Decimal(document["scenario"]["total"]["after_usd_per_month"]) == Decimal("2189.9447")
    assert len(document["figures"]) > 90
    assert all(row["formula"] and row["source"] for row in document["figures"])
    assert "<svg" in picture.read_text()


def test_every_figure_can_be_read_on_a_terminal(sophia: Sophia) -> None:
    done = sophia.run("cost", "plan", "--figures")
    assert "Uptime 99.5 to 99.9" in done.said
    assert "60 % average performance: No set of rows" in done.said
    assert "365 * 24 * 4.83" in done.out


def test_a_return_without_an_investment_is_refused(sophia: Sophia) -> None:
    done = sophia.run("cost", "roi")
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert "the plan states none" in done.err


def test_a_return_on_a_stated_investment(sophia: Sophia) -> None:
    document = sophia.run("cost", "roi", "--investment", "$12,000", "--json").json()
    assert document["plan"]["net_percent"] == "175.7"
    assert document["honest"]["payback_months"] == "9.3"
    assert "9.3 months" in sophia.run("cost", "roi", "--investment", "$12,000").out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("plan", "--investment", "12000"), "is not an amount in dollars"),
        (("plan", "--plot", "x.pdf"), "ends in .svg or .png"),
        (("plan", "--scenario", "none.yaml"), "none.yaml: cannot be read"),
        (("roi", "--investment", "$0"), "is not above zero"),
    ],
)
def test_what_a_user_gets_wrong(sophia: Sophia, arguments: tuple[str, ...], says: str) -> None:
    done = sophia.run("cost", *arguments)
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert says in done.err


def test_an_unknown_model_is_named(sophia: Sophia, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("after: {tokens: {gpt-9: {input_millions: 1, output_millions: 1}}}\n")
    done = sophia.run("cost", "plan", "--scenario", str(path))
    assert done.code == ExitCode.USAGE
    assert "gpt-9" in done.err


def test_the_plans_script_is_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, str(CHECKOUT / "scripts" / "analyze_costs.py")],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(CHECKOUT), "PATH": ""},
        timeout=60,
    )
    assert "$3,677.60" in done.stdout


def test_a_forecast_of_a_stopped_emulator_is_nothing(sophia: Sophia) -> None:
    assert "is stopped, so nothing runs" in sophia.run("cost", "forecast").out


@pytest.mark.parametrize(
    ("budget", "code"), [("$900/month", ExitCode.OK), ("$400/month", ExitCode.OVER_BUDGET)]
)
def test_a_forecast_is_what_was_spent_and_the_rate_for_the_rest(
    sophia: Sophia, running: EmulatorServer, budget: str, code: ExitCode
) -> None:
    """An hour is over in the middle of November: 359 of 720 h are left, at 1.29."""
    sophia.write_config({"a": A10}, budget={"limit": budget})
    launch(running, "a", TAGS)
    done = sophia.run("cost", "forecast", "--json")
    document = done.json()
    assert done.code == code
    assert document["usd_per_hour"] == "1.29"
    assert Decimal("1.29") <= Decimal(document["spent_usd"]) < Decimal("1.50")
    assert Decimal("463") < Decimal(document["expected_usd"]) < Decimal("465")
    assert document["over_budget"] is (code == ExitCode.OVER_BUDGET)
    shown = sophia.run("cost", "forecast")
    assert "expected at its end" in shown.out
    assert "No interval" in shown.out
