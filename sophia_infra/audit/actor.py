"""Who acts, and why: the two things that no answer of a cloud says afterwards."""

from __future__ import annotations

import getpass
import os
import platform
from collections.abc import Mapping

__all__ = ["WHY_VARIABLE", "who_acts", "why_acts"]

WHY_VARIABLE = "SOPHIA_WHY"
"""Environment variable with the reason of every change of a command, for a caller that knows it better."""


def who_acts(environ: Mapping[str, str] = os.environ) -> str:
    """`actor via user@host` in CI, `user@host` elsewhere."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    here = f"{user}@{platform.node() or 'unknown'}"
    actor = (
        environ.get("GITHUB_ACTOR") or environ.get("GITLAB_USER_LOGIN") or environ.get("BUILD_REQUESTEDFOR")
    )
    return f"{actor} via {here}" if actor else here


def why_acts(reason: str, environ: Mapping[str, str] = os.environ) -> str:
    """`reason`, with the caller's own in front where `SOPHIA_WHY` has one."""
    given = environ.get(WHY_VARIABLE, "").strip()
    return f"{given}: {reason}" if given else reason
