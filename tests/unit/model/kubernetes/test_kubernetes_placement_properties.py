"""Random fleets and tables: never more places used than there are, and nothing refused that fits."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sophia_infra.model.catalogue import CATALOGUE
from sophia_infra.model.instance import InstanceConfig
from sophia_infra.model.kubernetes import KubernetesConfig, Placement, bytes_of
from sophia_infra.model.kubernetes.config import ONLY_PARTS
from sophia_infra.model.kubernetes.placement import place_on
from tests.effort import examples

KINDS = ["gpu_1x_gh200", "gpu_1x_a6000", "gpu_2x_a6000", "gpu_1x_a100", "gpu_1x_a10", "cpu_4x_general"]
MODELS = ["GH200", "A6000", "A100", "A10"]
GIB = 1 << 30

fleets = st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(["us-east-3", "us-south-1"])), max_size=5)
sharings = st.dictionaries(
    st.sampled_from(["A6000", "A100"]),
    st.integers(2, 8).map(lambda shares: {"time_slicing": shares}),
    max_size=2,
)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    replicas = draw(st.integers(1, 5))
    row: dict[str, Any] = {
        "image": "a/b:1",
        "architectures": ["amd64", "arm64"],
        "ports": {"http": 8000},
        "replicas": replicas,
        "cpu": draw(st.integers(1, 12)),
        "memory": f"{draw(st.integers(1, 60))}Gi",
    }
    if draw(st.booleans()):
        row["gpu"] = {"model": draw(st.sampled_from(MODELS)), "count": draw(st.integers(0, 2))}
    if draw(st.booleans()):
        row["autoscale"] = {"min": 1, "max": replicas + draw(st.integers(0, 9)), "cpu": 70}
    if draw(st.booleans()):
        row["volumes"] = {"data": {"mount": "/data", "size": "1Gi"}}
    return row


sections = st.builds(
    lambda topology, sharing, table: KubernetesConfig.model_validate(
        {
            "topology": topology,
            "gpu_sharing": sharing,
            "workloads": {f"w{at}": row for at, row in enumerate(table)},
        },
        context=ONLY_PARTS,
    ),
    st.sampled_from(["overlay", "per_region"]),
    sharings,
    st.lists(rows(), max_size=6),
)


def machines_of(fleet: list[tuple[str, str]]) -> dict[str, InstanceConfig]:
    return {
        f"m{at}": InstanceConfig(type=kind, region=region, purpose="test")
        for at, (kind, region) in enumerate(fleet)
    }


def places_by_the_catalogue(placement: Placement, kube: KubernetesConfig) -> dict[tuple[str, str], int]:
    """GPU places counted anew, from the catalogue and the sharing alone."""
    found: dict[tuple[str, str], int] = {}
    for cluster in placement.clusters.values():
        for node in cluster.nodes:
            kind = CATALOGUE[node.instance_type]
            if kind.gpu_model:
                sharing = kube.gpu_sharing.get(kind.gpu_model)
                shares = (sharing.time_slicing if sharing else None) or 1
                key = (cluster.name, kind.gpu_model)
                found[key] = found.get(key, 0) + kind.gpu_count * shares
    return found


@given(fleets, sections)
@settings(max_examples=examples(150), deadline=None)
def test_no_more_is_used_than_there_is(fleet: list[tuple[str, str]], kube: KubernetesConfig) -> None:
    placement = place_on(machines_of(fleet), kube)
    unplaced = {row.name for row in placement.unplaced}
    used: dict[tuple[str, str], int] = {}
    for name, row in kube.workloads.items():
        assert row.replicas <= placement.max_replicas[name] <= row.most_replicas
        if row.gpu and row.gpu.count and name not in unplaced:
            key = (placement.workload_cluster[name], row.gpu.model)
            used[key] = used.get(key, 0) + placement.max_replicas[name] * row.gpu.count
    places = places_by_the_catalogue(placement, kube)
    assert dict(placement.gpu_places) == places
    assert {key: count for key, count in placement.gpu_reserved.items() if count} == used
    assert all(used[key] <= places.get(key, 0) for key in used)
    for cluster in placement.clusters.values():
        mine = [
            row
            for name, row in kube.workloads.items()
            if placement.workload_cluster[name] == cluster.name and name not in unplaced
        ]
        cpu = sum(row.cpu.request_millicores * row.replicas for row in mine)
        memory = sum(row.memory.request_bytes * row.replicas for row in mine)
        assert cpu <= 1000 * sum(node.vcpus for node in cluster.nodes)
        assert memory <= GIB * sum(node.memory_gib for node in cluster.nodes)


@given(fleets, sections)
@settings(max_examples=examples(50), deadline=None)
def test_the_same_stack_is_placed_the_same_and_every_cut_is_said(
    fleet: list[tuple[str, str]], kube: KubernetesConfig
) -> None:
    placement = place_on(machines_of(fleet), kube)
    assert place_on(machines_of(fleet), kube) == placement
    unplaced = {row.name for row in placement.unplaced}
    cut = {name for name, most in placement.max_replicas.items() if most < kube.workloads[name].most_replicas}
    assert cut == {name for name in cut if any(f".{name}.autoscale.max:" in note for note in placement.notes)}
    assert not cut & unplaced


@given(fleets, rows())
@settings(max_examples=examples(150), deadline=None)
def test_one_workload_alone_is_refused_only_when_it_does_not_fit(
    fleet: list[tuple[str, str]], row: dict[str, Any]
) -> None:
    """The oracle counts pods by node, by cpu, memory and GPUs, with nothing else in the cluster."""
    kube = KubernetesConfig.model_validate(
        {"topology": "overlay", "workloads": {"w": row}}, context=ONLY_PARTS
    )
    placement = place_on(machines_of(fleet), kube)
    fits = [0]
    for cluster in placement.clusters.values():
        for node in cluster.nodes:
            gpu = row.get("gpu")
            if (gpu and gpu["model"] != node.gpu_model) or (not gpu and node.architecture == "arm64"):
                continue
            shares = 2 if node.is_server else 1
            cpu = (node.vcpus - shares) // row["cpu"]
            memory = (node.memory_gib - 4 * shares) * GIB // bytes_of(row["memory"])
            gpus = node.gpu_count // gpu["count"] if gpu and gpu["count"] else cpu
            fits.append(max(0, min(cpu, memory, gpus)))
    room = max(fits) if "volumes" in row else sum(fits)
    assert bool(placement.unplaced) == (room < row["replicas"])
    if not placement.unplaced and (row.get("gpu") or {}).get("count"):
        most = row["autoscale"]["max"] if "autoscale" in row else row["replicas"]
        if "volumes" not in row:
            assert placement.max_replicas["w"] == min(most, room)
