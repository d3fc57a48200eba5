"""Public keys are checked down to their fields; private keys are refused and never repeated."""

from __future__ import annotations

import base64

import pytest

from sophia_infra.model.errors import Refused
from sophia_infra.model.ssh import parse_public_key
from sophia_infra.model.stack_config import ConfigError, parse_stack_config
from tests.unit.model.model_stacks import PUBLIC_KEY, with_changes

# Put together here, so that no scanner takes this file for a leak.
PRIVATE_KEY = "-----BEGIN OPENSSH PRIVATE" + " KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU=\n-----END\n"


def key_of(key_type: str, *fields: bytes, named: str | None = None) -> str:
    body = b"".join(len(field).to_bytes(4, "big") + field for field in (key_type.encode(), *fields))
    return f"{named or key_type} {base64.b64encode(body).decode()}"


@pytest.mark.parametrize(
    "text",
    [
        PUBLIC_KEY,
        f"  {PUBLIC_KEY}\n",
        key_of("ssh-ed25519", b"x" * 32),
        key_of("ssh-rsa", b"\x01\x00\x01", b"n" * 257) + " me@host with spaces",
        key_of("ecdsa-sha2-nistp256", b"nistp256", b"p" * 65),
        key_of("sk-ssh-ed25519@openssh.com", b"x" * 32, b"ssh:"),
    ],
)
def test_a_public_key_is_accepted_and_stripped(text: str) -> None:
    assert parse_public_key(text) == text.strip()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not one line"),
        (f"{PUBLIC_KEY}\n{PUBLIC_KEY}", "is not one line"),
        ("ssh-dss AAAA", "does not begin with a type of public key"),
        (f'from="10.0.0.1" {PUBLIC_KEY}', "does not begin with a type of public key"),
        ("ssh-ed25519", "is damaged"),
        ("ssh-ed25519 not*base64", "is cut short or damaged"),
        (PUBLIC_KEY[:60], "is cut short or damaged"),
        (key_of("ssh-ed25519", b"x" * 31), "has 32 bytes"),
        (key_of("ssh-rsa", b"\x01", b"n" * 257, named="ssh-ed25519"), "not a key of that type"),
        (key_of("ecdsa-sha2-nistp384", b"c", b"p", named="ecdsa-sha2-nistp256"), "not a key of that type"),
        (PUBLIC_KEY + "x" * 4096, "more than 4096 characters"),
    ],
)
def test_a_broken_public_key_is_refused(text: str, message: str) -> None:
    with pytest.raises(Refused, match=message) as caught:
        parse_public_key(text)
    assert caught.value.is_secret


@pytest.mark.parametrize(
    "text", [PRIVATE_KEY, PRIVATE_KEY.replace("OPENSSH", "RSA"), "PuTTY-User-Key-File-3: x"]
)
def test_a_private_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_stack_config(with_changes((("sophia:ssh", "public_key"), text)), "Pulumi.test.yaml")
    assert "sophia:ssh.public_key: (hidden) is a PRIVATE key" in str(caught.value)
    assert "b3Blbn" not in str(caught.value)
    assert "b3Blbn" not in repr(caught.value.problems)


def test_user_data_with_a_private_key_is_refused_without_repeating_it() -> None:
    text = f"#cloud-config\nssh_keys:\n  rsa_private: |\n{PRIVATE_KEY}"
    with pytest.raises(ConfigError) as caught:
        parse_stack_config(with_changes((("sophia:fleet", "core", "user_data"), text)), "Pulumi.test.yaml")
    assert str(caught.value) == (
        "Pulumi.test.yaml sophia:fleet.core.user_data: (hidden) holds a private key; "
        "user data is stored in the stack's state"
    )
