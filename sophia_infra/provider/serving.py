"""What a provider process serves: one session for all kinds, and the kinds by name."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sophia_infra.lambda_cloud import install_redaction
from sophia_infra.model.resource_tokens import KindName
from sophia_infra.provider.cluster_credentials import ClusterCredentialsKind
from sophia_infra.provider.cluster_ready import ClusterReadyKind
from sophia_infra.provider.engine_watch import EngineWatch
from sophia_infra.provider.errors import Stopped
from sophia_infra.provider.filesystem import FilesystemKind
from sophia_infra.provider.firewall_ruleset import FirewallRulesetKind
from sophia_infra.provider.fleet_ready import FleetReadyKind
from sophia_infra.provider.inference_endpoint import InferenceEndpointKind
from sophia_infra.provider.instance import InstanceKind
from sophia_infra.provider.one_click_cluster import OneClickClusterKind
from sophia_infra.provider.opening import open_session
from sophia_infra.provider.outcome import Kind
from sophia_infra.provider.session import Session
from sophia_infra.provider.ssh_key import SshKeyKind

__all__ = [
    "ADOPT_ONLY",
    "ADOPT_ONLY_VARIABLE",
    "ADOPT_WITH_NEW_CREDENTIALS",
    "STOP_FILE_VARIABLE",
    "make_kinds",
    "open_serving_session",
    "serve_kind",
]

STOP_FILE_VARIABLE = "SOPHIA_STOP_FILE"
"""Names a file that appears when the user asks to stop: the dynamic SDK ignores the engine's Cancel."""

ADOPT_ONLY_VARIABLE = "SOPHIA_ADOPT_ONLY"
"""Set: this update writes back what exists; it launches, makes and ends nothing that costs money."""
ADOPT_ONLY = "existing"
ADOPT_WITH_NEW_CREDENTIALS = "existing-with-new-credentials"
"""For machines that hold no credentials of their cluster: those of the emulator, or nodes to be made anew."""

_KINDS: Final[dict[KindName, Callable[[Session], Kind]]] = {
    "Instance": InstanceKind,
    "SshKey": SshKeyKind,
    "Filesystem": FilesystemKind,
    "FirewallRuleset": FirewallRulesetKind,
    "FleetReady": FleetReadyKind,
    "InferenceEndpoint": InferenceEndpointKind,
    "OneClickCluster": OneClickClusterKind,
    "ClusterCredentials": ClusterCredentialsKind,
    "ClusterReady": ClusterReadyKind,
}
_lock = threading.Lock()
_session: Session | None = None


def make_kinds(session: Session) -> dict[KindName, Kind]:
    """Every kind, on one session."""
    return {name: make(session) for name, make in _KINDS.items()}


def open_serving_session(
    get: Callable[[str], Any],
    *,
    say: Callable[[str], None],
    cancelled: Callable[[], bool] = lambda: False,
) -> Session:
    """The session of a provider process, which ends when its engine is gone.

    Args:
        get: reads the stack's configuration by full key.
        say: shows one line to the user.
        cancelled: whether the engine asked to stop. Unlike the stop file, which every run has, it also keeps
            machines from being launched: an engine that can ask will record what there is.

    Raises:
        SettingsRefused: see `provider.settings`.
    """
    install_redaction()
    watch = EngineWatch.of_plugin()
    watch.start()

    def ensure_wanted() -> None:
        watch.ensure_alive()
        if cancelled():
            raise Stopped(
                "Stopped on request before the launch was sent. Nothing was launched.",
                next_step="run the same command again to launch it.",
            )

    adopting = os.environ.get(ADOPT_ONLY_VARIABLE, "")
    return open_session(
        get,
        say=say,
        ensure_wanted=ensure_wanted,
        stop_requested=lambda: cancelled() or _stop_requested(),
        adopt_only=bool(adopting),
        may_found_clusters=adopting in ("", ADOPT_WITH_NEW_CREDENTIALS),
    )


def serve_kind(name: KindName, get: Callable[[str], Any]) -> Kind:
    """The kind `name` on the session of this process; `get` reads the stack's configuration by full key.

    Raises:
        SettingsRefused: see `provider.settings`.
    """
    return _KINDS[name](_shared_session(get))


def _shared_session(get: Callable[[str], Any]) -> Session:
    global _session
    with _lock:
        if _session is None:
            # A raised error reaches the user as the call's message; grpc would print its traceback too.
            logging.getLogger("grpc._server").addHandler(logging.NullHandler())
            logging.getLogger("grpc._server").propagate = False
            _session = open_serving_session(get, say=_say)
        return _session


def _stop_requested() -> bool:
    file = os.environ.get(STOP_FILE_VARIABLE)
    return bool(file) and Path(str(file)).exists()


def _say(line: str) -> None:
    print(line, flush=True)
