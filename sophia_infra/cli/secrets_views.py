"""How findings and restarts are shown: lines for people, or one JSON document."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sophia_infra.cli.secrets_context import SecretsContext
from sophia_infra.esc import OpenedEnvironment
from sophia_infra.operations.secrets import SecretFinding
from sophia_infra.operations.secrets_cluster import Restart

__all__ = ["show_check", "show_restarts"]


def show_check(
    context: SecretsContext,
    opened: OpenedEnvironment,
    findings: Sequence[SecretFinding],
    *,
    cluster_checked: bool,
    as_json: bool,
) -> None:
    if as_json:
        rows = [finding.as_json() for finding in findings]
        _print_document(context, opened, cluster_checked=cluster_checked, findings=rows)
        return
    for finding in findings:
        print(f"{finding.kind}: {finding.subject} {finding.message}. Next: {finding.next_step}.")
    cluster = "" if cluster_checked else " The cluster was not asked: no kubeconfig."
    print(
        f"{opened.identity} revision {opened.revision}: {len(context.catalogue.entries)} secrets, "
        f"{len(context.consumers)} consumers, {len(findings)} findings.{cluster}"
    )


def show_restarts(
    context: SecretsContext,
    opened: OpenedEnvironment,
    restarts: Sequence[Restart],
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    if as_json:
        rows = [one.as_json() for one in restarts]
        _print_document(context, opened, dry_run=dry_run, consumers=rows)
        return
    words = {
        "restarts": "would restart" if dry_run else "restarts",
        "unchanged": "has these values already",
        "reread": "is read again by its pods, without a restart",
        "absent": "is not in the cluster",
        "not-ours": "was not applied by sophia-infra and is left alone",
        "not-synced": "is left alone: its ExternalSecret was not synced",
    }
    for one in restarts:
        print(f"{one.consumer.namespace}/{one.consumer.name} {words[one.outcome]}")
    if not restarts:
        print(f"No workload of stack {context.stack} uses secrets.")


def _print_document(context: SecretsContext, opened: OpenedEnvironment, **further: object) -> None:
    """One JSON document: whose secrets, of which revision, and what was found."""
    document = {"stack": context.stack, "environment": opened.identity, "revision": opened.revision}
    print(json.dumps({**document, **further}, indent=2))
