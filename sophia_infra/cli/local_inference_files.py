"""Files of the local stack's inference: the gateway's configuration, keys and their hashes, a file for curl.

All of it lies in one folder, mode 0700, so that a key stands neither in a command line nor in a shell's
history.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from sophia_infra.engine.home import Home, make_private_folder, write_private_file
from sophia_infra.model.errors import Refused, did_you_mean
from sophia_infra.model.gateway import BackendConfig, GatewayConfig
from sophia_infra.model.loopback import is_loopback

__all__ = [
    "DRAIN_S",
    "curl_text",
    "gateway_text",
    "inference_folder",
    "played",
    "refuse_strangers",
    "write_if_other",
    "write_keys",
]

DRAIN_S = 10
"""Seconds that the local gateway has for what is under way when it is stopped."""


def inference_folder(home: Home) -> Path:
    """Where everything of it lies."""
    return home.root / "inference"


def refuse_strangers(config: GatewayConfig, users: Iterable[str]) -> None:
    """Raise Refused when one of `users` is not a user of the gateway."""
    for user in users:
        if user not in config.users:
            raise Refused(
                f"{user!r} is no user of sophia:gateway{did_you_mean(user, config.users)}",
                allowed=", ".join(config.users) or "none: the section has no users",
            )


def played(config: GatewayConfig) -> dict[str, BackendConfig]:
    """Backends that a process without a model plays: all but those with an address on this machine."""
    return {
        name: backend
        for name, backend in config.backends.items()
        if backend.kind != "lambda" and not is_loopback(urlsplit(backend.base_url or "").hostname or "")
    }


def gateway_text(config: GatewayConfig, backend_url: str) -> str:
    """The gateway's own file: the stack's section, with an address for each backend that is played here."""
    document = config.model_dump(mode="json")
    for name in played(config):
        document["backends"][name] |= {
            "workload": None,
            "base_url": f"{backend_url}/v1",
            "api_key_env": None,
        }
    document["ledger_url_env"] = None
    document["limits"]["drain_s"] = min(document["limits"]["drain_s"], DRAIN_S)
    return json.dumps(document, indent=2)


def write_keys(folder: Path, users: tuple[str, ...]) -> bool:
    """A key for each user, made once; the gateway's file holds their hashes only.

    Returns:
        Whether the hashes changed.
    """
    from sophia_infra.inference.gateway.keys import key_line, make_key

    make_private_folder(folder / "keys")
    for old in (folder / "keys").iterdir():
        if old.name not in users:
            old.unlink()
    lines = []
    for user in users:
        file = folder / "keys" / user
        if not file.exists():
            write_private_file(file, make_key(user))
        lines.append(key_line(user, file.read_text(encoding="utf-8").strip()))
    return write_if_other(folder / "key-hashes", "\n".join(lines) + "\n")


def curl_text(url: str, key_file: Path) -> str:
    key = key_file.read_text(encoding="utf-8").strip()
    return (
        f'url = "{url}/chat/completions"\n'
        f'header = "Authorization: Bearer {key}"\n'
        'header = "Content-Type: application/json"\n'
    )


def write_if_other(file: Path, text: str) -> bool:
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return False
    write_private_file(file, text)
    return True
