"""Instances: launch, look, rename, restart, terminate, and what happens to them from outside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sophia_infra.emulator.billing import Meter
from sophia_infra.emulator.capacity import Capacity
from sophia_infra.emulator.core import Core
from sophia_infra.emulator.errors import (
    CONFLICT,
    INSTANCE_NOT_FOUND,
    INSUFFICIENT_CAPACITY,
    INVALID_ADDRESS,
    QUOTA_EXCEEDED,
    InvalidSettings,
    Refused,
)
from sophia_infra.emulator.filesystems import Filesystems
from sophia_infra.emulator.firewalls import Firewalls
from sophia_infra.emulator.images import find_for_launch
from sophia_infra.emulator.launch_orders import LaunchOrder
from sophia_infra.emulator.records import InstanceRecord, Step, TagRecord
from sophia_infra.emulator.ssh_keys import SSHKeys
from sophia_infra.emulator.transitions import (
    boot_steps,
    draw_boot_s,
    due_on_look,
    due_on_read,
    restart_steps,
    terminate_steps,
)
from sophia_infra.model.catalogue import CATALOGUE

__all__ = ["ENDED", "STATUSES", "Instances"]

STATUSES: Final = ("booting", "active", "unhealthy", "terminated", "terminating", "preempted")
ENDED: Final = frozenset({"terminated", "preempted"})
"""Statuses in which an instance costs nothing, holds no room and can never come back."""


class Instances:
    """All instances of one account. Every look first carries out what the clock has made due."""

    def __init__(
        self,
        core: Core,
        *,
        capacity: Capacity,
        meter: Meter,
        ssh_keys: SSHKeys,
        filesystems: Filesystems,
        firewalls: Firewalls,
    ) -> None:
        self._core = core
        self._capacity = capacity
        self._meter = meter
        self._ssh_keys = ssh_keys
        self._filesystems = filesystems
        self._firewalls = firewalls

    def settle(self) -> None:
        """Carry out the steps that are due. Call before reading any record."""
        now_s, settings = self._core.now(), self._core.settings
        for record in self._core.state.instances.values():
            for step in due_on_look(settings, record, now_s):
                self._take(record, step)

    def ever(self) -> list[InstanceRecord]:
        """Every instance ever launched here, ended ones too."""
        self.settle()
        return list(self._core.state.instances.values())

    def listed(self) -> list[InstanceRecord]:
        """What the list shows; counts as a read of each on the clock `per_read`."""
        self.settle()
        shown = [one for one in self._core.state.instances.values() if self._is_listed(one)]
        self._read(shown)
        return [one for one in shown if self._is_listed(one)]

    def get(self, instance_id: str) -> InstanceRecord:
        """One instance by id; counts as a read. Refused 404: unknown, gone, or not shown yet."""
        record = self._find(instance_id)
        if not self._core.settings.get_sees_lagging and self._is_lagging(record):
            raise Refused(INSTANCE_NOT_FOUND)
        self._read([record])
        return self._find(instance_id)

    def launch(self, order: LaunchOrder) -> InstanceRecord:
        """Launch one instance. It costs money from now on, whatever becomes of it.

        Raises:
            Refused: everything the real launch refuses, in this order: billing address, form, type and
                region, key, image, filesystems, rulesets, quota, capacity. Nothing was launched.
        """
        self.settle()
        core, settings = self._core, self._core.settings
        if not settings.billing_address_valid:
            raise Refused(INVALID_ADDRESS)
        order.refuse_wrong_form()
        type_row = CATALOGUE[order.instance_type]
        key = self._ssh_keys.named(order.ssh_key_names[0])
        image = find_for_launch(order.image, order.region, type_row.architecture)
        mounts = self._filesystems.mounts_for_launch(
            order.file_system_names, order.file_system_mounts, order.region
        )
        ruleset_ids = self._firewalls.ids_for_launch(order.firewall_rulesets, order.region)
        live = [one for one in core.state.instances.values() if one.ended_at_s is None]
        if settings.quota_instances is not None and len(live) >= settings.quota_instances:
            raise Refused(QUOTA_EXCEEDED)
        same = sum(1 for one in live if (one.instance_type, one.region) == (type_row.name, order.region))
        if not self._capacity.has_room(type_row.name, order.region, same):
            raise Refused(INSUFFICIENT_CAPACITY)
        now_s = core.now()
        record = InstanceRecord(
            id=core.new_id(),
            name=order.name,
            status="booting",
            instance_type=type_row.name,
            region=order.region,
            ssh_key_id=key.id,
            ssh_key_name=key.name,
            hostname=order.hostname,
            image_id=image.id,
            user_data_bytes=order.user_data_bytes,
            tags=[TagRecord(tag["key"], tag["value"]) for tag in order.tags],
            mounts=mounts,
            firewall_ruleset_ids=ruleset_ids,
            jupyter_token=core.new_id(),
            cents_per_hour=self._meter.cents_per_hour(type_row.name),
            launched_at_s=now_s,
            comes_up_unhealthy=core.random.random() < settings.unhealthy_boot_share,
            schedule=boot_steps(settings, now_s, draw_boot_s(settings, core.random, type_row.gpu_count)),
        )
        core.state.instances[record.id] = record
        core.audit(
            "instance", "launched", [record.id], instance_type=record.instance_type, region=record.region
        )
        return record

    def rename(self, instance_id: str, name: str | None) -> InstanceRecord:
        """Set the name, the only thing that can change. None (not sent) leaves it as it is."""
        record = self._find(instance_id)
        if name is not None:
            record.name = name
        self._core.audit("instance", "updated", [record.id])
        return record

    def restart(self, instance_ids: list[str]) -> list[InstanceRecord]:
        """Reboot instances that run; all or none. Refused: 404 unknown, 409 not running (any of them)."""
        records = self._find_all(instance_ids)
        for record in records:
            if record.status not in {"active", "unhealthy"}:
                raise Refused(CONFLICT, f"Instance {record.id} is {record.status} and cannot be restarted.")
        for record in records:
            record.restarting_from, record.status = record.status, "booting"
            record.schedule = restart_steps(self._core.settings, self._core.now())
        self._core.audit("instance", "restarted", [one.id for one in records])
        return records

    def terminate(self, instance_ids: list[str]) -> list[InstanceRecord]:
        """End instances; all or none. One that is ending or ended already is answered as it is.

        Raises:
            Refused: 404 one is unknown or gone; 409 one is younger than `terminate_refused_s`.
        """
        records = self._find_all(instance_ids)
        for record in records:
            if self.refuses_terminate(record):
                raise Refused(CONFLICT, f"Instance {record.id} was launched just now; try again shortly.")
        ending = [one for one in records if one.status not in ENDED and one.status != "terminating"]
        for record in ending:
            self._begin_end(record)
        self._core.audit("instance", "terminated", [one.id for one in records])
        return records

    def refuses_terminate(self, record: InstanceRecord) -> bool:
        """Whether it is too young to be terminated (a knob; the flag was seen live)."""
        age_s = self._core.now() - record.launched_at_s
        return record.status == "booting" and age_s < self._core.settings.terminate_refused_s

    def set_status(self, instance_id: str, status: str) -> InstanceRecord:
        """Something outside the API happens to an instance: console, host failure, preemption.

        Raises:
            Refused: no instance ever had this id. InvalidSettings: no such status, or it has ended.
        """
        self.settle()
        record = self._core.state.instances.get(instance_id)
        if record is None:
            raise Refused(INSTANCE_NOT_FOUND)
        if status not in STATUSES:
            raise InvalidSettings(f"status is {status!r}; allowed: {', '.join(STATUSES)}")
        if record.ended_at_s is not None:
            raise InvalidSettings(f"instance {instance_id} is {record.status}; it cannot come back")
        record.restarting_from = None
        if status == "terminating":
            self._begin_end(record)
        elif status in ENDED:
            self._end(record, status, self._core.now())
        elif status == "booting":
            record.status, record.ip, record.private_ip = status, None, None
            core, gpu_count = self._core, CATALOGUE[record.instance_type].gpu_count
            boot_s = draw_boot_s(core.settings, core.random, gpu_count)
            record.schedule = boot_steps(core.settings, core.now(), boot_s)
        else:
            self._give_address(record)
            record.status, record.schedule = status, []
        return record

    def _find(self, instance_id: str) -> InstanceRecord:
        self.settle()
        record = self._core.state.instances.get(instance_id)
        if record is None or self._is_gone(record):
            raise Refused(INSTANCE_NOT_FOUND)
        return record

    def _find_all(self, instance_ids: Iterable[str]) -> list[InstanceRecord]:
        return [self._find(one) for one in dict.fromkeys(instance_ids)]

    def _is_lagging(self, record: InstanceRecord) -> bool:
        return self._core.now() - record.launched_at_s < self._core.settings.list_lag_s

    def _is_gone(self, record: InstanceRecord) -> bool:
        if record.ended_at_s is None:
            return False
        return self._core.now() - record.ended_at_s >= self._core.settings.terminated_visible_s

    def _is_listed(self, record: InstanceRecord) -> bool:
        return not self._is_lagging(record) and not self._is_gone(record)

    def _read(self, records: list[InstanceRecord]) -> None:
        now_s, settings = self._core.now(), self._core.settings
        for record in records:
            for step in due_on_read(settings, record, now_s):
                self._take(record, step)

    def _take(self, record: InstanceRecord, step: Step) -> None:
        outcome: dict[str, Any] = {
            "address": self._give_address,
            "booted": self._finish_boot,
            "restarted": self._finish_restart,
        }
        if step.event == "terminated":
            self._end(record, "terminated", step.due_s)
        else:
            outcome[step.event](record)

    def _give_address(self, record: InstanceRecord) -> None:
        if record.ip is None:
            taken = {
                one.ip for one in self._core.state.instances.values() if one.ip and one.ended_at_s is None
            }
            record.ip, record.private_ip = self._core.new_addresses(taken)
            record.hostname = record.hostname or record.ip.replace(".", "-")

    def _finish_boot(self, record: InstanceRecord) -> None:
        self._give_address(record)
        record.status = "unhealthy" if record.comes_up_unhealthy else "active"

    def _finish_restart(self, record: InstanceRecord) -> None:
        record.status, record.restarting_from = record.restarting_from or "active", None

    def _begin_end(self, record: InstanceRecord) -> None:
        record.status, record.restarting_from, record.reads = "terminating", None, 0
        record.schedule = terminate_steps(self._core.settings, self._core.now())

    def _end(self, record: InstanceRecord, status: str, at_s: float) -> None:
        record.status, record.ended_at_s, record.schedule = status, at_s, []
