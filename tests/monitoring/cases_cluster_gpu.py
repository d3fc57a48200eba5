"""Cases: how busy GPUs are, what idle ones cost, and whether one breaks."""

from __future__ import annotations

from tests.monitoring.cluster_cases import GH200, NODE_PRICE, cluster_terms, fires, silent
from tests.monitoring.rule_cases import Recorded

_GPU = 'gpu="0",UUID="GPU-1",modelName="NVIDIA GH200 480GB",node="core"'
_HELD = f'{_GPU},namespace="sophia-ai-prod",pod="sophia-ai-core-7d9f4b6c5-x2x4z",container="main"'
_ALARM = {
    "gpu": "0",
    "modelName": "NVIDIA GH200 480GB",
    "node": "core",
    "namespace": "sophia-ai-prod",
    "pod": "sophia-ai-core-7d9f4b6c5-x2x4z",
}
_MACHINE = {"node": "core", "instance_type": "gpu_1x_gh200", "gpu_model": "GH200"}
_PLACES = {'kube_node_status_allocatable{node="core",resource="nvidia_com_gpu",unit="integer"}': "1x300"}
_POD = 'namespace="sophia-ai-prod",pod="sophia-ai-core-7d9f4b6c5-x2x4z",uid="u"'
_REQUEST = (
    f'kube_pod_container_resource_requests{{{_POD},container="main",node="core",'
    'resource="nvidia_com_gpu",unit="integer"}'
)
_HOLDER = {_REQUEST: "1x300", f'kube_pod_status_phase{{{_POD},phase="Running"}}': "1x300"}
_PRICE = {NODE_PRICE: "2.29x300"}


def _util(value: str, labels: str = _HELD) -> dict[str, str]:
    return {f"DCGM_FI_DEV_GPU_UTIL{{{labels}}}": value}


def _memory(used: int, free: int, labels: str = _HELD) -> dict[str, str]:
    return {
        f"DCGM_FI_DEV_FB_USED{{{labels}}}": f"{used}x120",
        f"DCGM_FI_DEV_FB_FREE{{{labels}}}": f"{free}x120",
        f"DCGM_FI_DEV_FB_RESERVED{{{labels}}}": "500x120",
    }


_VLLM = f'{_GPU},namespace="sophia-ai-prod",pod="lambda-inference-5c9f4b6c5-x2x4z",container="main"'
_XID = "DCGM_EXP_XID_ERRORS_COUNT"
_CLOCK = "DCGM_EXP_CLOCK_EVENTS_COUNT"

