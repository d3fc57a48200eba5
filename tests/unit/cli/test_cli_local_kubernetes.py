"""Where the Kubernetes objects of a stack go: asked for, remembered, forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from sophia_infra.cli.kubernetes_view import kubernetes_document, look_at_clusters, show_kubernetes
from sophia_infra.cli.local_kubernetes import (
    find_clusters,
    kubeconfig_of,
    kubernetes_mode,
    manifests_folder,
    stop_clusters,
)
from sophia_infra.engine.home import Home, open_home
from sophia_infra.model.stack_config import StackConfig, parse_stack_config
from sophia_infra.operations.cluster_status import ClusterStatus, ServiceRow
from tests.unit.cli.sophia_command import A10, PUBLIC_KEY

NOBODY = """
{"clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
 "users": [{"name": "u", "user": {}}],
 "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "current-context": "x"}
"""
ROW = ServiceRow("apps", "web", "Deployment", 2, 3, 1, ("a", "b", "c"), "")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return open_home(checkout=tmp_path, environ={"SOPHIA_HOME": str(tmp_path / "home")})


def config(**section: object) -> StackConfig:
    values: dict[str, object] = {
        "endpoint": "emulator",
        "budget": {"limit": "$500/day"},
        "ssh": {"public_key": PUBLIC_KEY},
        "fleet": {"a": A10},
        **section,
    }
    return parse_stack_config({f"sophia:{key}": value for key, value in values.items()}, "Pulumi.local.yaml")


def test_manifests_are_the_default_and_a_wish_is_remembered_until_the_end(home: Home) -> None:
    stack = config(kubernetes={})
    assert kubernetes_mode(home, stack, 1) == "manifests"
    assert kubernetes_mode(home, stack, 1, wanted=True) == "cluster"
    assert kubernetes_mode(home, stack, 1) == "cluster"
    assert kubernetes_mode(home, stack, 1, wanted=False) == "manifests"
    assert kubernetes_mode(home, stack, 1) == "manifests"
    kubernetes_mode(home, stack, 1, wanted=True)
    stop_clusters(home, wipe=True)
    assert kubernetes_mode(home, stack, 1) == "manifests"


def test_a_look_remembers_nothing(home: Home) -> None:
    stack = config(kubernetes={})
    assert kubernetes_mode(home, stack, 1, wanted=True, remember=False) == "cluster"
    assert kubernetes_mode(home, stack, 1) == "manifests"


def test_no_section_or_an_earlier_phase_means_no_kubernetes(home: Home) -> None:
    assert kubernetes_mode(home, config(), 3, wanted=True) == "none"
    assert kubernetes_mode(home, config(kubernetes={"first_phase": 2}), 1, wanted=True) == "none"
    assert kubernetes_mode(home, config(kubernetes={"first_phase": 2}), 2) == "manifests"


def test_a_cluster_elsewhere_is_never_started_here(home: Home) -> None:
    assert kubernetes_mode(home, config(kubernetes={"cluster": "existing"}), 1, wanted=True) == "remote"
    assert kubernetes_mode(home, config(kubernetes={}, endpoint="lambda"), 1) == "remote"


def test_the_end_shows_where_the_manifests_are(home: Home) -> None:
    folder = manifests_folder(home, "local") / "sophia" / "1-manifest"
    folder.mkdir(parents=True)
    for name in ("a", "b"):
        (folder / f"{name}.yaml").write_text("kind: Namespace\n", encoding="utf-8")
    said = shown(home, "manifests", [])
    assert f"Kubernetes: 2 manifests in {manifests_folder(home, 'local')}" in said
    assert kubernetes_document(home, "local", "manifests", []) == {
        "mode": "manifests",
        "manifests": str(manifests_folder(home, "local")),
    }


def test_the_end_shows_every_service_and_its_nodes(home: Home) -> None:
    status = ClusterStatus("sophia", (ROW,))
    said = shown(home, "cluster", [status])
    assert "web" in said
    assert "2/3" in said
    assert "a, b and 1 more" in said
    assert f"export KUBECONFIG={kubeconfig_of(home, 'sophia')}" in said
    document = kubernetes_document(home, "local", "cluster", [status])
    assert document["clusters"]["sophia"]["services"] == [ROW.as_json()]


def test_a_cluster_that_does_not_answer_is_a_sentence(home: Home) -> None:
    """A closed port of this machine, after a restart of it for example."""
    kubeconfig_of(home, "sophia").parent.mkdir(parents=True)
    kubeconfig_of(home, "sophia").write_text(NOBODY, encoding="utf-8")
    (status,) = look_at_clusters(home, "cluster")
    assert not status.is_ready
    said = shown(home, "cluster", [status])
    assert "Cluster sophia: " in said
    assert "127.0.0.1:1" in said
    assert "`sophia up` starts a control plane" in said


def test_without_kubernetes_the_end_says_nothing_of_it(home: Home) -> None:
    assert shown(home, "none", []) == ""
    assert find_clusters(home) == ()


def shown(home: Home, mode: str, clusters: list[ClusterStatus]) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        show_kubernetes(console, home, "local", mode, clusters)  # type: ignore[arg-type]
    return captured.get()
