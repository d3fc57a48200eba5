"""Cases: machines that are lost or never came, that struggle, that fill up."""

from __future__ import annotations

from tests.monitoring.cluster_cases import GH200, NODE_PRICE, cluster_terms, fires, silent
from tests.monitoring.rule_cases import Recorded

_MACHINE = {"node": "core", "instance_type": "gpu_1x_gh200", "gpu_model": "GH200"}
_READY = 'kube_node_status_condition{node="core",condition="Ready",status="true"}'
_INFO = 'kube_node_info{node="core"}'
_LATE = 'instance_id="i-2",name="sophia-data-pipeline"'
_LATE_SERIES = {
    f'lambda_cloud_instance_info{{{_LATE},instance_type="gpu_1x_a100",gpu_model="A100",region="us-east-3",'
    'stack="sophia-infra/local",owner="stack",node="data"}': "1x120",
    f'lambda_cloud_instance_usd_per_hour{{{_LATE},instance_type="gpu_1x_a100",gpu_model="A100",'
    'region="us-east-3",owner="stack"}': "1.99x120",
    f'lambda_cloud_instance_status{{{_LATE},status="active"}}': "1x120",
    NODE_PRICE: "2.29x120",
    _INFO: "1x120",
}
_LATE_ALARM = {
    "name": "sophia-data-pipeline",
    "instance_id": "i-2",
    "instance_type": "gpu_1x_a100",
    "region": "us-east-3",
    "node": "data",
}
_ROOT = 'node="core",mountpoint="/",fstype="ext4",device="/dev/vda1"'
_SIZE = f"node_filesystem_size_bytes{{{_ROOT}}}"
_FREE = f"node_filesystem_avail_bytes{{{_ROOT}}}"
_CLAIM = 'namespace="sophia-ai-prod",persistentvolumeclaim="data-postgres-0",node="core"'
_CLAIM_SIZE = f"kubelet_volume_stats_capacity_bytes{{{_CLAIM}}}"
_CLAIM_FREE = f"kubelet_volume_stats_available_bytes{{{_CLAIM}}}"
_CLAIM_ALARM = {"namespace": "sophia-ai-prod", "persistentvolumeclaim": "data-postgres-0"}

