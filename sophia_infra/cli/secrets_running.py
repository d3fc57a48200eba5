"""What the `sophia secrets` commands do. Text for people on stdout, or one JSON document; never a value."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.secrets_context import EscStopped, SecretsContext, audit_log, open_secrets, value_from
from sophia_infra.cli.secrets_views import show_check, show_restarts
from sophia_infra.esc import EnvironmentExists, EscError, OpenedEnvironment, SecretText, SettingsRefused
from sophia_infra.operations.audit_log import Action, AuditUnavailable
from sophia_infra.operations.secrets import (
    SecretFinding,
    check_environment,
    due_entries,
    overdue_findings,
    overdue_paths,
    periods,
    revision_before,
)
from sophia_infra.operations.secrets_cluster import Restart
from sophia_infra.operations.secrets_rotation import RotationRefused, choose_value, entry_named, rotate

__all__ = ["audited", "reporting", "run_audit", "run_check", "run_init", "run_rotate", "run_sync"]


@contextlib.contextmanager
def reporting(*, as_json: bool) -> Iterator[None]:
    """Print an expected error to stderr and leave with its exit code; let bugs of ours through."""
    from sophia_infra.kubernetes_plugin.errors import PluginError

    try:
        yield
    except EscStopped as stopped:
        print(json.dumps({"esc_emulator": "stopped"}) if as_json else stopped)
        raise typer.Exit(int(ExitCode.OK)) from None
    except EscError as error:
        _leave(error, ExitCode.USAGE if error.fault == "user" and not error.retry else ExitCode.CLOUD)
    except RotationRefused as error:
        _leave(error, ExitCode.USAGE)
    except PluginError as error:
        _leave(error, ExitCode.USAGE if error.fault == "user" else ExitCode.CLOUD)
    except AuditUnavailable as error:
        _leave(error, ExitCode.FAILED)


def run_check(stack: str, kubeconfig: Path | None, *, as_json: bool) -> ExitCode:
    """Compare stack file, checked-in definition, ESC and cluster."""
    context = open_secrets(stack)
    with audited(context, "check", context.catalogue.entries):
        opened = context.client.open()
        overdue = _overdue(context)
    findings = check_environment(opened, context.catalogue, context.consumers)
    full = [path for path in overdue if not _is_empty(opened, path)]
    findings += overdue_findings(full, context.catalogue, context.settings.rotate_days)
    cluster = context.cluster(kubeconfig)
    if cluster is not None:
        synced = cluster.external_secrets(_namespaces(context))
        findings += [finding for one in synced if (finding := one.finding()) is not None]
        there = {(one.namespace, one.name) for one in synced}
        findings += [
            SecretFinding(
                "not-synced",
                f"{consumer.namespace}/{consumer.name}",
                "has no ExternalSecret in the cluster",
                f"sophia up --stack {stack}",
            )
            for consumer in context.consumers
            if (consumer.namespace, consumer.name) not in there
        ]
    show_check(context, opened, findings, cluster_checked=cluster is not None, as_json=as_json)
    return ExitCode.FINDINGS if findings else ExitCode.OK


def run_sync(stack: str, kubeconfig: Path | None, *, wait_s: float, dry_run: bool, as_json: bool) -> ExitCode:
    """Have the operator read ESC now, wait for it, then mark the consumers whose values changed."""
    context = open_secrets(stack)
    cluster = context.cluster(kubeconfig)
    if cluster is None:
        raise SettingsRefused(
            "There is no cluster to sync: no kubeconfig was named.",
            next_step=f"Set {context.kubeconfig_env}, or give --kubeconfig.",
        )
    paths = sorted({path for consumer in context.consumers for path in consumer.paths})
    with audited(context, "sync", paths, announce=not dry_run):
        opened = context.client.open()
        checksums = {consumer: opened.checksum(consumer.paths) for consumer in context.consumers}
        before = cluster.external_secrets(_namespaces(context))
        ready = {(one.namespace, one.name) for one in before}
        if not dry_run:
            cluster.force_sync(before, datetime.now(UTC))
            if wait_s > 0:
                ready = cluster.wait_for_sync(before, wait_s)
        restarts = [
            # Restarted before its Secret is new, it would come back with the old value and stay so.
            cluster.mark(consumer, checksum, dry_run=dry_run)
            if (consumer.namespace, consumer.name) in ready
            else Restart(consumer, "not-synced")
            for consumer, checksum in checksums.items()
        ]
    show_restarts(context, opened, restarts, dry_run=dry_run, as_json=as_json)
    late = any(one.outcome in ("not-synced", "not-ours") for one in restarts)
    return ExitCode.FINDINGS if late else ExitCode.OK


def run_rotate(
    stack: str,
    name: str | None,
    *,
    all_due: bool,
    value_from_env: str | None,
    dry_run: bool,
    as_json: bool,
) -> ExitCode:
    """New values, one revision for all of them."""
    if (name is None) == (not all_due) or (all_due and value_from_env is not None):
        raise RotationRefused("Give either the path of one secret (and --value-from-env), or --all-due.")
    given = None if value_from_env is None else value_from(value_from_env)
    context = open_secrets(stack)
    waiting: list[str] = []
    if name is not None:
        chosen = [choose_value(entry_named(context.catalogue, name), given)]
    else:
        with audited(context, "open", context.catalogue.entries):
            opened = context.client.open()
            due = due_entries(opened, context.catalogue, _overdue(context))
        waiting = [one.entry.path for one in due if one.entry.generator is None]
        chosen = [choose_value(one.entry, None) for one in due if one.entry.generator is not None]
    paths = [one.entry.path for one in chosen]
    document: dict[str, Any] = {"stack": stack, "environment": str(context.client.name), "dry_run": dry_run}
    if dry_run or not chosen:
        document |= {"would_rotate": paths, "waiting_for_a_person": waiting}
        lines = [f"would get a new value: {path}" for path in paths] or ["Nothing to rotate."]
    else:
        with audited(context, "rotate", paths, announce=True) as outcome:
            done = rotate(context.client, chosen)
            outcome.revision = done.revision
        document |= {**done.as_json(), "waiting_for_a_person": waiting}
        lines = [f"{path} has a new value (revision {done.revision})" for path in paths]
        lines += [f"then, for {line}" for line in done.then]
        lines.append(f"Next: sophia secrets sync --stack {stack}")
    lines += [f"needs a person: {path} ({context.catalogue.entries[path].minted_by})" for path in waiting]
    print(json.dumps(document, indent=2) if as_json else "\n".join(lines))
    return ExitCode.FINDINGS if waiting else ExitCode.OK


def run_init(stack: str, *, as_json: bool) -> ExitCode:
    """Create the environment with every name and no value, unless it has content."""
    context = open_secrets(stack)
    with audited(context, "init", context.catalogue.entries, announce=True) as outcome:
        with contextlib.suppress(EnvironmentExists):
            context.client.create()
        current = context.client.definition()
        outcome.revision = current.revision
        is_new = not current.text.strip()
        if is_new:
            context.client.update(context.catalogue.text, current.etag)
            outcome.revision = current.revision + 1
    document = {"stack": stack, "environment": str(context.client.name), "made": is_new}
    text = (
        f"{context.client.name} has {len(context.catalogue.entries)} secrets by name, without values. "
        f"Next: sophia secrets rotate --all-due --stack {stack}"
        if is_new
        else f"{context.client.name} has content already and was left as it is. "
        f"`sophia secrets check --stack {stack}` compares it with the definition."
    )
    print(json.dumps(document, indent=2) if as_json else text)
    return ExitCode.OK


def run_audit(*, as_json: bool) -> ExitCode:
    """All entries, and whether the chain holds."""
    from sophia_infra.engine.home import open_home

    log = audit_log(open_home())
    entries, problems = log.entries(), log.verify()
    if as_json:
        print(json.dumps({"entries": [one.as_json() for one in entries], "broken": problems}, indent=2))
    else:
        for one in entries:
            revision = "" if one.revision is None else f" revision {one.revision}"
            paths = ", ".join(one.paths) or "-"
            print(f"{one.when} {one.who} {one.action} {one.environment}{revision} {one.outcome}: {paths}")
        print("; ".join(problems) if problems else f"{len(entries)} entries; no line was changed.")
    return ExitCode.FINDINGS if problems else ExitCode.OK


class _Outcome:
    revision: int | None = None


@contextlib.contextmanager
def audited(
    context: SecretsContext, action: Action, paths: Sequence[str] | Any, *, announce: bool = False
) -> Iterator[_Outcome]:
    """Record what the block does; `announce`: also before, so that a killed process leaves a trace."""
    environment, names = str(context.client.name), tuple(paths)
    outcome = _Outcome()
    if announce:
        context.audit.record(action, environment, names, outcome="started")
    try:
        yield outcome
    except BaseException as error:
        context.audit.record(action, environment, names, outcome=type(error).__name__)
        raise
    context.audit.record(action, environment, names, revision=outcome.revision)


def _overdue(context: SecretsContext) -> tuple[str, ...]:
    rotate_days = context.settings.rotate_days
    revisions, now = context.client.revisions(), datetime.now(UTC)
    old_texts = {}
    for days in periods(context.catalogue, rotate_days):
        number = revision_before(revisions, now, days)
        if number is not None:
            old_texts[days] = context.client.definition(number).text
    current = context.client.definition().text
    return overdue_paths(current, old_texts, context.catalogue, rotate_days)


def _is_empty(opened: OpenedEnvironment, path: str) -> bool:
    value = opened.values.get(path)
    return isinstance(value, SecretText) and value.is_empty


def _namespaces(context: SecretsContext) -> list[str]:
    return sorted({consumer.namespace for consumer in context.consumers})


def _leave(error: Exception, code: ExitCode) -> None:
    print(f"sophia: {error}", file=sys.stderr)
    raise typer.Exit(int(code)) from None
