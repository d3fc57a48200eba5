"""What the client puts on the wire, to whom, and what it makes of connections that fail."""

from __future__ import annotations

import datetime
import logging
import ssl
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sophia_infra.lambda_cloud import (
    InvalidSpec,
    LambdaCloud,
    Pacer,
    RetryPlan,
    Unauthorized,
    UnexpectedAnswer,
    Unreachable,
)
from sophia_infra.model.clock import VirtualClock
from tests.unit.lambda_cloud.every_call import CALLS, ID, LAUNCH
from tests.unit.lambda_cloud.service import Reply, ScriptedService, data, error

from .conftest import route_of, success_of


def unpaced(url: str, clock: VirtualClock, *, read_s: float = 5.0, attempts: int = 8) -> LambdaCloud:
    return LambdaCloud(
        url,
        "k",
        clock=clock,
        pacer=Pacer(None, "k", clock, 0, 0),
        timeout_read_s=read_s,
        retry_plan=RetryPlan(attempts_max=attempts),
    )


def unused_url() -> str:
    service = ScriptedService()
    service.close()
    return service.url


def test_a_request_carries_our_own_user_agent_and_the_key_as_bearer(
    cloud: LambdaCloud, service: ScriptedService, api_key: str
) -> None:
    service.script(route_of("listRegions"), data([]))
    cloud.list_regions()
    (asked,) = service.asked
    assert asked.headers["User-Agent"].startswith("sophia-infra/")
    assert asked.headers["Authorization"] == f"Bearer {api_key}"
    assert asked.headers["Accept"] == "application/json"


def test_cookies_are_not_kept(cloud: LambdaCloud, service: ScriptedService) -> None:
    service.script(route_of("listRegions"), Reply(200, {"data": []}, {"Set-Cookie": "edge=1; Path=/"}))
    cloud.list_regions()
    cloud.list_regions()
    assert "Cookie" not in service.asked[1].headers


def test_reads_share_a_connection_and_a_launch_opens_its_own(
    cloud: LambdaCloud, service: ScriptedService
) -> None:
    """A kept connection that is closed under a launch would leave it open whether a machine runs."""
    service.script(route_of("listRegions"), data([]))
    service.script(route_of("launchInstance"), success_of("launchInstance"))
    cloud.list_regions()
    cloud.list_regions()
    cloud.launch_instance(LAUNCH)
    first, second, launch = (asked.connection for asked in service.asked)
    assert first == second != launch


