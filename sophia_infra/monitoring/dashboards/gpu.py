"""Board `gpu`: how busy each GPU is, by whom, what the rest costs, and whether one is breaking."""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from sophia_infra.monitoring.dashboards.board import Board
from sophia_infra.monitoring.dashboards.looks import Column, Query, above, below
from sophia_infra.monitoring.terms import Terms

__all__ = ["gpu"]

_CHOSEN = '{node=~"$node",namespace=~"$namespace|"}'
_ON_NODE = '{node=~"$node"}'
_GPU = "node, gpu"


def gpu(terms: Terms) -> Board:
    """Needs DCGM; dollars need the exporter."""
    board = Board(
        terms,
        "gpu",
        "GPUs",
        "By DCGM. Busy is the share of time in which any kernel ran: a server of language models is near "
        "100 % with a single call, so look at the tensor cores beside it.",
    )
    board.choose("node", "Node", "label_values(DCGM_FI_DEV_GPU_TEMP, node)")
    board.choose("namespace", "Namespace", "label_values(DCGM_FI_DEV_GPU_TEMP, namespace)")
    _use(board, terms)
    _load(board)
    _health(board)
    return board


def _use(board: Board, terms: Terms) -> None:
    board.row("Use and dollars")
    busy = below(20, 60)
    board.stat(
        "Busy, all GPUs",
        "Average of the nodes. The plan's aim is above 80 %.",
        units.Percent,
        Query("fleet:gpu_utilization:avg"),
        steps=busy,
        decimals=0,
        alerts=("GpuWasted",),
    )
    if terms.has_exporter:
        board.stat(
            "Busy, weighted by price",
            "An idle GH200 weighs more than an idle A10.",
            units.Percent,
            Query("fleet:gpu_utilization:usd_weighted"),
            steps=busy,
            decimals=0,
        )
        board.stat(
            "Dollars per hour of idle GPUs",
            "Price of the node times the share that does nothing, of the chosen nodes.",
            units.Dollars,
            Query(f"sum(node:gpu_waste:usd_per_hour{_ON_NODE})"),
            decimals=2,
            alerts=("GpuWasted", "GpuIdle"),
        )
    board.stat(
        "Places held by pods",
        "Of what the nodes offer; shares and slices count as places.",
        units.PercentUnit,
        Query(f"sum(node:gpu_places:held{_ON_NODE}) / sum(node:gpu_places:total{_ON_NODE})"),
        decimals=0,
        alerts=("GpuIdle",),
    )
    board.stat(
        "Hottest GPU",
        "Degrees; GPUs slow themselves down a little above 85.",
        units.Celsius,
        Query(f"max(DCGM_FI_DEV_GPU_TEMP{_ON_NODE})"),
        steps=above(80, 85),
        decimals=0,
        alerts=("GpuTooHot", "GpuThrottled"),
    )
    board.stat(
        "Power",
        "Of the chosen nodes' GPUs.",
        units.Watt,
        Query(f"sum(DCGM_FI_DEV_POWER_USAGE{_ON_NODE})"),
        decimals=0,
    )
    columns = [
        Column(_GPU, f"avg by ({_GPU}) (DCGM_FI_DEV_GPU_UTIL{_CHOSEN})", "Busy", units.Percent, busy),
        Column(
            _GPU,
            f"avg by ({_GPU}) (DCGM_FI_PROF_PIPE_TENSOR_ACTIVE{_CHOSEN})",
            "Tensor cores",
            units.PercentUnit,
        ),
        Column(
            _GPU,
            f"max by ({_GPU}) (DCGM_FI_DEV_GPU_TEMP{_CHOSEN})",
            "Temperature",
            units.Celsius,
            above(80, 85),
        ),
    ]
    if terms.has_exporter:
        columns.append(
            Column(
                "node",
                f"max by (node) (lambda_node_usd_per_hour{_ON_NODE})",
                "Node, $ per hour",
                units.Dollars,
            )
        )
    board.table(
        "Who holds which GPU",
        "One line for each GPU; without a pod nobody holds it and its price is paid for nothing.",
        f"max by (node, gpu, modelName, namespace, pod) (DCGM_FI_DEV_GPU_TEMP{_CHOSEN})",
        {"node": "Node", "gpu": "GPU", "modelName": "Model", "namespace": "Namespace", "pod": "Pod"},
        *columns,
        link=("Node", "Its machine", "/d/sophia-capacity?var-node=${__value.text}"),
        alerts=("GpuIdle",),
    )


