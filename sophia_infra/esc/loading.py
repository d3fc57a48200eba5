"""How the program and the commands come to an opened environment."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from sophia_infra.esc.client import TIMEOUT_S, EscClient
from sophia_infra.esc.opened import OpenedEnvironment
from sophia_infra.esc.settings import EnvironmentName, SecretsSettings, access_for

__all__ = ["connect", "load_for_program", "open_environment"]


def connect(
    settings: SecretsSettings,
    *,
    endpoint_override: str | None = None,
    environ: Mapping[str, str] = os.environ,
    timeout_s: float = TIMEOUT_S,
    monotonic: Callable[[], float] = time.monotonic,
) -> EscClient:
    """A client for the environment in `settings`. Sends nothing. Raises SettingsRefused, TokenMissing."""
    name = EnvironmentName(settings.organization, settings.project, settings.environment)
    access = access_for(settings, environ, endpoint_override)
    return EscClient(access, name, timeout_s=timeout_s, monotonic=monotonic)


def open_environment(
    settings: SecretsSettings,
    *,
    endpoint_override: str | None = None,
    environ: Mapping[str, str] = os.environ,
    timeout_s: float = TIMEOUT_S,
    monotonic: Callable[[], float] = time.monotonic,
) -> OpenedEnvironment:
    """Open the environment in `settings`: three requests, `timeout_s` for all of them. Raises EscError."""
    return connect(
        settings,
        endpoint_override=endpoint_override,
        environ=environ,
        timeout_s=timeout_s,
        monotonic=monotonic,
    ).open()


def load_for_program(
    secrets_config: SecretsSettings | None,
    endpoint_override: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> OpenedEnvironment | None:
    """What the program calls once per run. None, and no import of the SDK, where no secrets are named."""
    if secrets_config is None:
        return None
    return open_environment(secrets_config, endpoint_override=endpoint_override, environ=environ)
