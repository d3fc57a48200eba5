"""`sophia train run` with `bootstrap: join`, by the outputs of an update that a script answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.engine.versions import PINNED_ENGINE
from sophia_infra.joining import make_credentials
from sophia_infra.training.errors import RunRefused
from tests.unit.cli.sophia_command import PUBLIC_KEY
from tests.unit.model.test_model_training import RIGHT
from tests.unit.training.command_site import RUN, Site
from tests.unit.training.ground import EAST

JOIN = {**RIGHT, "bootstrap": "join", "image": "registry.example.com/train:1.0"}
CREDENTIALS = make_credentials("sophia-us-east-3", datetime.now(UTC))
ROW = {
    "address": "10.0.0.2",
    "agent_token": CREDENTIALS["agent_token"],
    "server_ca_certificate": CREDENTIALS["server_ca_certificate"],
}


def prepare(site: Site, monkeypatch: pytest.MonkeyPatch, outputs: dict[str, Any], **more: Any) -> None:
    """A stack with a cluster of one machine in us-east-3, and an engine that knows these outputs."""
    config = {
        "sophia:phase": 2,
        "sophia:endpoint": "emulator",
        "sophia:budget": {"limit": "$500/day"},
        "sophia:ssh": {"public_key": PUBLIC_KEY},
        "sophia:fleet": {"core": {"type": "1xA10", "region": EAST, "purpose": "core"}},
        "sophia:kubernetes": {"training": {}},
        "sophia:training": {"trainer": {**JOIN, **more}},
    }
    (site.root / "project" / "Pulumi.local.yaml").write_text(yaml.safe_dump({"config": config}))
    script = site.root / "bin" / "pulumi"
    script.parent.mkdir()
    (site.root / "outputs.json").write_text(json.dumps(outputs))
    script.write_text(
        f'#!/bin/sh\ncase "$1" in version) echo v{PINNED_ENGINE};; *) cat {site.root}/outputs.json;; esac\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:/usr/bin:/bin")


def test_its_machines_are_launched_with_what_makes_them_nodes(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare(site, monkeypatch, {"scaler_join": {"sophia-us-east-3": ROW}})
    result = site(*RUN, "--yes")
    assert result.exit_code == ExitCode.OK, result.output or result.exception
    assert CREDENTIALS["agent_token"] not in result.output
    rows = site.cloud.dump()["instances"]
    assert [(row["user_data_bytes"] > 1000, row["region"]) for row in rows] == [(True, EAST)] * 2
    assert site.live() == []
    [folder] = site.runs
    for file in folder.path.rglob("*"):
        if file.is_file():
            assert CREDENTIALS["agent_token"].encode() not in file.read_bytes(), file


def test_before_the_first_update_nothing_is_launched(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare(site, monkeypatch, {})
    assert "does not say what machines join with" in site.refused(RunRefused, *RUN, "--yes")
    assert site.cloud.dump()["instances"] == []
    assert site.runs == []


def test_a_region_from_which_the_server_cannot_be_reached_is_refused(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare(site, monkeypatch, {}, regions=["us-west-3"])
    said = site.refused(RunRefused, *RUN, "--dry-run")
    assert f"would join the cluster in {EAST}" in said
    assert site.runs == []


def test_no_process_in_the_background_is_given_what_machines_join_with(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare(site, monkeypatch, {"scaler_join": {"sophia-us-east-3": ROW}})
    assert "attended by the command itself" in site.refused(RunRefused, *RUN, "--detach", "--yes")
    assert site.runs == []
