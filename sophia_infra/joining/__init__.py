"""What makes a Lambda machine a node of its cluster: credentials, boot text, kubeconfig. Pure, no network."""

from sophia_infra.joining.boot_text import MAX_BYTES, user_data
from sophia_infra.joining.credentials import (
    CREDENTIAL_NAMES,
    admin_days_left,
    join_token,
    make_credentials,
    renew_admin_certificate,
)
from sophia_infra.joining.errors import BootTextTooLong, IncompleteCredentials, JoiningError
from sophia_infra.joining.kubeconfig import TLS_SERVER_NAME, kubeconfig
from sophia_infra.joining.multipart import merge_user_data

__all__ = [
    "CREDENTIAL_NAMES",
    "MAX_BYTES",
    "TLS_SERVER_NAME",
    "BootTextTooLong",
    "IncompleteCredentials",
    "JoiningError",
    "admin_days_left",
    "join_token",
    "kubeconfig",
    "make_credentials",
    "merge_user_data",
    "renew_admin_certificate",
    "user_data",
]
