"""`sophia backup` as a user runs it, on a stack of the real engine: copy, lose everything, bring it back.

Two updates and a preview, fifteen seconds: that the engine opens a state which was brought back, secrets
included, cannot be seen without it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.audit import audit_log_of
from sophia_infra.cli.exit_codes import ExitCode
from tests.engine.project import A10
from tests.engine.test_engine_cli import CliProject, project

__all__ = ["project"]

pytestmark = pytest.mark.engine

CLUSTER: dict[str, Any] = {"phase": 1, "kubernetes": {"api_sources": ["203.0.113.0/24"]}}


def test_a_state_with_its_secrets_comes_back_from_a_set(project: CliProject, tmp_path: Path) -> None:
    project.write({"front": A10}, **CLUSTER)
    gate = project.sophia("backup", "list", "--max-age-minutes", "60")
    assert gate.code == ExitCode.FINDINGS, "no set at all is a red gate"
    assert "Nothing could be brought back" in gate.said
    project.up()
    before = project.live()

    dry = project.sophia("backup", "create", "--dry-run")
    assert dry.code == ExitCode.OK, dry.said
    assert "Would copy to" in dry.said
    made = project.sophia("backup", "create", "--json")
    assert made.code == ExitCode.OK, made.said
    set_id = json.loads(made.out)["set"]
    sets = project.home.root / "backup/sets"
    assert [path.name for path in (sets / "local").iterdir()] == [set_id]
    assert project.sophia("backup", "list", "--max-age-minutes", "60").code == ExitCode.OK
    verified = project.sophia("backup", "verify", "--json")
    assert verified.code == ExitCode.OK, verified.said
    kinds = {part["kind"] for part in json.loads(verified.out)["parts"]}
    assert {"configuration", "state", "images", "records"} <= kinds

    # Nothing is overwritten unasked, and nothing is done without --yes.
    held = project.sophia("backup", "restore", "--state", "--yes")
    assert held.code == ExitCode.USAGE
    assert "--overwrite replaces it" in held.said
    planned = project.sophia("backup", "restore", "--to", str(tmp_path / "back"))
    assert "Nothing was changed. Say --yes" in planned.said
    assert not (tmp_path / "back").exists()

    # The state, its passphrase and its salt are lost: what is secret in it opens only with those of the set.
    shutil.rmtree(project.home.state / ".pulumi")
    project.home.passphrase_file.unlink()
    shutil.rmtree(project.home.stacks)
    restored = project.sophia("backup", "restore", set_id, "--state", "--to", str(tmp_path / "back"), "--yes")
    assert restored.code == ExitCode.OK, restored.said
    assert (tmp_path / "back/checkout/Pulumi.local.yaml").is_file()
    unchanged = project.sophia("preview", "--expect-no-changes")
    assert unchanged.code == ExitCode.OK, unchanged.said
    assert project.live() == project.ids_in_state() == before
    adopted = project.sophia("adopt", "--all")
    assert adopted.code == ExitCode.OK, adopted.said
    assert len(project.machines()) == 1
    entries = audit_log_of(project.home.root, "local").entries()
    assert [entry.outcome for entry in entries if entry.action == "backup restore"] == [
        *("begun", "failed"),
        *("begun", "done"),
        *("begun", "done"),
    ]

    drilled = project.sophia("backup", "drill", "--json")
    assert drilled.code == ExitCode.OK, drilled.said
    assert json.loads(drilled.out)["resources"] > 5
    listed = json.loads(project.sophia("backup", "list", "--json").out)
    assert listed["last_drill"]["passed"]

    (sets / "local" / set_id / "state").write_bytes(b"damaged")
    for command in (["verify"], ["drill"], ["restore", "--state", "--overwrite", "--yes"]):
        found = project.sophia("backup", *command)
        assert found.code == ExitCode.FINDINGS, found.said
    assert project.ids_in_state() == before, "a damaged set changes nothing"
    pruned = project.sophia("backup", "prune", "--yes", "--json")
    assert json.loads(pruned.out)["remove"] == [], "no set is good, so none goes"
