"""Kubernetes of the tracked stacks, registered whole: clusters, boot texts, objects, and their order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.cli.local_esc import ensure_esc_emulator, stop_esc_emulator
from sophia_infra.components.cluster_files import KUBECONFIG_FOLDER_VARIABLE, MANIFESTS_FOLDER_VARIABLE
from sophia_infra.engine.home import open_home
from sophia_infra.model.kubernetes import SecretsConfig
from tests.program.program_run import CHECKOUT, Run, run_program, stack_config

RunLocal = Callable[..., Run]

GATEWAYS = {"inference-gateway"} if "sophia:gateway" in stack_config("local") else set()
SERVICES = 17 + len(GATEWAYS)
DEPLOYMENTS = SERVICES + 1
"""Those of the rows, and the exporter."""
PROMETHEUS = "http://prometheus.monitoring.svc:9090"
KUBECONFIG = "apiVersion: v1\nkind: Config\nmarker: a-secret-of-the-administrator\n"


@pytest.fixture(scope="module")
def esc_variables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A real ESC emulator with the checked-in environment, as `sophia up` starts it."""
    home = open_home(checkout=CHECKOUT, environ={"SOPHIA_HOME": str(tmp_path_factory.mktemp("home"))})
    settings = SecretsConfig.model_validate(stack_config("local")["sophia:kubernetes"]["secrets"])
    try:
        yield ensure_esc_emulator(home, settings).variables(settings)
    finally:
        stop_esc_emulator(home)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, esc_variables: dict[str, str]) -> RunLocal:
    """Run the program on stack `local`, with changes to its Kubernetes section."""
    for name, value in {**esc_variables, MANIFESTS_FOLDER_VARIABLE: str(tmp_path / "manifests")}.items():
        monkeypatch.setenv(name, value)

    def start(
        phase: int = 2,
        *,
        preview: bool = False,
        endpoint: str = "emulator",
        generations: Mapping[str, int] | None = None,
        gateway: bool = False,
        scaler: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> Run:
        config = {**stack_config("local"), "sophia:endpoint": endpoint}
        if scaler is not None:
            config["sophia:scaler"] = scaler
        if endpoint == "lambda":
            del config["sophia:emulator"]
        fleet = {
            name: {**machine, "generation": (generations or {}).get(name, 1)}
            for name, machine in config["sophia:fleet"].items()
        }
        config["sophia:fleet"] = fleet
        if gateway:
            config["sophia:gateway"] = stack_config("production")["sophia:gateway"]
        section = {**config["sophia:kubernetes"], **changes}
        section = {key: value for key, value in section.items() if value is not None}
        return run_program(
            monkeypatch, {**config, "sophia:phase": phase, "sophia:kubernetes": section}, preview=preview
        )

    return start


def test_what_further_machines_need_to_join_is_an_output_only_for_the_scaler(run: RunLocal) -> None:
    assert "scaler_join" not in run(1).outputs
    pool = {
        "type": "1xA10",
        "regions": ["us-west-1"],
        "min": 0,
        "max": 2,
        "demand": [{"source": "pending_pods"}],
    }
    made = run(1, scaler={"pools": {"burst": pool}})
    assert made.errors == []
    [(cluster, join)] = made.outputs["scaler_join"].items()
    assert cluster == "sophia"
    assert set(join) == {"address", "agent_token", "server_ca_certificate"}
    assert join["server_ca_certificate"].startswith("-----BEGIN CERTIFICATE-----")


def test_every_service_of_the_table_is_a_component_with_its_objects(run: RunLocal) -> None:
    made = run()
    assert made.errors == []
    servers = {*made.of_kind("InferenceBackend"), *made.of_kind("InferenceGateway")}
    assert servers == {"lambda-inference", *GATEWAYS}
    assert len(made.of_kind("Workload")) == 16
    assert set(made.of_kind("Database")) == {"postgres", "redis", "n8n-redis", "qdrant"}
    kinds = made.kinds()
    assert (kinds["Deployment"], kinds["StatefulSet"], kinds["NodePatch"]) == (DEPLOYMENTS, 5, 5)
    assert made.resources["sophia-backend-deployment"].parent == "sophia-backend"
    assert made.resources["sophia-backend-deployment"].type == "kubernetes:apps/v1:Deployment"


def test_a_served_model_and_its_gateway_are_components_scaled_by_keda(run: RunLocal) -> None:
    made = run(autoscaling={"keda": {"enabled": True, "prometheus_url": PROMETHEUS}}, gateway=True)
    assert made.errors == []
    for kind, name in (("InferenceBackend", "lambda-inference"), ("InferenceGateway", "inference-gateway")):
        assert made.named(kind, name).parent == "sophia"
        assert made.resources[f"{name}-deployment"].parent == name
        scaled = made.resources[f"{name}-scaled-object"]
        assert scaled.type == "kubernetes:keda.sh/v1alpha1:ScaledObject"
        assert {f"{name}-deployment", "sophia-keda"} <= scaled.depends_on
    assert made.resources["sophia-keda"].parent == "sophia-autoscaling"
    config = made.resources["inference-gateway-config"].inputs["data"]["gateway.json"]
    assert json.loads(config)["backends"]["own-gpu"]["base_url"].startswith("http://lambda-inference.")
    assert made.outputs["endpoints"]["inference-gateway"].endswith(".svc.cluster.local:8086")


def test_monitoring_is_a_component_and_so_is_the_exporter(run: RunLocal) -> None:
    made = run()
    kinds = made.kinds()
    assert made.resources["sophia-monitoring"].kind == "Monitoring"
    # A row without metrics has no monitor; loki and others' operators are not of the table.
    watched = SERVICES - 1 + len(made.of_kind("Database"))
    own = {
        name for name, monitor in made.of_kind("ServiceMonitor").items() if monitor.parent in made.resources
    }
    rows = {
        name for name in own if made.resources[name].parent not in ("sophia-monitoring", "sophia-exporter")
    }
    assert len(rows) == watched
    assert kinds["PrometheusRule"] > 20
    (chart,) = (name for name, row in made.of_kind("HelmChart").items() if row.parent == "sophia-monitoring")
    for kind in ("ServiceMonitor", "PodMonitor", "PrometheusRule"):
        for name, row in made.of_kind(kind).items():
            assert chart in row.depends_on, name
    assert made.resources["sophia-exporter-deployment"].parent == "sophia-exporter"
    assert made.resources["sophia-backend-monitor"].parent == "sophia-backend"


def test_without_monitoring_nothing_of_it_is_registered(run: RunLocal) -> None:
    made = run(monitoring=None)
    assert made.errors == []
    kinds = made.kinds()
    assert not {"Monitoring", "Exporter", "ServiceMonitor", "PodMonitor", "PrometheusRule"} & set(kinds)
    assert kinds["Deployment"] == SERVICES


def test_an_exporter_restarts_with_its_key_only(run: RunLocal) -> None:
    deployments = run().of_kind("Deployment")
    checksum = "sophia.internal/secret-checksum"
    own, same_key, other = (
        deployments[f"{name}-deployment"].inputs["spec"]["template"]["metadata"]["annotations"][checksum]
        for name in ("sophia-exporter", "lambda-labs-mcp", "sophia-backend")
    )
    assert own == same_key, "both read lambda.api_key and nothing else"
    assert own != other


def test_each_cluster_is_watched_and_the_fleet_once(run: RunLocal) -> None:
    made = run(topology=None)
    assert made.errors == []
    clusters = set(made.of_kind("Platform"))
    assert {row.parent for row in made.of_kind("Monitoring").values()} == clusters
    (exporter,) = made.of_kind("Exporter").values()
    assert exporter.parent == "sophia-us-south-1"


def test_a_backend_that_no_workload_is_registers_nothing(run: RunLocal) -> None:
    made = run(gateway=True, workloads={"lambda-inference": {"enabled": False}})
    assert (made.exit_code, made.resources) == (1, {})
    assert "sophia:gateway.backends.own-gpu.workload" in made.errors[0]


def test_phase_1_makes_gpus_usable_and_no_service(run: RunLocal) -> None:
    made = run(phase=1)
    kinds = made.kinds()
    assert kinds["NodePatch"] == 5
    assert kinds["Namespace"] == 1
    assert "Deployment" not in kinds
    assert made.outputs["endpoints"] == {}


def test_without_a_cluster_charts_are_k3s_objects_and_nothing_is_contacted(
    run: RunLocal, tmp_path: Path
) -> None:
    made = run()
    charts = made.of_kind("HelmChart")
    assert {row.inputs["spec"]["chart"] for row in charts.values()} >= {"gpu-operator", "external-secrets"}
    provider = made.of_kind("kubernetes")["sophia-manifests"]
    assert provider.inputs == {"renderYamlToDirectory": str(tmp_path / "manifests" / "sophia")}
    assert made.outputs["clusters"] == {"sophia": {"manifests": str(tmp_path / "manifests" / "sophia")}}


def test_with_a_cluster_charts_are_releases_and_the_kubeconfig_is_secret(
    run: RunLocal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sophia.yaml").write_text(KUBECONFIG, encoding="utf-8")
    monkeypatch.setenv(KUBECONFIG_FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setenv("SOPHIA_HOME", str(tmp_path))
    made = run()
    provider = made.of_kind("kubernetes")["sophia"].inputs
    assert provider["clusterIdentifier"] == "sophia-infra/local/sophia"
    assert is_secret(provider["kubeconfig"])
    releases = made.of_kind("Release")
    versions = {row.inputs["version"] for row in releases.values()}
    assert versions == {"v26.7.0", "2.9.0", "0.19.2", "88.5.3", "5.3.0"}
    assert all(row.inputs["atomic"] for row in releases.values())


def test_agents_wait_for_the_server_and_hold_neither_its_token_nor_its_keys(run: RunLocal) -> None:
    made = run(phase=1)
    machines = made.of_kind("Instance")
    server = machines.pop("sophia-production")
    assert made.resources["servers-ready"].depends_on == {"sophia-production"}
    assert "servers-ready" not in server.depends_on
    for name, row in machines.items():
        assert "servers-ready" in row.depends_on, name
        assert is_secret(row.inputs["boot_data"]), name
    assert is_secret(server.inputs["boot_data"])
    texts = {name: plain(row.inputs["boot_data"]) for name, row in machines.items()}
    assert all(text.startswith("#cloud-config") and len(text) < 16 * 1024 for text in texts.values())
    assert all("server-token" not in text for text in texts.values())


def test_a_new_generation_is_a_node_of_its_own_and_its_patch_goes_with_the_machine(run: RunLocal) -> None:
    made = run(phase=1, endpoint="lambda", generations={"sophia-ai-core": 2})
    ready = made.named("ClusterReady", "sophia-ready").inputs
    machines = list(stack_config("local")["sophia:fleet"])
    assert ready["nodes"] == ["sophia-ai-core-2", *machines[1:]]
    assert ready["instances"] == {name: f"id-of-{name}" for name in machines}
    assert "NODE_NAME='sophia-ai-core-2'" in plain(
        made.of_kind("Instance")["sophia-ai-core"].inputs["boot_data"]
    )
    patches = made.of_kind("NodePatch")
    assert [*patches] == [f"{name}-labels" for name in machines]
    assert patches["sophia-ai-core-labels"].inputs["metadata"]["name"] == "sophia-ai-core-2"
    assert all(patch.retain_on_delete for patch in patches.values())
    others = [row for row in made.resources.values() if row.kind != "NodePatch"]
    assert not any(row.retain_on_delete for row in others)


def test_on_a_cluster_that_stays_labels_are_taken_away_with_their_patch(run: RunLocal) -> None:
    assert not any(patch.retain_on_delete for patch in run(phase=1).of_kind("NodePatch").values())


def test_the_token_of_the_store_is_secret_and_in_no_other_object(
    run: RunLocal, esc_variables: dict[str, str]
) -> None:
    token = esc_variables["SOPHIA_ESC_TOKEN"]
    made = run()
    holders = {name for name, row in made.resources.items() if token in json.dumps(row.inputs, default=str)}
    assert holders == {"sophia-pulumi-esc-token"}
    assert is_secret(made.resources["sophia-pulumi-esc-token"].inputs["stringData"])
    assert token not in json.dumps(made.outputs, default=str)


def test_a_service_restarts_with_its_own_secrets_only(run: RunLocal) -> None:
    deployments = run().of_kind("Deployment")
    checksums = {
        name: row.inputs["spec"]["template"]["metadata"]["annotations"].get("sophia.internal/secret-checksum")
        for name, row in deployments.items()
    }
    assert checksums["n8n-main-deployment"] == checksums["n8n-worker-deployment"]
    assert checksums["n8n-main-deployment"] != checksums["sophia-backend-deployment"]
    assert checksums["sophia-frontend-deployment"] is None


def test_one_cluster_a_region_by_default(run: RunLocal) -> None:
    made = run(topology=None)
    assert set(made.of_kind("Platform")) == {"sophia-us-east-3", "sophia-us-south-1", "sophia-us-west-1"}
    assert made.resources["servers-ready"].depends_on == {
        "sophia-ai-core",
        "sophia-production",
        "sophia-development",
    }
    assert made.resources["postgres-set"].parent == "postgres"
    assert made.resources["postgres"].parent == "sophia-us-south-1"
    assert made.named("Workload", "sophia-ai-core").parent == "sophia-us-east-3"


def test_a_preview_without_machines_shows_every_object(run: RunLocal) -> None:
    assert run(preview=True).kinds()["Deployment"] == DEPLOYMENTS


def test_services_are_exported_where_they_are_reached(run: RunLocal) -> None:
    endpoints = run().outputs["endpoints"]
    assert endpoints["sophia-frontend"] == "https://app.sophia.example.com/"
    assert endpoints["mcp-gong"] == "http://mcp-gong.sophia-ai-prod.svc.cluster.local:9001"
    assert endpoints["postgres"] == "postgres.sophia-ai-prod.svc.cluster.local:5432"


def test_an_existing_cluster_without_kubeconfig_registers_nothing(
    run: RunLocal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    made = run(cluster="existing", topology=None)
    assert (made.exit_code, made.resources) == (1, {})
    assert made.errors == [
        "Pulumi.local.yaml sophia:kubernetes: needs the environment variable KUBECONFIG with the path of a "
        "kubeconfig"
    ]


def test_secrets_that_cannot_be_read_register_nothing(run: RunLocal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOPHIA_ESC_TOKEN", "another-token")
    made = run()
    assert (made.exit_code, made.resources) == (1, {})
    assert "SOPHIA_ESC_TOKEN" in made.errors[0]
    assert "another-token" not in made.errors[0]


def is_secret(value: Any) -> bool:
    """Whether the engine was told that `value` is a secret: its marker is around it."""
    return isinstance(value, dict) and "4dabf18193072939515e22adb298388d" in value


def plain(value: dict[str, Any]) -> str:
    return str(value["value"])
