"""The state of a stack is lost: `sophia adopt --all` writes it back from the account, and launches nothing.

Three updates of the real engine, fifteen seconds together: that the engine itself finds nothing to change
afterwards is the whole promise, and no stand-in could prove it.
"""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from sophia_infra.audit import audit_log_of
from sophia_infra.cli.exit_codes import ExitCode
from tests.engine.project import A10, A6000
from tests.engine.test_engine_cli import CliProject, project

__all__ = ["project"]

pytestmark = pytest.mark.engine

FLEET = {
    "front": {**A10, "filesystems": ["models"], "firewalls": ["web"]},
    "back": A6000,
}
FURTHER: dict[str, Any] = {
    "filesystems": {"models": {"region": "us-west-1", "protect": False}},
    "firewalls": {
        "web": {
            "region": "us-west-1",
            "rules": [{"protocol": "tcp", "ports": "22", "source": "203.0.113.0/24"}],
        }
    },
    "phase": 2,
    "kubernetes": {"api_sources": ["203.0.113.0/24"]},
}


def lose_the_state(project: CliProject) -> None:
    shutil.rmtree(project.home.state / ".pulumi")


def ids_of_all(project: CliProject) -> dict[str, str]:
    """Everything of Lambda Cloud in the state, keys and filesystems too."""
    rows = project.state()["resources"]
    return {row["urn"]: row["id"] for row in rows if "dynamic/lambda:" in row["type"]}


def test_a_lost_state_comes_back_from_the_account_and_nothing_is_launched(project: CliProject) -> None:
    project.write(FLEET, **FURTHER)
    project.up()
    before, launches = project.live(), len(project.machines())
    held = ids_of_all(project)
    lose_the_state(project)

    looked = project.sophia("adopt", "--all", "--dry-run", "--json")
    assert looked.code == ExitCode.OK, looked.said
    rows = json.loads(looked.out)["rows"]
    assert {(row["kind"], row["standing"]) for row in rows} == {
        (kind, "found") for kind in ("ssh key", "filesystem", "firewall ruleset", "instance")
    }
    assert project.state() == {}, "a dry run writes nothing"

    adopted = project.sophia("adopt", "--all")
    assert adopted.code == ExitCode.OK, adopted.said
    assert "nothing paid is launched, made or ended" in adopted.said
    unchanged = project.sophia("preview", "--expect-no-changes")
    assert unchanged.code == ExitCode.OK, unchanged.said
    assert project.live() == before == project.ids_in_state()
    assert len(project.machines()) == launches
    again = ids_of_all(project)
    assert again == held
    log = audit_log_of(project.home.root, "local")
    assert [entry.outcome for entry in log.entries() if entry.action == "adopt"] == ["begun", "done"]

    # Half of the world is gone too: the other half comes back, and what is missing is named and not launched.
    lose_the_state(project)
    ended = project.sophia("doctor", "--terminate", before["back"], "--yes")
    assert ended.code == ExitCode.OK, ended.said
    partly = project.sophia("adopt", "--all")
    assert partly.code == ExitCode.FINDINGS, partly.said
    assert "back missing" in partly.said
    assert project.ids_in_state() == {"front": before["front"]}
    assert len(project.machines()) == launches
    project.up()
    assert project.live()["front"] == before["front"]
    assert sorted(project.live()) == ["back", "front"]
