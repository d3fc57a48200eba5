"""Objects of the platform: nodes, services, quotas, autoscalers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sophia_infra.manifests.gpu_quota import GPU_QUOTA, gpu_places_by_namespace
from sophia_infra.manifests.names import GPU_LABEL, GPU_RESOURCE, ROLE_LABEL_PREFIX
from sophia_infra.model.kubernetes import KubernetesConfig
from sophia_infra.model.kubernetes.swarm import missing_peers, swarm_map
from sophia_infra.validation.measured import Measured, judge, not_known, of_figure
from sophia_infra.validation.objects import Objects
from sophia_infra.validation.world import World

__all__ = [
    "autoscaler_has_metric",
    "autoscalers_are_there",
    "chart_is_there",
    "gpu_places_are_reserved",
    "gpu_pods_name_their_gpu",
    "gpu_quota_is_there",
    "nodes_have_labels",
    "pods_are_not_root",
    "services_are_ready",
    "services_are_there",
    "swarm_has_peers",
    "with_objects",
]

_GPU_LIMIT = f"limits.{GPU_RESOURCE}"
_GPU_REQUEST = f"requests.{GPU_RESOURCE}"


def with_objects(
    world: World, read: Callable[[KubernetesConfig, Objects], tuple[bool, str]], *, first_phase: int = 1
) -> Measured:
    """Judge the stack's objects; unknown for a stack or a phase without Kubernetes."""
    evidence = world.objects.source or world.command("status")
    kube = world.config.kubernetes
    if kube is None:
        return not_known("the stack has no sophia:kubernetes", evidence)
    needed = max(first_phase, kube.first_phase)
    if world.phase < needed:
        return not_known(f"comes with phase {needed}; the stack is in phase {world.phase}", evidence)
    return of_figure(world.objects, evidence, lambda objects: read(kube, objects))


def chart_is_there(world: World, name: str) -> Measured:
    """A chart is installed, or written to be."""
    return with_objects(
        world,
        lambda _kube, objects: (
            name in objects.charts,
            name if name in objects.charts else f"no chart {name}",
        ),
        first_phase=1 if name == "gpu-operator" else 2,
    )


def nodes_have_labels(world: World, _argument: str) -> Measured:
    """Every node has the labels of its roles; a live one also says its GPU."""

    def read(_kube: KubernetesConfig, objects: Objects) -> tuple[bool, str]:
        labels = {
            name: row["metadata"].get("labels") or {} for (_, name), row in objects.named("Node").items()
        }
        nodes = [node for cluster in world.placement.clusters.values() for node in cluster.nodes]
        wrong = []
        for node in nodes:
            wanted = {f"{ROLE_LABEL_PREFIX}{role}": "true" for role in node.roles}
            if objects.is_live and node.gpu_model is not None:
                wanted[GPU_LABEL] = node.gpu_model.lower()
            if not wanted.items() <= labels.get(node.name, {}).items():
                wrong.append(node.name)
        shown = f"{len(nodes) - len(wrong)} of {len(nodes)} nodes"
        return not wrong, shown + (f": not {', '.join(wrong)}" if wrong else "")

    return with_objects(world, read)


def services_are_there(world: World, _argument: str) -> Measured:
    """Every enabled row of the table has its Deployment or StatefulSet."""

    def read(kube: KubernetesConfig, objects: Objects) -> tuple[bool, str]:
        wanted = {("Deployment", name) for name in kube.enabled_workloads()}
        wanted |= {("StatefulSet", name) for name in kube.enabled_databases()}
        there = {(kind, name) for kind in ("Deployment", "StatefulSet") for _, name in objects.named(kind)}
        missing = sorted(name for kind, name in wanted - there)
        shown = f"{len(wanted) - len(missing)} of {len(wanted)} services"
        return not missing, shown + (f": not {', '.join(missing)}" if missing else "")

    return with_objects(world, read, first_phase=2)


def services_are_ready(world: World, _argument: str) -> Measured:
    """Every pod that is wanted is ready; rendered manifests run nothing and tell nothing."""
    found = world.objects.value
    if found is not None and not found.is_live:
        reason = "manifests were written and run nowhere: `sophia up --cluster` runs them"
        return not_known(reason, world.objects.source)

    def read(_kube: KubernetesConfig, objects: Objects) -> tuple[bool, str]:
        rows = [*objects.of("Deployment"), *objects.of("StatefulSet")]
        wanted = sum(int(row["spec"].get("replicas", 1)) for row in rows)
        late = [
            row["metadata"]["name"]
            for row in rows
            if int((row.get("status") or {}).get("readyReplicas", 0)) < int(row["spec"].get("replicas", 1))
        ]
        shown = f"{wanted} pods of {len(rows)} services wanted, "
        return not late and bool(rows), shown + (f"not ready: {', '.join(late)}" if late else "all ready")

    return with_objects(world, read, first_phase=2)


def pods_are_not_root(world: World, _argument: str) -> Measured:
    """Pods of the stack may not run as root."""

    def read(_kube: KubernetesConfig, objects: Objects) -> tuple[bool, str]:
        pods = dict(objects.pod_templates())
        wrong = [name for name, spec in pods.items() if not _runs_as_user(spec)]
        return not wrong, f"{len(pods) - len(wrong)} of {len(pods)}" + (
            f": not {', '.join(wrong)}" if wrong else ""
        )

    return with_objects(world, read, first_phase=2)


