"""The stack's typed configuration, where it is ours to read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sophia_infra.model.stack_config import StackConfig

__all__ = ["read_stack_config"]

_FLEET = "sophia:fleet"


def read_stack_config(config: Mapping[str, str], stack: str, directory: Path) -> StackConfig | None:
    """The configuration of `stack`; None for one without `sophia:fleet`, or when the program will refuse it.

    The program reads the same keys and stops on a mistake with a line for each; nothing is launched then.

    Args:
        directory: of the stack file, where the files that it names are.
    """
    if _FLEET not in config:
        return None
    # Imported here: it loads pydantic, and the pack has to answer the engine at once.
    from sophia_infra.model.stack_config import ConfigError, parse_stack_config

    try:
        return parse_stack_config(config, source=f"Pulumi.{stack}.yaml", directory=directory)
    except ConfigError:
        return None
