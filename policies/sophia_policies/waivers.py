"""Waivers: an exception to a rule with an owner, a reason and a last day.

A valid waiver turns violations into advisories that name owner and day. An expired one does nothing but
object itself (rule `waiver-expired`), so that it is renewed on purpose or taken out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from sophia_infra.model.errors import did_you_mean
from sophia_infra.model.yaml_text import read_yaml
from sophia_policies.errors import WaiversRefused

__all__ = ["WAIVERS_FILE", "Waiver", "find_waiver", "list_waivers", "load_waivers", "parse_waivers"]

WAIVERS_FILE: Final = Path(__file__).resolve().parents[1] / "waivers.yaml"

_REQUIRED = ("rule", "resource", "owner", "reason", "expires")
_OPTIONAL = ("stack",)


@dataclass(frozen=True, slots=True)
class Waiver:
    """One exception.

    Attributes:
        rule: name of the rule that is waived.
        resource: logical name, or a pattern (`*`, `?`) over names or URNs; `*` for the stack as a whole.
        owner: who answers for it.
        reason: why, in words.
        expires: the last day on which it counts.
        stack: the only stack it counts for; None for all.
    """

    rule: str
    resource: str
    owner: str
    reason: str
    expires: date
    stack: str | None = None

    def is_valid(self, today: date) -> bool:
        """Whether it counts on `today`; the day `expires` is the last."""
        return today <= self.expires

    def concerns(self, stack: str) -> bool:
        return self.stack in (None, stack)

    def covers(self, rule: str, name: str, urn: str) -> bool:
        """Whether it is about this rule and this resource."""
        return self.rule == rule and (fnmatchcase(name, self.resource) or fnmatchcase(urn, self.resource))

    def __str__(self) -> str:
        where = f" in stack {self.stack}" if self.stack else ""
        return f"{self.rule} for {self.resource}{where}, by {self.owner} until {self.expires}: {self.reason}"


def load_waivers(rules: Collection[str], file: Path = WAIVERS_FILE) -> tuple[Waiver, ...]:
    """The waivers of `file`; none when there is no file. `rules`: names that may be waived.

    Raises:
        WaiversRefused: see `parse_waivers`.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise WaiversRefused(file.name, [f"cannot be read: {error}"]) from None
    return parse_waivers(text, rules, file.name)


def parse_waivers(text: str, rules: Collection[str], source: str = "waivers.yaml") -> tuple[Waiver, ...]:
    """A YAML mapping with the one key `waivers`, a list of mappings with the keys of `Waiver`.

    Raises:
        WaiversRefused: unknown or missing keys, a rule that does not exist, a date that is none, two equal
            entries; all problems, each with its line.
    """
    document = read_yaml(text)
    problems = [f"line {finding.line}: {finding.message}" for finding in document.findings]
    rows = _rows(document.value, problems)
    waivers: list[Waiver] = []
    for number, row in enumerate(rows):
        at = f"line {document.lines.get(('waivers', number), 0)}"
        found = [f"{at}: {problem}" for problem in _problems_of(row, rules)]
        problems += found
        if not found:
            waiver = _waiver_of(row)
            if waiver in waivers:
                problems.append(f"{at}: is there twice")
            waivers.append(waiver)
    if problems:
        raise WaiversRefused(source, problems)
    return tuple(waivers)


def find_waiver(
    waivers: Sequence[Waiver], rule: str, name: str, urn: str, today: date
) -> tuple[Waiver | None, Waiver | None]:
    """(valid, expired): the waiver with the latest day of each sort that covers the resource."""
    covering = sorted(
        (item for item in waivers if item.covers(rule, name, urn)), key=lambda item: item.expires
    )
    valid = [item for item in covering if item.is_valid(today)]
    expired = [item for item in covering if not item.is_valid(today)]
    return (valid[-1] if valid else None, expired[-1] if expired else None)


def list_waivers(waivers: Sequence[Waiver], today: date) -> list[dict[str, Any]]:
    """One row per waiver for people and programs: its fields, `valid`, and `days_left` (below 0: expired)."""
    return [
        {
            "rule": item.rule,
            "resource": item.resource,
            "stack": item.stack,
            "owner": item.owner,
            "reason": item.reason,
            "expires": item.expires.isoformat(),
            "valid": item.is_valid(today),
            "days_left": (item.expires - today).days,
        }
        for item in sorted(waivers, key=lambda item: (item.expires, item.rule, item.resource))
    ]


def _rows(value: Any, problems: list[str]) -> Sequence[Any]:
    if value is None:
        return ()
    if not isinstance(value, dict) or list(value) != ["waivers"]:
        problems.append("has to be a mapping with the one key waivers")
        return ()
    rows = value["waivers"]
    if rows is None:
        return ()
    if not isinstance(rows, list):
        problems.append("waivers has to be a list")
        return ()
    return rows


def _problems_of(row: Any, rules: Collection[str]) -> Iterator[str]:
    if not isinstance(row, dict):
        yield "is not a mapping"
        return
    known = (*_REQUIRED, *_OPTIONAL)
    for key in row:
        if key not in known:
            yield f"{key} is not a key of a waiver{did_you_mean(str(key), known)}"
    for key in _REQUIRED:
        if key not in row:
            yield f"{key} is missing"
    for key, value in row.items():
        if key in known and (not isinstance(value, str) or not value.strip()):
            yield f"{key} has to be text"
    rule = row.get("rule")
    if isinstance(rule, str) and rule.strip() and rule not in rules:
        yield f"there is no rule {rule!r}{did_you_mean(rule, rules)}"
    expires = row.get("expires")
    if isinstance(expires, str) and expires.strip():
        try:
            date.fromisoformat(expires)
        except ValueError:
            yield f"expires is {expires!r}, and a day is wanted, for example 2026-12-31"


def _waiver_of(row: Mapping[str, str]) -> Waiver:
    return Waiver(**{**row, "expires": date.fromisoformat(row["expires"])})  # type: ignore[arg-type]
