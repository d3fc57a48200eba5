"""What every `sophia migrate` command about a stack needs: its folder, its journal, its steps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sophia_infra.cli.stack_context import StackContext, open_stack
from sophia_infra.engine.home import Home
from sophia_infra.migration.journal import Journal, Progress
from sophia_infra.migration.plans import plan_of
from sophia_infra.migration.preconditions import needs_of, next_stack, services_of
from sophia_infra.migration.runner import PhasePlan
from sophia_infra.migration.steps import PhaseName

__all__ = ["Migration", "journal_of", "open_migration", "today"]


@dataclass(frozen=True, slots=True)
class Migration:
    """A stack, how far it has come, and the phases asked for with every command filled in."""

    context: StackContext
    journal: Journal
    progress: Progress
    phases: tuple[PhasePlan, ...]


def journal_of(home: Home, stack: str) -> Journal:
    """The journal in `<home>/migration/<stack>/`, beside baseline, report and logs of its commands."""
    return Journal(home.root / "migration" / stack)


def open_migration(
    name: PhaseName, stack: str, *, prometheus: str | None = None, cluster: bool | None = None
) -> Migration:
    """Read and check the stack file and the journal. Raises as `open_stack`, and JournalUnusable."""
    context = open_stack(stack)
    journal = journal_of(context.home, stack)
    following = next_stack(stack, lambda one: (context.home.checkout / f"Pulumi.{one}.yaml").is_file())
    values = {
        "stack": stack,
        "next": following,
        "folder": _shown(journal.folder),
        "prometheus": f"--prometheus={prometheus}" if prometheus else "",
        "cluster": "" if cluster is None else "--cluster" if cluster else "--no-cluster",
    }
    has = needs_of(context.config, prometheus=bool(prometheus), next_stack=following)
    phases = plan_of(name, values, has, services_of(context.config))
    return Migration(context, journal, journal.progress(), tuple(phases))


def today() -> datetime:
    """Now in UTC, by which a plan's days are counted."""
    return datetime.now(UTC)


def _shown(folder: Path) -> str:
    """Relative where that is shorter, so that printed commands can be read and typed."""
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)
