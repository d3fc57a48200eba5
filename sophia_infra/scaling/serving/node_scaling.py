"""The node scaler in a pod: by its part of the stack file, the token of its account, and a lease."""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sophia_infra.kubernetes_plugin.api import KubernetesApi
from sophia_infra.lambda_cloud import LambdaCloud, Pacer
from sophia_infra.model.clock import SystemClock
from sophia_infra.model.kubernetes import Cluster
from sophia_infra.model.scaled_tags import LEASE_NAMESPACE, lease_name
from sophia_infra.model.scaling_site import JoinSite, NodeScalerSite
from sophia_infra.provider.cloud_clock import clock_of
from sophia_infra.provider.journal import Journal
from sophia_infra.provider.session import Session
from sophia_infra.provider.settings import cloud_access
from sophia_infra.scaling.errors import SettingsRefused
from sophia_infra.scaling.nodes.boot_text import JoinBootText
from sophia_infra.scaling.nodes.cluster import ClusterNodes
from sophia_infra.scaling.nodes.demand import demand_sources
from sophia_infra.scaling.nodes.errors import BootTextMissing
from sophia_infra.scaling.nodes.lease import KubernetesLease
from sophia_infra.scaling.nodes.metrics import ScalerMetrics
from sophia_infra.scaling.nodes.reporting import PassReport
from sophia_infra.scaling.nodes.scaler import NodeScaler
from sophia_infra.scaling.nodes.settings import FleetMachine, ScalerSettings
from sophia_infra.scaling.serving.process import Pulse, asked_to_end, serving
from sophia_infra.scaling.serving.service_account import ServiceAccountApi

__all__ = ["MountedBootText", "ScalerFiles", "run_node_scaler", "scaler_settings"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ScalerFiles:
    """Where things are in the pod.

    Attributes:
        state: folder of the journal of launches; it may be empty after a restart.
        account: folder with the token of the account.
        join: file with what machines need to join; None: they join by the `user_data` of their pool.
    """

    state: Path
    account: Path
    join: Path | None = None


@dataclass(frozen=True, slots=True)
class MountedBootText:
    """Boot texts by the file that the kubelet keeps up to date: another server means another address."""

    site: JoinSite
    file: Path

    def text_for(self, name: str, pool: str, instance_type: str, region: str) -> str | None:
        """As `JoinBootText`. Raises BootTextMissing: also when the file is not there, or not whole."""
        try:
            known = json.loads(self.file.read_text("utf-8"))
        except (OSError, ValueError):
            known = None
        if not isinstance(known, Mapping):
            raise BootTextMissing(
                f"{self.file} does not say how a machine joins {self.site.cluster}.",
                next_step="run `sophia up`, which writes it into a Secret.",
            )
        cluster = Cluster(self.site.cluster, self.site.region, (), "")
        address = known.get("address")
        texts = JoinBootText(
            self.site.kubernetes,
            {self.site.region: cluster},
            {cluster.name: known},
            {cluster.name: str(address)} if address else {},
        )
        return texts.text_for(name, pool, instance_type, region)


def run_node_scaler(
    site: NodeScalerSite,
    files: ScalerFiles,
    listen: tuple[str, int],
    *,
    environ: Mapping[str, str] = os.environ,
    say: Callable[[str], None] = print,
) -> None:
    """Look, decide and act until SIGTERM or SIGINT; every machine stays.

    Args:
        say: takes one line of JSON for each pass.

    Raises:
        SettingsRefused: of this room, or of the provider: no key, an emulator elsewhere.
        NotInCluster, CannotListen. All before a request that could change something.
    """
    settings = scaler_settings(site)
    if site.join is not None and files.join is None:
        raise SettingsRefused(
            "Machines of this stack join by a secret text, and no --join names its file.",
            next_step="mount the Secret that `sophia up` makes, and give the file.",
        )
    access = cloud_access({"sophia:endpoint": site.endpoint}.get, environ)
    api = ServiceAccountApi(files.account, environ)
    clock = clock_of(access)
    metrics = ScalerMetrics()
    pulse = Pulse(settings.interval_s)
    pacer = Pacer(None, Pacer.key_id(access.base_url, access.api_key), clock)
    client = LambdaCloud(access.base_url, access.api_key, clock=clock, pacer=pacer)
    with client, asked_to_end() as stopped, serving(metrics.registry, listen, pulse):
        session = Session(client, clock, Journal(files.state / "launches"), say=_log.info)
        scaler = NodeScaler(
            settings,
            session,
            _lease(site, api),
            demand={
                pool.name: demand_sources(
                    pool,
                    prometheus_url=site.prometheus_url,
                    clock=SystemClock(),
                    interval_s=settings.interval_s,
                )
                for pool in settings.pools
            },
            keeper=ClusterNodes(api),
            boot_text=_boot_text(site, files),
            metrics=metrics,
            apply=site.apply,
            say=_log.info,
        )
        _log.info(
            "scales %s: %s", site.stack, "acts" if site.apply else "a dry run, only says what it would do"
        )

        def on_pass(report: PassReport) -> None:
            pulse.beat()
            say(json.dumps(report.as_json()))

        scaler.run(stopped.is_set, on_pass)
    _log.info("ended; every machine stays")


def scaler_settings(site: NodeScalerSite) -> ScalerSettings:
    """Names resolved and lead times known. Raises SettingsRefused: see `PoolSettings.of`."""
    settings = ScalerSettings.of(
        site.stack,
        site.scaler,
        fleet={},
        budget_usd_per_hour=site.budget_usd_per_hour,
        quota=site.quota,
        ssh_key=site.ssh_key,
    )
    fleet = (FleetMachine(name, row.type, row.adopt_id, row.adopt_name) for name, row in site.fleet.items())
    return replace(settings, fleet=tuple(fleet))


def _boot_text(site: NodeScalerSite, files: ScalerFiles) -> MountedBootText | None:
    if site.join is None or files.join is None:
        return None
    return MountedBootText(site.join, files.join)


def _lease(site: NodeScalerSite, api: KubernetesApi) -> KubernetesLease:
    return KubernetesLease(
        api,
        name=lease_name(site.stack.rpartition("/")[2]),
        namespace=LEASE_NAMESPACE,
        # Another start of the same pod is another holder: what it launched last may not be listed yet.
        identity=f"{socket.gethostname()}-{secrets.token_hex(4)}",
        now=time.monotonic,
    )
