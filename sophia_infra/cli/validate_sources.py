"""Sources of `sophia validate` beside the fleet: clusters, secrets, the ledger, logs. Each says why not."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sophia_infra.reports.figures import Figure, known, unknown

if TYPE_CHECKING:
    from sophia_infra.cli.secrets_context import SecretsContext
    from sophia_infra.cli.stack_context import StackContext
    from sophia_infra.operations.secrets import Consumer, SecretFinding
    from sophia_infra.validation.objects import Objects
    from sophia_infra.validation.updates import Update
    from sophia_infra.validation.world import ChainFacts

__all__ = ["Trouble", "chains_of", "inference_month", "objects_of", "secrets_of", "updates_of"]

Trouble = list[str]
"""Sentences about sources that the stack has and that did not answer; a function adds its own."""

_NO_SECRETS: Final = "off: the stack has no sophia:kubernetes.secrets"


def objects_of(context: StackContext, trouble: Trouble) -> Figure[Objects]:
    """The stack's Kubernetes objects: of its clusters, or as they were written."""
    from sophia_infra.cli.local_kubernetes import (
        find_clusters,
        kubeconfig_of,
        kubernetes_mode,
        manifests_folder,
    )
    from sophia_infra.validation.objects import read_folder

    now_s = time.time()
    mode = kubernetes_mode(context.home, context.config, context.prepared.phase)
    if mode == "none":
        return unknown("the stack has no Kubernetes in this phase")
    if mode == "manifests":
        return read_folder(manifests_folder(context.home, context.name), now_s)
    if mode == "cluster":
        files = {name: kubeconfig_of(context.home, name) for name in find_clusters(context.home)}
        if not files:
            return unknown("no control plane runs here: `sophia up` starts it")
        return _clusters(files, now_s, trouble)
    variable = context.config.kubernetes and (context.config.kubernetes.kubeconfig_env or "KUBECONFIG")
    path = os.environ.get(variable or "")
    if not path:
        return unknown(f"the variable {variable} with the path of a kubeconfig is not set")
    return _clusters({context.name: Path(path.partition(os.pathsep)[0]).expanduser()}, now_s, trouble)


def _clusters(files: Mapping[str, Path], now_s: float, trouble: Trouble) -> Figure[Objects]:
    """All clusters together; one that does not answer leaves all of it unknown."""
    from sophia_infra.kubernetes_plugin.connection import Connection
    from sophia_infra.kubernetes_plugin.errors import PluginError
    from sophia_infra.kubernetes_plugin.kubeconfig import load_kubeconfig
    from sophia_infra.validation.objects import merged, read_cluster

    found = []
    for name, file in files.items():
        try:
            found.append(read_cluster(Connection(load_kubeconfig(str(file))), f"cluster {name}", now_s))
        except PluginError as error:
            trouble.append(f"Cluster {name}: {error}")
            return unknown(f"cluster {name} does not answer", str(file))
    return merged(found)


def secrets_of(
    context: StackContext, trouble: Trouble
) -> tuple[Figure[tuple[SecretFinding, ...]], tuple[Consumer, ...]]:
    """What is wrong with the secrets in ESC, and who needs them. Opening them is recorded, as ever."""
    from sophia_infra.cli.secrets_context import EscStopped, open_secrets
    from sophia_infra.esc import EscError, SettingsRefused
    from sophia_infra.esc.errors import TokenMissing
    from sophia_infra.operations.audit_log import AuditUnavailable

    kube = context.config.kubernetes
    if kube is None or kube.secrets is None:
        return unknown(_NO_SECRETS), ()
    if context.prepared.phase < kube.workloads_phase:
        return unknown(f"comes with phase {kube.workloads_phase}"), ()
    source = f"ESC environment {kube.secrets.environment}"
    try:
        opened = open_secrets(context.name)
        return known(_findings(opened), source, time.time()), opened.consumers
    except EscStopped as stopped:
        return unknown(str(stopped), source), ()
    except (SettingsRefused, TokenMissing) as error:
        return unknown(error.message, source), ()
    except (EscError, AuditUnavailable) as error:
        trouble.append(f"Secrets: {error}")
        return unknown("ESC did not answer", source), ()


def _findings(context: SecretsContext) -> tuple[SecretFinding, ...]:
    from sophia_infra.cli.secrets_running import audited
    from sophia_infra.operations.secrets import (
        check_environment,
        overdue_findings,
        overdue_paths,
        periods,
        revision_before,
    )

    client, catalogue, days = context.client, context.catalogue, context.settings.rotate_days
    with audited(context, "check", catalogue.entries):
        opened = client.open()
        revisions, now = client.revisions(), datetime.now(UTC)
        numbers = {period: revision_before(revisions, now, period) for period in periods(catalogue, days)}
        old = {
            period: client.definition(number).text for period, number in numbers.items() if number is not None
        }
        overdue = overdue_paths(client.definition().text, old, catalogue, days)
    found = check_environment(opened, catalogue, context.consumers)
    empty = {row.subject for row in found if row.kind == "empty"}
    late = [path for path in overdue if path not in empty]
    return (*found, *overdue_findings(late, catalogue, days))


def inference_month(context: StackContext, trouble: Trouble) -> Figure[Decimal]:
    """What the ledger booked since the first of the month, UTC."""
    from sophia_infra.cli.inference_ledger import ledger_address
    from sophia_infra.inference.errors import InferenceError
    from sophia_infra.inference.ledger import open_ledger, usage_report
    from sophia_infra.model.errors import Refused

    source = "the inference ledger"
    if context.config.gateway is None:
        return unknown("off: the stack has no sophia:gateway", source)
    try:
        address = ledger_address(context, None)
    except Refused as refused:
        return unknown(refused.message, source)
    if address is None:
        return unknown("no gateway of this stack has run yet", source)
    now = datetime.now(UTC)
    begin = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    try:
        with open_ledger(address) as ledger:
            rows = usage_report(ledger, "day", begin, None).rows
    except InferenceError as error:
        trouble.append(f"Ledger: {error}")
        return unknown("the ledger does not answer", source)
    return known(sum((row.usd for row in rows), Decimal(0)), source, now.timestamp())


def chains_of(context: StackContext) -> Figure[tuple[ChainFacts, ...]]:
    """Every audit log of the stack with its broken places; unknown when nothing was recorded yet."""
    from sophia_infra.cli.audit_timeline import verify_logs
    from sophia_infra.validation.world import ChainFacts

    logs = verify_logs(context.home, context.name)
    found = tuple(
        ChainFacts(row.log, row.path, row.lines, row.problems) for row in logs if row.head is not None
    )
    if not found:
        return unknown("nothing was recorded yet", str(context.home.root / "audit"))
    return known(found, str(context.home.root / "audit"), time.time())


def updates_of(context: StackContext) -> Figure[tuple[Update, ...]]:
    """The updates on record, where the state is in a folder of this machine."""
    from sophia_infra.engine.failures import read_project_name
    from sophia_infra.engine.home import LOCAL_STACK, file_backend
    from sophia_infra.validation.updates import read_updates

    environ: Mapping[str, str] = {} if context.name == LOCAL_STACK else os.environ
    if environ.get("PULUMI_BACKEND_URL") or environ.get("PULUMI_ACCESS_TOKEN"):
        backend = file_backend(environ)
    else:
        backend = context.home.state
    project = read_project_name(context.home.checkout / "Pulumi.yaml")
    return read_updates(backend, project, context.name, time.time())
