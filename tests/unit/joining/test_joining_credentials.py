"""Credentials: what is in them, how long it lasts, and that nobody gets more than they need."""

from __future__ import annotations

import base64
import hashlib
import ssl
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sophia_infra.joining import (
    CREDENTIAL_NAMES,
    IncompleteCredentials,
    admin_days_left,
    join_token,
    kubeconfig,
    make_credentials,
    renew_admin_certificate,
)
from tests.unit.joining.stack import NOW, credentials

AUTHORITIES = ("server_ca", "client_ca", "request_header_ca", "etcd_peer_ca", "etcd_server_ca")


def certificate(name: str, made: dict[str, str] | None = None) -> x509.Certificate:
    return x509.load_pem_x509_certificate((made or credentials())[f"{name}_certificate"].encode())


def test_they_have_exactly_the_promised_parts() -> None:
    assert sorted(credentials()) == sorted(CREDENTIAL_NAMES)
    assert all(isinstance(value, str) and value for value in credentials().values())


@pytest.mark.parametrize("name", AUTHORITIES)
def test_an_authority_is_self_signed_for_ten_years_and_signs_leaves_only(name: str) -> None:
    authority = certificate(name)
    assert authority.issuer == authority.subject
    authority.verify_directly_issued_by(authority)
    assert authority.not_valid_after_utc == NOW + timedelta(days=3650)
    assert authority.not_valid_before_utc < NOW, "a machine whose clock is behind must accept it"
    basic = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    assert authority.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


@pytest.mark.parametrize("name", [*AUTHORITIES, "admin"])
def test_every_key_is_p256_in_the_form_that_k3s_writes_and_fits_its_certificate(name: str) -> None:
    text = credentials()[f"{name}_key"]
    assert text.startswith("-----BEGIN EC " + "PRIVATE KEY-----\n")
    key = load_pem_private_key(text.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp256r1"
    assert certificate(name).public_key() == key.public_key()


def test_no_two_authorities_share_a_key() -> None:
    assert len({credentials()[f"{name}_key"] for name in AUTHORITIES}) == 5


def test_two_clusters_share_nothing() -> None:
    other = make_credentials("sophia-us-east-3", NOW)
    assert not set(other.values()) & set(credentials().values())


def test_the_administrator_is_known_to_the_client_authority_for_a_year() -> None:
    admin = certificate("admin")
    admin.verify_directly_issued_by(certificate("client_ca"))
    names = {one.rfc4514_attribute_name: one.value for one in admin.subject}
    assert names == {"O": "system:masters", "CN": "sophia-admin"}
    assert admin.not_valid_after_utc == NOW + timedelta(days=365)
    usage = admin.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [one.dotted_string for one in usage] == ["1.3.6.1.5.5.7.3.2"], (
        "client authentication, nothing else"
    )
    assert not admin.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_renewing_changes_the_administrators_certificate_and_nothing_else() -> None:
    later = NOW + timedelta(days=320)
    assert admin_days_left(credentials(), later) == 45
    renewed = renew_admin_certificate(credentials(), later)
    assert {name for name in renewed if renewed[name] != credentials()[name]} == {
        "admin_certificate",
        "admin_key",
    }
    assert admin_days_left(renewed, later) == 365
    certificate("admin", renewed).verify_directly_issued_by(certificate("client_ca"))


def test_an_administrators_certificate_never_outlives_its_authority() -> None:
    renewed = renew_admin_certificate(credentials(), NOW + timedelta(days=3600))
    assert certificate("admin", renewed).not_valid_after_utc == certificate("client_ca").not_valid_after_utc


def test_a_join_token_is_the_digest_of_the_file_on_the_server_and_the_agents_password(tmp_path: Path) -> None:
    file = tmp_path / "server-ca.crt"
    file.write_text(credentials()["server_ca_certificate"])
    digest = subprocess.run(["sha256sum", str(file)], capture_output=True, text=True, check=True).stdout[:64]
    assert join_token(credentials()) == f"K10{digest}::node:{credentials()['agent_token']}"
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_two_tokens_are_different_and_long() -> None:
    server, agent = credentials()["server_token"], credentials()["agent_token"]
    assert server != agent
    assert len(bytes.fromhex(server)) == len(bytes.fromhex(agent)) == 32


def test_a_kubeconfig_is_whole_and_names_a_host_that_every_server_certificate_has() -> None:
    document = yaml.safe_load(kubeconfig(credentials(), "https://192.0.2.1:6443"))
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    assert cluster["server"] == "https://192.0.2.1:6443"
    assert cluster["tls-server-name"] == "kubernetes.default.svc"
    pem = base64.b64decode(cluster["certificate-authority-data"]).decode()
    assert pem == credentials()["server_ca_certificate"]
    ssl.create_default_context(cadata=pem)
    assert base64.b64decode(user["client-key-data"]).decode() == credentials()["admin_key"]
    assert base64.b64decode(user["client-certificate-data"]).decode() == credentials()["admin_certificate"]
    assert document["current-context"] == document["contexts"][0]["name"]
    for name in ("server_token", "agent_token", "client_ca_key", "server_ca_key"):
        assert credentials()[name] not in str(document)


@pytest.mark.parametrize("missing", ["server_ca_certificate", "agent_token"])
def test_a_missing_part_is_named_and_no_other_part_is_shown(missing: str) -> None:
    broken = {name: value for name, value in credentials().items() if name != missing}
    with pytest.raises(IncompleteCredentials, match=f"no {missing}.* Next: restore") as caught:
        join_token(broken)
    assert not [value for value in broken.values() if value in str(caught.value)]


@pytest.mark.parametrize("broken", ["client_ca_certificate", "client_ca_key"])
def test_an_unreadable_part_is_no_traceback_of_a_library(broken: str) -> None:
    secret = "not PEM at all"
    with pytest.raises(IncompleteCredentials, match="cannot be read") as caught:
        renew_admin_certificate({**credentials(), broken: secret}, NOW)
    assert secret not in str(caught.value)


def test_cryptography_is_loaded_only_by_who_makes_certificates() -> None:
    program = (
        "import sys; import sophia_infra.joining as j; "
        "assert not [m for m in sys.modules if m.startswith('cryptography')], 'loaded on import'"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
