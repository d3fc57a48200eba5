"""Secrets are masked wherever they stand; everything else stays readable."""

from __future__ import annotations

import base64
import json
import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sophia_infra.lambda_cloud import (
    Instance,
    LaunchRequest,
    RedactingFilter,
    SshKey,
    install_redaction,
    redact,
)
from sophia_infra.lambda_cloud.account_answers import AttachmentDownload, AttachmentUpload
from sophia_infra.lambda_cloud.redaction import EXCERPT_CHARACTERS, excerpt
from tests.unit.lambda_cloud.document import document, example

# The machine that runs this may be busy: what an example takes says nothing.
patient = settings(deadline=None)

TOKEN = "".join(["q7", "Zk9", "vB3x", "Lw5t"])
HEX = "0123456789abcdef"
NAMES = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789-_", min_size=1, max_size=20)
KEYS = st.builds(
    lambda name, hexes, rest: f"secret_{name}_{hexes}.{rest}",
    NAMES,
    st.text(HEX, min_size=32, max_size=32),
    st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789", min_size=8, max_size=64),
)
PROSE = st.text(st.characters(codec="utf-8", exclude_characters="\\"), max_size=40)


@patient
@given(before=PROSE, key=KEYS, after=PROSE)
def test_a_key_is_masked_in_any_text(before: str, key: str, after: str) -> None:
    masked = redact(f"{before} {key} {after}")
    assert key not in masked
    assert key.rpartition(".")[2] not in masked or key.rpartition(".")[2] in before + after


@patient
@given(before=PROSE, key=KEYS, scheme=st.sampled_from(["Bearer", "bearer", "Basic", "BASIC"]))
def test_a_key_is_masked_in_an_authorization_header(before: str, key: str, scheme: str) -> None:
    for credential in (key, base64.b64encode(f"{key}:".encode()).decode(), TOKEN):
        for line in (
            f"{before}\nAuthorization: {scheme} {credential}",
            json.dumps({"Authorization": f"{scheme} {credential}"}),
            repr({"Authorization": f"{scheme} {credential}"}),
            f"{before} {scheme} {credential}",
        ):
            assert credential not in redact(line), line


@patient
@given(text=st.text(max_size=300))
def test_masking_twice_is_masking_once(text: str) -> None:
    assert redact(redact(text)) == redact(text)


LURES = [
    *("api_key", "user_data", ": ", "=", "Bearer ", "Authorization: ", "secret_a_", HEX, ".", "x1", "***"),
    *('"', "'", "\\", "://", "@", "?token=", " ", "\n", "{", "}"),
    *("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"),
]


@patient
@given(pieces=st.lists(st.sampled_from(LURES), max_size=14))
def test_masking_twice_is_masking_once_in_text_that_looks_like_secrets(pieces: list[str]) -> None:
    once = redact("".join(pieces))
    assert redact(once) == once


FIELDS = [
    "jupyter_token",
    "private_key",
    "user_data",
    "api_key",
    "LAMBDA_API_KEY",
    "X-Api-Key",
    "password",
    "jupyter_url",
    "upload_url",
    "download_url",
    "control_token",
    "PULUMI_CONFIG_PASSPHRASE",
]


@pytest.mark.parametrize("field", FIELDS)
@patient
@given(secret=st.text(min_size=1, max_size=40))
def test_the_value_of_a_secret_field_is_masked_in_json_and_in_a_repr(field: str, secret: str) -> None:
    secret = f"{TOKEN}{secret}{TOKEN}"
    shapes = (
        json.dumps({"id": 1, field: secret, "name": "node-a"}),
        json.dumps({"id": 1, field: secret, "name": "node-a"}, ensure_ascii=False),
        repr({"id": 1, field: secret, "name": "node-a"}),
        repr({"id": 1, field: secret.encode("utf-8", "replace"), "name": "node-a"}),
    )
    for text in shapes:
        assert TOKEN not in redact(text)
        assert "node-a" in redact(text)
        nested = json.dumps({"body": text, "name": "node-b"})
        assert TOKEN not in redact(nested)
        cut = text[: text.index(TOKEN) + len(TOKEN) + 3]
        assert TOKEN not in redact(cut)


@pytest.mark.parametrize(
    "line", [f"{name}={TOKEN}" for name in FIELDS] + [f"{name}: {TOKEN}" for name in FIELDS]
)
def test_the_value_of_a_secret_field_is_masked_after_a_bare_name(line: str) -> None:
    assert TOKEN not in redact(line)
    assert redact(line).startswith(line[: line.index(TOKEN)])


def test_a_private_key_is_masked_whole_even_when_it_is_cut_off() -> None:
    body = "-----BEGIN " + "OPENSSH PRIVATE KEY-----\n" + TOKEN + "\nabc\n"
    end = "-----END OPENSSH PRIVATE KEY-----"
    assert redact(f"got {body}{end} for node-a") == "got -----BEGIN PRIVATE KEY-----*** for node-a"
    assert TOKEN not in redact(f"got {body}")


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        (
            "https://storage.example.com/b/log.gz?X-Amz-Date=1&X-Amz-Signature=abc",
            "https://storage.example.com/b/log.gz?***",
        ),
        ("PUT /b/log.gz?partNumber=1&Signature=abc HTTP/1.1", "PUT /b/log.gz?*** HTTP/1.1"),
        ("https://jupyter-1.example.com/?token=abc", "https://jupyter-1.example.com/?***"),
        ("https://user:word@example.com/x", "https://***@example.com/x"),
    ],
)
def test_signed_queries_and_logins_of_urls_are_masked(url: str, masked: str) -> None:
    assert redact(f"see {url} now") == f"see {masked} now"


