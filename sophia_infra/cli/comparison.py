"""The state of a stack beside the account: what `up`, `down` and `doctor` all look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sophia_infra.engine.stacks import export_stack, stack_exists
from sophia_infra.operations.doctor import Finding, examine

if TYPE_CHECKING:
    from sophia_infra.cli.stack_context import StackContext
    from sophia_infra.engine.locate import Engine
    from sophia_infra.lambda_cloud import Instance
    from sophia_infra.provider.session import Session

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the account lists at `now_s`, what the state holds, and every difference between the two."""

    machines: list[Instance]
    deployment: Mapping[str, Any]
    findings: list[Finding]
    now_s: float

    @property
    def was_interrupted(self) -> bool:
        """Whether the state lists operations that a killed run began."""
        return bool(self.deployment.get("pending_operations"))


def compare(context: StackContext, engine: Engine, session: Session) -> Comparison:
    """Ask the account once and export the state; a stack that was never made has an empty one."""
    machines = session.instances.rows(0)
    now_s = session.clock.now()
    deployment: Mapping[str, Any] = {}
    if stack_exists(engine, context.name, context.home):
        deployment = export_stack(engine, context.name, context.home).get("deployment") or {}
    findings = examine(
        context.tag, deployment, machines, session.journal.list(), now_s, wanted=context.wanted_launches
    )
    return Comparison(machines, deployment, findings, now_s)
