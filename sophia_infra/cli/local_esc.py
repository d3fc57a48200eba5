"""The local stack's ESC emulator in the background: one per project folder, seeded, found by its file.

Its environment is made from the checked-in definition. Every secret in it gets a random value of its own, so
that nothing of a real account is ever needed or stored here.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from sophia_infra.cli.background import (
    START_TIMEOUT_S,
    ask_json,
    read_endpoint,
    start_background,
    stop_background,
)
from sophia_infra.engine.home import Home, make_private_folder
from sophia_infra.esc import (
    URL_VARIABLE,
    EnvironmentExists,
    EnvironmentName,
    EscAccess,
    EscClient,
    SecretsSettings,
    SecretText,
)
from sophia_infra.esc.catalogue import SecretCatalogue, load_catalogue
from sophia_infra.esc.generators import Generator
from sophia_infra.esc.property_path import parse_path
from sophia_infra.esc.secret_editing import with_secret

__all__ = [
    "EscEndpoint",
    "ensure_esc_emulator",
    "find_esc_emulator",
    "seed",
    "stop_esc_emulator",
]

_WHAT = "The ESC emulator"
_STAND_IN = Generator("password", 40)
"""For secrets that only others mint: nothing local talks to those others."""


@dataclass(frozen=True, slots=True)
class EscEndpoint:
    """A running ESC emulator."""

    url: str
    token: SecretText
    pid: int

    def variables(self, settings: SecretsSettings) -> dict[str, str]:
        """What the program needs in its environment to open `settings` here. Holds the token."""
        return {URL_VARIABLE: self.url, settings.token_env: self.token.reveal()}


def ensure_esc_emulator(home: Home, settings: SecretsSettings) -> EscEndpoint:
    """The running ESC emulator, started if need be, with the environment of `settings` seeded.

    Raises:
        BackgroundUnavailable: it did not start in 15 s; the message holds the end of its log.
        DefinitionRefused, EscError: the checked-in definition cannot be used.
    """
    folder = _folder(home)
    make_private_folder(folder)
    with FileLock(folder / "starting.lock", timeout=2 * START_TIMEOUT_S, mode=0o600):
        endpoint = find_esc_emulator(home) or _start(home)
        seed(endpoint, settings, load_catalogue(home.checkout))
    return endpoint


def find_esc_emulator(home: Home) -> EscEndpoint | None:
    """The running ESC emulator of this project folder, None when there is none."""
    fields = read_endpoint(_folder(home) / "endpoint.json")
    try:
        token = SecretText((_folder(home) / "token").read_text(encoding="utf-8").strip())
        endpoint = EscEndpoint(str(fields["url"]), token, int(fields["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return endpoint if _is_ready(endpoint.url) else None


def stop_esc_emulator(home: Home) -> bool:
    """Stop it; its state stays on disk. False when none was running."""
    endpoint = find_esc_emulator(home)
    if endpoint is None:
        return False
    stop_background(_WHAT, endpoint.pid, lambda: _is_ready(endpoint.url))
    return True


def seed(endpoint: EscEndpoint, settings: SecretsSettings, catalogue: SecretCatalogue) -> None:
    """Make the environment from the definition; values that are there stay. Twice changes nothing."""
    name = EnvironmentName(settings.organization, settings.project, settings.environment)
    client = EscClient(EscAccess(endpoint.url, endpoint.token, settings.token_env), name)
    with contextlib.suppress(EnvironmentExists):
        client.create()
    opened = client.open()
    kept = {
        path: value
        for path, value in opened.values.items()
        if isinstance(value, SecretText) and not value.is_empty
    }
    if catalogue.entries.keys() <= kept.keys():
        return
    text = catalogue.text
    for path, entry in catalogue.entries.items():
        value = kept.get(path) or (entry.generator or _STAND_IN).make()
        text = with_secret(text, parse_path(path), value.reveal())
    client.update(text, client.definition().etag)


def _start(home: Home) -> EscEndpoint:
    folder = _folder(home)
    (folder / "endpoint.json").unlink(missing_ok=True)
    arguments = ["--host", "127.0.0.1", "--port", "0"]
    arguments += ["--state-file", str(folder / "state.json"), "--token-file", str(folder / "token")]
    arguments += ["--endpoint-file", str(folder / "endpoint.json")]
    return start_background(
        _WHAT,
        "sophia_infra.esc.emulator",
        arguments,
        log=home.logs / "esc.log",
        find=lambda: find_esc_emulator(home),
    )


def _folder(home: Home) -> Path:
    return home.root / "esc"


def _is_ready(url: str) -> bool:
    return ask_json(f"{url}/_emulator/health").get("emulator") == "esc"
