"""The provider's own configuration: which of the two clouds, and the key where the environment has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sophia_infra.plugin_protocol.changes import Difference, find_changes
from sophia_infra.plugin_protocol.unknown import UNKNOWN
from sophia_infra.provider.errors import SettingsRefused

__all__ = ["compare_configuration", "reader_of", "why_refused"]

_ENDPOINT: Final = "endpoint"
_ENDPOINTS: Final = ("emulator", "lambda")
_NAMES: Final = (_ENDPOINT, "lambda_api_key")
_SECTION: Final = "sophia:"


def why_refused(inputs: Mapping[str, Any]) -> tuple[str, str] | None:
    """(property, reason) when these inputs cannot work; None when they can, or are not known yet."""
    endpoint = inputs.get(_ENDPOINT)
    if endpoint is UNKNOWN or endpoint in _ENDPOINTS:
        return None
    return _ENDPOINT, f"must be {' or '.join(_ENDPOINTS)}; for `pulumi import`, name the stack's own provider"


def compare_configuration(old: Mapping[str, Any], new: Mapping[str, Any]) -> Difference:
    """What changes of the provider. Nothing does when `old` is the configuration of another provider.

    Raises:
        SettingsRefused: the stack would move to another cloud, where none of its machines is.
    """
    before, after = old.get(_ENDPOINT), new.get(_ENDPOINT)
    if before is None:
        return Difference({})
    if after not in (before, UNKNOWN):
        raise SettingsRefused(
            f"This stack is of the endpoint {before}, and would move to {after}, where none of its machines "
            "is. Nothing was changed.",
            next_step="set `sophia:endpoint` back, or make another stack.",
        )
    return Difference(
        find_changes(
            {name: old[name] for name in _NAMES if name in old},
            {name: new[name] for name in _NAMES if name in new},
        )
    )


def reader_of(inputs: Mapping[str, Any]) -> Callable[[str], Any]:
    """Reads these inputs by the full keys of the stack's configuration, such as `sophia:endpoint`."""
    values = {f"{_SECTION}{name}": inputs.get(name) for name in _NAMES}
    return values.get
