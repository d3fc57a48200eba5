"""The parts of `docs/monitoring.md` that come from the model.

`python -m sophia_infra.monitoring.docs` writes them; a test compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sophia_infra.model.stack_config import load_stack_config
from sophia_infra.monitoring.coverage import coverage, render_markdown
from sophia_infra.monitoring.rule import duration, runbook_anchor
from sophia_infra.monitoring.rules import all_rules
from sophia_infra.monitoring.terms import Terms, terms_of

__all__ = ["DOCS_FILE", "write_parts", "written"]

CHECKOUT: Final = Path(__file__).resolve().parents[2]
DOCS_FILE: Final = CHECKOUT / "docs" / "monitoring.md"
STACK_FILE: Final = CHECKOUT / "Pulumi.local.yaml"
_MARK: Final = "written by sophia_infra.monitoring.docs, never by hand -->"


def written(text: str, terms: Terms) -> str:
    """`text` with both parts as the terms give them."""
    for part, lines in (("alerts", _alerts(terms)), ("coverage", _coverage(terms))):
        begin, end = f"<!-- {part}: begin; {_MARK}", f"<!-- {part}: end -->"
        before, _begin, rest = text.partition(begin)
        _old, _end, after = rest.partition(end)
        text = "\n".join([before + begin, "", *lines, "", end + after])
    return text


def write_parts(file: Path = DOCS_FILE) -> None:
    """Replace both parts of `file` by those of stack `local`."""
    terms = terms_of(load_stack_config(STACK_FILE), "sophia-infra/local")
    file.write_text(written(file.read_text(encoding="utf-8"), terms), encoding="utf-8")


def _alerts(terms: Terms) -> Iterator[str]:
    yield "| Alert | Severity | Holds for | Team |"
    yield "|---|---|---|---|"
    for group in all_rules(terms):
        for alert in group.alerts:
            link = f"[{alert.name}](runbooks.md#{runbook_anchor(alert.name)})"
            owner = "of the service" if "{{" in str(alert.labels.get("owner", "")) else alert.owner
            wait = duration(alert.for_s) if alert.for_s else "at once"
            yield f"| {link} | {alert.severity} | {wait} | {owner} |"


def _coverage(terms: Terms) -> list[str]:
    return render_markdown(coverage(terms)).strip().splitlines()


if __name__ == "__main__":
    write_parts()
