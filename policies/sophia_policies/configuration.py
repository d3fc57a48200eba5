"""Pack configuration: `policies/config/<stack>.json` below, `--policy-pack-config FILE` above it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from sophia_infra.model.errors import did_you_mean
from sophia_policies.errors import ConfigurationRefused
from sophia_policies.registry import RULES_BY_NAME

__all__ = ["ALL", "CONFIG_FOLDER", "LEVEL", "LEVELS", "check_configuration", "load_stack_settings"]

CONFIG_FOLDER: Final = Path(__file__).resolve().parents[1] / "config"
ALL: Final = "all"
"""The engine's key for every rule; takes a level only."""
LEVEL: Final = "enforcementLevel"
LEVELS: Final = ("advisory", "mandatory", "disabled")


def load_stack_settings(stack: str, folder: Path = CONFIG_FOLDER) -> dict[str, dict[str, Any]]:
    """Rule -> settings (and `enforcementLevel`) of `folder`/<stack>.json; empty when there is no such file.

    A level alone may be given as text: `{"probes": "mandatory"}`.

    Raises:
        ConfigurationRefused: not JSON, or a rule, setting or level that does not exist.
    """
    file = folder / f"{stack}.json"
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationRefused(f"config/{file.name}", [f"cannot be read: {error}"]) from None
    if not isinstance(document, dict):
        raise ConfigurationRefused(f"config/{file.name}", ["has to be an object: rule -> level or settings"])
    settings = {rule: {LEVEL: value} if isinstance(value, str) else value for rule, value in document.items()}
    check_configuration(settings, f"config/{file.name}")
    return settings


def check_configuration(settings: Mapping[str, Any], source: str) -> None:
    """Refuse rules, settings and levels that do not exist: the engine would take them and do nothing.

    The values of settings are checked by the engine, against the schema of each rule.
    """
    problems = [problem for rule, values in settings.items() for problem in _problems_of(rule, values)]
    if problems:
        raise ConfigurationRefused(source, problems)


def _problems_of(rule: str, values: Any) -> Iterator[str]:
    if not isinstance(values, Mapping):
        yield f"{rule}: has to be a level or an object of settings"
        return
    level = values.get(LEVEL)
    if level is not None and level not in LEVELS:
        yield f"{rule}: {LEVEL} is {level!r}; it may be {', '.join(LEVELS)}"
    if rule == ALL:
        known: tuple[str, ...] = (LEVEL,)
    elif rule in RULES_BY_NAME:
        known = (LEVEL, *RULES_BY_NAME[rule].settings)
    else:
        yield f"there is no rule {rule!r}{did_you_mean(rule, RULES_BY_NAME)}"
        return
    for name in values:
        if name not in known:
            yield f"{rule} has no setting {name!r}{did_you_mean(name, known)}"
