"""The tables of criteria, read and checked once.

A table is a list of groups: `section`, `phase` (1 to 3, or `every`), and `criteria`, each with `id`, `text`,
`target`, `label`, and where they apply `reason`, `tests` (below `tests/`), `check` (name and argument) and
`gates: false`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, get_args

import yaml

from sophia_infra.model.errors import did_you_mean
from sophia_infra.model.yaml_loader import SafeLoader
from sophia_infra.validation.criterion import EVERY_PHASE, Criterion, Label
from sophia_infra.validation.errors import CriteriaRefused, CriterionUnknown

__all__ = ["chosen", "criteria"]

_FOLDER: Final = Path(__file__).with_name("data")
_PHASES: Final = {1: 1, 2: 2, 3: 3, "every": EVERY_PHASE}
_KEYS: Final = frozenset({"id", "text", "target", "label", "reason", "tests", "check", "gates"})


@cache
def criteria() -> tuple[Criterion, ...]:
    """All of them, in the order of the tables. Raises CriteriaRefused."""
    found = [row for file in sorted(_FOLDER.glob("*.yaml")) for row in _read(file)]
    ids = [row.id for row in found]
    doubled = sorted({one for one in ids if ids.count(one) > 1})
    if doubled:
        raise _refused(f"The ids {', '.join(doubled)} stand twice.")
    return tuple(found)


def chosen(ids: Iterable[str] = (), phase: int | None = None) -> tuple[Criterion, ...]:
    """The criteria of these ids, or of `phase` with those of every phase, or all. Raises CriterionUnknown."""
    every = criteria()
    wanted = list(dict.fromkeys(ids))
    known = {row.id: row for row in every}
    for one in wanted:
        if one not in known:
            raise CriterionUnknown(
                f"There is no criterion {one!r}{did_you_mean(one, known) or '.'}",
                next_step="`sophia validate --list` names all of them.",
            )
    if wanted:
        return tuple(known[one] for one in wanted)
    if phase is None:
        return every
    return tuple(row for row in every if row.phase in (phase, EVERY_PHASE))


def _read(file: Path) -> Iterator[Criterion]:
    for group in yaml.load(file.read_text(encoding="utf-8"), Loader=SafeLoader):  # noqa: S506
        if group["phase"] not in _PHASES:
            raise _refused(f"{file.name}: {group['phase']!r} is no phase.")
        for row in group["criteria"]:
            yield _criterion(file.name, str(group["section"]), _PHASES[group["phase"]], row)


def _criterion(file: str, section: str, phase: int, row: Mapping[str, Any]) -> Criterion:
    if unknown := row.keys() - _KEYS:
        raise _refused(f"{file}: {row.get('id')} has keys that are none: {', '.join(sorted(unknown))}.")
    if row["label"] not in get_args(Label):
        raise _refused(f"{file}: {row['id']} has the label {row['label']!r}.")
    found = Criterion(
        id=str(row["id"]),
        section=section,
        phase=phase,
        text=str(row["text"]),
        target=str(row["target"]),
        label=row["label"],
        reason=str(row.get("reason", "")),
        tests=tuple(f"tests/{name}" for name in row.get("tests", ())),
        check=str(row.get("check", "")),
        gates=bool(row.get("gates", True)),
    )
    if found.label != "proved" and not found.reason:
        raise _refused(f"{file}: {found.id} is {found.label}, and nothing says why.")
    if found.label != "not provable here" and not found.tests:
        raise _refused(f"{file}: {found.id} is {found.label}, and no test is named.")
    return found


def _refused(message: str) -> CriteriaRefused:
    return CriteriaRefused(message, next_step="correct sophia_infra/validation/data.")
