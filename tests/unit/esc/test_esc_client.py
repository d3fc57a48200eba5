"""Our client, the real SDK and the emulator together: values, revisions, and one sentence per failure."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pulumi_esc_sdk import EscClient as SdkClient
from pulumi_esc_sdk.esc_client import default_config

from sophia_infra.esc import (
    EnvironmentChanged,
    EnvironmentExists,
    EnvironmentMissing,
    EnvironmentName,
    EscAccess,
    EscBusy,
    EscClient,
    EscError,
    EscFault,
    EscUnreachable,
    EvaluationFailed,
    NotASecret,
    PathMissing,
    SecretText,
    SettingsRefused,
    TokenMissing,
    TokenRefused,
    UnexpectedAnswer,
    connect,
    load_for_program,
    open_environment,
)
from sophia_infra.esc.emulator.server import EscEmulatorServer
from tests.unit.esc.esc_values import PASSWORD, TOKEN, VARIABLE, Settings, fault, save

DEFINITION = f"""# kept
values:
  db:
    user: sophia
    password: {{fn::secret: "{PASSWORD}"}}  # owner
    url: "db://${{db.user}}:${{db.password}}@host"
  list: [1, {{on: true}}]
  "a.b": ünï
  environmentVariables: {{DB: "${{db.url}}"}}
