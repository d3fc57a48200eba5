"""One mistake in a stack file, for the tests of what it is told."""

from __future__ import annotations

from typing import Any, NamedTuple

CORE = ("sophia:fleet", "core")
TAKEN = ("sophia:fleet", "taken")
RULE = ("sophia:firewalls", "web", "rules", 0)
NEW_INSTANCE = {"type": "1xGH200", "region": "us-east-3", "purpose": "test"}
CIPHERTEXT = {"secure": "v1:c2VjcmV0c2VjcmV0:c2VjcmV0"}


class Case(NamedTuple):
    """One mistake: what is changed in the right stack, and the one line that answers it."""

    name: str
    changes: tuple[tuple[tuple[Any, ...], Any], ...]
    message: str
