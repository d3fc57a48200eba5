"""What is built from pinned Go modules: its modules, its files, and how to see that it works."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


def _no_variables(_: Path) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class GoModule:
    """A folder with go.mod and go.sum, and the programs that are built from it.

    `renamed` maps names that Go chooses to those that are wanted. `copied_from` is the dependency whose files
    `copied` (path in it -> name) are installed beside the programs, executable.
    """

    folder: str
    packages: tuple[str, ...]
    linker_flags: str
    renamed: Mapping[str, str] = field(default_factory=dict)
    copied_from: str = ""
    copied: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trial:
    """A call of a built program; the first words of its first line must be `answer`."""

    program: str
    arguments: tuple[str, ...]
    answer: str

    def passes(self, output: str) -> bool:
        """Whether `output` begins as it should."""
        expected = self.answer.split()
        return output.strip().partition("\n")[0].split()[: len(expected)] == expected


@dataclass(frozen=True, slots=True)
class Product:
    """Programs that belong together and are built, tried out and kept as one folder.

    Attributes:
        name: as in "building the <name>".
        version: shown, and written into the manifest.
        sources: folder of the modules, from the checkout.
        files: what a whole build consists of.
        manifest: file with version and date; written last.
        trials: run before the build counts as one.
        way_out: the next step where a build fails for a reason that is neither disk nor network.
        trial_environment: further variables for the trials; is given an empty folder to point them at.
        revision: raise it when the same sources shall be built in another way.
    """

    name: str
    version: str
    sources: str
    modules: tuple[GoModule, ...]
    files: tuple[str, ...]
    manifest: str
    trials: tuple[Trial, ...]
    way_out: str
    trial_environment: Callable[[Path], Mapping[str, str]] = _no_variables
    revision: int = 0


def is_complete(target: Path, product: Product) -> bool:
    """Whether `target` holds a whole build: every file there, the programs executable."""
    return (target / product.manifest).is_file() and all(
        os.access(target / name, os.X_OK) for name in product.files
    )


def find_sources(product: Product, checkout: Path) -> Path:
    """The product's sources in the checkout, else beside this package, be they there or not."""
    beside_package = Path(__file__).resolve().parents[2]
    candidates = [folder / product.sources for folder in (checkout, beside_package)]
    return next((folder for folder in candidates if has_sources(folder, product)), candidates[0])


def has_sources(sources: Path, product: Product) -> bool:
    """Whether every module of the product is in `sources`."""
    return all((sources / module.folder / "go.mod").is_file() for module in product.modules)


def hash_sources(sources: Path, product: Product) -> str:
    """Hash go.mod, go.sum and our own sources. Tests do not count: they change nothing that is built."""
    digest = hashlib.sha256()
    for file in sorted(file for module in product.modules for file in _hashed(sources / module.folder)):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(sources).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    if product.revision:
        digest.update(f"revision {product.revision}".encode())
    return digest.hexdigest()[:16]


def _hashed(module: Path) -> Sequence[Path]:
    return [
        module / "go.mod",
        module / "go.sum",
        *(
            file
            for folder in ("cmd", "internal")
            for file in (module / folder).rglob("*")
            if file.suffix in (".go", ".py") and not file.name.endswith("_test.go")
        ),
    ]
