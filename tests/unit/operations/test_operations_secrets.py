"""What is wrong with the secrets of a stack, and which are due, as plain decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from sophia_infra.esc import OpenedEnvironment, Revision, SecretText
from sophia_infra.esc.catalogue import parse_catalogue
from sophia_infra.model.kubernetes import MonitoringConfig
from sophia_infra.operations.secrets import (
    Consumer,
    check_environment,
    consumers_of,
    due_entries,
    monitoring_consumers,
    overdue_findings,
    overdue_paths,
    periods,
    revision_before,
)
from sophia_infra.operations.secrets_rotation import RotationRefused, choose_value, entry_named

NOW = datetime(2026, 11, 24, tzinfo=UTC)
CATALOGUE = parse_catalogue(
    """values:
  db:
    password: {fn::secret: ""}  # owner=platform generate=password:40
    admin: {fn::secret: ""}  # owner=platform rotate=90d generate=uuid
  ai:
    key: {fn::secret: ""}  # owner=ai from="their console"
""",
    source="test",
)
VALUE = "not-to-be-shown-0815"


@dataclass(frozen=True)
class Row:
    secret_env: Mapping[str, str] = field(default_factory=dict)
    namespace: str = "prod"


def opened(**values: str | SecretText) -> OpenedEnvironment:
    whole = {"db.password": SecretText(VALUE), "db.admin": SecretText(VALUE), "ai.key": SecretText(VALUE)}
    changed = {**whole, **{path.replace("__", "."): value for path, value in values.items()}}
    return OpenedEnvironment(
        "o/p/e", 7, {path: value for path, value in changed.items() if value != "absent"}
    )


def consumer(*paths: str) -> Consumer:
    return Consumer("api", "Deployment", "prod", paths)


def kinds(environment: OpenedEnvironment, *consumers: Consumer) -> list[tuple[str, str]]:
    findings = check_environment(environment, CATALOGUE, consumers)
    assert VALUE not in "".join(str(one.as_json()) for one in findings)
    assert all(one.message and one.next_step for one in findings)
    return [(one.kind, one.subject) for one in findings]


def test_consumers_are_workloads_and_databases_with_secrets_each_path_once() -> None:
    found = consumers_of(
        {"api": Row({"A": "ai.key", "B": "db.password", "C": "ai.key"}), "bare": Row()},
        {"pg": Row({"P": "db.password"}, "data")},
    )
    assert found == (
        Consumer("api", "Deployment", "prod", ("ai.key", "db.password")),
        Consumer("pg", "StatefulSet", "data", ("db.password",)),
    )


def test_monitoring_gets_the_key_of_its_exporter_and_the_addresses_of_its_receivers() -> None:
    config = MonitoringConfig.model_validate(
        {
            "alerting": {
                "slack": {"channel": "#gpu", "webhook": "alerts.hook"},
                "webhook": {"url": "alerts.hook"},
            },
            "grafana": {"admin_password": "alerts.grafana"},
        }
    )
    assert monitoring_consumers(config) == (
        Consumer("sophia-exporter", "Deployment", "monitoring", ("lambda.api_key",)),
        Consumer("alerting", "Secret", "monitoring", ("alerts.hook",)),
        Consumer("grafana-admin", "Secret", "monitoring", ("alerts.grafana",)),
    )
    without = {"exporter": {"enabled": False}, "grafana": {"enabled": False, "admin_password": "a.b"}}
    assert monitoring_consumers(MonitoringConfig.model_validate(without)) == ()
    assert monitoring_consumers(None) == ()


def test_a_whole_environment_has_no_findings() -> None:
    assert kinds(opened(), consumer("db.password", "ai.key")) == []


@pytest.mark.parametrize(
    ("change", "paths", "found"),
    [
        ({}, ("db.pasword",), [("missing", "db.pasword")]),
        ({"ai__key": "absent"}, (), [("missing", "ai.key")]),
        ({"ai__key": "absent"}, ("ai.key",), [("missing", "ai.key")]),
        ({"ai__key": "plain"}, ("ai.key",), [("not-secret", "ai.key")]),
        ({"ai__key": "plain"}, (), [("not-secret", "ai.key")]),
        ({"ai__key": SecretText("")}, ("ai.key",), [("empty", "ai.key")]),
        ({"ai__key": SecretText("")}, (), [("empty", "ai.key")]),
        ({"more": SecretText("")}, ("more",), [("empty", "more")]),
        ({"more": SecretText("x")}, ("more",), []),
    ],
)
def test_each_fault_is_found_once(
    change: dict[str, str | SecretText], paths: tuple[str, ...], found: list[tuple[str, str]]
) -> None:
    assert kinds(opened(**change), consumer(*paths)) == found


def test_a_missing_path_names_the_closest_and_who_needs_it() -> None:
    [finding] = check_environment(opened(), CATALOGUE, [consumer("db.pasword")])
    assert "did you mean db.password?" in finding.message
    assert "It is for api." in finding.message


def test_the_old_revision_is_the_newest_of_those_that_are_old_enough() -> None:
    ages = {4: 1, 3: 29, 2: 30, 1: 400}
    revisions = [Revision(number, NOW - timedelta(days=days)) for number, days in ages.items()]
    assert [revision_before(revisions, NOW, days) for days in (30, 29, 31, 401)] == [2, 3, 1, None]
    assert revision_before([Revision(1, None)], NOW, 1) is None
    assert periods(CATALOGUE, 30) == (30, 90)
    assert periods(CATALOGUE, 90) == (90,)


def sealed(password: str, admin: str, key: str) -> str:
    def one(text: str) -> str:
        return f"{{fn::secret: {{ciphertext: {text}}}}}"

    return f"values:\n  db: {{password: {one(password)}, admin: {one(admin)}}}\n  ai: {{key: {one(key)}}}\n"


def test_a_secret_is_overdue_when_its_ciphertext_is_as_old_as_its_own_period() -> None:
    now = sealed("p2", "a1", "k1")
    assert overdue_paths(
        now, {30: sealed("p1", "a0", "k1"), 90: sealed("p0", "a1", "k0")}, CATALOGUE, 30
    ) == (
        "db.admin",
        "ai.key",
    )
    assert overdue_paths(now, {}, CATALOGUE, 30) == ()
    literal = now.replace("{ciphertext: k1}", "same")
    assert "ai.key" not in overdue_paths(literal, {30: literal}, CATALOGUE, 30)


def test_an_overdue_secret_says_its_period_and_the_command_or_the_person() -> None:
    password, key = overdue_findings(["db.admin", "ai.key"], CATALOGUE, 30)
    assert "more than 90 days" in password.message
    assert password.next_step == "sophia secrets rotate db.admin"
    assert "more than 30 days" in key.message
    assert "their console" in key.next_step
    assert "--value-from-env" in key.next_step


def test_due_are_the_old_and_the_empty() -> None:
    due = due_entries(opened(db__admin=SecretText("")), CATALOGUE, ["ai.key"])
    assert [(one.entry.path, one.is_empty) for one in due] == [("db.admin", True), ("ai.key", False)]


def test_a_value_is_generated_or_given_and_never_guessed() -> None:
    password, key = CATALOGUE.entries["db.password"], CATALOGUE.entries["ai.key"]
    assert len(choose_value(password, None).value.reveal()) == 40
    assert choose_value(key, SecretText(VALUE)).value == SecretText(VALUE)
    assert VALUE not in repr(choose_value(key, SecretText(VALUE)))
    with pytest.raises(RotationRefused, match=r"only be made elsewhere \(their console\)"):
        choose_value(key, None)


@pytest.mark.parametrize("given", ["", "  \n", VALUE + "${x}", VALUE + "$$"])
def test_a_value_that_esc_would_change_or_that_is_empty_is_refused(given: str) -> None:
    with pytest.raises(RotationRefused) as caught:
        choose_value(CATALOGUE.entries["ai.key"], SecretText(given))
    assert VALUE not in str(caught.value)


def test_a_name_is_a_path_or_its_only_end() -> None:
    assert entry_named(CATALOGUE, "ai.key").path == "ai.key"
    assert entry_named(CATALOGUE, "key").path == "ai.key"
    with pytest.raises(RotationRefused, match=r"did you mean db\.password\?"):
        entry_named(CATALOGUE, "db.pasword")
    doubled = parse_catalogue(
        'values:\n  a: {key: {fn::secret: ""}}  # owner=xx generate=uuid\n'
        '  b: {key: {fn::secret: ""}}  # owner=xx generate=uuid\n',
        source="t",
    )
    with pytest.raises(RotationRefused, match=r"a\.key, b\.key"):
        entry_named(doubled, "key")
