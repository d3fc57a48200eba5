"""Certificates as PEM text: self-signed authorities and client certificates on P-256.

`cryptography` is imported where it is used: a preview that makes no certificate does not pay for it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sophia_infra.joining.errors import IncompleteCredentials

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, CertificateBuilder, KeyUsage, Name

__all__ = ["make_authority", "make_client", "valid_until"]

_CLOCK_SKEW = timedelta(hours=1)
"""How far a machine's clock may be behind ours and still accept what was just made."""


def make_authority(common_name: str, now: datetime, lifetime: timedelta) -> tuple[str, str]:
    """A self-signed authority: (certificate, key), both PEM. It signs leaves only, no further authority."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    builder = (
        _builder(name, name, key, now, lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
    )
    return _certificate_text(_signed(builder, key)), _key_text(key)


def make_client(
    common_name: str,
    organization: str,
    authority: tuple[str, str],
    now: datetime,
    lifetime: timedelta,
) -> tuple[str, str]:
    """A client certificate under `authority` (certificate, key): (certificate, key), all PEM.

    `organization` is the Kubernetes group. It never outlives its authority.

    Raises:
        IncompleteCredentials: the authority cannot be read.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    issuer, issuer_key = _load(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name),
        ]
    )
    lifetime = min(lifetime, issuer.not_valid_after_utc - now)
    builder = (
        _builder(subject, issuer.subject, key, now, lifetime)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    return _certificate_text(_signed(builder, issuer_key)), _key_text(key)


def valid_until(certificate: str) -> datetime:
    """When the PEM `certificate` ends, in UTC. Raises IncompleteCredentials."""
    return _load_certificate(certificate).not_valid_after_utc


def _builder(
    subject: Name, issuer: Name, key: EllipticCurvePrivateKey, now: datetime, lifetime: timedelta
) -> CertificateBuilder:
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=signs_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _signed(builder: CertificateBuilder, key: EllipticCurvePrivateKey) -> Certificate:
    from cryptography.hazmat.primitives import hashes

    return builder.sign(key, hashes.SHA256())


def _certificate_text(certificate: Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def _key_text(key: EllipticCurvePrivateKey) -> str:
    """SEC1 ("EC PRIVATE KEY"), the form in which k3s writes its own authorities."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode("ascii")


def _load_certificate(text: str) -> Certificate:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(text.encode())
    except ValueError:
        raise _unreadable("a certificate") from None


def _load(authority: tuple[str, str]) -> tuple[Certificate, EllipticCurvePrivateKey]:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    certificate = _load_certificate(authority[0])
    try:
        key = load_pem_private_key(authority[1].encode(), password=None)
    except (ValueError, TypeError):
        raise _unreadable("a private key") from None
    if not isinstance(key, EllipticCurvePrivateKey):
        raise _unreadable("a private key")
    return certificate, key


def _unreadable(what: str) -> IncompleteCredentials:
    return IncompleteCredentials(
        f"{what[0].upper()}{what[1:]} of the cluster's credentials cannot be read.",
        next_step="restore the state of the stack from a backup; do not edit these values.",
    )
