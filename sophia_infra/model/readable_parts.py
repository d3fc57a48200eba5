"""What can be read of a configuration that as a whole cannot, so that everything wrong is said at once."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from sophia_infra.model.forms import Conflict
from sophia_infra.model.gateway import GatewayConfig
from sophia_infra.model.instance import InstanceConfig
from sophia_infra.model.kubernetes.config import ONLY_PARTS, KubernetesConfig
from sophia_infra.model.kubernetes.config_rules import find_kubernetes_conflicts
from sophia_infra.model.network import FirewallConfig
from sophia_infra.model.scaler import ScalerConfig
from sophia_infra.model.stack_rules import StackParts
from sophia_infra.model.storage import FilesystemConfig
from sophia_infra.model.training import ClusterConfig
from sophia_infra.model.workload_table import SECTIONS

__all__ = ["find_section_conflicts", "read_kubernetes_parts", "read_parts"]

_Model = TypeVar("_Model", bound=BaseModel)


def read_parts(raw: Mapping[str, Any]) -> StackParts:
    """The parts of a stack that refer to each other, as far as they can be read."""
    fleet = _entries(raw.get("fleet"), InstanceConfig)
    endpoint = raw.get("endpoint")
    phase = str(raw.get("phase", 1))
    section = raw.get("kubernetes")
    kubernetes, unreadable = read_kubernetes_parts(section) if isinstance(section, dict) else (None, set())
    return StackParts(
        fleet={name: instance for name, instance in (fleet or {}).items() if instance is not None},
        filesystems=_entries(raw.get("filesystems", {}), FilesystemConfig),
        firewalls=_entries(raw.get("firewalls", {}), FirewallConfig),
        endpoint=endpoint if endpoint in ("emulator", "lambda") else None,
        has_emulator=raw.get("emulator") is not None,
        has_ssh=raw.get("ssh") is not None,
        phase=int(phase) if phase in ("1", "2", "3") else 1,
        kubernetes=kubernetes,
        gateway=_one(raw.get("gateway"), GatewayConfig),
        has_gateway=raw.get("gateway") is not None,
        training={
            name: cluster
            for name, cluster in (_entries(raw.get("training", {}), ClusterConfig) or {}).items()
            if cluster is not None
        },
        scaler=None if raw.get("scaler") is None else _one(raw["scaler"], ScalerConfig),
        has_scaler=raw.get("scaler") is not None,
        is_whole=fleet is not None and None not in fleet.values() and not unreadable,
    )


def read_kubernetes_parts(section: Mapping[str, Any]) -> tuple[KubernetesConfig | None, set[str]]:
    """The section without what cannot be read, and the names of that: `images`, `workloads.sophia-backend`.

    None when not even an empty section would be left.
    """
    rest: dict[str, Any] = copy.copy(dict(section))
    unreadable: set[str] = set()
    while True:
        try:
            return KubernetesConfig.model_validate(rest, context=ONLY_PARTS), unreadable
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                loc = detail["loc"]
                if not loc:
                    return None, unreadable
                key = str(loc[0])
                if key in SECTIONS and len(loc) > 1 and isinstance(rest.get(key), dict):
                    rest[key] = {name: row for name, row in rest[key].items() if name != loc[1]}
                    unreadable.add(f"{key}.{loc[1]}")
                else:
                    rest.pop(key, None)
                    unreadable.add(key)


def find_section_conflicts(section: object) -> list[Conflict]:
    """Conflicts inside a `sophia:kubernetes` section that cannot be read as a whole; paths from the top."""
    kube, unreadable = read_kubernetes_parts(section) if isinstance(section, dict) else (None, set())
    if kube is None:
        return []
    found = find_kubernetes_conflicts(kube, unreadable)
    return [Conflict(("kubernetes", *conflict.loc), conflict.refused, conflict.value) for conflict in found]


def _one(section: object, model: type[_Model]) -> _Model | None:
    try:
        return model.model_validate(section)
    except ValidationError:
        return None


def _entries(section: object, model: type[_Model]) -> dict[str, _Model | None] | None:
    if not isinstance(section, dict):
        return None
    found: dict[str, _Model | None] = {}
    for name, value in section.items():
        try:
            found[name] = model.model_validate(value)
        except ValidationError:
            found[name] = None
    return found
