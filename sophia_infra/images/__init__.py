"""Container images: the lock of what builds pull, and the budget of what they make.

Pure Python; only `lock_images` runs a command. How images are built: docs/images.md.
"""

from __future__ import annotations

from sophia_infra.images.budget import (
    BudgetReport,
    BudgetRow,
    ImageBudget,
    Measured,
    budget_report,
    check_budget,
    read_budgets,
)
from sophia_infra.images.errors import (
    BudgetsRefused,
    DockerMissing,
    ImagesError,
    InspectFailed,
    LockRefused,
    MeasurementRefused,
    PlatformMissing,
    Unlocked,
)
from sophia_infra.images.lock import (
    PLATFORMS,
    ImageLock,
    LockedImage,
    build_arguments,
    read_lock,
    write_lock,
)
from sophia_infra.images.locking import LockChange, lock_images
from sophia_infra.images.measurements import (
    BuildRecord,
    read_build_metadata,
    read_history_bytes,
    read_manifest_bytes,
)

__all__ = [
    "PLATFORMS",
    "BudgetReport",
    "BudgetRow",
    "BudgetsRefused",
    "BuildRecord",
    "DockerMissing",
    "ImageBudget",
    "ImageLock",
    "ImagesError",
    "InspectFailed",
    "LockChange",
    "LockRefused",
    "LockedImage",
    "Measured",
    "MeasurementRefused",
    "PlatformMissing",
    "Unlocked",
    "budget_report",
    "build_arguments",
    "check_budget",
    "lock_images",
    "read_budgets",
    "read_build_metadata",
    "read_history_bytes",
    "read_lock",
    "read_manifest_bytes",
    "write_lock",
]
