"""Builds programs from pinned Go modules: the Pulumi engine, the Kubernetes control plane.

A build goes into a sibling folder of its target, is tried out there, and is renamed into place: a target
exists whole or not at all. A file lock lets one build at a time run per cache. Folders of killed builds are
removed before the next one, under that lock.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import filelock

from sophia_infra.engine.go_command import REPORT_INTERVAL_S, build_failure, is_package_line, run_go
from sophia_infra.engine.product import GoModule, Product, is_complete
from sophia_infra.engine.toolchain import Go, go_environment

TRIAL_TIMEOUT_S = 60.0
"""A program says its version in 0.2 s; a machine under load gets three hundred times that."""


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """How far a build is. `packages_total` is 0 until it is known.

    Packages that Go has in its cache count as done only at the end, so `packages_done` may jump to the total.
    """

    elapsed_s: float
    packages_done: int
    packages_total: int
    line: str


Report = Callable[[BuildProgress], None]


def build(
    product: Product,
    sources: Path,
    target: Path,
    *,
    go: Go,
    progress: Report | None = None,
    environ: Mapping[str, str] = os.environ,
) -> bool:
    """Build `product` into `target`; return False when another process finished it while we waited.

    The engine takes about 5 minutes on 2 cores with an empty Go cache, the control plane 9, and both seconds
    when Go has everything cached. Ctrl-C ends `go` with all its children and leaves nothing.

    Args:
        sources: the folder of its modules.
        target: the folder to make; its parent is the cache.
        progress: called with each step, and every second in between.

    Raises:
        BuildFailed: with cause disk, network or build, and the last lines of `go`.
    """
    work = _Build(product, sources, go, go_environment(environ), progress)
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _only_builder(target.parent, product, work.report):
            if is_complete(target, product):
                return False
            for leftover in target.parent.glob("*.partial-*"):
                shutil.rmtree(leftover, ignore_errors=True)
            partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
            partial.mkdir(mode=0o700)
            try:
                work.run(partial)
                if target.exists():  # incomplete: something removed files from it
                    shutil.rmtree(target)
                partial.rename(target)
                _sync(target.parent)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = f"The {product.name} could not be installed in {target.parent}"
        raise build_failure(what, "disk" if full else "build", [str(error)], product) from error
    return True


class _Build:
    def __init__(
        self,
        product: Product,
        sources: Path,
        go: Go,
        environment: Mapping[str, str],
        progress: Report | None,
    ) -> None:
        self._product = product
        self._sources = sources
        self._go = go
        self._environment = environment
        self._progress = progress
        self._started_s = time.monotonic()
        self._done = 0
        self._total = 0
        self._line = ""

    def report(self, line: str) -> None:
        self._line = line
        self.report_time()

    def report_time(self) -> None:
        if self._progress:
            elapsed_s = time.monotonic() - self._started_s
            self._progress(BuildProgress(elapsed_s, self._done, self._total, self._line))

    def run(self, partial: Path) -> None:
        product = self._product
        self.report(f"loading the Go modules of the {product.name}")
        needed = [len(self._run_go(module, "list", "-deps", *module.packages)) for module in product.modules]
        self._total = sum(needed)
        self.report(f"building the {product.name} {product.version} with Go {self._go.version}")
        built = 0
        for module, packages in zip(product.modules, needed, strict=True):
            flags = ("-v", "-trimpath", "-buildvcs=false", "-ldflags", f"-s -w {module.linker_flags}")
            self._run_go(
                module, "build", *flags, "-o", f"{partial}{os.sep}", *module.packages, on_message=self._count
            )
            for made, wanted in module.renamed.items():
                (partial / made).rename(partial / wanted)
            built += packages
            self._done = built
        self.report("installing")
        for module in product.modules:
            self._copy_files(module, partial)
        self._try_out(partial)
        manifest = {
            "version": product.version,
            "go": self._go.version_line,
            "built_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        (partial / product.manifest).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        for file in partial.iterdir():
            _sync(file)
        _sync(partial)
        self.report("done")

    def _count(self, line: str) -> None:
        if is_package_line(line):
            self._done = min(self._done + 1, self._total)
        self.report(line)

    def _copy_files(self, module: GoModule, partial: Path) -> None:
        if not module.copied:
            return
        folder = Path(self._run_go(module, "list", "-m", "-f", "{{.Dir}}", module.copied_from)[-1])
        for source, name in module.copied.items():
            shutil.copyfile(folder / source, partial / name)
            (partial / name).chmod(0o755)

    def _try_out(self, partial: Path) -> None:
        scratch = partial / "scratch"
        for trial in self._product.trials:
            try:
                answer = subprocess.run(
                    [partial / trial.program, *trial.arguments],
                    env={**self._environment, **self._product.trial_environment(scratch)},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    timeout=TRIAL_TIMEOUT_S,
                    check=False,
                ).stdout
            except subprocess.TimeoutExpired as error:
                answer = str(error)
            shutil.rmtree(scratch, ignore_errors=True)
            if not trial.passes(answer):
                what = f"{trial.program} of the {self._product.name} was built, but does not say its version"
                raise build_failure(what, "build", answer.splitlines(), self._product)

    def _run_go(
        self, module: GoModule, *arguments: str, on_message: Callable[[str], None] | None = None
    ) -> list[str]:
        return run_go(
            self._go.file,
            arguments,
            directory=self._sources / module.folder,
            environment=self._environment,
            on_message=on_message or self.report,
            on_silence=self.report_time,
            product=self._product,
        )


@contextmanager
def _only_builder(cache: Path, product: Product, report: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of `cache`; while another process holds it, say for whom we wait."""
    lock = filelock.FileLock(cache / "build.lock")
    owner = cache / "build.owner"
    while True:
        try:
            lock.acquire(timeout=REPORT_INTERVAL_S)
            break
        except filelock.Timeout:
            try:
                whom = owner.read_text(encoding="utf-8").strip()
            except OSError:
                whom = "another process"
            report(f"waiting for {whom}, which builds the same {product.name}")
    try:
        began = datetime.now().astimezone().strftime("%H:%M:%S")
        owner.write_text(f"process {os.getpid()} (since {began})\n", encoding="utf-8")
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
