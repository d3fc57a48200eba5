"""Masks secrets in text on its way to a log or an error.

Masked: API keys (`secret_<name>_<hex>.<rest>`), Bearer and Basic credentials, credentials in URLs, PEM
private keys, the values of the fields in `SECRET_FIELDS`, and the query of URLs that carry a signature or
a token (upload and download links, Jupyter links). Everything else, instance ids and commit ids included,
stays readable. Masking twice gives the same text as masking once.
"""

from __future__ import annotations

import logging
import re

__all__ = [
    "EXCERPT_CHARACTERS",
    "MASK",
    "SECRET_FIELDS",
    "RedactingFilter",
    "excerpt",
    "install_redaction",
    "redact",
]

MASK = "***"

SECRET_FIELDS = (
    "api[_-]?key",
    "access[_-]?token",
    "control[_-]?token",
    "jupyter_token",
    "jupyter_url",
    "private_key",
    "user_data",
    "boot_data",
    "upload_url",
    "download_url",
    "password",
    "passphrase",
)
"""Patterns of names, or ends of names, whose value is a secret: in JSON, a repr or after `=`."""

EXCERPT_CHARACTERS = 256
"""How much of a body of unknown shape may reach a log: enough to recognise it, too short for a blob."""

_READ_AT_MOST_CHARACTERS = 65_536

_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?!\*).*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.S
)
_KEY = re.compile(r"secret_[\w.-]{1,128}?_[0-9a-fA-F]{8,}(?:\.[\w~+/=-]+)?")
_AUTHORIZATION = re.compile(
    r"""(?ix) (\b authorization \\*["']? \s* [:=] \s* \\*["']? (?:(?:bearer|basic)\s+)?) [^\s"',;}\\]+ """
)
# A bare "Basic" is an ordinary word: only what follows it in the shape of a credential is masked.
_CREDENTIAL = re.compile(
    r"(?i)\b(bearer|basic)(\s+)(?:(?=[^\s\"']*[0-9_=])[\w.~+/=:-]{8,}|[A-Za-z0-9+/=]{24,})"
)
# The value ends at the quote that opened it, unless a backslash stands before: JSON within JSON or within a
# repr has backslashes that cannot be counted right. Better a little too much is masked, or all of a cut text.
_FIELD = re.compile(
    rf"""(?isx)
    ( (?: {"|".join(SECRET_FIELDS)} ) \\*["']? \s* [:=] \s* ) (?! (?:null|none)\b )
    (?: [bru]{{0,2}} (?P<open> \\*["'] ) .*? (?: (?<!\\) (?P=open) | \Z )
      | [^\s,;&}})\]"'\\]+ )
    """
)
_URL_LOGIN = re.compile(r"(://)[^\s/@\"'<>]+@")
_SIGNED_QUERY = re.compile(
    r"(?i)\?(?=[^\s\"'<>]*(?<![\w])(?:x-amz-|x-goog-|signature=|sig=|token=|awsaccesskeyid=))[^\s\"'<>\\]+"
)


def redact(text: str) -> str:
    """`text` with every secret replaced by `***`."""
    text = _PEM.sub(f"-----BEGIN PRIVATE KEY-----{MASK}", text)
    text = _AUTHORIZATION.sub(rf"\1{MASK}", text)
    text = _FIELD.sub(_mask_field, text)
    text = _KEY.sub(f"secret_{MASK}", text)
    text = _CREDENTIAL.sub(rf"\1\2{MASK}", text)
    text = _URL_LOGIN.sub(rf"\1{MASK}@", text)
    return _SIGNED_QUERY.sub(f"?{MASK}", text)


def _mask_field(match: re.Match[str]) -> str:
    quote = match["open"] or ""
    return f"{match[1]}{quote}{MASK}{quote}"


def excerpt(text: str) -> str:
    """The first `EXCERPT_CHARACTERS` of `text`, redacted first, so that no cut leaves half a secret."""
    whole = redact(text[:_READ_AT_MOST_CHARACTERS]).strip()
    return whole if len(whole) <= EXCERPT_CHARACTERS else f"{whole[: EXCERPT_CHARACTERS - 1]}…"


class RedactingFilter(logging.Filter):
    """Redacts the message, its arguments and the traceback of every record. Refuses no record."""

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            record.msg = redact(record.getMessage())
        except (TypeError, ValueError):
            # A wrong format string prints its raw arguments to stderr: they might be the secret.
            record.msg = redact(str(record.msg))
        record.args = None
        if record.exc_info:
            record.exc_text = redact(record.exc_text or _TRACEBACKS.formatException(record.exc_info))
        elif record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True


_TRACEBACKS = logging.Formatter()


def install_redaction(logger: logging.Logger | None = None) -> RedactingFilter:
    """Redact what `logger` (the root logger when None) and all its present handlers write; safe to repeat.

    The filter sits on the handlers as well, because a record that comes up from a child logger passes
    the handlers of its ancestors but not their filters. Add handlers first, then call this.
    """
    target = logging.getLogger() if logger is None else logger
    present = (f for holder in (target, *target.handlers) for f in holder.filters)
    redacting = next((f for f in present if isinstance(f, RedactingFilter)), RedactingFilter())
    for holder in (target, *target.handlers):
        holder.addFilter(redacting)
    return redacting
