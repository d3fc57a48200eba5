"""What `pulumi up` runs: the stack's configuration in, the phases built, addresses and dollars out."""

from __future__ import annotations

from decimal import Decimal

import pulumi
from pulumi.runtime.config import get_config_env

from sophia_infra.components.fleet import Fleet
from sophia_infra.model.errors import ConfigError
from sophia_infra.model.money import HOURS_PER_MONTH
from sophia_infra.model.stack_config import StackConfig, parse_stack_config
from sophia_infra.provider.resources import InferenceEndpoint

__all__ = ["build", "run"]


def run() -> None:
    """Build the current stack. A configuration mistake ends the program with one line per problem.

    Raises:
        SystemExit: the configuration is refused; nothing was registered, so nothing is launched or deleted.
    """
    source = f"Pulumi.{pulumi.get_stack()}.yaml"
    try:
        config = parse_stack_config(get_config_env(), source=source)
    except ConfigError as error:
        pulumi.log.error(str(error))
        raise SystemExit(1) from None
    build(config)


def build(config: StackConfig) -> Fleet:
    """Register the resources of all phases up to `config.phase`, and export the stack's outputs."""
    for warning in config.warnings:
        pulumi.log.warn(warning)
    fleet = Fleet("fleet", config, f"{pulumi.get_project()}/{pulumi.get_stack()}")
    for name, endpoint in config.inference.items():
        InferenceEndpoint(
            name,
            {
                "base_url": endpoint.base_url,
                "api_key_env": endpoint.api_key_env,
                "prices": {
                    model: {
                        "usd_per_million_input": str(price.usd_per_million_input),
                        "usd_per_million_output": str(price.usd_per_million_output),
                        "context_tokens": price.context_tokens,
                    }
                    for model, price in endpoint.prices.items()
                },
            },
        )
    pulumi.export("phase", config.phase)
    pulumi.export("machines", fleet.machines)
    pulumi.export("architectures", fleet.architectures)
    pulumi.export("usd_per_hour", fleet.usd_per_hour)
    pulumi.export("usd_per_month", fleet.usd_per_hour.apply(_usd_per_month))
    return fleet


def _usd_per_month(usd_per_hour: str) -> str:
    return str(Decimal(usd_per_hour) * HOURS_PER_MONTH)
