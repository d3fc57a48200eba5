"""Does every image keep to its size and its build time? What was not measured is never counted as kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from sophia_infra.images.errors import BudgetsRefused
from sophia_infra.images.measurements import read_build_metadata, read_history_bytes, read_manifest_bytes

__all__ = [
    "BudgetReport",
    "BudgetRow",
    "ImageBudget",
    "Measured",
    "Verdict",
    "budget_report",
    "check_budget",
    "read_budgets",
]

Verdict = Literal["kept", "over", "not measured"]

_BYTES_PER_MB: Final = 1_000_000  # docker prints decimal megabytes
_LIMITS: Final = ("unpacked_mb", "warm_build_s")


@dataclass(frozen=True)
class ImageBudget:
    """Limits of one image.

    Attributes:
        unpacked_mb: megabytes (10**6 bytes) on disk, all layers, of one platform.
        warm_build_s: seconds of a build after a change of source, with every other layer cached.
    """

    unpacked_mb: int
    warm_build_s: int


@dataclass(frozen=True)
class Measured:
    """What was found for one image; None where nothing was measured.

    Attributes:
        unpacked_bytes: on disk, all layers.
        warm_build_s: seconds.
        compressed_bytes: what a pull transfers; told, not limited.
    """

    unpacked_bytes: int | None = None
    warm_build_s: float | None = None
    compressed_bytes: int | None = None


@dataclass(frozen=True)
class BudgetRow:
    """One limit of one image. `limit` is None for a figure that is told and not limited."""

    target: str
    what: Literal["unpacked MB", "warm build s", "compressed MB"]
    measured: float | None
    limit: int | None

    @property
    def verdict(self) -> Verdict:
        """Exactly on the limit is kept."""
        if self.measured is None:
            return "not measured"
        return "over" if self.limit is not None and self.measured > self.limit else "kept"


@dataclass(frozen=True)
class BudgetReport:
    """All rows, image by image."""

    rows: tuple[BudgetRow, ...]

    @property
    def kept(self) -> bool:
        """Whether there is a row at all and every row was measured and within its limit."""
        return bool(self.rows) and all(row.verdict == "kept" for row in self.rows)

    def as_markdown(self) -> str:
        """A table for a job summary."""
        lines = ["| image | what | measured | limit | |", "|---|---|---:|---:|---|"]
        for row in self.rows:
            measured = "-" if row.measured is None else f"{row.measured:,.1f}"
            limit = "-" if row.limit is None else f"{row.limit:,}"
            lines.append(f"| {row.target} | {row.what} | {measured} | {limit} | {row.verdict} |")
        return "\n".join(lines) + "\n"


def read_budgets(path: Path) -> dict[str, ImageBudget]:
    """Bake target -> its limits, from `docker/budgets.json`.

    Raises:
        BudgetsRefused: it cannot be read, a limit is no positive whole number, or a target's stage
            has none.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        stages, targets = document["stages"], document["targets"]
        budgets = {stage: _limits(path, stage, limits) for stage, limits in stages.items()}
        unknown = [target for target, stage in targets.items() if stage not in budgets]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        wrong = f"has to be {{stages, targets}} in JSON ({type(error).__name__})"
        raise BudgetsRefused(path, "", wrong) from None
    if unknown:
        raise BudgetsRefused(path, f"targets.{unknown[0]}", f"names none of {', '.join(budgets)}")
    return {target: budgets[stage] for target, stage in targets.items()}


def check_budget(measured: Mapping[str, Measured], budgets: Mapping[str, ImageBudget]) -> BudgetReport:
    """Compare. An image without limits has rows that were never measured against any: it is not kept."""
    rows: list[BudgetRow] = []
    for target in sorted(measured):
        found, budget = measured[target], budgets.get(target)
        unpacked = None if found.unpacked_bytes is None else found.unpacked_bytes / _BYTES_PER_MB
        if budget is None:
            rows.append(BudgetRow(target, "unpacked MB", None, None))
            continue
        rows.append(BudgetRow(target, "unpacked MB", unpacked, budget.unpacked_mb))
        rows.append(BudgetRow(target, "warm build s", found.warm_build_s, budget.warm_build_s))
        if found.compressed_bytes is not None:
            compressed = found.compressed_bytes / _BYTES_PER_MB
            rows.append(BudgetRow(target, "compressed MB", compressed, None))
    return BudgetReport(tuple(rows))


def budget_report(budgets: Path, *, metadata: Path, sizes: Path) -> BudgetReport:
    """The report for one finished build.

    Args:
        budgets: `docker/budgets.json`.
        metadata: file of `docker buildx bake --metadata-file` of the warm build, written with
            BUILDX_METADATA_PROVENANCE=max. Its targets are the images that are reported.
        sizes: folder with `<target>.history.jsonl` (`docker history --human=false --format json`) and, where
            the image was pushed, `<target>.manifest.json` (`imagetools inspect --raw NAME@DIGEST`).

    Raises:
        BudgetsRefused, MeasurementRefused: a file is of another form. A missing one is a row "not measured".
    """
    limits = read_budgets(budgets)
    measured = {}
    for target, record in read_build_metadata(metadata).items():
        history, manifest = sizes / f"{target}.history.jsonl", sizes / f"{target}.manifest.json"
        measured[target] = Measured(
            unpacked_bytes=read_history_bytes(history) if history.exists() else None,
            warm_build_s=record.build_s,
            compressed_bytes=read_manifest_bytes(manifest) if manifest.exists() else None,
        )
    return check_budget(measured, limits)


def _limits(path: Path, stage: str, limits: Any) -> ImageBudget:
    if not isinstance(limits, dict) or set(limits) != set(_LIMITS):
        raise BudgetsRefused(path, f"stages.{stage}", f"has to have {' and '.join(_LIMITS)}")
    for name, value in limits.items():
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            raise BudgetsRefused(path, f"stages.{stage}.{name}", f"{value!r} is no positive whole number")
    return ImageBudget(**limits)
