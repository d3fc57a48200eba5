"""The value types of the stack file: what people write, accepted once, here.

Each has one parser, prints back what was written, and publishes its forms in the JSON schema.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import IPv4Network
from typing import Annotated, Literal

from sophia_infra.model.catalogue import (
    IMAGE_FAMILIES,
    INSTANCE_TYPE_FORMS,
    REGIONS,
    parse_instance_type,
    parse_region,
)
from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import (
    Form,
    choice_form,
    parse_text,
    text_form,
    whole_number_form,
    yes_no_form,
)
from sophia_infra.model.money import (
    RATE_PATTERN,
    USD_PATTERN,
    Rate,
    format_usd_exact,
    parse_rate,
    parse_usd,
)

__all__ = [
    "DnsName",
    "FilesystemName",
    "Hostname",
    "ImageFamily",
    "ImageId",
    "InstanceId",
    "InstanceTypeName",
    "Phase",
    "PortRange",
    "Ports",
    "Region",
    "SourceNetwork",
    "SpendingRate",
    "TagKey",
    "TagValue",
    "UsdAmount",
    "YesNo",
    "parse_ports",
    "parse_source_network",
]

HIGHEST_PORT = 65535
_PORT_FORMS = '"22", "8000-8100" (1 to 65535)'
_NETWORK_FORMS = '"203.0.113.0/24", "203.0.113.7" (IPv4; alone means /32), "0.0.0.0/0" (everybody)'
RESERVED_TAG_PREFIX = "sophia-"


@dataclass(frozen=True, slots=True)
class PortRange:
    """Ports from `low` to `high`, both included. Prints `22` or `8000-8100`."""

    low: int
    high: int

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


def parse_ports(value: object) -> PortRange:
    """`"22"`, `22` or `"8000-8100"`. Raises Refused for all else, also for a range that runs backwards."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", parse_text(value))
    if match is None:
        raise Refused("is not a port or a range of ports", allowed=_PORT_FORMS)
    low, high = int(match[1]), int(match[2] or match[1])
    if not 1 <= low <= HIGHEST_PORT or not 1 <= high <= HIGHEST_PORT:
        raise Refused("is out of range", allowed=_PORT_FORMS)
    if low > high:
        raise Refused("runs backwards", allowed=f'"{high}-{low}"')
    return PortRange(low, high)


def parse_source_network(value: object) -> IPv4Network:
    """An IPv4 network in CIDR notation, or one address (`/32`). Raises Refused, with what may be meant.

    Bits behind the prefix are refused, not cut off: `203.0.113.7/24` may mean the address or the network.
    """
    text = parse_text(value)
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]{1,2})?", text):
        raise Refused("is not an IPv4 network", allowed=_NETWORK_FORMS)
    try:
        network = IPv4Network(text, strict=False)
    except ValueError:
        raise Refused("is not an IPv4 network", allowed=_NETWORK_FORMS) from None
    address = text.partition("/")[0]
    if str(network.network_address) != address:
        raise Refused("has bits behind its prefix", allowed=f'"{network}", "{address}/32"')
    return network


def _refuse_reserved(key: str) -> None:
    if key.startswith(RESERVED_TAG_PREFIX):
        raise Refused(
            f"is reserved: by tags that begin with {RESERVED_TAG_PREFIX} this program finds its own"
        )


InstanceTypeName = Annotated[
    str,
    Form(
        lambda value: parse_instance_type(parse_text(value)),
        {
            "anyOf": [
                {"enum": list(INSTANCE_TYPE_FORMS)},
                {"type": "string", "pattern": "^(gpu_)?[0-9]{1,3}[xX][_A-Za-z0-9-]+$"},
            ]
        },
    ),
]
Region = Annotated[
    str, Form(lambda value: parse_region(parse_text(value)), {"type": "string", "enum": list(REGIONS)})
]
ImageFamily = Annotated[str, choice_form("an image family", IMAGE_FAMILIES)]
UsdAmount = Annotated[
    Decimal,
    Form(
        lambda value: parse_usd(parse_text(value)),
        {"type": "string", "pattern": USD_PATTERN, "examples": ["$5", "$0.08", "$1,000"]},
        format_usd_exact,
        (Decimal,),
    ),
]
SpendingRate = Annotated[
    Rate,
    Form(
        lambda value: parse_rate(parse_text(value)),
        {"type": "string", "pattern": RATE_PATTERN, "examples": ["$2.29/h", "$40/day", "$1,000/month"]},
        str,
        (Rate,),
    ),
]
Ports = Annotated[
    PortRange,
    Form(
        parse_ports,
        {
            "anyOf": [
                {"type": "string", "pattern": "^[0-9]{1,5}(-[0-9]{1,5})?$", "examples": ["22", "8000-8100"]},
                {"type": "integer", "minimum": 1, "maximum": HIGHEST_PORT},
            ]
        },
        str,
        (PortRange,),
    ),
]
SourceNetwork = Annotated[
    IPv4Network,
    Form(
        parse_source_network,
        {
            "type": "string",
            "pattern": r"^[0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]{1,2})?$",
            "examples": ["203.0.113.0/24"],
        },
        str,
        (IPv4Network,),
    ),
]
YesNo = Annotated[bool, yes_no_form()]
Phase = Annotated[Literal[1, 2, 3], whole_number_form(1, 3)]
DnsName = Annotated[
    str,
    text_form(
        "a name",
        pattern="[a-z](?:[a-z0-9-]*[a-z0-9])?",
        rule="lower-case letters, digits and hyphens, first a letter, last no hyphen",
        max_characters=63,
    ),
]
FilesystemName = Annotated[
    str,
    text_form(
        "a filesystem name",
        pattern="[a-zA-Z]+[0-9a-zA-Z-]*",
        rule="letters, digits and hyphens, first a letter",
        max_characters=60,
    ),
]
Hostname = Annotated[
    str,
    text_form(
        "a hostname",
        pattern="[a-z0-9][0-9a-z-]{0,62}",
        rule="lower-case letters, digits and hyphens, first no hyphen",
        max_characters=63,
    ),
]
InstanceId = Annotated[
    str,
    text_form("an instance id", pattern="[0-9a-f]{32}", rule="32 lower-case hex digits", max_characters=64),
]
ImageId = Annotated[
    str,
    text_form("an image id", pattern="[0-9a-zA-Z-]+", rule="letters, digits and hyphens", max_characters=64),
]
TagKey = Annotated[
    str,
    text_form(
        "a tag key",
        pattern="[a-z][a-z0-9:-]+",
        rule="2 or more lower-case letters, digits, hyphens and colons, first a letter",
        max_characters=55,
        extra=_refuse_reserved,
    ),
]
TagValue = Annotated[str, text_form("a tag value", max_characters=128, min_characters=0)]
