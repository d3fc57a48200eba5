"""Grafana's panels in the look of the house, without what they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import prometheus as prometheus_model

from sophia_infra.monitoring.dashboards.looks import Column, Query, Steps

__all__ = [
    "SOURCE",
    "Panel",
    "bars_panel",
    "chart_panel",
    "letter",
    "link_to",
    "stat_panel",
    "states_panel",
    "table_panel",
    "target",
    "thresholds",
]

SOURCE: Final = model.DataSourceRef(type_val="prometheus", uid="${datasource}")

Panel = stat.Panel | timeseries.Panel | table.Panel | bargauge.Panel | statetimeline.Panel


# Each panel sets an option: without any the library writes null, where Grafana wants an object.


def stat_panel(*, is_coloured: bool) -> stat.Panel:
    """The last value over its line of the range; coloured by steps, or plain."""
    mode = common_model.BigValueColorMode
    return (
        stat.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(common_model.BigValueGraphMode.AREA)
        .color_mode(mode.BACKGROUND if is_coloured else mode.VALUE)
    )


def chart_panel(*, stacked: bool, most: float | None, has_lines: bool) -> timeseries.Panel:
    """Lines from zero up, to `most` where there is one; steps as dashed lines across."""
    panel = (
        timeseries.Panel()
        .min(0)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(common_model.LegendDisplayMode.TABLE)
            .placement(common_model.LegendPlacement.BOTTOM)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_model.TooltipDisplayMode.MULTI)
            .sort(common_model.SortOrder.DESCENDING)
        )
        .fill_opacity(40 if stacked else 5)
    )
    if most is not None:
        panel.max(most)
    if stacked:
        panel.stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL))
    if has_lines:
        # The library's own spelling.
        dashed = common_model.GraphTresholdsStyleMode.DASHED
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(dashed))
    return panel


def bars_panel(most: float | None) -> bargauge.Panel:
    """Horizontal bars from zero, to `most` where there is one."""
    panel = (
        bargauge.Panel()
        .min(0)
        .orientation(common_model.VizOrientation.HORIZONTAL)
        .display_mode(common_model.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    return panel if most is None else panel.max(most)


def states_panel(words: Sequence[tuple[int, str, str]]) -> statetimeline.Panel:
    """Bands over time; `words` are (value, what it means, colour)."""
    options = {
        str(value): model.ValueMappingResult(text=text, color=colour, index=index)
        for index, (value, text, colour) in enumerate(words)
    }
    return statetimeline.Panel().merge_values(True).mappings([model.ValueMap(options=options)])


def table_panel(
    labels: Mapping[str, str], columns: Sequence[Column], link: tuple[str, str, str] | None
) -> table.Panel:
    """Labels of query A, then the values of the queries behind it; lines are joined by common labels.

    Args:
        labels: label -> heading.
        link: (heading, title, address) behind the cells of a column.
    """
    headings = {f"Value #{letter(place + 1)}": column.heading for place, column in enumerate(columns)}
    places = {name: place for place, name in enumerate([*labels, *headings])}
    organized = {
        "excludeByName": {"Time": True, "Value #A": True},
        "indexByName": places,
        "renameByName": {**labels, **headings},
    }
    panel = (
        table.Panel()
        .show_header(True)
        .with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(model.DataTransformerConfig(id_val="organize", options=organized))
    )
    for column in columns:
        panel.override_by_name(column.heading, _column_look(column))
    if link is not None:
        heading, text, address = link
        value = [{"title": text, "url": address}]
        panel.override_by_name(heading, [model.DynamicConfigValue(id_val="links", value=value)])
    return panel


def letter(place: int) -> str:
    """Name of the query at a place: A, B, C, ..."""
    return chr(ord("A") + place)


def target(query: Query, place: int, *, is_table: bool) -> prometheus.Dataquery:
    """A query of a panel: of a table the value now, else of the whole range."""
    made = prometheus.Dataquery().ref_id(letter(place)).expr(query.expr)
    if is_table:
        return made.instant().format(prometheus_model.PromQueryFormat.TABLE)
    return made.range().legend_format(query.legend or "__auto")


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """Steps as Grafana has them."""
    made = [model.Threshold(value=value, color=colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(made)


def link_to(title: str, address: str) -> dashboard.DashboardLink:
    """A link that opens beside the board."""
    return dashboard.DashboardLink(title).type(model.DashboardLinkType.LINK).url(address).target_blank(True)


def _column_look(column: Column) -> list[model.DynamicConfigValue]:
    look = [model.DynamicConfigValue(id_val="unit", value=column.unit)]
    if column.steps is not None:
        steps = [{"value": value, "color": colour} for value, colour in column.steps]
        shown = {"mode": "absolute", "steps": steps}
        look.append(model.DynamicConfigValue(id_val="thresholds", value=shown))
        look.append(model.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}))
    return look