"""


def test_secrets_stay_secret_and_plain_values_plain(client: EscClient) -> None:
    opened = save(client, DEFINITION)
    assert opened.secret("db.password").reveal() == PASSWORD
    assert opened.secret("environmentVariables.DB").reveal() == f"db://sophia:{PASSWORD}@host"
    assert {path: opened.leaf(path) for path in ("db.user", "list[0]", "list[1].on", '["a.b"]')} == {
        "db.user": "sophia",
        "list[0]": 1,
        "list[1].on": True,
        '["a.b"]': "ünï",
    }
    assert PASSWORD not in f"{opened} {opened!r} {opened.values} {dict(opened.values)!r}"
    assert opened.revision == 2


def test_the_sdk_itself_reads_the_emulator(emulator: EscEmulatorServer, client: EscClient) -> None:
    save(client, DEFINITION)
    sdk = SdkClient(default_config(host=emulator.url, access_token=TOKEN))
    place = ("sophia", "platform", "test")
    _, values, _ = sdk.open_and_read_environment(*place)
    assert values["db"]["password"] == PASSWORD
    session = sdk.open_environment(*place).id
    assert sdk.read_open_environment_property(*place, session, "list[1].on")[1] is True
    assert [one.name for one in sdk.list_environments("sophia").environments or ()] == ["test"]
    assert PASSWORD in sdk.decrypt_environment(*place)[1]
    stored = sdk.esc_api.get_environment_without_preload_content(*place).data.decode()
    assert PASSWORD not in stored
    assert "# kept" in stored
    assert "# owner" in stored


def test_the_host_is_never_taken_from_the_backend_of_pulumi(
    emulator: EscEmulatorServer, client: EscClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(client, DEFINITION)
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///tmp/state")
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "another")
    opened = open_environment(Settings(), endpoint_override=emulator.url, environ={VARIABLE: TOKEN})
    assert opened.identity == "sophia/platform/test"


def test_each_save_is_a_revision_and_old_ones_stay(client: EscClient) -> None:
    for number in (1, 2, 3):
        save(client, f"values: {{a: {number}}}")
    assert [one.number for one in client.revisions()] == [4, 3, 2, 1]
    assert client.definition(2).text == "values: {a: 1}"
    assert client.open().values == {"a": 3}


def test_a_save_that_started_from_an_old_revision_writes_nothing(client: EscClient) -> None:
    old = client.definition()
    save(client, "values: {a: mine}")
    with pytest.raises(EnvironmentChanged) as caught:
        client.update("values: {a: theirs}", old.etag)
    assert caught.value.retry
    assert client.open().values == {"a": "mine"}


def test_warnings_are_returned_and_errors_say_file_line_and_key(client: EscClient) -> None:
    warnings = client.update("files: {}\nvalues: {}\n", client.definition().etag)
    assert [(one.path, one.line) for one in warnings] == [("files", 1)]
    with pytest.raises(EvaluationFailed, match=r'platform/test:2 values\.b: unknown property "c"') as caught:
        client.update("values:\n  b: ${c}\n", client.definition().etag)
    assert [(one.environment, one.line) for one in caught.value.diagnostics] == [("platform/test", 2)]
    assert len(client.check("values: {b: '${c}', d: '${e}'}")) == 2


def test_a_missing_path_names_the_closest_and_a_plain_value_is_no_secret(client: EscClient) -> None:
    opened = save(client, DEFINITION)
    with pytest.raises(PathMissing, match=r"no value at db\.pasword, did you mean db\.password\? Correct"):
        opened.secret("db.pasword")
    with pytest.raises(NotASecret, match=r"db\.user in the ESC environment"):
        opened.secret("db.user")
    for broken in ("", "db.", "db[", "[0]", "db..user"):
        with pytest.raises(PathMissing):
            opened.leaf(broken)


@pytest.mark.parametrize(
    ("status", "kind", "whose", "retry"),
    [
        (401, TokenRefused, "user", False),
        (403, TokenRefused, "user", False),
        (404, EnvironmentMissing, "user", False),
        (429, EscBusy, "esc", True),
        (500, EscFault, "esc", True),
        (503, EscFault, "esc", True),
        (418, UnexpectedAnswer, "ours", False),
    ],
)
@pytest.mark.parametrize(
    "operation", ["list_revisions", "open_environment", "read_environment", "get_environment"]
)
def test_each_refusal_says_whose_fault_it_is_and_what_to_do(
    emulator: EscEmulatorServer,
    client: EscClient,
    operation: str,
    status: int,
    kind: type[EscError],
    whose: str,
    retry: bool,
) -> None:
    body = f'{{"code": {status}, "message": "{PASSWORD}"}}'
    fault(emulator.url, operation=operation, status=status, body=body, retry_after_s=7)
    with pytest.raises(kind) as caught:
        (client.definition if operation == "get_environment" else client.open)()
    error = caught.value
    assert type(error) is kind
    assert (error.fault, error.retry) == (whose, retry)
    assert error.next_step in str(error)
    assert PASSWORD not in "".join(traceback.format_exception(error))
    if isinstance(error, EscBusy):
        assert error.retry_after_s == 7


@pytest.mark.parametrize(
    "body", ["", "not json", "[]", f'{{"id": 5, "x": "{PASSWORD}"}}', '{"diagnostics": 5}']
)
def test_an_answer_that_is_none_becomes_a_sentence_without_its_text(
    emulator: EscEmulatorServer, client: EscClient, body: str
) -> None:
    fault(emulator.url, operation="open_environment", status=400, body=body)
    with pytest.raises(EscError) as caught:
        client.open()
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_no_proxy_is_asked_for_an_emulator_of_this_machine(
    client: EscClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:9")
    assert client.open().revision == client.definition().revision


def test_a_slow_service_is_given_up_within_the_limit(emulator: EscEmulatorServer, client: EscClient) -> None:
    fault(emulator.url, operation="read_environment", delay_s=30)
    hurried = EscClient(client.access, client.name, timeout_s=0.2)
    with pytest.raises(EscUnreachable, match="does not answer"):
        hurried.open()


def test_the_limit_holds_for_all_requests_of_an_operation_together(client: EscClient) -> None:
    moments = iter([0.0, 1.0, 9.5])
    patient = EscClient(client.access, client.name, timeout_s=9.0, monotonic=lambda: next(moments))
    with pytest.raises(EscUnreachable, match="took longer than 9 s"):
        patient.open()


def test_nobody_listening_a_wrong_token_a_second_creation() -> None:
    name = EnvironmentName("sophia", "platform", "test")
    access = EscAccess("http://127.0.0.1:1", SecretText(TOKEN), VARIABLE)
    with pytest.raises(EscUnreachable, match=r"http://127\.0\.0\.1:1 does not answer \(NewConnectionError\)"):
        EscClient(access, name).open()


def test_a_wrong_token_and_a_second_creation_are_refused(
    emulator: EscEmulatorServer, client: EscClient
) -> None:
    with pytest.raises(TokenRefused, match=VARIABLE):
        EscClient(EscAccess(emulator.url, SecretText("wrong"), VARIABLE), client.name).open()
    with pytest.raises(EnvironmentExists):
        client.create()
    client.delete()
    with pytest.raises(EnvironmentMissing):
        client.open()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://esc.example", "must be https"),
        ("file:///tmp/state", "scheme and host only"),
        ("https://", "must be https"),
        ("https://esc.example/api/other", "scheme and host only"),
        (f"https://u:{PASSWORD}@esc.example", "no login"),
        ("https://esc.example:x", "is no URL"),
    ],
)
def test_an_address_that_would_leak_the_token_is_refused(url: str, said: str) -> None:
    with pytest.raises(SettingsRefused, match=said) as caught:
        connect(Settings(api_url=url), environ={VARIABLE: TOKEN})
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"organization": "ab"}, {"project": ""}, {"environment": "a/b"}, {"organization": "a" * 41}]
)
def test_names_that_esc_cannot_have_are_refused_before_anything_is_sent(change: dict[str, Any]) -> None:
    with pytest.raises(SettingsRefused):
        connect(replace(Settings(), **change), environ={VARIABLE: TOKEN})


def test_the_address_is_the_override_then_the_variable_then_the_file_then_the_cloud() -> None:
    environ = {VARIABLE: TOKEN}
    both = {**environ, "SOPHIA_ESC_URL": "http://127.0.0.1:2"}
    given = Settings(api_url="https://esc.example/api/esc")
    urls: list[Callable[[], EscClient]] = [
        lambda: connect(given, endpoint_override="http://localhost:1", environ=both),
        lambda: connect(given, environ=both),
        lambda: connect(given, environ=environ),
        lambda: connect(Settings(), environ=environ),
    ]
    assert [one().access.url for one in urls] == [
        "http://localhost:1",
        "http://127.0.0.1:2",
        "https://esc.example",
        "https://api.pulumi.com",
    ]


def test_a_missing_token_is_named_by_its_variable_and_no_secrets_mean_nothing_to_open() -> None:
    with pytest.raises(TokenMissing, match=f"Set {VARIABLE}"):
        load_for_program(Settings(), environ={"PULUMI_ACCESS_TOKEN": "not this one"})
    with pytest.raises(SettingsRefused, match="no access token"):
        load_for_program(Settings(), environ={VARIABLE: "two words"})
    assert load_for_program(None, environ={}) is None


def test_nothing_secret_reaches_output_or_logs(
    emulator: EscEmulatorServer,
    client: EscClient,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    save(client, DEFINITION)
    fault(emulator.url, status=500)
    with pytest.raises(EscFault):
        client.open()
    out, err = capfd.readouterr()
    for secret in (TOKEN, PASSWORD):
        assert secret not in out + err + caplog.text
