"""`sophia cost diff` as a user runs it: files, stdin, prices, budgets, and every way to be wrong.

The command is the real one, in a process of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.cli.exit_codes import ExitCode
from tests.command_server import run_command
from tests.unit.cost.cost_bench import write_event_file
from tests.unit.cost.cost_plans import RECORDED, recorded

CHECKOUT = Path(__file__).resolve().parents[3]
STACK_FILE = """\
config:
  sophia:endpoint: emulator
  sophia:budget: {limit: "$2/h"}
  sophia:quota: {instances: 1}
  sophia:fleet: {}
"""


@dataclass(frozen=True)
class Finished:
    """How the command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder with one stack, `small`, and nothing that runs."""
    for name in ("Pulumi.yaml", "__main__.py"):
        shutil.copy(CHECKOUT / name, tmp_path)
    (tmp_path / "Pulumi.small.yaml").write_text(STACK_FILE, encoding="utf-8")
    return tmp_path


def cost_diff(file: str | Path, *arguments: str, text: str = "", project: Path | None = None) -> Finished:
    """Run it; nobody ever sees a traceback."""
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    if project is not None:
        environment |= {"SOPHIA_PROJECT": str(project), "SOPHIA_HOME": str(project / "home")}
    asked = ("cost", "diff", "--from-json", str(file), *arguments)
    done = run_command(asked, environment, CHECKOUT, given=text)
    assert "Traceback" not in done.err + done.out, done.err
    return Finished(done.code, done.out, done.err)


def test_a_file_gives_a_table_by_the_budget_in_it() -> None:
    done = cost_diff(RECORDED / "create.events.jsonl")
    assert (done.code, done.err) == (ExitCode.OK, "")
    assert "+$2.38/h (+$1,713.60/month) -> $2.38/h, 11 % of budget" in done.out
    assert "Budget $500/day (the plan's own configuration)" in done.out
    assert "\x1b" not in done.out


def test_stdin_is_a_file_too_and_other_prices_can_be_asked_for() -> None:
    done = cost_diff("-", "--json", "--prices", "2025-07", text=recorded("create.digest.json"))
    assert done.document["totals"]["after_usd_per_hour"] == "1.55"
    assert {price["as_of"] for price in done.document["prices"]} == {"2025-07-09"}
    assert done.document["exit_code"] == done.code == ExitCode.OK


def test_markdown_is_the_comment() -> None:
    done = cost_diff(RECORDED / "destroy.digest.json", "--markdown")
    assert done.out.startswith("<!-- sophia-cost -->\n### Cost: -$2.38/h (-$1,713.60/month) -> $0.00/h")


def test_the_budget_on_the_command_line_wins() -> None:
    done = cost_diff(RECORDED / "create.events.jsonl", "--json", "--budget", "$2/h")
    assert done.code == ExitCode.OVER_BUDGET
    assert done.document["budget"]["source"] == "--budget"
    assert done.document["findings"] == ["Over budget: $2.38/h is 119 % of $2/h."]


def test_a_stack_s_file_wins_over_what_the_plan_records(project: Path) -> None:
    done = cost_diff(RECORDED / "create.events.jsonl", "--json", "--stack", "small", project=project)
    assert done.document["budget"]["source"] == "Pulumi.small.yaml"
    assert done.document["stack"] == "small"
    assert [text.split(":")[0] for text in done.document["findings"]] == ["Over budget", "Over quota"]
    assert done.code == ExitCode.OVER_BUDGET
    kept = cost_diff(
        RECORDED / "create.events.jsonl", "--stack", "small", "--budget", "$9/h", project=project
    )
    assert kept.code == ExitCode.OVER_QUOTA


def test_live_prices_of_a_stopped_emulator_are_dated_and_say_so(project: Path) -> None:
    done = cost_diff(
        RECORDED / "create.events.jsonl", "--stack", "small", "--prices", "live", project=project
    )
    assert "The emulator of stack small is stopped: dated prices, no capacity." in done.out
    assert "Prices of 2026-08-20" in done.out


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("", ExitCode.USAGE, "The plan is empty"),
        ("{", ExitCode.USAGE, "broken JSON or cut off"),
        ('{"resources": []}', ExitCode.USAGE, "has the keys resources"),
        (recorded("state.json").replace('"version": 3', '"version": 1', 1), ExitCode.USAGE, "has version 1"),
        (
            recorded("create.digest.json").replace("lambda:Instance", "lambda:Cluster"),
            ExitCode.USAGE,
            "is not known",
        ),
        (
            recorded("create.digest.json").replace("gpu_1x_a10", "gpu_1x_x999"),
            ExitCode.USAGE,
            "no price for gpu_1x_x999",
        ),
        (recorded("same-without-sames.digest.json"), ExitCode.USAGE, "--show-sames"),
        (
            recorded("create.events.jsonl").replace('"result": "succeeded"', '"result": "failed"'),
            ExitCode.FAILED,
            "The preview in this file failed",
        ),
    ],
)
def test_a_file_that_gives_no_figure_is_one_sentence_and_a_code(text: str, code: ExitCode, said: str) -> None:
    done = cost_diff("-", "--json", text=text)
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert "Next: " in done.err
    assert done.err.startswith("sophia: ")
    assert done.err.count("\n") == 1


def test_a_file_that_is_not_there_or_no_text_is_one_sentence(tmp_path: Path) -> None:
    assert "cannot be read" in cost_diff(tmp_path / "none.json").err
    assert "cannot be read" in cost_diff(tmp_path).err
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    done = cost_diff(tmp_path / "binary")
    assert (done.code, "not UTF-8 text" in done.err) == (ExitCode.USAGE, True)


@pytest.mark.parametrize("wrong", [("--budget", "5"), ("--prices", "2024-01")])
def test_a_wrong_option_names_what_is_accepted(wrong: tuple[str, str]) -> None:
    done = cost_diff(RECORDED / "create.events.jsonl", *wrong)
    assert (done.code, done.out) == (ExitCode.USAGE, "")
    assert wrong[0] in done.err


def test_an_event_file_of_a_megabyte_is_read_whole(tmp_path: Path) -> None:
    machines = write_event_file(tmp_path / "large.jsonl")
    done = cost_diff(tmp_path / "large.jsonl", "--json", "--budget", "$1,000,000/day")
    assert machines > 300
    assert len(done.document["rows"]) == machines


def test_nothing_heavy_is_imported_on_the_way() -> None:
    code = (
        "import contextlib, sys\n"
        "from sophia_infra.cli.main import app\n"
        f"arguments = ['cost', 'diff', '--json', '--from-json', {str(RECORDED / 'create.events.jsonl')!r}]\n"
        "with contextlib.suppress(SystemExit):\n"
        "    app(arguments)\n"
        "print([n for n in ('pydantic', 'requests', 'yaml', 'pulumi') if n in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
