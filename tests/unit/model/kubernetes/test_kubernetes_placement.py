"""Clusters from the fleet, places from GPUs, and where a few stacks put their workloads."""

from __future__ import annotations

import pytest

from sophia_infra.model.kubernetes import Placement, place
from sophia_infra.model.stack_config import ConfigError
from tests.unit.model.kubernetes.kubernetes_stacks import (
    API,
    LLM,
    REMOVED,
    SECTION,
    Change,
    changed,
    stack_of,
)

FLEET = "sophia:fleet"
SEPARATE: tuple[Change, ...] = (((SECTION, "topology"), "per_region"), ((*API, "talks_to"), ["store"]))


def placed(*changes: Change) -> Placement:
    return place(stack_of(*changes))


def machine(kind: str, region: str = "us-south-1", **more: object) -> dict[str, object]:
    return {"type": kind, "region": region, "purpose": "test", **more}


def test_an_overlay_is_one_cluster_of_all_regions() -> None:
    placement = placed()
    (cluster,) = placement.clusters.values()
    assert (cluster.name, cluster.region, placement.primary) == ("sophia", None, "sophia")
    assert [node.name for node in cluster.nodes] == ["core", "small", "shared", "data"]
    assert {node.cluster for node in cluster.nodes} == {"sophia"}
    assert "talk over WireGuard across the internet" in placement.notes[0]


def test_each_region_is_a_cluster_and_the_largest_is_the_primary_one() -> None:
    placement = placed(*SEPARATE)
    assert list(placement.clusters) == ["sophia-us-east-3", "sophia-us-south-1"]
    assert placement.primary == "sophia-us-south-1"
    assert placement.clusters["sophia-us-east-3"].region == "us-east-3"
    assert placement.workload_cluster == {"api": "sophia-us-south-1", "llm": "sophia-us-east-3"}
    assert placement.database_cluster == {"store": "sophia-us-south-1"}
    assert placement.notes == ()


def test_the_primary_region_can_be_chosen() -> None:
    more = machine("1xA10", "us-west-1")
    placement = placed(*SEPARATE, ((SECTION, "primary_region"), "us-west-1"), ((FLEET, "west"), more))
    assert placement.primary == "sophia-us-west-1"
    assert placement.workload_cluster == {"api": "sophia-us-west-1", "llm": "sophia-us-east-3"}


@pytest.mark.parametrize(
    ("changes", "server"),
    [
        ((), "small"),
        ((((FLEET, "cpu"), machine("cpu_4x_general")),), "cpu"),
        ((((FLEET, "small", "always_on"), False),), "shared"),
        ((((SECTION, "server"), "data"),), "data"),
    ],
    ids=["the cheapest", "one without GPU", "never one on a schedule", "the one that is named"],
)
def test_the_server_is_the_cheapest_x86_machine_that_is_always_on(
    changes: tuple[Change, ...], server: str
) -> None:
    (cluster,) = placed(*changes).clusters.values()
    assert cluster.server == server
    assert [node.name for node in cluster.nodes if node.is_server] == [server]


def test_a_cluster_of_arm64_alone_is_served_by_its_first_machine() -> None:
    placement = placed(*SEPARATE)
    assert placement.clusters["sophia-us-east-3"].server == "core"


def test_a_node_joins_with_labels_that_say_what_it_is() -> None:
    (cluster,) = placed(
        ((SECTION, "node_roles"), {"core": ["training", "large-inference"]}),
        ((FLEET, "cpu"), machine("cpu_4x_general")),
    ).clusters.values()
    core, cpu = cluster.nodes[0], cluster.nodes[-1]
    assert dict(core.labels) == {
        "sophia.internal/gpu": "gh200",
        "sophia.internal/instance-type": "gpu_1x_gh200",
        "sophia.internal/region": "us-east-3",
        "sophia.internal/instance": "core",
    }
    assert core.roles == ("training", "large-inference")
    assert (core.architecture, core.vcpus, core.memory_gib, core.gpu_model) == ("arm64", 64, 432, "GH200")
    assert "sophia.internal/gpu" not in cpu.labels
    assert (cpu.gpu_model, cpu.gpu_count, cpu.places) == (None, 0, 0)


