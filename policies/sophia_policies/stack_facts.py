"""The stack's typed configuration, where it is ours to read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sophia_infra.model.stack_config import StackConfig

__all__ = ["read_stack_config"]

_FLEET = "sophia:fleet"


def read_stack_config(config: Mapping[str, str], stack: str) -> StackConfig | None:
    """The configuration of `stack`; None for one without `sophia:fleet`, or when the program will refuse it.

    The program reads the same keys and stops on a mistake with a line for each; nothing is launched then.
    """
    if _FLEET not in config:
        return None
    # Imported here: it loads pydantic, and the pack has to answer the engine at once.
    from sophia_infra.model.stack_config import ConfigError, parse_stack_config

    # The engine runs the pack in the pack's own folder; the stack file and what it names lie elsewhere.
    project = os.environ.get("SOPHIA_PROJECT")
    directory = Path(project).expanduser() if project else Path(__file__).resolve().parents[2]
    try:
        return parse_stack_config(config, source=f"Pulumi.{stack}.yaml", directory=directory)
    except ConfigError:
        return None
