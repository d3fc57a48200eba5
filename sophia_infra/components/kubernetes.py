"""Kubernetes of one stack: every cluster with its platform, from the typed section of the stack file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi

from sophia_infra.components.cluster_access import (
    ClusterAccess,
    open_joined,
    open_known,
    open_rendered,
    read_kubeconfigs,
)
from sophia_infra.components.fleet_props import key_name_of
from sophia_infra.components.joins import Joins
from sophia_infra.components.platform import Checksum, KubernetesPlatform
from sophia_infra.components.registration import Registration
from sophia_infra.components.training import JoinGround
from sophia_infra.manifests import ScalingParts, Watched, all_objects
from sophia_infra.manifests.namespaces import training_here
from sophia_infra.model.kubernetes import Placement, place
from sophia_infra.model.scaling_site import as_text, scaler_site_of
from sophia_infra.model.stack_config import StackConfig
from sophia_infra.monitoring.exporter_settings import exporter_settings_of
from sophia_infra.monitoring.terms import terms_of

__all__ = ["Kubernetes"]


class Kubernetes:
    """What the stack's phase makes of Kubernetes. Build it before the fleet, call `platforms` after it.

    Everything outside of the configuration is read at once, before a machine is registered: a kubeconfig or
    a secret that is not there must not leave machines without a platform.

    Args:
        config: the stack's configuration, checked; its Kubernetes section is there.
        stack: "project/stack".
        source: the stack file, for messages.

    Raises:
        ConfigError: a kubeconfig that the configuration names cannot be read.
        ManifestError: two rows would make an object of one name.
        EscError: secrets are configured and cannot be read.
    """

    def __init__(
        self, config: StackConfig, stack: str, source: str, environ: Mapping[str, str] = os.environ
    ) -> None:
        if config.kubernetes is None:
            raise ValueError("this stack has no Kubernetes section")
        self._config = config
        self._kube = config.kubernetes
        self._stack = stack
        self._environ = environ
        self.placement: Placement = place(config)
        self._watched = self._watch()
        self._scaler_text = self._write_scaler_text()
        for name, cluster in self.placement.clusters.items():
            # Refuses two objects of one name.
            watched = self._watched.get(name)
            scaling = self._scaling_parts(name, None)
            all_objects(
                self._kube,
                self.placement,
                cluster,
                gateway=config.gateway,
                watched=watched,
                scaling=scaling,
            )
        self._kubeconfigs = read_kubeconfigs(tuple(self.placement.clusters), config, source, environ)
        self._checksum, self._token = self._open_secrets()
        self._opened: dict[str, ClusterAccess] = {}
        self._platforms: dict[str, KubernetesPlatform] = {}
        self.joins = Joins(self._kube, self.placement, stack) if self._kube.cluster == "joined" else None

    def platforms(self, instances: Mapping[str, pulumi.Input[str]]) -> dict[str, ClusterAccess]:
        """Register the platform of every cluster.

        Args:
            instances: name of each machine of the fleet -> its id.

        Returns:
            name of the cluster -> the way to its API.
        """
        opened = self._opened = {name: self._open(name, instances) for name in self.placement.clusters}
        join = self._scaler_join()
        for name, access in opened.items():
            self._platforms[name] = KubernetesPlatform(
                name,
                self._kube,
                self.placement,
                self.placement.clusters[name],
                phase=self._config.phase,
                access=access,
                checksum=self._checksum,
                token=self._token,
                offline_charts=self._offline_charts(),
                gateway=self._config.gateway,
                watched=self._watched.get(name),
                scaling=self._scaling_parts(name, join),
            )
        return opened

    def join_ground(self) -> JoinGround | None:
        """Where training machines join and their jobs are queued, after `platforms`; None without a queue."""
        name, training = self.placement.primary, self._kube.training
        cluster = self.placement.clusters.get(name)
        if cluster is None or training is None or not training_here(self._kube, cluster):
            return None
        if self._config.phase < self._kube.workloads_phase:
            return None
        access = self._opened[name]
        # The platform brings Kueue, whose kinds have to be known before there is an object of one.
        after = replace(access, ready=(*access.ready, self._platforms[name]))
        return JoinGround(name, Registration(after, self._offline_charts()), training)

    def endpoints(self) -> dict[str, str]:
        """Service or database -> its address: from outside where it has one, else inside the cluster."""
        kube = self._kube
        if self._config.phase < kube.workloads_phase:
            return {}
        found: dict[str, str] = {}
        for name, row in kube.enabled_workloads().items():
            if row.ingress and kube.ingress:
                found[name] = f"https://{row.ingress.host}.{kube.ingress.domain}{row.ingress.path}"
            else:
                port = row.service_port(next(iter(row.ports)))
                found[name] = f"http://{name}.{row.namespace}.svc.cluster.local:{port}"
        for name, database in kube.enabled_databases().items():
            found[name] = f"{name}.{database.namespace}.svc.cluster.local:{database.main_port}"
        return found

    def _watch(self) -> dict[str, Watched]:
        """Cluster -> what its monitoring knows; the exporter is in the primary cluster alone."""
        config = self._kube.monitoring
        if config is None:
            return {}
        terms = terms_of(self._config, self._stack)
        settings = (
            exporter_settings_of(self._config, self._stack).as_json() if config.exporter.enabled else None
        )
        return {
            name: Watched(
                terms,
                self._kube,
                self.placement,
                cluster,
                settings if name == self.placement.primary else None,
            )
            for name, cluster in self.placement.clusters.items()
        }

    def _write_scaler_text(self) -> str | None:
        cluster = self.placement.clusters.get(self.placement.primary)
        if cluster is None:
            return None
        key = key_name_of(self._stack, self._config.ssh)
        site = scaler_site_of(self._config, self._stack, cluster, key)
        return None if site is None else as_text(site)

    def _scaling_parts(self, cluster: str, join: Any) -> ScalingParts | None:
        if self._scaler_text is None or cluster != self.placement.primary:
            return None
        return ScalingParts(self._scaler_text, join)

    def _scaler_join(self) -> Any:
        if self._scaler_text is None or self.joins is None:
            return None
        own = self.joins.scaler_join().apply(lambda known: json.dumps(known[self.placement.primary]))
        return pulumi.Output.secret(own)

    def _open(self, name: str, instances: Mapping[str, pulumi.Input[str]]) -> ClusterAccess:
        identifier = f"{self._stack}/{name}"
        if name in self._kubeconfigs:
            return open_known(name, identifier, self._kubeconfigs[name])
        if self._config.endpoint == "emulator" or self.joins is None:
            return open_rendered(name, self._stack, self._environ)
        return open_joined(name, identifier, self.joins, instances)

    def _open_secrets(self) -> tuple[Checksum | None, Any]:
        secrets = self._kube.secrets
        if secrets is None or self._config.phase < self._kube.workloads_phase:
            return None, None
        # Imported here: the SDK takes a third of a second.
        from sophia_infra.esc import load_for_program

        environment = load_for_program(secrets, environ=self._environ)
        if environment is None:
            return None, None

        def checksum(paths: Iterable[str]) -> str:
            return environment.checksum(paths)

        return checksum, pulumi.Output.secret(self._environ[secrets.token_env])

    def _offline_charts(self) -> Path | None:
        if self._config.endpoint != "emulator":
            return None
        return Path(self._environ.get("SOPHIA_HOME", ".sophia")).absolute() / "charts"
