"""Pod Security `restricted`, written from the standard's own table, apart from the code under test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
SECCOMP = {"RuntimeDefault", "Localhost"}


def restricted_problems(spec: Mapping[str, Any]) -> Iterator[str]:
    """What level `restricted` refuses in a pod's spec."""
    pod = spec.get("securityContext", {})
    for key in ("hostNetwork", "hostPID", "hostIPC", "hostUsers"):
        if spec.get(key):
            yield f"{key} is set"
    for volume in spec.get("volumes", []):
        kinds = set(volume) - {"name"}
        if not kinds <= VOLUMES:
            yield f"volume {volume['name']} is {kinds}"
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        own = container.get("securityContext", {})
        name = container["name"]
        if own.get("privileged"):
            yield f"{name} is privileged"
        if own.get("allowPrivilegeEscalation") is not False:
            yield f"{name} may gain privileges"
        if own.get("capabilities", {}).get("drop") != ["ALL"] or own["capabilities"].get("add"):
            yield f"{name} keeps capabilities"
        if own.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
            yield f"{name} may run as root"
        if own.get("runAsUser", pod.get("runAsUser")) == 0:
            yield f"{name} runs as user 0"
        profile = own.get("seccompProfile", pod.get("seccompProfile", {}))
        if profile.get("type") not in SECCOMP:
            yield f"{name} has no seccomp profile"
        if own.get("procMount") or own.get("windowsOptions"):
            yield f"{name} has options that are not allowed"
        if any(port.get("hostPort") for port in container.get("ports", [])):
            yield f"{name} takes a port of the node"
