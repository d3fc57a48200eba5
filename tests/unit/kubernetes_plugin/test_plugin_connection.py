"""One HTTPS server on loopback, and every way in which it can disappoint."""

from __future__ import annotations

import base64
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sophia_infra.kubernetes_plugin.connection import RETRY_DELAYS_S, UNREACHABLE_FOR_S, Connection
from sophia_infra.kubernetes_plugin.errors import (
    ApiRefused,
    ClusterUnreachable,
    CredentialsRefused,
    SettingsRefused,
)
from sophia_infra.kubernetes_plugin.kubeconfig import load_kubeconfig
from tests.unit.kubernetes_plugin.api_server import Answer, ApiServer, refusal
from tests.unit.kubernetes_plugin.certificates import Authority, kubeconfig_text
from tests.unit.kubernetes_plugin.conftest import TOKEN, Clock

Connect = Callable[..., Connection]


def test_a_request_carries_token_query_and_body(server: ApiServer, connect: Connect) -> None:
    server.answer("/thing", {"kind": "Thing"})
    answer = connect().request("PATCH", "/thing", query={"dryRun": "All"}, body={"a": 1}, apply=True)
    (asked,) = server.asked
    assert answer == {"kind": "Thing"}
    assert (asked.method, asked.query, asked.body) == ("PATCH", {"dryRun": "All"}, {"a": 1})
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["Content-Type"] == "application/apply-patch+yaml"


def test_a_refusal_keeps_the_servers_words(server: ApiServer, connect: Connect) -> None:
    cause = {"field": "spec.replicas", "message": "must be positive", "reason": "FieldValueInvalid"}
    server.answer("/thing", refusal(422, "Invalid", 'Deployment.apps "web" is invalid', cause))
    with pytest.raises(ApiRefused) as refused:
        connect().request("GET", "/thing")
    assert str(refused.value) == 'Deployment.apps "web" is invalid'
    assert (refused.value.code, refused.value.reason, refused.value.causes) == (422, "Invalid", (cause,))


def test_an_answer_that_is_not_the_api_servers_is_not_shown(server: ApiServer, connect: Connect) -> None:
    server.answer("/thing", Answer(418, "<html>some proxy, and much text</html>"))
    with pytest.raises(ApiRefused, match=r"answered with status 418 and no Kubernetes message") as refused:
        connect().request("GET", "/thing")
    assert "proxy" not in str(refused.value)


@pytest.mark.parametrize("code", [429, 503, 504])
def test_busy_servers_are_asked_again_and_their_wish_counts(
    server: ApiServer, connect: Connect, clock: Clock, code: int
) -> None:
    busy = Answer(code, refusal(code, "Busy", "busy").body, {"Retry-After": "7"})
    server.answer("/thing", busy, busy, {"kind": "Thing"})
    assert connect().request("GET", "/thing") == {"kind": "Thing"}
    assert clock.slept == [7.0, 7.0]


def test_a_server_that_stays_busy_is_given_up(server: ApiServer, connect: Connect, clock: Clock) -> None:
    server.answer("/thing", refusal(503, "ServiceUnavailable", "no endpoints"))
    with pytest.raises(ApiRefused, match="no endpoints"):
        connect().request("GET", "/thing")
    assert clock.slept == list(RETRY_DELAYS_S)


def test_a_mistake_is_not_asked_again(server: ApiServer, connect: Connect, clock: Clock) -> None:
    server.answer("/thing", refusal(409, "Conflict", "no"))
    with pytest.raises(ApiRefused):
        connect().request("GET", "/thing")
    assert (len(server.asked), clock.slept) == (1, [])


def test_warnings_of_the_server_are_passed_on(server: ApiServer, connect: Connect) -> None:
    server.answer("/thing", Answer(200, {}, {"Warning": '299 - "would violate \\"restricted\\""'}))
    seen: list[str] = []
    connect().request("GET", "/thing", on_warning=seen.append)
    assert seen == ['would violate "restricted"']


def test_a_closed_port_is_one_sentence_and_remembered(clock: Clock, connect: Connect) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{free.getsockname()[1]}"
    connection = connect(url)
    for _ in range(2):
        with pytest.raises(ClusterUnreachable) as refused:
            connection.request("GET", "/thing")
        assert str(refused.value) == (
            f"The API server {url} cannot be reached (Connection refused): "
            "is the cluster running, and is port and address of the kubeconfig right?"
        )
    assert clock.slept == []


