"""One emulated Lambda Cloud account: its families, its control and its dump. Knows no HTTP."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any, Final

from sophia_infra.emulator.audit import AuditLog
from sophia_infra.emulator.billing import Meter
from sophia_infra.emulator.capacity import Capacity
from sophia_infra.emulator.core import Core
from sophia_infra.emulator.document import operation_ids
from sophia_infra.emulator.errors import INSTANCE_NOT_FOUND, InvalidSettings, Refused
from sophia_infra.emulator.fabric import Fabric
from sophia_infra.emulator.faults import FaultBook
from sophia_infra.emulator.filesystems import Filesystems
from sophia_infra.emulator.firewalls import Firewalls
from sophia_infra.emulator.instances import Instances
from sophia_infra.emulator.limits import Limits
from sophia_infra.emulator.requests_seen import RequestsSeen
from sophia_infra.emulator.settings import CloudSettings
from sophia_infra.emulator.ssh_keys import SSHKeys
from sophia_infra.emulator.tickets import Tickets
from sophia_infra.model.catalogue import CATALOGUE, REGIONS
from sophia_infra.model.clock import Clock, ScaledClock, SystemClock, VirtualClock

__all__ = ["Cloud"]

_ID: Final = re.compile(r"[0-9a-f]{32}")


class Cloud:
    """One emulated account. Threads share it under `lock`, which the server takes for each request.

    Args:
        settings: the account's knobs; all defaults when None.
        clock: the only source of time. A `VirtualClock` (default) stands still until `advance`.
    """

    def __init__(self, settings: CloudSettings | None = None, clock: Clock | None = None) -> None:
        self.core = Core(settings or CloudSettings(), clock or VirtualClock())
        self.faults = FaultBook(operation_ids)
        self.limits = Limits(self.core)
        self.requests = RequestsSeen()
        self.capacity = Capacity(self.core)
        self.meter = Meter(self.core)
        self.audit_log = AuditLog(self.core)
        self.ssh_keys = SSHKeys(self.core)
        self.filesystems = Filesystems(self.core, self.meter)
        self.firewalls = Firewalls(self.core)
        self.fabric = Fabric(self.core)
        self.tickets = Tickets(self.core)
        self.instances = Instances(
            self.core,
            capacity=self.capacity,
            meter=self.meter,
            ssh_keys=self.ssh_keys,
            filesystems=self.filesystems,
            firewalls=self.firewalls,
        )

    @property
    def lock(self) -> threading.RLock:
        return self.core.lock

    @property
    def settings(self) -> CloudSettings:
        return self.core.settings

    @property
    def speed(self) -> float:
        """Virtual seconds per real second; 0 for a clock that moves only when told to."""
        clock = self.core.clock
        if isinstance(clock, ScaledClock):
            return clock.speed
        return 1.0 if isinstance(clock, SystemClock) else 0.0

    def now(self) -> float:
        """Seconds since 1970 on the emulator's clock."""
        return self.core.now()

    def advance(self, duration_s: float) -> None:
        """Let `duration_s` seconds pass at once, for everything in the account."""
        with self.lock:
            self.core.advance(duration_s)
            self.instances.settle()

    def change_settings(self, values: Mapping[str, Any]) -> CloudSettings:
        """Set some knobs from now on (`reset` brings the first ones back). Raises InvalidSettings."""
        with self.lock:
            self.core.settings = self.core.settings.changed(values)
            return self.core.settings

    def set_capacity(
        self, instance_type: str, region: str, count: int | None, *, listed: bool | None = None
    ) -> None:
        """Room for `count` instances of a type in a region (None: unlimited); see `Capacity.set`.

        Raises:
            InvalidSettings: an unknown type or region, or a count below 0.
        """
        if instance_type not in CATALOGUE:
            raise InvalidSettings(f"instance_type {instance_type!r} is not in the catalogue")
        if region not in REGIONS:
            raise InvalidSettings(f"region {region!r} is unknown; known: {', '.join(REGIONS)}")
        if count is not None and count < 0:
            raise InvalidSettings(f"count is {count}; it must not be negative")
        with self.lock:
            self.capacity.set(instance_type, region, count, listed=listed)

    def set_cluster(self, instance_id: str, cluster_id: str | None) -> None:
        """Make it a machine of a 1-Click Cluster, as one that was reserved in the console is; None: of none.

        Raises:
            Refused: no instance ever had this id. InvalidSettings: `cluster_id` is no id.
        """
        if cluster_id is not None and not _ID.fullmatch(cluster_id):
            raise InvalidSettings(f"cluster_id is {cluster_id!r}; it has 32 lower-case hex digits")
        with self.lock:
            record = self.core.state.instances.get(instance_id)
            if record is None:
                raise Refused(INSTANCE_NOT_FOUND)
            record.cluster_id = cluster_id

    def reset(self) -> None:
        """As new, except for the time: no resources, no faults, no log, first settings and seed."""
        with self.lock:
            self.core.clear()
            self.faults.clear()
            self.limits.clear()
            self.requests.clear()

    def dump(self) -> dict[str, Any]:
        """Everything a test wants to know, as JSON. Money is text; ended instances are included.

        Tokens, user data and private keys are not in it.
        """
        with self.lock:
            self.instances.settle()
            state = self.core.state
            return {
                "now_s": self.now(),
                "instances": [
                    {
                        "id": one.id,
                        "name": one.name,
                        "status": one.status,
                        "type": one.instance_type,
                        "region": one.region,
                        "ip": one.ip,
                        "cluster_id": one.cluster_id,
                        "tags": {tag.key: tag.value for tag in one.tags},
                        "ssh_key_names": [one.ssh_key_name],
                        "filesystem_names": [mount.filesystem_name for mount in one.mounts],
                        "firewall_ruleset_ids": one.firewall_ruleset_ids,
                        "image_id": one.image_id,
                        "user_data_bytes": one.user_data_bytes,
                        "launched_at_s": one.launched_at_s,
                        "ended_at_s": one.ended_at_s,
                        "billed_usd": str(self.meter.instance_usd(one)),
                    }
                    for one in state.instances.values()
                ],
                "ssh_keys": [{"id": one.id, "name": one.name} for one in state.ssh_keys.values()],
                "filesystems": [
                    {
                        "id": one.id,
                        "name": one.name,
                        "region": one.region,
                        "bytes_used": one.bytes_used,
                        "is_in_use": self.filesystems.is_in_use(one.id),
                        "billed_usd": str(self.meter.filesystem_usd(one)),
                    }
                    for one in state.filesystems.values()
                ],
                "firewall_rulesets": [
                    {
                        "id": one.id,
                        "name": one.name,
                        "region": one.region,
                        "rule_count": len(one.rules),
                        "instance_ids": self.firewalls.instance_ids(one.id),
                    }
                    for one in state.rulesets.values()
                ],
                "billing": self.meter.totals(),
                "capacity": dict(state.capacity),
                "requests_dropped": self.requests.dropped,
                "requests_limited": self.limits.refused_count,
            }
