"""What the commands of `sophia backup` need: the stack, its store, and its key when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sophia_infra.backup.contents import own_folder
from sophia_infra.backup.key import BackupKey
from sophia_infra.backup.opening import open_key, open_store
from sophia_infra.backup.sets import BackupSets
from sophia_infra.cli.stack_context import StackContext, open_stack

__all__ = ["BackupContext", "open_backups"]

_RPO_MINUTES, _RTO_MINUTES = 15, 60


@dataclass(frozen=True, slots=True)
class BackupContext:
    """One stack and its sets."""

    stack: StackContext
    sets: BackupSets

    @property
    def key(self) -> BackupKey:
        """Raises KeyRefused."""
        return open_key(self.stack.config, self.stack.home, self.stack.name)

    @property
    def scratch(self) -> Path:
        """A folder that only we may read."""
        return own_folder(self.stack.home, self.stack.name)

    @property
    def rpo_minutes(self) -> int:
        """How old the newest set may be."""
        section = self.stack.config.backup
        return _RPO_MINUTES if section is None else section.rpo_minutes

    @property
    def rto_minutes(self) -> int:
        """How long bringing a set back may take."""
        section = self.stack.config.backup
        return _RTO_MINUTES if section is None else section.rto_minutes


def open_backups(stack: str) -> BackupContext:
    """Read the stack file and open its store. Raises as open_stack and open_store."""
    context = open_stack(stack)
    return BackupContext(context, BackupSets(open_store(context.config, context.home, stack), stack))
