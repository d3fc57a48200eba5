"""Kubeconfigs: how a client finds the API server, trusts it and proves who it is."""

from __future__ import annotations

import base64
import json
from pathlib import Path

__all__ = ["build_kubeconfig"]


def build_kubeconfig(certificates: Path, *, plane: str, server: str, user: str) -> str:
    """Build a complete kubeconfig as JSON, which is YAML: certificates and key inside, no file named.

    Args:
        certificates: the folder that `ensure_certificates` filled.
        server: `https://127.0.0.1:<port>`.
        user: name of the client's certificate there, for example `admin`.
    """

    def content(name: str) -> str:
        return base64.b64encode((certificates / name).read_bytes()).decode("ascii")

    cluster = {"server": server, "certificate-authority-data": content("ca.crt")}
    identity = {
        "client-certificate-data": content(f"{user}.crt"),
        "client-key-data": content(f"{user}.key"),
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": plane, "cluster": cluster}],
        "users": [{"name": f"{plane}-{user}", "user": identity}],
        "contexts": [{"name": plane, "context": {"cluster": plane, "user": f"{plane}-{user}"}}],
        "current-context": plane,
    }
    return json.dumps(document, indent=2) + "\n"
