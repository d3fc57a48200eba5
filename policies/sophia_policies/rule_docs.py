"""The part of `docs/policies.md` that comes from the rules.

`PYTHONPATH=policies .venv/bin/python -m sophia_policies.rule_docs` writes it; a test compares.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sophia_policies.registry import CONCERNS, NOT_WAIVABLE
from sophia_policies.rule import ResourceRule, StackRule

__all__ = ["BEGIN", "DOCS_FILE", "END", "build_rules_section", "write_rules_section"]

DOCS_FILE: Final = Path(__file__).resolve().parents[2] / "docs" / "policies.md"
BEGIN: Final = "<!-- rules: begin; written by sophia_policies.rule_docs, never by hand -->"
END: Final = "<!-- rules: end -->"


def build_rules_section() -> str:
    """A table of all rules, then a section for each, whose heading is the anchor that violations link to."""
    return "\n".join([BEGIN, "", *_table(), *_sections(), END])


def write_rules_section(file: Path = DOCS_FILE) -> None:
    """Replace what stands between the marks in `file`."""
    text = file.read_text(encoding="utf-8")
    before, _begin, rest = text.partition(BEGIN)
    _old, _end, after = rest.partition(END)
    file.write_text(f"{before}{build_rules_section()}{after}", encoding="utf-8")


def _table() -> Iterator[str]:
    yield "| Rule | Level | Looks at | Demands |"
    yield "|---|---|---|---|"
    for rules in CONCERNS.values():
        for rule in rules:
            scope = "each resource" if isinstance(rule, ResourceRule) else "the stack"
            yield f"| [{rule.name}](#{rule.name}) | {rule.level} | {scope} | {rule.summary} |"
    yield ""


def _sections() -> Iterator[str]:
    for concern, rules in CONCERNS.items():
        yield f"## {concern}"
        yield ""
        for rule in rules:
            yield from _section(rule)


def _section(rule: ResourceRule | StackRule) -> Iterator[str]:
    yield f"### {rule.name}"
    yield ""
    waivable = ", cannot be waived" if rule.name in NOT_WAIVABLE else ""
    yield f"{rule.level.capitalize()}{waivable}. {rule.summary}"
    yield ""
    yield f"- Why: {rule.reason}"
    yield f"- Fix: {rule.fix}"
    for name, setting in rule.settings.items():
        # An empty default is explained by the meaning: what holds when nothing is set.
        is_plain = setting.default not in ("", None, [], {})
        default = f" (default `{json.dumps(setting.default)}`)" if is_plain else ""
        yield f"- Setting `{name}`: {setting.meaning}{default}."
    yield ""


if __name__ == "__main__":
    write_rules_section()
