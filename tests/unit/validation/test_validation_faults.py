"""Each fault makes exactly its own criteria fail, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.model.budget import Budget
from sophia_infra.operations.doctor import Finding, FindingKind
from sophia_infra.operations.secrets import SecretFinding
from sophia_infra.reports.figures import known, unknown
from sophia_infra.reports.inference_facts import Ready
from sophia_infra.reports.prometheus_facts import Alert, GpuUse
from sophia_infra.reports.slo_facts import ServiceSlo, Slos
from sophia_infra.validation.catalogue import chosen
from sophia_infra.validation.objects import Objects
from sophia_infra.validation.report import validate
from sophia_infra.validation.world import BackupFacts, ChainFacts, DrillFacts, World
from tests.unit.reports.figures import NOW_S

from .worlds import (
    a_fleet,
    a_watched_snapshot,
    a_world,
    an_update,
    failing,
    find,
    local_config,
    local_objects,
    with_documents,
)

REFUTED = {"$5", "$6", "M4.1", "B1", "B5"}
"""Figures of the plan that its own numbers refute, in every world."""
NOT_REACHED = {"1.3e"}
"""Of stack `local`: three of five GPU places are held."""
WELL = REFUTED | NOT_REACHED

Document = dict[str, Any]


def of_snapshot(**changes: Any) -> World:
    return a_world(snapshot=a_watched_snapshot(**changes))


def of_inference(**changes: Any) -> World:
    made = a_watched_snapshot()
    return a_world(snapshot=replace(made, inference=replace(made.inference, **changes)))


def of_budget(text: str) -> World:
    budget = Budget.model_validate({"limit": text})
    return a_world(config=local_config().model_copy(update={"budget": budget}))


def without(kind: str, name: str) -> World:
    return with_documents(lambda rows: rows.remove(find(rows, kind, name)))


def edited(kind: str, name: str, edit: Callable[[Document], object]) -> World:
    return with_documents(lambda rows: edit(find(rows, kind, name)))


def without_chart(name: str) -> World:
    documents, charts = local_objects()
    return a_world(objects=known(Objects(documents, charts - {name}, is_live=False), "manifests", NOW_S))


def without_alert(name: str) -> World:
    def edit(rows: list[Document]) -> None:
        for rule in (row for row in rows if row["kind"] == "PrometheusRule"):
            for group in rule["spec"]["groups"]:
                group["rules"] = [one for one in group["rules"] if one.get("alert") != name]

    return with_documents(edit)


def pod_of(document: Document) -> Document:
    spec: Document = document["spec"]["template"]["spec"]
    return spec


def run_as_root(document: Document) -> None:
    pod_of(document)["securityContext"].pop("runAsNonRoot")
    for part in pod_of(document)["containers"]:
        part.get("securityContext", {}).pop("runAsNonRoot", None)


def forget_gpu(document: Document) -> None:
    pod_of(document).pop("nodeSelector", None)
    pod_of(document).pop("affinity", None)


def a_secret(kind: str) -> World:
    row = SecretFinding(kind, "inference.vllm_api_key", "is wrong", "mend it")
    return a_world(secrets=known((row,), "ESC", NOW_S))


ORPHAN = Finding(FindingKind.ORPHAN, "a", "0" * 32, "it is in no state", "sophia doctor --terminate")
ALERT = Alert("Burns", "critical", "firing", "platform", "it burns", "2026-11-21T11:00:00Z", "")

FAULTS: dict[str, tuple[Callable[[], World], set[str]]] = {
    "a machine was terminated": (
        lambda: of_snapshot(fleet=known(a_fleet(**{"sophia-ai-core": "absent"}), "list", NOW_S)),
        {"C1", "K3"},
    ),
    "a machine is unhealthy": (
        lambda: of_snapshot(fleet=known(a_fleet(**{"sophia-development": "unhealthy"}), "list", NOW_S)),
        {"C5", "K3"},
    ),
    "a machine is in no state": (lambda: a_world(findings=known((ORPHAN,), "state", NOW_S)), {"R1"}),
    "it costs more than the budget": (lambda: of_budget("$5,291/month"), {"R6"}),
    "it costs just the budget": (lambda: of_budget("$5,292/month"), set()),
    "inference was dear": (
        lambda: a_world(inference_month_usd=known(Decimal("250.01"), "ledger", NOW_S)),
        {"1.1f", "M1.1"},
    ),
    "a node lost a label": (
        lambda: edited("Node", "sophia-ai-core", lambda row: row["metadata"]["labels"].popitem()),
        {"R2", "1.3b"},
    ),
    "a node is gone": (lambda: without("Node", "sophia-development"), {"R2", "1.3b"}),
    "the GPU Operator is gone": (lambda: without_chart("gpu-operator"), {"1.3a"}),
    "a pod forgot which GPU": (
        lambda: edited("Deployment", "sophia-ai-core", forget_gpu),
        {"1.3c", "M2.4"},
    ),
    "a pod may run as root": (lambda: edited("Deployment", "sophia-backend", run_as_root), {"1.2g"}),
    "a service is gone": (lambda: without("StatefulSet", "postgres"), {"R3"}),
    "a quota is gone": (lambda: without("ResourceQuota", "gpu-quota"), {"2.2c"}),
    "a quota grants more": (
        lambda: edited(
            "ResourceQuota",
            "gpu-quota",
            lambda row: row["spec"]["hard"].update({"requests.nvidia.com/gpu": "9"}),
        ),
        {"2.2c"},
    ),
    "a quota has the form that is never counted": (
        lambda: edited(
            "ResourceQuota",
            "gpu-quota",
            lambda row: row["spec"]["hard"].update({"limits.nvidia.com/gpu": "3"}),
        ),
        {"2.2c"},
    ),
    "an autoscaler is gone": (
        lambda: without("HorizontalPodAutoscaler", "sophia-backend"),
        {"C10", "2.2d", "M3.1"},
    ),
    "an autoscaler forgot the GPU": (
        lambda: edited("HorizontalPodAutoscaler", "sophia-ai-core", lambda row: row["spec"]["metrics"].pop()),
        {"3.2a"},
    ),
    "the store is gone": (lambda: without("ClusterSecretStore", "pulumi-esc-store"), {"2.1b", "2.1c"}),
    "a service gets no secrets": (lambda: without("ExternalSecret", "postgres"), {"2.1b", "2.1c"}),
    "a secret has no value": (lambda: a_secret("empty"), {"R11", "2.1a", "M2.2"}),
    "a secret is old": (lambda: a_secret("overdue"), {"2.1d"}),
    "monitoring is gone": (lambda: without_chart("monitoring"), {"2.3a", "M2.3"}),
    "the plan's alert is gone": (lambda: without_alert("HighInferenceCosts"), {"2.3b"}),
    "a line of an audit log was changed": (
        lambda: a_world(
            chains=known((ChainFacts("stack", Path("a"), 2, ("line 2 is no entry",)),), "a", NOW_S)
        ),
        {"2.1e"},
    ),
    "the last backup is old": (
        lambda: a_world(backups=known(BackupFacts(1, NOW_S - 25 * 3600, "a folder"), "a folder", NOW_S)),
        {"K9", "N3", "N6"},
    ),
    "there is no backup": (
        lambda: a_world(backups=known(BackupFacts(0, None, "a folder"), "a folder", NOW_S)),
        {"K9", "N3", "N6"},
    ),
    "no job copies a database": (
        lambda: with_documents(
            lambda rows: rows.__setitem__(slice(None), [row for row in rows if row["kind"] != "CronJob"])
        ),
        {"K10"},
    ),
    "the last drill failed": (
        lambda: a_world(drill=known(DrillFacts(NOW_S - 60, False, 5.0, 60.0), "drills", NOW_S)),
        {"K12"},
    ),
    "the last drill is old": (
        lambda: a_world(drill=known(DrillFacts(NOW_S - 31 * 86_400, True, 5.0, 60.0), "drills", NOW_S)),
        {"K12"},
    ),
    "the last update failed": (
        lambda: a_world(
            updates=known((an_update(), an_update(started_s=int(NOW_S), succeeded=False)), "history", NOW_S)
        ),
        {"R10"},
    ),
    "the last update was slow": (
        lambda: a_world(updates=known((an_update(duration_s=181),), "history", NOW_S)),
        {"P2", "B2"},
    ),
    "GPUs are idle": (
        lambda: of_snapshot(gpus=known((GpuUse("a", "0", "A10", 79.0, None, ()),), "dcgm", NOW_S)),
        {"C9", "1.3d", "P5", "M1.4"},
    ),
    "too many calls failed": (
        lambda: of_snapshot(
            slo=known(Slos(0.999, (ServiceSlo("http", "a", "b", 0.9989, -0.1),)), "p", NOW_S)
        ),
        {"H6", "P7", "M2.1", "M4.3"},
    ),
    "calls are slow": (lambda: of_inference(p95_s=known(0.21, "p", NOW_S)), {"P6", "3.2d"}),
    "a backend is cold": (
        lambda: of_inference(backends=known(Ready(1, 2, ("own-gpu",)), "p", NOW_S)),
        {"C8", "1.1g", "M1.3", "P4", "B3"},
    ),
    "a critical alert fires": (
        lambda: of_snapshot(alerts=known((ALERT,), "p", NOW_S)),
        {"G2", "B4", "K8", "N10"},
    ),
}


def test_a_stack_that_is_well_fails_only_what_the_plan_got_wrong() -> None:
    assert failing(a_world()) == WELL


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_makes_its_own_criteria_fail(name: str) -> None:
    broken, expected = FAULTS[name]
    assert failing(broken()) - WELL == expected


@pytest.mark.parametrize(
    ("name", "closed"),
    [
        ("a machine was terminated", {1, 2, 3}),
        ("a secret is old", {2}),
        ("the GPU Operator is gone", {1}),
        ("an autoscaler forgot the GPU", {3}),
        ("calls are slow", set()),
    ],
)
def test_a_fault_closes_the_gates_of_its_phases(name: str, closed: set[int]) -> None:
    world = FAULTS[name][0]()
    red = {phase for phase in (1, 2, 3) if not validate(world, chosen(phase=phase), gate=phase).is_green}
    assert red == closed


def test_live_services_that_are_not_ready_fail_and_rendered_ones_are_unknown() -> None:
    documents, charts = local_objects()
    live = known(Objects(documents, charts, is_live=True), "cluster sophia", NOW_S)
    row = validate(a_world(objects=live), chosen(["2.2a"])).rows[0]
    assert (row.verdict, "not ready: " in row.measured.value) == ("fail", True)
    assert validate(a_world(), chosen(["2.2a"])).rows[0].verdict == "unknown"


def test_what_is_not_known_fails_nothing_and_says_why() -> None:
    nobody = unknown("nobody was asked")
    world = a_world(
        snapshot=a_watched_snapshot(fleet=nobody, gpus=nobody, slo=nobody, alerts=nobody),
        **dict.fromkeys(
            (
                "findings",
                "objects",
                "secrets",
                "updates",
                "chains",
                "backups",
                "drill",
                "inference_month_usd",
            ),
            nobody,
        ),
        repository=None,
        baselines=(),
    )
    assert failing(world) - WELL == set()
    rows = {row.criterion.id: row for row in validate(world, chosen()).rows}
    assert (rows["K3"].verdict, rows["K3"].measured.value) == ("unknown", "nobody was asked")
    assert rows["S5"].measured.value == "this program was installed without its scripts and docs"
