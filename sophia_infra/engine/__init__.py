"""Finds, builds and runs the Pulumi engine.

The way of a run: `open_home` -> `find_engine` -> `prepare_stack` -> `ensure_stack` -> `run_operation`.
"""

from __future__ import annotations

from sophia_infra.engine.build import BuildProgress
from sophia_infra.engine.cancellation import Cancellation
from sophia_infra.engine.errors import (
    BuildFailed,
    ConfigRefused,
    EngineError,
    EngineMissing,
    EngineTooOld,
    OperationError,
    PassphraseWrong,
    PolicyRefused,
    StackLocked,
    StackMissing,
    UnexpectedChanges,
    UpdateCancelled,
    UpdateFailed,
)
from sophia_infra.engine.events import (
    Diagnostic,
    EngineMessage,
    Event,
    PolicyViolation,
    ResourceDone,
    ResourceFailed,
    ResourcePlanned,
    ResourceRefreshed,
    ResourceStarted,
    ResourceState,
    Step,
    Summary,
)
from sophia_infra.engine.home import LOCAL_STACK, Home, engine_environment, find_checkout, open_home
from sophia_infra.engine.locate import Engine, cache_root, find_engine
from sophia_infra.engine.locks import LockHolder
from sophia_infra.engine.run import OperationOptions, OperationResult, run_operation
from sophia_infra.engine.stack_file import PreparedStack, prepare_stack
from sophia_infra.engine.stacks import (
    ensure_stack,
    export_stack,
    lock_holders,
    stack_exists,
    stack_outputs,
    unlock_if_dead,
)

__all__ = [
    "LOCAL_STACK",
    "BuildFailed",
    "BuildProgress",
    "Cancellation",
    "ConfigRefused",
    "Diagnostic",
    "Engine",
    "EngineError",
    "EngineMessage",
    "EngineMissing",
    "EngineTooOld",
    "Event",
    "Home",
    "LockHolder",
    "OperationError",
    "OperationOptions",
    "OperationResult",
    "PassphraseWrong",
    "PolicyRefused",
    "PolicyViolation",
    "PreparedStack",
    "ResourceDone",
    "ResourceFailed",
    "ResourcePlanned",
    "ResourceRefreshed",
    "ResourceStarted",
    "ResourceState",
    "StackLocked",
    "StackMissing",
    "Step",
    "Summary",
    "UnexpectedChanges",
    "UpdateCancelled",
    "UpdateFailed",
    "cache_root",
    "engine_environment",
    "ensure_stack",
    "export_stack",
    "find_checkout",
    "find_engine",
    "lock_holders",
    "open_home",
    "prepare_stack",
    "run_operation",
    "stack_exists",
    "stack_outputs",
    "unlock_if_dead",
]
