"""Which Helm charts the platform installs: versions, repositories and where these facts come from.

A pin is a fact of a day. The repositories' public addresses are part of the products; nothing here opens
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from sophia_infra.charts.errors import UnknownChart

__all__ = ["CHARTS", "PINNED_ON", "Chart", "find_chart"]

PINNED_ON = date(2026, 11, 23)
"""The day on which versions and repositories were read; newer ones may exist."""

_OCI = "oci://"


@dataclass(frozen=True, slots=True)
class Chart:
    """One pinned chart.

    Attributes:
        name: the chart's name, which is also its key in `CHARTS`.
        version: the chart's version as its repository spells it (NVIDIA's carry a "v").
        app_version: version of what it installs; None where the chart names none.
        repository: `https://...` of a chart repository, or `oci://...` of the chart itself.
        namespace: where it is installed unless somebody says otherwise.
        released: day of the version's tag; None where the source gives none.
        has_hooks: True when the chart works through Helm hooks (definitions upgraded before, cleaned up
            after), False when it was rendered and has none, None when nobody looked.
        source: what was read for these facts.
        note: what does not follow from the source, or "".
    """

    name: str
    version: str
    app_version: str | None
    repository: str
    namespace: str
    released: date | None
    has_hooks: bool | None
    source: str
    note: str = ""

    @property
    def is_oci(self) -> bool:
        """Whether `repository` names the chart itself in an image registry."""
        return self.repository.startswith(_OCI)

    @property
    def reference(self) -> str:
        """What `helm install` takes: the whole address of an OCI chart, else the name beside `--repo`."""
        return self.repository if self.is_oci else self.name


def find_chart(name: str) -> Chart:
    """The pinned chart of this name. Raises UnknownChart, which names the closest one."""
    try:
        return CHARTS[name]
    except KeyError:
        raise UnknownChart(name, CHARTS) from None


_PROMETHEUS_COMMUNITY = "https://prometheus-community.github.io/helm-charts"
_KUBERNETES_IMAGES = "oci://registry.k8s.io"

CHARTS: Mapping[str, Chart] = MappingProxyType(
    {
        chart.name: chart
        for chart in (
            Chart(
                name="gpu-operator",
                version="v26.7.0",
                app_version="v26.7.0",
                repository="https://helm.ngc.nvidia.com/nvidia",
                namespace="gpu-operator",
                released=date(2026, 8, 20),
                has_hooks=True,
                source="NVIDIA/gpu-operator, tag v26.7.0",
                note="Chart.yaml in git says v1.0.0-devel; the tag is the release",
            ),
            Chart(
                name="external-secrets",
                version="2.9.0",
                app_version="v2.9.0",
                repository="https://charts.external-secrets.io",
                namespace="external-secrets",
                released=date(2026, 8, 8),
                has_hooks=False,
                source="external-secrets/external-secrets, tag helm-chart-2.9.0",
            ),
            Chart(
                name="kueue",
                version="0.19.2",
                app_version="v0.19.2",
                repository=f"{_KUBERNETES_IMAGES}/kueue/charts/kueue",
                namespace="kueue-system",
                released=date(2026, 8, 20),
                has_hooks=None,
                source="kubernetes-sigs/kueue, tag v0.19.2, charts/kueue",
            ),
            Chart(
                name="keda",
                version="2.20.2",
                app_version="2.20.2",
                repository="https://kedacore.github.io/charts",
                namespace="keda",
                released=date(2026, 7, 31),
                has_hooks=False,
                source="kedacore/charts, tag v2.20.2, keda",
            ),
            Chart(
                name="kube-prometheus-stack",
                version="88.5.3",
                app_version="v0.93.1",
                repository=_PROMETHEUS_COMMUNITY,
                namespace="monitoring",
                released=date(2026, 8, 21),
                has_hooks=True,
                source="prometheus-community/helm-charts, charts/kube-prometheus-stack",
                note="the certificates of its admission webhook are made by hook jobs",
            ),
            Chart(
                name="prometheus-adapter",
                version="5.3.0",
                app_version="v0.12.0",
                repository=_PROMETHEUS_COMMUNITY,
                namespace="monitoring",
                released=date(2026, 2, 19),
                has_hooks=False,
                source="prometheus-community/helm-charts, charts/prometheus-adapter",
            ),
            Chart(
                name="argo-rollouts",
                version="2.41.0",
                app_version="v1.9.0",
                repository="https://argoproj.github.io/argo-helm",
                namespace="argo-rollouts",
                released=None,
                has_hooks=None,
                source="argoproj/argo-helm, charts/argo-rollouts",
                note="its custom resources are checked as of controller v1.9.1",
            ),
            Chart(
                name="jobset",
                version="0.12.0",
                app_version=None,
                repository=f"{_KUBERNETES_IMAGES}/jobset/charts/jobset",
                namespace="jobset-system",
                released=date(2026, 5, 8),
                has_hooks=None,
                source="kubernetes-sigs/jobset, tag v0.12.0, charts/jobset",
            ),
            Chart(
                name="lws",
                version="0.10.0",
                app_version="v0.10.0",
                repository=f"{_KUBERNETES_IMAGES}/lws/charts/lws",
                namespace="lws-system",
                released=date(2026, 8, 11),
                has_hooks=None,
                source="kubernetes-sigs/lws, tag v0.10.0, charts/lws",
                note="inferred: git says 0.1.0, published charts carry the version of the application",
            ),
            Chart(
                name="opencost",
                version="2.5.17",
                app_version="1.120.1",
                repository="https://opencost.github.io/opencost-helm-chart",
                namespace="opencost",
                released=date(2026, 4, 28),
                has_hooks=None,
                source="opencost/opencost-helm-chart, charts/opencost",
            ),
        )
    }
)
"""Every pinned chart by its name."""
