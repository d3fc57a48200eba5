"""Cases of what is ahead: the month's dollars, the inference month, capacity."""

from __future__ import annotations

from tests.monitoring.fleet_series import BUDGET, counter, run_rate, steady
from tests.monitoring.rule_cases import Case, Recorded

__all__ = ["CASES"]

_H = 3_600
_STEP = 240
_TYPE = {"instance_type": "gpu_1x_gh200"}
_CAPACITY = 'lambda_cloud_capacity{instance_type="gpu_1x_gh200",region="us-east-3"}'


def _forecast(usd: float, orphan: float = 0.0) -> dict[str, str]:
    return {
        **BUDGET,
        **run_rate(stack=9),
        'lambda_cloud_month_forecast_usd{owner="stack"}': steady(usd),
        'lambda_cloud_month_forecast_usd{owner="orphan"}': steady(orphan),
        'lambda_cloud_month_forecast_usd{owner="unknown"}': steady(50_000),
    }


def _spending(usd_per_hour: float, spent: str | None = None) -> dict[str, str]:
    """$3,000 spent and 240 hours to go."""
    values = spent or counter(usd_per_hour, _STEP, start=3_000)
    return {
        **BUDGET,
        **run_rate(stack=usd_per_hour),
        'lambda_cloud_month_spent_usd{owner="stack"}': values,
        'lambda_cloud_month_forecast_usd{owner="stack"}': steady(3_000 + 240 * usd_per_hour),
    }


def _inference(usd_per_hour: float) -> dict[str, str]:
    return {'lambda_inference_cost_total{user="a"}': counter(usd_per_hour, _STEP)}


# 12 hours of plenty, then one look of six finds some.
_FALLING = {_CAPACITY: f"1x144 {'0x4 1 ' * 30}0x4"}
_PLENTY = {_CAPACITY: "1x300"}
# Half of the time, as ever.
_CHANGING = {_CAPACITY: "0 1 " * 150}

CASES = [
    Case("BudgetForecastExceeded", "480 over", _forecast(6_480), _H + 60, [{}]),
    Case("BudgetForecastExceeded", "a minute before", _forecast(6_480), _H - 60),
    Case("BudgetForecastExceeded", "orphans count", _forecast(5_900, orphan=101), _H + 60, [{}]),
    Case("BudgetForecastExceeded", "the five machines", _forecast(5_292), 2 * _H),
    Case("BudgetTrendExceeded", "$15/h", _spending(15), 25 * _H + 3 * _STEP, [{}], step_s=_STEP),
    Case("BudgetTrendExceeded", "$15/h, not yet", _spending(15), 24 * _H + 3_000, step_s=_STEP),
    Case("BudgetTrendExceeded", "$10/h", _spending(10), 26 * _H, step_s=_STEP),
    Case(
        "BudgetTrendExceeded",
        "a month began in between",
        _spending(15, f"{counter(15, _STEP, start=5_000, samples=300)} {counter(15, _STEP)}"),
        30 * _H,
        step_s=_STEP,
    ),
    Case("CapacityScarce", "ever less", _FALLING, 190 * 300, [_TYPE], step_s=300),
    Case("CapacityScarce", "a quarter of an hour before", _FALLING, 187 * 300, step_s=300),
    Case("CapacityScarce", "plenty", _PLENTY, 14 * _H, step_s=300),
    Case("CapacityScarce", "half of the time, as ever", _CHANGING, 14 * _H, step_s=300),
    Case("InferenceMonthForecastExceeded", "$28/h", _inference(28), 26 * _H, [{}], step_s=_STEP),
    Case("InferenceMonthForecastExceeded", "$28/h, not yet", _inference(28), 25 * _H + 600, step_s=_STEP),
    Case("InferenceMonthForecastExceeded", "$24/h", _inference(24), 26 * _H, step_s=_STEP),
    Case(
        "InferenceMonthForecastExceeded",
        "much was spent, and nothing above the budget's pace since",
        {
            'lambda_inference_cost_total{user="a"}': f"{counter(200, _STEP, samples=180)} "
            f"{counter(3, _STEP, start=2_401)}"
        },
        38 * _H,
        step_s=_STEP,
    ),
    Recorded(
        "dollars of 30 days: 6 hours at $10",
        "round(inference:cost_usd:sum30d, 1)",
        _inference(10),
        6 * _H,
        [("{}", 60.0)],
        step_s=_STEP,
    ),
    Recorded(
        "a type is there where one region has it",
        "round(type:capacity_available:ratio6h, 0.01)",
        {
            _CAPACITY: "0x60",
            'lambda_cloud_capacity{instance_type="gpu_1x_gh200",region="us-west-1"}': "1x60",
        },
        2 * _H,
        [('{instance_type="gpu_1x_gh200"}', 1.0)],
        step_s=300,
    ),
]
