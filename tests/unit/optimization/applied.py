"""What was written, for the tests that apply."""

from __future__ import annotations

WRITES = {"terminateInstance", "launchInstance", "filesystemDelete", "createFilesystem"}


def writes(operations: list[str]) -> list[str]:
    return [one for one in operations if one in WRITES]
