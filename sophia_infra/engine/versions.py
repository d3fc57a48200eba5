"""Versions of the Pulumi CLI and of Go, and which of them fit."""

from __future__ import annotations

import re
from dataclasses import dataclass

PINNED_ENGINE = "3.259.0"
"""The version in tools/pulumi/go.mod, and the pin of the Python SDK in pyproject.toml."""


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """major.minor.patch; `development` is what follows (`-dev.0`, `-alpha.1a2b`), empty for a release."""

    major: int
    minor: int
    patch: int
    development: str = ""

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}{self.development}"


MINIMUM_ENGINE = Version(3, 259, 0)
NEXT_MAJOR_ENGINE = Version(4, 0, 0)
MINIMUM_GO = Version(1, 26, 0)


def parse_version(text: str) -> Version | None:
    """Parse `v3.259.0`, `3.260.0-dev.0` or `go1.26` (patch 0 then); None for anything else."""
    match = re.fullmatch(r"(?:v|go)?(\d+)\.(\d+)(?:\.(\d+))?([-+a-z].*)?", text.strip())
    if match is None:
        return None
    major, minor, patch, development = match.groups()
    return Version(int(major), int(minor), int(patch or 0), development or "")


def why_engine_does_not_fit(text: str) -> str | None:
    """Return why the engine of version `text` is not used, or None when it fits (release >= 3.259.0, < 4)."""
    version = parse_version(text)
    if version is None:
        return f"calls itself {text.strip() or 'nothing'!r}, which is no version (a development build?)"
    if version.development:
        return f"is the development build {version}"
    if version < MINIMUM_ENGINE:
        return f"is {version}, older than {MINIMUM_ENGINE}"
    if version >= NEXT_MAJOR_ENGINE:
        return f"is {version}, and this project is tested below {NEXT_MAJOR_ENGINE}"
    return None
