"""A canary on a real API server: real objects and admission, weights and state in one write, a fault, kills.

The clock is the test's; pods, readiness and conflicts are real. Nothing here carries a call: that the route's
weights divide calls is Gateway API's promise, and no controller for it runs in this tier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from sophia_infra.control_plane.errors import RequestRefused
from sophia_infra.kubernetes_plugin.kubeconfig import load_kubeconfig
from sophia_infra.manifests.canary import ingress_behind
from sophia_infra.manifests.cluster_objects import service
from sophia_infra.model.kubernetes.placement import place_on
from sophia_infra.model.stack_config import StackConfig, load_stack_config
from sophia_infra.rollout.canary import Canaries, CanaryPlan, plan_canary
from sophia_infra.rollout.cluster import Cluster, connect, path_of
from sophia_infra.rollout.errors import RolloutHeld, RolloutRefused
from sophia_infra.rollout.gates import BurnRate, Gate, PodsReady, judge_all
from sophia_infra.rollout.running import Start, shift
from sophia_infra.rollout.shifting import Progress, Timing
from tests.cluster.gateway_api import install_gateway_api
from tests.cluster.plane import CHECKOUT, Plane

NAME = "sophia-frontend"
IMAGE = f"sophia/frontend:1.1.0@sha256:{'a' * 64}"
WEIGHTS = (5, 25, 100)
TIMING = Timing(bake_s=60, no_data_s=120, ready_s=600, unwatched_s=60)


class HandClock:
    """Time passes where somebody sleeps; `on_sleep` is what else happens then."""

    def __init__(self, on_sleep: Callable[[], None] = lambda: None) -> None:
        self.now_s = 1_790_000_000.0
        self._on_sleep = on_sleep

    def now(self) -> float:
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s
        self._on_sleep()


class Measured:
    """Prometheus's answers about the candidate; `burns` makes its error budget burn."""

    burns = False

    def __init__(self, namespace: str) -> None:
        self._labels = {"namespace": namespace, "service": f"{NAME}-canary", "slo": "http"}

    def __call__(self, query: str) -> Sequence[tuple[dict[str, str], float]]:
        if query == "slo:requests:rate5m":
            return [(self._labels, 3.0)]
        if query == "slo:errors_per_request:ratio_rate5m":
            return [(self._labels, 0.0)]
        return [(self._labels, 0.31)] if self.burns else []


class World:
    """The stable side in a namespace of the test's own, and a plan for its canary."""

    def __init__(self, plane: Plane, config: StackConfig, namespace: str) -> None:
        self.plane = plane
        self.plan: CanaryPlan = plan_canary(config, 2, NAME, IMAGE)
        self.cluster = Cluster(connect(load_kubeconfig(str(plane.kubeconfig))))
        self.canaries = Canaries(self.cluster)
        self.measured = Measured(namespace)
        self.namespace = namespace

    def gates(self) -> list[Gate]:
        slo = Decimal("0.999")
        return [
            PodsReady(self.cluster, self.namespace, self.plan.candidate),
            BurnRate(self.measured, self.namespace, self.plan.candidate, slo),
        ]

    def shift(self, clock: HandClock, holder: str = "one", **more: Any) -> Progress:
        start = Start(self.plan.image, WEIGHTS, holder)
        judge = partial(judge_all, self.gates())
        return shift(self.canaries.route(self.plan), start, judge, clock, TIMING, interval_s=30, **more)

    def weights(self) -> tuple[int, int]:
        """(stable, candidate) as they stand in the cluster."""
        route = self.plane.request("GET", self.route_path)
        stable, candidate = route["spec"]["rules"][0]["backendRefs"]
        assert (stable["name"], candidate["name"]) == (NAME, f"{NAME}-canary")
        return stable["weight"], candidate["weight"]

    @property
    def route_path(self) -> str:
        folder = f"/apis/gateway.networking.k8s.io/v1/namespaces/{self.namespace}/httproutes"
        return f"{folder}/{NAME}-canary"

    def prepare(self) -> None:
        self.canaries.prepare(self.plan)
        gate = self.gates()[0]
        self.plane.wait_for(lambda: gate.look(0).health == "healthy")


@pytest.fixture
def config(namespace: str) -> StackConfig:
    return in_namespace(load_stack_config(CHECKOUT / "Pulumi.local.yaml"), namespace)


@pytest.fixture
def world(plane: Plane, namespace: str, config: StackConfig) -> Iterator[World]:
    """Stable pods up, no canary yet."""
    install_gateway_api(plane)
    kube = config.kubernetes
    assert kube is not None
    priority = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "high"},
        "value": 1000,
    }
    plane.apply("/apis/scheduling.k8s.io/v1/priorityclasses/high", priority)
    placement = place_on(config.instances(2), kube)
    made = World(plane, config, namespace)
    row = kube.enabled_workloads()[NAME]
    for one in service(NAME, row, kube, placement, None, None):
        plane.apply(path_of(one.body), one.body, manager="engine")
    yield made
    made.canaries.remove((namespace,), NAME)


def in_namespace(config: StackConfig, namespace: str) -> StackConfig:
    """Stack `local` with the row of the test in the test's namespace."""
    kube = config.kubernetes
    assert kube is not None
    row = kube.workloads[NAME].model_copy(update={"namespace": namespace, "talks_to": ()})
    workloads = {**kube.workloads, NAME: row}
    return config.model_copy(update={"kubernetes": kube.model_copy(update={"workloads": workloads})})


