"""The table and the two stack files of the repository: the plan's rows, on the plan's five machines."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sophia_infra.model.kubernetes import KubernetesConfig, Placement, place
from sophia_infra.model.kubernetes.ports import port_table
from sophia_infra.model.kubernetes.sidecars import running_images
from sophia_infra.model.kubernetes.swarm import BY_CHART, SWARM_SERVICES, missing_peers, swarm_map
from sophia_infra.model.stack_config import ConfigError, StackConfig, load_stack_config, parse_stack_config
from tests.unit.model.kubernetes.kubernetes_stacks import section_of

ROOT = Path(__file__).parents[4]
MCP_PORTS = {
    "mcp-ai-memory": 9000,
    "mcp-gong": 9001,
    "mcp-snowflake": 9002,
    "mcp-slack": 9003,
    "mcp-linear": 9004,
    "mcp-github": 9005,
    "mcp-codacy": 9006,
    "mcp-asana": 9007,
}
PLAN = {  # replicas (where the fleet can carry them), main port, request and limit
    "sophia-ai-core": (1, 8000, "4..8", "16Gi..32Gi"),
    "sophia-backend": (3, 8000, "1..2", "2Gi..4Gi"),
    "sophia-frontend": (2, 80, "100m..200m", "128Mi..256Mi"),
    "lambda-inference": (1, 8080, "2..4", "8Gi..16Gi"),  # the plan says 2: two halves of one GPU
    "mcp-gateway": (3, 8000, "500m..1", "512Mi..1Gi"),
    "lambda-labs-mcp": (2, 9025, "100m..500m", "256Mi..512Mi"),
    "n8n-main": (2, 5678, "1..2", "2Gi..4Gi"),
    "n8n-worker": (5, 5678, "500m..1", "1Gi..2Gi"),
    **{name: (2, port, "250m..500m", "512Mi..1Gi") for name, port in MCP_PORTS.items()},
}


@pytest.fixture(scope="module")
def local() -> StackConfig:
    return load_stack_config(ROOT / "Pulumi.local.yaml")


@pytest.fixture(scope="module")
def kube(local: StackConfig) -> KubernetesConfig:
    return section_of(local)


@pytest.fixture(scope="module")
def placement(local: StackConfig) -> Placement:
    return place(local)


def test_every_row_of_the_plan_is_there_with_its_numbers(kube: KubernetesConfig) -> None:
    rows = kube.workloads
    assert set(rows) == {*PLAN, "sophia-data-pipeline", "inference-gateway"}
    assert all(row.enabled or row.gateway for row in rows.values())
    for name, numbers in PLAN.items():
        row = rows[name]
        assert (row.replicas, row.main_port, str(row.cpu), str(row.memory)) == numbers, name


def test_what_the_plan_says_of_single_rows(kube: KubernetesConfig) -> None:
    core = kube.workloads["sophia-ai-core"]
    assert (core.shm, core.grace_s, core.health.startup_s) == ("16Gi", 60, 300)
    assert core.volumes["models"].size == "100Gi"
    assert "arm64" in core.architectures
    assert {name: row.service_port("http") for name, row in kube.workloads.items() if row.service_ports} == {
        "sophia-ai-core": 80,
        "sophia-backend": 80,
        "mcp-gateway": 80,
    }
    scaled = {
        name: (row.autoscale.min, row.autoscale.max) for name, row in kube.workloads.items() if row.autoscale
    }
    assert scaled == {
        "sophia-ai-core": (1, 4),
        "sophia-backend": (3, 10),
        "lambda-inference": (1, 8),
        "inference-gateway": (2, 12),
        "mcp-gateway": (3, 10),
        "n8n-worker": (5, 20),
    }
    assert kube.workloads["mcp-gateway"].namespace == "sophia-ai"
    assert kube.workloads["lambda-labs-mcp"].volumes["data"].size == "5Gi"


def test_the_stores_of_the_plan(kube: KubernetesConfig) -> None:
    stores = {
        name: (row.kind, row.replicas, row.sentinels, row.storage) for name, row in kube.databases.items()
    }
    assert stores == {
        "postgres": ("postgres", 1, 0, "100Gi"),
        "redis": ("redis", 3, 3, "10Gi"),
        "n8n-redis": ("redis", 1, 0, "20Gi"),
        "qdrant": ("qdrant", 3, 0, "50Gi"),
    }
    assert [name for name, row in kube.databases.items() if not row.backup] == ["n8n-redis"]
    assert kube.databases["redis"].settings["maxmemory-policy"] == "allkeys-lru"
    postgres = kube.databases["postgres"].backup
    assert postgres is not None
    assert (postgres.schedule, postgres.keep_days) == ("0 2 * * *", 7)


def test_everything_finds_a_place_on_the_five_machines(placement: Placement) -> None:
    assert placement.unplaced == ()
    (cluster,) = placement.clusters.values()
    assert (cluster.name, cluster.server, len(cluster.nodes)) == ("sophia", "sophia-production", 5)
    assert dict(placement.gpu_places) == {
        ("sophia", "GH200"): 1,
        ("sophia", "A6000"): 1,
        ("sophia", "A100"): 1,
        ("sophia", "RTX6000"): 1,
        ("sophia", "A10"): 1,
    }
    left = {key: count - placement.gpu_reserved[key] for key, count in placement.gpu_places.items()}
    assert {model: count for (_, model), count in left.items() if count} == {"RTX6000": 1, "A10": 1}
    assert (placement.max_replicas["sophia-ai-core"], placement.max_replicas["lambda-inference"]) == (1, 1)
    assert [note.split(" ")[0] for note in placement.notes[1:]] == [
        "sophia:kubernetes.workloads.sophia-ai-core.autoscale.max:",
        "sophia:kubernetes.workloads.lambda-inference.autoscale.max:",
    ]


def test_all_five_machines_have_roles_and_none_with_a_comma(
    kube: KubernetesConfig, local: StackConfig
) -> None:
    assert set(kube.node_roles) == set(local.fleet)
    assert {"training", "large-inference"} <= {role for roles in kube.node_roles.values() for role in roles}


def test_every_swarm_service_has_an_enabled_peer(kube: KubernetesConfig) -> None:
    assert missing_peers(kube) == ()
    assert [(peer.service.name, peer.name, peer.port) for peer in swarm_map(kube)] == [
        ("backend", "sophia-backend", 8000),
        ("mcp-ai-memory", "mcp-ai-memory", 9000),
        ("mcp-snowflake", "mcp-snowflake", 9002),
        ("postgres", "postgres", 5432),
        ("redis", "redis", 6379),
    ]
    named = {row.swarm_service for row in kube.workloads.values()}
    named |= {row.swarm_service for row in kube.databases.values()}
    assert named - {None} == {service.name for service in SWARM_SERVICES}, "no peer of an unknown service"
    assert not set(BY_CHART) & {*kube.workloads, *kube.databases}


def test_a_peer_that_is_switched_off_is_missed(kube: KubernetesConfig) -> None:
    row = kube.workloads["mcp-snowflake"].model_copy(update={"enabled": False})
    off = kube.model_copy(update={"workloads": {**kube.workloads, "mcp-snowflake": row}})
    assert missing_peers(off) == ("mcp-snowflake",)


def test_each_mcp_port_is_taken_once(kube: KubernetesConfig) -> None:
    table = port_table(kube)
    mains = {entry.service: entry.port for entry in table if entry.is_main}
    assert {name: mains[name] for name in MCP_PORTS} == MCP_PORTS
    taken = [entry.port for entry in table if 9000 <= entry.port <= 9099 and entry.is_main]
    assert sorted(taken) == [*range(9000, 9008), 9025]
    assert ("redis", "sentinel", 26379) in [(entry.service, entry.name, entry.port) for entry in table]
    order = [(entry.namespace, entry.port, entry.service) for entry in table]
    assert order == sorted(order)


def test_secrets_are_named_by_path_and_by_one_path_each_variable(kube: KubernetesConfig) -> None:
    paths = {path for row in kube.workloads.values() for path in row.secret_env.values()}
    assert {path.partition(".")[0] for path in paths} == {
        "ai",
        "automation",
        "business",
        "data",
        "databases",
        "engineering",
        "inference",
        "lambda",
    }
    assert all(path.count(".") == 1 + path.startswith("inference.keys.") for path in paths)


def test_production_waits_for_phase_2_and_asks_for_digests_only_then() -> None:
    production = load_stack_config(ROOT / "Pulumi.production.yaml")
    kube = section_of(production)
    assert (production.phase, kube.cluster, kube.first_phase) == (1, "existing", 2)
    assert kube.images.require_digest
    assert production.warnings == ()
    assert place(production).unplaced == ()
    with pytest.raises(ConfigError) as caught:
        parse_stack_config(
            {
                f"sophia:{key}": 2 if key == "phase" else value
                for key, value in production.model_dump(exclude_none=True).items()
            },
            "x",
            directory=ROOT,
        )
    problems = str(caught.value).splitlines()
    assert len(problems) == len(running_images(kube))
    assert all("has no digest, and images.require_digest asks for one" in line for line in problems)


def test_every_secret_of_the_table_is_in_the_environment_definition(kube: KubernetesConfig) -> None:
    file = ROOT / "infrastructure" / "esc" / "lambda-labs-optimized.yaml"
    values = yaml.safe_load(file.read_text(encoding="utf-8"))["values"]
    paths = {path for row in kube.workloads.values() for path in row.secret_env.values()}
    paths |= {path for row in kube.databases.values() for path in row.secret_env.values()}
    defined = {f"{group}.{name}" for group, names in values.items() for name in names}
    defined |= {f"inference.keys.{user}" for user in values["inference"]["keys"]}
    assert paths <= defined
