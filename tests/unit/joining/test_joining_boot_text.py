"""The boot text: valid for cloud-init, small, and no agent gets what only a server may have."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import subprocess
from typing import Any

import jsonschema_rs
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.joining import (
    MAX_BYTES,
    BootTextTooLong,
    JoiningError,
    join_token,
    user_data,
)
from sophia_infra.joining.host_files import firewall_rules, join_script
from sophia_infra.model.kubernetes import Node
from tests.unit.joining.boot_texts import SCHEMA, need_cloud_init, text_of
from tests.unit.joining.stack import SERVER_ADDRESS, arm_node, cluster_of, config, credentials, node, server

SECRETS_OF_THE_SERVER = [
    name for name in credentials() if name.endswith("_ca_key") or name in ("server_token", "admin_key")
]


def files_of(text: str) -> dict[str, str]:
    """Path -> content, as cloud-init would write it."""
    entries = yaml.safe_load(text)["write_files"]
    assert len({entry["path"] for entry in entries}) == len(entries)
    return {entry["path"]: _content(entry) for entry in entries}


def _content(entry: dict[str, Any]) -> str:
    if entry.get("encoding") == "gz+b64":
        return gzip.decompress(base64.b64decode(entry["content"])).decode()
    assert "encoding" not in entry
    return str(entry["content"])


def _mark(secret: str) -> str:
    """What gives a secret away: a key's first line of data, the beginning of a password."""
    return secret.splitlines()[1] if secret.startswith("-----") else secret[:16]


ALL_NODES = pytest.mark.parametrize(
    "one",
    [server(), node(), arm_node(), server(region="us-south-1"), arm_node(region="us-south-1")],
    ids=["server", "agent", "arm64-agent", "server-without-firewall", "arm64-agent-without-firewall"],
)
TOPOLOGIES = pytest.mark.parametrize("topology", ["per_region", "overlay"])


@ALL_NODES
@TOPOLOGIES
def test_it_is_what_the_schema_of_cloud_init_accepts(one: Node, topology: str) -> None:
    """Against the schema that cloud-init itself ships, unmodified."""
    need_cloud_init()
    validator = jsonschema_rs.Draft4Validator(json.loads(SCHEMA.read_text()))
    document = yaml.safe_load(text_of(one, config(topology=topology)))
    assert list(validator.iter_errors(document)) == []
    assert not validator.is_valid({"write_files": [{"pth": "x"}]}), "it can refuse"


@ALL_NODES
@TOPOLOGIES
def test_it_is_small_ascii_and_begins_as_cloud_init_wants(one: Node, topology: str) -> None:
    text = text_of(one, config(topology=topology))
    assert text.startswith("#cloud-config\n")
    assert text.isascii()
    assert len(text) < MAX_BYTES == 16 * 1024
    # Golden sizes: a jump here is a jump of every launch request.
    assert len(text) < (15_600 if one.is_server else 8_100)


@ALL_NODES
def test_the_same_arguments_give_the_same_text(one: Node) -> None:
    assert text_of(one) == text_of(one)


@ALL_NODES
@TOPOLOGIES
def test_an_agent_gets_no_secret_of_the_server(one: Node, topology: str) -> None:
    text = text_of(one, config(topology=topology))
    whole = text + "".join(files_of(text).values())
    held = {name for name in SECRETS_OF_THE_SERVER if _mark(credentials()[name]) in whole}
    expected = {name for name in SECRETS_OF_THE_SERVER if name != "admin_key"} if one.is_server else set()
    assert held == expected
    if not one.is_server:
        assert "PRIVATE" not in whole
        assert "BEGIN CERTIFICATE" not in whole


def test_a_server_finds_its_authorities_where_k3s_looks_for_them() -> None:
    files = files_of(text_of(server()))
    tls = "/var/lib/rancher/k3s/server/tls"
    expected = {
        f"{tls}/{name.replace('_', '-', 9)}.{ending}"
        for name in ("server_ca", "client_ca", "request_header_ca")
        for ending in ("crt", "key")
    } | {f"{tls}/etcd/{name}-ca.{ending}" for name in ("peer", "server") for ending in ("crt", "key")}
    assert {path for path in files if path.startswith(tls)} == expected
    assert files[f"{tls}/server-ca.crt"] == credentials()["server_ca_certificate"], (
        "to the byte: it is hashed"
    )
    assert files[f"{tls}/etcd/peer-ca.key"] == credentials()["etcd_peer_ca_key"]


@ALL_NODES
def test_what_is_secret_is_for_root_alone(one: Node) -> None:
    for entry in yaml.safe_load(text_of(one))["write_files"]:
        secret = any(
            credentials()[name] in _content(entry) for name in (*SECRETS_OF_THE_SERVER, "agent_token")
        )
        assert entry["permissions"] in ("0600", "0644", "0755")
        if secret or "tls" in entry["path"] or "rancher" in entry["path"]:
            assert entry["permissions"] == "0600", entry["path"]


def test_an_agent_joins_its_server_with_the_agents_token_by_file() -> None:
    files = files_of(text_of(node()))
    settings = yaml.safe_load(files["/etc/rancher/k3s/config.yaml"])
    assert settings["server"] == f"https://{SERVER_ADDRESS}:6443"
    assert settings["token-file"] == "/etc/rancher/k3s/join-token"
    assert files["/etc/rancher/k3s/join-token"] == join_token(credentials())
    assert "token" not in settings


