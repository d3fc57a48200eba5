"""Where a key may be sent, and how an id becomes part of a path."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from sophia_infra.lambda_cloud.errors import InvalidSpec, Unauthorized
from sophia_infra.model.loopback import is_loopback

__all__ = ["PRODUCTION_URL", "BaseUrl", "check_api_key", "fill_path", "parse_base_url"]

PRODUCTION_URL = "https://cloud.lambda.ai"
"""The only server of the OpenAPI document that is not deprecated."""

_DEPRECATED_HOST = "cloud.lambdalabs.com"


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """A checked base URL: scheme and host, no trailing slash, no path."""

    url: str
    is_loopback: bool


def parse_base_url(text: str) -> BaseUrl:
    """Check `text` and cut it to scheme, host and port; a trailing `/` or `/api/v1` is accepted.

    Raises:
        InvalidSpec: no URL; http to another machine, which would show the key to everyone on the way;
            the deprecated host, which may answer a POST with a redirect; a login, a query or another path.
    """
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        raise InvalidSpec(f"the base URL {text!r} is not a URL: {error}") from error
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host:
        raise InvalidSpec(f"the base URL {text!r} must look like {PRODUCTION_URL}")
    if parts.username is not None or parts.query or parts.fragment:
        raise InvalidSpec(f"the base URL {text!r} must have no login, no query and no fragment")
    if parts.path.rstrip("/") not in {"", "/api/v1"}:
        raise InvalidSpec(f"the base URL {text!r} must end after the host: /api/v1 is added here")
    if host == _DEPRECATED_HOST:
        raise InvalidSpec(f"{host} is deprecated and may redirect; use {PRODUCTION_URL}")
    is_local = is_loopback(host)
    if parts.scheme == "http" and not is_local:
        raise InvalidSpec(f"the base URL {text!r} would send the API key in clear to {host}; use https")
    shown_host = f"[{host}]" if ":" in host else host
    return BaseUrl(f"{parts.scheme}://{shown_host}{'' if port is None else f':{port}'}", is_local)


def check_api_key(api_key: str) -> str:
    """`api_key` without the white space around it, such as the newline of a file.

    Raises:
        Unauthorized: empty, or with characters that no header can carry. Says so without showing it.
    """
    key = api_key.strip()
    if not key:
        raise Unauthorized("the API key is empty")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise Unauthorized("the API key has white space or characters outside ASCII in it")
    return key


def fill_path(template: str, **ids: str) -> str:
    """`template` with `{name}` replaced by each id, quoted, so that no id can lead to another path.

    Raises:
        InvalidSpec: an id that is empty or made of dots: `/instances/` and `/instances/..` are other places.
    """
    for name, value in ids.items():
        if not value.strip("."):
            raise InvalidSpec(f"{name} is {value!r}, which is no id")
    return template.format(**{name: quote(value, safe="") for name, value in ids.items()})
