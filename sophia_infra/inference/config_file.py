"""The configuration of a gateway, or of a client without one, as JSON: the keys of `sophia:gateway`."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from sophia_infra.inference.errors import SettingsRefused
from sophia_infra.model.explain import explain
from sophia_infra.model.gateway import GatewayConfig

__all__ = ["parse_config", "read_config"]


def read_config(path: Path) -> GatewayConfig:
    """The configuration in a file.

    Raises:
        SettingsRefused: not readable, not JSON, or each thing that is wrong with it.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsRefused(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise SettingsRefused(f"{path} is not JSON: {error}.") from None
    return parse_config(document, str(path))


def parse_config(document: object, source: str) -> GatewayConfig:
    """`document` as a configuration. SettingsRefused names `source` and each field that is wrong."""
    try:
        return GatewayConfig.model_validate(document)
    except ValidationError as error:
        findings = [
            f"{'.'.join(str(part) for part in finding.loc) or 'the configuration'} {finding.refused}"
            for finding in explain(error, GatewayConfig)
        ]
        raise SettingsRefused(f"{source}: {'; '.join(findings)}.") from None
