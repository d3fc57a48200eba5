"""A body is refused while it is read, and for a reason that names the place and never the text."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.inference.errors import RequestRefused
from sophia_infra.inference.gateway.bodies import CallerGone, IncomingBody, parse_call
from sophia_infra.inference.gateway.errors import BodyTooLarge, BodyTypeUnknown, GatewayBusy
from tests.inference_clock import run_async
from tests.unit.inference.gateway.asgi import Connection, headers_of

SECRET = "the-text-of-the-prompt"
GOOD = {"model": "qwen-3-32b", "messages": [{"role": "user", "content": SECRET}]}


def refusal(change: dict[str, object], endpoint: str = "chat") -> RequestRefused:
    with pytest.raises(RequestRefused) as refused:
        parse_call(json.dumps(GOOD | change).encode(), endpoint)  # type: ignore[arg-type]
    return refused.value


def test_parts_become_one_body() -> None:
    async def read() -> bytes:
        return await IncomingBody(Connection("/", [b"ab", b"", b"cd"]).receive).read(headers_of(), 4)

    assert run_async(read()) == b"abcd"


def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    async def read() -> int:
        connection = Connection("/", [b"x"])
        with pytest.raises(BodyTooLarge):
            await IncomingBody(connection.receive).read(headers_of(content_length="11"), 10)
        return connection.parts_read

    assert run_async(read()) == 0


def test_a_body_that_turns_out_too_large_is_not_read_to_its_end() -> None:
    async def read() -> int:
        connection = Connection("/", [b"x" * 6] * 100)
        with pytest.raises(BodyTooLarge):
            await IncomingBody(connection.receive).read(headers_of(), 10)
        return connection.parts_read

    assert run_async(read()) == 2


def test_memory_for_bodies_is_asked_for_before_each_part_is_kept() -> None:
    held: list[int] = []

    def hold(more_bytes: int) -> None:
        if sum(held) + more_bytes > 5:
            raise GatewayBusy("full")
        held.append(more_bytes)

    async def read() -> None:
        with pytest.raises(GatewayBusy):
            await IncomingBody(Connection("/", [b"abc", b"abc"]).receive).read(headers_of(), 10, hold)

    run_async(read())
    assert held == [3]


def test_a_caller_that_leaves_while_sending_is_no_request() -> None:
    async def read() -> None:
        connection = Connection("/", [b"abc"])
        await connection.receive()
        connection.hang_up()
        with pytest.raises(CallerGone):
            await IncomingBody(connection.receive).read(headers_of(), 10)
        incoming = IncomingBody(connection.receive)
        await incoming.discard()
        assert not incoming.ended

    run_async(read())


def test_what_is_left_is_discarded_up_to_a_bound() -> None:
    async def discard(parts: list[bytes]) -> tuple[bool, int]:
        connection = Connection("/", parts)
        incoming = IncomingBody(connection.receive)
        await incoming.discard()
        return incoming.ended, connection.parts_read

    assert run_async(discard([b"x"] * 3)) == (True, 3)
    assert run_async(discard([b"x" * 524_288] * 5)) == (False, 2)


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", ""])
def test_another_type_than_json_is_refused(kind: str) -> None:
    async def read() -> None:
        with pytest.raises(BodyTypeUnknown):
            await IncomingBody(Connection("/").receive).read(headers_of(content_type=kind), 10)

    run_async(read())


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"model": NaN}', b'{"a":"\\ud800"}', b"[" * 100_000])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(RequestRefused, match="not JSON"):
        parse_call(body, "chat")


@pytest.mark.parametrize(
    ("change", "param", "says"),
    [
        ({"messages": []}, "messages", "1 item"),
        ({"messages": [{"role": "user"}, {"role": SECRET}]}, "messages[1].role", "developer"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content", "a list of parts"),
        ({"messages": [{"content": "x"}]}, "messages[0].role", "missing"),
        ({"model": ""}, "model", "GET /v1/models"),
        ({"max_tokens": 0}, "max_tokens", "minimum of 1"),
        ({"max_tokens": True}, "max_tokens", "integer"),
        ({"temperature": 2.5}, "temperature", "maximum of 2"),
        ({"n": 17}, "n", "maximum of 16"),
        ({"stream": "yes"}, "stream", "boolean"),
        ({"stop": [1]}, "stop", "up to 16 texts"),
        ({"seed": 10**40}, "seed", "maximum"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_allowed(
    change: dict[str, object], param: str, says: str
) -> None:
    error = refusal(change)
    assert error.param == param
    assert says in str(error)
    assert SECRET not in str(error)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(RequestRefused, match="model is missing"):
        parse_call(b'{"messages":[]}', "chat")
    with pytest.raises(RequestRefused, match="prompt is missing"):
        parse_call(b'{"model":"x"}', "completions")


def test_whole_numbers_become_python_ones_and_unknown_fields_stay() -> None:
    body = parse_call(json.dumps(GOOD | {"max_tokens": 8.0, "min_p": 0.1}).encode(), "chat")
    assert isinstance(body["max_tokens"], int)
    assert body["min_p"] == 0.1


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
def test_no_json_whatever_breaks_the_check(value: object) -> None:
    for document in (value, {"model": value, "messages": value}, {**GOOD, "n": value, "seed": value}):
        with contextlib.suppress(RequestRefused):
            parse_call(json.dumps(document).encode(), "chat")
