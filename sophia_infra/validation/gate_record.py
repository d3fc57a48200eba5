"""The last result of a stack's gate, kept for those who ask later whether it was green, as `sophia promote`.

One file a gate, `<home>/gates/<stack>/phase-<n>.json`, replaced at each `sophia validate --phase <n>`:
`stack`, `gate`, `taken_at`, `green`, `strict`, `failed` as in the document of `--json`, `unknown` (how many),
and `stack_file_sha256` of the effective stack file that it was measured with.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from sophia_infra.reports.figures import utc_text
from sophia_infra.validation.errors import FileRefused
from sophia_infra.validation.files import write_whole
from sophia_infra.validation.report import Report

__all__ = ["write_gate"]


def write_gate(home: Path, report: Report, stack_file: str) -> Path:
    """Keep the result of a gate; the file.

    Raises:
        FileRefused: it cannot be written.
        ValueError: the report is no gate.
    """
    if report.gate is None:
        raise ValueError("this report is no gate")
    file = home / "gates" / report.stack / f"phase-{report.gate}.json"
    document = {
        "stack": report.stack,
        "gate": report.gate,
        "taken_at": utc_text(report.taken_at_s),
        "green": report.is_green,
        "strict": report.strict,
        "failed": [row.criterion.id for row in report.failed],
        "unknown": report.count("unknown"),
        "stack_file_sha256": hashlib.sha256(stack_file.encode()).hexdigest(),
    }
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise FileRefused(
            f"{file.parent} cannot be made: {error.strerror}.", next_step="correct what is in the way."
        ) from None
    write_whole(file, json.dumps(document, indent=2) + "\n")
    return file