CASES = [
    *fires("NodeLost", "not ready", {_READY: "0x60", NODE_PRICE: "2.29x60"}, _MACHINE),
    *fires("NodeLost", "not ready, and nobody knows its price", {_READY: "0x60"}, {"node": "core"}),
    silent("NodeLost", "ready", {_READY: "1x120", NODE_PRICE: "2.29x120"}),
    silent("NodeLost", "away for four minutes", {_READY: "1x10 0x4 1x100", NODE_PRICE: "2.29x120"}, 1800),
    *fires("NodeNotJoined", "active for 20 minutes and no node", _LATE_SERIES, _LATE_ALARM),
    silent("NodeNotJoined", "joined", {**_LATE_SERIES, 'kube_node_info{node="data"}': "1x120"}),
    silent(
        "NodeNotJoined",
        "still booting",
        {key.replace('status="active"', 'status="booting"'): value for key, value in _LATE_SERIES.items()},
    ),
    silent(
        "NodeNotJoined",
        "of another region, whose nodes are another cluster's",
        {
            key.replace("us-east-3", "us-west-1") if _LATE in key else key: v
            for key, v in _LATE_SERIES.items()
        },
    ),
    *fires(
        "NodeNotJoined",
        "of a third region in a cluster over several",
        {
            **{
                key.replace("us-east-3", "us-west-1") if _LATE in key else key: value
                for key, value in _LATE_SERIES.items()
            },
            'lambda_node_usd_per_hour{node="prod",region="us-south-1",gpu_model="RTX6000"}': "0.69x120",
            'kube_node_info{node="prod"}': "1x120",
        },
        {**_LATE_ALARM, "region": "us-west-1"},
    ),
    *fires(
        "NodeUnderPressure",
        "disk",
        {'kube_node_status_condition{node="core",condition="DiskPressure",status="true"}': "1x60"},
        {"node": "core", "condition": "DiskPressure"},
    ),
    silent("NodeUnderPressure", "ready is no pressure", {_READY: "1x120"}),
    *fires(
        "NodeMemoryNearFull",
        "97 %",
        {
            'node_memory_MemTotal_bytes{node="core"}': "100x60",
            'node_memory_MemAvailable_bytes{node="core"}': "3x60",
        },
        {"node": "core"},
    ),
    silent(
        "NodeMemoryNearFull",
        "90 %",
        {
            'node_memory_MemTotal_bytes{node="core"}': "100x120",
            'node_memory_MemAvailable_bytes{node="core"}': "10x120",
        },
    ),
    *fires(
        "NodeCpuSaturated",
        "idle 3 of 60 seconds",
        {'node_cpu_seconds_total{node="core",cpu="0",mode="idle"}': "0+3x120"},
        {"node": "core"},
        from_s=60,
    ),
    silent(
        "NodeCpuSaturated",
        "one of two CPUs is busy",
        {
            'node_cpu_seconds_total{node="core",cpu="0",mode="idle"}': "0+0x120",
            'node_cpu_seconds_total{node="core",cpu="1",mode="idle"}': "0+60x120",
        },
    ),
    *fires(
        "NodeClockOff",
        "80 ms behind",
        {'node_timex_offset_seconds{node="core"}': "-0.08x60"},
        {"node": "core"},
    ),
    *fires(
        "NodeClockOff",
        "follows nothing",
        {
            'node_timex_offset_seconds{node="core"}': "0x60",
            'node_timex_sync_status{node="core"}': "0x60",
            'node_timex_maxerror_seconds{node="core"}': "16x60",
        },
        {"node": "core"},
    ),
    silent(
        "NodeClockOff",
        "1 ms",
        {
            'node_timex_offset_seconds{node="core"}': "0.001x120",
            'node_timex_sync_status{node="core"}': "1x120",
            'node_timex_maxerror_seconds{node="core"}': "0.1x120",
        },
    ),
    *fires(
        "DiskFullInHours",
        "18 % left, 3 % an hour more than it can bear",
        {_SIZE: "1000x400", _FREE: "180-1x170"},
        {"node": "core", "mountpoint": "/"},
        from_s=60,
    ),
    silent("DiskFullInHours", "18 % left for another week", {_SIZE: "1000x200", _FREE: "180-0.01x200"}),
    silent(
        "DiskFullInHours",
        "read-only",
        {_SIZE: "1000x200", _FREE: "180-1x170", f"node_filesystem_readonly{{{_ROOT}}}": "1x200"},
    ),
    silent("DiskFullInHours", "10 % left and steady", {_SIZE: "1000x200", _FREE: "100x200"}),
    silent("DiskFullInHours", "half of it free, however fast", {_SIZE: "1000x200", _FREE: "900-2x200"}, 7200),
    silent(
        "DiskFullInHours",
        "a disk in memory",
        {_SIZE.replace("ext4", "tmpfs"): "1000x200", _FREE.replace("ext4", "tmpfs"): "180-1x170"},
    ),
    *fires(
        "DiskFullInDays",
        "39 % left, empty in three days",
        {_SIZE: "1000x400", _FREE: "390-0.2x400"},
        {"node": "core", "mountpoint": "/"},
        from_s=120,
        step_s=120,
    ),
    silent(
        "DiskFullInDays",
        "39 % left, empty in three weeks",
        {_SIZE: "1000x400", _FREE: "390-0.02x400"},
        7200,
        step_s=120,
    ),
    *fires(
        "VolumeFullInHours",
        "18 % left and falling",
        {_CLAIM_SIZE: "1000x400", _CLAIM_FREE: "180-1x170"},
        _CLAIM_ALARM,
        from_s=60,
    ),
    silent(
        "VolumeFullInHours", "18 % left for a week", {_CLAIM_SIZE: "1000x200", _CLAIM_FREE: "180-0.01x200"}
    ),
    silent("VolumeFullInHours", "18 % left and steady", {_CLAIM_SIZE: "1000x200", _CLAIM_FREE: "180x200"}),
    *fires(
        "VolumeFullInDays",
        "39 % left, empty in three days",
        {_CLAIM_SIZE: "1000x400", _CLAIM_FREE: "390-0.2x400"},
        _CLAIM_ALARM,
        from_s=120,
        step_s=120,
    ),
    silent(
        "VolumeFullInDays",
        "39 % left, empty in three weeks",
        {_CLAIM_SIZE: "1000x400", _CLAIM_FREE: "390-0.02x400"},
        7200,
        step_s=120,
    ),
    Recorded(
        "NodeLost says what the node costs an hour, also while an exporter is replaced by another",
        "max by (node) (lambda_node_usd_per_hour) and on (node) kube_node_status_condition == 0",
        {
            f'lambda_node_usd_per_hour{{node="core",{GH200},pod="exporter-a"}}': "2.29x20",
            f'lambda_node_usd_per_hour{{node="core",{GH200},pod="exporter-b"}}': "2.29x20",
            _READY: "0x20",
        },
        600,
        [('{node="core"}', 2.29)],
        terms=cluster_terms(),
    ),
]
