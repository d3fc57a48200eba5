"""A served model and the gateway in front of it, as objects."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sophia_infra.manifests import inference_gateway
from sophia_infra.manifests.inference_backend import served, vllm_arguments, vllm_environment
from sophia_infra.manifests.pod_files import PodFiles
from sophia_infra.manifests.probes import build_lifecycle
from sophia_infra.model.gateway import GatewayConfig
from sophia_infra.model.kubernetes import GpuSharing, VllmConfig
from tests.unit.manifests.links import check_links, check_mounts, check_references
from tests.unit.manifests.reachability import can_connect, outside, pods_of
from tests.unit.manifests.sites import Site, sites

SERVER, DOOR = "lambda-inference", "inference-gateway"
CONSUMERS = ("sophia-ai-core", "sophia-backend", "sophia-data-pipeline", "mcp-ai-memory")


@pytest.fixture
def site() -> Site:
    (only,) = sites("production")
    return only


def container_of(site: Site, name: str) -> dict[str, Any]:
    (only,) = site.one("Deployment", name)["spec"]["template"]["spec"]["containers"]
    return dict(only)


def flags_of(arguments: list[str] | tuple[str, ...]) -> dict[str, list[str]]:
    """Flag -> its values; what stands before the first flag is under "model"."""
    found: dict[str, list[str]] = {"model": []}
    flag = "model"
    for argument in arguments:
        if argument.startswith("--"):
            flag = argument.removeprefix("--")
            found[flag] = []
        else:
            found[flag].append(argument)
    return found


def vllm(**further: Any) -> VllmConfig:
    fields = {"model": "a/b", "names": ["m"], "max_model_len": 4096}
    return VllmConfig.model_validate({**fields, **further})


def changed_gateway(site: Site, **further: Any) -> GatewayConfig:
    assert site.gateway is not None
    return GatewayConfig.model_validate({**site.gateway.model_dump(mode="json"), **further})


class TestTheServedModel:
    def test_arguments_follow_from_the_row(self, site: Site) -> None:
        container = container_of(site, SERVER)
        assert container["command"] == ["vllm", "serve"]
        assert flags_of(container["args"]) == {
            "model": ["Qwen/Qwen3-32B-AWQ"],
            "served-model-name": ["qwen-3-32b"],
            "host": ["0.0.0.0"],  # noqa: S104 - inside a pod
            "port": ["8080"],
            "tensor-parallel-size": ["1"],
            "max-model-len": ["40960"],
            "gpu-memory-utilization": ["0.9"],
            "dtype": ["auto"],
            "enable-auto-tool-choice": [],
            "tool-call-parser": ["hermes"],
        }

    def test_the_key_is_a_secret_and_no_argument(self, site: Site) -> None:
        container = container_of(site, SERVER)
        variables = {row["name"]: row for row in container["env"]}
        key = {"secretKeyRef": {"name": SERVER, "key": "VLLM_API_KEY"}}
        assert variables["VLLM_API_KEY"] == {"name": "VLLM_API_KEY", "valueFrom": key}
        assert not [argument for argument in container["args"] if "key" in argument]

    def test_the_weights_outlive_the_pod_at_the_home_of_hugging_face(self, site: Site) -> None:
        container = container_of(site, SERVER)
        home = next(row["value"] for row in container["env"] if row["name"] == "HF_HOME")
        (mount,) = (row["name"] for row in container["volumeMounts"] if row["mountPath"] == home)
        volumes = site.one("Deployment", SERVER)["spec"]["template"]["spec"]["volumes"]
        (volume,) = (row for row in volumes if row["name"] == mount)
        assert volume["persistentVolumeClaim"]["claimName"] == f"{SERVER}-models"
        assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "4Gi"}} in volumes

    def test_nothing_is_told_to_anybody_and_everything_written_has_a_place(self, site: Site) -> None:
        container = container_of(site, SERVER)
        plain = {row["name"]: row["value"] for row in container["env"] if "value" in row}
        quiet = ("DO_NOT_TRACK", "VLLM_NO_USAGE_STATS", "HF_HUB_DISABLE_TELEMETRY")
        assert [plain[name] for name in quiet] == ["1", "1", "1"]
        assert "HF_HUB_OFFLINE" not in plain
        mounts = [row["mountPath"] for row in container["volumeMounts"]]
        folders = [value for name, value in plain.items() if name.endswith(("HOME", "DIR", "ROOT"))]
        assert len(folders) == 6
        assert all(any(folder.startswith(mount) for mount in mounts) for folder in folders)

    def test_a_start_has_time_to_load_and_the_engine_waits_for_it(self, site: Site) -> None:
        container, deployment = container_of(site, SERVER), site.one("Deployment", SERVER)
        start = container["startupProbe"]
        assert start["periodSeconds"] * start["failureThreshold"] == 1800
        assert {
            container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")
        } == {"/health"}
        assert deployment["spec"]["progressDeadlineSeconds"] == 3600
        assert deployment["metadata"]["annotations"] == {"pulumi.com/timeoutSeconds": "3600"}
        assert "annotations" not in site.one("Deployment", "sophia-backend")["metadata"]

    @pytest.mark.parametrize(("grace_s", "wait_s"), [(75, 5), (3, 2), (1, None)])
    def test_it_is_told_to_end_after_its_service_knows(
        self, site: Site, grace_s: int, wait_s: int | None
    ) -> None:
        """The API server refuses a wait that is not shorter than the grace."""
        row = site.kube.workloads[SERVER].model_copy(update={"grace_s": grace_s})
        hook = {"lifecycle": {"preStop": {"sleep": {"seconds": wait_s}}}}
        assert build_lifecycle(row) == ({} if wait_s is None else hook)
        assert container_of(site, SERVER)["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
        assert "lifecycle" not in container_of(site, DOOR), "it lingers by itself"

    @pytest.mark.parametrize(
        ("turns", "share", "argument"), [(1, 0.9, "0.9"), (2, 0.9, "0.45"), (3, 0.9, "0.3"), (3, 1, "0.333")]
    )
    def test_turns_share_the_memory_of_a_gpu(self, turns: int, share: float, argument: str) -> None:
        made = vllm_arguments(vllm(gpu_memory_utilization=share), port=1, gpus=1, turns=turns)
        assert flags_of(made)["gpu-memory-utilization"] == [argument]
        assert turns * float(argument) <= share

    def test_a_slice_is_a_gpu_of_its_own(self, site: Site) -> None:
        def utilization(sharing: dict[str, GpuSharing]) -> list[str]:
            kube = site.kube.model_copy(update={"gpu_sharing": sharing})
            return flags_of(served(kube.workloads[SERVER], kube).args)["gpu-memory-utilization"]

        assert utilization({"A6000": GpuSharing(time_slicing=2)}) == ["0.45"]
        assert utilization({"A6000": GpuSharing(mig="all-3g.48gb")}) == ["0.9"]
        assert utilization({"A10": GpuSharing(time_slicing=2)}) == ["0.9"]

    def test_a_model_is_cut_into_as_many_parts_as_the_pod_has_gpus(self) -> None:
        assert flags_of(vllm_arguments(vllm(), port=1, gpus=4, turns=1))["tensor-parallel-size"] == ["4"]

    def test_flags_that_take_no_value(self) -> None:
        flags = {"enforce-eager": True, "enable-prefix-caching": False, "max-num-seqs": 16}
        made = flags_of(vllm_arguments(vllm(flags=flags, revision="abc"), port=1, gpus=1, turns=1))
        assert made["enforce-eager"] == []
        assert made["no-enable-prefix-caching"] == []
        assert made["max-num-seqs"] == ["16"]
        assert made["revision"] == ["abc"]

    def test_offline_asks_nobody_for_weights(self) -> None:
        assert vllm_environment(vllm(offline=True), "/m")["HF_HUB_OFFLINE"] == "1"

    def test_a_variable_of_the_row_wins(self, site: Site) -> None:
        row = site.kube.workloads[SERVER].model_copy(update={"env": {"DO_NOT_TRACK": "0"}})
        assert served(row, site.kube).env["DO_NOT_TRACK"] == "0"

    def test_a_row_that_serves_nothing_stays_as_it_is(self, site: Site) -> None:
        row = site.kube.workloads["sophia-backend"]
        assert served(row, site.kube) is row


class TestTheGateway:
    def test_its_file_is_the_section_with_every_backend_at_its_address(self, site: Site) -> None:
        text = site.one("ConfigMap", f"{DOOR}-config")["data"]["gateway.json"]
        config = GatewayConfig.model_validate(json.loads(text))
        backend = config.backends["own-gpu"]
        assert (backend.workload, backend.base_url) == (
            None,
            f"http://{SERVER}.sophia-ai-prod.svc:8080/v1",
        )
        assert site.gateway is not None
        assert config.budget == site.gateway.budget
        assert set(config.users) == set(CONSUMERS)

    def test_its_arguments_name_files_that_are_mounted(self, site: Site) -> None:
        container = container_of(site, DOOR)
        flags = flags_of(container["args"])
        assert container["command"] == ["python", "-m", "sophia_infra.inference.gateway"]
        assert flags["port"] == ["8086"]
        assert "ledger" not in flags, "its address has a password: it stays in the variable"
        mounts = [row["mountPath"] for row in container["volumeMounts"] if row.get("readOnly")]
        (config,), (keys,) = flags["config"], flags["keys"]
        assert sorted(path.rpartition("/")[0] for path in (config, keys)) == mounts
        volumes = {v["name"]: v for v in site.one("Deployment", DOOR)["spec"]["template"]["spec"]["volumes"]}
        items = volumes["secrets"]["secret"]["items"]
        assert items == [{"key": "SOPHIA_GATEWAY_KEYS", "path": keys.rpartition("/")[2]}]

    def test_keys_are_a_file_and_no_variable(self, site: Site) -> None:
        names = {row["name"] for row in container_of(site, DOOR)["env"]}
        assert names == {"SOPHIA_LEDGER_URL", "SOPHIA_VLLM_API_KEY"}
        data = site.one("ExternalSecret", DOOR)["spec"]["data"]
        assert {row["secretKey"] for row in data} == names | {"SOPHIA_GATEWAY_KEYS"}

    def test_it_is_ready_only_with_a_model_and_alive_without(self, site: Site) -> None:
        container = container_of(site, DOOR)
        paths = {
            kind: container[f"{kind}Probe"]["httpGet"]["path"]
            for kind in ("startup", "readiness", "liveness")
        }
        assert paths == {"startup": "/health", "readiness": "/ready", "liveness": "/health"}

    def test_another_budget_restarts_its_pods_and_nobody_elses(self, site: Site) -> None:
        def annotations(gateway: GatewayConfig) -> dict[str, str]:
            made = inference_gateway(DOOR, site.kube.workloads[DOOR], gateway, site.kube, site.placement, "x")
            (deployment,) = (item.body for item in made if item.kind == "Deployment")
            return dict(deployment["spec"]["template"]["metadata"]["annotations"])

        now = annotations(changed_gateway(site))
        then = annotations(changed_gateway(site, budget={"usd_per_day": "$50"}))
        changed = {name for name in now if now[name] != then[name]}
        assert changed == {"sophia.internal/config-checksum"}
        assert annotations(changed_gateway(site)) == now
        others = site.one("Deployment", "sophia-backend")["spec"]["template"]["metadata"]["annotations"]
        assert "sophia.internal/config-checksum" not in others

    def test_calls_go_through_the_gateway_and_nowhere_else(self, site: Site) -> None:
        policies, known = site.of("NetworkPolicy"), pods_of(site)
        assert can_connect(policies, known[DOOR], known[SERVER], 8080)
        assert can_connect(policies, known[DOOR], known["postgres"], 5432)
        for name in CONSUMERS:
            assert can_connect(policies, known[name], known[DOOR], 8086), name
            assert not can_connect(policies, known[name], known[SERVER], 8080), name
        assert not can_connect(policies, known["mcp-slack"], known[DOOR], 8086)
        assert not can_connect(policies, known[DOOR], outside("198.51.100.7"), 443)

    def test_consumers_know_its_address_and_have_a_key_of_their_own(self, site: Site) -> None:
        port = site.kube.workloads[DOOR].main_port
        address = f"http://{DOOR}.{site.kube.workloads[DOOR].namespace}.svc:{port}/v1"
        for name in CONSUMERS:
            row = site.kube.workloads[name]
            assert row.env["SOPHIA_INFERENCE_URL"] == address
            assert row.secret_env["SOPHIA_INFERENCE_KEY"] == f"inference.keys.{name}"

    def test_one_pod_keeps_its_books_on_its_volume(self, site: Site) -> None:
        row = site.kube.workloads[DOOR]
        volumes = {"ledger": {"mount": "/data", "size": "5Gi"}}
        alone = type(row).model_validate(
            {**row.model_dump(), "volumes": volumes, "autoscale": None, "replicas": 1}
        )
        kube = site.kube.model_copy(update={"workloads": {**site.kube.workloads, DOOR: alone}})
        gateway = changed_gateway(site, ledger_url_env=None)
        made = inference_gateway(DOOR, alone, gateway, kube, site.placement, None)
        (deployment,) = (item.body for item in made if item.kind == "Deployment")
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert flags_of(container["args"])["ledger"] == ["sqlite:////data/ledger.sqlite3"]


def test_everything_that_is_named_is_there() -> None:
    for site in (*sites("production"), *sites("production-keda")):
        check_links(site)
        check_references(site)
        check_mounts(site)


def test_a_pod_without_files_has_none() -> None:
    none = PodFiles()
    assert (none.checksum, none.mounts(), none.volumes("web")) == (None, [], [])
