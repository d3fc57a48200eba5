"""The Go toolchain, and what a built engine consists of."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sophia_infra.engine.product import GoModule, Product, Trial
from sophia_infra.engine.versions import MINIMUM_GO, PINNED_ENGINE, Version, parse_version

MANIFEST = "engine.json"
"""Written last: says which version the folder holds."""

INSTALLED_SCRIPTS = {
    "python/cmd/pulumi-language-python-exec": "pulumi-language-python-exec",
    "python/dist/pulumi-resource-pulumi-python": "pulumi-resource-pulumi-python.sh",
}
"""Files of the SDK module and their names beside the CLI. The `.sh` is started by our small launcher."""

INSTALLED_FILES = (
    "pulumi",
    "pulumi-language-python",
    "pulumi-resource-pulumi-python",
    *INSTALLED_SCRIPTS.values(),
)

PULUMI_ENGINE = Product(
    name="Pulumi engine",
    version=PINNED_ENGINE,
    sources="tools/pulumi",
    modules=(
        GoModule(
            folder=".",
            packages=(
                "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
                "./cmd/pulumi-language-python",
                "./cmd/pulumi-resource-pulumi-python",
            ),
            linker_flags=f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{PINNED_ENGINE}",
            copied_from="github.com/pulumi/pulumi/sdk/v3",
            copied=INSTALLED_SCRIPTS,
        ),
    ),
    files=INSTALLED_FILES,
    manifest=MANIFEST,
    trials=(Trial("pulumi", ("version",), f"v{PINNED_ENGINE}"),),
    way_out="A Pulumi CLI on PATH is used instead: https://www.pulumi.com/docs/install/.",
    trial_environment=lambda scratch: {"PULUMI_HOME": str(scratch), "PULUMI_SKIP_UPDATE_CHECK": "true"},
)
"""The CLI, the Python language host of tools/pulumi, and the host of dynamic providers."""


@dataclass(frozen=True, slots=True)
class Go:
    """A `go` command. `version_line` is all that `go version` prints, platform included."""

    file: Path
    version: Version
    version_line: str

    @property
    def fits(self) -> bool:
        """Whether it is new enough for tools/pulumi/go.mod."""
        return self.version >= MINIMUM_GO

    def as_key(self) -> str:
        """Eight characters that change with the version and the platform."""
        return hashlib.sha256(self.version_line.encode()).hexdigest()[:8]


def find_go(environ: Mapping[str, str] = os.environ) -> Go | None:
    """Return the `go` on PATH, or None when there is none that answers."""
    file = shutil.which("go", path=environ.get("PATH", os.defpath))
    if file is None:
        return None
    try:
        answer = subprocess.run(
            [file, "version"],
            env=go_environment(environ),
            cwd="/",  # a go.mod of the current folder could make go load another toolchain
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = answer.stdout.split()  # go version go1.26.8 linux/amd64
    version = parse_version(words[2]) if answer.returncode == 0 and len(words) > 2 else None
    if version is None:
        return None
    return Go(file=Path(file), version=version, version_line=answer.stdout.strip())


def go_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The user's environment without what would build for another machine or from another workspace."""
    dropped = {"GOOS", "GOARCH", "GOWORK", "GOTOOLCHAIN", "GOBIN"}
    environment = {name: value for name, value in environ.items() if name not in dropped}
    return {**environment, "GOTOOLCHAIN": "local", "GOWORK": "off"}
