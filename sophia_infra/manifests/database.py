"""One database as objects: StatefulSet, Services, budget, scripts, secrets, openings and copies. Never scaled
by load: a new pod would have an empty disk, and one that goes takes its data with it."""

from __future__ import annotations

from typing import Any

from sophia_infra.manifests.backups import backup_objects
from sophia_infra.manifests.claims import claim_spec
from sophia_infra.manifests.classes import priority_class_manifest_name, storage_class_manifest_name
from sophia_infra.manifests.database_pods import build_store_pods
from sophia_infra.manifests.disruption import disruption_budget
from sophia_infra.manifests.external_secrets import external_secret
from sophia_infra.manifests.monitoring.monitors import database_monitor
from sophia_infra.manifests.namespaces import namespace_manifest_name
from sophia_infra.manifests.network_policies import (
    build_policy,
    callers_of,
    from_pods,
    from_prometheus,
    to_pods,
)
from sophia_infra.manifests.objects import Manifest, build_metadata, names_of
from sophia_infra.manifests.pods import selector_labels, service_account
from sophia_infra.manifests.services import build_service
from sophia_infra.manifests.stores.names import backup_name, headless_name, scripts_name, sentinel_name
from sophia_infra.manifests.stores.postgres import build_postgres
from sophia_infra.manifests.stores.qdrant import build_qdrant
from sophia_infra.manifests.stores.redis import build_redis, build_sentinel
from sophia_infra.manifests.stores.store import Store
from sophia_infra.model.kubernetes import (
    METRICS_PORT,
    SENTINEL_CPU,
    SENTINEL_MEMORY,
    SENTINEL_PORT,
    DatabaseConfig,
    KubernetesConfig,
    Placement,
    sidecar_of,
)

__all__ = ["DATABASE_PRIORITY", "database"]

DATABASE_PRIORITY = "high"
_BUILDERS = {"postgres": build_postgres, "redis": build_redis, "qdrant": build_qdrant}


def database(
    name: str,
    row: DatabaseConfig,
    kube: KubernetesConfig,
    placement: Placement,
    secret_checksum: str | None,
) -> list[Manifest]:
    """Every object of one database, in the cluster where it is placed.

    Args:
        secret_checksum: of the values of its secrets; a change restarts the pods one by one.
    """
    cluster = placement.clusters[placement.database_cluster[name]]
    store = _BUILDERS[row.kind](name, row)
    base = (namespace_manifest_name(cluster, row.namespace),)
    needs = [
        service_account(name, row.namespace, base),
        _scripts(name, row, store, base),
        *external_secret(name, row.namespace, row.secret_env, kube, cluster),
        _policy(name, row, store, kube, placement, base),
    ]
    headless = build_service(
        headless_name(name),
        row.namespace,
        {**row.ports, **store.group_ports},
        base,
        selects=name,
        headless=True,
    )
    sidecar = sidecar_of(kube, row.kind)
    told = {METRICS_PORT: sidecar.port} if sidecar is not None else {}
    monitors = database_monitor(name, row, kube, cluster)
    checksum = secret_checksum if row.secret_env else None
    priority = priority_class_manifest_name(cluster, DATABASE_PRIORITY)
    pods = build_store_pods(name, row, kube, store, DATABASE_PRIORITY, checksum)
    set_body = _stateful_set(name, row, row.replicas, pods)
    set_body["spec"]["volumeClaimTemplates"] = _claim_templates(row, kube, store)
    after = (*base, *names_of(*needs, headless), priority, storage_class_manifest_name(cluster))
    stateful_set = Manifest(f"{name}-set", set_body, after)
    made = [
        *needs,
        headless,
        build_service(name, row.namespace, {**row.ports, **told}, base, scraped=bool(monitors)),
        stateful_set,
        *disruption_budget(name, row.namespace, row.replicas, 1, base),
    ]
    if row.sentinel:
        made += _sentinels(name, row, kube, placement, (*after, stateful_set.name), checksum)
    if row.backup is not None:
        made += backup_objects(name, row, row.backup, kube, cluster, store, names_of(stateful_set))
    return [*made, *monitors]


