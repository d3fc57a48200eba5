"""A custom.metrics.k8s.io of one metric, registered as prometheus-adapter is, with the answers of a test."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization

from sophia_infra.control_plane.signing import Authority, issue, make_authority
from tests.cluster.plane import Plane

__all__ = ["serving_custom_metrics"]

GROUP = "custom.metrics.k8s.io"
METRIC = "gpu_utilization"
API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
SERVICE = "metrics"

Values = Callable[[], Mapping[str, int]]


@contextmanager
def serving_custom_metrics(plane: Plane, namespace: str, folder: Path, values: Values) -> Iterator[None]:
    """Register it for as long as the context lasts.

    Args:
        values: name of a pod of `namespace` -> its value now.
    """
    host = f"{SERVICE}.{namespace}.svc"
    authority, certificate = _certificate(host, folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(namespace, values))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        with _registered(plane, namespace, server.server_port, authority):
            yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _registered(plane: Plane, namespace: str, port: int, authority: bytes) -> Iterator[None]:
    name = f"v1beta1.{GROUP}"
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVICE},
        # The API server looks the name up by itself, where it would ask a pod in a cluster with pods.
        "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]},
    }
    api_service = {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": name},
        "spec": {
            "group": GROUP,
            "version": "v1beta1",
            "service": {"name": SERVICE, "namespace": namespace, "port": port},
            "caBundle": base64.b64encode(authority).decode(),
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        },
    }
    plane.request("POST", f"/api/v1/namespaces/{namespace}/services", service)
    plane.request("POST", API_SERVICES, api_service)
    try:
        plane.wait_for(lambda: _is_available(plane, name))
        yield
    finally:
        # An API service that nobody answers for keeps every namespace from being deleted.
        plane.request("DELETE", f"{API_SERVICES}/{name}")


def _is_available(plane: Plane, name: str) -> bool:
    status = plane.request("GET", f"{API_SERVICES}/{name}").get("status", {})
    return any(row["type"] == "Available" and row["status"] == "True" for row in status.get("conditions", ()))


def _handler(namespace: str, values: Values) -> type[BaseHTTPRequestHandler]:
    root = f"/apis/{GROUP}/v1beta1"
    metric = f"{root}/namespaces/{namespace}/pods/%2A/{METRIC}"

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0].replace("*", "%2A")
            if path == root:
                self._answer(200, _resources())
            elif path == metric:
                self._answer(200, _values(namespace, values()))
            else:
                self._answer(404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404})

        def _answer(self, status: int, document: Mapping[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Tests are quiet."""

    return Handler


def _resources() -> dict[str, Any]:
    row = {"name": f"pods/{METRIC}", "namespaced": True, "kind": "MetricValueList", "verbs": ["get"]}
    document = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/v1beta1"}
    return {**document, "resources": [{"singularName": "", **row}]}


def _values(namespace: str, values: Mapping[str, int]) -> dict[str, Any]:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    items = [
        {
            "describedObject": {"kind": "Pod", "namespace": namespace, "name": name, "apiVersion": "/v1"},
            "metricName": METRIC,
            "timestamp": now,
            "value": str(value),
            "selector": None,
        }
        for name, value in values.items()
    ]
    return {"kind": "MetricValueList", "apiVersion": f"{GROUP}/v1beta1", "metadata": {}, "items": items}


def _certificate(host: str, folder: Path) -> tuple[bytes, Path]:
    """(the authority's certificate in PEM, file with certificate and key of `host`)."""
    now = datetime.now(UTC)
    begin, end = now - timedelta(minutes=5), now + timedelta(hours=1)
    authority, authority_key = make_authority("test-metrics", not_before=begin, not_after=end)
    certificate, key = issue(
        Authority(authority, authority_key),
        host,
        names=(host,),
        client=False,
        not_before=begin,
        not_after=end,
    )
    pem = serialization.Encoding.PEM
    file = folder / "metrics.pem"
    file.write_bytes(
        certificate.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return authority.public_bytes(pem), file
