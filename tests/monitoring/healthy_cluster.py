"""Pages about machines and objects: kube-state-metrics, node-exporter, kubelet, cAdvisor, DCGM."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sophia_infra.manifests.names import MONITORING_NAMESPACE
from sophia_infra.model.kubernetes import Node
from tests.monitoring.healthy_objects import object_series
from tests.monitoring.platform import Page, Series, moment
from tests.monitoring.series import counter, gauge, histogram
from tests.monitoring.site import Gpu, Pod, Site

__all__ = ["cluster_pages"]

_DAY_S = 86_400.0
_GIB = 2**30
_DRIVER = "570.148.08"
_LATENCY_S = "0.005 0.025 0.1 0.5 1 5 60"
_DCGM_STEADY = {
    "DCGM_FI_DEV_SM_CLOCK": 1410.0,
    "DCGM_FI_DEV_MEM_CLOCK": 1593.0,
    "DCGM_FI_DEV_MEMORY_TEMP": 60.0,
    "DCGM_FI_DEV_GPU_TEMP": 58.0,
    "DCGM_FI_DEV_POWER_USAGE": 190.0,
    "DCGM_FI_DEV_GPU_UTIL": 72.0,
    "DCGM_FI_DEV_MEM_COPY_UTIL": 35.0,
    "DCGM_FI_DEV_ENC_UTIL": 0.0,
    "DCGM_FI_DEV_DEC_UTIL": 0.0,
    "DCGM_FI_DEV_XID_ERRORS": 0.0,
    "DCGM_FI_DEV_ROW_REMAP_FAILURE": 0.0,
    "DCGM_FI_DEV_VGPU_LICENSE_STATUS": 0.0,
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": 0.7,
    "DCGM_FI_PROF_SM_ACTIVE": 0.55,
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": 0.3,
    "DCGM_FI_PROF_DRAM_ACTIVE": 0.35,
    "DCGM_FI_PROF_PCIE_TX_BYTES": 2e8,
    "DCGM_FI_PROF_PCIE_RX_BYTES": 2e8,
}
_DCGM_COUNTED = {
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": 190_000.0,
    "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL": 0.0,
    **dict.fromkeys(
        (
            *("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "DCGM_FI_DEV_POWER_VIOLATION"),
            *("DCGM_FI_DEV_THERMAL_VIOLATION", "DCGM_FI_DEV_RETIRED_SBE", "DCGM_FI_DEV_RETIRED_DBE"),
            *("DCGM_FI_DEV_RETIRED_PENDING", "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL"),
            *("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL"),
            *("DCGM_FI_DEV_ECC_DBE_AGG_TOTAL", "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS"),
            "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS",
        ),
        0.0,
    ),
}


def cluster_pages(site: Site) -> Iterator[Page]:
    """One page of objects; for each node those of its exporters."""
    objects = next(pod for pod in site.pods if pod.container == "kube-state-metrics")
    yield Page(
        "kube-state-metrics",
        {"instance": objects.address, "endpoint": "http"},
        tuple(object_series(site)),
        honor_labels=True,
    )
    server = next(node for node in site.nodes if node.is_server)
    yield Page(
        "apiserver",
        {
            "instance": f"{server.name}:6443",
            "namespace": "default",
            "service": "kubernetes",
            "endpoint": "https",
        },
        tuple(_control_plane()),
    )
    for node in site.nodes:
        of_node = {"instance": f"{node.name}:9100", "node": node.name}
        pods = {
            pod.container: pod for pod in site.pods if pod.node == node.name and pod.owner_kind == "DaemonSet"
        }
        exporter = pods["node-exporter"]
        target = {
            **of_node,
            "namespace": MONITORING_NAMESPACE,
            "pod": exporter.name,
            "service": "node-exporter",
            "container": "node-exporter",
            "endpoint": "http-metrics",
        }
        yield Page("node-exporter", target, tuple(_machine(node)))
        kubelet = {"instance": f"{node.name}:10250", "node": node.name, "endpoint": "https-metrics"}
        yield Page(
            "kubelet",
            {**kubelet, "metrics_path": "/metrics"},
            tuple(_kubelet(site, node)),
            honor_labels=True,
        )
        yield Page(
            "kubelet",
            {**kubelet, "metrics_path": "/metrics/cadvisor"},
            tuple(_cadvisor(site, node)),
            honor_labels=True,
            path="/metrics/cadvisor",
        )
        gpus = [gpu for gpu in site.gpus if gpu.node == node]
        if gpus:
            yield Page(
                "nvidia-dcgm-exporter",
                {**of_node, "instance": f"{node.name}:9400", "endpoint": "gpu-metrics"},
                tuple(series for gpu in gpus for series in _gpu(gpu, site.pod_of(gpu))),
                honor_labels=True,
            )


def _machine(node: Node) -> Iterator[Series]:
    memory = node.memory_gib * _GIB
    yield gauge("node_boot_time_seconds", moment(10 * _DAY_S))
    for cpu in range(min(node.vcpus, 4)):
        for mode, share in (
            ("idle", 0.6),
            ("user", 0.3),
            ("system", 0.08),
            ("iowait", 0.01),
            ("steal", 0.01),
        ):
            yield counter("node_cpu_seconds_total", share, cpu=str(cpu), mode=mode)
    yield gauge("node_load1", node.vcpus * 0.4)
    yield gauge("node_load5", node.vcpus * 0.4)
    yield gauge("node_memory_MemTotal_bytes", memory)
    yield gauge("node_memory_MemAvailable_bytes", 0.6 * memory)
    yield gauge("node_memory_SwapTotal_bytes", 0)
    disk = {"device": "/dev/vda1", "mountpoint": "/", "fstype": "ext4"}
    for name, value in (("size_bytes", 1e12), ("avail_bytes", 6e11), ("free_bytes", 6.5e11)):
        yield gauge(f"node_filesystem_{name}", value, **disk)
    yield gauge("node_filesystem_files", 6e7, **disk)
    yield gauge("node_filesystem_files_free", 5e7, **disk)
    yield gauge("node_filesystem_readonly", 0, **disk)
    yield counter("node_disk_io_time_seconds_total", 0.05, device="vda")
    yield counter("node_disk_read_bytes_total", 1e6, device="vda")
    yield counter("node_disk_written_bytes_total", 1e6, device="vda")
    for direction in ("receive", "transmit"):
        yield counter(f"node_network_{direction}_bytes_total", 1e6, device="eno1")
        yield counter(f"node_network_{direction}_errs_total", 0, device="eno1")
    yield counter("node_pressure_cpu_waiting_seconds_total", 0.02)
    yield counter("node_pressure_memory_stalled_seconds_total", 0)
    yield counter("node_pressure_io_stalled_seconds_total", 0.001)
    yield gauge("node_timex_offset_seconds", 0.0004)
    yield gauge("node_timex_sync_status", 1)
    yield gauge("node_timex_maxerror_seconds", 0.01)
    machine = "aarch64" if node.architecture == "arm64" else "x86_64"
    uname = {"sysname": "Linux", "release": "6.8.0", "version": "#1 SMP", "domainname": "(none)"}
    yield gauge("node_uname_info", 1, nodename=node.name, machine=machine, **uname)
    yield counter("node_vmstat_oom_kill", 0)


def _kubelet(site: Site, node: Node) -> Iterator[Series]:
    yield gauge("kubelet_node_name", 1)
    yield gauge("kubelet_running_pods", sum(pod.node == node.name for pod in site.pods))
    yield from histogram("kubelet_pod_start_duration_seconds", 0.001, 3.0, _LATENCY_S)
    for claim in site.claims:
        if claim.node == node.name:
            names = {"namespace": claim.namespace, "persistentvolumeclaim": claim.name}
            for name, value in (
                ("capacity_bytes", claim.size_bytes),
                ("available_bytes", 0.6 * claim.size_bytes),
                ("used_bytes", 0.4 * claim.size_bytes),
                ("inodes", 6e6),
                ("inodes_free", 5e6),
                ("inodes_used", 1e6),
            ):
                yield gauge(f"kubelet_volume_stats_{name}", value, **names)


def _control_plane() -> Iterator[Series]:
    call = {
        "verb": "GET",
        "group": "",
        "version": "v1",
        "resource": "pods",
        "subresource": "",
        "scope": "namespace",
        "component": "apiserver",
        "dry_run": "",
    }
    yield counter("apiserver_request_total", 20, **call, code="200")
    yield counter("apiserver_request_total", 0.0001, **call, code="500")
    yield from histogram("apiserver_request_duration_seconds", 20, 0.01, _LATENCY_S, **call)
    yield gauge("apiserver_current_inflight_requests", 3, request_kind="readOnly")
    yield gauge("apiserver_current_inflight_requests", 1, request_kind="mutating")
    ends = (0.0, 1800.0, 86_400.0, 604_800.0, 2_592_000.0, 31_104_000.0)
    for bound in ends:
        per_s = 1.0 if bound >= 31_104_000.0 else 0.0
        yield counter("apiserver_client_certificate_expiration_seconds_bucket", per_s, le=f"{bound:g}")
    yield counter("apiserver_client_certificate_expiration_seconds_bucket", 1.0, le="+Inf")
    yield counter("apiserver_client_certificate_expiration_seconds_count", 1.0)
    yield counter("apiserver_client_certificate_expiration_seconds_sum", 2e7)
    yield gauge("apiserver_storage_size_bytes", 4e7, storage_cluster_id="kine")


def _cadvisor(site: Site, node: Node) -> Iterator[Series]:
    for pod in site.pods:
        if pod.node == node.name:
            yield from _container(pod)


def _container(pod: Pod) -> Iterator[Series]:
    names = {
        "namespace": pod.namespace,
        "pod": pod.name,
        "container": pod.container,
        "image": f"registry.invalid/{pod.container}:1.0.0",
        "id": f"/kubepods/{pod.name}/{pod.container}",
        "name": f"{pod.name}-{pod.container}",
    }
    yield counter("container_cpu_usage_seconds_total", 0.5 * pod.size.cpu_request, **names, cpu="total")
    yield counter("container_cpu_cfs_periods_total", 10, **names)
    yield counter("container_cpu_cfs_throttled_periods_total", 0.05, **names)
    yield counter("container_cpu_cfs_throttled_seconds_total", 0.001, **names)
    memory = 0.6 * pod.size.memory_request
    yield gauge("container_memory_working_set_bytes", memory, **names)
    yield gauge("container_memory_rss", 0.9 * memory, **names)
    yield gauge("container_memory_usage_bytes", 1.1 * memory, **names)
    yield counter("container_oom_events_total", 0, **names)
    yield gauge("container_spec_memory_limit_bytes", pod.size.memory_limit, **names)
    yield gauge("container_fs_usage_bytes", 1e8, **names, device="/dev/vda1")
    # The sum of a pod has no container.
    whole = {"namespace": pod.namespace, "pod": pod.name, "id": f"/kubepods/{pod.name}"}
    yield counter("container_cpu_usage_seconds_total", 0.5 * pod.size.cpu_request, **whole, cpu="total")
    yield gauge("container_memory_working_set_bytes", memory, **whole)
    for direction in ("receive", "transmit"):
        yield counter(f"container_network_{direction}_bytes_total", 1e4, **whole, interface="eth0")


def _gpu(gpu: Gpu, pod: Pod | None) -> Iterable[Series]:
    names = {
        "gpu": "0",
        "UUID": gpu.uuid,
        "pci_bus_id": "00000000:07:00.0",
        "device": "nvidia0",
        "modelName": f"NVIDIA {gpu.node.gpu_model}",
        # The exporter's own pod, whatever it is called: nothing may rely on it.
        "Hostname": f"dcgm-{gpu.uuid}",
        "DCGM_FI_DRIVER_VERSION": _DRIVER,
        "namespace": pod.namespace if pod else "",
        "pod": pod.name if pod else "",
        "container": pod.container if pod else "",
    }
    for name, value in _DCGM_STEADY.items():
        yield gauge(name, value, **names)
    for name, per_s in _DCGM_COUNTED.items():
        yield counter(name, per_s, **names)
    # vLLM takes nine tenths of the memory when it starts, by design.
    used = 0.9 if pod is not None and pod.container == "lambda-inference" else 0.7
    for name, share in (("USED", used), ("FREE", 0.98 - used), ("RESERVED", 0.02)):
        yield gauge(f"DCGM_FI_DEV_FB_{name}", share * gpu.memory_mib, **names)
    window = {"window_size_in_ms": "300000"}
    yield gauge("DCGM_EXP_XID_ERRORS_COUNT", 0, **names, **window)
    yield gauge("DCGM_EXP_CLOCK_EVENTS_COUNT", 0, **names, **window, clock_event="gpu_idle")
    for event in ("power_cap", "sw_thermal", "hw_slowdown", "hw_thermal"):
        yield gauge("DCGM_EXP_CLOCK_EVENTS_COUNT", 0, **names, **window, clock_event=event)
