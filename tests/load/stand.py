"""Two mock backends that fail now and then, a gateway before them, a ledger under it, keys for two users."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from sophia_infra.inference.gateway.keys import key_line, make_key
from sophia_infra.model.gateway import GatewayConfig
from tests.load.asks import MODELS
from tests.load.services import Service, allow_many_connections, start_gateway, start_mock

__all__ = ["FAULTS", "POOR_USD_PER_HOUR", "Stand", "get", "send"]

FAULTS: Mapping[str, float] = {
    "rate_limited": 0.01,
    "internal_error": 0.01,
    "unavailable": 0.01,
    "cut_before": 0.005,
    "cut_after": 0.005,
    "cut_midway": 0.005,
    "malformed": 0.002,
    "error_event": 0.003,
}
"""Shares of the requests that a backend spoils: 5 % in all."""

POOR_USD_PER_HOUR = "$0.002"
"""Budget of user `poor`: enough for a few hundred calls."""

_READY = re.compile(r"^lambda_inference_backend_ready\{.*\} (\S+)$", re.MULTILINE)
_READY_TIMEOUT_S = 60.0
_POLL_S = 0.02
_RICH = {f"usd_per_{period}": "$1,000,000" for period in ("request", "hour", "day", "month")}
_SERVED = {MODELS[0]: "scout", MODELS[1]: "qwen"}


@dataclass
class Stand:
    """Everything one load test needs; a context manager that ends what it started.

    Attributes:
        folder: for logs, keys and the ledger.
        faults: kind -> share for both backends.
        mock_options: further arguments of both.
        limits, routing: over the configuration's defaults.
        gateway_prefix: before the gateway's command.
    """

    folder: Path
    faults: Mapping[str, float] = field(default_factory=dict)
    mock_options: Sequence[str] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    routing: Mapping[str, Any] = field(default_factory=dict)
    gateway_prefix: Sequence[str] = ()
    max_in_flight: int = 2_000
    mocks: dict[str, Service] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    _gateway: Service | None = None
    _port: int = 0

    @property
    def gateway(self) -> Service:
        if self._gateway is None:
            raise RuntimeError("the gateway does not run")
        return self._gateway

    @property
    def ledger_url(self) -> str:
        return f"sqlite:///{self.folder / 'ledger.db'}"

    def __enter__(self) -> Stand:
        allow_many_connections()
        try:
            self._prepare()
            self.start_gateway()
            self.wait_until_ready()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def start_gateway(self) -> None:
        """Start it, at the same address as before if it ran before."""
        self._gateway = start_gateway(
            self.folder,
            config=self.folder / "gateway.json",
            keys=self.folder / "keys",
            ledger_url=self.ledger_url,
            port=self._port,
            prefix=self.gateway_prefix,
        )
        self._port = self._gateway.port

    def wait_until_ready(self, backends: int = 2) -> None:
        """Return once so many backends are warm, as the gateway says. RuntimeError after 60 s."""
        deadline_s = time.monotonic() + _READY_TIMEOUT_S
        while time.monotonic() < deadline_s:
            text = get(f"{self.gateway.url}/metrics").decode()
            if sum(float(value) for value in _READY.findall(text)) >= backends:
                return
            time.sleep(_POLL_S)
        raise RuntimeError(f"no {backends} backends got ready: {self.gateway.last_words()}")

    def kill_gateway(self) -> None:
        self.gateway.kill()

    def _prepare(self) -> None:
        faults = [f"--fault={kind}={share}" for kind, share in self.faults.items()]
        for seed, name in enumerate(("one", "two")):
            self.mocks[name] = start_mock(
                self.folder,
                name,
                f"--models={','.join(_SERVED.values())}",
                f"--seed={seed}",
                "--running=4000",
                "--fault-retry-after-s=0",
                *faults,
                *self.mock_options,
            )
        (self.folder / "gateway.json").write_text(json.dumps(self._config()))
        self.keys = {user: make_key(user) for user in ("load", "poor")}
        lines = (key_line(user, key) for user, key in self.keys.items())
        (self.folder / "keys").write_text("".join(f"{line}\n" for line in lines))
        (self.folder / "keys").chmod(0o600)

    def _config(self) -> Any:
        backends = {
            name: {
                "base_url": f"{mock.url}/v1",
                "models": _SERVED,
                "max_in_flight": self.max_in_flight,
            }
            for name, mock in self.mocks.items()
        }
        document = {
            "backends": backends,
            "routing": dict(self.routing),
            "budget": _RICH,
            "limits": {"requests_per_minute": 1_000_000, "burst": 100_000, "queue": 10_000, **self.limits},
            "users": {"load": {}, "poor": {"budget": {**_RICH, "usd_per_hour": POOR_USD_PER_HOUR}}},
        }
        return GatewayConfig.model_validate(document).model_dump(mode="json")

    def _end(self) -> None:
        for service in (self._gateway, *self.mocks.values()):
            if service is not None:
                service.stop()


def get(url: str) -> bytes:
    """Body of a page on loopback."""
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - our own loopback address
        body: bytes = answer.read()
    return body


def send(url: str, document: Any) -> None:
    """POST a JSON document to a page on loopback."""
    with urllib.request.urlopen(url, json.dumps(document).encode(), timeout=60):  # noqa: S310 - as above
        pass
