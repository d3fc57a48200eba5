"""docker-bake.hcl, expanded as `docker buildx bake --print` does it; only the few forms that the file uses.

Where buildx is at hand (SOPHIA_BUILDX, or part of docker), a test holds its own rendering against this one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import hcl2

from sophia_infra.images import ImageLock

_EXPRESSION = re.compile(r"\$\{([\w.]+)\}")
_REFERENCE = re.compile(r"\$\{reference\(images\.(\w+)\)\}")


def expand(path: Path, lock: ImageLock, **variables: str) -> dict[str, dict[str, Any]]:
    """Target -> what is built, with every variable, function and matrix resolved."""
    with path.open(encoding="utf-8") as file:
        document = hcl2.load(file)
    scope = {name: str(_plain(block.get("default", ""))) for name, block in _blocks(document, "variable")}
    scope |= variables
    raw = dict(_blocks(document, "target"))
    found: dict[str, dict[str, Any]] = {}
    for name, block in raw.items():
        if name.startswith("_"):
            continue
        for row in _rows(block):
            inner = scope | {
                f"{key}.{field}": value for key, fields in row.items() for field, value in fields.items()
            }
            resolved = _resolve(_merged(block, raw), inner, lock)
            target = _resolve(block.get("name", name), inner, lock)
            found[target] = resolved
    return found


def groups(path: Path) -> dict[str, list[str]]:
    """Group -> names of targets and groups in it."""
    with path.open(encoding="utf-8") as file:
        document = hcl2.load(file)
    return {
        name: [_plain(target) for target in block["targets"]] for name, block in _blocks(document, "group")
    }


def find_buildx() -> list[str] | None:
    """The command of buildx on this machine."""
    if command := os.environ.get("SOPHIA_BUILDX"):
        return [command]
    docker = shutil.which("docker")
    if docker is None:
        return None
    asked = subprocess.run([docker, "buildx", "version"], capture_output=True, check=False)
    return [docker, "buildx"] if asked.returncode == 0 else None


def _blocks(document: dict[str, Any], kind: str) -> list[tuple[str, dict[str, Any]]]:
    return [(_plain(name), block) for entry in document[kind] for name, block in entry.items()]


def _rows(block: dict[str, Any]) -> list[dict[str, dict[str, str]]]:
    if "matrix" not in block:
        return [{}]
    ((key, rows),) = ((key, rows) for key, rows in block["matrix"].items() if key != "__is_block__")
    return [{_plain(key): {_plain(name): str(_plain(value)) for name, value in row.items()}} for row in rows]


def _merged(block: dict[str, Any], raw: dict[str, dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for parent in block.get("inherits", ()):
        merged |= _merged(raw[_plain(parent)], raw)
    for key, value in block.items():
        if key in ("inherits", "matrix", "name", "__is_block__"):
            continue
        merged[key] = {**merged.get(key, {}), **value} if isinstance(value, dict) else value
    return merged


def _resolve(value: Any, scope: dict[str, str], lock: ImageLock) -> Any:
    if isinstance(value, dict):
        return {
            _plain(key): _resolve(inner, scope, lock) for key, inner in value.items() if key != "__is_block__"
        }
    if isinstance(value, list):
        return [_resolve(inner, scope, lock) for inner in value]
    text = str(value)
    if reference := _REFERENCE.fullmatch(text):
        return lock.reference(reference[1])
    if not text.startswith('"') and text in scope:
        return scope[text]
    return _EXPRESSION.sub(lambda match: scope[match[1]], _plain(text))


def _plain(value: Any) -> Any:
    """Without the quotes that the parser keeps around literals."""
    quoted = isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"'
    return value[1:-1] if quoted else value
