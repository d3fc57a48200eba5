"""The Lambda Cloud API client. Knows no Pulumi."""

from sophia_infra.lambda_cloud.account_answers import (
    Attachment,
    AttachmentDownload,
    AttachmentUpload,
    AuditEvent,
    CreatedTicket,
    FabricPartition,
    Ticket,
    TicketComment,
)
from sophia_infra.lambda_cloud.addresses import PRODUCTION_URL
from sophia_infra.lambda_cloud.answers import (
    Action,
    FileSystemMount,
    Image,
    Instance,
    InstanceTypeAnswer,
    InstanceTypeSpecs,
    InstanceTypeWithCapacity,
    Region,
)
from sophia_infra.lambda_cloud.client import LambdaCloud
from sophia_infra.lambda_cloud.errors import (
    AccountInactive,
    Conflict,
    Duplicate,
    EdgeBlocked,
    Forbidden,
    InUse,
    InvalidSpec,
    LambdaCloudError,
    NoCapacity,
    NotFound,
    QuotaExceeded,
    RateLimited,
    ServerFault,
    Unauthorized,
    UnexpectedAnswer,
    Unreachable,
    WrongRegion,
)
from sophia_infra.lambda_cloud.firewall import FirewallRule, FirewallRuleset, GlobalFirewallRuleset
from sophia_infra.lambda_cloud.observing import OUTCOMES, Observer, Outcome, outcome_of
from sophia_infra.lambda_cloud.operations import OPERATIONS, Operation
from sophia_infra.lambda_cloud.pacing import Pacer
from sophia_infra.lambda_cloud.redaction import RedactingFilter, install_redaction, redact
from sophia_infra.lambda_cloud.retrying import RetryPlan
from sophia_infra.lambda_cloud.specs import LaunchRequest
from sophia_infra.lambda_cloud.storage_answers import Filesystem, SshKey, User

__all__ = [
    "OPERATIONS",
    "OUTCOMES",
    "PRODUCTION_URL",
    "AccountInactive",
    "Action",
    "Attachment",
    "AttachmentDownload",
    "AttachmentUpload",
    "AuditEvent",
    "Conflict",
    "CreatedTicket",
    "Duplicate",
    "EdgeBlocked",
    "FabricPartition",
    "FileSystemMount",
    "Filesystem",
    "FirewallRule",
    "FirewallRuleset",
    "Forbidden",
    "GlobalFirewallRuleset",
    "Image",
    "InUse",
    "Instance",
    "InstanceTypeAnswer",
    "InstanceTypeSpecs",
    "InstanceTypeWithCapacity",
    "InvalidSpec",
    "LambdaCloud",
    "LambdaCloudError",
    "LaunchRequest",
    "NoCapacity",
    "NotFound",
    "Observer",
    "Operation",
    "Outcome",
    "Pacer",
    "QuotaExceeded",
    "RateLimited",
    "RedactingFilter",
    "Region",
    "RetryPlan",
    "ServerFault",
    "SshKey",
    "Ticket",
    "TicketComment",
    "Unauthorized",
    "UnexpectedAnswer",
    "Unreachable",
    "User",
    "WrongRegion",
    "install_redaction",
    "outcome_of",
    "redact",
]
