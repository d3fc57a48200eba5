"""Fill the lock: ask the registries, through `docker buildx imagetools inspect`, what each tag points at.

Source of the answer's form: docs of buildx 0.36, "imagetools inspect", `{{json .Manifest}}`: the descriptor
of the index with the list of its manifests. Entries of platform unknown/unknown are attestations.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from sophia_infra.images.errors import DockerMissing, InspectFailed, LockRefused, PlatformMissing
from sophia_infra.images.lock import PLATFORMS, ImageLock, LockedImage, read_lock, write_lock

__all__ = ["Answer", "LockChange", "Runner", "lock_images", "run_command"]

_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True)
class Answer:
    """What a command gave back."""

    exit_code: int
    output: str
    errors: str


Runner = Callable[[Sequence[str]], Answer]
"""Runs one command to its end; raises FileNotFoundError when there is no such program."""


@dataclass(frozen=True)
class LockChange:
    """One image before and after; `before` is None when it was not locked."""

    name: str
    tag: str
    before: str | None
    after: str

    @property
    def moved(self) -> bool:
        """Whether another image stands behind the same tag than was locked."""
        return self.before is not None and self.before != self.after


def run_command(command: Sequence[str]) -> Answer:
    """Run `command` with a limit of 60 s; past it the answer is exit code 124."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return Answer(124, "", f"no answer within {_TIMEOUT_S:.0f} s")
    return Answer(done.returncode, done.stdout, done.stderr)


def lock_images(
    path: Path, *, names: Collection[str] = (), run: Runner = run_command, docker: str = "docker"
) -> tuple[LockChange, ...]:
    """Ask for the digest of each tag and write it into the lock at `path`.

    The file is written once, after the last answer: a failure leaves it as it was. Called again while the
    registry has the same, it changes nothing.

    Args:
        path: the lock.
        names: the images to ask for; empty for all.
        run: runs docker.
        docker: the docker command.

    Returns:
        One change for each image asked for, in the order of the file.

    Raises:
        LockRefused: the file breaks its form, or has none of `names`.
        DockerMissing: no docker, or docker without buildx.
        InspectFailed: no usable answer for a tag; it may help to call again.
        PlatformMissing: a tag lacks amd64 or arm64.
    """
    lock = read_lock(path)
    strange = sorted(set(names) - set(lock.images))
    if strange:
        raise LockRefused(path, "images", f"has no {', '.join(strange)}; it has {', '.join(lock.images)}")
    _require_buildx(run, docker)
    locked = {
        name: _ask(image, run, docker) if not names or name in names else image
        for name, image in lock.images.items()
    }
    write_lock(path, ImageLock(locked))
    return tuple(
        LockChange(name, image.tag, lock.images[name].digest, image.digest or "")
        for name, image in locked.items()
        if not names or name in names
    )


def _require_buildx(run: Runner, docker: str) -> None:
    """Ask first: docker without buildx answers other commands with complaints about their flags."""
    try:
        answer = run((docker, "buildx", "version"))
    except FileNotFoundError:
        raise DockerMissing(docker) from None
    if answer.exit_code != 0:
        raise DockerMissing("docker's buildx")


def _ask(image: LockedImage, run: Runner, docker: str) -> LockedImage:
    command = (docker, "buildx", "imagetools", "inspect", "--format", "{{json .Manifest}}", image.tag)
    answer = run(command)
    if answer.exit_code != 0:
        raise InspectFailed(image.tag, answer.errors)
    try:
        index = json.loads(answer.output)
        found = {_platform(entry): str(entry["digest"]) for entry in index.get("manifests", [])}
        locked = replace(
            image, digest=str(index["digest"]), platforms={name: found[name] for name in PLATFORMS}
        )
    except KeyError as error:
        if error.args[0] not in PLATFORMS:
            raise InspectFailed(image.tag, "an answer of another form") from None
        raise PlatformMissing(image.tag, [name for name in PLATFORMS if name not in found]) from None
    except (ValueError, TypeError, AttributeError):
        raise InspectFailed(image.tag, "an answer of another form") from None
    return locked


def _platform(entry: dict[str, Any]) -> str:
    platform = entry.get("platform", {})
    # arm64's variant v8 is the only one there is; other variants are other platforms.
    variant = platform.get("variant", "")
    suffix = f"/{variant}" if variant and (platform.get("architecture"), variant) != ("arm64", "v8") else ""
    return f"{platform.get('os')}/{platform.get('architecture')}{suffix}"
