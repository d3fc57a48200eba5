"""What backup commands left behind: the newest set, the last restore drill."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

from sophia_infra.reports.figures import Figure, known, unknown

if TYPE_CHECKING:
    from sophia_infra.cli.stack_context import StackContext
    from sophia_infra.validation.world import BackupFacts, DrillFacts

__all__ = ["backups_of", "drill_of"]


def backups_of(context: StackContext, trouble: list[str]) -> Figure[BackupFacts]:
    """The whole sets of the stack; unknown where it names no place for them.

    Args:
        trouble: gets a sentence when the place does not answer.
    """
    from sophia_infra.backup.errors import BackupRefused, StoreUnavailable
    from sophia_infra.backup.opening import open_store
    from sophia_infra.backup.sets import BackupSets
    from sophia_infra.validation.world import BackupFacts

    try:
        store = open_store(context.config, context.home, context.name)
        sets = BackupSets(store, context.name).listing().sets
    except BackupRefused as refused:
        return unknown(refused.message, "sophia:backup")
    except StoreUnavailable as error:
        trouble.append(f"Backups: {error}")
        return unknown("the store of backups does not answer", "sophia:backup")
    newest = sets[0].made_at_s if sets else None
    return known(BackupFacts(len(sets), newest, store.place), store.place, time.time())


def drill_of(context: StackContext) -> Figure[DrillFacts]:
    """The last restore drill that was written down."""
    from sophia_infra.backup.drills import drills_file, read_drills
    from sophia_infra.validation.world import DrillFacts

    source = str(drills_file(context.home, context.name))
    drills = read_drills(context.home, context.name)
    if not drills:
        return unknown("no restore was ever practised", source)
    last = drills[-1]
    at_s = datetime.fromisoformat(last.when).timestamp()
    return known(DrillFacts(at_s, last.passed, last.rto_s, last.rpo_s), source, at_s)