@pytest.mark.parametrize(
    ("kind", "model", "sharing", "places"),
    [
        ("1xA6000", "A6000", None, 1),
        ("1xA6000", "A6000", {"time_slicing": 4}, 4),
        ("gpu_2x_a6000", "A6000", {"time_slicing": 4}, 8),
        ("1xGH200", "GH200", {"mig": "all-1g.12gb"}, 7),
        ("1xGH200", "GH200", {"mig": "all-3g.48gb"}, 2),
        ("gpu_1x_a100", "A100", {"mig": "all-2g.10gb"}, 3),
        ("8xA100_80GB", "A100", {"mig": "all-1g.20gb"}, 32),
        ("8xH100", "H100", {"mig": "all-1g.10gb"}, 56),
        ("1xA10", "A6000", {"time_slicing": 4}, 1),
    ],
)
def test_places_are_gpus_times_shares_or_slices(
    kind: str, model: str, sharing: dict[str, object] | None, places: int
) -> None:
    fleet = {"one": machine(kind), "cpu": machine("1xA10")}
    stack = stack_of(
        ((FLEET,), fleet),
        ((SECTION, "gpu_sharing"), {model: sharing} if sharing else {}),
        ((*LLM, "gpu"), REMOVED),
    )
    (cluster,) = place(stack).clusters.values()
    assert cluster.nodes[0].places == places


def test_a_maximum_is_cut_to_the_places_that_are_left_in_the_order_of_the_table() -> None:
    row = {"image": "a/b:1", "cpu": 1, "memory": "1Gi", "gpu": {"model": "A6000"}}
    scale = {"min": 1, "max": 5, "cpu": 70}
    placement = placed(
        ((SECTION, "gpu_sharing", "A6000"), {"time_slicing": 4}),
        ((SECTION, "workloads", "first"), {**row, "ports": {"http": 9001}, "autoscale": scale}),
        ((SECTION, "workloads", "second"), {**row, "ports": {"http": 9002}, "autoscale": scale}),
    )
    assert (placement.max_replicas["first"], placement.max_replicas["second"]) == (3, 1)
    assert placement.gpu_reserved["sophia", "A6000"] == placement.gpu_places["sophia", "A6000"] == 4
    assert placement.gpu_reserved["sophia", "A100"] == 0
    assert placement.notes[1:] == tuple(
        f"sophia:kubernetes.workloads.{name}.autoscale.max: 5 is cut to {most}: "
        "cluster sophia has 4 places for A6000"
        for name, most in (("first", 3), ("second", 1))
    )


@pytest.mark.parametrize(
    ("pool", "limits", "most"),
    [
        ({"type": "1xA6000", "max": 2}, {}, 3),
        ({"type": "1xA6000", "max": 9}, {}, 5),
        ({"type": "1xA6000", "max": 9}, {"max_instances": 1}, 2),
        ({"type": "1xA6000", "max": 9}, {"max_gpus": {"1xA6000": 3}}, 4),
        ({"type": "1xA10", "max": 9}, {}, 1),
    ],
)
def test_a_gpu_workload_may_grow_onto_machines_that_the_scaler_adds(
    pool: dict[str, object], limits: dict[str, object], most: int
) -> None:
    row = {"image": "a/b:1", "cpu": 1, "memory": "1Gi", "gpu": {"model": "A6000"}}
    scale = {"min": 1, "max": 5, "cpu": 70}
    placement = placed(
        ((SECTION, "gpu_sharing"), {}),
        ((SECTION, "workloads", "grows"), {**row, "ports": {"http": 9001}, "autoscale": scale}),
        (("sophia:scaler",), {"pools": {"more": {**pool, "regions": ["us-south-1"]}}, **limits}),
    )
    assert placement.max_replicas["grows"] == most
    # Training is promised what the fleet has, and nothing that may never come.
    assert placement.gpu_places["sophia", "A6000"] == placement.gpu_reserved["sophia", "A6000"] == 1


def test_nothing_that_is_promised_waits_for_a_machine_of_the_scaler() -> None:
    row = {"image": "a/b:1", "cpu": 1, "memory": "1Gi", "gpu": {"model": "A6000"}, "replicas": 3}
    with pytest.raises(ConfigError, match="add a machine with A6000 to sophia:fleet"):
        placed(
            ((SECTION, "workloads", "promised"), {**row, "ports": {"http": 9001}}),
            (
                ("sophia:scaler",),
                {"pools": {"more": {"type": "1xA6000", "max": 9, "regions": ["us-south-1"]}}},
            ),
        )


def test_workloads_without_gpu_keep_their_maximum() -> None:
    assert placed(((*API, "autoscale"), {"min": 1, "max": 90, "cpu": 70})).max_replicas["api"] == 90


