"""What of a stack goes into a set beside its databases: plain streams of files as they are.

Configuration: what is in git beside the program, and for stack `local` what makes its state readable.
Records: what the rooms wrote down under the own folder of the project; no kubeconfig, emulator key or log.
"""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from sophia_infra.backup.errors import BackupRefused
from sophia_infra.backup.stores import READ_BYTES
from sophia_infra.engine.home import LOCAL_STACK, Home, make_private_folder
from sophia_infra.model.stack_config import StackConfig

__all__ = [
    "archive",
    "configuration_files",
    "esc_names",
    "images_document",
    "own_folder",
    "record_files",
    "text_chunks",
    "unpack",
]

_CHECKOUT_PATTERNS: Final = (
    "Pulumi.yaml",
    "Pulumi.*.yaml",
    "workloads*.yaml",
    "policies/*.yaml",
    "policies/*.json",
)
_RECORD_ENDINGS: Final = frozenset({".json", ".jsonl", ".yaml", ".svg", ".md"})
_NO_RECORDS: Final = frozenset(
    {"emulator", "esc", "inference", "kubeconfigs", "kubernetes", "logs", "manifests", "pacing", "pulumi"}
    | {"stacks", "state"}
)
"""Folders of the home that can be made again, hold a state of their own part, or hold credentials."""
_FILE_KEYS: Final = ("user_data_file", "workloads_file")
_LARGEST_RECORD_BYTES: Final = 64 << 20


def configuration_files(home: Home, stack: str) -> dict[str, Path]:
    """Name in the archive -> file: the stack files, the workloads and policies, the user data they name."""
    found = {
        path.relative_to(home.checkout).as_posix(): path
        for pattern in _CHECKOUT_PATTERNS
        for path in sorted(home.checkout.glob(pattern))
        if path.is_file()
    }
    for name in _named_files(home.checkout / f"Pulumi.{stack}.yaml"):
        found[name] = home.checkout / name
    files = {f"checkout/{name}": path for name, path in found.items()}
    if stack == LOCAL_STACK:
        # Made by us, not the user's: without them its state opens nowhere else.
        own = {"passphrase": home.passphrase_file, "stack.yaml": home.stacks / f"Pulumi.{stack}.yaml"}
        files |= {f"local/{name}": path for name, path in own.items() if path.is_file()}
    return files


def record_files(home: Home) -> dict[str, Path]:
    """Name in the archive -> file: audit logs, journals, launch intents, runs, drills."""
    found = {}
    for path in sorted(home.root.rglob("*")):
        inner = path.relative_to(home.root)
        if inner.parts[0] in _NO_RECORDS or path.suffix not in _RECORD_ENDINGS or path.is_symlink():
            continue
        if inner.parts[:1] == ("backup",) and path.suffix != ".jsonl":
            continue
        if path.is_file() and path.stat().st_size <= _LARGEST_RECORD_BYTES:
            found[inner.as_posix()] = path
    return found


def archive(files: dict[str, Path], scratch: Path) -> Iterator[bytes]:
    """A tar of `files`, compressed. One that goes away meanwhile is left out.

    Args:
        scratch: a folder that only we may read; the archive lies there without a name while it is sent.
    """
    with tempfile.TemporaryFile(dir=scratch) as stream:
        with tarfile.open(fileobj=stream, mode="w:gz") as tar:
            for name, path in files.items():
                try:
                    data = path.read_bytes()
                except FileNotFoundError:
                    continue
                member = tarfile.TarInfo(name)
                member.size, member.mode, member.mtime = len(data), 0o600, int(path.stat().st_mtime)
                tar.addfile(member, io.BytesIO(data))
        stream.seek(0)
        while chunk := stream.read(READ_BYTES):
            yield chunk


def unpack(chunks: Iterable[bytes], folder: Path | None, scratch: Path) -> list[str]:
    """Names in an archive; with `folder`, each is also written below it, mode 0600.

    Raises BackupRefused for a name that leads out of `folder`; ours have none.
    """
    with tempfile.TemporaryFile(dir=scratch) as stream:
        for chunk in chunks:
            stream.write(chunk)
        stream.seek(0)
        with tarfile.open(fileobj=stream, mode="r:gz") as tar:
            if folder is not None:
                try:
                    tar.extractall(folder, filter="data")
                except tarfile.FilterError as error:
                    raise BackupRefused(
                        f"The archive holds {error.tarinfo.name!r}, which leads out of the folder.",
                        next_step="do not trust this set: it was not made by `sophia backup`.",
                    ) from None
            return tar.getnames()


def images_document(config: StackConfig) -> list[dict[str, Any]]:
    """Every image of the stack file with its digest; digest None where the file pins none."""
    kube = config.kubernetes
    if kube is None:
        return []
    users: dict[str, list[str]] = {}
    used = [(name, row.image) for name, row in kube.workloads.items()]
    used += [(name, row.image) for name, row in kube.databases.items()]
    for name, image in used:
        users.setdefault(image, []).append(name)
    return [
        {
            "image": image.partition("@")[0],
            "digest": kube.images.pinned(image).partition("@")[2] or None,
            "used_by": sorted(names),
        }
        for image, names in sorted(users.items())
    ]


def esc_names(config: StackConfig) -> dict[str, Any]:
    """The ESC environment and the paths of its secrets that the file names; never a value."""
    kube = config.kubernetes
    if kube is None or kube.secrets is None:
        return {}
    tables = [row.secret_env for row in kube.workloads.values()]
    tables += [row.secret_env for row in kube.databases.values()]
    return {
        "environment": f"{kube.secrets.organization}/{kube.secrets.project}/{kube.secrets.environment}",
        "paths": sorted({path for table in tables for path in table.values()}),
    }


def text_chunks(document: Any) -> Iterator[bytes]:
    """One JSON document."""
    yield (json.dumps(document, indent=1) + "\n").encode()


def own_folder(home: Home, stack: str) -> Path:
    """What copies of a stack need under `home`, mode 0700: drills, scratch files, the key of an emulator."""
    make_private_folder(home.root / "backup")
    folder = home.root / "backup" / stack
    make_private_folder(folder)
    return folder


def _named_files(stack_file: Path) -> Iterator[str]:
    """Files beside the stack file that it names, checked by the model to lie in its folder."""

    def names(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in _FILE_KEYS and isinstance(inner, str):
                    yield inner
                else:
                    yield from names(inner)

    yield from names(yaml.safe_load(stack_file.read_text(encoding="utf-8-sig")))
