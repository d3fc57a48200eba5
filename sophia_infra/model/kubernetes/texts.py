"""Texts that Kubernetes, image registries, cron and Pulumi ESC read: checked here, with the rule in words."""

from __future__ import annotations

import re
from typing import Annotated

from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import Form, parse_text, text_form, whole_number_form
from sophia_infra.model.redaction import looks_like_secret

__all__ = [
    "AbsolutePath",
    "ClusterName",
    "CronSchedule",
    "Domain",
    "Duration",
    "EnvName",
    "EnvValue",
    "HealthPath",
    "HostLabel",
    "ImageDigest",
    "ImageText",
    "Percent",
    "PortName",
    "PortNumber",
    "Roles",
    "SecretPath",
    "UserId",
    "parse_cron",
    "parse_image",
    "registry_of",
]

_IMAGE_FORMS = '"registry.example/team/app:1.2.3", "postgres:16.4", with or without "@sha256:<64 hex digits>"'
_IMAGE = re.compile(
    r"(?:(?P<registry>[a-z0-9.-]+(?::[0-9]{1,5})?)/)?"
    r"(?P<path>[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_CRON_RANGES = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_CRON_FORMS = (
    'five fields "minute hour day month weekday" of numbers, *, ranges, lists and steps: "0 2 * * *"'
)


def parse_image(value: object) -> str:
    """An image with a fixed tag or digest. Raises Refused for `latest`, none, capitals, a user name in it."""
    text = parse_text(value)
    match = _IMAGE.fullmatch(text)
    if match is None:
        capitals = text.partition("@")[0].rpartition(":")[0] or text
        if capitals != capitals.lower() and not looks_like_secret(text):
            raise Refused("has capitals in its name, which registries refuse", allowed=capitals.lower())
        raise Refused("is not the name of an image", allowed=_IMAGE_FORMS)
    if match["tag"] is None and match["digest"] is None:
        raise Refused("has no tag: it would mean latest, which changes unasked", allowed=_IMAGE_FORMS)
    if match["tag"] == "latest" and match["digest"] is None:
        raise Refused("has the tag latest, which changes unasked", allowed=_IMAGE_FORMS)
    return text


def registry_of(image: str) -> str | None:
    """Host of the registry in front of the image's path; None for a short name such as `postgres:16.4`."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else None


def parse_cron(value: object) -> str:
    """A cron schedule of five fields, as Kubernetes' CronJob reads it. Raises Refused and names the field."""
    text = parse_text(value)
    fields = text.split()
    if len(fields) != len(_CRON_RANGES):
        raise Refused(f"has {len(fields)} fields", allowed=_CRON_FORMS)
    for part, (name, low, high) in zip(fields, _CRON_RANGES, strict=True):
        for item in part.split(","):
            match = re.fullmatch(r"(?:\*|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:/([0-9]{1,2}))?", item)
            numbers = [int(number) for number in match.groups()[:2] if number] if match else []
            if match is None or match[3] in ("0", "00") or numbers != sorted(numbers):
                raise Refused(f"has a {name} that cron does not know", allowed=_CRON_FORMS)
            if any(not low <= number <= high for number in numbers):
                raise Refused(f"is outside {low} to {high} in its {name}", allowed=_CRON_FORMS)
    return " ".join(fields)


