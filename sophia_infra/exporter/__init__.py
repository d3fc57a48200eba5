"""The fleet and its dollars as metrics, read from the Lambda Cloud API by one list at a time."""

from sophia_infra.exporter.errors import AddressRefused, CannotListen, ExporterError, StateUnusable
from sophia_infra.exporter.running import LISTEN, run_exporter, set_up_logs
from sophia_infra.exporter.server import parse_address

__all__ = [
    "LISTEN",
    "AddressRefused",
    "CannotListen",
    "ExporterError",
    "StateUnusable",
    "parse_address",
    "run_exporter",
    "set_up_logs",
]