def test_a_server_founds_a_hardened_cluster() -> None:
    files = files_of(text_of(server()))
    settings = yaml.safe_load(files["/etc/rancher/k3s/config.yaml"])
    assert (
        settings["cluster-init"]
        is settings["secrets-encryption"]
        is settings["protect-kernel-defaults"]
        is True
    )
    assert settings["write-kubeconfig-mode"] == "0600"
    assert "disable" not in settings, "without servicelb nothing reaches the ingress"
    assert settings["tls-san"] == ["sophia-mcp", "sophia-us-east-3"]
    assert "anonymous-auth=false" in settings["kube-apiserver-arg"]
    assert settings["etcd-snapshot-retention"] == 28
    for argument in settings["kube-apiserver-arg"]:
        _, _, path = argument.partition("-file=")
        if path:
            assert yaml.safe_load(files[path])["kind"] in ("AdmissionConfiguration", "Policy")
    assert files[settings["token-file"]] == credentials()["server_token"]
    assert files[settings["agent-token-file"]] == credentials()["agent_token"]
    audit = yaml.safe_load(files["/var/lib/rancher/k3s/server/audit.yaml"])
    assert {rule["level"] for rule in audit["rules"]} == {"None", "Metadata"}, (
        "never a body: it may be a Secret"
    )


@pytest.mark.parametrize(
    ("topology", "backend", "external"),
    [("per_region", "vxlan", None), ("overlay", "wireguard-native", True)],
)
def test_pods_of_several_regions_talk_through_wireguard(topology: str, backend: str, external: bool) -> None:
    files = files_of(text_of(server(), config(topology=topology)))
    settings = yaml.safe_load(files["/etc/rancher/k3s/config.yaml"])
    assert (settings["flannel-backend"], settings.get("flannel-external-ip")) == (backend, external)


@ALL_NODES
def test_only_arm64_is_tainted(one: Node) -> None:
    settings = yaml.safe_load(files_of(text_of(one))["/etc/rancher/k3s/config.yaml"])
    expected = ["kubernetes.io/arch=arm64:NoSchedule"] if one.architecture == "arm64" else None
    assert settings.get("node-taint") == expected


LABEL_VALUES = st.from_regex(r"[a-z0-9A-Z]([a-z0-9A-Z._-]{0,30}[a-z0-9A-Z])?", fullmatch=True)
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?", fullmatch=True)


@given(
    name=NAMES,
    labels=st.dictionaries(NAMES.map("sophia.internal/{}".format), LABEL_VALUES, max_size=6),
)
def test_every_label_and_name_arrives_as_it_is(name: str, labels: dict[str, str]) -> None:
    """`on`, `1e3`, `null`: names that YAML would take for something else."""
    one = node(name, labels=labels)
    files = files_of(user_data(one, cluster_of(one), credentials(), SERVER_ADDRESS, config()))
    settings = yaml.safe_load(files["/etc/rancher/k3s/config.yaml"])
    assert settings["node-name"] == name
    assert dict(label.split("=", 1) for label in settings["node-label"]) == labels
    sourced = subprocess.run(
        ["bash", "-c", f'{files["/etc/sophia/join.env"]}printf %s "$NODE_NAME"'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert sourced.stdout == name


def test_firewall_rules_are_there_only_where_lambda_applies_none() -> None:
    path = "/etc/sophia/firewall.nft"
    assert path not in files_of(text_of(server()))
    rules = files_of(text_of(server(region="us-south-1"), config(api_sources=["198.51.100.0/24"])))[path]
    assert "198.51.100.0/24" in rules
    assert "tcp dport 6443 drop" in rules


def test_an_overlay_keeps_the_api_open_for_nodes_that_nobody_can_name_yet() -> None:
    assert "tcp dport 6443 drop" not in firewall_rules(["198.51.100.0/24"], overlay=True)
    for overlay in (True, False):
        assert "10250" in firewall_rules([], overlay=overlay)
        assert "udp dport 8472" in firewall_rules([], overlay=overlay)


def test_an_ipv6_address_of_a_server_is_a_url_too() -> None:
    text = user_data(node(), cluster_of(node()), credentials(), "2001:db8::1", config())
    assert "https://[2001:db8::1]:6443" in text


@pytest.mark.parametrize(("one", "address"), [(server(), "10.0.0.1"), (node(), None)])
def test_a_server_with_an_address_or_an_agent_without_one_is_a_mistake(
    one: Node, address: str | None
) -> None:
    with pytest.raises(JoiningError, match=r"a server's address goes into the boot text of agents"):
        user_data(one, cluster_of(one), credentials(), address, config())


def test_a_text_that_does_not_fit_is_refused_with_its_size() -> None:
    digests = [hashlib.sha256(str(number).encode()).digest() for number in range(400)]
    many = config(api_sources=[f"100.{one[0]}.{one[1]}.{one[2]}/32" for one in digests])
    with pytest.raises(
        BootTextTooLong, match=r"has [0-9,]+ bytes; at most 16,384 .* Next: shorten"
    ) as caught:
        text_of(server(region="us-south-1"), many)
    assert credentials()["server_token"] not in str(caught.value)


def test_the_script_is_the_same_for_every_node_and_short() -> None:
    assert files_of(text_of(server()))["/usr/local/sbin/sophia-join"] == join_script()
    assert files_of(text_of(arm_node()))["/usr/local/sbin/sophia-join"] == join_script()
    assert len(join_script()) < 7_500
