"""What every `sophia secrets` command needs first: the stack's secrets, ESC, the audit log, the cluster."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sophia_infra.esc import EscClient, SecretsSettings, SecretText, SettingsRefused, connect
from sophia_infra.esc.catalogue import SecretCatalogue, load_catalogue
from sophia_infra.operations.audit_log import AuditLog
from sophia_infra.operations.secrets import Consumer, consumers_of, monitoring_consumers

if TYPE_CHECKING:
    from sophia_infra.engine.home import Home
    from sophia_infra.operations.secrets_cluster import SecretsCluster

__all__ = ["EscStopped", "SecretsContext", "audit_log", "open_secrets"]


class EscStopped(Exception):
    """The local stack's ESC emulator does not run: there is nothing to look at, and that is no failure."""


@dataclass(frozen=True, slots=True)
class SecretsContext:
    """One stack's secrets.

    Attributes:
        stack: its name.
        settings: `sophia:kubernetes.secrets`.
        kubeconfig_env: the variable that holds the path of a kubeconfig.
        client: for its environment.
    """

    stack: str
    settings: SecretsSettings
    kubeconfig_env: str
    client: EscClient
    catalogue: SecretCatalogue
    consumers: tuple[Consumer, ...]
    audit: AuditLog

    def cluster(self, kubeconfig: Path | None) -> SecretsCluster | None:
        """The cluster of `kubeconfig`, else of the variable; None when neither names one.

        Raises:
            PluginError: the kubeconfig cannot be used.
        """
        chosen = str(kubeconfig) if kubeconfig is not None else os.environ.get(self.kubeconfig_env, "")
        if not chosen:
            return None
        import time

        from sophia_infra.kubernetes_plugin.connection import Connection
        from sophia_infra.kubernetes_plugin.kubeconfig import load_kubeconfig
        from sophia_infra.operations.secrets_cluster import SecretsCluster

        path = chosen.partition(os.pathsep)[0]
        return SecretsCluster(Connection(load_kubeconfig(path)), monotonic=time.monotonic, sleep=time.sleep)


def open_secrets(stack: str) -> SecretsContext:
    """Read the stack file, find ESC. Sends nothing.

    Raises:
        SettingsRefused, TokenMissing, DefinitionRefused: see `esc.errors`.
        EscStopped: see there.
    """
    from sophia_infra.cli.stack_context import open_stack

    context = open_stack(stack)
    kubernetes = context.config.kubernetes
    settings = kubernetes.secrets if kubernetes is not None else None
    if kubernetes is None or settings is None:
        raise SettingsRefused(
            f"Stack {stack} has no secrets: its file has no sophia:kubernetes.secrets.",
            next_step="Add organization, project and environment there.",
        )
    environ = dict(os.environ)
    if (
        context.config.endpoint == "emulator"
        and settings.api_url is None
        and not environ.get("SOPHIA_ESC_URL")
    ):
        from sophia_infra.cli.local_esc import find_esc_emulator

        endpoint = find_esc_emulator(context.home)
        if endpoint is None:
            raise EscStopped(f"The ESC emulator of stack {stack} is stopped. `sophia up` starts it.")
        environ |= endpoint.variables(settings)
    return SecretsContext(
        stack=stack,
        settings=settings,
        kubeconfig_env=kubernetes.kubeconfig_env or "KUBECONFIG",
        client=connect(settings, environ=environ),
        catalogue=load_catalogue(context.home.checkout),
        consumers=(
            *consumers_of(kubernetes.enabled_workloads(), kubernetes.enabled_databases()),
            *monitoring_consumers(kubernetes.monitoring),
        ),
        audit=audit_log(context.home),
    )


def audit_log(home: Home) -> AuditLog:
    """The audit log of this project folder."""
    return AuditLog(home.root / "audit" / "secrets.jsonl")


def value_from(variable: str) -> SecretText:
    """What the environment variable holds. Raises SettingsRefused."""
    value = os.environ.get(variable)
    if value is None:
        raise SettingsRefused(
            f"The environment variable {variable!r} is not set.", next_step="Export it, then run it again."
        )
    return SecretText(value)
