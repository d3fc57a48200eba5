"""The fleet and its dollars as metrics, read from the Lambda Cloud API by one list at a time."""

from sophia_infra.exporter.errors import ExporterError, StateUnusable
from sophia_infra.exporter.running import LISTEN, run_exporter, set_up_logs

__all__ = [
    "LISTEN",
    "ExporterError",
    "StateUnusable",
    "run_exporter",
    "set_up_logs",
]
