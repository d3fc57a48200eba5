"""What can go wrong with image locks and budgets.

    ImagesError
    ├── LockRefused         docker/images.lock.json breaks its own form          user
    ├── Unlocked            an image of the lock has no digest yet               user
    ├── BudgetsRefused      docker/budgets.json breaks its own form              user
    ├── MeasurementRefused  a file is not what docker or buildx writes           user
    ├── DockerMissing       no docker with buildx on this machine                machine
    ├── InspectFailed       the registry gave no answer that can be used         registry  retry
    └── PlatformMissing     an image exists, and not for both architectures      user

Each says whose fault it is (`fault`), whether the same call may help later (`retry`), and what to do next
(`next_step`). Nothing of a command's environment reaches a message.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, Literal

__all__ = [
    "BudgetsRefused",
    "DockerMissing",
    "ImagesError",
    "InspectFailed",
    "LockRefused",
    "MeasurementRefused",
    "PlatformMissing",
    "Unlocked",
]

_LONGEST_ANSWER = 256


class ImagesError(Exception):
    """Base of this room's errors."""

    fault: ClassVar[Literal["user", "machine", "registry"]] = "user"
    retry: ClassVar[bool] = False
    next_step: str = "correct the file"

    def __init__(self, sentence: str) -> None:
        super().__init__(f"{sentence}. Next: {self.next_step}.")


class _FileRefused(ImagesError):
    """A file, the place in it, and what is wrong there."""

    def __init__(self, path: Path, place: str, wrong: str) -> None:
        self.path, self.place = path, place
        where = f"{path}, {place}" if place else str(path)
        super().__init__(f"{where}: {wrong}")


class LockRefused(_FileRefused):
    """The lock of base images breaks its own form."""


class BudgetsRefused(_FileRefused):
    """The file of budgets breaks its own form."""


class MeasurementRefused(_FileRefused):
    """A file is not what docker or buildx writes."""

    next_step = "write it anew with the command in docs/images.md"


class Unlocked(ImagesError):
    """Images without digest: what a tag points at may be another image tomorrow."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self.next_step = "run `sophia images lock` where a registry can be reached, and commit the file"
        super().__init__(f"no digest for {', '.join(self.names)}")


class DockerMissing(ImagesError):
    """The docker command, or its buildx part, is not on this machine."""

    fault = "machine"
    next_step = "install docker with buildx, or run this on a machine that has both"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not on this machine, and only it can ask a registry for digests")


class InspectFailed(ImagesError):
    """The registry gave no answer that can be used; the lock was left as it was."""

    fault = "registry"
    retry = True

    def __init__(self, tag: str, answer: str) -> None:
        self.tag = tag
        self.next_step = "check that the tag exists and that a registry can be reached, then run it again"
        lines = answer.strip().splitlines()
        said = lines[-1][:_LONGEST_ANSWER] if lines else "nothing"
        super().__init__(f"{tag} could not be inspected; buildx said: {said}")


class PlatformMissing(ImagesError):
    """The image is not built for both architectures, and GH200 machines are arm64."""

    def __init__(self, tag: str, missing: Iterable[str]) -> None:
        self.tag, self.missing = tag, tuple(missing)
        self.next_step = "choose a tag that has both"
        super().__init__(f"{tag} has no image for {', '.join(self.missing)}")
