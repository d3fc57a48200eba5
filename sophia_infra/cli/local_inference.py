"""The local stack's inference in the background: a backend without a model, and the real gateway."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock

from sophia_infra.cli.background import (
    START_TIMEOUT_S,
    BackgroundUnavailable,
    answers,
    read_endpoint,
    start_background,
    stop_background,
)
from sophia_infra.cli.local_inference_files import (
    DRAIN_S,
    curl_text,
    gateway_text,
    inference_folder,
    played,
    write_if_other,
    write_keys,
)
from sophia_infra.engine.home import Home, make_private_folder
from sophia_infra.model.gateway import KEY_VARIABLE, URL_VARIABLE, GatewayConfig

__all__ = [
    "LocalInference",
    "ensure_local_inference",
    "find_local_inference",
    "ledger_url",
    "stop_local_inference",
]

_BACKEND, _GATEWAY = "The backend without a model", "The inference gateway"
_OWN_USER = "local"
"""Whose key this machine's own commands use, if there is such a user; else the first by name."""
_MARGIN_S = 10.0


@dataclass(frozen=True, slots=True)
class LocalInference:
    """The running gateway.

    Attributes:
        url: up to and with /v1.
        user, key_file: whose key lies where.
        curl_file: for `curl -K`: address, key, content type.
    """

    url: str
    pid: int
    user: str
    key_file: Path
    curl_file: Path

    def variables(self) -> dict[str, str]:
        """What a client, and the program, needs in its environment. Holds the key."""
        return {URL_VARIABLE: self.url, KEY_VARIABLE: self.key_file.read_text(encoding="utf-8").strip()}


def ensure_local_inference(home: Home, config: GatewayConfig) -> LocalInference:
    """The running gateway of this project folder with `config`, started, or started again, if need be.

    One process without a model plays the backends: all but those that have an address on this machine. So a
    stack on the emulator sends nothing outside and costs nothing.

    Raises:
        BackgroundUnavailable: one of the two did not start in 15 s; the message holds the end of its log.
    """
    folder = inference_folder(home)
    make_private_folder(folder)
    with FileLock(folder / "starting.lock", timeout=3 * START_TIMEOUT_S, mode=0o600):
        changed = write_keys(folder, tuple(config.users))
        served = sorted({name for backend in played(config).values() for name in backend.models.values()})
        backend_url = _ensure_backend(home, served) if served else ""
        changed |= write_if_other(folder / "gateway.json", gateway_text(config, backend_url))
        running = find_local_inference(home)
        if running is not None and not changed:
            return running
        if running is not None:
            _stop(home, "gateway", _GATEWAY)
        started = _start_gateway(home, until="ready" if served else "health")
    write_if_other(started.curl_file, curl_text(started.url, started.key_file))
    return started


def find_local_inference(home: Home) -> LocalInference | None:
    """The running gateway of this project folder, None when there is none."""
    folder = inference_folder(home)
    fields = read_endpoint(folder / "gateway.endpoint")
    keys = sorted((folder / "keys").glob("*"))
    try:
        url, pid = str(fields["url"]), int(fields["pid"])
    except (KeyError, ValueError, TypeError):
        return None
    if not keys or not answers(f"{url}/health"):
        return None
    key = next((file for file in keys if file.name == _OWN_USER), keys[0])
    return LocalInference(f"{url}/v1", pid, key.name, key, folder / "curl")


def stop_local_inference(home: Home) -> bool:
    """Stop both processes; the ledger stays. False when none was running."""
    stopped = [_stop(home, "gateway", _GATEWAY), _stop(home, "backend", _BACKEND)]
    return any(stopped)


def ledger_url(home: Home) -> str:
    """SQLAlchemy URL of the local ledger."""
    return f"sqlite:///{inference_folder(home) / 'usage.sqlite'}"


def _ensure_backend(home: Home, models: list[str]) -> str:
    """Address of the backend without a model that serves `models`, started if need be."""
    folder = inference_folder(home)
    endpoint_file, models_file = folder / "backend.endpoint", folder / "backend.models"

    def find() -> str | None:
        url = str(read_endpoint(endpoint_file).get("url", ""))
        return url if url and answers(f"{url}/health") else None

    running = find()
    if running is not None and not write_if_other(models_file, ",".join(models)):
        return running
    _stop(home, "backend", _BACKEND)
    write_if_other(models_file, ",".join(models))
    endpoint_file.unlink(missing_ok=True)
    arguments = ["--models", ",".join(models), "--endpoint-file", str(endpoint_file)]
    arguments += ["--token-s", "0.01", "--context-tokens", "1000000"]
    return start_background(
        _BACKEND,
        "sophia_infra.inference.mock_backend",
        arguments,
        log=home.logs / "inference-backend.log",
        find=find,
    )


def _start_gateway(home: Home, until: Literal["ready", "health"]) -> LocalInference:
    """Start it, wait for that page: a backend played here is ready at once, others may never be."""
    folder = inference_folder(home)
    endpoint_file = folder / "gateway.endpoint"
    port = str(read_endpoint(endpoint_file).get("url", "")).rpartition(":")[2]
    endpoint_file.unlink(missing_ok=True)
    arguments = ["--config", str(folder / "gateway.json"), "--keys", str(folder / "key-hashes")]
    arguments += ["--ledger", ledger_url(home), "--endpoint-file", str(endpoint_file)]

    def find() -> LocalInference | None:
        found = find_local_inference(home)
        return found if found is not None and answers(f"{found.url.removesuffix('/v1')}/{until}") else None

    def start(port: str) -> LocalInference:
        return start_background(
            _GATEWAY,
            "sophia_infra.inference.gateway",
            [*arguments, "--host", "127.0.0.1", "--port", port],
            log=home.logs / "inference-gateway.log",
            find=find,
            environment=_without_proxies(os.environ),
        )

    if port.isdigit():
        # The address is an output of the stack: where its old port is free, nothing changes there.
        try:
            return start(port)
        except BackgroundUnavailable:
            endpoint_file.unlink(missing_ok=True)
    return start("0")


def _without_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """Loopback needs no proxy, and one that is set would be asked."""
    return {name: value for name, value in environment.items() if not name.lower().endswith("_proxy")}


def _stop(home: Home, name: str, what: str) -> bool:
    fields = read_endpoint(inference_folder(home) / f"{name}.endpoint")
    url, pid = str(fields.get("url", "")), fields.get("pid")
    if not url or not isinstance(pid, int) or not answers(f"{url}/health"):
        return False
    stop_background(what, pid, lambda: answers(f"{url}/health"), timeout_s=DRAIN_S + _MARGIN_S)
    return True
