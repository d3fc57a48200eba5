"""Stack `local` as it looks when all is well, as observed facts; tests break one of them. No test itself."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from sophia_infra.manifests import ChartRelease
from sophia_infra.model.instance import InstanceConfig
from sophia_infra.model.price_book import PriceBook
from sophia_infra.model.stack_config import StackConfig, load_stack_config
from sophia_infra.operations.secrets import consumers_of, monitoring_consumers
from sophia_infra.reports.figures import known
from sophia_infra.reports.fleet import Fleet, Machine
from sophia_infra.reports.inference_facts import Ready
from sophia_infra.reports.prometheus_facts import GpuUse
from sophia_infra.reports.slo_facts import ServiceSlo, Slos
from sophia_infra.reports.snapshot import Snapshot
from sophia_infra.validation.catalogue import chosen
from sophia_infra.validation.objects import Objects
from sophia_infra.validation.report import validate
from sophia_infra.validation.updates import Update
from sophia_infra.validation.world import BackupFacts, ChainFacts, DrillFacts, World
from tests.unit.manifests.sites import CHECKOUT, sites
from tests.unit.reports.figures import NOW_S, a_snapshot

Objects_ = dict[str, Any]


@cache
def local_config() -> StackConfig:
    """The stack file of this repository, in phase 3."""
    return load_stack_config(CHECKOUT / "Pulumi.local.yaml").model_copy(update={"phase": 3})


@cache
def local_objects() -> tuple[tuple[Objects_, ...], frozenset[str]]:
    """What `up` writes for it: documents, and names of charts."""
    (site,) = sites("local")
    charts = frozenset(item.release for item in site.items if isinstance(item, ChartRelease))
    return tuple(item.body for item in site.manifests), charts


def a_fleet(**statuses: str) -> Fleet:
    """The five machines, active unless told otherwise; `absent` ones are missing."""
    prices = PriceBook.fallback()
    wanted = local_config().instances(3)
    machines = tuple(
        _machine(number, name, row, statuses.get(name, "active"), prices)
        for number, (name, row) in enumerate(wanted.items())
        if statuses.get(name) != "absent"
    )
    missing = tuple(name for name in wanted if statuses.get(name) == "absent")
    owners = dict.fromkeys(("stack", "orphan", "other", "unknown"), Decimal(0))
    return Fleet(machines, missing, owners)  # type: ignore[arg-type]


def a_watched_snapshot(**changes: Any) -> Snapshot:
    """Everything is measured and well: 85 % busy, p95 of 120 ms, 99.95 %, quiet."""
    made = a_snapshot(fleet=known(a_fleet(), "the emulator", NOW_S))
    inference = replace(
        made.inference,
        p95_s=known(0.12, "Prometheus", NOW_S),
        first_token_p95_s=known(0.05, "Prometheus", NOW_S),
        backends=known(Ready(2, 2), "Prometheus", NOW_S),
    )
    gpus = (GpuUse("sophia-ai-core", "0", "GH200", 85.0, None, ()),)
    slos = Slos(0.999, (ServiceSlo("http", "sophia-ai-prod", "sophia-backend", 0.9995, 0.5),))
    made = replace(
        made,
        inference=inference,
        gpus=known(gpus, "dcgm-exporter", NOW_S),
        slo=known(slos, "Prometheus", NOW_S),
        alerts=known((), "Prometheus", NOW_S),
    )
    return replace(made, **changes)


def a_world(**changes: Any) -> World:
    """Stack `local` in phase 3, watched, applied, backed up."""
    config: StackConfig = changes.pop("config", local_config())
    documents, charts = local_objects()
    kube = config.kubernetes
    assert kube is not None
    made = World(
        name="local",
        config=config,
        phase=3,
        repository=CHECKOUT,
        taken_at_s=NOW_S,
        snapshot=a_watched_snapshot(),
        findings=known((), "state and account", NOW_S),
        objects=known(Objects(documents, charts, is_live=False), "manifests", NOW_S),
        secrets=known((), "ESC", NOW_S),
        consumers=(
            *consumers_of(kube.enabled_workloads(), kube.enabled_databases()),
            *monitoring_consumers(kube.monitoring),
        ),
        updates=known((an_update(),), "history", NOW_S),
        chains=known((ChainFacts("stack", Path("local.jsonl"), 4, ()),), "audit", NOW_S),
        backups=known(BackupFacts(2, NOW_S - 3600, "a folder"), "a folder", NOW_S),
        drill=known(DrillFacts(NOW_S - 86_400, True, 12.0, 600.0), "drills.jsonl", NOW_S),
        inference_month_usd=known(Decimal("12.34"), "the inference ledger", NOW_S),
        baselines=(Path("2026-11-01T000000Z.json"),),
    )
    return replace(made, **changes)


def an_update(**changes: Any) -> Update:
    """One that took 40 s and made everything."""
    made = Update("update", int(NOW_S) - 7200, 40, True, {"create": 342, "same": 0})
    return replace(made, **changes)


def with_documents(edit: Callable[[list[Objects_]], object]) -> World:
    """A world whose objects were edited; what `edit` changes stays in it."""
    documents, charts = local_objects()
    edited = copy.deepcopy(list(documents))
    edit(edited)
    return a_world(objects=known(Objects(tuple(edited), charts, is_live=False), "manifests", NOW_S))


def find(documents: list[Objects_], kind: str, name: str) -> Objects_:
    """The first object of that kind and name."""
    return next(row for row in documents if row["kind"] == kind and row["metadata"]["name"] == name)


def failing(world: World, *, phase: int | None = None) -> set[str]:
    """Ids of everything that fails, whether it closes the gate or not."""
    report = validate(world, chosen(phase=phase), gate=phase)
    return {row.criterion.id for row in report.rows if row.verdict == "fail"}


def _machine(number: int, name: str, row: InstanceConfig, status: str, prices: PriceBook) -> Machine:
    return Machine(
        name=name,
        instance_id=f"{number:032x}",
        owner="stack",
        status=status,
        instance_type=row.type,
        gpu="",
        region=row.region,
        purpose=row.purpose,
        usd_per_hour=prices.get(row.type),
        usd_so_far=None,
        launched_at_s=None,
    )
