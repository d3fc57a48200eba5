"""Names that rules guess are those that manifests give."""

from __future__ import annotations

import re

import pytest

from sophia_infra.manifests.autoscaling import GPU_METRIC
from sophia_infra.manifests.gpu_counters import counters_csv
from sophia_infra.manifests.stores.names import backup_name
from sophia_infra.monitoring.inventory import inventory
from sophia_infra.monitoring.rule import Recording
from sophia_infra.monitoring.rules import all_rules
from sophia_infra.monitoring.rules.cluster.backups import cron_job
from sophia_infra.monitoring.rules.cluster.parts import pods_of
from tests.monitoring.cluster_cases import cluster_terms


@pytest.mark.parametrize("database", ["postgres", "n8n-redis", "a" * 45, "a" * 46, "long-" * 12 + "name"])
def test_the_cron_job_of_a_copy_is_found_by_its_name(database: str) -> None:
    assert re.fullmatch(cron_job(database), backup_name(database))


def test_what_autoscalers_ask_for_is_recorded() -> None:
    recorded = {r.record for g in all_rules(cluster_terms()) for r in g.rules if isinstance(r, Recording)}
    assert GPU_METRIC in recorded


def test_the_gpu_exporter_is_told_to_export_what_the_inventory_says() -> None:
    rows = (line.split(", ", 2) for line in counters_csv().splitlines())
    told = {name: kind for name, kind, _ in rows if kind != "label"}
    listed = {m.name: m.type for m in inventory().values() if m.exporter == "dcgm-exporter"}
    assert told == listed


@pytest.mark.parametrize(
    ("pod", "service"),
    [
        ("sophia-backend-7d9f4b6c5-x2x4z", "sophia-backend"),
        ("redis-0", "redis"),
        ("n8n-redis-0", "n8n-redis"),
        ("mcp-gateway-5c9f4b6c5-aaaaa", "mcp-gateway"),
        ("redis-sentinel-0", None),
        ("postgres-backup-29012345-abcde", None),
        ("unknown-7d9f4b6c5-x2x4z", None),
    ],
)
def test_pods_belong_to_the_row_that_made_them(pod: str, service: str | None) -> None:
    pattern = re.fullmatch(r'pod=~"(.+)"', pods_of(cluster_terms().services))
    assert pattern is not None
    match = re.fullmatch(pattern.group(1), pod)
    assert (match and match.group(1)) == service
