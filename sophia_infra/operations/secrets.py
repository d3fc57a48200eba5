"""What `sophia secrets` decides, as plain functions of what was read: no engine, no cluster, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from sophia_infra.esc import OpenedEnvironment, PathMissing, Revision, SecretText
from sophia_infra.esc.catalogue import SecretCatalogue, SecretEntry
from sophia_infra.esc.property_path import InvalidPath, format_path, parse_path
from sophia_infra.esc.secret_editing import secret_places
from sophia_infra.manifests.monitoring.names import ALERTING_SECRET, EXPORTER, GRAFANA_SECRET
from sophia_infra.manifests.names import MONITORING_NAMESPACE
from sophia_infra.model.kubernetes import MonitoringConfig

__all__ = [
    "Consumer",
    "Due",
    "SecretFinding",
    "check_environment",
    "consumers_of",
    "due_entries",
    "monitoring_consumers",
    "overdue_findings",
    "overdue_paths",
    "periods",
    "revision_before",
]


ConsumerKind = Literal["Deployment", "StatefulSet", "Secret"]


class SecretUser(Protocol):
    """A workload or database of the model, as far as it is read here."""

    @property
    def namespace(self) -> str: ...
    @property
    def secret_env(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class Consumer:
    """A Deployment or StatefulSet whose pods get secrets; `paths` are sorted, each once.

    Of kind `Secret` it is one that a chart's pods have as files: they read it again without a restart.
    """

    name: str
    kind: ConsumerKind
    namespace: str
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SecretFinding:
    """One thing that is wrong with a secret.

    Attributes:
        kind: `missing`, `not-secret`, `empty`, `undeclared`, `overdue`, `not-synced` or `stale`.
        subject: property path, or namespace and name of an object in the cluster.
        message: what is wrong, without any value.
        next_step: what to do.
    """

    kind: str
    subject: str
    message: str
    next_step: str

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "subject": self.subject,
            "message": self.message,
            "next_step": self.next_step,
        }


@dataclass(frozen=True, slots=True)
class Due:
    """A secret that is older than it may be, or None: that has no value yet (`is_empty`)."""

    entry: SecretEntry
    is_empty: bool


def consumers_of(
    workloads: Mapping[str, SecretUser], databases: Mapping[str, SecretUser]
) -> tuple[Consumer, ...]:
    """Who gets secrets, in the order of the tables."""
    kinds: tuple[tuple[ConsumerKind, Mapping[str, SecretUser]], ...] = (
        ("Deployment", workloads),
        ("StatefulSet", databases),
    )
    return tuple(
        Consumer(name, kind, user.namespace, tuple(sorted(set(user.secret_env.values()))))
        for kind, users in kinds
        for name, user in users.items()
        if user.secret_env
    )


def monitoring_consumers(config: MonitoringConfig | None) -> tuple[Consumer, ...]:
    """Who of monitoring gets secrets: the exporter, Alertmanager and Grafana."""
    if config is None:
        return ()
    found = []
    if config.exporter.enabled:
        found.append(Consumer(EXPORTER, "Deployment", MONITORING_NAMESPACE, (config.exporter.api_key,)))
    if paths := config.alerting.secret_paths:
        found.append(
            Consumer(ALERTING_SECRET, "Secret", MONITORING_NAMESPACE, tuple(sorted(set(paths.values()))))
        )
    if config.grafana.enabled and config.grafana.admin_password is not None:
        path = config.grafana.admin_password
        found.append(Consumer(GRAFANA_SECRET, "Secret", MONITORING_NAMESPACE, (path,)))
    return tuple(found)


def check_environment(
    opened: OpenedEnvironment, catalogue: SecretCatalogue, consumers: Sequence[Consumer]
) -> list[SecretFinding]:
    """Every path that a consumer names exists and is secret; every declared secret exists and has a value."""
    findings = []
    wanted: dict[str, list[str]] = {}
    for consumer in consumers:
        for path in consumer.paths:
            wanted.setdefault(_normal(path), []).append(consumer.name)
    for path, names in sorted(wanted.items()):
        users = _some(names)
        try:
            value = opened.leaf(path)
        except PathMissing as error:
            findings.append(
                SecretFinding("missing", path, f"{error.message} It is for {users}.", error.next_step)
            )
            continue
        if not isinstance(value, SecretText):
            findings.append(
                SecretFinding(
                    "not-secret",
                    path,
                    f"is plain, and {users} gets it as a secret",
                    "put it under fn::secret",
                )
            )
        elif value.is_empty and path not in catalogue.entries:
            findings.append(
                SecretFinding("empty", path, f"has no value, and {users} needs it", "give it one in ESC")
            )
    for path, entry in catalogue.entries.items():
        value = opened.values.get(path)
        if path not in opened.values:
            if path not in wanted:
                findings.append(
                    SecretFinding(
                        "missing",
                        path,
                        "stands in the checked-in definition and not in the environment",
                        "add it to the environment under fn::secret, or take it out of the definition",
                    )
                )
        elif isinstance(value, SecretText) and value.is_empty:
            who = f", and {_some(wanted[path])} needs it" if path in wanted else ""
            findings.append(SecretFinding("empty", path, f"has no value yet{who}", _rotate_command(entry)))
        elif not isinstance(value, SecretText) and path not in wanted:
            findings.append(
                SecretFinding("not-secret", path, "is plain in the environment", "put it under fn::secret")
            )
    return findings


def periods(catalogue: SecretCatalogue, rotate_days: int) -> tuple[int, ...]:
    """The distinct periods in days: for each, one old revision has to be read."""
    return tuple(sorted({entry.rotate_days or rotate_days for entry in catalogue.entries.values()}))


def revision_before(revisions: Iterable[Revision], now: datetime, days: int) -> int | None:
    """The newest revision that is at least `days` old, None when the environment is younger."""
    limit = now - timedelta(days=days)
    old = [one.number for one in revisions if one.created is not None and one.created <= limit]
    return max(old, default=None)


def overdue_paths(
    current: str, old_texts: Mapping[int, str], catalogue: SecretCatalogue, rotate_days: int
) -> tuple[str, ...]:
    """Secrets whose ciphertext is the same as one period ago.

    The service seals a value when it is saved and passes on a ciphertext as it is, so equal ciphertexts mean
    that nobody saved a new value, and nothing has to be opened to see it.

    Args:
        current: the newest definition.
        old_texts: period in days -> definition that was in force that long ago.
    """
    now = _sealed(current)
    then = {days: _sealed(text) for days, text in old_texts.items()}
    return tuple(
        path
        for path, entry in catalogue.entries.items()
        if now.get(path) is not None and then.get(entry.rotate_days or rotate_days, {}).get(path) == now[path]
    )


def overdue_findings(
    paths: Iterable[str], catalogue: SecretCatalogue, rotate_days: int
) -> list[SecretFinding]:
    """One finding per overdue secret."""
    return [
        SecretFinding(
            "overdue",
            path,
            f"has had the same value for more than {catalogue.entries[path].rotate_days or rotate_days} days",
            _rotate_command(catalogue.entries[path]),
        )
        for path in paths
    ]


def due_entries(
    opened: OpenedEnvironment, catalogue: SecretCatalogue, overdue: Iterable[str]
) -> tuple[Due, ...]:
    """What `rotate --all-due` would renew: overdue secrets, and those without a value."""
    late = frozenset(overdue)
    found = []
    for path, entry in catalogue.entries.items():
        value = opened.values.get(path)
        is_empty = isinstance(value, SecretText) and value.is_empty
        if is_empty or path in late:
            found.append(Due(entry, is_empty))
    return tuple(found)


def _sealed(text: str) -> dict[str, str | None]:
    return {
        format_path(place.path): place.ciphertext or None
        for place in secret_places(text)
        # An empty literal is a secret without a value: it does not age.
    }


def _rotate_command(entry: SecretEntry) -> str:
    if entry.generator is not None:
        return f"sophia secrets rotate {entry.path}"
    return (
        f"get a new one ({entry.minted_by}), then: sophia secrets rotate {entry.path} --value-from-env NAME"
    )


def _normal(path: str) -> str:
    try:
        return format_path(parse_path(path))
    except InvalidPath:
        return path


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
