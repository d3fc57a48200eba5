"""The machines of a run as nodes of a Kubernetes cluster: one Job for all of them, let in by Kueue.

An API server that does not answer is no lost node: what is lost, Lambda's list says. Nothing here raises for
it; the job is looked at again at the next look.
"""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sophia_infra.kubernetes_plugin.api import KubernetesApi
from sophia_infra.kubernetes_plugin.errors import ApiRefused, PluginError
from sophia_infra.model.kubernetes.services import TrainingConfig
from sophia_infra.model.training import TRAINING_NODE_LABEL
from sophia_infra.training.access import JobLook, JobStart, Node
from sophia_infra.training.errors import JobFailed
from sophia_infra.training.kueue_job import JobRequest, training_job
from sophia_infra.training.run_spec import RunSpec

__all__ = ["KubernetesAccess"]

_FAILED: Final = 1
_DELETED: Final = 255
_INDEX_LABEL: Final = "batch.kubernetes.io/job-completion-index"


@dataclass(slots=True)
class KubernetesAccess:
    """See `MachineAccess`.

    Attributes:
        instance_type: answers the API name of the run's nodes: by it the job asks for whole machines.
        training: namespace of the jobs.
        image: of the job. `claim`: its checkpoints, None without.
    """

    api: KubernetesApi
    spec: RunSpec
    instance_type: Callable[[], str]
    training: TrainingConfig
    image: str
    claim: str | None = None
    _seen: set[int] = field(default_factory=set)

    def answers(self, node: Node) -> bool:
        """Whether its node is Ready."""
        try:
            found = self.api.request("GET", self._node_path(node))
        except PluginError:
            return False
        conditions = (found.get("status") or {}).get("conditions") or []
        return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)

    def start(self, job: JobStart, node: Node) -> None:  # noqa: ARG002 (one Job is for all nodes)
        self._ensure(job)

    def look(self, job: JobStart, node: Node) -> JobLook:  # noqa: ARG002
        self._ensure(job)
        try:
            found = self.api.request("GET", self._job_path(job))
        except PluginError as error:
            if isinstance(error, ApiRefused) and error.code == 404 and job.incarnation in self._seen:
                return JobLook("ended", _DELETED, "its Job was deleted")
            return JobLook("running", words=error.message)
        met = _met(found)
        if "Complete" in met:
            return JobLook("ended", 0)
        if "Failed" in met:
            return JobLook("ended", _FAILED, str(met["Failed"].get("message", "")))
        return JobLook("running", words="it waits in its queue" if found["spec"].get("suspend") else "")

    def cancel(self, job: JobStart, node: Node) -> None:  # noqa: ARG002
        """Delete its Job, and what that owns; one that has ended stays, with the last words of its pods."""
        with contextlib.suppress(PluginError):
            if not _met(self.api.request("GET", self._job_path(job))).keys() & {"Complete", "Failed"}:
                query = {"propagationPolicy": "Background"}
                self.api.request("DELETE", self._job_path(job), query=query)

    def forget(self, node: Node) -> None:
        """Its machine joins no more; without its Node another machine may take the name."""
        with contextlib.suppress(PluginError):
            found = self.api.request("GET", self._node_path(node))
            labels = found["metadata"].get("labels") or {}
            if labels.get(TRAINING_NODE_LABEL) == self.spec.cluster:
                self.api.request("DELETE", self._node_path(node))

    def collect(self, job: JobStart, node: Node, source: str, target: Path) -> str:
        """The end of the log of a pod that failed; files lie on the claim, and nowhere else."""
        if not source.endswith("/log"):
            return "files of a joined run are on its claim" if self.claim else "a joined run keeps no files"
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        selector = f"batch.kubernetes.io/job-name={self._request(job).short_name},{_INDEX_LABEL}"
        try:
            path = f"/api/v1/namespaces/{self.training.namespace}/pods"
            found = self.api.request("GET", path, query={"labelSelector": f"{selector}={job.rank_of(node)}"})
        except PluginError as error:
            return f"the pod of node {node.number} could not be read: {error.message}"
        said = [text for pod in found.get("items") or [] for text in _last_words(pod)]
        if not said:
            return f"node {node.number} left no last words: its whole log is with the cluster's logs"
        (target / "last-words.txt").write_text("\n".join(said), encoding="utf-8")
        return f"the last words of node {node.number} are in {target}"

    def _ensure(self, job: JobStart) -> None:
        """Make Service, Job and Secret of this incarnation, once. Raises JobFailed when they are refused."""
        if job.incarnation in self._seen:
            return
        service, body = training_job(self._request(job), self.training)
        try:
            made = self._create("/apis/batch/v1", "jobs", body)["metadata"]
            owner = {"apiVersion": "batch/v1", "kind": "Job", "name": made["name"], "uid": made["uid"]}
            service["metadata"]["ownerReferences"] = [owner]
            self._create("/api/v1", "services", service)
            if job.variables:
                self._create("/api/v1", "secrets", self._secret(job, owner))
        except PluginError as error:
            if isinstance(error, ApiRefused) and error.code in (400, 403, 404, 422):
                raise JobFailed(
                    f"The cluster refuses the job of run {self.spec.run_id}: {error.message}",
                    next_step="correct what it names; `sophia up` makes namespace and queue.",
                ) from error
            return
        self._seen.add(job.incarnation)

    def _create(self, root: str, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create it, or take the one that is there: an apply would suspend a job again that was let in."""
        path = f"{root}/namespaces/{self.training.namespace}/{kind}"
        try:
            return self.api.request("POST", path, body=body)
        except ApiRefused as refused:
            if refused.code != 409:
                raise
        return self.api.request("GET", f"{path}/{body['metadata']['name']}")

    def _request(self, job: JobStart) -> JobRequest:
        variables = {
            "SOPHIA_RUN": job.run_id,
            "SOPHIA_INCARNATION": str(job.incarnation),
            "SOPHIA_NODES": str(len(job.nodes)),
            **({"SOPHIA_CHECKPOINTS": "/checkpoints"} if self.claim else {}),
        }
        name = f"train-{job.run_id}-{job.incarnation}"
        return JobRequest(
            name=name,
            instance_type=self.instance_type(),
            nodes=len(job.nodes),
            image=self.image,
            command=shlex.split(job.command),
            max_hours=self.spec.max_hours,
            max_usd=self.spec.max_usd,
            env_secret=name if job.variables else None,
            claim=self.claim,
            cluster=self.spec.cluster,
            variables=variables,
        )

    def _secret(self, job: JobStart, owner: dict[str, str]) -> dict[str, Any]:
        name = self._request(job).short_name
        metadata = {"name": name, "namespace": self.training.namespace, "ownerReferences": [owner]}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "stringData": dict(job.variables),
        }

    def _job_path(self, job: JobStart) -> str:
        name = self._request(job).short_name
        return f"/apis/batch/v1/namespaces/{self.training.namespace}/jobs/{name}"

    def _node_path(self, node: Node) -> str:
        return f"/api/v1/nodes/{self.spec.node_name(node.number)}"


def _met(job: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    conditions = (job.get("status") or {}).get("conditions") or []
    return {one["type"]: one for one in conditions if one.get("status") == "True"}


def _last_words(pod: Mapping[str, Any]) -> Iterator[str]:
    for status in (pod.get("status") or {}).get("containerStatuses") or []:
        ended = (status.get("state") or {}).get("terminated") or {}
        if ended:
            yield json.dumps({"code": ended.get("exitCode"), "reason": ended.get("reason")})
            yield str(ended.get("message") or "")
