"""What every resource family of one account shares: settings, clock, randomness, records, audit log."""

from __future__ import annotations

import random
import threading
import uuid

from sophia_infra.emulator.records import AuditRecord, RuleRecord, State
from sophia_infra.emulator.settings import CloudSettings
from sophia_infra.model.clock import Clock, VirtualClock

__all__ = ["AUDIT_EVENTS_KEPT", "Core", "default_rules"]

AUDIT_EVENTS_KEPT = 2000
"""Older audit events are forgotten, so that the state file stays small."""

_NETWORKS = ("192.0.2", "198.51.100", "203.0.113")
_HOSTS_PER_NETWORK = 254


def default_rules() -> list[RuleRecord]:
    """What a new account lets in: SSH and ICMP (the vendor documents no default; our guess)."""
    return [
        RuleRecord("tcp", [22, 22], "0.0.0.0/0", "Allow SSH from anywhere"),
        RuleRecord("icmp", None, "0.0.0.0/0", "Allow ICMP from anywhere"),
    ]


class Core:
    """The shared heart of one emulated account. Hold `lock` around every use from outside.

    Args:
        settings: the account's knobs.
        clock: the only source of time; `advance` moves it when it is virtual, else an offset on it.
    """

    def __init__(self, settings: CloudSettings, clock: Clock) -> None:
        self.initial_settings = settings
        self.settings = settings
        self.clock = clock
        self.offset_s = 0.0
        self.lock = threading.RLock()
        self.random = random.Random(settings.seed)  # noqa: S311 (repeatable on purpose)
        self.state = _empty_state()

    def now(self) -> float:
        """Seconds since 1970 on the emulator's clock."""
        return self.clock.now() + self.offset_s

    def advance(self, duration_s: float) -> None:
        """Let `duration_s` seconds pass at once. ValueError below 0: time never runs backwards."""
        if duration_s < 0:
            raise ValueError(f"cannot advance by {duration_s} s")
        if isinstance(self.clock, VirtualClock):
            self.clock.advance(duration_s)
        else:
            self.offset_s += duration_s

    def clear(self) -> None:
        """Forget everything but the time: as new, with the settings and the seed of the start."""
        self.settings = self.initial_settings
        self.random = random.Random(self.settings.seed)  # noqa: S311
        self.state = _empty_state()

    def new_id(self) -> str:
        """32 lower-case hex digits, as instances, keys, filesystems and rulesets have."""
        return f"{self.random.getrandbits(128):032x}"

    def new_uuid(self) -> str:
        """A dashed UUID, as images and fabric partitions have."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def new_addresses(self, taken: set[str]) -> tuple[str, str]:
        """A public address of the documentation ranges and a private one.

        762 public ones exist; above that many live instances they are shared.
        """
        total = len(_NETWORKS) * _HOSTS_PER_NETWORK
        for _ in range(total):
            sequence = self.state.address_sequence
            self.state.address_sequence += 1
            network, host = divmod(sequence % total, _HOSTS_PER_NETWORK)
            public = f"{_NETWORKS[network]}.{host + 1}"
            if public not in taken:
                break
        return public, f"10.{sequence // 62500 % 256}.{sequence // 250 % 250}.{sequence % 250 + 2}"

    def audit(self, resource_name: str, action: str, resource_ids: list[str], **details: str) -> None:
        """Note a write. The newest `AUDIT_EVENTS_KEPT` stay."""
        state = self.state
        state.audit_sequence += 1
        state.audit_events.append(
            AuditRecord(
                sequence=state.audit_sequence,
                event_id=self.new_id(),
                resource_name=resource_name,
                action=action,
                resource_ids=resource_ids,
                at_s=self.now(),
                details=details,
            )
        )
        del state.audit_events[:-AUDIT_EVENTS_KEPT]


def _empty_state() -> State:
    return State(global_rules=default_rules(), account_rules=default_rules())
