"""Every alert about what runs in the clusters, judged by promtool."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from sophia_infra.monitoring.rules import all_alerts, cluster
from tests.monitoring import (
    cases_cluster_autoscaling,
    cases_cluster_gpu,
    cases_cluster_nodes,
    cases_cluster_pods,
    cases_cluster_services,
    cases_cluster_stores,
)
from tests.monitoring.cluster_cases import BEFORE, cluster_terms
from tests.monitoring.needed_rules import needed_rules
from tests.monitoring.rule_cases import Case, Recorded, judge

MODULES = (
    cases_cluster_gpu,
    cases_cluster_nodes,
    cases_cluster_autoscaling,
    cases_cluster_pods,
    cases_cluster_services,
    cases_cluster_stores,
)
CASES: Sequence[Case | Recorded] = [case for module in MODULES for case in module.CASES]
ALERTS = sorted({case.alert for case in CASES if isinstance(case, Case)})
RECORDED = [case for case in CASES if isinstance(case, Recorded)]

PROMISED = {
    "GpuWasted": ("< 20", 1800),
    "GpuMemoryNearFull": ("> 0.9", 300),
    "GpuTooHot": (">= 85", 300),
    "NodeLost": ("== 0", 300),
    "NodeNotJoined": ('status="active"', 1200),
    "PodPendingForGpu": ('phase="Pending"', 900),
    "ServiceDown": ("up == 1", 120),
    "ServiceErrors": ("> 0.05", 300),
    "ServiceSlow": ("> 0.2 and", 120),
    "PipelineSlow": ("> 0.15 and", 120),
    "ModelQueueLong": ("> 25", 300),
    "ModelSlow": ("> 2,", 300),
    "ModelAbovePlan": ("> 0.05", 300),
    "WorkflowsBelowPlan": ("< 220", 900),
    "QdrantSlow": ("> 0.05", 300),
    "QdrantTailSlow": ("> 0.2", 300),
    "RedisHitRateLow": ("< 0.8", 900),
    "RedisMemoryNearFull": ("> 0.9", 600),
    "PostgresConnectionsNearFull": ("> 0.8", 300),
    "BackupTooOld": ("+ 7200", 0),
    "BackupMissing": ("> 93600", 1800),
    "CertificateExpiresSoon": ("< 1814400", 0),
    "CertificateExpiresNow": ("< 259200", 0),
    "QuotaNearFull": ("> 0.9", 900),
}
"""Alert -> limit, and delay in seconds: of the plan (checklist, "Alerts to carry over") and the runbooks."""


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_fires_when_it_should_and_not_before(alert: str, tmp_path: Path) -> None:
    judge([case for case in CASES if isinstance(case, Case) and case.alert == alert], tmp_path)


@pytest.mark.parametrize("case", RECORDED, ids=[case.name for case in RECORDED])
def test_a_recorded_series_has_the_figure(case: Recorded, tmp_path: Path) -> None:
    judge([case], tmp_path)


@pytest.mark.parametrize("alert", PROMISED)
def test_limits_and_delays_are_the_promised_ones(alert: str) -> None:
    limit, for_s = PROMISED[alert]
    rule = all_alerts(cluster_terms())[alert]
    assert limit in rule.expr
    assert rule.for_s == for_s


def test_every_alert_has_cases_of_each_kind() -> None:
    alerts = [alert for group in cluster.groups(cluster_terms()) for alert in group.alerts]
    missing = []
    for alert in alerts:
        mine = [case for case in CASES if isinstance(case, Case) and case.alert == alert.name]
        if not any(case.fires for case in mine):
            missing.append(f"{alert.name}: fires")
        if not any(not case.fires and BEFORE not in case.name for case in mine):
            missing.append(f"{alert.name}: healthy")
        if alert.for_s and not any(BEFORE in case.name for case in mine):
            missing.append(f"{alert.name}: before its delay")
    assert missing == []


def test_what_an_alert_needs_is_all_that_it_reads() -> None:
    document = {
        "groups": [
            {"name": "a", "rules": [{"record": "x:y:z", "expr": "up"}, {"record": "other", "expr": "up"}]},
            {"name": "b", "rules": [{"record": "far", "expr": "x:y:z"}]},
            {"name": "c", "rules": [{"alert": "A", "expr": "far > 0"}, {"alert": "B", "expr": "other"}]},
        ]
    }
    assert needed_rules(document, ["A"]) == {
        "groups": [
            {"name": "a", "rules": [{"record": "x:y:z", "expr": "up"}]},
            {"name": "b", "rules": [{"record": "far", "expr": "x:y:z"}]},
            {"name": "c", "rules": [{"alert": "A", "expr": "far > 0"}]},
        ]
    }
    assert needed_rules(document, [], ["other"])["groups"] == [
        {"name": "a", "rules": [{"record": "other", "expr": "up"}]}
    ]
