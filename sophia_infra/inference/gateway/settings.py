"""What one gateway process is told at its start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sophia_infra.inference.errors import SettingsRefused
from sophia_infra.model.gateway import GatewayConfig

__all__ = ["LEDGER_FILE", "GatewaySettings"]

LEDGER_FILE: Final = "inference-ledger.sqlite"
"""The ledger beside the configuration when nothing else is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """Settings of the process; what belongs to the stack is in the configuration.

    Attributes:
        config_path: GatewayConfig as JSON, every backend with its base_url.
        keys_path: see `keys`.
        ledger_url: goes before the configuration's `ledger_url_env`. None: that variable, else a SQLite file
            beside the configuration. A URL with a password belongs in the variable: arguments show in `ps`.
        catalogue_path: further models; None for those of the package.
        min_warm: model -> backends that should have it loaded; 1 for all others.
        linger_s: seconds for which calls are still taken after SIGTERM, while /ready says no.
        log_prompts: write prompts into the log. Off: they may hold anything.
    """

    config_path: Path
    keys_path: Path
    ledger_url: str | None = None
    catalogue_path: Path | None = None
    host: str = "127.0.0.1"
    port: int = 0
    endpoint_file: Path | None = None
    min_warm: Mapping[str, int] = field(default_factory=dict)
    linger_s: float = 0.0
    log_prompts: bool = False

    def resolved_ledger_url(self, config: GatewayConfig, environ: Mapping[str, str]) -> str:
        """The URL of the ledger. SettingsRefused: the variable that should hold it is not set."""
        if self.ledger_url is not None:
            return self.ledger_url
        if config.ledger_url_env is not None:
            url = environ.get(config.ledger_url_env)
            if not url:
                raise SettingsRefused(
                    f"ledger_url_env names {config.ledger_url_env}, which is not set.",
                    next_step="Set the variable to a SQLAlchemy URL and start again.",
                )
            return url
        return f"sqlite:///{self.config_path.resolve().with_name(LEDGER_FILE)}"
