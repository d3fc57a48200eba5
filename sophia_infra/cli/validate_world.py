"""Everything that `sophia validate` and `sophia baseline` look at, gathered once."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import sophia_infra
from sophia_infra.reports.figures import Figure, known, unknown

if TYPE_CHECKING:
    from sophia_infra.cli.stack_context import StackContext
    from sophia_infra.engine.home import Home
    from sophia_infra.operations.doctor import Finding
    from sophia_infra.validation.world import World

__all__ = ["baselines_folder", "gather_world"]


def gather_world(context: StackContext, *, prometheus: str | None, gateway: str | None) -> World:
    """Ask every source that the stack has, each once.

    Args:
        prometheus, gateway: addresses as given; the gateway of an emulator stack is found without one.

    Raises:
        AddressRefused, NotTheSource: an address that was named is none, or something else answers there.
        LambdaCloudError: the cloud did not answer: then nothing can be said of the stack.
        EngineError, AuditUnavailable: the state or an audit log cannot be read.
    """
    from sophia_infra.cli.stack_sources import open_gatherer, prometheus_of
    from sophia_infra.cli.validate_records import backups_of, drill_of
    from sophia_infra.cli.validate_sources import (
        chains_of,
        inference_month,
        objects_of,
        secrets_of,
        updates_of,
    )
    from sophia_infra.metrics_client.errors import NotTheSource
    from sophia_infra.validation.world import World

    trouble: list[str] = []
    gatherer = open_gatherer(context, prometheus=prometheus_of(prometheus), gateway=gateway)
    snapshot = gatherer.gather()
    for error in gatherer.failed:
        if isinstance(error, NotTheSource):
            raise error
        trouble.append(str(error))
    secrets, consumers = secrets_of(context, trouble)
    return World(
        name=context.name,
        config=context.config,
        phase=context.prepared.phase,
        repository=_repository(),
        taken_at_s=time.time(),
        snapshot=snapshot,
        findings=_findings(context),
        objects=objects_of(context, trouble),
        secrets=secrets,
        consumers=consumers,
        updates=updates_of(context),
        chains=chains_of(context),
        backups=backups_of(context, trouble),
        drill=drill_of(context),
        inference_month_usd=inference_month(context, trouble),
        baselines=tuple(sorted(baselines_folder(context.home, context.name).glob("*.json"))),
        trouble=tuple(trouble),
    )


def baselines_folder(home: Home, stack: str) -> Path:
    """Where baselines of a stack are kept."""
    return home.root / "baselines" / stack


def _findings(context: StackContext) -> Figure[tuple[Finding, ...]]:
    """What `sophia doctor` would say."""
    from sophia_infra.cli.comparison import compare
    from sophia_infra.cli.finding_engine import find_engine_aloud

    if context.emulator_is_stopped:
        return unknown("the emulator is stopped, so nothing runs")
    engine = find_engine_aloud(context.home)
    found = compare(context, engine, context.open_session(engine))
    return known(tuple(found.findings), "state and account", found.now_s)


def _repository() -> Path | None:
    """The checkout of this program; None where it was installed without its scripts and docs."""
    root = Path(sophia_infra.__file__).resolve().parents[1]
    return root if (root / "scripts").is_dir() and (root / "docs").is_dir() else None
