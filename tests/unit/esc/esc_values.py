"""Values that no output may show, and short ways to save and evaluate a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests

from sophia_infra.esc import EscClient, OpenedEnvironment
from sophia_infra.esc.emulator.evaluator import Evaluated, LoadFailed, evaluate
from sophia_infra.esc.emulator.sealing import Sealer

TOKEN = "pul-test-token-that-nobody-prints"
VARIABLE = "SOPHIA_TEST_ESC_TOKEN"
PASSWORD = "correct-horse-battery-staple-1947"


@dataclass(frozen=True)
class Settings:
    organization: str = "sophia"
    project: str = "platform"
    environment: str = "test"
    api_url: str | None = None
    token_env: str = VARIABLE
    rotate_days: int = 30


def save(client: EscClient, text: str) -> OpenedEnvironment:
    """Save `text` as the next revision and open it."""
    client.update(text, client.definition().etag)
    return client.open()


def evaluated(text: str, **others: str) -> Evaluated:
    """`text` as environment `p/main`; `others` can be imported as `p/NAME`."""
    sealer = Sealer()

    def load(name: str) -> tuple[str, Any]:
        found = others.get(name.removeprefix("p/"))
        if found is None:
            raise LoadFailed(f"environment {name} not found")
        return found, sealer.unseal

    return evaluate("p/main", text, sealer.unseal, load)


def values_of(text: str, **others: str) -> dict[str, Any]:
    """Plain data of a text without findings."""
    result = evaluated(text, **others)
    assert result.findings.all == []
    return {name: value.plain() for name, value in result.values.items()}


def summaries(text: str, **others: str) -> list[str]:
    return [f"{finding.path}: {finding.summary}" for finding in evaluated(text, **others).findings.all]


def fault(url: str, **fields: Any) -> None:
    """The next request (or that of `operation`) meets this."""
    requests.post(f"{url}/_emulator/faults", json=fields, timeout=5).raise_for_status()