def _scripts(name: str, row: DatabaseConfig, store: Store, base: tuple[str, ...]) -> Manifest:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": build_metadata(scripts_name(name), row.namespace),
        "data": dict(store.scripts),
    }
    return Manifest(f"{name}-scripts", body, base)


def _policy(
    name: str,
    row: DatabaseConfig,
    store: Store,
    kube: KubernetesConfig,
    placement: Placement,
    base: tuple[str, ...],
) -> Manifest:
    """In: its callers, its copies, its Sentinels, its own group. Out: only that group."""
    home = placement.database_cluster[name]
    ports = list(row.ports.values())
    own = (row.namespace, name)
    ingress = from_pods(callers_of(name, kube, placement, home), ports)
    egress: list[dict[str, Any]] = []
    if row.backup is not None:
        ingress += from_pods([(row.namespace, backup_name(name))], [row.main_port])
    if row.replicas > 1:
        group = [row.main_port, *store.group_ports.values()]
        ingress += from_pods([own], group)
        egress += to_pods([own], group)
    if row.sentinel:
        sentinel = (row.namespace, sentinel_name(name))
        ingress += from_pods([sentinel], [row.main_port])
        egress += to_pods([sentinel], [SENTINEL_PORT])
    sidecar = sidecar_of(kube, row.kind)
    if row.kind == "qdrant" or sidecar is not None:
        ingress.append(from_prometheus(row.main_port if sidecar is None else sidecar.port))
    return build_policy(name, row.namespace, ingress, egress, base)


def _stateful_set(name: str, row: DatabaseConfig, replicas: int, template: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": build_metadata(name, row.namespace, labels=selector_labels(name)),
        "spec": {
            "serviceName": headless_name(name),
            "replicas": replicas,
            "podManagementPolicy": "OrderedReady",
            "updateStrategy": {"type": "RollingUpdate"},
            "revisionHistoryLimit": 3,
            # Data is worth more than order: claims stay when the set goes or shrinks.
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "selector": {"matchLabels": selector_labels(name)},
            "template": template,
        },
    }


def _claim_templates(row: DatabaseConfig, kube: KubernetesConfig, store: Store) -> list[dict[str, Any]]:
    sizes = {"data": row.storage}
    if row.backup is not None and store.copying.pod_mount is not None:
        sizes["copies"] = row.backup.size
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": volume},
            "spec": claim_spec(size, kube.storage_class.name),
        }
        for volume, size in sizes.items()
    ]


def _sentinels(
    name: str,
    row: DatabaseConfig,
    kube: KubernetesConfig,
    placement: Placement,
    after: tuple[str, ...],
    checksum: str | None,
) -> list[Manifest]:
    """Sentinels as a set of their own: they have to outlive the servers that they watch."""
    own_name = sentinel_name(name)
    home = placement.database_cluster[name]
    base = (namespace_manifest_name(placement.clusters[home], row.namespace),)
    own, servers = (row.namespace, own_name), (row.namespace, name)
    ports = {"sentinel": SENTINEL_PORT}
    watched = row.model_copy(update={"cpu": SENTINEL_CPU, "memory": SENTINEL_MEMORY})
    template = build_store_pods(
        name, watched, kube, build_sentinel(name, row), DATABASE_PRIORITY, checksum, own_name, ports
    )
    callers = callers_of(name, kube, placement, home)
    policy = build_policy(
        own_name,
        row.namespace,
        from_pods([*callers, servers, own], [SENTINEL_PORT]),
        [*to_pods([own], [SENTINEL_PORT]), *to_pods([servers], [row.main_port])],
        base,
    )
    headless = build_service(
        headless_name(own_name), row.namespace, ports, base, selects=own_name, headless=True
    )
    set_body = _stateful_set(own_name, row, row.sentinels, template)
    # They wait for a leader, each by itself; one that starts last must not keep the others from starting.
    set_body["spec"]["podManagementPolicy"] = "Parallel"
    return [
        policy,
        headless,
        build_service(own_name, row.namespace, ports, base),
        Manifest(f"{own_name}-set", set_body, (*after, *names_of(policy, headless))),
        *disruption_budget(own_name, row.namespace, row.sentinels, 1, base),
    ]