CASES = [
    *fires(
        "GpuWasted",
        "5 % busy for half an hour while a pod holds it",
        {**_util("5x300"), **_PLACES, **_HOLDER, **_PRICE},
        _MACHINE,
    ),
    silent("GpuWasted", "25 % busy", {**_util("25x300"), **_PLACES, **_HOLDER, **_PRICE}),
    silent("GpuWasted", "not busy, but nobody holds it", {**_util("0x300", _GPU), **_PLACES, **_PRICE}),
    *fires("GpuIdle", "no pod for half an hour", {**_util("0x300", _GPU), **_PLACES, **_PRICE}, _MACHINE),
    silent("GpuIdle", "a pod holds it", {**_util("0x300"), **_PLACES, **_HOLDER, **_PRICE}),
    silent("GpuIdle", "a machine without GPU", {NODE_PRICE: "2.29x300"}),
    *fires(
        "GpuIdle",
        "its pod has ended and is still listed",
        {
            **_PLACES,
            **_PRICE,
            _REQUEST: "1x300",
            f'kube_pod_status_phase{{{_POD},phase="Succeeded"}}': "1x300",
            f'kube_pod_status_phase{{{_POD},phase="Running"}}': "0x300",
        },
        _MACHINE,
    ),
    *fires("GpuMemoryNearFull", "91 % used", _memory(91_000, 8_500), _ALARM),
    silent("GpuMemoryNearFull", "half used", _memory(45_000, 50_000)),
    silent("GpuMemoryNearFull", "vLLM takes it all by design", _memory(91_000, 8_500, _VLLM)),
    *fires("GpuTooHot", "85 C", {f"DCGM_FI_DEV_GPU_TEMP{{{_HELD}}}": "85x120"}, _ALARM),
    silent("GpuTooHot", "84 C", {f"DCGM_FI_DEV_GPU_TEMP{{{_HELD}}}": "84x120"}),
    *fires(
        "GpuThrottled",
        "the hardware slows it down",
        {f'{_CLOCK}{{{_HELD},clock_event="hw_thermal",window_size_in_ms="300000"}}': "7x120"},
        {**_ALARM, "clock_event": "hw_thermal"},
    ),
    silent(
        "GpuThrottled",
        "at its power limit under load",
        {f'{_CLOCK}{{{_HELD},clock_event="power_cap",window_size_in_ms="300000"}}': "30x120"},
    ),
    *fires(
        "GpuXid",
        "fallen off the bus",
        {f'{_XID}{{{_HELD},xid="79",window_size_in_ms="300000"}}': "1x5 _x120"},
        {**_ALARM, "xid": "79"},
    ),
    silent(
        "GpuXid",
        "a program's fault",
        {f'{_XID}{{{_HELD},xid="31",window_size_in_ms="300000"}}': "4x120"},
    ),
    silent("GpuXid", "none", {f"{_XID}{{{_HELD},window_size_in_ms='300000'}}".replace("'", '"'): "0x120"}),
    silent(
        "GpuXid", "the last code ever, which is never reset", {f"DCGM_FI_DEV_XID_ERRORS{{{_HELD}}}": "79x120"}
    ),
    *fires(
        "GpuApplicationFault",
        "a wrong access",
        {f'{_XID}{{{_HELD},xid="31",window_size_in_ms="300000"}}': "4x120"},
        {**_ALARM, "xid": "31"},
    ),
    silent(
        "GpuApplicationFault",
        "a fault of the hardware",
        {f'{_XID}{{{_HELD},xid="48",window_size_in_ms="300000"}}': "4x120"},
    ),
    *fires(
        "GpuEccUncorrectable",
        "one more",
        {f"DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{{{_HELD}}}": "2x30 3x60"},
        _ALARM,
        from_s=1860,
    ),
    silent("GpuEccUncorrectable", "old ones", {f"DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{{{_HELD}}}": "2x120"}),
    *fires(
        "GpuRowRemapFailed", "no row left", {f"DCGM_FI_DEV_ROW_REMAP_FAILURE{{{_HELD}}}": "1x120"}, _ALARM
    ),
    silent("GpuRowRemapFailed", "rows left", {f"DCGM_FI_DEV_ROW_REMAP_FAILURE{{{_HELD}}}": "0x120"}),
    *fires("GpuMetricsMissing", "a node with a GPU and no exporter", _PLACES, {"node": "core"}),
    silent("GpuMetricsMissing", "measured", {**_PLACES, f"DCGM_FI_DEV_GPU_TEMP{{{_HELD}}}": "60x300"}),
    silent(
        "GpuMetricsMissing",
        "the whole node is away, which is another alarm",
        {**_PLACES, 'kube_node_status_condition{node="core",condition="Ready",status="true"}': "0x300"},
    ),
    Recorded(
        "gpu_utilization: the mean of a pod's GPUs, and no series of GPUs that nobody holds",
        "gpu_utilization",
        {
            'DCGM_FI_DEV_GPU_UTIL{gpu="0",node="core",namespace="ml",pod="train-0"}': "80x20",
            'DCGM_FI_DEV_GPU_UTIL{gpu="1",node="core",namespace="ml",pod="train-0"}': "40x20",
            'DCGM_FI_DEV_GPU_UTIL{gpu="2",node="core"}': "0x20",
        },
        600,
        [('gpu_utilization{namespace="ml",pod="train-0"}', 60)],
        terms=cluster_terms(),
    ),
    Recorded(
        "gpu_utilization: a MIG slice has no GPU_UTIL, its engine's share stands in",
        "gpu_utilization",
        {'DCGM_FI_PROF_GR_ENGINE_ACTIVE{gpu="0",node="core",namespace="ml",pod="serve-0"}': "0.5x20"},
        600,
        [('gpu_utilization{namespace="ml",pod="serve-0"}', 50)],
        terms=cluster_terms(),
    ),
    Recorded(
        "GpuWasted says dollars a day: 2.29 an hour, 95 % of it unused",
        "round(24 * node:gpu_waste:usd_per_hour, 0.0001)",
        {**_util("5x300"), **_PRICE},
        1200,
        [('{node="core"}', round(24 * 0.95 * 2.29, 4))],
        terms=cluster_terms(),
    ),
    Recorded(
        "the fleet's mean weighs all GPU nodes alike, or by what they cost",
        "label_replace(fleet:gpu_utilization:usd_weighted, 'by', 'dollars', '', '')"
        " or label_replace(fleet:gpu_utilization:avg, 'by', 'node', '', '')",
        {
            **_util("90x60"),
            'DCGM_FI_DEV_GPU_UTIL{gpu="0",node="dev"}': "10x60",
            f'lambda_node_usd_per_hour{{node="core",{GH200}}}': "3x60",
            'lambda_node_usd_per_hour{node="dev",instance_type="gpu_1x_a10",gpu_model="A10"}': "1x60",
        },
        1200,
        [
            ('fleet:gpu_utilization:usd_weighted{by="dollars"}', 70),
            ('fleet:gpu_utilization:avg{by="node"}', 50),
        ],
        terms=cluster_terms(),
    ),
]
