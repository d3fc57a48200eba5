"""Invariants of the packaged data, apart from the code that reads it: bad data is not published."""

from __future__ import annotations

import pytest

from sophia_infra.model.catalogue import (
    CATALOGUE,
    IMAGE_FAMILIES,
    REGIONS,
    InstanceType,
    human_instance_type,
    load_json,
    parse_instance_type,
)
from sophia_infra.model.price_book import PriceBook

FILES = [
    "catalogue.json",
    "regions.json",
    "images.json",
    "prices-2026-08-20.json",
    "prices-plan-2025-07.json",
]
every_type = pytest.mark.parametrize("row", CATALOGUE.values(), ids=lambda row: row.name)


def test_there_are_24_types_and_19_regions() -> None:
    assert len(CATALOGUE) == 24
    assert len(REGIONS) == 19


@every_type
def test_gpu_fields_are_all_present_or_all_absent(row: InstanceType) -> None:
    present = [row.gpu_model is not None, row.gpu_count > 0, row.gpu_memory_gib is not None]
    assert all(present) or not any(present)
    assert row.gpu_form is None or row.gpu_model is not None


@every_type
def test_the_name_and_the_description_say_the_same_as_the_fields(row: InstanceType) -> None:
    if row.gpu_model is None:
        assert row.name.startswith("cpu_")
        assert row.gpu_description == "N/A"
        return
    assert row.name.startswith(f"gpu_{row.gpu_count}x_{row.gpu_model.lower()}")
    assert row.description.startswith(f"{row.gpu_count}x ")
    assert f"({row.gpu_memory_gib} GB" in row.description
    assert (row.gpu_form or "") in row.description
    assert row.description == f"{row.gpu_count}x {row.gpu_description}"


@every_type
def test_sizes_are_above_zero(row: InstanceType) -> None:
    assert min(row.vcpus, row.memory_gib, row.storage_gib) > 0


@every_type
def test_every_type_has_a_price_and_a_short_form_that_means_it(row: InstanceType) -> None:
    assert PriceBook.fallback().get(row.name) > 0
    assert parse_instance_type(human_instance_type(row.name)) == row.name


@pytest.mark.parametrize("book", [PriceBook.fallback(), PriceBook.plan()], ids=lambda book: str(book.as_of))
def test_every_price_has_a_type(book: PriceBook) -> None:
    assert set(book.usd_per_hour) <= set(CATALOGUE)


@pytest.mark.parametrize("name", ["prices-2026-08-20.json", "prices-plan-2025-07.json"])
def test_prices_are_whole_cents_above_zero(name: str) -> None:
    assert all(type(cents) is int and cents > 0 for cents in load_json(name)["cents_per_hour"].values())


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_dated_and_names_its_source(name: str) -> None:
    document = load_json(name)
    assert document["as_of"].startswith("20")
    assert len(document["source"]) > 20


def test_more_gpus_of_a_kind_never_cost_less() -> None:
    book = PriceBook.fallback()
    for one in CATALOGUE.values():
        for more in CATALOGUE.values():
            kind = (one.gpu_model, one.gpu_form, one.gpu_memory_gib)
            if (
                kind == (more.gpu_model, more.gpu_form, more.gpu_memory_gib)
                and one.gpu_count < more.gpu_count
            ):
                assert book.get(one.name) < book.get(more.name)


def test_only_gh200_is_arm64_and_images_exist_for_it() -> None:
    assert [row.name for row in CATALOGUE.values() if row.architecture == "arm64"] == ["gpu_1x_gh200"]
    assert [name for name, made_for in IMAGE_FAMILIES.items() if "arm64" in made_for] == [
        "lambda-stack-24-04",
        "lambda-stack-22-04",
    ]
    assert all("x86_64" in made_for for made_for in IMAGE_FAMILIES.values())
