"""The client of Prometheus' API: what it reads, and one sentence for everything else that may answer."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from sophia_infra.metrics_client import http_source
from sophia_infra.metrics_client.errors import (
    AccessRefused,
    AddressRefused,
    MetricsError,
    NotTheSource,
    QueryFailed,
    SourceError,
    Unreachable,
)
from sophia_infra.metrics_client.prometheus import PrometheusApi
from tests.unit.lambda_cloud.service import DROP, Reply
from tests.unit.metrics_client.prometheus_stand_in import PrometheusStandIn, alert, failure, success

TOKEN = "eyJhbGciOiJ.secret-token.0123456789abcdef"


@pytest.fixture
def api(prometheus: PrometheusStandIn) -> Iterator[PrometheusApi]:
    api = PrometheusApi(prometheus.url, TOKEN)
    yield api
    api.close()


def test_vectors_scalars_and_ranges_are_read(prometheus: PrometheusStandIn, api: PrometheusApi) -> None:
    prometheus.vectors["up"] = [({"job": "a"}, 1), ({"job": "b"}, "NaN"), ({}, "+Inf")]
    rows = api.query("up", at_s=1_795_000_000.5)
    assert [(dict(row.labels), str(row.value)) for row in rows] == [
        ({"job": "a"}, "1.0"),
        ({"job": "b"}, "nan"),
        ({}, "inf"),
    ]
    (asked,) = prometheus.asked
    assert asked.query == {"query": ["up"], "time": ["1795000000.500"]}
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"

    prometheus.script("GET /api/v1/query", success({"resultType": "scalar", "result": [1.5, "42"]}))
    assert [(row.at_s, row.value) for row in api.query("time()")] == [(1.5, 42.0)]

    matrix = [{"metric": {"node": "a"}, "values": [[60, "1"], [120, "NaN"], [180, "3"]]}]
    prometheus.script("GET /api/v1/query_range", success({"resultType": "matrix", "result": matrix}))
    (series,) = api.query_range("x", 60, 180, 60)
    assert (dict(series.labels), series.points) == ({"node": "a"}, ((60.0, 1.0), (180.0, 3.0)))


def test_alerts_are_read(prometheus: PrometheusStandIn, api: PrometheusApi) -> None:
    prometheus.alert_rows = [alert("A", "critical", summary="it\nburns\x1b[2J")]
    (found,) = api.alerts()
    assert (found.name, found.state, found.labels["severity"]) == ("A", "firing", "critical")
    assert found.annotations["summary"] == "it burns\N{REPLACEMENT CHARACTER}[2J"


def test_no_token_is_sent_where_none_is_set(prometheus: PrometheusStandIn) -> None:
    api = PrometheusApi.from_environment(prometheus.url, {"PROMETHEUS_TOKEN": " "})
    api.query("up")
    api.close()
    assert "Authorization" not in prometheus.asked[0].headers


@pytest.mark.parametrize(
    ("reply", "kind", "retry", "says"),
    [
        (failure(400, "bad_data", "parse error at char 3"), QueryFailed, False, "parse error at char 3"),
        (failure(422, "execution", "too many samples"), QueryFailed, False, "the query is ours"),
        (failure(503, "timeout", "query timed out"), QueryFailed, True, "run this again"),
        (Reply(401, b"unauthorized"), AccessRefused, False, "PROMETHEUS_TOKEN"),
        (Reply(403, b"forbidden"), AccessRefused, False, "(status 403)"),
        (Reply(404, b"404 page not found"), NotTheSource, False, "is not Prometheus"),
        (Reply(200, b"<html>Grafana</html>"), NotTheSource, False, "is not Prometheus"),
        (Reply(200, b"[" * 100_000), NotTheSource, False, "is not Prometheus"),
        (Reply(200, {"object": "list", "data": []}), NotTheSource, False, "is not Prometheus"),
        (success({"resultType": "vector", "result": [{"value": 3}]}), NotTheSource, False, "is not"),
        (success(None), NotTheSource, False, "is not Prometheus"),
        (Reply(302, b"", {"Location": "http://192.0.2.1/login"}), NotTheSource, False, "sends elsewhere"),
        (Reply(503, b"Service Unavailable"), Unreachable, True, "cannot answer now (HTTP 503)"),
        (Reply(429, b"slow down"), Unreachable, True, "cannot answer now (HTTP 429)"),
        (DROP, Unreachable, True, "does not answer"),
        (Reply(200, {"status": "success"}, cut=True), Unreachable, True, "broke its answer off"),
    ],
    ids=str,
)
def test_whatever_answers_is_said_in_one_sentence(
    prometheus: PrometheusStandIn,
    api: PrometheusApi,
    reply: Reply,
    kind: type[SourceError],
    retry: bool,
    says: str,
) -> None:
    prometheus.script("GET /api/v1/query", reply)
    with pytest.raises(SourceError) as caught:
        api.query("up")
    assert type(caught.value) is kind
    assert caught.value.retry is retry
    assert says in str(caught.value)
    assert prometheus.url in str(caught.value)
    assert TOKEN not in f"{caught.value}{caught.value!r}"
    assert "\n" not in str(caught.value)
    assert len(prometheus.asked) == 1


def test_nobody_at_the_address() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(Unreachable, match="does not answer") as caught:
        PrometheusApi(url).query("up")
    assert (caught.value.fault, caught.value.retry) == ("service", True)


def test_an_answer_without_end_is_cut_off(
    prometheus: PrometheusStandIn, api: PrometheusApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_source, "MAX_ANSWER_BYTES", 100)
    prometheus.script("GET /api/v1/query", Reply(200, b" " * 101))
    with pytest.raises(Unreachable, match="more than 32 MiB"):
        api.query("up")


def test_the_token_stays_out_of_every_representation(api: PrometheusApi) -> None:
    assert TOKEN not in repr(vars(api))


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("", "is not an http or https address"),
        ("localhost:9090", "is not an http or https address"),
        ("ftp://127.0.0.1", "is not an http or https address"),
        ("http://", "is not an http or https address"),
        ("http://127.0.0.1:99999", "is not an address"),
        ("http://[::1", "is not an address"),
        ("http://127.0.0.1:0", "is more than an address"),
        ("http://127.0.0.1:9090/graph?g0=up", "is more than an address"),
        ("http://127.0.0.1:9090/#x", "is more than an address"),
        ("http://prometheus.example.com:9090", "is http to another machine"),
        ("http://192.0.2.1:9090", "kubectl port-forward"),
        ("http://127.0.0.1:9090/\x1b[2J", "is not an http or https address"),
        ("https://ann:hunter22@prometheus.example.com", "user or password"),
    ],
)
def test_addresses_that_are_not_asked(address: str, says: str) -> None:
    with pytest.raises(AddressRefused, match="--prometheus") as caught:
        PrometheusApi(address)
    assert says in str(caught.value)
    assert "hunter22" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert (caught.value.fault, caught.value.retry) == ("user", False)


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "umlaut-ä", "bell\x07"])
def test_a_token_that_no_header_can_hold_is_refused_unseen(token: str) -> None:
    with pytest.raises(AddressRefused, match="PROMETHEUS_TOKEN") as caught:
        PrometheusApi.from_environment("http://127.0.0.1:9090", {"PROMETHEUS_TOKEN": token})
    assert token not in str(caught.value)


def test_every_error_says_what_to_do_next() -> None:
    def below(kind: type[MetricsError]) -> Iterator[type[MetricsError]]:
        yield kind
        for child in kind.__subclasses__():
            yield from below(child)

    for kind in below(MetricsError):
        made = kind("It is so.", next_step="do that.")
        assert str(made) == "It is so. Next: do that."
        assert made.fault in ("user", "service", "ours")
