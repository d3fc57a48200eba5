"""What `sophia canary` and `sophia cutover` need: the stack, its cluster, Prometheus, and a way to stop."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sophia_infra.cli.stack_context import StackContext, open_stack

if TYPE_CHECKING:
    from rich.console import Console

    from sophia_infra.metrics_client.prometheus import PrometheusApi
    from sophia_infra.model.rollout import RolloutConfig
    from sophia_infra.rollout.cluster import Cluster
    from sophia_infra.rollout.gates import BurnRate
    from sophia_infra.rollout.shifting import Progress, Timing

__all__ = ["RolloutGround", "holder_name", "open_rollout", "say_progress"]

_SHORTEST_UNWATCHED_S: Final = 60.0
_LOOKS_UNWATCHED: Final = 8


@dataclass(frozen=True, slots=True)
class RolloutGround:
    """One stack for a rollout.

    Attributes:
        rollout: the stack's section, or its defaults.
        kubeconfig: as given on the command line; None: the stack's own.
        prometheus: address; None where nothing measures.
    """

    context: StackContext
    rollout: RolloutConfig
    kubeconfig: str | None
    prometheus: str | None

    def cluster(self, name: str) -> Cluster:
        """The cluster of that name. Raises ConfigError, PluginError."""
        from sophia_infra.cli.local_kubernetes import kubeconfig_of
        from sophia_infra.components.cluster_files import existing_kubeconfig
        from sophia_infra.kubernetes_plugin.kubeconfig import load_kubeconfig
        from sophia_infra.rollout.cluster import Cluster, connect
        from sophia_infra.rollout.errors import RolloutRefused

        path = self.kubeconfig
        kube = self.context.config.kubernetes
        if path is None and kube is not None and kube.cluster == "existing":
            path = str(existing_kubeconfig(kube, os.environ, f"Pulumi.{self.context.name}.yaml"))
        if path is None and kubeconfig_of(self.context.home, name).is_file():
            path = str(kubeconfig_of(self.context.home, name))
        if path is None:
            raise RolloutRefused(
                f"Nothing says how the cluster {name} is reached.",
                next_step="give --kubeconfig; on the emulator `sophia up --cluster` starts one first.",
            )
        return Cluster(connect(load_kubeconfig(path)))

    def burn_rate(self, namespace: str, service: str) -> BurnRate | None:
        """The gate that asks Prometheus; None where there is no address. Raises AddressRefused."""
        if self.prometheus is None:
            return None
        from sophia_infra.metrics_client.prometheus import PrometheusApi
        from sophia_infra.rollout.gates import BurnRate

        kube = self.context.config.kubernetes
        monitoring = None if kube is None else kube.monitoring
        slo_percent = 99.9 if monitoring is None else monitoring.slo_percent
        api = PrometheusApi.from_environment(self.prometheus)
        return BurnRate(_Asking(api), namespace, service, Decimal(str(slo_percent)) / 100)

    def timing(self, interval_s: float) -> Timing:
        from sophia_infra.rollout.shifting import Timing

        unwatched_s = max(_SHORTEST_UNWATCHED_S, _LOOKS_UNWATCHED * interval_s)
        return Timing(**self.rollout.timing, unwatched_s=unwatched_s)


@dataclass(frozen=True, slots=True)
class _Asking:
    api: PrometheusApi

    def __call__(self, query: str) -> Sequence[tuple[dict[str, str], float]]:
        from sophia_infra.metrics_client.errors import SourceError

        try:
            return [(dict(sample.labels), sample.value) for sample in self.api.query(query)]
        except SourceError as error:
            raise OSError(str(error)) from None


def open_rollout(stack: str, kubeconfig: str | None, prometheus: str | None) -> RolloutGround:
    """The stack with what was given on the command line."""
    from sophia_infra.model.rollout import RolloutConfig

    context = open_stack(stack)
    return RolloutGround(context, context.config.rollout or RolloutConfig(), kubeconfig, prometheus)


def holder_name() -> str:
    """Who looks: this process and no other."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


def say_progress(console: Console, progress: Progress) -> None:
    """One line about a look."""
    console.print(f"{progress.weight:3d} %  {progress.status}  {progress.why}".rstrip(), soft_wrap=True)


def as_yaml(bodies: Sequence[dict[str, Any]]) -> str:
    """Objects for `kubectl apply -f -`."""
    import yaml

    return yaml.safe_dump_all(bodies, sort_keys=False)
