"""A small right stack for tests to spoil in one place. Not a test itself."""

from __future__ import annotations

import copy
from typing import Any

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICN+lJwsONkwrdsSnQsu1ydUkIuIg5oOC+Eslvmtt60T noname"
"""The example of Lambda's OpenAPI document."""

REMOVED = object()

_STACK: dict[str, Any] = {
    "sophia:endpoint": "emulator",
    "sophia:budget": {"limit": "$200/day"},
    "sophia:ssh": {"public_key": PUBLIC_KEY},
    "sophia:filesystems": {"models": {"region": "us-east-3"}, "texas": {"region": "us-south-1"}},
    "sophia:firewalls": {
        "web": {
            "region": "us-east-3",
            "rules": [{"protocol": "tcp", "ports": "22", "source": "203.0.113.0/24"}],
        },
        "texas": {"region": "us-south-1", "rules": []},
    },
    "sophia:fleet": {
        "core": {"type": "1xGH200", "region": "us-east-3", "purpose": "test"},
        "taken": {
            "type": "1xA10",
            "region": "us-west-1",
            "purpose": "test",
            "adopt": {"name": "taken"},
        },
    },
    "sophia:inference": {
        "llm": {
            "base_url": "http://127.0.0.1:8000/v1",
            "prices": {
                "m-1.5": {
                    "usd_per_million_input": "$0.08",
                    "usd_per_million_output": "$0.30",
                    "context_tokens": 1000,
                }
            },
        }
    },
}


def right_stack() -> dict[str, Any]:
    """A new copy of a configuration without any problem."""
    return copy.deepcopy(_STACK)


def with_changes(*changes: tuple[tuple[Any, ...], Any]) -> dict[str, Any]:
    """The right stack after setting each path to its value, or taking it away for `REMOVED`."""
    stack = right_stack()
    for path, value in changes:
        target: Any = stack
        for part in path[:-1]:
            target = target[part] if isinstance(target, list) else target.setdefault(part, {})
        if value is REMOVED:
            del target[path[-1]]
        else:
            target[path[-1]] = value
    return stack
