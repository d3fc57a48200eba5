"""Rules about GPUs: how busy they are, what an idle one costs, and whether one is breaking."""

from __future__ import annotations

from typing import Final

from sophia_infra.monitoring.rule import Alert, Recording, RuleGroup
from sophia_infra.monitoring.rules.cluster.parts import DOLLARS, NODE_USD, PLATFORM, chosen
from sophia_infra.monitoring.terms import Terms

__all__ = ["APPLICATION_XIDS", "CRITICAL_XIDS", "groups"]

CRITICAL_XIDS: Final = (48, 63, 64, 74, 79, 94, 95, 119, 120)
"""Of the hardware: double-bit ECC, row remapping, NVLink, off the bus, (un)contained ECC, GSP.
Source: facts/kubernetes-stack.md 8, NVIDIA's XID catalogue."""

APPLICATION_XIDS: Final = (13, 31, 43, 45)
"""Of a program: it did something wrong, or was ended."""

_AUTOSCALER_PERIOD_S: Final = 15
"""How often the cluster's autoscaler asks; a series that is older than that slows it down."""

_WASTED_PERCENT: Final = 20
_MEMORY_RATIO: Final = 0.9
_HOT_C: Final = 85

_GPU: Final = "node, gpu, modelName, namespace, pod"
_PLACES: Final = (
    'max by (node) (kube_node_status_allocatable{resource="nvidia_com_gpu"}) > 0'  # shares and slices count
)
_HELD: Final = """sum by (node) (
  max by (namespace, pod, container, node) (kube_pod_container_resource_requests{resource="nvidia_com_gpu"})
  * on (namespace, pod) group_left ()
  max by (namespace, pod) (kube_pod_status_phase{phase=~"Pending|Running"} == 1)
)"""


def groups(terms: Terms) -> list[RuleGroup]:
    """How busy they are every 15 s, for autoscalers; the alarms at Prometheus' own pace."""
    return [
        RuleGroup("sophia-gpu-utilization", tuple(_utilization(terms)), interval_s=_AUTOSCALER_PERIOD_S),
        RuleGroup("sophia-gpu", (*_waste(terms), *_limits(terms), *_faults())),
    ]


def _utilization(terms: Terms) -> list[Recording]:
    """`gpu_utilization` is what autoscalers read: one series a pod, none for GPUs that nobody holds.

    MIG slices have no GPU_UTIL, so there the engine's own share stands in.
    """
    busy = {
        "namespace, pod": '{pod!=""}',
        "node": "",
    }
    pod, node = (
        f"avg by ({labels}) (DCGM_FI_DEV_GPU_UTIL{selector})\n"
        f"or\navg by ({labels}) (100 * DCGM_FI_PROF_GR_ENGINE_ACTIVE{selector})"
        for labels, selector in busy.items()
    )
    made = [
        Recording("gpu_utilization", pod),
        Recording("node:gpu_utilization:avg", node),
        Recording("fleet:gpu_utilization:avg", "avg(node:gpu_utilization:avg)"),
        Recording("node:gpu_places:total", _PLACES),
        Recording("node:gpu_places:held", f"{_HELD} or node:gpu_places:total * 0"),
    ]
    if terms.has_exporter:
        usd = "max by (node) (lambda_node_usd_per_hour)"
        made += [
            Recording(
                "node:gpu_waste:usd_per_hour",
                f"(1 - node:gpu_utilization:avg / 100) * on (node) {usd}",
            ),
            Recording(
                "fleet:gpu_utilization:usd_weighted",
                f"sum(node:gpu_utilization:avg * on (node) {usd})"
                f" / sum({usd} and on (node) node:gpu_utilization:avg)",
            ),
        ]
    return made


def _waste(terms: Terms) -> list[Alert]:
    """What nobody uses, in dollars a day where the exporter knows the price."""
    wasted = "avg_over_time(node:gpu_utilization:avg[30m])"
    low = f"{wasted} < {_WASTED_PERCENT} and on (node) node:gpu_places:held > 0"
    idle = "node:gpu_places:held == 0 and on (node) node:gpu_places:total"
    costs = "costs " + DOLLARS + " a day" if terms.has_exporter else "is paid for"
    if terms.has_exporter:
        low = f"24 * (1 - {wasted} / 100) * on (node) group_right () {NODE_USD} and on (node) ({low})"
        idle = f"24 * {NODE_USD} and on (node) ({idle})"
    return [
        Alert(
            "GpuWasted",
            low,
            for_s=1800,
            severity="warning",
            owner=PLATFORM,
            summary=f"GPUs of {{{{ $labels.node }}}} are under {_WASTED_PERCENT} % busy: the unused part "
            f"{costs}.",
            description="A pod holds them and hardly computes. Share them (gpu_sharing), move the pod to a "
            "smaller type, or end the machine outside office hours; Lambda has no stop.",
        ),
        Alert(
            "GpuIdle",
            idle,
            for_s=1800,
            severity="warning",
            owner=PLATFORM,
            summary=f"No pod holds a GPU of {{{{ $labels.node }}}}, which {costs}.",
            description="Half an hour without a pod. Start what is meant for it, or take the machine out of "
            "the fleet.",
        ),
    ]


