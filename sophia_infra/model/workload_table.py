"""The shared table of workloads and databases, which several stacks read beside their own entries.

A stack's entry of the same name replaces single fields of it: `{replicas: 3}` keeps image, ports and the
rest. A field is replaced as a whole, also when it is a mapping. Whatever is wrong is said with the file and
the line in which it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sophia_infra.model import yaml_text
from sophia_infra.model.beside import read_beside
from sophia_infra.model.errors import Problem, did_you_mean
from sophia_infra.model.explain import make_problem, shown_key
from sophia_infra.model.forms import Conflict, parse_text

__all__ = ["FILE_KEY", "SECTIONS", "WorkloadTable", "read_workload_table"]

SECTIONS = ("workloads", "databases")
HOME = "kubernetes"
FILE_KEY = "workloads_file"
_Loc = tuple[str | int, ...]


@dataclass(slots=True)
class WorkloadTable:
    """What the table says and where, and which of it the stack's own entries replace.

    Attributes:
        file: its name as the stack file has it.
        rows: section -> name -> fields, as YAML gives them.
        lines: path in the table -> 1-based line.
        problems: what is wrong with its text and its top level.
        own: the stack's own section, before the table came in.
    """

    file: str
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    lines: Mapping[_Loc, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    own: Mapping[str, Any] = field(default_factory=dict)

    def merged(self) -> dict[str, Any]:
        """The stack's section with the rows of the table in it: the table's order, then the stack's."""
        section = {key: value for key, value in self.own.items() if key != FILE_KEY}
        for name in SECTIONS:
            mine = section.get(name, {})
            if isinstance(mine, dict):
                rows = self.rows.get(name, {})
                section[name] = {key: _overridden(rows.get(key), mine.get(key)) for key in {**rows, **mine}}
        return section

    def problem(self, finding: Conflict) -> Problem | None:
        """`finding` as a line about the table; None when what it is about stands in the stack file."""
        if len(finding.loc) < 3 or finding.loc[0] != HOME or finding.loc[1] not in SECTIONS:
            return None
        section, name = str(finding.loc[1]), str(finding.loc[2])
        mine = self.own.get(section)
        own = mine.get(name) if isinstance(mine, dict) else None
        is_replaced = own is not None and not isinstance(own, dict)
        if isinstance(own, dict):
            is_replaced = finding.loc[3:4] != () and finding.loc[3] in own
        if is_replaced or name not in self.rows.get(section, {}):
            return None
        loc = finding.loc[1:]
        line = next(
            (self.lines[loc[:end]] for end in range(len(loc), 0, -1) if loc[:end] in self.lines), None
        )
        found = make_problem(self.file, Conflict(loc, finding.refused, finding.value), line)
        return replace(found, key=found.key.removeprefix("sophia:"))


def read_workload_table(section: Mapping[str, Any], folder: Path) -> WorkloadTable | None:
    """The table that a `sophia:kubernetes` section names; None when it names none.

    Raises Refused when the name is none, leads out of `folder`, or its file cannot be read.
    """
    if section.get(FILE_KEY) is None:
        return None
    name = parse_text(section[FILE_KEY])
    text = read_beside(name, folder)
    document = yaml_text.read_yaml(text)
    table = WorkloadTable(name, lines=document.lines, own=section)
    for finding in document.findings:
        key = ".".join(map(shown_key, finding.path))
        table.problems.append(Problem(name, key, finding.line, None, None, finding.message))
    if not isinstance(document.value, dict):
        if not table.problems:
            table.problems.append(_of_key(table, "", "is not a mapping", allowed=", ".join(SECTIONS)))
        return table
    for key, rows in document.value.items():
        if key not in SECTIONS:
            message = f"is not a key of a workload table{did_you_mean(key, SECTIONS)}"
            table.problems.append(_of_key(table, key, message, allowed=", ".join(SECTIONS)))
        elif not isinstance(rows, dict):
            table.problems.append(_of_key(table, key, "is not a mapping"))
        else:
            table.rows[key] = rows
    return table


def _overridden(row: Any, own: Any) -> Any:
    return {**row, **own} if isinstance(row, dict) and isinstance(own, dict) else row if own is None else own


def _of_key(table: WorkloadTable, key: str, message: str, allowed: str | None = None) -> Problem:
    line = table.lines.get((key,)) if key else None
    return Problem(table.file, shown_key(key), line, None, allowed, message)
