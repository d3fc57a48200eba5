from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from sophia_infra.control_plane.api_client import JSON, ApiClient
from sophia_infra.control_plane.errors import PlaneNotReady, RequestRefused, Unreachable
from sophia_infra.control_plane.nodes import ARM64_TAINT, SPEC_ANNOTATION, NodeSpec
from sophia_infra.control_plane.readiness import apply_nodes, server_answers, wait_until, why_not_ready

A = NodeSpec("a", "arm64", {"gpu": "gh200"}, (ARM64_TAINT,), {"cpu": "64"})
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


def node(spec: NodeSpec, *, ours: bool = True) -> dict[str, Any]:
    annotations = {SPEC_ANNOTATION: spec.as_text()} if ours else {}
    return {"metadata": {"name": spec.name, "annotations": annotations}, "spec": {}, "status": READY}


class FakeServer(ApiClient):
    def __init__(self, *nodes: dict[str, Any], error: Exception | None = None) -> None:
        self.nodes = list(nodes)
        self.error = error
        self.sent: list[tuple[str, str]] = []

    def request(
        self, method: str, path: str, body: Any = None, *, content_type: str = JSON, **query: str
    ) -> Any:
        if method != "GET":
            self.sent.append((method, path))
        if self.error:
            raise self.error
        return {"items": self.nodes}

    def apply(self, path: str, body: Mapping[str, Any]) -> Any:
        self.sent.append(("APPLY", path))


class Time:
    def __init__(self) -> None:
        self.now_s = 0.0

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def test_waiting_ends_with_what_is_missing_and_the_limit() -> None:
    time, passes = Time(), []
    with pytest.raises(PlaneNotReady) as refused:
        wait_until(
            lambda: "not ready: a",
            timeout_s=2,
            each_pass=lambda: passes.append(1),
            sleep=time.sleep,
            clock=time.clock,
        )
    assert refused.value.message == "The control plane was not ready after 2 s (not ready: a)."
    assert refused.value.retry
    assert len(passes) > 10


def test_waiting_looks_at_the_processes_first() -> None:
    def ended() -> None:
        raise RuntimeError("ended")

    with pytest.raises(RuntimeError, match="ended"):
        wait_until(lambda: None, timeout_s=2, each_pass=ended)


def test_waiting_returns_when_nothing_is_missing() -> None:
    answers = iter(["x", "y", None])
    wait_until(lambda: next(answers), timeout_s=2, each_pass=lambda: None, sleep=lambda _: None)
    assert list(answers) == []


@pytest.mark.parametrize(
    ("error", "missing"),
    [
        (None, None),
        (Unreachable("no answer"), "no answer"),
        (
            RequestRefused("serviceaccounts not found", status=404, reason="NotFound"),
            "serviceaccounts not found",
        ),
    ],
)
def test_what_is_missing_is_said_in_the_servers_words(error: Exception | None, missing: str | None) -> None:
    assert why_not_ready(FakeServer(node(A), error=error), ["a"]) == missing


def test_a_machine_that_is_not_there_is_not_ready() -> None:
    assert why_not_ready(FakeServer(), ["a", "b"]) == "not ready: a, b"


def test_a_server_that_refuses_does_not_answer_yet() -> None:
    refusal = RequestRefused("forbidden", status=403, reason="Forbidden")
    assert not server_answers(FakeServer(error=refusal))
    assert not server_answers(FakeServer(error=Unreachable("no")))


def test_a_machine_that_is_as_it_was_costs_no_request() -> None:
    server = FakeServer(node(A))
    assert apply_nodes(server, [A]) == ()
    assert server.sent == []


@pytest.mark.parametrize("before", [replace(A, capacity={"cpu": "8"}), replace(A, taints=())])
def test_a_machine_that_changed_is_applied_with_its_status(before: NodeSpec) -> None:
    server = FakeServer(node(before))
    assert apply_nodes(server, [A]) == ("a",)
    assert server.sent == [("APPLY", "/api/v1/nodes/a"), ("APPLY", "/api/v1/nodes/a/status")]


def test_a_machine_that_left_is_deleted_and_one_of_others_stays() -> None:
    server = FakeServer(node(A), node(NodeSpec("old")), node(NodeSpec("theirs"), ours=False))
    assert apply_nodes(server, [A]) == ("old",)
    assert server.sent == [("DELETE", "/api/v1/nodes/old")]
