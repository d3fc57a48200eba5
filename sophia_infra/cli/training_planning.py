"""A run of `sophia train` before it exists: what was asked for, and the plan that it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sophia_infra.cli.training_cloud import session_of, ssh_key_of
from sophia_infra.cli.training_joining import where_it_can_join

if TYPE_CHECKING:
    from sophia_infra.cli.stack_context import StackContext
    from sophia_infra.model.training import ClusterConfig
    from sophia_infra.provider.session import Session
    from sophia_infra.training.plan_checks import Limits
    from sophia_infra.training.planning import RunPlan

__all__ = ["POLL_S", "RunRequest", "check_month", "plan_training"]

POLL_S = 30.0
"""Seconds of the cloud's clock between two looks of starter and watchdog."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What was asked for on the command line, as it was written."""

    stack: str
    workload: str
    nodes: int | None = None
    type_name: str | None = None
    region: str | None = None
    max_usd: str | None = None
    max_hours: int | None = None

    def limits(self) -> Limits:
        """Raises RunRefused for what is no type, region or amount."""
        from sophia_infra.model.catalogue import parse_instance_type, parse_region
        from sophia_infra.model.errors import Refused
        from sophia_infra.model.money import parse_usd
        from sophia_infra.training.errors import RunRefused
        from sophia_infra.training.plan_checks import Limits

        def parsed(option: str, text: str | None, parse: Any) -> Any:
            try:
                return None if text is None else parse(text)
            except Refused as refused:
                raise RunRefused(
                    f"{option} {text!r} {refused.message}. Nothing was launched.",
                    next_step=f"use one of: {refused.allowed}.",
                ) from None

        return Limits(
            self.nodes,
            parsed("--type", self.type_name, parse_instance_type),
            parsed("--region", self.region, parse_region),
            parsed("--max-usd", self.max_usd, lambda text: parse_usd(f"${text.removeprefix('$')}")),
            self.max_hours,
        )


def plan_training(
    context: StackContext, workload: str, limits: Limits, environment: Mapping[str, str]
) -> tuple[RunPlan, Session]:
    """Plan a new run on what the account lists now; nothing is launched.

    Raises:
        RunRefused: no such workload, a variable is not set, or no machine fits the limits.
        RecordUnusable, LambdaCloudError: see `check_month`.
    """
    from sophia_infra.training.errors import RunRefused
    from sophia_infra.training.history import LaunchHistory
    from sophia_infra.training.plan_checks import Market
    from sophia_infra.training.planning import cluster_of_workload, plan_run

    clusters = context.config.training_clusters
    name = cluster_of_workload(clusters, workload)
    config = clusters[name]
    if config.bootstrap == "join":
        config = where_it_can_join(context, name, config)
    missing = [one for one in _needed(config) if one not in environment]
    if missing:
        raise RunRefused(
            f"{name}: {', '.join(missing)} is not set. Nothing was launched.",
            next_step="export it, or take it out of the cluster's settings.",
        )
    session = session_of(context)
    market = Market(
        types=session.client.list_instance_types(),
        filesystems=session.client.list_filesystems() if config.checkpoints else (),
        ssh_keys=session.client.list_ssh_keys(),
        launches=LaunchHistory.of(context.home).read(),
        now_s=session.clock.now(),
    )
    plan = plan_run(name, config, limits, market, ssh_key=ssh_key_of(context), poll_s=POLL_S)
    check_month(context, session, plan)
    return plan, session


def check_month(context: StackContext, session: Session, plan: RunPlan) -> None:
    """Compare the run's cap with what the month leaves, where the stack's budget includes training.

    Raises:
        CapRefused: it is above that.
        RecordUnusable: of another run, so that nobody knows what is left.
        LambdaCloudError: the account was not seen.
    """
    from sophia_infra.model.money import Rate
    from sophia_infra.model.price_book import PriceBook
    from sophia_infra.training.month_budget import MonthBudget, usd_of_runs

    budget = context.config.budget
    if not budget.includes_training:
        return
    fleet = Rate(context.config.usd_per_hour(PriceBook.fallback()))
    runs_usd = usd_of_runs(context.home, session.client.list_instances(), context.tag, session.clock.now())
    MonthBudget(budget.limit.usd_per_month, fleet.usd_per_month, runs_usd).check(plan.cluster, plan.max_usd)


def _needed(config: ClusterConfig) -> list[str]:
    """Variables that have to be set before anything is launched."""
    return [*config.env, *([config.self_terminate_key_env] if config.self_terminate_key_env else [])]
