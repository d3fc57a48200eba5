"""The screen of `sophia monitor` in windows of any size: never more lines than fit, what matters first."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from rich.console import Console

from sophia_infra.cli.monitor_command import watch
from sophia_infra.cli.monitor_view import MonitorScreen, show_snapshot
from sophia_infra.reports.figures import known, unknown
from sophia_infra.reports.gathering import Gatherer
from sophia_infra.reports.snapshot import Snapshot
from tests.unit.reports.figures import EVIL, NOW_S, a_machine, a_snapshot, with_everything


def drawn(snapshot: Snapshot, width: int, height: int, *, later_s: float = 0.0) -> list[str]:
    """The lines of one frame."""
    console = Console(
        width=width, height=height, force_terminal=True, color_system=None, legacy_windows=False
    )
    with console.capture() as captured:
        console.print(MonitorScreen(snapshot, lambda: NOW_S + later_s), height=height, end="")
    return captured.get().rstrip("\n").split("\n")


def large() -> Snapshot:
    snapshot, _ = with_everything(gpus=64)
    fleet = snapshot.fleet.value
    assert fleet is not None
    machines = tuple(a_machine(number, name=f"a-machine-with-a-long-name-{number}") for number in range(64))
    return replace(snapshot, fleet=known(replace(fleet, machines=(*machines, *fleet.strays)), "x", NOW_S))


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (160, 50), (80, 16), (60, 20), (250, 80)])
def test_a_frame_fits_its_window(width: int, height: int) -> None:
    lines = drawn(large(), width, height)
    assert len(lines) <= height
    assert max(len(line) for line in lines) <= width


def test_80_by_24_shows_a_part_of_everything() -> None:
    text = "\n".join(drawn(replace(large(), stack="local"), 80, 24))
    parts = (
        "Stack local",
        "65 machines",
        "2 machines of no stack file",
        "a-machine-with-a",
        "Budget",
        "Month",
    )
    for shown in (*parts, "p95", "GPU", "SLO", "Alerts", "Burns", "Ctrl-C"):
        assert shown in text


def test_strays_come_first_where_lines_are_few() -> None:
    lines = drawn(large(), 80, 20)
    rows = lines[lines.index(next(line for line in lines if line.startswith("Machine"))) + 1 :]
    assert "orphan" in rows[0]
    assert "unknown" in rows[1]


def test_markup_of_others_is_text() -> None:
    text = "\n".join(drawn(with_everything()[0], 160, 50))
    assert EVIL in text
    assert "[bold]x" in "\n".join(drawn(a_snapshot(a_machine(1, name="[bold]x[/bold]")), 160, 50))


def test_old_figures_say_how_old_they_are() -> None:
    assert "Oldest figure" not in drawn(with_everything()[0], 120, 40)[-1]
    assert "Oldest figure: 5 min." in drawn(with_everything()[0], 120, 40, later_s=300)[-1]


def test_a_source_that_fails_takes_the_last_line() -> None:
    snapshot = a_snapshot(a_machine(1), trouble=("Prometheus is away. Next: wait.",))
    assert drawn(snapshot, 80, 24)[-1].startswith("Prometheus is away")


def test_one_figure_that_is_not_known_is_one() -> None:
    (line,) = (line for line in drawn(a_snapshot(a_machine(1)), 80, 24) if "Ctrl-C" in line)
    assert "10 figures are not known; `--once` says why." in line


def test_a_fleet_that_is_not_known_is_not_an_empty_one() -> None:
    snapshot = a_snapshot(fleet=unknown("the cloud is away"), month=unknown("x"), forecast=unknown("y"))
    text = "\n".join(drawn(snapshot, 80, 24))
    assert "Machines are not known: the cloud is away" in text
    assert "? machines at ? $/h" in text
    assert "$0" not in text


@pytest.mark.parametrize(("usd", "percent"), [("1.29", "15 %"), ("7.35", "88 %"), ("20", "240 %")])
def test_the_budget_is_that_of_the_present_rate(usd: str, percent: str) -> None:
    snapshot = a_snapshot(a_machine(1, usd_per_hour=Decimal(usd)))
    (line,) = (line for line in drawn(snapshot, 80, 24) if line.startswith("Budget"))
    assert f"{percent} of $6,000.00/month (720 h) at this rate" in line


def test_one_page_for_a_log_holds_everything() -> None:
    console = Console(width=160, color_system=None)
    with console.capture() as captured:
        show_snapshot(console, large(), NOW_S)
    text = captured.get()
    assert text.count("a-machine-with-a-long-name-") == 64
    assert text.count("NVIDIA") == 0
    assert all(name in text for name in ("Burns", "Warns", "Waits", "Not known:"))


class _Script:
    """A gatherer whose rounds are given."""

    def __init__(self, *rounds: Snapshot) -> None:
        self._rounds = list(rounds)
        self.failed = ()

    def gather(self) -> Snapshot:
        return self._rounds.pop(0) if len(self._rounds) > 1 else self._rounds[0]


def test_the_loop_waits_between_rounds_and_ends_with_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    script: Gatherer = _Script(a_snapshot(a_machine(1)), a_snapshot(a_machine(2)))  # type: ignore[assignment]
    assert watch(script, 0.01, sleep=sleep) == 0
    assert slept == [1.0, 1.0, 1.0]
    capsys.readouterr()