def test_a_cluster_that_comes_back_is_reached(server: ApiServer, connect: Connect, clock: Clock) -> None:
    server.answer("/version", Answer(500, "starting"), {"major": "1"})
    server.answer("/thing", {"kind": "Thing"})
    connection = connect()
    for _ in range(2):
        with pytest.raises(ApiRefused):
            connection.request("GET", "/thing")
    clock.now += UNREACHABLE_FOR_S
    assert connection.request("GET", "/thing") == {"kind": "Thing"}


def test_a_server_that_never_answers_is_left_behind(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        kubeconfig = load_kubeconfig(kubeconfig_text(url, ca=authority.pem))
        connection = Connection(kubeconfig, reach_limit_s=0.2)
        started = time.monotonic()
        with pytest.raises(ClusterUnreachable, match=r"did not answer within 0\.2 s"):
            connection.request("GET", "/thing")
        assert time.monotonic() - started < 4


def test_another_authority_is_not_trusted(connect: Connect) -> None:
    with pytest.raises(ClusterUnreachable, match=r"certificate of the API server .* does not fit"):
        connect(ca=Authority().pem).request("GET", "/thing")


def test_an_expired_server_certificate_is_named(
    authority: Authority, tmp_path: Path, connect: Connect
) -> None:
    expired = ApiServer(authority.server(days=(-9, -2)), tmp_path)
    try:
        with pytest.raises(ClusterUnreachable, match="certificate has expired"):
            connect(expired.url).request("GET", "/thing")
    finally:
        expired.close()


@pytest.mark.parametrize(
    ("days", "sentence"),
    [
        ((-30, -1), "The client certificate of user 'alice' in the kubeconfig expired on"),
        ((-1, 1), "does not accept the client certificate of user 'alice' (401 Unauthorized)"),
    ],
)
def test_a_refused_client_certificate(
    server: ApiServer, authority: Authority, connect: Connect, days: tuple[int, int], sentence: str
) -> None:
    server.answer("/version", refusal(401, "Unauthorized", "Unauthorized"))
    with pytest.raises(CredentialsRefused) as refused:
        connect(token=None, client=authority.client("alice", days), user="alice").request("GET", "/thing")
    assert sentence in str(refused.value)


def test_a_handshake_that_is_broken_off_over_an_expired_certificate(
    authority: Authority, tmp_path: Path, connect: Connect
) -> None:
    strict = ApiServer(authority.server(), tmp_path, clients=authority)
    try:
        with pytest.raises(CredentialsRefused, match="certificate of user 'alice' in the kubeconfig expired"):
            connect(strict.url, client=authority.client("alice", (-30, -1)), user="alice").request(
                "GET", "/thing"
            )
    finally:
        strict.close()


def test_an_expired_token_is_named(server: ApiServer, connect: Connect) -> None:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 1_700_000_000}).encode()).decode().rstrip("=")
    token = f"e30.{claims}.c2ln"
    server.answer("/version", refusal(401, "Unauthorized", "Unauthorized"))
    with pytest.raises(CredentialsRefused) as refused:
        connect(token=token).request("GET", "/thing")
    assert str(refused.value) == (
        "The token of user 'tester' in the kubeconfig expired on 2023-11-14 at 22:13 UTC: "
        "get a new kubeconfig from the cluster and run again."
    )
    assert token not in str(refused.value)


def test_a_wrong_token_and_no_credentials(server: ApiServer, connect: Connect) -> None:
    server.answer("/version", refusal(401, "Unauthorized", "Unauthorized"))
    with pytest.raises(CredentialsRefused, match=r"does not accept the token of user 'tester' \(401"):
        connect().request("GET", "/thing")
    with pytest.raises(CredentialsRefused, match="the kubeconfig has none for user 'tester'"):
        connect(token=None).request("GET", "/thing")


def test_certificates_that_cannot_be_used_are_refused(connect: Connect, authority: Authority) -> None:
    with pytest.raises(SettingsRefused, match="certificate-authority is no certificate"):
        connect(ca=b"no PEM")
    with pytest.raises(SettingsRefused, match="do not belong together"):
        connect(client=(authority.client("a")[0], authority.client("b")[1]))