def test_a_proxy_from_the_environment_is_not_asked_for_our_own_machine(
    cloud: LambdaCloud, service: ScriptedService, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", unused_url())
    service.script(route_of("listRegions"), data([]))
    with unpaced(service.url, clock) as client:
        assert client.list_regions() == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("operation_id", ["launchInstance", "terminateInstance", "listRegions"])
def test_a_redirect_is_never_followed(
    cloud: LambdaCloud, service: ScriptedService, operation_id: str, status: int
) -> None:
    other = ScriptedService()
    try:
        path = route_of(operation_id).split()[1]
        service.script(route_of(operation_id), Reply(status, b"", {"Location": other.url + path}))
        with pytest.raises(UnexpectedAnswer):
            CALLS[operation_id](cloud)
        assert other.asked == []
        assert len(service.asked) == 1
    finally:
        other.close()


def test_a_launch_that_no_connection_could_be_opened_for_is_tried_again_and_did_not_happen(
    clock: VirtualClock,
) -> None:
    with (
        unpaced(unused_url(), clock) as client,
        pytest.raises(Unreachable, match="no connection to") as caught,
    ):
        client.launch_instance(LAUNCH)
    assert caught.value.attempts == 8
    assert not caught.value.may_have_happened
    assert caught.value.retry is True


def test_a_launch_reaches_a_service_that_starts_late_exactly_once() -> None:
    url = unused_url()
    started: list[ScriptedService] = []

    class LateStart(VirtualClock):
        def sleep(self, duration_s: float) -> None:
            super().sleep(duration_s)
            if not started:
                started.append(ScriptedService(int(url.rpartition(":")[2])))
                started[0].script(route_of("launchInstance"), data({"instance_ids": [ID]}))

    with unpaced(url, LateStart()) as client:
        assert client.launch_instance(LAUNCH) == ID
    assert len(started[0].asked) == 1
    started[0].close()


def test_a_launch_without_an_answer_in_time_may_have_happened(
    service: ScriptedService, clock: VirtualClock
) -> None:
    release = threading.Event()
    service.script(route_of("launchInstance"), Reply(200, {"data": {"instance_ids": [ID]}}, hold=release))
    with unpaced(service.url, clock, read_s=0.05) as client, pytest.raises(Unreachable) as caught:
        client.launch_instance(LAUNCH)
    release.set()
    assert caught.value.may_have_happened
    assert len(service.asked) == 1


def test_a_launch_is_judged_by_its_own_failure_and_not_by_one_that_the_caller_is_handling(
    service: ScriptedService, clock: VirtualClock
) -> None:
    """Exceptions chain: the refused connection of before must not make this launch look unsent."""
    service.script(route_of("launchInstance"), Reply(drop=True))
    with unpaced(unused_url(), clock, attempts=1) as gone, unpaced(service.url, clock) as client:
        try:
            gone.list_regions()
        except Unreachable:
            with pytest.raises(Unreachable) as caught:
                client.launch_instance(LAUNCH)
    assert caught.value.may_have_happened
    assert len(service.asked) == 1


def test_a_certificate_that_is_not_trusted_ends_the_call_before_the_key_is_sent(
    tmp_path: Path, clock: VirtualClock
) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass

    server = Quiet(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_self_signed(tmp_path))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        with (
            unpaced(f"https://127.0.0.1:{server.server_address[1]}", clock) as client,
            pytest.raises(Unreachable) as caught,
        ):
            client.launch_instance(LAUNCH)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert asked == []
    assert not caught.value.may_have_happened
    assert caught.value.retry is False
    assert caught.value.attempts == 1


def _self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://cloud.lambda.ai", "in clear"),
        ("http://192.0.2.7:8080", "in clear"),
        ("http://127.0.0.1.example.com", "in clear"),
        ("http://10.0.0.1", "in clear"),
        ("https://cloud.lambdalabs.com", "deprecated"),
        ("ftp://cloud.lambda.ai", "must look like"),
        ("cloud.lambda.ai", "must look like"),
        ("", "must look like"),
        ("https://", "must look like"),
        ("https://cloud.lambda.ai:port", "not a URL"),
        ("https://user@cloud.lambda.ai", "no login"),
        ("https://cloud.lambda.ai?x=1", "no query"),
        ("https://cloud.lambda.ai/api/v2", "end after the host"),
    ],
)
def test_a_base_url_that_would_show_the_key_or_lead_nowhere_is_refused(url: str, reason: str) -> None:
    with pytest.raises(InvalidSpec, match=reason):
        LambdaCloud(url, "k")


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("https://cloud.lambda.ai/", "https://cloud.lambda.ai"),
        ("https://cloud.lambda.ai/api/v1/", "https://cloud.lambda.ai"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
        (" http://127.0.0.2:1 ", "http://127.0.0.2:1"),
    ],
)
def test_a_base_url_is_cut_to_its_host(url: str, used: str) -> None:
    assert repr(LambdaCloud(url, "k")) == f"LambdaCloud('{used}')"


@pytest.mark.parametrize("key", ["", "  ", "two words", "line\nbreak", "schlüssel", "tab\t."])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(Unauthorized) as caught:
        LambdaCloud("https://cloud.lambda.ai", key)
    assert not key.strip() or key not in str(caught.value)


def test_the_newline_of_a_key_file_is_cut_off(service: ScriptedService, clock: VirtualClock) -> None:
    service.script(route_of("listRegions"), data([]))
    with LambdaCloud(service.url, "key-of-a-file\n", clock=clock) as client:
        client.list_regions()
    assert service.asked[0].headers["Authorization"] == "Bearer key-of-a-file"


@pytest.mark.parametrize("wrong", ["", ".", ".."])
def test_an_id_that_would_lead_to_another_path_is_refused_before_anything_is_sent(
    cloud: LambdaCloud, service: ScriptedService, wrong: str
) -> None:
    with pytest.raises(InvalidSpec, match="is no id"):
        cloud.get_instance(wrong)
    assert service.asked == []


def test_an_id_cannot_leave_its_place_in_the_path(cloud: LambdaCloud, service: ScriptedService) -> None:
    path = "/api/v1/instances/..%2Fssh-keys%2F1%3Fx%3D1"
    service.script(f"GET {path}", error(404, "global/object-does-not-exist"))
    with pytest.raises(Exception, match="object-does-not-exist"):
        cloud.get_instance("../ssh-keys/1?x=1")
    assert service.asked[0].path == path


def test_the_key_is_in_no_error_no_traceback_and_no_log(
    service: ScriptedService, clock: VirtualClock, api_key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = f"you sent Authorization: Bearer {api_key}".encode()
    service.script(route_of("listRegions"), Reply(502, echo), Reply(403, echo))
    with LambdaCloud(service.url, api_key, clock=clock) as client:
        assert api_key not in repr(client)
        with pytest.raises(Exception, match="you sent") as caught:
            client.list_regions()
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value)) + caplog.text
    assert "attempt 1 failed" in caplog.text
    assert api_key not in shown
    assert api_key.partition(".")[2] not in shown
