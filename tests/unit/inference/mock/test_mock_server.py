"""The mock behind real sockets: cut connections, clients that go away, the official client, the process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from sophia_infra.inference.mock_backend import Fault, MockBackend, MockSettings
from sophia_infra.inference.mock_backend.__main__ import main

CUT = (httpx2.ReadError, httpx2.RemoteProtocolError)
HELLO = {"model": "a", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def mock() -> Iterator[MockBackend]:
    with MockBackend(MockSettings(models=("a",))) as backend:
        yield backend


def ask(mock: MockBackend, **further: Any) -> httpx2.Response:
    return httpx2.post(f"{mock.base_url}/chat/completions", json={**HELLO, **further})


def outcomes(mock: MockBackend) -> list[str]:
    return [work.outcome for work in mock.work()]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("kind", "worked"), [("cut_before", []), ("cut_after", ["cut"]), ("cut_midway", ["cut"])]
)
def test_a_cut_connection_is_an_error_and_the_log_knows_what_was_worked(
    mock: MockBackend, kind: str, worked: list[str], stream: bool
) -> None:
    mock.add_fault(Fault(kind))
    with pytest.raises(CUT):
        ask(mock, stream=stream)
    assert outcomes(mock) == worked
    assert ask(mock, stream=stream).status_code == 200


def test_the_cut_comes_after_so_many_tokens(mock: MockBackend) -> None:
    mock.add_fault(Fault("cut_midway", after_tokens=3))
    seen: list[str] = []
    request: dict[str, Any] = {"url": f"{mock.base_url}/chat/completions", "json": {**HELLO, "stream": True}}
    with httpx2.Client() as client, client.stream("POST", **request) as answer, pytest.raises(CUT):
        seen.extend(answer.iter_lines())
    assert "".join(seen).count('"content":') == 4  # one opens the answer and is empty
    assert [work.output_tokens for work in mock.work()] == [3]


@pytest.mark.parametrize("token_s", [0.01, 30.0])
def test_a_client_that_goes_away_stops_the_work(token_s: float) -> None:
    body = {**HELLO, "stream": True, "max_tokens": 10_000, "ignore_eos": True}
    with MockBackend(MockSettings(models=("a",), token_s=token_s)) as mock:
        with httpx2.stream("POST", f"{mock.base_url}/chat/completions", json=body) as answer:
            next(answer.iter_text())
        mock.wait_until_idle()
        work = mock.work()
    assert [entry.outcome for entry in work] == ["client_gone"]
    assert work[0].output_tokens < 10_000


def test_a_client_that_goes_away_while_it_is_held_stops_the_work(mock: MockBackend) -> None:
    mock.add_fault(Fault("hold"))
    with httpx2.stream("POST", f"{mock.base_url}/chat/completions", json={**HELLO, "stream": True}) as answer:
        next(answer.iter_text())
    mock.wait_until_idle()
    assert outcomes(mock) == ["client_gone"]


def test_the_official_client_reads_answers_streams_models_and_errors(mock: MockBackend) -> None:
    with openai.OpenAI(base_url=mock.base_url, api_key="any", max_retries=0) as client:
        answer = client.chat.completions.create(model="a", messages=[{"role": "user", "content": "hello"}])
        with client.chat.completions.create(
            model="a",
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
            stream_options={"include_usage": True},
        ) as stream:
            events = list(stream)
        said = "".join(event.choices[0].delta.content or "" for event in events if event.choices)
        assert said == answer.choices[0].message.content
        assert events[-1].usage == answer.usage
        assert client.completions.create(model="a", prompt="x", max_tokens=2).usage
        assert [model.id for model in client.models.list()] == ["a"]
        with pytest.raises(openai.NotFoundError):
            client.completions.create(model="b", prompt="x")
        mock.add_fault(Fault("rate_limited"))
        with pytest.raises(openai.RateLimitError):
            client.completions.create(model="a", prompt="x")
        mock.add_fault(Fault("cut_before"))
        with pytest.raises(openai.APIConnectionError):
            client.completions.create(model="a", prompt="x")


@pytest.mark.slow
def test_the_process_writes_where_it_listens_and_ends_on_sigterm(tmp_path: Path) -> None:
    """A second of imports: what other tests and the load tests start must really start."""
    endpoint = tmp_path / "endpoint.json"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "sophia_infra.inference.mock_backend", "--models", "a,b"),
            *("--fault", "internal_error=1", "--endpoint-file", str(endpoint)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().endswith("models a, b\n")
            written = json.loads(endpoint.read_text())
            assert written["pid"] == process.pid
            answer = httpx2.post(f"{written['url']}/v1/chat/completions", json=HELLO)
            assert answer.status_code == 500
        finally:
            process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--fault", "burning=0.1"], "fault kind 'burning'"),
        (["--fault", "slow"], "not KIND=SHARE"),
        (["--host", "192.0.2.1"], "--allow-remote permits it"),
        (["--models", ","], "name at least one"),
        (["--speed", "0"], "speed is 0"),
    ],
)
def test_a_bad_argument_ends_with_code_2_and_a_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert main(arguments) == 2
    assert says in capsys.readouterr().err
