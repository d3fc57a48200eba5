"""The cost engine: usage in, advice with evidence and risk out, and the little that a program may do itself.

`rules`, `usage`, `overlap`, `risk` and what they stand on are pure. `prometheus` and `ledger` read usage,
`gathering` reads the account, `applying` acts on it.
"""

from __future__ import annotations

from sophia_infra.optimization.action_log import ActionLog, ActionRecord
from sophia_infra.optimization.advice import Advice
from sophia_infra.optimization.applying import Applier
from sophia_infra.optimization.config import OptimizationConfig, load_config
from sophia_infra.optimization.engine import CostOptimizationEngine
from sophia_infra.optimization.errors import OptimizationError
from sophia_infra.optimization.facts import FilesystemFacts, Fleet, MachineFacts
from sophia_infra.optimization.gathering import Site
from sophia_infra.optimization.health import Health, HealthGate
from sophia_infra.optimization.outcome import Outcome
from sophia_infra.optimization.overlap import check_claim, choose, savings_of
from sophia_infra.optimization.recommendation import Kind, Recommendation, Saving
from sophia_infra.optimization.usage import Recorded, UsageReport, UsageSource

__all__ = [
    "ActionLog",
    "ActionRecord",
    "Advice",
    "Applier",
    "CostOptimizationEngine",
    "FilesystemFacts",
    "Fleet",
    "Health",
    "HealthGate",
    "Kind",
    "MachineFacts",
    "OptimizationConfig",
    "OptimizationError",
    "Outcome",
    "Recommendation",
    "Recorded",
    "Saving",
    "Site",
    "UsageReport",
    "UsageSource",
    "check_claim",
    "choose",
    "load_config",
    "savings_of",
]
