"""Finds, builds and runs the Pulumi engine.

The way of a run: `open_home` -> `find_engine` -> `prepare_stack` -> `ensure_stack` -> `run_operation`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sophia_infra.engine.build import BuildProgress
    from sophia_infra.engine.cache import cache_root
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
    from sophia_infra.engine.locate import Engine, find_engine
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

# Loaded when asked for: `sophia status` needs the folder of this project, and neither a build nor YAML.
_MODULES = {
    "BuildFailed": "errors",
    "BuildProgress": "build",
    "Cancellation": "cancellation",
    "ConfigRefused": "errors",
    "Diagnostic": "events",
    "Engine": "locate",
    "EngineError": "errors",
    "EngineMessage": "events",
    "EngineMissing": "errors",
    "EngineTooOld": "errors",
    "Event": "events",
    "Home": "home",
    "LOCAL_STACK": "home",
    "LockHolder": "locks",
    "OperationError": "errors",
    "OperationOptions": "run",
    "OperationResult": "run",
    "PassphraseWrong": "errors",
    "PolicyRefused": "errors",
    "PolicyViolation": "events",
    "PreparedStack": "stack_file",
    "ResourceDone": "events",
    "ResourceFailed": "events",
    "ResourcePlanned": "events",
    "ResourceRefreshed": "events",
    "ResourceStarted": "events",
    "ResourceState": "events",
    "StackLocked": "errors",
    "StackMissing": "errors",
    "Step": "events",
    "Summary": "events",
    "UnexpectedChanges": "errors",
    "UpdateCancelled": "errors",
    "UpdateFailed": "errors",
    "cache_root": "cache",
    "engine_environment": "home",
    "ensure_stack": "stacks",
    "export_stack": "stacks",
    "find_checkout": "home",
    "find_engine": "locate",
    "lock_holders": "stacks",
    "open_home": "home",
    "prepare_stack": "stack_file",
    "run_operation": "run",
    "stack_exists": "stacks",
    "stack_outputs": "stacks",
    "unlock_if_dead": "stacks",
}


def __getattr__(name: str) -> Any:
    try:
        module = import_module(f"{__name__}.{_MODULES[name]}")
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    return getattr(module, name)
