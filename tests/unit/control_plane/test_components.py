from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from sophia_infra.control_plane.certificates import ensure_certificates
from sophia_infra.control_plane.components import (
    COMPONENTS,
    STAGES,
    Ports,
    build_commands,
    build_environment,
    component_users,
)
from sophia_infra.control_plane.errors import InvalidPlane
from sophia_infra.control_plane.folder import PlaneFolder, plane_folder
from sophia_infra.control_plane.kubeconfig import build_kubeconfig
from sophia_infra.engine.home import Home

PORTS = Ports(etcd=2001, etcd_peer=2002, api_server=2003)
FOLDER = PlaneFolder(Path("/home/of/local"), "local")
COMMANDS = build_commands(Path("/tools"), FOLDER, PORTS)
WORDS = [word for command in COMMANDS.values() for word in command]


def test_every_component_has_a_command_with_a_full_path() -> None:
    assert tuple(COMMANDS) == COMPONENTS
    assert all(command[0].startswith("/") for command in COMMANDS.values())


def test_whoever_listens_does_so_on_loopback_only() -> None:
    addresses = [word for word in WORDS if "-address=" in word or "-urls=" in word or "-servers=" in word]
    assert addresses
    assert all("127.0.0.1" in word for word in addresses)
    assert not [word for word in WORDS if "0.0.0.0" in word]  # noqa: S104 - it is what must not be there
    for component in ("kube-controller-manager", "kube-scheduler"):
        assert "--secure-port=0" in COMMANDS[component]
    assert not [word for word in COMMANDS["kwok"] if "server-address" in word or "node-port" in word]


def test_nothing_goes_in_clear_and_nobody_is_trusted_without_a_certificate() -> None:
    text = " ".join(WORDS)
    for absent in ("http://", "insecure", "token-auth", "skip", "AlwaysAllow", "auto-tls"):
        assert absent not in text
    assert {"--client-cert-auth", "--peer-client-cert-auth"} <= set(COMMANDS["etcd"])
    assert {"--anonymous-auth=false", "--authorization-mode=RBAC"} <= set(COMMANDS["kube-apiserver"])


def test_components_see_no_secret_of_the_user() -> None:
    environ = {
        "PATH": "/bin",
        "LAMBDA_API_KEY": "key",
        "HTTPS_PROXY": "x",
        "HOME": "/root",
        "KUBECONFIG": "k",
    }
    assert build_environment(FOLDER, environ) == {"PATH": "/bin", "HOME": "/home/of/local"}


def test_the_stages_have_names_of_their_own_and_select_without_cel() -> None:
    stages = list(yaml.safe_load_all(STAGES.read_text(encoding="utf-8")))
    assert [stage["metadata"]["name"] for stage in stages] == [
        "node-ready",
        "node-heartbeat",
        "pod-start",
        "job-pod-end",
        "pod-delete",
    ]
    for stage in stages:
        selectors = stage["spec"]["selector"]["matchExpressions"]
        assert all(set(selector) == {"jq"} for selector in selectors)  # kwok 0.8.0 panics on CEL over lists


@pytest.mark.parametrize("user", ["admin", *component_users().values()])
def test_a_kubeconfig_is_complete_and_checks_the_server(tmp_path: Path, user: str) -> None:
    ensure_certificates(tmp_path, now=datetime.now(UTC))
    text = build_kubeconfig(tmp_path, plane="local", server=PORTS.server, user=user)
    document = json.loads(text)
    cluster, identity = document["clusters"][0]["cluster"], document["users"][0]["user"]
    assert set(cluster) == {"server", "certificate-authority-data"}
    assert cluster["server"] == "https://127.0.0.1:2003"
    assert base64.b64decode(cluster["certificate-authority-data"]) == (tmp_path / "ca.crt").read_bytes()
    assert base64.b64decode(identity["client-key-data"]) == (tmp_path / f"{user}.key").read_bytes()
    assert document["current-context"] == document["contexts"][0]["name"] == "local"


@pytest.mark.parametrize("name", ["", "T", "a/b", "..", "a_b", "-a", "a" * 64])
def test_a_name_that_is_no_label_is_refused(home: Home, name: str) -> None:
    with pytest.raises(InvalidPlane, match="cannot be the name of a control plane"):
        plane_folder(home, name)
    assert not (home.root / "kubernetes").exists()
