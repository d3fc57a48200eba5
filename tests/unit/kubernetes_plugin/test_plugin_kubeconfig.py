from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import yaml

from sophia_infra.kubernetes_plugin.errors import SettingsRefused
from sophia_infra.kubernetes_plugin.kubeconfig import load_kubeconfig
from tests.unit.kubernetes_plugin.certificates import Authority, kubeconfig_text

SERVER = "https://10.0.0.1:6443"


def test_certificates_and_keys_are_read_from_text(authority: Authority) -> None:
    client = authority.client("alice")
    read = load_kubeconfig(
        kubeconfig_text(SERVER, ca=authority.pem, client=client, user="alice", namespace="shop")
    )
    assert (read.server, read.user, read.namespace) == (SERVER, "alice", "shop")
    assert (read.ca, read.client_certificate, read.client_key) == (authority.pem, *client)


def test_files_are_found_beside_the_kubeconfig(tmp_path: Path, authority: Authority) -> None:
    (tmp_path / "ca.crt").write_bytes(authority.pem)
    (tmp_path / "token").write_text("from-a-file\n")
    text = kubeconfig_text(
        SERVER, cluster={"certificate-authority": "ca.crt"}, credentials={"tokenFile": "token"}
    )
    (tmp_path / "config").write_text(text)
    read = load_kubeconfig(str(tmp_path / "config"))
    assert (read.ca, read.token) == (authority.pem, "from-a-file")


def test_what_is_written_for_other_programs_reads_the_same(authority: Authority) -> None:
    read = load_kubeconfig(
        kubeconfig_text(SERVER, ca=authority.pem, client=authority.client("alice"), namespace="n")
    )
    again = load_kubeconfig(read.as_text())
    assert (again.server, again.namespace, again.ca) == (read.server, "n", read.ca)
    assert (again.client_certificate, again.client_key) == (read.client_certificate, read.client_key)


def test_without_argument_the_environment_says_where(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(kubeconfig_text(SERVER))
    assert load_kubeconfig(None, environ={"KUBECONFIG": f"{tmp_path / 'config'}:/other"}).server == SERVER
    with pytest.raises(SettingsRefused, match=r"no kubeconfig, and .*\.kube/config does not exist"):
        load_kubeconfig(None, environ={"HOME": str(tmp_path)})


def test_another_context_can_be_chosen() -> None:
    document = json.loads(kubeconfig_text(SERVER))
    document["contexts"].append(
        {"name": "second", "context": {"cluster": "here", "user": "tester", "namespace": "b"}}
    )
    assert load_kubeconfig(json.dumps(document), "second").namespace == "b"
    with pytest.raises(SettingsRefused, match=r"no context 'third' \(it has: main, second\)"):
        load_kubeconfig(json.dumps(document), "third")


@pytest.mark.parametrize(
    ("keywords", "sentence"),
    [
        ({"cluster": {"insecure-skip-tls-verify": True}}, "turns TLS checks off"),
        ({"cluster": {"server": "http://10.0.0.1"}}, "must be an https URL"),
        ({"credentials": {"exec": {"command": "aws"}}}, "starts a program for credentials"),
        ({"credentials": {"auth-provider": {"name": "gcp"}}}, "uses an auth-provider"),
        ({"credentials": {"username": "a", "password": "b"}}, "user name with password"),
        ({"credentials": {"as": "root"}}, "impersonates another user"),
        ({"cluster": {"certificate-authority-data": "!!"}}, "certificate-authority-data is not base64"),
        ({"cluster": {"certificate-authority": "/no/such/file"}}, "names the file /no/such/file"),
    ],
)
def test_what_is_refused_has_a_sentence(keywords: dict[str, object], sentence: str) -> None:
    with pytest.raises(SettingsRefused, match=sentence):
        load_kubeconfig(kubeconfig_text(SERVER, **keywords))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [\n", "is not YAML"),
        ("- a\n- b\n", "is not a kubeconfig"),
        ("clusters: []\nusers: []\n", "has no current-context"),
        ("current-context: a\ncontexts: []\n", "has no context 'a'"),
        ("/no/such/file", "The kubeconfig /no/such/file does not exist"),
    ],
)
def test_what_is_no_kubeconfig_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(SettingsRefused, match=sentence):
        load_kubeconfig(text)


def test_no_secret_shows(authority: Authority) -> None:
    _, key = authority.client("alice")
    token = "-".join(["a", "token"])
    text = kubeconfig_text(SERVER, token=token, client=(authority.pem, key))
    shown = repr(load_kubeconfig(text))
    assert token not in shown
    assert "PRIVATE" not in shown
    broken = yaml.safe_dump(json.loads(text)) + "\n  : ["
    with pytest.raises(SettingsRefused) as refused:
        load_kubeconfig(broken)
    assert token not in str(refused.value)
    assert base64.b64encode(key).decode()[:40] not in str(refused.value)
