from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from sophia_infra.control_plane.certificates import ensure_certificates, issue, load_authority

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CLIENTS = {
    "admin": ("sophia-admin", ["system:masters"]),
    "kube-controller-manager": ("system:kube-controller-manager", []),
    "kube-scheduler": ("system:kube-scheduler", []),
    "kwok": ("sophia:kwok", []),
    "volumes": ("sophia:volumes", []),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert ensure_certificates(tmp_path / "certificates", now=NOW)
    return tmp_path / "certificates"


def read(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())


def verify_server(folder: Path, name: str, authority: str, at: datetime = NOW) -> None:
    store = Store([read(folder, authority)])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    PolicyBuilder().store(store).time(at).build_server_verifier(address).verify(read(folder, name), [])


def test_servers_verify_on_loopback_against_their_own_authority_only(folder: Path) -> None:
    verify_server(folder, "kube-apiserver", "ca")
    verify_server(folder, "etcd", "etcd-ca")
    with pytest.raises(VerificationError):
        verify_server(folder, "kube-apiserver", "etcd-ca")
    with pytest.raises(VerificationError):
        verify_server(folder, "etcd", "ca")


def test_the_names_of_the_api_server_cover_loopback_and_the_service(folder: Path) -> None:
    names = (
        read(folder, "kube-apiserver").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    )
    assert names.get_values_for_type(x509.DNSName) == [
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
    ]
    addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    assert addresses == ["127.0.0.1", "10.96.0.1"]


@pytest.mark.parametrize("name", CLIENTS)
def test_clients_carry_their_user_and_groups_and_cannot_serve(folder: Path, name: str) -> None:
    certificate = read(folder, name)
    user, groups = CLIENTS[name]
    certificate.verify_directly_issued_by(read(folder, "ca"))
    assert [row.value for row in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == [user]
    organizations = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert [row.value for row in organizations] == groups
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_nobody_but_the_owner_reads_a_file(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}


def test_a_second_call_makes_nothing(folder: Path) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert not ensure_certificates(folder, now=NOW + timedelta(days=300))
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_month_before_the_end_all_are_renewed_under_the_same_authorities(folder: Path) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    later = NOW + timedelta(days=340)
    assert ensure_certificates(folder, now=later)
    kept = {file.name for file in folder.iterdir() if file.read_bytes() == before[file.name]}
    assert kept == {
        "ca.crt",
        "ca.key",
        "etcd-ca.crt",
        "etcd-ca.key",
        "front-proxy-ca.crt",
        "front-proxy-ca.key",
        "service-accounts.key",
        "service-accounts.pub",
    }
    verify_server(folder, "kube-apiserver", "ca", later + timedelta(days=364))


@pytest.mark.parametrize("damage", ["admin.crt", "admin.key", "ca.key"])
def test_what_is_missing_damaged_or_does_not_match_is_made_anew(folder: Path, damage: str) -> None:
    (folder / damage).write_bytes((folder / "kwok.key").read_bytes())
    assert ensure_certificates(folder, now=NOW)
    assert not ensure_certificates(folder, now=NOW)
    read(folder, "admin").verify_directly_issued_by(read(folder, "ca"))


def test_a_certificate_of_an_older_authority_is_made_anew(folder: Path, tmp_path: Path) -> None:
    ensure_certificates(tmp_path / "other", now=NOW)
    for name in ("kwok.crt", "kwok.key"):
        (folder / name).write_bytes((tmp_path / "other" / name).read_bytes())
    assert ensure_certificates(folder, now=NOW)


def test_one_can_be_issued_that_has_expired(folder: Path) -> None:
    certificate, key = issue(
        load_authority(folder),
        "ann",
        groups=("team",),
        not_before=NOW - timedelta(days=2),
        not_after=NOW - timedelta(days=1),
    )
    certificate.verify_directly_issued_by(read(folder, "ca"))
    assert certificate.not_valid_after_utc < NOW
    assert key.public_key() == certificate.public_key()
