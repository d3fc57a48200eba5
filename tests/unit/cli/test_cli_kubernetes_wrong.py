"""Mistakes about Kubernetes: one sentence, the right code, and no machine for a platform that cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.emulator import EmulatorServer
from tests.unit.cli.sophia_command import A10, Sophia

WEB = {"image": "web:1.0.0", "ports": {"http": 9001}, "cpu": "0.1..0.2", "memory": "64Mi..128Mi"}
EXISTING = {"cluster": "existing"}
NOBODY = """
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: abc}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""


def section(**workloads: Any) -> dict[str, Any]:
    return {"workloads": workloads}


CASES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "a workload without a place": (
        section(web={**WEB, "gpu": {"model": "A10"}, "replicas": 2}),
        ("sophia:kubernetes.workloads.web", "A10", "1 "),
    ),
    "a GPU that nobody sells": (
        section(web={**WEB, "gpu": {"model": "A11"}}),
        ("sophia:kubernetes.workloads.web.gpu.model", '"A11"', "allowed:", "A10"),
    ),
    "a port twice": (
        section(web=WEB, api=WEB),
        ("sophia:kubernetes.workloads.api.ports", "9001", "web", "allowed:"),
    ),
    "a name too long": (
        section(**{"w" * 60: WEB}),
        ("sophia:kubernetes.workloads." + "w" * 60, "characters"),
    ),
    "a key that is none": (
        {"topolgy": "overlay"},
        ("sophia:kubernetes.topolgy", "did you mean topology"),
    ),
}


@pytest.mark.parametrize(("kubernetes", "says"), CASES.values(), ids=list(CASES))
def test_a_wrong_section_names_file_key_value_and_what_is_allowed(
    sophia: Sophia, emulator: EmulatorServer, kubernetes: dict[str, Any], says: tuple[str, ...]
) -> None:
    sophia.write_config({"a": A10}, kubernetes=kubernetes, phase=2)
    done = sophia.run("up")
    assert done.code == ExitCode.USAGE, done.said
    assert "Pulumi.local.yaml" in done.said
    for part in says:
        assert part in done.said, done.said
    assert emulator.cloud.requests.since(0) == []


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        (None, ExitCode.USAGE, "needs the environment variable KUBECONFIG"),
        ("", ExitCode.USAGE, "is not a kubeconfig"),
        ("{", ExitCode.USAGE, "is not YAML"),
        (NOBODY, ExitCode.CLOUD, "The API server https://127.0.0.1:1 cannot be reached"),
    ],
)
def test_a_cluster_that_cannot_be_used_stops_before_the_first_machine(
    sophia: Sophia, emulator: EmulatorServer, text: str | None, code: ExitCode, says: str
) -> None:
    sophia.write_config({"a": A10}, kubernetes=EXISTING)
    environment = {}
    if text is not None:
        file = sophia.project / "kubeconfig"
        file.write_text(text, encoding="utf-8")
        environment["KUBECONFIG"] = str(file)
    done = sophia.run("up", **environment)
    assert done.code == code, done.said
    assert says in done.said
    assert done.err.count("\n") == 1
    assert emulator.cloud.dump()["instances"] == []


def test_a_kubeconfig_that_is_not_there_is_named(sophia: Sophia, tmp_path: Path) -> None:
    sophia.write_config({"a": A10}, kubernetes=EXISTING)
    done = sophia.run("preview", KUBECONFIG=str(tmp_path / "nowhere"))
    assert done.code == ExitCode.USAGE
    assert f"needs the kubeconfig {tmp_path / 'nowhere'}, which cannot be read" in done.said
