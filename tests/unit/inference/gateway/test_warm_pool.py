"""Calls go to backends that have the model loaded, and to no other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx2
import pytest

from sophia_infra.inference.errors import NoBackendReady, QueueFull
from sophia_infra.inference.gateway.probes import BackendLoad, HttpProbe, ProbeFailed, parse_load
from sophia_infra.inference.gateway.warm_pool import WarmPool
from sophia_infra.model.gateway import BackendConfig
from tests.inference_clock import VirtualClock, run_async

SCOUT, QWEN = "llama-4-scout-17b-16e-instruct", "qwen-3-32b"


class FakeProbe:
    def __init__(self, *served: str) -> None:
        self.names = frozenset(served)
        self.failure: ProbeFailed | Exception | None = None
        self.warm_up_failure: ProbeFailed | None = None
        self.warmed: list[str] = []
        self.says = BackendLoad()
        self.closed = False

    async def served(self) -> frozenset[str]:
        if self.failure is not None:
            raise self.failure
        return self.names

    async def warm_up(self, served_name: str) -> None:
        if self.warm_up_failure is not None:
            raise self.warm_up_failure
        self.warmed.append(served_name)

    async def load(self) -> BackendLoad:
        return self.says

    async def aclose(self) -> None:
        self.closed = True


class Seen:
    def __init__(self) -> None:
        self.ready: dict[str, bool] = {}
        self.warm: Mapping[str, int] = {}
        self.waiting: dict[str, float | None] = {}

    def on_backend(self, backend: str, *, ready: bool) -> None:
        self.ready[backend] = ready

    def on_warm(self, warm: Mapping[str, int]) -> None:
        self.warm = dict(warm)

    def on_backend_load(self, backend: str, *, waiting: float | None, cache_use: float | None) -> None:
        self.waiting[backend] = waiting


def backend(*models: str, max_in_flight: int = 2) -> BackendConfig:
    return BackendConfig(
        base_url="http://127.0.0.1:1/v1",
        models={model: f"served/{model}" for model in models},
        max_in_flight=max_in_flight,
    )


class Rig:
    """Two backends that both have scout; `one` has qwen too."""

    def __init__(self, *, max_waiting: int = 4, min_warm: Mapping[str, int] | None = None) -> None:
        self.one = FakeProbe(f"served/{SCOUT}", f"served/{QWEN}")
        self.two = FakeProbe(f"served/{SCOUT}")
        self.seen = Seen()
        self.clock = VirtualClock(auto=False)
        self.pool = WarmPool(
            {"one": backend(SCOUT, QWEN), "two": backend(SCOUT)},
            {"one": self.one, "two": self.two},
            clock=self.clock,
            max_waiting=max_waiting,
            min_warm=min_warm,
            observer=self.seen,
        )

    async def probe_all(self) -> None:
        await self.pool.probe("one")
        await self.pool.probe("two")


def test_before_the_first_probe_nobody_is_ready() -> None:
    async def scene() -> None:
        pool = Rig().pool
        assert list(pool.candidates(SCOUT)) == []
        with pytest.raises(NoBackendReady, match="not probed yet"):
            async with pool.slot("one", 1):
                pass

    run_async(scene())


def test_a_backend_is_ready_after_one_call_to_each_model_it_has_loaded() -> None:
    async def scene() -> None:
        rig = Rig()
        await rig.probe_all()
        assert list(rig.pool.candidates(SCOUT)) == ["one", "two"]
        assert list(rig.pool.candidates(QWEN)) == ["one"]
        assert sorted(rig.one.warmed) == [f"served/{SCOUT}", f"served/{QWEN}"]
        await rig.probe_all()
        assert len(rig.one.warmed) == 2
        assert rig.pool.warm() == rig.seen.warm == {SCOUT: 2, QWEN: 1}

    run_async(scene())


def test_a_server_without_the_model_gets_no_calls() -> None:
    async def scene() -> None:
        rig = Rig()
        rig.two.names = frozenset({"served/another"})
        await rig.probe_all()
        assert list(rig.pool.candidates(SCOUT)) == ["one"]
        assert rig.pool.reasons() == {"two": "it has none of its models loaded"}

    run_async(scene())


def test_a_failed_warm_up_leaves_it_cold_and_is_tried_again() -> None:
    async def scene() -> None:
        rig = Rig()
        rig.two.warm_up_failure = ProbeFailed("it answers 500", sure=True)
        await rig.probe_all()
        assert list(rig.pool.candidates(SCOUT)) == ["one"]
        rig.two.warm_up_failure = None
        await rig.pool.probe("two")
        assert list(rig.pool.candidates(SCOUT)) == ["one", "two"]

    run_async(scene())


def test_who_says_no_is_out_at_once_and_is_warmed_up_when_it_comes_back() -> None:
    async def scene() -> None:
        rig = Rig()
        await rig.probe_all()
        rig.two.failure = ProbeFailed("it answers 503", sure=True)
        await rig.pool.probe("two")
        assert list(rig.pool.candidates(SCOUT)) == ["one"]
        assert rig.seen.ready == {"one": True, "two": False}
        rig.two.failure = None
        await rig.pool.probe("two")
        assert len(rig.two.warmed) == 2

    run_async(scene())


def test_one_slow_probe_is_forgiven_two_in_a_row_are_not() -> None:
    async def scene() -> None:
        rig = Rig()
        await rig.probe_all()
        rig.two.failure = ProbeFailed("no answer in 5 s", sure=False)
        await rig.pool.probe("two")
        assert "two" in rig.pool.candidates(SCOUT)
        rig.two.failure = None
        await rig.pool.probe("two")
        rig.two.failure = ProbeFailed("no answer in 5 s", sure=False)
        await rig.pool.probe("two")
        assert "two" in rig.pool.candidates(SCOUT)
        await rig.pool.probe("two")
        assert "two" not in rig.pool.candidates(SCOUT)

    run_async(scene())


def test_who_waits_for_a_place_is_sent_away_when_the_backend_is_lost() -> None:
    async def scene() -> None:
        rig = Rig()
        await rig.probe_all()
        async with rig.pool.slot("two", 5), rig.pool.slot("two", 5):
            waiting = asyncio.create_task(_take(rig.pool, "two"))
            await asyncio.sleep(0)
            rig.two.failure = ProbeFailed("no connection (ConnectError)", sure=True)
            await rig.pool.probe("two")
            with pytest.raises(NoBackendReady):
                await waiting
        with pytest.raises(NoBackendReady, match="no connection"):
            await _take(rig.pool, "two")

    run_async(scene())


def test_the_queue_is_bounded() -> None:
    async def scene() -> None:
        rig = Rig(max_waiting=1)
        await rig.probe_all()
        async with rig.pool.slot("two", 5), rig.pool.slot("two", 5):
            waiting = asyncio.create_task(_take(rig.pool, "two"))
            await asyncio.sleep(0)
            with pytest.raises(QueueFull):
                await _take(rig.pool, "two")
        await waiting

    run_async(scene())


def test_the_least_loaded_goes_first_and_what_waits_inside_a_backend_counts() -> None:
    async def scene() -> None:
        rig = Rig()
        await rig.probe_all()
        async with rig.pool.slot("one", 5):
            assert list(rig.pool.candidates(SCOUT)) == ["two", "one"]
            rig.two.says = BackendLoad(waiting=8)
            await rig.pool.probe("two")
            assert list(rig.pool.candidates(SCOUT)) == ["one", "two"]
        assert rig.seen.waiting["two"] == 8

    run_async(scene())


def test_missing_warm_backends_are_named() -> None:
    async def scene() -> None:
        rig = Rig(min_warm={SCOUT: 2})
        await rig.pool.probe("one")
        assert rig.pool.shortage() == {SCOUT: 1}
        await rig.pool.probe("two")
        assert rig.pool.shortage() == {}

    run_async(scene())


def test_a_backend_of_the_ended_service_is_never_ready() -> None:
    async def scene() -> None:
        pool = WarmPool(
            {"old": BackendConfig(kind="lambda", models={SCOUT: SCOUT})},
            {},
            clock=VirtualClock(auto=False),
            max_waiting=1,
        )
        assert list(pool.candidates(SCOUT)) == []
        with pytest.raises(NoBackendReady):
            await _take(pool, "old")

    run_async(scene())


def test_watching_goes_on_after_a_probe_that_breaks_and_ends_with_the_pool() -> None:
    async def scene() -> None:
        rig = Rig()
        rig.two.failure = RuntimeError("a mistake")
        rig.pool.start()
        for _ in range(20):
            await asyncio.sleep(0)
        assert list(rig.pool.candidates(SCOUT)) == ["one"]
        assert rig.pool.reasons() == {"two": "its probe failed"}
        rig.two.failure = None
        rig.clock.advance(1.0)
        for _ in range(20):
            await asyncio.sleep(0)
        assert list(rig.pool.candidates(SCOUT)) == ["one", "two"]
        await rig.pool.aclose()
        assert rig.one.closed
        assert rig.two.closed

    run_async(scene())


def test_load_is_read_from_either_name_of_the_cache_gauge() -> None:
    new = 'vllm:num_requests_waiting{model_name="a"} 3.0\nvllm:kv_cache_usage_perc{model_name="a"} 0.25\n'
    old = 'vllm:gpu_cache_usage_perc{model_name="a"} 0.5\nvllm:num_requests_waiting broken\n# HELP x\n'
    two = 'vllm:num_requests_waiting{e="0"} 1\nvllm:num_requests_waiting{e="1"} 2\n'
    assert parse_load(new) == BackendLoad(waiting=3.0, cache_use=0.25)
    assert parse_load(old) == BackendLoad(cache_use=0.5)
    assert parse_load(two) == BackendLoad(waiting=3.0)
    assert parse_load("") == BackendLoad()


@pytest.mark.parametrize(
    ("health", "models", "reason"),
    [
        (httpx2.Response(503), httpx2.Response(200), "answers 503"),
        (httpx2.Response(200), httpx2.Response(200, text="<html>"), "cannot be read"),
        (httpx2.Response(200), httpx2.Response(200, json={"data": [3]}), "cannot be read"),
        (httpx2.ConnectError("no"), httpx2.Response(200), "no connection"),
    ],
)
def test_a_probe_says_why_not(
    health: httpx2.Response | Exception, models: httpx2.Response, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        found = health if request.url.path == "/health" else models
        if isinstance(found, Exception):
            raise found
        return found

    async def scene() -> None:
        probe = HttpProbe(backend(SCOUT), "key")
        await probe.aclose()
        monkeypatch.setattr(probe, "_client", httpx2.AsyncClient(transport=httpx2.MockTransport(answer)))
        with pytest.raises(ProbeFailed, match=reason) as failed:
            await probe.served()
        assert failed.value.sure
        await probe.aclose()

    run_async(scene())


async def _take(pool: WarmPool, name: str) -> None:
    async with pool.slot(name, 5):
        pass
