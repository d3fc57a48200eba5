"""The pool of TLS connections of a kubeconfig: its CA, its client certificate, its proxy."""

from __future__ import annotations

import os
import ssl
import tempfile
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3

from sophia_infra.kubernetes_plugin.errors import SettingsRefused
from sophia_infra.kubernetes_plugin.kubeconfig import Kubeconfig

POOL_SIZE = 64
"""Connections kept open; more threads than this wait for none, they open further ones."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def make_pool(kubeconfig: Kubeconfig) -> urllib3.PoolManager:
    """Open nothing yet; the server's certificate and name are verified at each handshake.

    Raises:
        SettingsRefused: a certificate or key in the kubeconfig cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if kubeconfig.ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(cadata=kubeconfig.ca.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise SettingsRefused(
            "The kubeconfig's certificate-authority is no certificate in PEM form."
        ) from None
    if kubeconfig.client_certificate is not None:
        _load_client_certificate(context, kubeconfig)
    options: dict[str, Any] = {"maxsize": POOL_SIZE, "ssl_context": context}
    if kubeconfig.tls_server_name:
        options |= {
            "server_hostname": kubeconfig.tls_server_name,
            "assert_hostname": kubeconfig.tls_server_name,
        }
    proxy = kubeconfig.proxy_url or _proxy_of_this_machine(kubeconfig.server)
    return urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)


def _load_client_certificate(context: ssl.SSLContext, kubeconfig: Kubeconfig) -> None:
    """Load certificate and key. `ssl` takes them from files only: one that is there for this moment."""
    with tempfile.TemporaryDirectory(prefix="sophia-kubernetes-") as folder:
        file = Path(folder) / "client.pem"
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(b"\n".join([kubeconfig.client_certificate or b"", kubeconfig.client_key or b""]))
        try:
            context.load_cert_chain(file)
        except ssl.SSLError:
            raise SettingsRefused(
                f"Client certificate and key of user {kubeconfig.user!r} in the kubeconfig cannot be used: "
                "they are not PEM, or do not belong together."
            ) from None


def _proxy_of_this_machine(server: str) -> str | None:
    host = urlsplit(server).hostname or ""
    if host in _LOOPBACK or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get("https")
