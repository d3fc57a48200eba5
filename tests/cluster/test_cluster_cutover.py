"""From Swarm to Kubernetes, service by service: two real HTTP servers behind a route in a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from sophia_infra.kubernetes_plugin.kubeconfig import load_kubeconfig
from sophia_infra.rollout.cluster import Cluster, connect, path_of
from sophia_infra.rollout.cutover import Cutovers, check_order, store_verdict
from sophia_infra.rollout.cutover_services import CutoverService
from sophia_infra.rollout.errors import RolloutRefused
from sophia_infra.rollout.gates import HttpAnswers, judge_all
from sophia_infra.rollout.running import Start, shift
from sophia_infra.rollout.shifting import Progress, Timing
from tests.cluster.gateway_api import install_gateway_api
from tests.cluster.plane import Plane
from tests.cluster.test_cluster_canary import HandClock
from tests.cluster.weighted_router import Router, two_sides

TIMING = Timing(bake_s=60, no_data_s=120, ready_s=600, unwatched_s=60)
WEIGHTS = (25, 100)
NAMES = ("backend", "sophia-backend", "sophia-backend-swarm")


class World:
    """The routed service `backend` in a namespace of the test's own, not moved yet."""

    def __init__(self, plane: Plane, namespace: str) -> None:
        self.cluster = Cluster(connect(load_kubeconfig(str(plane.kubeconfig))))
        self.cutovers = Cutovers(self.cluster, "192.0.2.10")
        self.backend = CutoverService(
            *("backend", "routed", "sophia-backend", namespace, 80, 8000),
            host="api.example.com",
            path="/",
            health="/health",
            tls_secret="sophia-tls-sophia-backend",
        )
        self.store = CutoverService(
            "postgres", "store", "postgres", namespace, 5432, 5432, None, "/", "/", ""
        )
        self.path = (
            f"/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes/sophia-backend-cutover"
        )
        ingress = {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "metadata": {"name": "sophia-backend", "namespace": namespace},
            "spec": {"defaultBackend": {"service": {"name": "sophia-backend", "port": {"number": 80}}}},
        }
        plane.apply(path_of(ingress), ingress, manager="engine")

    def move(self, router: Router, clock: HandClock) -> Progress:
        gates = [HttpAnswers(router.sides["sophia-backend"].url)]
        start = Start("kubernetes", WEIGHTS, "one")
        route = self.cutovers.route(self.backend)
        return shift(route, start, partial(judge_all, gates), clock, TIMING, interval_s=30)


@pytest.fixture
def world(plane: Plane, namespace: str) -> World:
    install_gateway_api(plane)
    return World(plane, namespace)


@pytest.fixture
def router(plane: Plane, world: World) -> Iterator[Router]:
    _, new, old = NAMES
    with two_sides(plane, world.path, old, new) as made:
        yield made


def test_calls_move_by_weights_no_call_is_lost_and_one_command_takes_them_back(
    world: World, router: Router
) -> None:
    shares: list[dict[str, int]] = []
    world.cutovers.prepare(world.backend)
    clock = HandClock(lambda: shares.append(router.share(60)))
    assert world.cutovers.standing(world.backend).place == "swarm"
    done = world.move(router, clock)
    assert done.status == "passed"
    assert world.cutovers.standing(world.backend).place == "kubernetes"
    assert shares[0] == {"swarm": 60}
    assert any(0 < share.get("kubernetes", 0) < 60 for share in shares)
    assert router.share() == {"kubernetes": 200}

    back = world.cutovers.back(world.backend, "by hand", clock.now())
    assert (back.place, back.weight) == ("swarm", 0)
    assert router.share() == {"swarm": 200}
    again = world.move(router, HandClock())
    assert again.status == "passed"
    world.cutovers.finish(world.backend)
    assert world.cluster.read(world.path) is None
    assert world.cluster.read(path_of(world.cutovers.objects(world.backend)[0])) is None


def test_a_kubernetes_side_that_breaks_gives_the_calls_back_to_swarm_by_itself(
    world: World, router: Router
) -> None:
    world.cutovers.prepare(world.backend)
    new = router.sides["sophia-backend"]

    def fault() -> None:
        standing = world.cutovers.standing(world.backend)
        new.is_broken = standing.weight == 25

    done = world.move(router, HandClock(fault))
    assert (done.status, done.weight) == ("rolled_back", 0)
    assert "answers HTTP 500" in done.why
    assert router.share() == {"swarm": 200}, "also while the new side is still broken"
    with pytest.raises(RolloutRefused, match="not wholly on Kubernetes"):
        world.cutovers.finish(world.backend)


def test_a_route_whose_state_was_spoilt_by_hand_is_brought_back_all_the_same(
    plane: Plane, world: World, router: Router
) -> None:
    world.cutovers.prepare(world.backend)
    world.move(router, HandClock())
    body = plane.request("GET", world.path)
    body["metadata"]["annotations"]["sophia.internal/rollout-state"] = "{}"
    plane.request("PUT", world.path, body)
    with pytest.raises(RolloutRefused, match="is no state of a shift"):
        world.cutovers.standing(world.backend)
    assert world.cutovers.back(world.backend, "by hand", 1.0).weight == 0
    assert router.share() == {"swarm": 200}


def test_services_move_in_their_order_and_a_store_only_while_nobody_writes_to_swarms(
    world: World,
) -> None:
    order = (world.store, world.backend)
    with pytest.raises(RolloutRefused, match="postgres moves before backend"):
        check_order(world.backend, order, world.cutovers.standing)
    assert "still accepts connections on port 5432" in str(store_verdict(world.store, True, True))
    assert "is not ready" in str(store_verdict(world.store, False, False))
    assert store_verdict(world.store, True, False) is None
    world.cutovers.record(world.store, "kubernetes", "1 pods are ready")
    check_order(world.backend, order, world.cutovers.standing)
    world.cutovers.back(world.store, "by hand", 1.0)
    assert world.cutovers.standing(world.store).place == "swarm"


def test_what_was_never_moved_has_no_way_back(world: World) -> None:
    with pytest.raises(RolloutRefused, match="was never moved"):
        world.cutovers.back(world.backend, "by hand", 1.0)
