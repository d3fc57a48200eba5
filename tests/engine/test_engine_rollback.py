"""`sophia rollback` with the real engine: what it says beforehand, what it ends, and what stays as it is."""

from __future__ import annotations

import json

import pytest

from sophia_infra.cli.exit_codes import ExitCode
from tests.engine.project import A10, A6000
from tests.engine.test_engine_cli import CliProject, project

__all__ = ["project"]

pytestmark = pytest.mark.engine


def test_going_back_says_what_it_costs_ends_only_what_came_later_and_can_be_gone_back_from(
    project: CliProject,
) -> None:
    project.write({"kept": A10})
    project.up()
    kept_id = project.live()["kept"]
    project.write({"kept": A10, "later": {**A6000, "tags": {"team": "data"}}})
    tracked = project.root / "Pulumi.local.yaml"
    text_of_two = "# the second machine, on trial\n" + tracked.read_text(encoding="utf-8")
    tracked.write_text(text_of_two, encoding="utf-8")
    project.up()

    listed = json.loads(project.sophia("rollback", "list", "--json").out)["versions"]
    assert [(row["version"], row["kind"], row["result"]) for row in listed] == [
        (2, "update", "succeeded"),
        (1, "update", "succeeded"),
    ]
    plan = project.sophia("rollback", "plan", "--to", "1", "--json")
    assert plan.code == 0, plan.said
    said = json.loads(plan.out)
    assert said["terminated"] == ["later"]
    assert said["launched"] == said["replaced"] == said["refused"] == []
    assert said["cannot_be_undone"] == ["later is terminated: everything on its local disk is lost"]
    assert (said["usd_per_hour_before"], said["usd_per_hour_after"]) == ("2.38", "1.29")
    assert said["usd_per_month_720h_change"] == "-784.80"

    asked = project.sophia("rollback", "run", "--to", "1")
    assert asked.code == ExitCode.USAGE
    assert tracked.read_text(encoding="utf-8") == text_of_two
    assert sorted(project.live()) == ["kept", "later"]

    done = project.sophia("rollback", "run", "--to", "1", "--yes")
    assert done.code == 0, done.said
    assert project.live() == {"kept": kept_id}
    project.check_nothing_lost_or_doubled("kept")
    assert "later" not in tracked.read_text(encoding="utf-8")
    assert project.sophia("preview", "--expect-no-changes").code == 0

    forth = project.sophia("rollback", "run", "--to", "2", "--yes")
    assert forth.code == 0, forth.said
    assert tracked.read_text(encoding="utf-8") == text_of_two, "it was kept word for word"
    project.check_nothing_lost_or_doubled("kept", "later")
    assert project.live()["kept"] == kept_id

    assert project.sophia("rollback", "plan", "--to", "9").code == ExitCode.USAGE
    project.write({"kept": A10, "guarded": {**A6000, "protect": True}})
    project.up()
    refused = project.sophia("rollback", "run", "--to", "1", "--yes")
    assert refused.code == ExitCode.USAGE
    assert "Protected: guarded" in refused.said
    assert sorted(project.live()) == ["guarded", "kept"]
