"""What `sophia train run` needs for `bootstrap: join`: where machines can join, and what they join with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sophia_infra.cli.stack_context import StackContext
    from sophia_infra.model.kubernetes import Cluster
    from sophia_infra.model.training import ClusterConfig
    from sophia_infra.training.access import MachineAccess
    from sophia_infra.training.opening import JoinMeans
    from sophia_infra.training.run_folder import RunFolder

__all__ = ["join_means", "join_outputs", "where_it_can_join"]


def where_it_can_join(context: StackContext, name: str, config: ClusterConfig) -> ClusterConfig:
    """The cluster's settings with only those regions in which its machines reach the server of the queue.

    Raises:
        RunRefused: there is none.
    """
    from sophia_infra.training.errors import RunRefused

    home = _primary(context)
    if home.region is None:
        return config
    if home.region not in config.regions:
        raise RunRefused(
            f"{name}: its machines would join the cluster in {home.region}, which is none of its regions. "
            "Nothing was launched.",
            next_step=f"add {home.region} to its regions, or set topology: overlay.",
        )
    return config.model_copy(update={"regions": (home.region,)})


def join_outputs(context: StackContext, cluster: str) -> dict[str, Any]:
    """The secret outputs of the stack's last update, by which machines join.

    Raises:
        RunRefused: they do not say it; nothing was launched.
        EngineError: the engine cannot be asked.
    """
    from sophia_infra.cli.finding_engine import find_engine_aloud
    from sophia_infra.engine.stacks import stack_outputs
    from sophia_infra.training.errors import RunRefused

    outputs = stack_outputs(find_engine_aloud(context.home), context.name, context.home, show_secrets=True)
    if not _row(outputs, _primary(context)).get("address"):
        raise RunRefused(
            f"{cluster}: the state of {context.name} does not say what machines join with. "
            "Nothing was launched.",
            next_step="run `sophia up`, which makes the cluster and exports it.",
        )
    return outputs


def join_means(context: StackContext, folder: RunFolder, outputs: dict[str, Any]) -> JoinMeans:
    """By `join_outputs`. Raises RunRefused: the stack file has no such cluster any more."""
    from sophia_infra.model.catalogue import CATALOGUE
    from sophia_infra.model.kubernetes import KubernetesConfig
    from sophia_infra.model.training import TRAINING_NODE_LABEL, training_gpu_label
    from sophia_infra.scaling.nodes.boot_text import AGENT_PARTS, JoinBootText
    from sophia_infra.scaling.nodes.errors import BootTextMissing
    from sophia_infra.training.errors import RunRefused
    from sophia_infra.training.opening import JoinMeans

    spec, home = folder.spec(), _primary(context)
    kube, row = context.config.kubernetes or KubernetesConfig.model_validate({}), _row(outputs, home)
    texts = JoinBootText(
        kube,
        {home.region: home},
        {home.name: {part: row.get(part) for part in AGENT_PARTS}},
        {home.name: str(row["address"])},
    )

    def text(name: str, instance_type: str, region: str) -> str:
        labels = {TRAINING_NODE_LABEL: spec.cluster}
        model = CATALOGUE[instance_type].gpu_model
        if model:
            labels["sophia.internal/gpu"] = training_gpu_label(model)
        try:
            return texts.text_with(name, spec.cluster, instance_type, region, labels)
        except BootTextMissing as error:
            raise RunRefused(error.message, next_step=error.next_step) from error

    return JoinMeans(text, _access(context, folder, home.name, outputs))


def _row(outputs: dict[str, Any], cluster: Cluster) -> dict[str, Any]:
    return (outputs.get("scaler_join") or {}).get(cluster.name) or {}


def _access(
    context: StackContext, folder: RunFolder, cluster: str, outputs: dict[str, Any]
) -> MachineAccess | None:
    from sophia_infra.kubernetes_plugin.connection import Connection
    from sophia_infra.kubernetes_plugin.kubeconfig import load_kubeconfig
    from sophia_infra.training.errors import RunRefused
    from sophia_infra.training.kubernetes_access import KubernetesAccess

    spec = folder.spec()
    if spec.endpoint == "emulator":
        return None  # its machines never boot, so a stand-in plays their job
    kube, config = context.config.kubernetes, context.config.training_clusters.get(spec.cluster)
    kubeconfig = ((outputs.get("clusters") or {}).get(cluster) or {}).get("kubeconfig")
    if kube is None or kube.training is None or config is None or config.image is None or not kubeconfig:
        raise RunRefused(
            f"{spec.cluster}: there is no queue, image or kubeconfig for its job.",
            next_step="run `sophia up` with the cluster in the stack file as it was.",
        )
    api = Connection(load_kubeconfig(str(kubeconfig)), timeout_s=10.0)

    def instance_type() -> str:
        return spec.choices[folder.state().choice].instance_type

    return KubernetesAccess(api, spec, instance_type, kube.training, config.image, config.claim)


def _primary(context: StackContext) -> Cluster:
    from sophia_infra.model.kubernetes import place
    from sophia_infra.training.errors import RunRefused

    placement = place(context.config)
    found = placement.clusters.get(placement.primary)
    if found is None:
        raise RunRefused(
            f"Stack {context.name} has no cluster that machines could join. Nothing was launched.",
            next_step="give its fleet a machine that is the server, and `sophia up`.",
        )
    return found
