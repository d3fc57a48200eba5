"""Kubernetes quantities of CPU and memory: read once, kept as the API server prints them.

The API server turns `0.25` into `250m` and `1024Mi` into `1Gi`. A program that sends another spelling sees
a difference at every update, so the canonical one is made here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import Form, parse_text

__all__ = [
    "Bytes",
    "Cpu",
    "CpuCount",
    "CpuSpan",
    "Memory",
    "MemorySpan",
    "bytes_of",
    "millicores_of",
    "parse_bytes",
    "parse_cpu",
    "parse_cpu_span",
    "parse_memory_span",
]

CPU_FORMS = '"0.25", "250m", "2" (at least 1m; an amount, or request..limit as in "0.25..0.5")'
MEMORY_FORMS = '"512Mi", "1Gi", "0.5Gi" (Ki, Mi, Gi, Ti; an amount, or request..limit as in "512Mi..1Gi")'
CPU_PATTERN = r"(?:[0-9]{1,5}(?:\.[0-9]{1,3})?|[0-9]{1,7}m)"
_NUMBER = r"[0-9]{1,7}(?:\.[0-9]{1,3})?"
BYTES_PATTERN = rf"{_NUMBER}[KMGT]i"

_UNITS = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}
_LOWER_CASE_TRAP = re.compile(r"[0-9.]+\s*(?:k|m|g|t|mb|gb|kb|tb|mib|gib|b|)", re.IGNORECASE)


def parse_cpu(value: object) -> str:
    """Cores as canonical text: `0.25` and `"250m"` -> `250m`, `2` -> `2`. Raises Refused."""
    text = _as_text(value)
    if not re.fullmatch(CPU_PATTERN, text):
        raise Refused("is not an amount of CPU", allowed=CPU_FORMS)
    millicores = int(text[:-1]) if text.endswith("m") else _thousandths(text)
    if millicores < 1:
        raise Refused("is no CPU at all", allowed=CPU_FORMS)
    return str(millicores // 1000) if millicores % 1000 == 0 else f"{millicores}m"


def parse_bytes(value: object) -> str:
    """Bytes as canonical text: `0.5Gi` -> `512Mi`. Raises Refused, with the unit that may be meant.

    Only binary units: `500M` and `500Mi` differ by 5 %, and `500m` is half a byte to Kubernetes.
    """
    text = _as_text(value)
    match = re.fullmatch(rf"({_NUMBER})([KMGT]i)", text)
    if match is None:
        hint = ", and the unit is missing or not a binary one" if _LOWER_CASE_TRAP.fullmatch(text) else ""
        raise Refused(f"is not an amount of memory or storage{hint}", allowed=MEMORY_FORMS)
    count, remainder = divmod(_thousandths(match[1]) * _UNITS[match[2]], 1000)
    if remainder or count < 1:
        raise Refused("is not a whole number of bytes above 0", allowed=MEMORY_FORMS)
    return _bytes_text(count)


def millicores_of(quantity: str) -> int:
    """Thousandths of a core of canonical text."""
    return int(quantity[:-1]) if quantity.endswith("m") else int(quantity) * 1000


def bytes_of(quantity: str) -> int:
    """Bytes of canonical text."""
    for unit, factor in _UNITS.items():
        if quantity.endswith(unit):
            return int(quantity[: -len(unit)]) * factor
    return int(quantity)


@dataclass(frozen=True, slots=True)
class CpuSpan:
    """What a container is promised and what it may use at most, in cores. Prints `250m..500m`, or `2`."""

    request: str
    limit: str

    @property
    def request_millicores(self) -> int:
        return millicores_of(self.request)

    @property
    def limit_millicores(self) -> int:
        return millicores_of(self.limit)

    def __str__(self) -> str:
        return self.request if self.request == self.limit else f"{self.request}..{self.limit}"


@dataclass(frozen=True, slots=True)
class MemorySpan:
    """What a container is promised and where it is ended, in bytes. Prints `512Mi..1Gi`, or `1Gi`."""

    request: str
    limit: str

    @property
    def request_bytes(self) -> int:
        return bytes_of(self.request)

    @property
    def limit_bytes(self) -> int:
        return bytes_of(self.limit)

    def __str__(self) -> str:
        return self.request if self.request == self.limit else f"{self.request}..{self.limit}"


def parse_cpu_span(value: object) -> CpuSpan:
    """`"0.25..0.5"`; one amount is both. Raises Refused."""
    request, limit = (parse_cpu(part) for part in _ends(value))
    span = CpuSpan(request, limit)
    if span.request_millicores > span.limit_millicores:
        raise Refused("runs backwards", allowed=f'"{limit}..{request}"')
    return span


def parse_memory_span(value: object) -> MemorySpan:
    """`"512Mi..1Gi"`; one amount is both. Raises Refused."""
    request, limit = (parse_bytes(part) for part in _ends(value))
    span = MemorySpan(request, limit)
    if span.request_bytes > span.limit_bytes:
        raise Refused("runs backwards", allowed=f'"{limit}..{request}"')
    return span


def _as_text(value: object) -> str:
    """YAML reads `2` and `0.5` as numbers, and nothing else is meant by them."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return parse_text(value).strip()


def _ends(value: object) -> tuple[str, str]:
    request, dots, limit = _as_text(value).partition("..")
    return request, limit if dots else request


def _thousandths(number: str) -> int:
    whole, _, part = number.partition(".")
    return int(whole) * 1000 + int(part.ljust(3, "0"))


def _bytes_text(count: int) -> str:
    for unit, factor in reversed(_UNITS.items()):
        if count % factor == 0:
            return f"{count // factor}{unit}"
    return str(count)


def _span_schema(pattern: str, example: str) -> dict[str, object]:
    return {"type": "string", "pattern": rf"^\s*{pattern}(\.\.{pattern})?\s*$", "examples": [example]}


Cpu = Annotated[
    CpuSpan,
    Form(
        parse_cpu_span,
        {"anyOf": [_span_schema(CPU_PATTERN, "0.25..0.5"), {"type": "number", "exclusiveMinimum": 0}]},
        str,
        (CpuSpan,),
    ),
]
Memory = Annotated[
    MemorySpan, Form(parse_memory_span, _span_schema(BYTES_PATTERN, "512Mi..1Gi"), str, (MemorySpan,))
]
CpuCount = Annotated[
    str,
    Form(
        parse_cpu,
        {
            "anyOf": [
                {"type": "string", "pattern": f"^{CPU_PATTERN}$", "examples": ["32", "500m"]},
                {"type": "number", "exclusiveMinimum": 0},
            ]
        },
    ),
]
Bytes = Annotated[
    str, Form(parse_bytes, {"type": "string", "pattern": f"^{BYTES_PATTERN}$", "examples": ["16Gi"]})
]
