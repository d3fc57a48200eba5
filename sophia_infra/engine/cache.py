"""What was built on this machine: a folder per build, outside of any checkout, found by its sources."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from sophia_infra.engine.build import BuildProgress, build
from sophia_infra.engine.product import Product, find_sources, has_sources, hash_sources, is_complete
from sophia_infra.engine.toolchain import find_go
from sophia_infra.engine.versions import MINIMUM_GO

Missing = Callable[[str, bool], Exception]
"""(why there is none, whether one could be built here) -> the error to raise."""


@dataclass(frozen=True, slots=True)
class Built:
    """A whole build. `fresh`: made by this very call."""

    directory: Path
    version: str
    fresh: bool


def cache_root(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder that holds one folder per built engine, outside of any checkout."""
    chosen = environ.get("SOPHIA_ENGINE_DIR")
    if chosen:
        return Path(chosen).expanduser().resolve()
    return Path(platformdirs.user_cache_dir("sophia-infra")) / "engine"


def find_built(
    product: Product,
    checkout: Path,
    root: Path,
    *,
    missing: Missing,
    notes: list[str],
    progress: Callable[[BuildProgress], None] | None,
    may_build: bool,
    environ: Mapping[str, str],
) -> Built:
    """Return the build of these sources by this Go that is in `root`, else build it.

    Without a Go that fits, a build that an earlier one made of the same sources is as good as ever.

    Args:
        missing: makes the error for the case that there is none.
        notes: gets a sentence on a Go that was found and does not fit.
        may_build: False: what is not in `root` is missing.

    Raises:
        BuildFailed: `go` failed; nothing half-built is left.
        Exception: what `missing` returned.
    """
    sources = find_sources(product, checkout)
    if not has_sources(sources, product):
        raise missing(f"no sources to build one at {sources}", False)
    sources_key = hash_sources(sources, product)
    go = find_go(environ)
    if go is None or not go.fits:
        for target in sorted(root.glob(f"{sources_key}-*"), reverse=True):
            if is_complete(target, product):
                return _read(target, product)
        if go is None:
            raise missing("no Go toolchain to build one", False)
        notes.append(f"{go.file} is Go {go.version}, older than {MINIMUM_GO.major}.{MINIMUM_GO.minor}.")
        raise missing("no Go toolchain that could build one", False)
    target = root / f"{sources_key}-{go.as_key()}"
    if is_complete(target, product):
        return _read(target, product)
    if not may_build:
        raise missing("none was built before", True)
    fresh = build(product, sources, target, go=go, progress=progress, environ=environ)
    return _read(target, product, fresh=fresh)


def _read(target: Path, product: Product, *, fresh: bool = False) -> Built:
    manifest = json.loads((target / product.manifest).read_text(encoding="utf-8"))
    return Built(target, str(manifest["version"]), fresh)
