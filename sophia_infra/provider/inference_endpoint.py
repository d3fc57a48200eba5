"""The resource kind InferenceEndpoint: an OpenAI-compatible server that this stack relies on.

Nothing is made: `create` proves that the endpoint answers and lists its models, and records prices and
limits beside them: those of the stack file, and what the endpoint itself says of its models (our gateway says
all, vLLM `max_model_len`). Lambda's own Inference API ended on 2025-09-25 (facts 8): its address is refused.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from sophia_infra.model.loopback import is_loopback
from sophia_infra.provider.errors import EndpointUnusable
from sophia_infra.provider.outcome import Checked, Created, Diff, Found, Props, same
from sophia_infra.provider.session import Session

__all__ = ["InferenceEndpointKind"]

_ENDED_HOSTS = frozenset({"api.lambda.ai", "api.lambdalabs.com"})
_TIMEOUT_S = (5.0, 15.0)
_INPUTS = ("base_url", "api_key_env", "prices")


class InferenceEndpointKind:
    """Properties: `base_url` (ends in /v1), `api_key_env` (name of a variable), `prices` {model: {...}}.

    The key itself is read from the environment at the moment of the request and kept nowhere.
    """

    def __init__(self, _session: Session) -> None:
        """Every kind is made with the session; this one speaks to its own server only."""

    def check(self, _olds: Mapping[str, Any], news: Props) -> Checked:
        host = _host(str(news.get("base_url", "")))
        if host in _ENDED_HOSTS:
            return Checked(
                news,
                (
                    (
                        "base_url",
                        f"{host} ended on 2025-09-25: serve the model yourself (vLLM) or name another",
                    ),
                ),
            )
        return Checked(news, () if host else (("base_url", "is not an address such as http://host:8000/v1"),))

    def diff(self, _resource_id: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Diff:
        changed = tuple(name for name in _INPUTS if not same(olds.get(name), news.get(name)))
        return Diff(changes=changed, replaces=tuple(name for name in changed if name == "base_url"))

    def create(self, news: Props) -> Created:
        return Created(news["base_url"], self._probe(news))

    def read(self, resource_id: str, props: Props) -> Found:
        """An endpoint that does not answer now is not gone: its last known models stay."""
        try:
            return Found(resource_id, self._probe(props))
        except EndpointUnusable:
            return Found(resource_id, {**props, "healthy": False})

    def update(self, _resource_id: str, _olds: Mapping[str, Any], news: Props) -> Props:
        return self._probe(news)

    def delete(self, _resource_id: str, _props: Mapping[str, Any]) -> None:
        return None

    def _probe(self, props: Mapping[str, Any]) -> Props:
        url = f"{str(props['base_url']).rstrip('/')}/models"
        variable = props.get("api_key_env")
        headers = {}
        if variable:
            key = os.environ.get(str(variable), "")
            if not key:
                raise EndpointUnusable(
                    f"The variable {variable} is not set, so {url} cannot be asked for its models.",
                    next_step=f"export {variable} and run again.",
                )
            headers["Authorization"] = f"Bearer {key}"
        listed = _models(url, headers)
        models = sorted(listed)
        priced: Mapping[str, Any] = props.get("prices") or {}
        absent = sorted(set(priced) - set(models))
        if absent:
            raise EndpointUnusable(
                f"{url} does not serve {', '.join(absent)}; it serves {', '.join(models) or 'nothing'}.",
                next_step="correct the model names under `prices`, or load the model.",
            )
        return {
            **{name: props[name] for name in _INPUTS if name in props},
            "models": models,
            "limits": {
                model: limit for model in models if (limit := _limits(listed[model], priced.get(model)))
            },
            "listed_prices": {model: price for model in models if (price := _prices(listed[model]))},
            "unpriced_models": sorted(
                model for model in models if model not in priced and not _prices(listed[model])
            ),
            "healthy": True,
        }


def _host(url: str) -> str | None:
    try:
        return (urlsplit(url).hostname or "").rstrip(".") or None
    except ValueError:
        return None


def _limits(row: Mapping[str, Any], priced: Mapping[str, Any] | None) -> dict[str, int]:
    """Tokens that the model holds and gives in one answer; else what the stack file says."""
    context = row.get("context_tokens", row.get("max_model_len", (priced or {}).get("context_tokens")))
    found = {"context_tokens": context, "max_output_tokens": row.get("max_output_tokens")}
    return {name: value for name, value in found.items() if type(value) is int}


def _prices(row: Mapping[str, Any]) -> dict[str, str]:
    """Dollars per million tokens as decimal texts; empty unless the server states both."""
    names = ("usd_per_million_input", "usd_per_million_output")
    return {name: row[name] for name in names} if all(type(row.get(name)) is str for name in names) else {}


def _models(url: str, headers: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    """Model id -> what the server says of it."""
    try:
        with requests.Session() as session:
            # A proxy cannot reach our own loopback.
            session.trust_env = not is_loopback(urlsplit(url).hostname or "")
            answer = session.get(url, headers=dict(headers), timeout=_TIMEOUT_S, allow_redirects=False)
    except (requests.RequestException, UnicodeError) as error:
        raise EndpointUnusable(
            f"{url} does not answer ({type(error).__name__}).",
            next_step="start the server, or correct `base_url`.",
        ) from error
    if answer.status_code in (401, 403):
        raise EndpointUnusable(
            f"{url} refuses the key (HTTP {answer.status_code}).",
            next_step="set `api_key_env` to the right one.",
        )
    if answer.status_code == 200:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return {str(row["id"]): row for row in answer.json()["data"]}
    raise EndpointUnusable(
        f"{url} answered HTTP {answer.status_code} and no list of models.",
        next_step="`base_url` must be the /v1 of an OpenAI-compatible server.",
    )
