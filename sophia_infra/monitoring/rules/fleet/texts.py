"""Pieces of the sentences in alerts, as templates that Prometheus fills in.

A second figure beside `$value` has to be asked for: templates cannot calculate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sophia_infra.monitoring.terms import Service

__all__ = ["PERCENT", "USD", "USD_ROUND", "VALUE_PERCENT", "VALUE_USD", "asked", "owner_label"]

USD: Final = 'printf "$%.2f"'
USD_ROUND: Final = 'printf "$%.0f"'
PERCENT: Final = "humanizePercentage"

VALUE_USD: Final = f"{{{{ $value | {USD} }}}}"
VALUE_PERCENT: Final = f"{{{{ $value | {PERCENT} }}}}"


def asked(query: str, form: str = USD, *, otherwise: str = "an unknown amount") -> str:
    """The first value of a query in a form; `otherwise` when it gives none.

    Args:
        query: PromQL, in which a label of the alarm stands as `%label%`, to become a quoted string.
    """
    labels = query.split("%")[1::2]
    if labels:
        pattern = query
        for label in labels:
            pattern = pattern.replace(f"%{label}%", "%q", 1)
        arguments = " ".join(f"$labels.{label}" for label in labels)
        source = f"printf `{pattern}` {arguments} | query"
    else:
        source = f"query `{query}`"
    return (
        f"{{{{ with {source} }}}}{{{{ . | first | value | {form} }}}}{{{{ else }}}}{otherwise}{{{{ end }}}}"
    )


def owner_label(services: tuple[Service, ...], otherwise: str) -> Mapping[str, str]:
    """A label `owner` by the team of the service that an alarm is about."""
    teams: dict[str, list[str]] = {}
    for service in services:
        if service.team != otherwise:
            teams.setdefault(service.team, []).append(service.name)
    if not teams:
        return {}
    branches = " else ".join(
        f'if match "^({"|".join(names)})$" $labels.service }}}}{team}{{{{' for team, names in teams.items()
    )
    return {"owner": f"{{{{ {branches} else }}}}{otherwise}{{{{ end }}}}"}
