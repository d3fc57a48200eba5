"""The stack file of every update, kept word for word: `<home>/rollout/<stack>/versions/<hash>/`.

The engine's history holds the values that an update ran with, and neither the file's comments nor the files
beside it, such as the workload table. A copy holds all of them, so a file that was recorded comes back as it
was; one that was not comes back by value.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import yaml

from sophia_infra.privacy import make_private_folders
from sophia_infra.rollout.errors import RolloutRefused

__all__ = ["PHASE_KEY", "KeptFile", "find_version", "record_version", "stack_config_values", "written_back"]

PHASE_KEY: Final = "sophia:phase"
_HASH_CHARACTERS: Final = 16


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A recorded stack file, and the recorded files that it names: path in the project -> copy."""

    stack_file: Path
    beside: Mapping[str, Path]


def record_version(home_root: Path, stack: str, checkout: Path) -> str:
    """Keep `Pulumi.<stack>.yaml` of `checkout` and the files that it names; the hash they are kept under.

    The same content is kept once. Raises OSError, and RolloutRefused for a file that is no stack file.
    """
    source = checkout / f"Pulumi.{stack}.yaml"
    files = {source.name: source.read_bytes()}
    for name in _named_files(stack_config_values(source)):
        if (checkout / name).resolve().is_relative_to(checkout.resolve()) and (checkout / name).is_file():
            files[name] = (checkout / name).read_bytes()
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    key = digest.hexdigest()[:_HASH_CHARACTERS]
    folder = _folder(home_root, stack)
    if (folder / key).is_dir():
        return key
    make_private_folders(folder)
    draft = folder / f".{key}.{secrets.token_hex(4)}"
    draft.mkdir(mode=0o700)
    for name, content in files.items():
        target = draft / name
        make_private_folders(target.parent)
        target.write_bytes(content)
        target.chmod(0o600)
    try:
        # Whole or not at all: what has the name of a hash has the content of it.
        os.rename(draft, folder / key)
    except OSError:
        if not (folder / key).is_dir():
            raise
    return key


def find_version(home_root: Path, stack: str, config: Mapping[str, Any]) -> KeptFile | None:
    """The copy that says what an update ran with; None when none was recorded. The phase may differ."""
    for folder in sorted(_folder(home_root, stack).glob("[0-9a-f]*")):
        file = folder / f"Pulumi.{stack}.yaml"
        try:
            values = stack_config_values(file)
        except (OSError, RolloutRefused):
            continue
        if _comparable(values) == _comparable(config):
            beside = {
                str(one.relative_to(folder)): one
                for one in folder.rglob("*")
                if one.is_file() and one != file
            }
            return KeptFile(file, beside)
    return None


def stack_config_values(file: Path) -> dict[str, Any]:
    """`config:` of a stack file. Raises OSError, and RolloutRefused when there is none."""
    document = _document(file)
    config = document.get("config")
    if not isinstance(config, dict):
        raise RolloutRefused(f"{file.name} has no mapping under config.", next_step="correct the file.")
    return config


def written_back(current: Path, config: Mapping[str, Any], secret_keys: tuple[str, ...], note: str) -> str:
    """The text of a stack file with the values of an older update.

    Secrets and what is not under `config` (the salt) stay as they are today: an old ciphertext may be of a
    passphrase that is gone.

    Raises OSError, RolloutRefused.
    """
    document = _document(current)
    today = stack_config_values(current)
    kept = {key: today[key] for key in secret_keys if key in today}
    document["config"] = {**config, **kept}
    return f"# {note}\n" + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)


def _document(file: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        document = None
    if not isinstance(document, dict):
        raise RolloutRefused(f"{file.name} is no YAML mapping.", next_step="correct the file.")
    return document


def _named_files(config: Mapping[str, Any]) -> list[str]:
    """The workload table, and boot texts of machines."""
    section, fleet = config.get("sophia:kubernetes"), config.get("sophia:fleet")
    named = [section.get("workloads_file")] if isinstance(section, dict) else []
    if isinstance(fleet, dict):
        named += [row.get("user_data_file") for row in fleet.values() if isinstance(row, dict)]
    return sorted({name for name in named if isinstance(name, str)})


def _folder(home_root: Path, stack: str) -> Path:
    return home_root / "rollout" / stack / "versions"


def _comparable(config: Mapping[str, Any]) -> Any:
    """Without the phase, which is remembered apart, and with scalars as text, as the engine writes them."""
    return {key: _plain(value) for key, value in config.items() if key != PHASE_KEY and not _is_secret(value)}


def _is_secret(value: object) -> bool:
    return isinstance(value, dict) and list(value) == ["secure"]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, bool):
        return str(value).lower()
    try:
        # 600.0 in the file is 600 in the history.
        return format(Decimal(str(value)).normalize(), "f")
    except InvalidOperation:
        return str(value)
