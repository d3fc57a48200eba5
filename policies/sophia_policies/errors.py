"""What can be wrong with the pack's own files.

    PackError(ValueError)        whose fault: the user's; retry: no
    |-- WaiversRefused           waivers.yaml is not what its schema wants
    `-- ConfigurationRefused     a rule or setting that does not exist

Each names the file and every problem in it; the engine shows the text and starts nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["ConfigurationRefused", "PackError", "WaiversRefused"]


class PackError(ValueError):
    """Base: `problems` has all that was found, one sentence each; never empty."""

    next_step = "correct it and run the command again; nothing was touched"

    def __init__(self, source: str, problems: Iterable[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{source}: {problem}" for problem in self.problems))


class WaiversRefused(PackError):
    """The waivers cannot be used; no waiver of the file counts."""


class ConfigurationRefused(PackError):
    """The pack configuration names what does not exist, or gives it a value that it cannot have."""
