"""A certificate authority for tests, and kubeconfigs that use it."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Pair = tuple[bytes, bytes]
"""Certificate and key, PEM."""


class Authority:
    """Signs certificates for the server on loopback and for clients. `days` are relative to now."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign(
            "test-ca", self._key, self._key, (-1, 1), x509.BasicConstraints(True, None)
        )
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)

    def server(self, days: tuple[int, int] = (-1, 1)) -> Pair:
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        return self._pair("server", days, names, ExtendedKeyUsageOID.SERVER_AUTH)

    def client(self, name: str, days: tuple[int, int] = (-1, 1)) -> Pair:
        return self._pair(name, days, None, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _pair(
        self, name: str, days: tuple[int, int], names: x509.ExtensionType | None, usage: x509.ObjectIdentifier
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        extensions = [x509.ExtendedKeyUsage([usage]), *([names] if names else [])]
        certificate = self._sign(name, key, self._key, days, *extensions)
        plain = serialization.NoEncryption()
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        return certificate.public_bytes(serialization.Encoding.PEM), pem

    def _sign(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        by: ec.EllipticCurvePrivateKey,
        days: tuple[int, int],
        *extensions: x509.ExtensionType,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test-ca")]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(by, hashes.SHA256())


def kubeconfig_text(
    server: str,
    *,
    ca: bytes | None = None,
    token: str | None = None,
    client: Pair | None = None,
    user: str = "tester",
    cluster: dict[str, Any] | None = None,
    credentials: dict[str, Any] | None = None,
    namespace: str | None = None,
) -> str:
    """A kubeconfig with one context; `cluster` and `credentials` are further keys of these sections."""
    section: dict[str, Any] = {"server": server, **(cluster or {})}
    if ca is not None:
        section["certificate-authority-data"] = base64.b64encode(ca).decode()
    person: dict[str, Any] = dict(credentials or {})
    if token is not None:
        person["token"] = token
    if client is not None:
        person["client-certificate-data"] = base64.b64encode(client[0]).decode()
        person["client-key-data"] = base64.b64encode(client[1]).decode()
    context = {"cluster": "here", "user": user, **({"namespace": namespace} if namespace else {})}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": section}],
            "users": [{"name": user, "user": person}],
            "contexts": [{"name": "main", "context": context}],
            "current-context": "main",
        }
    )
