"""Which environment, where, and with whose token."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from sophia_infra.esc.errors import SettingsRefused, TokenMissing
from sophia_infra.esc.secret_text import SecretText
from sophia_infra.model.loopback import is_loopback

__all__ = ["CLOUD_URL", "URL_VARIABLE", "EnvironmentName", "EscAccess", "SecretsSettings", "access_for"]

CLOUD_URL = "https://api.pulumi.com"
"""Pulumi Cloud. Always given to the SDK, which would else take PULUMI_BACKEND_URL: a folder, here."""

URL_VARIABLE = "SOPHIA_ESC_URL"
"""Set by `sophia up` for the local emulator; wins over the stack file."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_ORGANIZATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,39}")


class SecretsSettings(Protocol):
    """What is read of `sophia:kubernetes.secrets`; `model.kubernetes.SecretsConfig` has it."""

    @property
    def organization(self) -> str: ...
    @property
    def project(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def api_url(self) -> str | None: ...
    @property
    def token_env(self) -> str: ...
    @property
    def rotate_days(self) -> int: ...


@dataclass(frozen=True, slots=True)
class EnvironmentName:
    """Organization, project and environment. Raises SettingsRefused for names that ESC cannot have."""

    organization: str
    project: str
    environment: str

    def __post_init__(self) -> None:
        if not _ORGANIZATION.fullmatch(self.organization):
            raise SettingsRefused(f"organization {self.organization!r}: 3 to 40 letters, digits, - and _.")
        for part, name in (("project", self.project), ("environment", self.environment)):
            if not _NAME.fullmatch(name):
                raise SettingsRefused(f"{part} {name!r}: 1 to 100 letters, digits, -, _ and dots.")

    def __str__(self) -> str:
        return f"{self.organization}/{self.project}/{self.environment}"


@dataclass(frozen=True, slots=True)
class EscAccess:
    """A place to ask and the token to ask with. `url` is scheme, host and port: the SDK drops any path."""

    url: str
    token: SecretText
    token_env: str


def access_for(
    settings: SecretsSettings, environ: Mapping[str, str], endpoint_override: str | None = None
) -> EscAccess:
    """Address and token: the override, else `SOPHIA_ESC_URL`, else the stack file, else Pulumi Cloud.

    Raises:
        SettingsRefused: the address has no https (http is for loopback only), or holds a login or a path.
        TokenMissing: the variable `settings.token_env` is empty.
    """
    url = endpoint_override or environ.get(URL_VARIABLE) or settings.api_url or CLOUD_URL
    token = environ.get(settings.token_env, "")
    checked = _checked(str(url))
    if not token:
        raise TokenMissing(
            f"The environment variable {settings.token_env} is not set, so ESC at {checked} cannot be asked.",
            next_step=f"Set {settings.token_env} to a Pulumi access token, then run it again.",
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise SettingsRefused(f"What {settings.token_env} holds is no access token: it has spaces or breaks.")
    return EscAccess(checked, SecretText(token), settings.token_env)


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise SettingsRefused("The address of ESC is no URL.") from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise SettingsRefused("The address of ESC must hold no login, query or fragment.")
    if parts.path.strip("/") not in ("", "api/esc"):
        raise SettingsRefused(
            f"The address of ESC must be scheme and host only, not {parts.path!r} behind them."
        )
    host = parts.hostname or ""
    if (
        not host
        or parts.scheme not in ("http", "https")
        or (parts.scheme == "http" and not is_loopback(host))
    ):
        raise SettingsRefused(
            f"The address of ESC is {parts.scheme}://{host}: it must be https, or http on this machine."
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else "")
