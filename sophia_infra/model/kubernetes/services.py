"""What a cluster has beside workloads: namespaces, storage, images, ingress, secrets, training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sophia_infra.model.forms import ClosedModel, Form, choice_form, text_form, whole_number_form
from sophia_infra.model.inference import VariableName, parse_base_url
from sophia_infra.model.kubernetes.quantity import Bytes, CpuCount
from sophia_infra.model.kubernetes.texts import ClusterName, Domain, Duration, ImageDigest, ImageText
from sophia_infra.model.value_types import DnsName, YesNo

__all__ = [
    "ImagesConfig",
    "IngressConfig",
    "NamespaceConfig",
    "PodSecurity",
    "SecretsConfig",
    "StorageClassConfig",
    "TrainingConfig",
    "VariableName",
]

PodSecurity = Literal["restricted", "baseline", "privileged"]
Reclaim = Literal["Retain", "Delete"]

_EscName = Annotated[
    str,
    text_form(
        "a name of Pulumi ESC",
        pattern="[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?",
        rule="letters, digits, hyphens, dots and _",
        max_characters=100,
    ),
]
_RegistryHost = Annotated[
    str,
    text_form(
        "a registry host",
        pattern=r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?",
        rule="a host in lower case, with a port where it has one",
        max_characters=255,
    ),
]


class NamespaceConfig(ClosedModel):
    """A namespace: what its pods may do, and what all of them together may ask for."""

    pod_security: Annotated[
        PodSecurity, choice_form("a level of Pod Security", ("restricted", "baseline", "privileged"))
    ] = Field(
        default="restricted",
        description="restricted, baseline or privileged, enforced by the API server. Default restricted.",
    )
    cpu: CpuCount | None = Field(
        default=None,
        description="Cores that all pods together may request, for example 32. Default none: the nodes are "
        "the limit.",
    )
    memory: Bytes | None = Field(
        default=None, description="Memory that all pods together may request. Default none."
    )
    max_pods: Annotated[int, whole_number_form(1, 10_000)] | None = Field(
        default=None, description="Pods at most, 1 to 10000. Default none: the nodes are the limit."
    )


class StorageClassConfig(ClosedModel):
    """The StorageClass that claims get when they name none."""

    name: DnsName = Field(default="sophia-local", description="Its name. Default sophia-local.")
    provisioner: Annotated[
        str,
        text_form(
            "a provisioner",
            pattern=r"[a-z0-9][a-z0-9.-]*(?:/[a-z0-9][a-z0-9.-]*)?",
            rule="a name such as rancher.io/local-path",
            max_characters=253,
        ),
    ] = Field(
        default="rancher.io/local-path",
        description="Who makes the volumes. Default rancher.io/local-path, which k3s brings.",
    )
    reclaim: Annotated[Reclaim, choice_form("a reclaim policy", ("Retain", "Delete"))] = Field(
        default="Retain",
        description="Retain or Delete: what happens to the data when its claim goes. Default Retain.",
    )


class ImagesConfig(ClosedModel):
    """Which images may run."""

    require_digest: YesNo = Field(
        default=False,
        description="true refuses every image without a digest, from the phase that makes workloads. "
        "Default false: digests are known only after a build.",
    )
    digests: dict[ImageText, ImageDigest] = Field(
        default_factory=dict,
        description="Image as its row writes it -> digest to pin it to. Default none.",
    )
    registries: tuple[_RegistryHost, ...] = Field(
        default=(),
        description="Registry hosts that images may come from. Default empty: any, also names without host.",
    )

    def pinned(self, image: str) -> str:
        """`image` with its digest where one is known: what a pod runs."""
        digest = self.digests.get(image)
        return image if digest is None or "@" in image else f"{image}@{digest}"


class IngressConfig(ClosedModel):
    """How the cluster is reached from outside, always by TLS."""

    domain: Domain = Field(description="Domain under which hosts are made: app.<domain>. No default.")
    class_name: ClusterName = Field(
        default="traefik", description="IngressClass. Default traefik, which k3s brings."
    )
    tls_secret_prefix: DnsName = Field(
        default="sophia-tls",
        description="Certificates are in secrets <prefix>-<workload>. Default sophia-tls.",
    )
    cluster_issuer: ClusterName | None = Field(
        default=None,
        description="cert-manager's ClusterIssuer that makes them. Default none: the secrets are there.",
    )


class SecretsConfig(ClosedModel):
    """The Pulumi ESC environment that secrets come from."""

    organization: _EscName = Field(description="Organization in Pulumi Cloud. No default.")
    project: _EscName = Field(description="Project of the environment. No default.")
    environment: _EscName = Field(description="Name of the environment. No default.")
    api_url: (
        Annotated[str, Form(parse_base_url, {"type": "string", "format": "uri", "pattern": "^https?://"})]
        | None
    ) = Field(
        default=None,
        description="Address of the ESC service. Default: that of Pulumi Cloud; http only for the emulator.",
    )
    refresh_interval: Duration = Field(
        default="1h", description="How often the cluster reads it again: 1h, 30m. Default 1h."
    )
    token_env: VariableName = Field(
        default="PULUMI_ACCESS_TOKEN",
        description="Environment variable with the access token, never the token. Default "
        "PULUMI_ACCESS_TOKEN.",
    )
    rotate_days: Annotated[int, whole_number_form(1, 365)] = Field(
        default=30,
        description="Days after which a secret is due for a new value. Default 30, as in the plan.",
    )


class TrainingConfig(ClosedModel):
    """A queue for training jobs on the GPUs that services leave over. Runs on Kueue."""

    namespace: DnsName = Field(
        default="sophia-training", description="Namespace of the jobs. Default sophia-training."
    )
    queue: DnsName = Field(default="training", description="Name of the LocalQueue. Default training.")
    version: Annotated[
        str,
        text_form(
            "a release of Kueue",
            pattern=r"[0-9]{1,2}\.[0-9]{1,3}\.[0-9]{1,3}",
            rule="three numbers joined by dots, for example 0.19.2",
            max_characters=12,
        ),
    ] = Field(default="0.19.2", description="Chart version of Kueue, exact. Default 0.19.2.")
