"""Prometheus' own relabelling, as far as charts and monitors of ours use it; anchored regular expressions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any


def relabel(steps: Iterable[Mapping[str, Any]], labels: Mapping[str, str]) -> dict[str, str] | None:
    """Labels afterwards; None when a step drops them."""
    made = dict(labels)
    for step in steps:
        action, regex = step.get("action", "replace"), re.compile(step.get("regex", "(.*)"), re.DOTALL)
        source = ";".join(made.get(name, "") for name in step.get("sourceLabels", ()))
        if action == "drop":
            if regex.fullmatch(source):
                return None
        elif action == "labeldrop":
            made = {name: value for name, value in made.items() if not regex.fullmatch(name)}
        elif action == "replace":
            match = regex.fullmatch(source)
            if match:
                replacement = step.get("replacement", "$1")
                made[step["targetLabel"]] = match.expand(re.sub(r"\$(\d+)", r"\\\1", replacement))
        else:
            raise AssertionError(f"the model does not know {action}")
    return made


def keeps(steps: Iterable[Mapping[str, Any]], labels: Mapping[str, str]) -> bool:
    """Whether a series with these labels is kept."""
    return relabel(steps, labels) is not None
