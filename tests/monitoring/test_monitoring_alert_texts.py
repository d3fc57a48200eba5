"""What alarms about dollars, inference and objectives say, with their figures filled in by promtool."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.monitoring.alert_texts import Text, judge_texts
from tests.monitoring.fleet_series import BUDGET, cost, counter, run_rate, steady

_FORGOTTEN = {
    f'lambda_cloud_instance_cost_usd_total{{instance_id="i-{number}",name="job-{number}",'
    'instance_type="gpu_1x_a100",gpu_model="A100",region="us-south-1",owner="unknown"}': counter(1.99)
    for number in (1, 2)
}
_CORE = {"instance_id": "i-1", "name": "core", "instance_type": "gpu_1x_gh200", "region": "us-east-3"}
_CORE_LABELS = ",".join(f'{key}="{value}"' for key, value in _CORE.items())
_CORE_SERIES = {
    f'lambda_cloud_instance_usd_per_hour{{{_CORE_LABELS},gpu_model="GH200",owner="stack"}}': steady(2.29),
    f'lambda_cloud_instance_cost_usd_total{{{_CORE_LABELS},gpu_model="GH200",owner="stack"}}': counter(2.29),
}
_SERIES = {"model": "qwen-3-32b", "backend": "own-gpu", "user": "sophia-backend", "kind": "output"}
_SERIES_LABELS = ",".join(f'{key}="{value}"' for key, value in _SERIES.items())
_INFERENCE = f"lambda_inference_cost_total{{{_SERIES_LABELS}}}"
_HTTP = 'http_requests_total{namespace="sophia-ai-prod",service="mcp-gong",handler="/ask",status="%s"}'

TEXTS = [
    Text(
        "FleetFarOverBudget",
        {**BUDGET, **run_rate(stack=15.92)},
        180,
        "The fleet costs $15.92/h, $382 a day: 191% of its budget of $8.33/h.",
    ),
    Text(
        "FleetOverBudget",
        {**BUDGET, **run_rate(stack=8, orphan=1)},
        1_800,
        "The fleet costs $9.00/h, $216 a day: 108% of its budget of $8.33/h.",
    ),
    Text(
        "BudgetBurnsFast",
        {**BUDGET, **cost(counter(25))},
        3_600,
        "Dollars go 3.00 times as fast as the budget allows: $25.00 in the last hour, $25.00 in the last 6.",
    ),
    Text(
        "MonthSpentNearBudget",
        {**BUDGET, **run_rate(stack=7.35), 'lambda_cloud_month_spent_usd{owner="stack"}': steady(4_950)},
        300,
        "$4950.00 are spent this month, 82.5% of the budget of $6000; $7.35/h go on.",
    ),
    Text(
        "MachinesUnknownCostly",
        {
            **BUDGET,
            **run_rate(unknown=15.92),
            **_FORGOTTEN,
            'lambda_cloud_machines{owner="unknown"}': steady(8),
        },
        3_600,
        "8 machine(s) of nobody cost $15.92/h, $382 a day; $3.98 so far.",
        description="Machines of the account carry no tag of any stack: launched by hand, or lost. `sophia "
        "instances` lists them; `sophia doctor --terminate ID` ends one. Dollars so far: "
        "job-1 gpu_1x_a100 us-south-1 i-1: $1.99; job-2 gpu_1x_a100 us-south-1 i-2: $1.99;",
    ),
    Text(
        "MachineUnhealthy",
        {
            **_CORE_SERIES,
            'lambda_cloud_instance_status{instance_id="i-1",name="core",status="unhealthy"}': steady(1),
        },
        3_600,
        "core (gpu_1x_gh200 in us-east-3) is unhealthy and billed: $2.29/h, $55 a day; $2.29 since its "
        "launch.",
        _CORE,
    ),
    Text(
        "PriceChanged",
        {
            **_CORE_SERIES,
            'lambda_cloud_type_usd_per_hour{instance_type="gpu_1x_gh200"}': steady(2.29),
            'lambda_cloud_type_planned_usd_per_hour{instance_type="gpu_1x_gh200"}': steady(1.49),
        },
        600,
        "gpu_1x_gh200 costs $2.29/h, $1.49 was planned; what runs of it costs $55 a day.",
        {"instance_type": "gpu_1x_gh200"},
    ),
    Text(
        "BudgetForecastExceeded",
        {
            **BUDGET,
            **run_rate(stack=9),
            'lambda_cloud_month_forecast_usd{owner="stack"}': steady(6_480),
        },
        3_660,
        "At $9.00/h the month ends at $6480: $480.00 over its budget of $6000.",
    ),
    Text(
        "ExporterSilent",
        {**{name: f"{usd.split('x')[0]}x5" for name, usd in run_rate(stack=7.35).items()}},
        3_600,
        "Nobody watches the dollars: sophia-exporter does not answer. The fleet cost $7.35/h when it was "
        "last seen, and is billed on.",
        also=["FleetOverBudget"],
    ),
    Text(
        "LambdaApiFailing",
        {'lambda_cloud_polls_total{outcome="unreachable"}': counter(120)},
        900,
        "100% of the questions to Lambda's API failed in 10 minutes; machines for an unknown amount/h can be "
        "neither launched nor ended for certain.",
        also=["FleetOverBudget"],
    ),
    Text(
        "HighInferenceCosts",
        {_INFERENCE: counter(12)},
        7_200,
        "sophia-backend spent $12.00 on qwen-3-32b (output) in an hour, for an hour.",
        _SERIES,
    ),
    Text(
        "InferenceCostsHigh",
        {_INFERENCE: counter(9)},
        7_200,
        "Inference cost $9.00 in an hour, $216 a day at the present pace; the gateway refuses from $10.00 an "
        "hour on.",
    ),
    Text(
        "InferenceUserNearBudget",
        {_INFERENCE: counter(9), 'lambda_inference_budget_use_ratio{user="sophia-backend"}': steady(0.9)},
        3_600,
        "sophia-backend has used 90% of the fullest budget that binds it, at $9.00/h now.",
        {"user": "sophia-backend"},
        also=["InferenceCostsHigh"],
    ),
    Text(
        "ErrorBudgetBurnsFast",
        {_HTTP % "2xx": counter(2_700), _HTTP % "5xx": counter(300)},
        3_600,
        "10% of the calls of mcp-gong (http) fail; 99.9 % have to succeed, and 0% of the month's error "
        "budget is left.",
        {"slo": "http", "namespace": "sophia-ai-prod", "service": "mcp-gong", "owner": "business"},
        also=["ErrorBudgetSpent"],
    ),
]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.alert)
def test_the_summary_says_what_it_costs(text: Text, tmp_path: Path) -> None:
    judge_texts([text], tmp_path)
