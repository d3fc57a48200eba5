"""OpenAI-compatible endpoints that the stack uses, and what their tokens cost."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field

from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import ClosedModel, Form, parse_text, text_form, whole_number_form
from sophia_infra.model.redaction import looks_like_secret
from sophia_infra.model.value_types import UsdAmount

__all__ = ["BaseUrl", "InferenceConfig", "ModelPrice", "VariableName", "parse_base_url"]

VARIABLE_NAME = "[A-Z_][A-Z0-9_]{0,63}"
_URL_FORMS = '"http://127.0.0.1:8000/v1", "https://inference.example/v1"'


def parse_base_url(value: object) -> str:
    """An http or https address without user, password, query or fragment; a trailing slash is dropped."""
    text = parse_text(value)
    try:
        parts = urlsplit(text)
        _ = parts.port  # read, because a bad port is found only then
    except ValueError:
        raise Refused("is not a web address", allowed=_URL_FORMS) from None
    if "@" in parts.netloc:
        raise Refused("has a user or password in it; name a variable in api_key_env", is_secret=True)
    if parts.scheme not in ("http", "https") or not parts.hostname or not text.isprintable() or " " in text:
        raise Refused("is not a web address", allowed=_URL_FORMS)
    if parts.query or parts.fragment:
        raise Refused("has a query or fragment", allowed=_URL_FORMS, is_secret=True)
    return text.rstrip("/")


def parse_variable_name(value: object) -> str:
    """The name of an environment variable. What is refused is never shown: it is likely the key itself."""
    text = parse_text(value)
    if not re.fullmatch(VARIABLE_NAME, text) or looks_like_secret(text):
        raise Refused(
            "is not the name of an environment variable (is it the key itself?)",
            allowed="upper-case letters, digits and _, for example SOPHIA_INFERENCE_KEY",
            is_secret=True,
        )
    return text


BaseUrl = Annotated[
    str, Form(parse_base_url, {"type": "string", "format": "uri", "pattern": "^https?://[^@?#\\s]+$"})
]
VariableName = Annotated[str, Form(parse_variable_name, {"type": "string", "pattern": f"^{VARIABLE_NAME}$"})]


class ModelPrice(ClosedModel):
    """One model of an endpoint."""

    usd_per_million_input: UsdAmount = Field(
        description="Dollars per million input tokens, for example $0.08. No default: prices are never "
        "guessed."
    )
    usd_per_million_output: UsdAmount = Field(
        description="Dollars per million output tokens. No default: it differs from the input price."
    )
    context_tokens: Annotated[int, whole_number_form(1, 100_000_000)] = Field(
        description="Longest input plus output in tokens. No default: each model has its own."
    )


class InferenceConfig(ClosedModel):
    """One endpoint."""

    base_url: BaseUrl = Field(
        description="Address up to and with /v1. No default: Lambda's own service ended on 2025-09-25."
    )
    api_key_env: VariableName | None = Field(
        default=None,
        description="Name of the environment variable that holds the key, never the key. Default none: an "
        "endpoint of one's own may need no key.",
    )
    prices: dict[Annotated[str, text_form("a model id", max_characters=200)], ModelPrice] = Field(
        default_factory=dict,
        description="Model id -> price and limit. Default empty: a model without price is counted in "
        "tokens, not in dollars.",
    )
