"""A dashboard of the house: one look, a unit and a description everywhere, the runbooks at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from grafana_foundation_sdk.builders import dashboard, stat
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import units

from sophia_infra.monitoring.dashboards import panels
from sophia_infra.monitoring.dashboards.looks import RED, Column, Query, Steps
from sophia_infra.monitoring.rule import runbook_anchor
from sophia_infra.monitoring.rules import all_alerts
from sophia_infra.monitoring.terms import Terms

__all__ = ["GRID_COLUMNS", "TAG", "Board"]

GRID_COLUMNS: Final = 24
TAG: Final = "sophia"

_STAT_HEIGHT: Final = 4
_CHART_HEIGHT: Final = 8


class Board:
    """A dashboard that grows panel by panel, each to the right of the last, or below where it does not fit.

    Args:
        terms: of the stack; their alerts are what panels link to.
        name: also the file name; the uid is `sophia-<name>`.
        hours: of the default range, which ends now.

    Attributes:
        unknown_alerts: named by panels and not among the alerts of these terms, so without a link.
    """

    def __init__(self, terms: Terms, name: str, title: str, description: str, *, hours: int = 6) -> None:
        self._terms = terms
        self._alerts = all_alerts(terms)
        self._panels = 0
        self._x = self._y = self._line_height = 0
        self.unknown_alerts: set[str] = set()
        self._board = (
            dashboard.Dashboard(title)
            .uid(f"sophia-{name}")
            .description(description)
            .tags([TAG])
            .readonly()
            .timezone("utc")  # the service's month is UTC
            .time(f"now-{hours}h", "now")
            .refresh("30s")
            .tooltip(model.DashboardCursorSync.CROSSHAIR)
            .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
            .annotation(
                dashboard.AnnotationQuery()
                .name("Critical alarms")
                .datasource(panels.SOURCE)
                .icon_color(RED)
                .expr('ALERTS{alertstate="firing",severity="critical"}')
            )
            .link(
                dashboard.DashboardLink("Dashboards")
                .type(model.DashboardLinkType.DASHBOARDS)
                .tags([TAG])
                .as_dropdown(True)
                .keep_time(True)
            )
        )
        if self._has_runbook_address:
            self._board.link(panels.link_to("Runbooks", terms.config.runbooks_url))

    def build(self) -> model.Dashboard:
        """The dashboard as the library's model."""
        return self._board.build()

    def choose(self, name: str, label: str, source: str) -> None:
        """A variable with all values of a label: `label_values(metric, label)`. Its default is all."""
        self._board.with_variable(
            dashboard.QueryVariable(name)
            .label(label)
            .datasource(panels.SOURCE)
            .query(source)
            .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(model.VariableSort.ALPHABETICAL_ASC)
            .multi(True)
            .include_all(True)
            .all_value(".*")
            .current(model.VariableOption(text="All", value="$__all"))
        )

    def row(self, title: str) -> None:
        """A heading; what follows stands under it."""
        self._panels += 1
        self._break_line()
        self._board.with_row(dashboard.Row(title).id(self._panels).grid_pos(self._place(GRID_COLUMNS, 1)))

    def stat(
        self,
        title: str,
        description: str,
        unit: str,
        *queries: Query,
        width: int = 4,
        steps: Steps | None = None,
        decimals: int | None = None,
        alerts: Sequence[str] = (),
    ) -> None:
        """One large figure, as it is now, over its line of the range."""
        panel = panels.stat_panel(is_coloured=steps is not None)
        self._add(panel, title, description, unit, queries, width, steps, decimals, alerts)

    def chart(
        self,
        title: str,
        description: str,
        unit: str,
        *queries: Query,
        width: int = 8,
        steps: Steps | None = None,
        stacked: bool = False,
        most: float | None = None,
        alerts: Sequence[str] = (),
    ) -> None:
        """Lines over time from zero up; steps are drawn as lines across.

        Args:
            most: upper end of the axis, for shares.
        """
        panel = panels.chart_panel(stacked=stacked, most=most, has_lines=steps is not None)
        self._add(panel, title, description, unit, queries, width, steps, None, alerts)

    def bars(
        self,
        title: str,
        description: str,
        unit: str,
        *queries: Query,
        width: int = 8,
        steps: Steps | None = None,
        most: float | None = None,
        alerts: Sequence[str] = (),
    ) -> None:
        """One bar for each series, as it is now."""
        panel = panels.bars_panel(most)
        self._add(panel, title, description, unit, queries, width, steps, None, alerts)

    def states(
        self,
        title: str,
        description: str,
        *queries: Query,
        words: Sequence[tuple[int, str, str]],
        width: int = 12,
        alerts: Sequence[str] = (),
    ) -> None:
        """Bands over time. `words` are (value, what it means, colour)."""
        panel = panels.states_panel(words)
        self._add(panel, title, description, units.NoUnit, queries, width, None, None, alerts)

    def table(
        self,
        title: str,
        description: str,
        facts: str,
        labels: Mapping[str, str],
        *columns: Column,
        width: int = GRID_COLUMNS,
        link: tuple[str, str, str] | None = None,
        alerts: Sequence[str] = (),
    ) -> None:
        """One line for each series of `facts`, with values of other expressions beside it, as they are now.

        Args:
            facts: an expression that keeps exactly `labels`; its value is not shown.
            labels: label -> heading, in their order.
            link: (heading, title, address) behind the cells of a column.
        """
        panel = panels.table_panel(labels, columns, link)
        # A value without a line of its own would become one, with nothing else in it.
        joined = [f"({column.expr}) and on ({column.by}) ({facts})" for column in columns]
        queries = [Query(expr) for expr in (facts, *joined)]
        self._add(panel, title, description, units.Short, queries, width, None, None, alerts, is_table=True)

    def _add(
        self,
        panel: panels.Panel,
        title: str,
        description: str,
        unit: str,
        queries: Sequence[Query],
        width: int,
        steps: Steps | None,
        decimals: int | None,
        alerts: Sequence[str],
        *,
        is_table: bool = False,
    ) -> None:
        self._panels += 1
        # Without an address there is nothing to link to: the path is said instead.
        known = [alert for alert in alerts if alert in self._alerts]
        self.unknown_alerts.update(set(alerts) - set(known))
        height = _STAT_HEIGHT if isinstance(panel, stat.Panel) else _CHART_HEIGHT
        if known and not self._has_runbook_address:
            where = ", ".join(self._runbook(alert) for alert in known)
            description = f"{description} What to do: {where}."
        panel.id(self._panels).title(title).description(description).unit(unit).datasource(panels.SOURCE)
        panel.grid_pos(self._place(width, height))
        if self._has_runbook_address:
            panel.links([panels.link_to(f"Runbook: {alert}", self._runbook(alert)) for alert in known])
        if decimals is not None:
            panel.decimals(decimals)
        if steps is not None:
            panel.thresholds(panels.thresholds(steps))
        for place, query in enumerate(queries):
            panel.with_target(panels.target(query, place, is_table=is_table))
        self._board.with_panel(panel)

    def _place(self, width: int, height: int) -> model.GridPos:
        if self._x + width > GRID_COLUMNS:
            self._break_line()
        position = model.GridPos(h=height, w=width, x=self._x, y=self._y)
        self._x += width
        self._line_height = max(self._line_height, height)
        return position

    def _break_line(self) -> None:
        self._y += self._line_height
        self._x = self._line_height = 0

    @property
    def _has_runbook_address(self) -> bool:
        return "://" in self._terms.config.runbooks_url

    def _runbook(self, alert: str) -> str:
        return f"{self._terms.config.runbooks_url}#{runbook_anchor(alert)}"
