"""Finds the Pulumi engine: on PATH, in the cache, or by building it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sophia_infra.engine.build import BuildProgress
from sophia_infra.engine.cache import cache_root, find_built
from sophia_infra.engine.errors import EngineMissing, EngineTooOld
from sophia_infra.engine.home import Home
from sophia_infra.engine.toolchain import PULUMI_ENGINE
from sophia_infra.engine.versions import MINIMUM_ENGINE, MINIMUM_GO, why_engine_does_not_fit

Origin = Literal["path", "cache", "built"]

VERSION_TIMEOUT_S = 20.0
"""`pulumi version` takes 0.2 s; a machine under load gets a hundred times that."""

_TWO_WAYS_OUT = (
    f"Either install the Pulumi CLI {MINIMUM_ENGINE} or newer (https://www.pulumi.com/docs/install/), "
    f"or install Go {MINIMUM_GO.major}.{MINIMUM_GO.minor} or newer (https://go.dev/dl/), to build it here."
)


@dataclass(frozen=True, slots=True)
class Engine:
    """A Pulumi CLI with its Python language host.

    `notes` says in sentences what was found and not used, for example an older CLI on PATH.
    """

    directory: Path
    version: str
    origin: Origin
    notes: tuple[str, ...] = ()

    @property
    def pulumi(self) -> Path:
        """The CLI itself."""
        return self.directory / "pulumi"

    @property
    def ambient_plugins(self) -> bool:
        """Whether plugins on PATH may be used: yes for an official CLI, no for ours, which brings its own."""
        return self.origin == "path"


def find_engine(
    home: Home,
    *,
    progress: Callable[[BuildProgress], None] | None = None,
    may_build: bool = True,
    environ: Mapping[str, str] = os.environ,
) -> Engine:
    """Return an engine that fits: `pulumi` on PATH, else the cached build, else a new one (5 minutes).

    Two calls at the same time build once; the second waits and reports so through `progress`.

    Args:
        progress: called about once a second while something is built.
        may_build: False: an engine that is neither on PATH nor cached is EngineMissing.
        environ: read for PATH and for `SOPHIA_ENGINE_DIR`, the root of the cache
            (default: the user's cache folder, `sophia-infra/engine`).

    Raises:
        EngineMissing: none on PATH, none cached, and no Go (or no sources) to build one.
        EngineTooOld: like EngineMissing, but a `pulumi` or a `go` that does not fit is here.
        BuildFailed: `go` failed; nothing half-built is left.
    """
    notes: list[str] = []
    found = _engine_on_path(home, environ, notes)
    if found:
        return found
    return _engine_of_ours(home, progress, environ, notes, may_build=may_build)


def _engine_on_path(home: Home, environ: Mapping[str, str], notes: list[str]) -> Engine | None:
    file = shutil.which("pulumi", path=environ.get("PATH", os.defpath))
    if file is None:
        return None
    environment = {**environ, "PULUMI_HOME": str(home.pulumi), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        answer = subprocess.run(
            [file, "version"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=VERSION_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        notes.append(f"{file} does not run ({error}), so it is not used.")
        return None
    if answer.returncode != 0:
        notes.append(f"{file} version ended with code {answer.returncode}, so it is not used.")
        return None
    version = answer.stdout.strip()
    reason = why_engine_does_not_fit(version)
    if reason:
        notes.append(f"{file} {reason}, so it is not used.")
        return None
    return Engine(directory=Path(file).parent, version=version.removeprefix("v"), origin="path")


def _engine_of_ours(
    home: Home,
    progress: Callable[[BuildProgress], None] | None,
    environ: Mapping[str, str],
    notes: list[str],
    *,
    may_build: bool,
) -> Engine:
    def missing(why: str, buildable: bool) -> EngineMissing:
        kind = EngineTooOld if notes else EngineMissing
        seen = f" {' '.join(notes)}" if notes else ""
        next_step = "`make engine` builds it once." if buildable else _TWO_WAYS_OUT
        return kind(f"There is no Pulumi engine here, and {why}.{seen}", next_step=next_step)

    built = find_built(
        PULUMI_ENGINE,
        home.checkout,
        cache_root(environ),
        missing=missing,
        notes=notes,
        progress=progress,
        may_build=may_build,
        environ=environ,
    )
    return Engine(built.directory, built.version, "built" if built.fresh else "cache", tuple(notes))
