"""Grafana dashboards as plain data: one module for each, built by Grafana's own foundation SDK."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sophia_infra.monitoring.terms import Terms

if TYPE_CHECKING:
    from sophia_infra.monitoring.dashboards.board import Board

__all__ = ["all_dashboards", "boards", "queries"]


def all_dashboards(terms: Terms) -> dict[str, dict[str, Any]]:
    """File name without suffix -> dashboard as Grafana reads it. The same terms give the same bytes.

    What a stack does not have, it has no board for: training without a queue, inference without a gateway,
    fleet and money without the exporter.
    """
    from grafana_foundation_sdk.cog.encoder import JSONEncoder

    encode = JSONEncoder(sort_keys=True).encode
    return {name: json.loads(encode(board.build())) for name, board in boards(terms).items()}


def boards(terms: Terms) -> dict[str, Board]:
    """Name -> board before it is plain data, money first."""
    # The SDK costs 50 ms, which commands without dashboards need not pay.
    from sophia_infra.monitoring.dashboards.capacity import capacity
    from sophia_infra.monitoring.dashboards.fleet_and_money import fleet_and_money
    from sophia_infra.monitoring.dashboards.gpu import gpu
    from sophia_infra.monitoring.dashboards.inference import inference
    from sophia_infra.monitoring.dashboards.services import has_services, services
    from sophia_infra.monitoring.dashboards.slo import slo
    from sophia_infra.monitoring.dashboards.training import training

    has_objectives = terms.has_exporter or terms.has_gateway or bool(terms.of_kind("http"))
    wanted = (
        ("fleet-and-money", fleet_and_money, terms.has_exporter),
        ("inference", inference, terms.has_gateway),
        ("gpu", gpu, True),
        ("slo", slo, has_objectives),
        ("services", services, has_services(terms)),
        ("capacity", capacity, True),
        ("training", training, terms.has_training),
    )
    return {name: make(terms) for name, make, is_wanted in wanted if is_wanted}


def queries(dashboard: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """(title of the panel, PromQL with Grafana's variables) of every query of a dashboard."""
    return tuple(
        (panel["title"], target["expr"])
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    )
