"""Run every test that the table names, at every moment, and write what they counted into docs/faults.md.

    python -m tests.faults            # run (some five minutes on two cores) and write
    python -m tests.faults --draw     # write the page from the figures of the last run

A cell counts how often its fault struck: what its tests recorded, else one for each of their cases.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

from tests.faults.table import (
    CHECKOUT,
    FIGURES,
    PAGE,
    Figures,
    named_tests,
    page_with,
    read_figures,
    read_matrix,
)
from tests.faults.trials import TRIALS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Write docs/faults.md.")
    parser.add_argument("--draw", action="store_true", help="run nothing; draw the figures that there are")
    options = parser.parse_args()
    matrix = read_matrix()
    if not options.draw:
        figures = run(named_tests(matrix))
        if figures is None:
            return 1
        FIGURES.write_text(json.dumps(figures, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    page = page_with(matrix, read_figures(), PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(page, encoding="utf-8")
    return 0


def run(tests: list[str]) -> Figures | None:
    """Run them in full; None when one failed, was skipped or is not there."""
    functions = sorted({test.partition("[")[0] for test in tests})
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-o",
                "junit_family=xunit1",
                f"--junit-xml={report}",
                *functions,
            ],
            cwd=CHECKOUT,
            env={**os.environ, "SOPHIA_FULL": "1"},
            check=False,
        )
        cases = _cases(report)
    figures = {test: (len(found), sum(found)) for test in tests if (found := _found(test, cases))}
    missing = [test for test in tests if test not in figures]
    for test in missing:
        print(f"did not run: {test}", file=sys.stderr)
    return None if done.returncode or missing else figures


def _found(test: str, cases: dict[str, dict[str, int]]) -> list[int]:
    function, bracket, case = test.partition("[")
    rows = cases.get(function, {})
    if not bracket:
        return list(rows.values())
    return [rows[case[:-1]]] if case[:-1] in rows else []


def _cases(report: Path) -> dict[str, dict[str, int]]:
    """Function -> case -> how often its fault struck, of the tests that passed."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    # Written by our own run of pytest a moment ago.
    for row in ElementTree.parse(report).iter("testcase"):  # noqa: S314
        if (
            row.find("failure") is not None
            or row.find("error") is not None
            or row.find("skipped") is not None
        ):
            continue
        file = row.attrib["classname"].replace(".", "/") + ".py"
        name, _, case = row.attrib["name"].partition("[")
        recorded = [one.attrib["value"] for one in row.iter("property") if one.attrib["name"] == TRIALS]
        found[f"{file}::{name}"][case[:-1]] = int(recorded[0]) if recorded else 1
    return found


if __name__ == "__main__":
    raise SystemExit(main())
