"""Where a client finds its models: a file, or a gateway named by two environment variables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

from sophia_infra.inference.errors import SettingsRefused
from sophia_infra.model.gateway import KEY_VARIABLE, URL_VARIABLE, GatewayConfig

__all__ = ["CONFIG_VARIABLE", "GATEWAY", "KEY_VARIABLE", "URL_VARIABLE", "gateway_client", "read_config"]

CONFIG_VARIABLE = "SOPHIA_INFERENCE_CONFIG"

GATEWAY = "gateway"
"""Name of the only backend of a client whose gateway keeps the books."""


def read_config(path: Path) -> GatewayConfig:
    """The gateway's own file (JSON).

    Raises:
        SettingsRefused: names the file and each field that is wrong, never a value.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsRefused(f"{path} cannot be read as JSON ({type(error).__name__}).") from None
    return _validated(document, str(path))


def gateway_client(environ: Mapping[str, str], models: Iterable[str]) -> GatewayConfig:
    """A configuration with the gateway of the environment as the only backend.

    The gateway retries, falls back, caches and keeps budgets; so the client does none of these.

    Raises:
        SettingsRefused: no address or no key, with all three ways to give one.
    """
    url, key = environ.get(URL_VARIABLE, ""), environ.get(KEY_VARIABLE, "")
    if not url or not key:
        missing = URL_VARIABLE if not url else KEY_VARIABLE
        raise SettingsRefused(
            f"No models are configured: {missing} is not set.",
            next_step=f"Set {URL_VARIABLE} (a gateway's address up to /v1) and {KEY_VARIABLE} (a key of it), "
            f"or {CONFIG_VARIABLE} (a file), or pass a GatewayConfig.",
        )
    backend = {
        "kind": "openai",
        "base_url": url,
        "api_key_env": KEY_VARIABLE,
        "models": {name: name for name in models},
        "max_in_flight": 1_000,
    }
    routing = {"fallback": [], "attempts": 2}
    return _validated(
        {"backends": {GATEWAY: backend}, "routing": routing, "cache": {"enabled": False}}, URL_VARIABLE
    )


def _validated(document: object, source: str) -> GatewayConfig:
    try:
        return GatewayConfig.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        problems = [
            f"{'.'.join(map(str, one['loc'])) or 'document'} {one['msg'].removeprefix('Value error, ')}"
            for one in found
        ]
        raise SettingsRefused(f"{source}: {'; '.join(problems)}.") from None
