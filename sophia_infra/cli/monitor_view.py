"""A snapshot on a terminal: one plain page, or a screen that fits the window and is drawn again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sophia_infra.cost.words import percent_words
from sophia_infra.model.money import HOURS_PER_MONTH, format_usd
from sophia_infra.reports import words
from sophia_infra.reports.fleet import Machine
from sophia_infra.reports.prometheus_facts import Alert
from sophia_infra.reports.snapshot import Snapshot

__all__ = ["MonitorScreen", "show_snapshot"]

_STATUS_STYLES = {
    "active": "green",
    "booting": "yellow",
    "unhealthy": "bold red",
    "terminating": "yellow",
}
_SEVERITY_STYLES = {"critical": "bold red", "warning": "yellow"}
_BAR_CELLS = 20
_WIDE = 110
_OLD_S = 60.0


def show_snapshot(console: Console, snapshot: Snapshot, now_s: float) -> None:
    """Everything, top to bottom, for a log or a person."""
    console.print(Group(*_Sections(snapshot, now_s, wide=console.width >= _WIDE).all()), soft_wrap=True)


class MonitorScreen:
    """The newest snapshot, as much of it as fits. Ages go on between two rounds.

    Args:
        now: seconds since 1970.
    """

    def __init__(self, snapshot: Snapshot, now: Callable[[], float]) -> None:
        self.snapshot = snapshot
        self._now = now

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        sections = _Sections(self.snapshot, self._now(), wide=options.max_width >= _WIDE)
        yield from sections.fitted(options.height or options.size.height)


class _Sections:
    """The parts of both views; each renders to as many lines as its name promises."""

    def __init__(self, snapshot: Snapshot, now_s: float, *, wide: bool) -> None:
        self._snapshot = snapshot
        self._now_s = now_s
        self._wide = wide

    def all(self) -> Iterator[RenderableType]:
        yield from self._head()
        fleet = self._snapshot.fleet.value
        if fleet is not None and fleet.machines:
            yield self._machines(len(fleet.machines))
        yield from self._missing()
        yield from self._money()
        yield from self._inference()
        gpus = self._snapshot.gpus.value or ()
        if gpus:
            yield self._gpus(len(gpus))
        yield from self._slo()
        if self._snapshot.alerts.is_known:
            yield self._alert_count()
        yield from (self._alert(row) for row in self._snapshot.alerts.value or ())
        for missing, names in self._snapshot.unknowns().items():
            yield Text(f"Not known: {', '.join(names)} ({missing}).", "dim")

    def fitted(self, height: int) -> Iterator[RenderableType]:
        """At most `height` lines: every section keeps its first, machines, alerts and GPUs share the rest."""
        machines = len(self._snapshot.fleet.value.machines) if self._snapshot.fleet.value else 0
        gpus, alerts = len(self._snapshot.gpus.value or ()), len(self._snapshot.alerts.value or ())
        above, below = list(self._head()), [*self._missing(), *self._money(), *self._inference()]
        after = [*self._slo(), self._alert_count()]
        last = self._last_line()
        headings = int(bool(machines)) + int(bool(gpus))
        left = height - len(above) - len(below) - len(after) - headings - 1
        shown_machines, shown_alerts, shown_gpus = _shares(left, machines, alerts, gpus)
        yield from above
        if shown_machines:
            yield self._machines(shown_machines)
        yield from below
        if shown_gpus:
            yield self._gpus(shown_gpus)
        yield from after
        yield from (self._alert(row) for row in (self._snapshot.alerts.value or ())[:shown_alerts])
        yield last

    def _head(self) -> Iterator[Text]:
        fleet = self._snapshot.fleet
        title = _line(f"Stack {self._snapshot.stack}", "bold")
        title.append(f"  {words.utc_words(self._snapshot.taken_at_s)}  ", "")
        title.append(words.rate_words(self._snapshot), "bold")
        yield title
        stray = words.stray_words(self._snapshot)
        if stray:
            yield _line(stray, "bold red")
        if not fleet.is_known:
            yield _line(f"Machines are not known: {fleet.missing}", "yellow")

    def _machines(self, count: int) -> Table:
        fleet = self._snapshot.fleet.value
        rows = sorted(fleet.machines if fleet else (), key=lambda row: not row.is_stray)
        table = self._table()
        table.add_column("Machine", no_wrap=True, overflow="ellipsis", ratio=self._flexible)
        for heading in ("Type", *(("Region",) if self._wide else ()), "Status", "Whose"):
            table.add_column(heading, no_wrap=True, overflow="ellipsis")
        for heading in ("$/h", "$ so far"):
            table.add_column(heading, no_wrap=True, justify="right")
        if self._wide:
            table.add_column("Purpose", no_wrap=True, overflow="ellipsis")
        for row in rows[:count]:
            table.add_row(*self._machine(row))
        return table

    def _machine(self, row: Machine) -> tuple[Text, ...]:
        cells = [Text(row.name, "bold red" if row.is_stray else ""), Text(row.instance_type)]
        if self._wide:
            cells.append(Text(row.region))
        cells += [
            Text(row.status, _STATUS_STYLES.get(row.status, "")),
            Text("" if row.owner == "stack" else row.owner, "bold red" if row.is_stray else "dim"),
            Text(format_usd(row.usd_per_hour)),
            Text(words.UNKNOWN if row.usd_so_far is None else format_usd(row.usd_so_far)),
        ]
        return (*cells, Text(row.purpose)) if self._wide else tuple(cells)

    @property
    def _flexible(self) -> int | None:
        """Ratio of the columns that give way in a narrow window."""
        return None if self._wide else 1

    def _table(self) -> Table:
        padding = (0, 2 if self._wide else 1, 0, 0)
        return Table(pad_edge=False, box=None, padding=padding, expand=not self._wide)

    def _missing(self) -> Iterator[Text]:
        fleet = self._snapshot.fleet.value
        if fleet is not None and fleet.missing:
            yield _line(f"In the file and not running: {', '.join(fleet.missing)}", "yellow")

    def _money(self) -> Iterator[RenderableType]:
        budget, usd = self._snapshot.budget, self._snapshot.usd_per_hour
        share = None if usd is None else budget.percent(usd * HOURS_PER_MONTH)
        style = "red" if share is not None and share > 100 else "green"
        if share is not None and budget.alert_percent <= share <= 100:
            style = "yellow"
        said = words.UNKNOWN if share is None else percent_words(share)
        text = f"{said} of {format_usd(budget.usd_per_month)}/month (720 h) at this rate"
        yield _with_bar("Budget", None if share is None else share / 100, text, style)
        yield _line(f"Month   {words.month_words(self._snapshot)}; {words.forecast_words(self._snapshot)}")

    def _inference(self) -> Iterator[Text]:
        rows = words.inference_words(self._snapshot.inference)
        for name, part in (("Calls   ", rows[:4]), ("        ", rows[4:])):
            line = _line(name)
            for place, (label, value, figure) in enumerate(part):
                line.append(
                    f"{'   ' if place else ''}{'' if label == 'Calls' else label.lower() + ' '}", "dim"
                )
                line.append(value, "" if figure.is_known else "dim")
            yield line

    def _gpus(self, count: int) -> Table:
        table = self._table()
        table.add_column("GPU", no_wrap=True, overflow="ellipsis", ratio=self._flexible)
        table.add_column("Busy", no_wrap=True, justify="right")
        table.add_column("", width=_BAR_CELLS)
        table.add_column("Memory", no_wrap=True, justify="right")
        table.add_column("Pods", no_wrap=True, overflow="ellipsis", ratio=self._flexible)
        for row in (self._snapshot.gpus.value or ())[:count]:
            memory = words.UNKNOWN if row.memory_percent is None else f"{row.memory_percent:.0f} %"
            table.add_row(
                Text(row.name),
                Text(f"{row.percent:.0f} %"),
                ProgressBar(total=100, completed=min(100.0, row.percent), width=_BAR_CELLS),
                Text(memory),
                Text(", ".join(row.pods) or "idle"),
            )
        return table

    def _slo(self) -> Iterator[RenderableType]:
        slos = self._snapshot.slo.value
        if slos is None:
            return
        worst = slos.services[0]
        used = 1 - worst.budget_left_ratio
        text = (
            f"{100 * used:.0f} % of its error budget used: {worst.service} ({worst.slo}), the most of "
            f"{len(slos.services)}; {100 * worst.success_ratio:.3f} % succeeded"
        )
        yield _with_bar("SLO", Decimal(str(max(0.0, used))), text, "green" if used < 1 else "red")

    def _alert_count(self) -> Text:
        alerts = self._snapshot.alerts
        if alerts.value is None:
            return _line(f"Alerts  {words.UNKNOWN} ({alerts.missing})", "dim")
        firing = sum(row.is_firing for row in alerts.value)
        if not alerts.value:
            return _line("Alerts  none", "green")
        pending = len(alerts.value) - firing
        return _line(f"Alerts  {firing} firing, {pending} pending", "bold red" if firing else "yellow")

    def _alert(self, row: Alert) -> Text:
        style = _SEVERITY_STYLES.get(row.severity, "dim")
        word = row.severity if row.is_firing else f"{row.severity} pending"
        line = _line(f"  {word} ", style if row.is_firing else "dim")
        line.append(row.name, "bold")
        line.append(f"  {row.summary}")
        return line

    def _last_line(self) -> Text:
        """What is wrong with the sources, else the oldest figure and the way out."""
        if self._snapshot.trouble:
            return _line(self._snapshot.trouble[0], "bold yellow")
        unknowns = sum(len(names) for names in self._snapshot.unknowns().values())
        line = _line("Ctrl-C ends.", "dim")
        figures = (self._snapshot.gpus, self._snapshot.alerts, self._snapshot.inference.calls_per_s)
        ages = [self._now_s - figure.at_s for figure in figures if figure.at_s is not None]
        if ages and max(ages) > _OLD_S:
            line.append(f" Oldest figure: {words.age_words(max(ages))}.", "bold yellow")
        if unknowns:
            noun = "figure is" if unknowns == 1 else "figures are"
            line.append(f" {unknowns} {noun} not known; `--once` says why.", "dim")
        return line


def _shares(left: int, machines: int, alerts: int, gpus: int) -> tuple[int, int, int]:
    """Lines for machines, alerts and GPUs: in turn, until all fit or none is left."""
    wanted, given = [machines, alerts, gpus], [0, 0, 0]
    while left > 0 and given != wanted:
        for place in range(3):
            if given[place] < wanted[place] and left > 0:
                given[place] += 1
                left -= 1
    return given[0], given[1], given[2]


def _line(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis", end="\n")


def _with_bar(label: str, share: Decimal | None, text: str, style: str) -> RenderableType:
    grid = Table.grid(padding=(0, 1, 0, 0), expand=True)
    grid.add_column(min_width=7)
    grid.add_column(min_width=_BAR_CELLS)
    grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    percent = 0.0 if share is None else float(min(Decimal(1), share)) * 100
    bar = ProgressBar(
        total=100, completed=percent, width=_BAR_CELLS, complete_style=style, finished_style=style
    )
    grid.add_row(Text(label), bar, Text(text))
    return grid
