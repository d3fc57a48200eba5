"""`helm.v3.Release` by the helm binary. Its objects are helm's: not previewed, not seen by policies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sophia_infra.kubernetes_plugin.charts import (
    chart_arguments,
    is_local,
    local_version,
    merged_values,
    why_chart_is_refused,
)
from sophia_infra.kubernetes_plugin.errors import ClusterUnreachable, NotReady, ReleaseFailed
from sophia_infra.kubernetes_plugin.helm import Helm
from sophia_infra.kubernetes_plugin.helm_records import (
    OWNER_LABEL,
    find_own_release,
    find_release,
    names_in_release,
    owner,
    values_of_release,
)
from sophia_infra.kubernetes_plugin.names import autoname
from sophia_infra.kubernetes_plugin.requests import Checked, Found, Reporter, Request
from sophia_infra.kubernetes_plugin.session import Session
from sophia_infra.kubernetes_plugin.tokens import split_id
from sophia_infra.plugin_protocol.changes import Difference, find_changes
from sophia_infra.plugin_protocol.values import UNKNOWN, Properties

DEFAULT_TIMEOUT_S = 300.0
"""Helm's own, and the official plugin's."""

_OUTPUT_ONLY = ("status", "resourceNames", "manifest")
_NO_EFFECT = ("compat", "lint", "reuseValues", "resetValues", "replace", "keyring")
_STATUS = ("appVersion", "chart", "name", "namespace", "revision", "status", "version")
_FLAGS = {
    "atomic": "--atomic",
    "createNamespace": "--create-namespace",
    "dependencyUpdate": "--dependency-update",
    "devel": "--devel",
    "disableOpenapiValidation": "--disable-openapi-validation",
    "disableWebhooks": "--no-hooks",
    "forceUpdate": "--force",
    "renderSubchartNotes": "--render-subchart-notes",
    "skipCrds": "--skip-crds",
    "takeOwnership": "--take-ownership",
    "verify": "--verify",
    "waitForJobs": "--wait-for-jobs",
}


class Releases:
    """The verbs for one release each."""

    def __init__(self, session: Session, reporter: Reporter) -> None:
        self._session = session
        self._reporter = reporter

    def check(self, request: Request) -> Checked:
        inputs = {key: item for key, item in request.new.value.items() if key not in _OUTPUT_ONLY}
        failures: dict[str, str] = {}
        if self._session.settings.render_directory:
            failures["chart"] = (
                "a Release cannot be rendered to a directory by this plugin: leave it out there, "
                "or render the chart with `helm template`"
            )
            return Checked(Properties(inputs, request.new.secrets), failures)
        inputs.setdefault("namespace", self._session.namespace)
        if "name" not in inputs:
            earlier = request.old_inputs.value.get("name")
            inputs["name"] = earlier or autoname(request.name, request.seed)
        refused = why_chart_is_refused(inputs)
        if refused:
            failures[refused[0]] = refused[1]
        elif isinstance(inputs.get("chart"), str) and is_local(inputs["chart"]):
            inputs.setdefault("version", local_version(inputs["chart"]))
        return Checked(Properties(inputs, request.new.secrets), failures)

    def diff(self, request: Request) -> Difference:
        changes = {
            route: change
            for route, change in find_changes(request.old_inputs.value, request.new.value).items()
            if route[0] not in _NO_EFFECT
        }
        replaces = frozenset(route for route in changes if route[0] in ("name", "namespace"))
        return Difference(changes, replaces)

    def create(self, request: Request) -> tuple[str, Properties]:
        if request.preview:
            return "", self._foreseen(request)
        name, namespace = str(request.new.value["name"]), str(request.new.value["namespace"])
        helm = self._helm()
        earlier = find_own_release(helm, name, namespace, request.urn)
        if earlier and earlier["status"].startswith("pending-install"):
            # An interrupted run left it half-made, and helm refuses to touch it.
            helm.run(["uninstall", name, "--namespace", namespace, "--wait"])
            earlier = None
        return f"{namespace}/{name}", self._write(helm, request, "upgrade" if earlier else "install")

    def update(self, request: Request) -> Properties:
        if request.preview:
            return self._foreseen(request)
        name, namespace = str(request.new.value["name"]), str(request.new.value["namespace"])
        helm = self._helm()
        earlier = find_own_release(helm, name, namespace, request.urn)
        if earlier and earlier["status"].startswith("pending-"):
            helm.run(["rollback", name, "--namespace", namespace])
        return self._write(helm, request, "upgrade")

    def read(self, request: Request) -> Found | None:
        namespace, name = split_id(request.id)
        namespace = namespace or self._session.namespace
        try:
            helm = self._helm()
        except ClusterUnreachable as unreachable:
            self._forget_or_raise(request, unreachable)
            return None
        release = find_release(helm, name, namespace)
        if release is None:
            return None
        if request.old_inputs.value:
            inputs = dict(request.old_inputs.value)
            if str(inputs.get("version", "")).removeprefix("v") != str(release["version"]).removeprefix("v"):
                inputs["version"] = release["version"]
        else:
            inputs = {"chart": release["chart"], "version": release["version"], "name": name}
            inputs |= {"namespace": namespace, "values": values_of_release(helm, name, namespace)}
        found = Properties(inputs, request.old_inputs.secrets)
        return Found(f"{namespace}/{name}", self._record(helm, release, found), found)

    def delete(self, request: Request) -> None:
        namespace, name = split_id(request.id)
        old = request.old.value
        command = ["uninstall", name, "--namespace", namespace or self._session.namespace]
        command += ["--ignore-not-found", "--timeout", f"{self._timeout_s(request, old):.0f}s"]
        command += [] if old.get("skipAwait") else ["--wait"]
        command += ["--no-hooks"] if old.get("disableWebhooks") else []
        try:
            helm = self._helm()
        except ClusterUnreachable as unreachable:
            self._forget_or_raise(request, unreachable)
            return
        helm.run(command)

    def _write(self, helm: Helm, request: Request, verb: str) -> Properties:
        """Install or upgrade. A release that is there and failed is recorded, for the next run to upgrade."""
        inputs = request.new.value
        name, namespace = str(inputs["name"]), str(inputs["namespace"])
        command = [verb, name, *chart_arguments(inputs), "--namespace", namespace]
        command += ["--labels", f"{OWNER_LABEL}={owner(request.urn)}"]
        command += ["--timeout", f"{self._timeout_s(request, inputs):.0f}s"]
        command += [flag for key, flag in _FLAGS.items() if inputs.get(key)]
        command += [] if inputs.get("skipAwait") else ["--wait"]
        command += ["--description", str(inputs["description"])] if inputs.get("description") else []
        if verb == "upgrade":
            command += ["--install", "--reset-values"]  # --install: somebody may have removed it meanwhile
            command += ["--cleanup-on-fail"] if inputs.get("cleanupOnFail") else []
            command += ["--history-max", str(inputs["maxHistory"])] if inputs.get("maxHistory") else []
        try:
            helm.run(command, values=merged_values(inputs))
            release = find_release(helm, name, namespace)
        except ReleaseFailed as failed:
            ours = find_own_release(helm, name, namespace, request.urn)
            left = find_release(helm, name, namespace) if ours else None
            if left is None:
                raise
            outputs = self._record(helm, left, request.new)
            raise NotReady([failed.message], id_=f"{namespace}/{name}", outputs=outputs) from None
        if release is None:
            raise ReleaseFailed(f"The release {name} was removed by somebody else just now.")
        return self._record(helm, release, request.new)

    def _forget_or_raise(self, request: Request, unreachable: ClusterUnreachable) -> None:
        if not self._session.settings.delete_unreachable:
            raise unreachable
        self._reporter.warn(request.urn, f"forgotten, as deleteUnreachable says: {unreachable}")

    def _foreseen(self, request: Request) -> Properties:
        value = {**request.new.value, "status": UNKNOWN, "resourceNames": UNKNOWN}
        return Properties(value, request.new.secrets)

    def _record(self, helm: Helm, release: Mapping[str, Any], inputs: Properties) -> Properties:
        status = {key: release.get(key) for key in _STATUS}
        names = names_in_release(helm, str(release["name"]), str(release["namespace"]))
        return Properties({**inputs.value, "status": status, "resourceNames": names}, inputs.secrets)

    def _timeout_s(self, request: Request, inputs: Mapping[str, Any]) -> float:
        return request.timeout_s or float(inputs.get("timeout") or DEFAULT_TIMEOUT_S)

    def _helm(self) -> Helm:
        """The binary against the cluster, which was reached: helm itself would try for minutes."""
        self._session.cluster.connection.reach()
        return Helm(self._session.kubeconfig.as_text(), self._session.cancelled, self._session.settings.helm)
