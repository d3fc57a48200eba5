"""What a run of the engine needs around it: emulators, the engine, the Kubernetes plugin and its clusters."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sophia_infra.cli.local_kubernetes import (
    KubernetesMode,
    kubernetes_mode,
    manifests_folder,
    start_clusters,
    stop_clusters,
)
from sophia_infra.cli.progress import UpdateProgress
from sophia_infra.cli.stack_context import StackContext
from sophia_infra.engine.locate import Engine, find_engine
from sophia_infra.engine.stack_file import PreparedStack
from sophia_infra.engine.stacks import ensure_stack

if TYPE_CHECKING:
    from sophia_infra.engine.home import Home
    from sophia_infra.model.kubernetes import KubernetesConfig

__all__ = ["Surroundings", "make_ready", "stop_surroundings"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything that is ready for one run.

    Attributes:
        environment: variables for the engine, on top of the stack's cloud.
        notes: sentences about what was used, for the end of the run.
    """

    engine: Engine
    prepared: PreparedStack
    kubernetes: KubernetesMode
    environment: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def make_ready(
    context: StackContext,
    progress: UpdateProgress,
    *,
    phase: int | None = None,
    cluster: bool | None = None,
    remember: bool = True,
) -> Surroundings:
    """Start or find what the stack's run needs; what is missing of the tools is built once.

    Args:
        phase: the phase of the run when it is not the stack's own.
        cluster: asks for a control plane (True) or manifests (False); None keeps what was asked for before.
        remember: the answer to `cluster` holds from now on; False for a look.
    """
    if not context.has_own_emulator:
        context.check_access()
    phase = phase or context.prepared.phase
    mode = kubernetes_mode(context.home, context.config, phase, cluster, remember=remember)
    if mode == "remote" and context.config.kubernetes is not None:
        _check_existing(context, context.config.kubernetes, progress)
    progress.say("finding the engine")
    engine = find_engine(context.home, progress=progress.on_build)
    if context.has_own_emulator:
        # After the engine: where there is none, nothing is left running.
        progress.say("finding the emulator")
        context.start_emulator()
        context.check_access()
    environment = _inference(context, progress)
    notes: list[str] = list(engine.notes)
    if mode != "none":
        variables, more = _kubernetes(context, engine, mode, phase, progress)
        environment |= variables
        notes += more
    progress.say("the engine is starting")
    prepared = ensure_stack(engine, context.prepared, context.home)
    return Surroundings(engine, prepared, mode, environment, tuple(notes))


def _inference(context: StackContext, progress: UpdateProgress) -> dict[str, str]:
    """The gateway of an emulator stack; nothing where there is none, or one was set by hand."""
    from sophia_infra.cli.local_inference import ensure_local_inference
    from sophia_infra.model.gateway import URL_VARIABLE

    gateway = context.config.gateway
    if gateway is None or context.config.endpoint != "emulator" or os.environ.get(URL_VARIABLE):
        return {}
    progress.say("finding the inference gateway")
    return ensure_local_inference(context.home, gateway).variables()


def _kubernetes(
    context: StackContext, engine: Engine, mode: KubernetesMode, phase: int, progress: UpdateProgress
) -> tuple[dict[str, str], list[str]]:
    """Variables and notes of the Kubernetes part."""
    from sophia_infra.components.cluster_files import KUBECONFIG_FOLDER_VARIABLE, MANIFESTS_FOLDER_VARIABLE
    from sophia_infra.engine.kubernetes_plugin import ensure_kubernetes_plugin

    progress.say("finding the Kubernetes plugin")
    plugin = ensure_kubernetes_plugin(engine, context.home)
    environment: dict[str, str] = {}
    if mode == "cluster":
        clusters = start_clusters(
            context.home, context.config, phase, on_build=progress.on_build, say=progress.say
        )
        environment[KUBECONFIG_FOLDER_VARIABLE] = str(clusters.folder)
        environment["SOPHIA_HELM"] = str(clusters.helm)
    elif mode == "manifests":
        environment[MANIFESTS_FOLDER_VARIABLE] = str(manifests_folder(context.home, context.name))
    if context.config.endpoint == "emulator":
        environment |= _secrets(context, phase, progress)
    return environment, [plugin.note]


def _check_existing(context: StackContext, kube: KubernetesConfig, progress: UpdateProgress) -> None:
    """Refuse an existing cluster that cannot be reached before a machine is made for it.

    Raises:
        ConfigError: its kubeconfig is not there.
        PluginError: it does not answer within 10 s, or does not let us in.
    """
    if kube.cluster != "existing":
        return
    from sophia_infra.components.cluster_files import existing_kubeconfig, read_kubeconfig
    from sophia_infra.kubernetes_plugin.connection import Connection
    from sophia_infra.kubernetes_plugin.kubeconfig import load_kubeconfig

    progress.say("asking the cluster")
    source = f"Pulumi.{context.name}.yaml"
    file = existing_kubeconfig(kube, os.environ, source)
    read_kubeconfig(file, source)
    Connection(load_kubeconfig(str(file))).request("GET", "/version")


def _secrets(context: StackContext, phase: int, progress: UpdateProgress) -> dict[str, str]:
    """The emulator of Pulumi ESC; nothing where secrets come from elsewhere, or from one set by hand."""
    from sophia_infra.cli.local_esc import ensure_esc_emulator
    from sophia_infra.esc import URL_VARIABLE

    kube = context.config.kubernetes
    if kube is None or kube.secrets is None or phase < kube.workloads_phase or os.environ.get(URL_VARIABLE):
        return {}
    progress.say("finding the secrets emulator")
    return ensure_esc_emulator(context.home, kube.secrets).variables(kube.secrets)


def stop_surroundings(home: Home) -> bool:
    """Stop every process that `up` left in the background; False when none ran."""
    from sophia_infra.cli.local_emulator import stop_emulator
    from sophia_infra.cli.local_esc import stop_esc_emulator
    from sophia_infra.cli.local_inference import stop_local_inference

    stopped = [
        stop_clusters(home, wipe=True),
        stop_local_inference(home),
        stop_esc_emulator(home),
        stop_emulator(home),
    ]
    return any(stopped)
