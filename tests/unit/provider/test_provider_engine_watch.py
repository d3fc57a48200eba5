"""A provider whose engine was killed must not launch for nobody: real sockets, no time to wait for."""

from __future__ import annotations

import socket
import threading

import pytest

from sophia_infra.provider.engine_watch import EngineGone, EngineWatch


def engine() -> socket.socket:
    """Something that listens, as the engine does."""
    return socket.create_server(("127.0.0.1", 0), backlog=1)


def address_of(listening: socket.socket) -> str:
    return "{}:{}".format(*listening.getsockname()[:2])


def test_an_engine_that_accepts_connections_is_alive() -> None:
    with engine() as listening:
        watch = EngineWatch(address_of(listening))
        assert watch.is_alive()
        watch.ensure_alive()


def test_an_engine_whose_port_is_closed_is_gone_and_nothing_is_launched() -> None:
    with engine() as listening:
        watch = EngineWatch(address_of(listening))
    assert not watch.is_alive()
    with pytest.raises(EngineGone, match="nothing more is launched") as caught:
        watch.ensure_alive()
    assert caught.value.retry
    assert "Next: run the same command again" in str(caught.value)


def test_a_stopped_engine_with_a_full_backlog_is_not_taken_for_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sophia_infra.provider.engine_watch._CONNECT_TIMEOUT_S", 0.05)
    with engine() as listening:
        waiting = []
        try:
            for _ in range(4):
                one = socket.socket()
                one.setblocking(False)
                one.connect_ex(listening.getsockname())
                waiting.append(one)
            assert EngineWatch(address_of(listening)).is_alive()
        finally:
            for one in waiting:
                one.close()


@pytest.mark.parametrize(
    "address", [None, "", "plugin.py", "127.0.0.1", "127.0.0.1:", "127.0.0.1:port", ":1"]
)
def test_a_process_that_no_engine_started_may_do_everything(address: str | None) -> None:
    watch = EngineWatch(address, leave=lambda: pytest.fail("it must not leave"))
    watch.ensure_alive()
    watch.start()


def test_the_engine_passes_its_address_as_the_last_argument() -> None:
    with engine() as listening:
        address = address_of(listening)
        assert EngineWatch.of_plugin(["plugin.py", "--tracing=", address]).is_alive()
    assert not EngineWatch.of_plugin(["plugin.py", address]).is_alive()
    assert EngineWatch.of_plugin(["plugin.py"]).is_alive(), "no engine started this"


def test_the_watch_leaves_once_the_engine_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sophia_infra.provider.engine_watch._INTERVAL_S", 0.001)
    left = threading.Event()
    listening = engine()
    EngineWatch(address_of(listening), leave=left.set).start()
    assert not left.is_set()
    listening.close()
    assert left.wait(10)
