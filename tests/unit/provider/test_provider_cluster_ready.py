"""Waiting for a cluster: by the clock, with a reason, and against a real TLS server on loopback."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sophia_infra.joining import make_credentials
from sophia_infra.provider.cluster_ready import HOPELESS_AFTER_S, ClusterReadyKind
from sophia_infra.provider.errors import ClusterNotReady, Stopped
from sophia_infra.provider.kubernetes_api import Answer, ApiAccess, ask_api, send_api
from tests.unit.provider.stage import STACK, Stage

URL = "https://192.0.2.1:6443"
SILENT, BUSY, OK = Answer("silent", "Connection refused"), Answer("busy", "HTTP 500"), Answer("ok", body="ok")


def news(**changes: Any) -> dict[str, Any]:
    return {
        "stack": STACK,
        "cluster": "sophia-us-east-3",
        "server_url": URL,
        "ca_certificate": "CA",
        "client_certificate": "CERTIFICATE",
        "client_key": "SECRET-KEY",
        "nodes": [],
        "instances": {"a": "1"},
        **changes,
    }


def nodes(**ready: bool) -> Answer:
    items = [
        {
            "metadata": {"name": name.replace("_", "-")},
            "status": {"conditions": [{"type": "Ready", "status": "True" if is_ready else "False"}]},
        }
        for name, is_ready in ready.items()
    ]
    return Answer("ok", body=json.dumps({"items": items}))


def answering(*answers: Answer) -> Callable[[ApiAccess, str], Answer]:
    """One answer after the other, the last one for ever."""
    left = list(answers)
    return lambda _access, _path: left.pop(0) if len(left) > 1 else left[0]


def test_it_waits_until_the_api_is_ready(stage: Stage) -> None:
    began_s = stage.clock.now()
    kind = ClusterReadyKind(stage.session(), answering(SILENT, SILENT, BUSY, OK))
    created = kind.create(news())
    assert stage.clock.now() - began_s == 15
    assert created.id == f"{STACK}/sophia-us-east-3-ready"
    assert created.outputs["server_url"] == URL
    assert created.outputs["nodes_ready"] == []
    assert stage.said == [
        "sophia-us-east-3: waiting for its API (Connection refused) (0.0 min)",
        "sophia-us-east-3: waiting for its API (HTTP 500) (0.2 min)",
    ]


def test_then_it_waits_for_the_nodes_and_names_who_is_missing(stage: Stage) -> None:
    asked: list[str] = []
    lists = answering(nodes(a=True), nodes(a=True, b=False), nodes(a=True, b=True, other=False))

    def ask(access: ApiAccess, path: str) -> Answer:
        asked.append(path)
        return OK if path == "/readyz" else lists(access, path)

    created = ClusterReadyKind(stage.session(), ask).create(news(nodes=["b", "a"]))
    assert asked == [*["/readyz", "/api/v1/nodes"] * 3, "/api/v1/nodes"]
    assert created.outputs["nodes_ready"] == ["a", "b"]
    assert stage.said == ["sophia-us-east-3: 1 of 2 nodes ready; waiting for b (0.0 min)"], "said once"


def test_after_its_time_it_says_what_is_missing_and_what_to_do(stage: Stage) -> None:
    began_s = stage.clock.now()
    with pytest.raises(
        ClusterNotReady, match=r"not ready after 20 min: Connection refused\. Its machines"
    ) as caught:
        ClusterReadyKind(stage.session(), answering(SILENT)).create(news())
    assert stage.clock.now() - began_s == 1200
    assert "`api_sources`" in str(caught.value)
    assert "SECRET-KEY" not in str(caught.value)


def test_a_node_that_does_not_come_is_named_after_the_time_of_the_file(stage: Stage) -> None:
    ask = answering(OK, nodes(a=True, b=False))
    with pytest.raises(ClusterNotReady, match=r"after 2 min these nodes are not Ready: b, c\.") as caught:
        ClusterReadyKind(
            stage.session(), lambda access, path: OK if path == "/readyz" else ask(access, path)
        ).create(news(nodes=["a", "b", "c"], timeout_minutes=2.0))
    assert "journalctl -u sophia-join" in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "step"),
    [
        (Answer("stranger", "its certificate is not of this cluster: x"), "raise its `generation`"),
        (Answer("refused", "HTTP 401"), "clock"),
    ],
)
def test_what_waiting_does_not_mend_is_given_up_early(stage: Stage, answer: Answer, step: str) -> None:
    began_s = stage.clock.now()
    with pytest.raises(ClusterNotReady, match=answer.words) as caught:
        ClusterReadyKind(stage.session(), answering(answer)).create(news())
    assert stage.clock.now() - began_s == HOPELESS_AFTER_S
    assert step in str(caught.value)


def test_an_address_that_belonged_to_another_server_a_moment_ago_is_forgiven(stage: Stage) -> None:
    stranger = Answer("stranger", "x")
    ask = answering(stranger, stranger, SILENT, *[stranger] * 30, OK)
    ClusterReadyKind(stage.session(), ask).create(news())


def test_it_ends_on_request(stage: Stage) -> None:
    session = stage.session()
    session.stop_requested = lambda: True
    with pytest.raises(Stopped, match="waiting for cluster sophia-us-east-3; its machines run on, billed"):
        ClusterReadyKind(session, answering(SILENT)).create(news())


def test_only_another_server_or_another_node_is_a_reason_to_wait_again(stage: Stage) -> None:
    def never(_access: ApiAccess, _path: str) -> Answer:
        raise AssertionError("asked")

    kind = ClusterReadyKind(stage.session(), never)
    olds = {**news(), "nodes_ready": ["a"]}
    assert kind.diff("id", olds, news()).changes == ()
    assert kind.diff("id", olds, news(timeout_minutes=5)).changes == ()
    renewed = news(client_certificate="NEW", client_key="NEW")
    assert kind.diff("id", olds, renewed).changes == ("client_certificate", "client_key")
    assert kind.update("id", olds, renewed) == {**renewed, "nodes_ready": ["a"]}
    for changed in ({"server_url": "https://192.0.2.2:6443"}, {"instances": {"a": "2"}}, {"nodes": ["a"]}):
        assert kind.diff("id", olds, news(**changed)).changes == tuple(changed)
        with pytest.raises(AssertionError, match="asked"):
            kind.update("id", olds, news(**changed))
    assert kind.read("id", olds).outputs == olds
    kind.delete("id", olds)


@pytest.mark.parametrize("missing", ["stack", "cluster", "server_url", "ca_certificate", "client_key"])
def test_what_is_missing_or_plain_http_is_refused(stage: Stage, missing: str) -> None:
    kind = ClusterReadyKind(stage.session(), answering(OK))
    assert kind.check({}, news(**{missing: ""})).failures == ((missing, "is missing"),)
    [(name, _)] = kind.check({}, news(server_url="http://192.0.2.1")).failures
    assert name == "server_url"


class _Api(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        peer = self.connection.getpeercert()
        status = 200 if peer else 401
        if self.path == "/broken":
            status = 503
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps({"path": self.path, "user": str(peer)}).encode())

    def _change(self) -> None:
        """Says what it got, with the status that the path asks for."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.send_response(int(self.path.strip("/")))
        self.end_headers()
        got = f"{self.command} {self.headers.get('Content-Type')} {body}"
        self.wfile.write(json.dumps({"message": got}).encode())

    do_POST = do_PATCH = do_DELETE = _change

    def log_message(self, *_: Any) -> None:
        pass


