"""Reading manifests, clusters, the engine's history and gate records."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.kubernetes_plugin.errors import ApiRefused
from sophia_infra.rollout.promotion import read_gate
from sophia_infra.validation.catalogue import chosen
from sophia_infra.validation.errors import FileRefused
from sophia_infra.validation.gate_record import write_gate
from sophia_infra.validation.objects import merged, read_cluster, read_folder
from sophia_infra.validation.report import validate
from sophia_infra.validation.updates import read_updates

from .worlds import a_world

QUOTA = "kind: ResourceQuota\nmetadata: {name: gpu-quota, namespace: a}\nspec: {hard: {}}\n"
CHART = "kind: HelmChart\nmetadata: {name: monitoring, namespace: kube-system}\n"


class Server:
    """An API server that has some lists; a kind that it lacks is 404."""

    def __init__(self, lists: Mapping[str, dict[str, Any]], refusal: int = 404) -> None:
        self._lists = lists
        self._refusal = refusal

    def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        assert method == "GET"
        if path not in self._lists:
            raise ApiRefused("the server could not find the requested resource", code=self._refusal)
        return self._lists[path]


SECRETS = {"items": [{"metadata": {"labels": {"name": "gpu-operator"}}, "data": {"release": "c2VjcmV0"}}]}


def test_manifests_of_all_clusters_are_read_with_their_charts(tmp_path: Path) -> None:
    for name, text in (("one/a.yaml", QUOTA), ("two/b.yaml", f"{QUOTA}---\n{CHART}")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    found = read_folder(tmp_path, 1.0).value
    assert found is not None
    assert (len(found.of("ResourceQuota")), found.charts, found.is_live) == (
        2,
        frozenset({"monitoring"}),
        False,
    )


def test_manifests_that_cannot_be_read_are_unknown_and_not_missing(tmp_path: Path) -> None:
    assert "sophia up" in read_folder(tmp_path / "none", 1.0).missing
    (tmp_path / "a.yaml").write_text("{")
    assert read_folder(tmp_path, 1.0).missing == "a.yaml cannot be read (ParserError)"


def test_a_cluster_is_read_kind_by_kind_and_keeps_no_value_of_a_release() -> None:
    nodes = {"kind": "NodeList", "items": [{"metadata": {"name": "core"}}]}
    found = read_cluster(Server({"/api/v1/nodes": nodes, "/api/v1/secrets": SECRETS}), "cluster a", 1.0)
    assert found.value is not None
    assert [row["kind"] for row in found.value.documents] == ["Node"]
    assert found.value.charts == {"gpu-operator"}
    assert "c2VjcmV0" not in str(found)
    both = merged([found, found]).value
    assert both is not None
    assert len(both.documents) == 2


def test_a_server_that_refuses_is_an_error_and_no_empty_cluster() -> None:
    with pytest.raises(ApiRefused):
        read_cluster(Server({}, refusal=403), "cluster a", 1.0)


def test_updates_are_read_oldest_first_and_damaged_ones_left_out(tmp_path: Path) -> None:
    folder = tmp_path / ".pulumi" / "history" / "sophia-infra" / "local"
    folder.mkdir(parents=True)
    row = {
        "kind": "update",
        "startTime": 200,
        "endTime": 260,
        "result": "failed",
        "resourceChanges": {"same": 3},
    }
    (folder / "local-2.history.json").write_text(json.dumps(row))
    (folder / "local-1.history.json").write_text(
        json.dumps(
            {**row, "startTime": 100, "endTime": 140, "result": "succeeded", "resourceChanges": {"create": 2}}
        )
    )
    (folder / "local-3.history.json").write_text("{")
    found = read_updates(tmp_path, "sophia-infra", "local", 1.0).value
    assert found is not None
    assert [(one.duration_s, one.succeeded, one.changed) for one in found] == [(40, True, 2), (60, False, 0)]
    assert read_updates(tmp_path, "sophia-infra", "other", 1.0).missing == "no update is on record"
    assert "backend elsewhere" in read_updates(None, "sophia-infra", "local", 1.0).missing


def test_a_gate_is_kept_in_the_form_that_promote_reads(tmp_path: Path) -> None:
    report = validate(a_world(), chosen(phase=2), gate=2)
    file = write_gate(tmp_path, report, "config: {}\n")
    gate = read_gate(file)
    assert (gate.stack, gate.phase, gate.is_green, gate.failed) == ("local", 2, True, ())
    assert gate.taken_at.timestamp() == int(report.taken_at_s)
    red = validate(a_world(trouble=("Cluster a: silent",)), chosen(phase=2), gate=2)
    assert not read_gate(write_gate(tmp_path, red, "")).is_green


def test_only_a_gate_is_kept(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no gate"):
        write_gate(tmp_path, validate(a_world(), chosen(["K3"])), "")


def test_a_gate_that_cannot_be_kept_is_said(tmp_path: Path) -> None:
    (tmp_path / "gates").write_text("a file")
    with pytest.raises(FileRefused):
        write_gate(tmp_path, validate(a_world(), chosen(phase=1), gate=1), "")
