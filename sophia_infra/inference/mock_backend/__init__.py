"""A backend that speaks OpenAI's API and vLLM's further paths without a model or a GPU.

For tests, load tests and the stack `local`: answers and token counts follow from the request alone, faults
come on demand or by seeded chance, and each piece of work is written down.
"""

from __future__ import annotations

from .app import MockApp, create_app
from .faults import KINDS, Fault, InvalidFault
from .server import MockBackend
from .settings import BadMockSettings, MockSettings
from .worklog import Work

__all__ = [
    "KINDS",
    "BadMockSettings",
    "Fault",
    "InvalidFault",
    "MockApp",
    "MockBackend",
    "MockSettings",
    "Work",
    "create_app",
]
