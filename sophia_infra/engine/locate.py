"""Finds the Pulumi engine: on PATH, in the cache, or by building it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import platformdirs

from sophia_infra.engine.build import BuildProgress, build_engine
from sophia_infra.engine.errors import EngineMissing, EngineTooOld
from sophia_infra.engine.home import Home
from sophia_infra.engine.toolchain import MANIFEST, Go, find_go, is_complete
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


def cache_root(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder that holds one folder per built engine, outside of any checkout."""
    chosen = environ.get("SOPHIA_ENGINE_DIR")
    if chosen:
        return Path(chosen).expanduser().resolve()
    return Path(platformdirs.user_cache_dir("sophia-infra")) / "engine"


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
    sources = _find_sources(home)
    root = cache_root(environ)
    if not (sources / "go.mod").is_file():
        raise _missing(notes, f"no sources to build one at {sources}")
    sources_key = _hash_sources(sources)
    go = find_go(environ)
    if go is None or not go.fits:
        # A build made when Go was still here is as good as ever.
        for target in sorted(root.glob(f"{sources_key}-*"), reverse=True):
            if is_complete(target):
                return _cached(target, notes)
        if go is None:
            raise _missing(notes, "no Go toolchain to build one")
        notes.append(f"{go.file} is Go {go.version}, older than {MINIMUM_GO.major}.{MINIMUM_GO.minor}.")
        raise _missing(notes, "no Go toolchain that could build one")
    target = root / f"{sources_key}-{_hash_toolchain(go)}"
    if is_complete(target):
        return _cached(target, notes)
    if not may_build:
        raise _missing(notes, "none was built before", next_step="`make engine` builds it once.")
    built = build_engine(sources, target, go=go, progress=progress, environ=environ)
    engine = _cached(target, notes)
    return Engine(engine.directory, engine.version, "built" if built else "cache", engine.notes)


def _find_sources(home: Home) -> Path:
    """The folder tools/pulumi of the checkout, else the one beside this package."""
    beside_package = Path(__file__).resolve().parents[2]
    candidates = [folder / "tools" / "pulumi" for folder in (home.checkout, beside_package)]
    return next((folder for folder in candidates if (folder / "go.mod").is_file()), candidates[0])


def _cached(target: Path, notes: list[str]) -> Engine:
    manifest = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
    return Engine(target, str(manifest["version"]), "cache", tuple(notes))


def _missing(notes: list[str], why: str, next_step: str = _TWO_WAYS_OUT) -> EngineMissing:
    kind = EngineTooOld if notes else EngineMissing
    seen = f" {' '.join(notes)}" if notes else ""
    return kind(f"There is no Pulumi engine here, and {why}.{seen}", next_step=next_step)


def _hash_sources(sources: Path) -> str:
    """Hash go.mod, go.sum and the host's sources. Tests do not count: they change nothing that is built."""
    digest = hashlib.sha256()
    files = [sources / "go.mod", sources / "go.sum"]
    for folder in ("cmd", "internal"):
        files += (
            file
            for file in (sources / folder).rglob("*")
            if file.suffix in (".go", ".py") and not file.name.endswith("_test.go")
        )
    for file in sorted(files):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(sources).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def _hash_toolchain(go: Go) -> str:
    """Hash what `go version` prints: the version and the platform."""
    return hashlib.sha256(go.version_line.encode()).hexdigest()[:8]
