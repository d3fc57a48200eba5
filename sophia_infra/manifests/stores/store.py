"""What a kind of store tells about itself; `database` makes objects of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["SCRIPTS_FOLDER", "Copying", "Store", "load_script", "script_command"]

SCRIPTS_FOLDER = "/sophia"
"""Where the ConfigMap with scripts is mounted."""

_SCRIPTS = Path(__file__).with_name("scripts")


def load_script(name: str) -> str:
    """A packaged script, for example `redis-start.sh`."""
    return (_SCRIPTS / name).read_text(encoding="utf-8")


def script_command(name: str, shell: str = "sh") -> list[str]:
    """How a container runs a script; a ConfigMap's files are not executable."""
    return [shell, f"{SCRIPTS_FOLDER}/{name}"]


@dataclass(frozen=True, slots=True)
class Copying:
    """How copies are made and brought back.

    Attributes:
        backup, restore: commands in the store's own image; no restore: `restore_note` says what to do.
        environment: of both, beside the secrets.
        claim: copies go to a claim of their own, mounted at /backup; else each pod keeps its own on a volume
            mounted at `pod_mount`.
    """

    backup: Sequence[str]
    restore: Sequence[str] | None
    environment: Mapping[str, str]
    claim: bool
    pod_mount: str | None = None
    restore_note: str = ""


@dataclass(frozen=True, slots=True)
class Store:
    """One store's server container.

    Attributes:
        data_mount: where the claim is mounted.
        scratch: further folders it writes to, path -> size; in memory where it begins with /run.
        scripts: file name -> text, in the ConfigMap.
        probe, startup_probe: how to ask whether it is ready; the start may take longer.
        group_ports: ports that only its own pods use among each other, by name.
        extra_mounts: of the scripts volume: path -> file.
        shared_memory: size of /dev/shm; None for the runtime's 64 MiB.
    """

    data_mount: str
    probe: Mapping[str, Any]
    copying: Copying
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    environment: Sequence[Mapping[str, Any]] = ()
    scratch: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    group_ports: Mapping[str, int] = field(default_factory=dict)
    extra_mounts: Mapping[str, str] = field(default_factory=dict)
    shared_memory: str | None = None