@pytest.mark.parametrize(
    "line",
    [
        "launched 5b1c0d9e8f7a4b6c9d0e1f2a3b4c5d6e (gpu_1x_gh200 in us-east-3) at $2.29/h",
        "commit ae1b9f6c2d3e4f5061728394a5b6c7d8e9f00112 on main",
        "43336648-096d-4cba-9aa2-f9bb7727639d is an image",
        "GET /api/v1/instances?cluster_id=a0bacf07268245a2b596b5863185a4ff HTTP/1.1",
        "GET /api/v1/audit-events?page_token=eyJuZXh0IjoxNz HTTP/1.1",
        "basic authentication and bearer tokens are both accepted",
        "Basic research. Bearer of good news!",
        '{"ssh_key_names": ["ops-1a2b"], "public_key": "ssh-ed25519 AAAAC3Nz ops", "jupyter_token": null}',
        "user_data has 1000001 bytes; 1000000 are allowed",
        "the key's id is not secret; see https://cloud.lambda.ai/api-keys?sort=asc",
        "request id 0HN7-abc at 2026-11-24T06:54:00Z",
        "mail ops@example.com",
    ],
)
def test_ordinary_lines_stay_readable(line: str) -> None:
    assert redact(line) == line


@patient
@given(st.text(HEX, min_size=32, max_size=32))
def test_instance_ids_stay_readable(instance_id: str) -> None:
    line = f"instance {instance_id} is active"
    assert redact(line) == line


def test_an_excerpt_is_redacted_before_it_is_cut(api_key: str) -> None:
    for lead in range(200, 260):
        shown = excerpt("x" * lead + " " + api_key + " and more" * 50)
        assert len(shown) <= EXCERPT_CHARACTERS
        assert api_key[:20] not in shown


def test_a_huge_body_is_looked_at_only_in_part() -> None:
    assert len(excerpt("api_key " * 10_000_000)) == EXCERPT_CHARACTERS


def test_no_repr_of_an_answer_or_a_request_shows_a_secret() -> None:
    schemas = document()["components"]["schemas"]
    instance = {
        **example(schemas["Instance"]),
        "jupyter_token": TOKEN,
        "jupyter_url": f"https://x?token={TOKEN}",
    }
    key = {**example(schemas["GeneratedSSHKey"]), "private_key": TOKEN}
    upload = {**example(schemas["AttachmentInitiateResponse"]), "upload_url": TOKEN}
    download = {**example(schemas["AttachmentDownloadResponse"]), "download_url": TOKEN}
    launch = LaunchRequest(region_name="r", instance_type_name="t", ssh_key_names=["k"], user_data=TOKEN)
    parsed = (
        Instance.parse(instance),
        SshKey.parse(key),
        AttachmentUpload.parse(upload),
        AttachmentDownload.parse(download),
        launch,
    )
    assert TOKEN not in repr(parsed)
    assert parsed[0].jupyter_token == parsed[1].private_key == TOKEN


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def lines() -> _Lines:
    return _Lines()


@pytest.fixture
def parent(lines: _Lines) -> logging.Logger:
    logger = logging.Logger("parent", logging.DEBUG)
    logger.addHandler(lines)
    install_redaction(logger)
    return logger


def test_the_filter_masks_message_arguments_and_traceback(
    parent: logging.Logger, lines: _Lines, api_key: str
) -> None:
    parent.warning("key %s of %s", api_key, "node-a")
    parent.warning("mapping %(api_key)s", {"api_key": api_key})
    parent.warning("no such place %d", f"Bearer {api_key}")
    try:
        raise ValueError(f"Authorization: Bearer {api_key}")
    except ValueError:
        parent.exception("failed")
    parent.info("stack", stack_info=True)
    text = "\n".join(lines.lines)
    assert "key secret_*** of node-a" in text
    assert "Traceback" in text
    assert "Stack (most recent call last)" in text
    assert api_key not in text
    assert len(lines.lines) == 5


def test_records_of_child_loggers_are_masked_too(parent: logging.Logger, lines: _Lines, api_key: str) -> None:
    child = logging.Logger("parent.child", logging.DEBUG)
    child.parent = parent
    child.error("sent %s", api_key)
    assert lines.lines == ["sent secret_***"]


def test_installing_twice_adds_one_filter(parent: logging.Logger, lines: _Lines) -> None:
    assert install_redaction(parent) is install_redaction(parent)
    assert [type(one) for one in lines.filters] == [RedactingFilter]


def test_the_root_logger_is_the_default() -> None:
    root = logging.getLogger()
    handler = _Lines()
    root.addHandler(handler)
    try:
        installed = install_redaction()
        assert installed in handler.filters
    finally:
        for holder in (root, *root.handlers):
            holder.removeFilter(installed)
        root.removeHandler(handler)