def parse_roles(value: object) -> tuple[str, ...]:
    """A list of role names. Raises Refused; a comma inside one gets the reason, since the plan has it so."""
    if isinstance(value, str):
        raise _one_text(value)
    if not isinstance(value, (list, tuple)) or not value:
        raise Refused("is not a list of roles", allowed="[training, large-inference]")
    for at, name in enumerate(value):
        text = parse_text(name)
        if "," in text:
            raise _one_text(text)
        if not re.fullmatch(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", text):
            raise Refused(
                f"has no name as role {at + 1}", allowed="lower-case letters, digits and hyphens, up to 63"
            )
        if text in value[:at]:
            raise Refused(f"names role {at + 1} twice")
    return tuple(value)


def _one_text(text: str) -> Refused:
    names = ", ".join(part.strip() for part in text.split(","))
    if looks_like_secret(text):
        names = "training, large-inference"
    reason = "has a comma, which no label value may have" if "," in text else "is one text"
    return Refused(
        f"{reason}: each role becomes a label of its own, with the value true", allowed=f"a list: [{names}]"
    )


def _parse_secret_path(value: object) -> str:
    text = parse_text(value)
    name = r"[A-Za-z_][A-Za-z0-9_-]*"
    if looks_like_secret(text) or not re.fullmatch(rf"{name}(?:\.{name}|\[[0-9]{{1,4}}\])*", text):
        raise Refused(
            "is not a path in the ESC environment (is it the secret itself?)",
            allowed="names joined by dots, for example ai.openai_api_key",
            is_secret=True,
        )
    return text


ImageText = Annotated[
    str,
    Form(
        parse_image,
        {"type": "string", "pattern": r"^[a-z0-9./:_-]+(:[A-Za-z0-9_.-]+)?(@sha256:[0-9a-f]{64})?$"},
    ),
]
ImageDigest = Annotated[
    str,
    text_form("a digest", pattern="sha256:[0-9a-f]{64}", rule="sha256: and 64 hex digits", max_characters=71),
]
CronSchedule = Annotated[
    str, Form(parse_cron, {"type": "string", "pattern": r"^\S+( +\S+){4}$", "examples": ["0 2 * * *"]})
]
SecretPath = Annotated[
    str,
    Form(_parse_secret_path, {"type": "string", "pattern": r"^[A-Za-z_][A-Za-z0-9_.\[\]-]*$"}),
]
EnvName = Annotated[
    str,
    text_form(
        "the name of an environment variable",
        pattern="[A-Za-z_][A-Za-z0-9_]*",
        rule="letters, digits and _, first no digit",
        max_characters=100,
    ),
]
EnvValue = Annotated[str, text_form("a value", max_characters=4000, min_characters=0)]
AbsolutePath = Annotated[
    str,
    text_form(
        "an absolute path",
        pattern=r"/[A-Za-z0-9._/-]*[A-Za-z0-9._-]",
        rule="/ and letters, digits, dots, hyphens, not / alone",
        max_characters=200,
    ),
]
HealthPath = Annotated[
    str,
    text_form(
        "a path", pattern=r"/[\w./?=&-]*", rule="/ and letters, digits, . / ? = & -", max_characters=200
    ),
]
PortName = Annotated[
    str,
    text_form(
        "a port name",
        pattern="[a-z](?:[a-z0-9-]*[a-z0-9])?",
        rule="up to 15 lower-case letters, digits and hyphens, first a letter",
        max_characters=15,
    ),
]
Roles = Annotated[
    tuple[str, ...],
    Form(
        parse_roles,
        {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "pattern": "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"},
        },
        list,
    ),
]
PortNumber = Annotated[int, whole_number_form(1, 65535)]
UserId = Annotated[int, whole_number_form(1, 2_147_483_647)]
Percent = Annotated[int, whole_number_form(1, 100)]
Duration = Annotated[
    str,
    text_form(
        "a duration",
        pattern="[1-9][0-9]{0,4}[smh]",
        rule='a number and s, m or h, for example "1h"',
        max_characters=6,
    ),
]
HostLabel = Annotated[
    str,
    text_form(
        "a host label",
        pattern="[a-z0-9](?:[a-z0-9-]*[a-z0-9])?",
        rule="lower-case letters, digits and hyphens: the part before the domain",
        max_characters=63,
    ),
]
Domain = Annotated[
    str,
    text_form(
        "a domain",
        pattern=r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]",
        rule="lower-case labels joined by dots, for example sophia.example.com",
        max_characters=200,
    ),
]
ClusterName = Annotated[
    str,
    text_form(
        "a name of the cluster",
        pattern=r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?",
        rule="lower-case letters, digits, hyphens and dots",
        max_characters=100,
    ),
]
