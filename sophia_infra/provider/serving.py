"""What a provider process serves: one session for all kinds, and the kinds by name."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

from sophia_infra.lambda_cloud import install_redaction
from sophia_infra.provider.cluster_credentials import ClusterCredentialsKind
from sophia_infra.provider.cluster_ready import ClusterReadyKind
from sophia_infra.provider.engine_watch import EngineWatch
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
    "KindName",
    "serve_kind",
]

KindName = Literal[
    "Instance",
    "SshKey",
    "Filesystem",
    "FirewallRuleset",
    "FleetReady",
    "InferenceEndpoint",
    "OneClickCluster",
    "ClusterCredentials",
    "ClusterReady",
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
            install_redaction()
            # A raised error reaches the user as the call's message; grpc would print its traceback too.
            logging.getLogger("grpc._server").addHandler(logging.NullHandler())
            logging.getLogger("grpc._server").propagate = False
            adopting = os.environ.get(ADOPT_ONLY_VARIABLE, "")
            watch = EngineWatch.of_plugin()
            watch.start()
            _session = open_session(
                get,
                say=_say,
                ensure_wanted=watch.ensure_alive,
                stop_requested=_stop_requested,
                adopt_only=bool(adopting),
                may_found_clusters=adopting in ("", ADOPT_WITH_NEW_CREDENTIALS),
            )
        return _session


def _stop_requested() -> bool:
    file = os.environ.get(STOP_FILE_VARIABLE)
    return bool(file) and Path(str(file)).exists()


def _say(line: str) -> None:
    print(line, flush=True)