def _load(board: Board) -> None:
    board.row("Load")
    name = "{{node}} {{gpu}}"
    board.chart(
        "Busy by GPU",
        "Share of time in which any kernel ran.",
        units.Percent,
        Query(f"avg by ({_GPU}) (DCGM_FI_DEV_GPU_UTIL{_CHOSEN})", name),
        most=100,
        steps=below(20, 60),
        alerts=("GpuWasted",),
    )
    board.chart(
        "Tensor cores by GPU",
        "Share of cycles in which the tensor pipe worked: what a kernel really uses of a GPU.",
        units.PercentUnit,
        Query(f"avg by ({_GPU}) (DCGM_FI_PROF_PIPE_TENSOR_ACTIVE{_CHOSEN})", name),
        most=1,
    )
    board.chart(
        "Memory by GPU",
        "Used share of the framebuffer. vLLM takes nearly all of it at its start, by design.",
        units.PercentUnit,
        Query(
            f"max by ({_GPU}) (DCGM_FI_DEV_FB_USED{_CHOSEN})"
            f" / max by ({_GPU}) (DCGM_FI_DEV_FB_USED{_CHOSEN} + DCGM_FI_DEV_FB_FREE{_CHOSEN})",
            name,
        ),
        most=1,
        steps=above(0.9, 0.95),
        alerts=("GpuMemoryNearFull",),
    )
    board.chart(
        "Busy by pod",
        "What autoscalers read: the average of a pod's GPUs.",
        units.Percent,
        Query('gpu_utilization{namespace=~"$namespace"}', "{{namespace}}/{{pod}}"),
        most=100,
        width=12,
    )
    board.chart(
        "Power by GPU",
        "Watts drawn. A GPU that holds memory and does nothing draws a fifth of a busy one.",
        units.Watt,
        Query(f"max by ({_GPU}) (DCGM_FI_DEV_POWER_USAGE{_CHOSEN})", name),
        width=12,
    )


def _health(board: Board) -> None:
    board.row("Health")
    name = "{{node}} {{gpu}}"
    board.chart(
        "XID errors in five minutes",
        "By code. 48, 63, 64, 74, 79, 94, 95, 119 and 120 are faults of the hardware; 13, 31, 43 and 45 of a "
        "program.",
        units.NoUnit,
        Query(f"max by (node, gpu, xid) (DCGM_EXP_XID_ERRORS_COUNT{_ON_NODE})", f"{name} {{{{xid}}}}"),
        alerts=("GpuXid", "GpuApplicationFault"),
    )
    board.chart(
        "Memory errors in an hour",
        "Uncorrectable ECC errors, and rows that were replaced because of them.",
        units.NoUnit,
        Query(f"sum by ({_GPU}) (increase(DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{_ON_NODE}[1h]))", f"{name} ECC"),
        Query(
            f"sum by ({_GPU}) (increase(DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS{_ON_NODE}[1h]))",
            f"{name} rows",
        ),
        alerts=("GpuEccUncorrectable", "GpuRowRemapFailed"),
    )
    board.chart(
        "Temperature by GPU",
        "Degrees, with the limits at which to look and at which it slows down.",
        units.Celsius,
        Query(f"max by ({_GPU}) (DCGM_FI_DEV_GPU_TEMP{_ON_NODE})", name),
        steps=above(80, 85),
        alerts=("GpuTooHot",),
    )
