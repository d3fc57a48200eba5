"""Filesystems, rulesets and keys for the tests of these kinds."""

from __future__ import annotations

from typing import Any

from tests.unit.provider.stage import PUBLIC_KEY, Stage

OTHER_KEY = PUBLIC_KEY.replace("B" * 43, "C" * 43)
SSH_RULE = {"protocol": "tcp", "ports": [22.0, 22.0], "source": "203.0.113.0/24", "description": "office"}


def ruleset(*rules: dict[str, Any], name: str = "web", region: str = "us-east-1") -> dict[str, Any]:
    return {"name": name, "region": region, "rules": list(rules)}


def rulesets(stage: Stage) -> list[dict[str, Any]]:
    return list(stage.cloud.dump()["firewall_rulesets"])


def keys(stage: Stage) -> list[str]:
    return [row["name"] for row in stage.cloud.dump()["ssh_keys"]]
