"""What one emulated account holds: plain records, no behaviour, no HTTP.

All times are seconds since 1970 on the emulator's clock. Every record is written to the state file
field by field (`persistence`), so a field changed here changes that file's version.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "AttachmentRecord",
    "AuditRecord",
    "CommentRecord",
    "FilesystemRecord",
    "InstanceRecord",
    "MountRecord",
    "PartitionRecord",
    "RuleRecord",
    "RulesetRecord",
    "SSHKeyRecord",
    "State",
    "Step",
    "TagRecord",
    "TicketRecord",
]


@dataclass
class Step:
    """One declared transition of an instance: what happens, and when on the clock `seconds`."""

    event: str
    due_s: float


@dataclass
class MountRecord:
    filesystem_id: str
    filesystem_name: str
    mount_point: str


@dataclass
class TagRecord:
    key: str
    value: str


@dataclass
class InstanceRecord:
    """A launched instance, kept after its end because the meter and the dump show it."""

    id: str
    name: str | None
    status: str
    instance_type: str
    region: str
    ssh_key_id: str
    ssh_key_name: str
    hostname: str | None
    image_id: str
    user_data_bytes: int
    tags: list[TagRecord]
    mounts: list[MountRecord]
    firewall_ruleset_ids: list[str]
    jupyter_token: str
    cents_per_hour: int
    launched_at_s: float
    comes_up_unhealthy: bool
    ip: str | None = None
    private_ip: str | None = None
    ended_at_s: float | None = None
    restarting_from: str | None = None
    reads: int = 0
    cluster_id: str | None = None
    schedule: list[Step] = field(default_factory=list)


@dataclass
class SSHKeyRecord:
    id: str
    name: str
    public_key: str


@dataclass
class FilesystemRecord:
    """A filesystem; `billed_usd` is what had accrued at `metered_at_s` (decimal text)."""

    id: str
    name: str
    region: str
    created_at_s: float
    bytes_used: int
    metered_at_s: float
    billed_usd: str


@dataclass
class RuleRecord:
    protocol: str
    port_range: list[int] | None
    source_network: str
    description: str


@dataclass
class RulesetRecord:
    id: str
    name: str
    region: str
    rules: list[RuleRecord]
    created_at_s: float


@dataclass
class PartitionRecord:
    id: str
    name: str
    region: str
    workspace_id: str
    created_at_s: float


@dataclass
class CommentRecord:
    body: str
    author: str
    created_at_s: float


@dataclass
class AttachmentRecord:
    id: str
    filename: str
    content_type: str
    size_bytes: int
    upload_status: str
    created_at_s: float
    uploaded_at_s: float | None


@dataclass
class TicketRecord:
    id: str
    subject: str
    description: str
    type: str
    severity: str | None
    status: str
    created_at_s: float
    updated_at_s: float
    resolved_at_s: float | None
    comments: list[CommentRecord]
    attachments: dict[str, AttachmentRecord]


@dataclass
class AuditRecord:
    sequence: int
    event_id: str
    resource_name: str
    action: str
    resource_ids: list[str]
    at_s: float
    details: dict[str, str]


@dataclass
class State:
    """The whole account. Dictionaries are keyed by id and keep the order of creation."""

    instances: dict[str, InstanceRecord] = field(default_factory=dict)
    ssh_keys: dict[str, SSHKeyRecord] = field(default_factory=dict)
    filesystems: dict[str, FilesystemRecord] = field(default_factory=dict)
    deleted_filesystems_usd: str = "0"
    rulesets: dict[str, RulesetRecord] = field(default_factory=dict)
    global_rules: list[RuleRecord] = field(default_factory=list)
    account_rules: list[RuleRecord] = field(default_factory=list)
    partitions: dict[str, PartitionRecord] = field(default_factory=dict)
    tickets: dict[str, TicketRecord] = field(default_factory=dict)
    audit_events: list[AuditRecord] = field(default_factory=list)
    audit_sequence: int = 0
    address_sequence: int = 0
    capacity: dict[str, int | None] = field(default_factory=dict)
    listed_capacity: dict[str, bool] = field(default_factory=dict)