MADE = make_credentials("loopback", datetime.now(UTC))


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A TLS server that knows clients of MADE's authority, and is called kubernetes.default.svc."""
    folder: Path = tmp_path_factory.mktemp("api")
    authority = x509.load_pem_x509_certificate(MADE["server_ca_certificate"].encode())
    signer = load_pem_private_key(MADE["server_ca_key"].encode(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kube-apiserver")]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("kubernetes.default.svc"), x509.IPAddress(ip_address("10.43.0.1"))]
            ),
            critical=False,
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    (folder / "server.pem").write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    context.load_verify_locations(cadata=MADE["client_ca_certificate"])
    context.verify_mode = ssl.CERT_OPTIONAL
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Api)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def access(url: str, **changes: str) -> ApiAccess:
    whole = {
        "url": url,
        "server_name": "kubernetes.default.svc",
        "ca_certificate": MADE["server_ca_certificate"],
        "client_certificate": MADE["admin_certificate"],
        "client_key": MADE["admin_key"],
    }
    return ApiAccess(**{**whole, **changes})


def test_a_server_of_the_cluster_is_asked_as_its_administrator_by_name(api: str) -> None:
    answer = ask_api(access(api), "/readyz")
    assert answer.kind == "ok"
    assert "system:masters" in answer.document()["user"]
    assert answer.document()["path"] == "/readyz"


def test_a_server_of_another_cluster_gets_nothing(api: str) -> None:
    other = make_credentials("other", datetime.now(UTC))
    answer = ask_api(access(api, ca_certificate=other["server_ca_certificate"]), "/readyz")
    assert answer.kind == "stranger"
    assert "not of this cluster" in answer.words
    assert ask_api(access(api, server_name="elsewhere.example"), "/readyz").kind == "stranger"


def test_a_certificate_that_the_server_does_not_know_is_refused(api: str) -> None:
    other = make_credentials("other", datetime.now(UTC))
    answer = ask_api(
        access(api, client_certificate=other["admin_certificate"], client_key=other["admin_key"]), "/readyz"
    )
    assert answer.kind == "refused"


def test_other_answers_are_told_apart(api: str) -> None:
    assert ask_api(access(api), "/broken").words == "HTTP 503"
    unused = api.rpartition(":")[0] + ":9"
    assert ask_api(access(unused), "/readyz") == Answer("silent", "Connection refused")
    assert ask_api(access(api, ca_certificate="nonsense"), "/readyz").kind == "refused"
    assert ask_api(access(api, client_key="nonsense"), "/readyz").kind == "refused"


def test_changes_are_sent_as_the_server_takes_them(api: str) -> None:
    patched = send_api(access(api), "PATCH", "/200", {"spec": {}})
    assert patched.document() == {"message": 'PATCH application/merge-patch+json {"spec": {}}'}
    refused = send_api(access(api), "POST", "/429", {"a": 1})
    assert refused == Answer("later", 'HTTP 429: POST application/json {"a": 1}')
    gone = send_api(access(api), "DELETE", "/404")
    assert gone == Answer("absent", "HTTP 404: DELETE None ")
    assert send_api(access(api), "DELETE", "/500").kind == "busy"


def test_only_a_list_is_a_list() -> None:
    assert Answer("ok", body='{"items": []}').items() == []
    assert [Answer("ok", body=body).items() for body in ("", "[]", "{}", '{"items": null}')] == [None] * 4
    assert Answer("busy", body='{"items": []}').items() is None


def test_nothing_secret_is_shown_or_left_in_a_file(
    api: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert ask_api(access(api), "/readyz").kind == "ok"
    assert list(tmp_path.iterdir()) == []
    assert MADE["admin_key"].splitlines()[1] not in repr(access(api))
