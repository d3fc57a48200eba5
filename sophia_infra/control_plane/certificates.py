"""The certificates of one control plane: three authorities, P-256 keys, TLS both ways.

    ca                kube-apiserver, admin, kube-controller-manager, kube-scheduler, kwok, volumes
    etcd-ca           etcd, and the API server as its only client
    front-proxy-ca    the API server, where it speaks for a user to an extension API

Three, because etcd knows no roles: whoever shows a certificate of its authority may read every secret; and
the API server believes the user names that come with a certificate of the third.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sophia_infra.control_plane.signing import Authority, issue, make_authority
from sophia_infra.engine.home import make_private_folder, write_private_file

__all__ = [
    "ADMIN",
    "KWOK",
    "VOLUMES",
    "are_certificates_good",
    "ensure_certificates",
    "issue",
    "load_authority",
]

ADMIN = "admin"
KWOK = "kwok"
VOLUMES = "volumes"

AUTHORITY_LIFE = timedelta(days=3650)
CERTIFICATE_LIFE = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)
"""A start that finds a certificate with less time left makes all certificates anew."""

_CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Wanted:
    authority: str
    common_name: str
    groups: tuple[str, ...] = ()
    server: bool = False
    client: bool = True


_LOOPBACK = ("localhost", "127.0.0.1")
_API_SERVER_NAMES = (*_LOOPBACK, "kubernetes", "kubernetes.default", "kubernetes.default.svc", "10.96.0.1")

_AUTHORITIES = {"ca": "sophia-kubernetes", "etcd-ca": "sophia-etcd", "front-proxy-ca": "sophia-front-proxy"}
_CERTIFICATES = {
    "kube-apiserver": _Wanted("ca", "kube-apiserver", server=True, client=False),
    ADMIN: _Wanted("ca", "sophia-admin", ("system:masters",)),
    "kube-controller-manager": _Wanted("ca", "system:kube-controller-manager"),
    "kube-scheduler": _Wanted("ca", "system:kube-scheduler"),
    KWOK: _Wanted("ca", "sophia:kwok"),
    VOLUMES: _Wanted("ca", "sophia:volumes"),
    "etcd": _Wanted("etcd-ca", "etcd", server=True),  # a client too: its gateway calls itself
    "etcd-client": _Wanted("etcd-ca", "kube-apiserver"),
    "front-proxy-client": _Wanted("front-proxy-ca", "front-proxy-client"),
}


def ensure_certificates(folder: Path, *, now: datetime) -> bool:
    """Make what is missing under `folder`; return whether a certificate was made.

    Files are `<name>.crt` and `<name>.key` (PEM, mode 0600) and `service-accounts.{key,pub}`, which signs the
    tokens of service accounts and never changes while the plane lives: tokens would end with it.

    Args:
        now: with time zone; certificates with less than 30 days left are made anew.
    """
    make_private_folder(folder)
    if not (folder / "service-accounts.pub").exists():
        key = ec.generate_private_key(ec.SECP256R1())
        write_private_file(folder / "service-accounts.key", _key_text(key))
        write_private_file(folder / "service-accounts.pub", _public_text(key))
    if are_certificates_good(folder, now=now):
        return False
    for name, subject in _AUTHORITIES.items():
        if not _is_good(folder, name, now):
            _write(
                folder,
                name,
                *make_authority(subject, not_before=now - _CLOCK_TOLERANCE, not_after=now + AUTHORITY_LIFE),
            )
    for name, wanted in _CERTIFICATES.items():
        names = {"kube-apiserver": _API_SERVER_NAMES, "etcd": _LOOPBACK}.get(name, ())
        certificate, key = issue(
            load_authority(folder, wanted.authority),
            wanted.common_name,
            groups=wanted.groups,
            names=names,
            client=wanted.client,
            not_before=now - _CLOCK_TOLERANCE,
            not_after=now + CERTIFICATE_LIFE,
        )
        _write(folder, name, certificate, key)
    return True


def are_certificates_good(folder: Path, *, now: datetime) -> bool:
    """Whether nothing is missing, damaged or near its end: else servers must end before all is made anew."""
    return all(_is_good(folder, name, now) for name in _AUTHORITIES) and all(
        _is_good(folder, name, now, wanted.authority) for name, wanted in _CERTIFICATES.items()
    )


def load_authority(folder: Path, name: str = "ca") -> Authority:
    """Read the authority `ca`, `etcd-ca` or `front-proxy-ca` that `ensure_certificates` made in `folder`."""
    certificate = x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())
    key = serialization.load_pem_private_key((folder / f"{name}.key").read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{folder / name}.key is no key of ours")
    return Authority(certificate, key)


def _is_good(folder: Path, name: str, now: datetime, authority: str | None = None) -> bool:
    """Whether certificate and key are there, belong together, are signed by `authority` and last a while."""
    try:
        certificate = x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())
        key = serialization.load_pem_private_key((folder / f"{name}.key").read_bytes(), password=None)
        if key.public_key() != certificate.public_key():
            return False
        if authority is not None:
            certificate.verify_directly_issued_by(load_authority(folder, authority).certificate)
    except (OSError, ValueError, InvalidSignature):
        return False
    return certificate.not_valid_after_utc - now.astimezone(UTC) > RENEW_BEFORE


def _write(folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    write_private_file(folder / f"{name}.key", _key_text(key))
    write_private_file(
        folder / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")
    )


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")


def _public_text(key: ec.EllipticCurvePrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode("ascii")
    )
