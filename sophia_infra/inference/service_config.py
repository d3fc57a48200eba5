"""A client whose models are behind a gateway, named by two environment variables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sophia_infra.inference.config_file import parse_config
from sophia_infra.inference.errors import SettingsRefused
from sophia_infra.model.gateway import KEY_VARIABLE, URL_VARIABLE, GatewayConfig

__all__ = ["CONFIG_VARIABLE", "GATEWAY", "KEY_VARIABLE", "URL_VARIABLE", "gateway_client"]

CONFIG_VARIABLE = "SOPHIA_INFERENCE_CONFIG"

GATEWAY = "gateway"
"""Name of the only backend of a client whose gateway keeps the books."""


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
    return parse_config(
        {"backends": {GATEWAY: backend}, "routing": routing, "cache": {"enabled": False}}, URL_VARIABLE
    )
