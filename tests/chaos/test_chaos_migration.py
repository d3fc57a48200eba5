"""SIGKILL of `sophia migrate` in every step of phase 1, real engine: same end, nothing launched twice.

One migration is killed again and again, so that this costs one minute and not one a step.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sophia_infra.audit import audit_log_of
from sophia_infra.migration.journal import Journal
from sophia_infra.migration.table import TABLE
from tests.chaos.victims import held, kill, release, wait_until
from tests.engine.project import A10, A6000, CHECKOUT, Project

pytestmark = [pytest.mark.engine, pytest.mark.chaos]

DONE = [row.step.step_id for row in TABLE["phase1"] if not row.need]
COMMANDS = [
    f"{row.step.step_id}-{part}"
    for row in TABLE["phase1"]
    if not row.need
    for part in ("gate", "action", "check")
    if getattr(row.step, part) is not None
]


@pytest.fixture
def migrating(project: Project) -> Project:
    project.write({"a": A10, "b": A6000})
    project.variables["SOPHIA_PROJECT"] = str(project.root)
    return project


@contextmanager
def migration(project: Project) -> Iterator[subprocess.Popen[str]]:
    """`sophia migrate phase1` running."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("PULUMI_", "SOPHIA_"))}
    with subprocess.Popen(
        [sys.executable, "-m", "sophia_infra.cli", "migrate", "phase1", "--json"],
        env={**kept, **project.environment},
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def journal_of(project: Project) -> Journal:
    return Journal(project.home.root / "migration" / "local")


def kill_in(project: Project, command: str) -> None:
    """Run until this command of a step has started, then kill the runner."""
    log_file = journal_of(project).folder / "logs" / f"{command}.log"
    log_file.unlink(missing_ok=True)
    with migration(project) as process:
        wait_until(lambda: log_file.exists() or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        kill(process.pid)


def run_to_the_end(project: Project) -> None:
    with migration(project) as process:
        out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out


def check_the_end(project: Project, launches: int) -> None:
    progress = journal_of(project).progress()
    assert [name for name in DONE if progress.is_done(name)] == DONE
    assert project.launches() == launches
    assert project.doubles() == 0
    assert set(project.live()) == set(project.ids_in_state().values())
    project.up(expect_no_changes=True)
    assert audit_log_of(project.home.root, "local").verify() == []


def test_killed_in_every_command_of_a_phase_the_end_is_the_same(migrating: Project) -> None:
    for command in COMMANDS:
        kill_in(migrating, command)
    run_to_the_end(migrating)
    check_the_end(migrating, launches=2)
    before = len(journal_of(migrating).path.read_bytes().splitlines())
    run_to_the_end(migrating)
    assert len(journal_of(migrating).path.read_bytes().splitlines()) == before


@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_a_launch_is_on_its_way_nothing_is_launched_twice(
    migrating: Project, moment: str
) -> None:
    with held(migrating, "launchInstance", moment) as rule:
        with migration(migrating) as process:
            wait_until(lambda: rule.holding > 0 or process.poll() is not None)
            assert process.poll() is None, process.communicate()
            kill(process.pid)
        release(migrating, rule)
    run_to_the_end(migrating)
    check_the_end(migrating, launches=2)
    begun = [
        json.loads(line)
        for line in Path(audit_log_of(migrating.home.root, "local").path).read_text().splitlines()
        if '"action": "up"' in line
    ]
    assert {row["why"].partition(":")[0] for row in begun} == {"migration, step p1-up"}
