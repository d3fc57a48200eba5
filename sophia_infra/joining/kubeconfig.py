"""The operator's kubeconfig, computed from the credentials: nobody has to fetch it from a machine."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import yaml

from sophia_infra.joining.credentials import part

__all__ = ["TLS_SERVER_NAME", "kubeconfig"]

TLS_SERVER_NAME = "kubernetes.default.svc"
"""A name that every API server's certificate has. The public address is in it only once the machine has
learnt it, and it changes when the machine is replaced."""


def kubeconfig(credentials: Mapping[str, str], server_url: str) -> str:
    """YAML text of a kubeconfig for the administrator, self-contained. A secret.

    Args:
        credentials: from `make_credentials`.
        server_url: `https://192.0.2.1:6443`.

    Raises:
        IncompleteCredentials: a part is missing.
    """
    name = "sophia"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": name,
                "cluster": {
                    "server": server_url,
                    "tls-server-name": TLS_SERVER_NAME,
                    "certificate-authority-data": _base64(part(credentials, "server_ca_certificate")),
                },
            }
        ],
        "users": [
            {
                "name": name,
                "user": {
                    "client-certificate-data": _base64(part(credentials, "admin_certificate")),
                    "client-key-data": _base64(part(credentials, "admin_key")),
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    return yaml.safe_dump(document, sort_keys=False, width=10_000)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("ascii")).decode("ascii")
