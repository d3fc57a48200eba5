"""A baseline: what a stack was at one moment, as one file that a later look is compared with.

The file is JSON: `format` (1), `stack`, `taken_at` (UTC), `phase`, and `figures`, each with `value` (a number
as text, or null), `unit`, `source` and `missing` (why there is no value).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from sophia_infra.reports.figures import utc_text
from sophia_infra.validation.errors import BaselineRefused
from sophia_infra.validation.figures import FIGURES
from sophia_infra.validation.world import World

__all__ = ["Baseline", "BaselineValue", "capture", "read_baseline"]

_FORMAT: Final = 1
_AGAIN: Final = "capture one: `sophia baseline capture`."


@dataclass(frozen=True, slots=True)
class BaselineValue:
    """One figure; `value` is None when it was not known, and then `missing` says why."""

    value: Decimal | None
    source: str
    missing: str


@dataclass(frozen=True, slots=True)
class Baseline:
    """One look. `values` has a key for each of `FIGURES`."""

    stack: str
    taken_at: str
    phase: int
    values: Mapping[str, BaselineValue]

    @property
    def known(self) -> int:
        """How many figures have a value."""
        return sum(row.value is not None for row in self.values.values())

    def as_json(self) -> dict[str, Any]:
        """The file's document."""
        units = {figure.key: figure.unit for figure in FIGURES}
        return {
            "format": _FORMAT,
            "stack": self.stack,
            "taken_at": self.taken_at,
            "phase": self.phase,
            "figures": {
                key: {
                    "value": None if row.value is None else f"{row.value:f}",
                    "unit": units.get(key, ""),
                    "source": row.source,
                    "missing": row.missing or None,
                }
                for key, row in self.values.items()
            },
        }


def capture(world: World) -> Baseline:
    """Read every figure of `world`."""
    read = {figure.key: figure.read(world) for figure in FIGURES}
    values = {key: BaselineValue(one.value, one.source, one.missing) for key, one in read.items()}
    return Baseline(world.name, utc_text(world.taken_at_s), world.phase, values)


def read_baseline(file: Path, stack: str) -> Baseline:
    """The baseline in `file`.

    Raises:
        BaselineRefused: there is none, it is damaged or of a newer form, or of another stack.
    """
    try:
        row = json.loads(file.read_text(encoding="utf-8"))
        if row["format"] != _FORMAT:
            raise BaselineRefused(
                f"{file} is of form {row['format']}, this program knows {_FORMAT}.",
                next_step="read it with the program that wrote it.",
            )
        found = Baseline(
            stack=str(row["stack"]),
            taken_at=str(row["taken_at"]),
            phase=int(row["phase"]),
            values={str(key): _value(one) for key, one in row["figures"].items()},
        )
    except FileNotFoundError:
        raise BaselineRefused(f"There is no baseline {file}.", next_step=_AGAIN) from None
    except OSError as error:
        raise BaselineRefused(f"{file} cannot be read: {error.strerror}.", next_step=_AGAIN) from None
    except (ValueError, KeyError, TypeError, AttributeError, InvalidOperation):
        raise BaselineRefused(f"{file} is no baseline, or was damaged.", next_step=_AGAIN) from None
    if found.stack != stack:
        raise BaselineRefused(
            f"{file} is of stack {found.stack}, not of {stack}.", next_step=f"give --stack {found.stack}."
        )
    return found


def _value(row: Mapping[str, Any]) -> BaselineValue:
    value = None if row["value"] is None else Decimal(row["value"])
    if value is not None and not value.is_finite():
        raise ValueError("no number")
    return BaselineValue(value, str(row["source"]), str(row["missing"] or ""))