def test_no_pod_without_that_gpu_is_counted_on_an_arm64_machine() -> None:
    """64 cores of the GH200 are free; nothing but its own GPU's pods may use them."""
    both = {"architectures": ["amd64", "arm64"], "cpu": 30, "replicas": 1, "talks_to": []}
    stack = changed()[SECTION]["workloads"]["api"] | both
    with pytest.raises(ConfigError, match="at most 29 CPU"):
        stack_of((API, stack))
    beside = stack | {"gpu": {"model": "GH200", "count": 0}}
    assert place(stack_of((API, beside))).workload_cluster["api"] == "sophia"


def test_a_gpu_workload_tries_every_cluster_that_has_its_model() -> None:
    fleet = {
        "a": machine("1xA10", "us-west-1"),
        "b": machine("gpu_1x_a100", "us-east-1"),
        "c": machine("gpu_2x_a100", "us-west-2"),
    }
    row = {**changed()[SECTION]["workloads"]["llm"], "gpu": {"model": "A100"}, "replicas": 2}
    placement = placed(*SEPARATE, ((FLEET,), fleet), (LLM, row))
    assert placement.workload_cluster == {"api": "sophia-us-west-1", "llm": "sophia-us-west-2"}


def test_an_existing_cluster_is_one_and_counts_adopted_machines() -> None:
    changes: list[Change] = [((SECTION, "cluster"), "existing"), ((SECTION, "topology"), REMOVED)]
    changes += [((FLEET, "core", "adopt"), {"name": "core"})]
    placement = placed(*changes)
    (cluster,) = placement.clusters.values()
    assert (cluster.name, cluster.region, cluster.server) == ("sophia", None, "")
    assert [node.name for node in cluster.nodes] == ["core", "small", "shared", "data"]
    assert not any(node.is_server for node in cluster.nodes)


def test_an_existing_cluster_without_a_fleet_is_not_counted_and_says_so() -> None:
    placement = placed(((SECTION, "cluster"), "existing"), ((SECTION, "topology"), REMOVED), ((FLEET,), {}))
    assert placement.workload_cluster == {"api": "sophia", "llm": "sophia"}
    assert placement.unplaced == ()
    assert "nothing is counted" in placement.notes[0]


def test_an_adopted_machine_is_no_node_of_a_joined_cluster() -> None:
    stack = stack_of(((FLEET, "data", "adopt"), {"name": "data"}))
    (cluster,) = place(stack).clusters.values()
    assert "data" not in [node.name for node in cluster.nodes]


def test_places_are_counted_on_the_machines_of_the_phase_that_makes_workloads() -> None:
    later: tuple[Change, ...] = (((FLEET, "core", "phase"), 2), (("sophia:phase",), 1))
    stack = stack_of(*later)
    assert [unplaced.name for unplaced in place(stack).unplaced] == ["llm"]
    assert place(stack, 2).unplaced == ()
    with pytest.raises(ConfigError, match=r"workloads\.llm: asks for 1 pod"):
        stack_of(*later, ((FLEET, "core", "phase"), 3))


def test_a_stack_without_kubernetes_has_no_placement() -> None:
    with pytest.raises(ValueError, match="has no placement"):
        place(stack_of(((SECTION,), REMOVED)))


@pytest.mark.parametrize(("cpu", "fits"), [(12, True), (13, False)])
def test_a_server_keeps_twice_the_reserve_of_a_node(cpu: int, fits: bool) -> None:
    """The RTX6000 has 14 cores, and is the server here."""
    fleet = {"small": machine("1xRTX6000")}
    row = {**changed()[SECTION]["workloads"]["api"], "replicas": 1, "cpu": cpu, "talks_to": []}
    changes: tuple[Change, ...] = (
        ((FLEET,), fleet),
        ((SECTION, "workloads"), {"api": row}),
        ((SECTION, "databases"), {}),
    )
    if fits:
        assert placed(*changes).unplaced == ()
    else:
        with pytest.raises(ConfigError, match="at most 12 CPU and 38Gi left"):
            stack_of(*changes)


def test_a_machine_that_cannot_be_read_is_not_missed_as_well() -> None:
    with pytest.raises(ConfigError) as caught:
        stack_of(((FLEET, "core", "region"), "nowhere"), ((SECTION, "server"), "core"))
    assert [problem.key for problem in caught.value.problems] == ["sophia:fleet.core.region"]
