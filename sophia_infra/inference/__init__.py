"""Calls models behind OpenAI's API, within budgets, and writes down what each call cost.

`LambdaServerlessService` is the client; `sophia_infra.inference.gateway` is the server for all clients.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sophia_infra.inference.budgets import AsyncLedger, BudgetScope, NoLedger
    from sophia_infra.inference.catalogue import ModelCard, ModelCatalogue, load_catalogue
    from sophia_infra.inference.dispatch import Dispatcher
    from sophia_infra.inference.errors import InferenceError
    from sophia_infra.inference.generation import Generation
    from sophia_infra.inference.request import InferenceCall
    from sophia_infra.inference.service import LambdaServerlessService
    from sophia_infra.inference.usage import Price, Reservation, Tokens, UsageEntry

__all__ = [
    "AsyncLedger",
    "BudgetScope",
    "Dispatcher",
    "Generation",
    "InferenceCall",
    "InferenceError",
    "LambdaServerlessService",
    "ModelCard",
    "ModelCatalogue",
    "NoLedger",
    "Price",
    "Reservation",
    "Tokens",
    "UsageEntry",
    "load_catalogue",
]

# Loaded when asked for: a report of the ledger needs neither openai nor its HTTP client.
_MODULES = {
    "AsyncLedger": "budgets",
    "BudgetScope": "budgets",
    "Dispatcher": "dispatch",
    "Generation": "generation",
    "InferenceCall": "request",
    "InferenceError": "errors",
    "LambdaServerlessService": "service",
    "ModelCard": "catalogue",
    "ModelCatalogue": "catalogue",
    "NoLedger": "budgets",
    "Price": "usage",
    "Reservation": "usage",
    "Tokens": "usage",
    "UsageEntry": "usage",
    "load_catalogue": "catalogue",
}


def __getattr__(name: str) -> Any:
    try:
        module = import_module(f"{__name__}.{_MODULES[name]}")
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    return getattr(module, name)
