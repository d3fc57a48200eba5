"""What Lambda sells: instance types, regions, image families. Dated data, read once from `data/*.json`.

These are facts of a day, used where no account can be asked; the live lists of the API win. Prices are
in `price_book`. Nothing here imports pydantic: the emulator starts in a fraction of a second with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast

from sophia_infra.model.errors import AmbiguousInstanceType, Refused, UnknownInstanceType, did_you_mean

__all__ = [
    "CATALOGUE",
    "IMAGE_FAMILIES",
    "INSTANCE_TYPE_FORMS",
    "OBSERVED_REGIONS",
    "REGIONS",
    "REGIONS_WITHOUT_FIREWALL",
    "Architecture",
    "InstanceType",
    "human_instance_type",
    "load_json",
    "parse_instance_type",
    "parse_region",
]

Architecture = Literal["x86_64", "arm64"]

_DATA = Path(__file__).with_name("data")


def load_json(name: str) -> dict[str, Any]:
    """One packaged data file, by its name inside `data/`."""
    return cast("dict[str, Any]", json.loads((_DATA / name).read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True)
class InstanceType:
    """One row of the catalogue.

    Attributes:
        name: the API's name, for example `gpu_1x_gh200`.
        gpu_model: `GH200`, `A100`, ...; None for a type without GPU.
        gpu_count: GPUs of one instance; 0 without GPU.
        gpu_memory_gib: memory of ONE of its GPUs, as the description prints it; None without GPU.
        architecture: of the CPU; images and containers have to fit. GH200 is the only arm64.
        vcpus, memory_gib, storage_gib: of the whole instance.
        description: the API's text, for example `1x GH200 (96 GB)`.
        gpu_form: `PCIe`, `SXM4`, `SXM5`, `SXM6`; None where the API names none.
    """

    name: str
    gpu_model: str | None
    gpu_count: int
    gpu_memory_gib: int | None
    architecture: Architecture
    vcpus: int
    memory_gib: int
    storage_gib: int
    description: str
    gpu_form: str | None = None

    @property
    def gpu_description(self) -> str:
        """The API's `gpu_description`: `GH200 (96 GB)`, or `N/A` for a type without GPU."""
        return self.description.partition(" ")[2] if self.gpu_count else "N/A"


CATALOGUE: Mapping[str, InstanceType] = MappingProxyType(
    {name: InstanceType(name=name, **row) for name, row in load_json("catalogue.json")["types"].items()}
)
"""API name -> instance type, 24 of them."""

REGIONS: Mapping[str, str] = MappingProxyType(load_json("regions.json")["regions"])
"""Region code -> description."""

OBSERVED_REGIONS = frozenset(load_json("regions.json")["observed_only"])
"""Those that are in no version of the vendor's document, and were seen all the same."""

REGIONS_WITHOUT_FIREWALL = frozenset({"us-south-1"})
"""Where Lambda does not apply firewall rules. Source: OpenAPI 1.10.0, PUT /firewall-rules."""

IMAGE_FAMILIES: Mapping[str, frozenset[str]] = MappingProxyType(
    {family: frozenset(archs) for family, archs in load_json("images.json")["families"].items()}
)
"""Image family -> the CPU architectures it exists for."""


def human_instance_type(name: str) -> str:
    """The short form people write: `gpu_1x_gh200` -> `1xGH200`; `cpu_4x_general` has none and stays."""
    match = re.fullmatch(r"gpu_([0-9]+)x_(\w+)", name)
    return f"{match[1]}x{match[2].upper()}" if match else name


INSTANCE_TYPE_FORMS: tuple[str, ...] = tuple(
    form for name in CATALOGUE for form in dict.fromkeys((name, human_instance_type(name)))
)
"""Every API name and its short form, in the order of the catalogue."""


def parse_instance_type(text: str) -> str:
    """The API name meant by `text`: an API name (`gpu_1x_gh200`) or a human form (`1xGH200`, `8xH100`).

    A human form is count, `x`, GPU model, then what tells the type apart (`_PCIE`, `_SXM4`, `_80GB`),
    in any case, joined by `_`, `-` or spaces. It is read in two steps:

    1. It is the API name with `gpu_` left off: that type is meant, even where others are close. So
       `1xA100` is `gpu_1x_a100` (the PCIe type of the plan), and `1xA100_SXM4` is the other one.
    2. Else it has to fit exactly one type: `8xH100` fits one; `1xH100` fits the PCIe and the SXM5
       type and is refused with both names, because guessing could cost a third more.

    Raises:
        UnknownInstanceType: nothing fits; the message names the closest form.
        AmbiguousInstanceType: several fit; `candidates` has their API names.
    """
    folded = re.sub(r"[-\s_]+", "_", text.strip()).lower()
    if folded in CATALOGUE:
        return folded
    match = re.fullmatch(r"(?:gpu_)?([0-9]{1,3})_?x_?([a-z0-9_]+)", folded)
    if match is None:
        raise _unknown(text)
    named = f"gpu_{match[1]}x_{match[2]}"
    if named in CATALOGUE:
        return named
    count, words = int(match[1]), set(match[2].split("_"))
    fitting = [row.name for row in CATALOGUE.values() if row.gpu_count == count and words <= _words(row)]
    if not fitting:
        raise _unknown(text)
    if len(fitting) > 1:
        forms = ", ".join(f"{human_instance_type(name)} ({name})" for name in fitting)
        raise AmbiguousInstanceType("fits more than one instance type", fitting, allowed=forms)
    return fitting[0]


def parse_region(text: str) -> str:
    """A region code, unchanged. Raises Refused with the closest code and all of them."""
    if text not in REGIONS:
        raise Refused(f"is not a region{did_you_mean(text, REGIONS)}", allowed=", ".join(REGIONS))
    return text


def _words(row: InstanceType) -> set[str]:
    found = {row.gpu_model, row.gpu_form, row.gpu_memory_gib and f"{row.gpu_memory_gib}gb"}
    return {word.lower() for word in found if word} | set(row.name.split("_")[2:])


def _unknown(text: str) -> UnknownInstanceType:
    hint = did_you_mean(text, INSTANCE_TYPE_FORMS)
    forms = ", ".join(human_instance_type(name) for name in CATALOGUE)
    return UnknownInstanceType(f"is not an instance type{hint}", allowed=forms)
