"""The credentials of a k3s cluster, made before its server exists.

Agents must be able to tell their server from an impostor at first contact, and the operator needs a
kubeconfig without logging in to a machine. Both follow from authorities that are ours: k3s takes over the
ones it finds (docs.k3s.io, "certificate": Using Custom CA Certificates). Five separate self-signed
authorities, as k3s itself would make them: under a common root, a certificate of one purpose would be
accepted for another.

The hash in a token of the secure form is that of the file `server-ca.crt` when it holds one certificate
(k3s, pkg/clientaccess/token.go; the documentation's "custom CA" rule is for a chain).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

from sophia_infra.joining.certificates import make_authority, make_client, valid_until
from sophia_infra.joining.errors import IncompleteCredentials

__all__ = [
    "AUTHORITIES",
    "CREDENTIAL_NAMES",
    "admin_days_left",
    "join_token",
    "make_credentials",
    "part",
    "renew_admin_certificate",
    "server_ca_sha256",
]

AUTHORITIES = {
    "server_ca": "server-ca",
    "client_ca": "client-ca",
    "request_header_ca": "request-header-ca",
    "etcd_peer_ca": "etcd/peer-ca",
    "etcd_server_ca": "etcd/server-ca",
}
"""Name here -> file under k3s' `server/tls`, without its ending."""

AUTHORITY_LIFETIME = timedelta(days=3650)
ADMIN_LIFETIME = timedelta(days=365)
ADMIN_USER = "sophia-admin"
ADMIN_GROUP = "system:masters"
"""Bound in every API server; no object must exist before the first call."""

_TOKEN_BYTES = 32

CREDENTIAL_NAMES = (
    *(f"{name}_{part}" for name in AUTHORITIES for part in ("certificate", "key")),
    "server_token",
    "agent_token",
    "admin_certificate",
    "admin_key",
)
"""Every key of what `make_credentials` returns. All secret, but for the certificates."""


def make_credentials(cluster_name: str, now: datetime) -> dict[str, str]:
    """New credentials of a cluster: authorities for 10 years, two tokens, an admin certificate for a year.

    Args:
        cluster_name: stands in the names of the authorities, for people who look at a certificate.
        now: an aware time; the real one, whatever clock a stack runs on.

    Returns:
        PEM text and hex passwords by the names in `CREDENTIAL_NAMES`. The server's token never goes to an
        agent: whoever has it is administrator, and it encrypts the keys in the data store.
    """
    made: dict[str, str] = {}
    for name, file in AUTHORITIES.items():
        common_name = f"{cluster_name}-{file.replace('/', '-')}"[:64]
        made[f"{name}_certificate"], made[f"{name}_key"] = make_authority(
            common_name, now, AUTHORITY_LIFETIME
        )
    made["server_token"] = secrets.token_hex(_TOKEN_BYTES)
    made["agent_token"] = secrets.token_hex(_TOKEN_BYTES)
    return renew_admin_certificate(made, now)


def renew_admin_certificate(credentials: Mapping[str, str], now: datetime) -> dict[str, str]:
    """The same credentials with a new admin certificate for a year. Raises IncompleteCredentials."""
    authority = part(credentials, "client_ca_certificate"), part(credentials, "client_ca_key")
    certificate, key = make_client(ADMIN_USER, ADMIN_GROUP, authority, now, ADMIN_LIFETIME)
    return {**credentials, "admin_certificate": certificate, "admin_key": key}


def admin_days_left(credentials: Mapping[str, str], now: datetime) -> float:
    """Days until the admin certificate ends; negative afterwards. Raises IncompleteCredentials."""
    return (valid_until(part(credentials, "admin_certificate")) - now) / timedelta(days=1)


def join_token(credentials: Mapping[str, str]) -> str:
    """What an agent joins with, in the secure form: checks the server's authority before it says anything."""
    return f"K10{server_ca_sha256(credentials)}::node:{part(credentials, 'agent_token')}"


def server_ca_sha256(credentials: Mapping[str, str]) -> str:
    """Hex digest of the server's authority as the file on its disk: what k3s serves at /cacerts."""
    return hashlib.sha256(part(credentials, "server_ca_certificate").encode("ascii")).hexdigest()


def part(credentials: Mapping[str, str], name: str) -> str:
    """The credential `name`; IncompleteCredentials when it is missing."""
    value = credentials.get(name)
    if not isinstance(value, str) or not value:
        raise IncompleteCredentials(
            f"The credentials of the cluster have no {name}.",
            next_step="restore the state of the stack from a backup; without them the running cluster "
            "cannot be reached and must be replaced.",
        )
    return value