def test_weights_rise_step_by_step_and_the_candidate_goes_once_the_stable_side_has_it(world: World) -> None:
    assert not world.canaries.stable_has_it(world.plan)
    world.prepare()
    seen: list[tuple[int, int]] = []
    done = world.shift(HandClock(), on_look=lambda _progress: seen.append(world.weights()))
    assert done.status == "passed"
    assert list(dict.fromkeys(seen)) == [(100, 0), (95, 5), (75, 25), (0, 100)]

    deployment = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/{NAME}"
    body = world.plane.request("GET", deployment)
    body["spec"]["template"]["spec"]["containers"][0]["image"] = IMAGE
    world.plane.request("PUT", deployment, body)
    world.plane.wait_for(lambda: world.canaries.stable_has_it(world.plan))
    gone = world.canaries.remove((world.namespace,), NAME)
    assert gone[0] == f"httproutes/{NAME}-canary", "calls end before pods do"
    assert world.canaries.remove((world.namespace,), NAME) == []
    left = world.plane.request("GET", f"/apis/apps/v1/namespaces/{world.namespace}/deployments")["items"]
    assert [row["metadata"]["name"] for row in left] == [NAME]


def test_an_injected_fault_takes_the_weights_back_to_zero_by_itself(world: World) -> None:
    world.prepare()

    def fault() -> None:
        world.measured.burns = world.weights()[1] == 25

    done = world.shift(HandClock(fault))
    assert (done.status, world.weights()) == ("rolled_back", (100, 0))
    assert done.why == f"{NAME}-canary spends its error budget: 31.0% of calls fail"


def test_pods_that_go_away_take_the_weights_back(world: World) -> None:
    world.prepare()
    path = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/{NAME}-canary"

    def fault() -> None:
        if world.weights()[1] == 5:
            world.plane.request("DELETE", path)

    done = world.shift(HandClock(fault))
    assert (done.status, done.why, world.weights()) == (
        "rolled_back",
        f"Deployment {NAME}-canary is gone",
        (100, 0),
    )


def test_a_killed_runner_leaves_a_step_and_another_goes_on_from_it(world: World) -> None:
    world.prepare()
    clock = HandClock()

    def die() -> None:
        if world.weights()[1] == 25:
            raise KeyboardInterrupt

    clock._on_sleep = die
    with pytest.raises(KeyboardInterrupt):
        world.shift(clock)
    assert world.weights() == (75, 25)
    clock._on_sleep = lambda: None
    with pytest.raises(RolloutHeld, match=r"one moves this traffic"):
        world.shift(clock, "two")
    clock.sleep(TIMING.unwatched_s + 1)
    seen: list[int] = []
    done = world.shift(clock, "two", on_look=lambda progress: seen.append(progress.weight))
    assert done.status == "passed"
    assert sorted(set(seen)) == [25, 100]


def test_an_abort_wins_against_the_runner_that_holds_it(world: World) -> None:
    world.prepare()

    def abort() -> None:
        if world.weights()[1] == 25:
            world.canaries.remove((world.namespace,), NAME)
            clock._on_sleep = lambda: None

    clock = HandClock(abort)
    with pytest.raises(RolloutHeld, match="somebody aborted"):
        world.shift(clock)
    with pytest.raises(RequestRefused):
        world.plane.request("GET", world.route_path)


def test_another_candidate_never_takes_the_place_of_one_that_has_calls(
    world: World, config: StackConfig
) -> None:
    world.prepare()
    world.shift(HandClock())
    other = plan_canary(config, 2, NAME, IMAGE.replace("1.1.0", "1.2.0"))
    with pytest.raises(RolloutHeld, match="100 % of the calls"):
        world.canaries.prepare(other)
    path = f"/apis/apps/v1/namespaces/{world.namespace}/deployments/{NAME}-canary"
    pods = world.plane.request("GET", path)["spec"]["template"]["spec"]
    assert pods["containers"][0]["image"] == IMAGE
    world.canaries.remove((world.namespace,), NAME)
    world.canaries.prepare(other)


def test_nothing_is_made_where_the_stable_side_is_not_up(world: World) -> None:
    ingress = f"/apis/networking.k8s.io/v1/namespaces/{world.namespace}/ingresses/{NAME}"
    world.plane.request("DELETE", ingress)
    with pytest.raises(RolloutRefused, match="the stable side is not up"):
        world.canaries.prepare(world.plan)
    pods = world.plane.request("GET", f"/apis/apps/v1/namespaces/{world.namespace}/deployments")["items"]
    assert len(pods) == 1


def test_the_ingress_stays_behind_the_route_and_keeps_its_own_fields(world: World) -> None:
    world.prepare()
    path = f"/apis/networking.k8s.io/v1/namespaces/{world.namespace}/ingresses/{NAME}"
    ingress = world.plane.request("GET", path)
    assert ingress["metadata"]["annotations"] == {"traefik.ingress.kubernetes.io/router.priority": "1"}
    assert ingress["spec"]["rules"][0]["host"] == "app.sophia.example.com"
    assert ingress_behind(NAME, world.namespace)["metadata"]["name"] == ingress["metadata"]["name"]
    assert replace(world.plan, name="x").candidate == "x-canary"
