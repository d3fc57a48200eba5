"""Builds the Pulumi engine from the pinned Go modules in tools/pulumi.

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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import filelock

from sophia_infra.engine.go_command import REPORT_INTERVAL_S, build_failure, is_package_line, run_go
from sophia_infra.engine.toolchain import (
    BUILT_PACKAGES,
    INSTALLED_SCRIPTS,
    MANIFEST,
    SDK_MODULE,
    Go,
    go_environment,
    is_complete,
)
from sophia_infra.engine.versions import PINNED_ENGINE

_LINKER_FLAGS = f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{PINNED_ENGINE}"


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


def build_engine(
    sources: Path,
    target: Path,
    *,
    go: Go,
    progress: Report | None = None,
    environ: Mapping[str, str] = os.environ,
) -> bool:
    """Build the engine into `target`; return False when another process finished it while we waited.

    Takes about 5 minutes on 2 cores with an empty Go cache, and about 5 s when Go has everything cached.
    Ctrl-C ends `go` with all its children and leaves nothing.

    Args:
        sources: the folder tools/pulumi.
        target: the folder to make; its parent is the cache.
        progress: called with each step, and every second in between.

    Raises:
        BuildFailed: with cause disk, network or build, and the last lines of `go`.
    """
    build = _Build(sources, go, go_environment(environ), progress)
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _only_builder(target.parent, build.report):
            if is_complete(target):
                return False
            for leftover in target.parent.glob("*.partial-*"):
                shutil.rmtree(leftover, ignore_errors=True)
            partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
            partial.mkdir(mode=0o700)
            try:
                build.run(partial)
                if target.exists():  # incomplete: something removed files from it
                    shutil.rmtree(target)
                partial.rename(target)
                _sync(target.parent)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = f"The Pulumi engine could not be installed in {target.parent}"
        raise build_failure(what, "disk" if full else "build", [str(error)]) from error
    return True


class _Build:
    def __init__(
        self, sources: Path, go: Go, environment: Mapping[str, str], progress: Report | None
    ) -> None:
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
        self.report("loading the Go modules of the Pulumi engine")
        self._total = len(self._run_go(["list", "-deps", *BUILT_PACKAGES], self.report))
        self.report(f"building the Pulumi engine {PINNED_ENGINE} with Go {self._go.version}")
        flags = ["-v", "-trimpath", "-buildvcs=false", "-ldflags", _LINKER_FLAGS]
        self._run_go(["build", *flags, "-o", f"{partial}{os.sep}", *BUILT_PACKAGES], self._count)
        self._done = self._total
        self.report("installing")
        self._install_scripts(partial)
        self._try_out(partial)
        manifest = {
            "version": PINNED_ENGINE,
            "go": self._go.version_line,
            "built_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        for file in partial.iterdir():
            _sync(file)
        _sync(partial)
        self.report("done")

    def _count(self, line: str) -> None:
        if is_package_line(line):
            self._done = min(self._done + 1, self._total)
        self.report(line)

    def _install_scripts(self, partial: Path) -> None:
        sdk = Path(self._run_go(["list", "-m", "-f", "{{.Dir}}", SDK_MODULE], self.report)[-1])
        for source, name in INSTALLED_SCRIPTS.items():
            shutil.copyfile(sdk / source, partial / name)
            (partial / name).chmod(0o755)

    def _try_out(self, partial: Path) -> None:
        scratch_home = partial / "home"
        answer = subprocess.run(
            [partial / "pulumi", "version"],
            env={**self._environment, "PULUMI_HOME": str(scratch_home), "PULUMI_SKIP_UPDATE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        shutil.rmtree(scratch_home, ignore_errors=True)
        if answer.stdout.strip() != f"v{PINNED_ENGINE}":
            lines = [*answer.stdout.splitlines(), *answer.stderr.splitlines()]
            raise build_failure("The Pulumi engine was built, but does not say its version", "build", lines)

    def _run_go(self, arguments: Sequence[str], on_message: Callable[[str], None]) -> list[str]:
        return run_go(
            self._go.file,
            arguments,
            directory=self._sources,
            environment=self._environment,
            on_message=on_message,
            on_silence=self.report_time,
        )


@contextmanager
def _only_builder(cache: Path, report: Callable[[str], None]) -> Iterator[None]:
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
            report(f"waiting for {whom}, which builds the same engine")
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
