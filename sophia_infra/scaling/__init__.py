"""How much will be asked of the fleet, and how many machines that takes: forecasts, scaling, replay."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sophia_infra.scaling.capacity import Capacity, LeadTime, lead_time_of
    from sophia_infra.scaling.errors import ScalingError
    from sophia_infra.scaling.fleet import Actuator, FleetView
    from sophia_infra.scaling.gauges import PredictionGauges
    from sophia_infra.scaling.holidays import WorkCalendar
    from sophia_infra.scaling.pre_scaling import Decision, ScaleSettings, decide
    from sophia_infra.scaling.prediction import Forecaster, ForecastSettings, Prediction
    from sophia_infra.scaling.predictive_scaler import PredictiveScaler
    from sophia_infra.scaling.sources import LedgerSource, PrometheusSource, SeriesSource

__all__ = [
    "Actuator",
    "Capacity",
    "Decision",
    "FleetView",
    "ForecastSettings",
    "Forecaster",
    "LeadTime",
    "LedgerSource",
    "Prediction",
    "PredictionGauges",
    "PredictiveScaler",
    "PrometheusSource",
    "ScaleSettings",
    "ScalingError",
    "SeriesSource",
    "WorkCalendar",
    "decide",
    "lead_time_of",
]

_MODULES = {
    "capacity": ("Capacity", "LeadTime", "lead_time_of"),
    "errors": ("ScalingError",),
    "fleet": ("Actuator", "FleetView"),
    "gauges": ("PredictionGauges",),
    "holidays": ("WorkCalendar",),
    "pre_scaling": ("Decision", "ScaleSettings", "decide"),
    "prediction": ("ForecastSettings", "Forecaster", "Prediction"),
    "predictive_scaler": ("PredictiveScaler",),
    "sources": ("LedgerSource", "PrometheusSource", "SeriesSource"),
}


def __getattr__(name: str) -> object:
    # numpy takes a tenth of a second to import; who only catches an error does not need it.
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