def gpu_pods_name_their_gpu(world: World, _argument: str) -> Measured:
    """A pod that asks for a GPU says which, so that the scheduler cannot put it on another."""

    def read(_kube: KubernetesConfig, objects: Objects) -> tuple[bool, str]:
        pods = {name: spec for name, spec in objects.pod_templates() if _gpus(spec)}
        wrong = [name for name, spec in pods.items() if GPU_LABEL not in str(_placing(spec))]
        return not wrong, f"{len(pods) - len(wrong)} of {len(pods)} services with GPU" + (
            f": not {', '.join(wrong)}" if wrong else ""
        )

    return with_objects(world, read, first_phase=2)


def gpu_quota_is_there(world: World, _argument: str) -> Measured:
    """Each namespace has the quota that follows from the fleet, in the form that the API server counts."""

    def read(kube: KubernetesConfig, objects: Objects) -> tuple[bool, str]:
        quotas = objects.named("ResourceQuota")
        wrong, granted = [], 0
        for cluster in world.placement.clusters.values():
            for namespace, places in gpu_places_by_namespace(kube, world.placement, cluster).items():
                hard = (quotas.get((namespace, GPU_QUOTA)) or {}).get("spec", {}).get("hard", {})
                granted += places
                if str(hard.get(_GPU_REQUEST)) != str(places) or _GPU_LIMIT in hard:
                    wrong.append(f"{namespace} has {hard.get(_GPU_REQUEST, 'none')}, not {places}")
        supply = sum(world.placement.gpu_places.values())
        shown = f"{granted} of {supply} GPU places granted"
        return not wrong and granted <= supply, "; ".join(wrong) or shown

    return with_objects(world, read, first_phase=2)


def gpu_places_are_reserved(world: World, percent: str) -> Measured:
    """Share of GPU places that services hold at their most."""
    kube = world.config.kubernetes
    supply = sum(world.placement.gpu_places.values()) if kube is not None else 0
    evidence = world.command("preview")
    if not supply:
        return not_known("the stack places nothing on GPUs", evidence)
    held = sum(world.placement.gpu_reserved.values())
    share = 100 * held / supply
    return judge(share >= float(percent), f"{held} of {supply} places ({share:.0f} %)", evidence)


def swarm_has_peers(world: World, _argument: str) -> Measured:
    """Every service of the old Swarm stack has an enabled row."""
    kube = world.config.kubernetes
    if kube is None:
        return not_known("the stack has no sophia:kubernetes", world.name)
    missing = missing_peers(kube)
    there = {peer.service.name for peer in swarm_map(kube)}
    shown = f"{len(there)} of {len(there) + len(missing)}"
    names = ", ".join(missing)
    return judge(not missing, shown + (f": not {names}" if missing else ""), "docs/kubernetes.md")


def autoscalers_are_there(world: World, _argument: str) -> Measured:
    """Every row that scales has one autoscaler, with a maximum."""

    def read(kube: KubernetesConfig, objects: Objects) -> tuple[bool, str]:
        wanted = [name for name, row in kube.enabled_workloads().items() if row.autoscale is not None]
        found = _autoscalers(objects)
        missing = [name for name in wanted if name not in found]
        shown = f"{len(wanted) - len(missing)} of {len(wanted)}"
        return not missing, shown + (f": not {', '.join(missing)}" if missing else "")

    return with_objects(world, read, first_phase=2)


def autoscaler_has_metric(world: World, argument: str) -> Measured:
    """`<service> <metric>`: the autoscaler of the service follows it."""
    service, metric = argument.split()

    def read(_kube: KubernetesConfig, objects: Objects) -> tuple[bool, str]:
        found = _autoscalers(objects).get(service)
        if found is None:
            return False, f"{service} has no autoscaler"
        most = found["spec"].get("maxReplicas", found["spec"].get("maxReplicaCount"))
        shown = f"{found['kind']} of {service}, at most {most}"
        return metric in str(found["spec"]), f"{shown}, by {metric}" if metric in str(
            found["spec"]
        ) else shown

    return with_objects(world, read, first_phase=2)


def _autoscalers(objects: Objects) -> dict[str, Mapping[str, Any]]:
    """Name of what is scaled -> autoscaler."""
    rows = [*objects.of("HorizontalPodAutoscaler"), *objects.of("ScaledObject")]
    return {row["spec"]["scaleTargetRef"]["name"]: row for row in rows}


def _runs_as_user(spec: Mapping[str, Any]) -> bool:
    if (spec.get("securityContext") or {}).get("runAsNonRoot"):
        return True
    return all((part.get("securityContext") or {}).get("runAsNonRoot") for part in spec["containers"])


def _gpus(spec: Mapping[str, Any]) -> int:
    limits = [(part.get("resources") or {}).get("limits") or {} for part in spec["containers"]]
    return sum(int(row.get(GPU_RESOURCE, 0)) for row in limits)


def _placing(spec: Mapping[str, Any]) -> tuple[Any, Any]:
    return spec.get("nodeSelector"), spec.get("affinity")
