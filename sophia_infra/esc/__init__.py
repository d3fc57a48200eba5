"""Secrets through Pulumi ESC: open an environment, keep what is secret secret, name what is missing.

`load_for_program` is the program's way in; `connect` gives the client for commands. Importing this package
imports neither the SDK nor anything of the network.
"""

from __future__ import annotations

from sophia_infra.esc.client import Definition, EscClient, Revision
from sophia_infra.esc.errors import (
    DefinitionRefused,
    Diagnostic,
    EnvironmentChanged,
    EnvironmentExists,
    EnvironmentMissing,
    EscBusy,
    EscError,
    EscFault,
    EscUnreachable,
    EvaluationFailed,
    NotASecret,
    PathMissing,
    SettingsRefused,
    TokenMissing,
    TokenRefused,
    UnexpectedAnswer,
)
from sophia_infra.esc.loading import connect, load_for_program, open_environment
from sophia_infra.esc.opened import CHECKSUM_KEY_PATH, Leaf, OpenedEnvironment
from sophia_infra.esc.property_path import InvalidPath, format_path, parse_path
from sophia_infra.esc.secret_text import HIDDEN, SecretText
from sophia_infra.esc.settings import CLOUD_URL, URL_VARIABLE, EnvironmentName, EscAccess, SecretsSettings

__all__ = [
    "CHECKSUM_KEY_PATH",
    "CLOUD_URL",
    "HIDDEN",
    "URL_VARIABLE",
    "Definition",
    "DefinitionRefused",
    "Diagnostic",
    "EnvironmentChanged",
    "EnvironmentExists",
    "EnvironmentMissing",
    "EnvironmentName",
    "EscAccess",
    "EscBusy",
    "EscClient",
    "EscError",
    "EscFault",
    "EscUnreachable",
    "EvaluationFailed",
    "InvalidPath",
    "Leaf",
    "NotASecret",
    "OpenedEnvironment",
    "PathMissing",
    "Revision",
    "SecretText",
    "SecretsSettings",
    "SettingsRefused",
    "TokenMissing",
    "TokenRefused",
    "UnexpectedAnswer",
    "connect",
    "format_path",
    "load_for_program",
    "open_environment",
    "parse_path",
]