def _limits(terms: Terms) -> list[Alert]:
    used = " + ".join(f"max by ({_GPU}) (DCGM_FI_DEV_FB_{part})" for part in ("USED", "FREE", "RESERVED"))
    memory = f"max by ({_GPU}) (DCGM_FI_DEV_FB_USED) / ({used}) > {_MEMORY_RATIO}"
    vllm = terms.of_kind("vllm")
    if vllm:
        # vLLM takes nearly all of it when it starts, by design; its own alarm is ModelCacheFull.
        memory += f' unless max by ({_GPU}) (DCGM_FI_DEV_FB_USED{{pod=~"({chosen(vllm)})-.+"}})'
    return [
        Alert(
            "GpuMemoryNearFull",
            memory,
            for_s=300,
            severity="warning",
            owner=PLATFORM,
            summary="{{ $labels.pod }} uses {{ $value | humanizePercentage }} of the memory of GPU "
            "{{ $labels.gpu }} on {{ $labels.node }}.",
            description="The next allocation fails and ends the process. Lower batch or context, or choose a "
            "GPU with more memory.",
        ),
        Alert(
            "GpuTooHot",
            f"max by ({_GPU}) (DCGM_FI_DEV_GPU_TEMP) >= {_HOT_C}",
            for_s=300,
            severity="warning",
            owner=PLATFORM,
            summary="GPU {{ $labels.gpu }} on {{ $labels.node }} is at {{ $value }} C.",
            description="It slows down by itself a few degrees later. Nobody can cool a machine at Lambda: "
            "if it stays, replace it by raising its generation.",
        ),
        Alert(
            "GpuThrottled",
            f"max by ({_GPU}, clock_event) (DCGM_EXP_CLOCK_EVENTS_COUNT"
            '{clock_event=~"hw_slowdown|hw_thermal|hw_power_brake|sw_thermal"}) > 0',
            for_s=900,
            severity="warning",
            owner=PLATFORM,
            summary="GPU {{ $labels.gpu }} on {{ $labels.node }} is held down by {{ $labels.clock_event }}.",
            description="The full price is paid for a part of the speed. power_cap under load is normal and "
            "not counted here.",
        ),
    ]


def _faults() -> list[Alert]:
    critical, application = (
        f'max by ({_GPU}, xid) (DCGM_EXP_XID_ERRORS_COUNT{{xid=~"{"|".join(map(str, codes))}"}}) > 0'
        for codes in (CRITICAL_XIDS, APPLICATION_XIDS)
    )
    not_ready = 'kube_node_status_condition{condition="Ready",status="true"} == 0'
    return [
        Alert(
            "GpuXid",
            critical,
            for_s=0,
            severity="critical",
            owner=PLATFORM,
            summary="GPU {{ $labels.gpu }} ({{ $labels.modelName }}) on {{ $labels.node }} reported XID "
            "{{ $labels.xid }}.",
            description="A fault of the hardware: what runs on it may be wrong or hang. Drain the node and "
            "replace the machine.",
            # The exporter counts over five minutes; a person needs longer to look.
            keep_firing_s=3600,
        ),
        Alert(
            "GpuApplicationFault",
            application,
            for_s=0,
            severity="info",
            owner=PLATFORM,
            summary="A program on GPU {{ $labels.gpu }} of {{ $labels.node }} ({{ $labels.pod }}) caused XID "
            "{{ $labels.xid }}.",
            description="A wrong access or a killed process, not the hardware. Read the pod's log.",
            keep_firing_s=1800,
        ),
        Alert(
            "GpuEccUncorrectable",
            f"sum by ({_GPU}) (increase(DCGM_FI_DEV_ECC_DBE_VOL_TOTAL[1h])) > 0",
            for_s=0,
            severity="warning",
            owner=PLATFORM,
            summary="GPU {{ $labels.gpu }} on {{ $labels.node }} had uncorrectable memory errors.",
            description="Results computed since may be wrong. More than one in a day: replace the machine.",
        ),
        Alert(
            "GpuRowRemapFailed",
            f"max by ({_GPU}) (DCGM_FI_DEV_ROW_REMAP_FAILURE) > 0",
            for_s=0,
            severity="warning",
            owner=PLATFORM,
            summary="GPU {{ $labels.gpu }} on {{ $labels.node }} has no spare memory rows left.",
            description="The next bad row ends what runs there. Replace the machine.",
        ),
        Alert(
            "GpuMetricsMissing",
            f"node:gpu_places:total unless on (node) DCGM_FI_DEV_GPU_TEMP unless on (node) ({not_ready})",
            for_s=900,
            severity="warning",
            owner=PLATFORM,
            summary="Nothing measures the GPUs of {{ $labels.node }}.",
            description="Autoscalers by gpu_utilization and the alarms about GPUs are blind there. Look at "
            "the pod of nvidia-dcgm-exporter on that node; after XID 79 it cannot answer.",
        ),
    ]
