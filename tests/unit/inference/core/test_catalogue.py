"""The data of the models, and what is said when a file of them is wrong."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.inference.catalogue import load_catalogue
from sophia_infra.inference.errors import SettingsRefused, UnknownModel
from tests.unit.inference.core.fakes import SCOUT

PLAN = [
    ("llama-4-maverick-17b-128e-instruct", 1_000_000, "0.18", "0.60"),
    (SCOUT, 1_000_000, "0.08", "0.30"),
    ("deepseek-v3-0324", 164_000, "0.34", "0.88"),
    ("llama-3.1-405b-instruct", 131_000, "0.80", "0.80"),
    ("qwen-3-32b", 41_000, "0.10", "0.30"),
]


@pytest.mark.parametrize(("name", "context", "input_usd", "output_usd"), PLAN)
def test_the_plans_five_models_with_its_figures(
    name: str, context: int, input_usd: str, output_usd: str
) -> None:
    card = load_catalogue().find(name)
    assert card.context_tokens == context
    price = card.price()
    assert (price.usd_per_million_input, price.usd_per_million_output) == (
        Decimal(input_usd),
        Decimal(output_usd),
    )


def test_a_price_has_its_day() -> None:
    card = load_catalogue().find("llama-4-maverick-17b")
    assert card.price(date(2025, 12, 1)).usd_per_million_output == Decimal("0.10")
    assert card.price(date(2025, 8, 1)).usd_per_million_output == Decimal("0.60")
    assert card.price(date(2025, 2, 1)).usd_per_million_output == Decimal("0.88")
    assert card.price(date(2020, 1, 1)).usd_per_million_output == Decimal("0.88")


def test_aliases_and_capitals_find_the_model() -> None:
    catalogue = load_catalogue()
    assert catalogue.find("llama-4-scout-17b").name == SCOUT
    assert catalogue.find(SCOUT.upper()).name == SCOUT
    with pytest.raises(UnknownModel, match="did you mean qwen-3-32b"):
        catalogue.find("qwen-3-23b")


def test_a_configuration_names_models_and_not_aliases() -> None:
    with pytest.raises(SettingsRefused, match=f"write {SCOUT}"):
        load_catalogue().cards(["llama-4-scout-17b"])
    with pytest.raises(SettingsRefused, match="not in the catalogue"):
        load_catalogue().cards(["mine"])


def _document(**fields: Any) -> dict[str, Any]:
    model = {
        "context_tokens": 8_192,
        "max_output_tokens": 2_048,
        "quality": 9,
        "latency": 1,
        "prices": {"own": {"input": "0.01", "output": "0.02"}},
        **fields,
    }
    return {"default_set": "own", "sets": {"own": {"from": "2026-01-01"}}, "models": {"mine": model}}


def _write(folder: Path, document: object) -> Path:
    path = folder / "mine.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_further_models_come_from_a_file(tmp_path: Path) -> None:
    catalogue = load_catalogue(_write(tmp_path, _document()))
    assert catalogue.find("mine").price().usd_per_million_output == Decimal("0.02")
    assert SCOUT in catalogue


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "document"),
        ({**_document(), "default_set": "other"}, "default_set is 'other'"),
        ({**_document(), "sets": {"own": {"from": "soon"}}}, "sets.own.from is 'soon'"),
        (_document(context_tokens=0), "models.mine.context_tokens is '0'"),
        (_document(context_tokens=True), "models.mine.context_tokens"),
        (_document(max_output_tokens=9_000), "models.mine.max_output_tokens is '9000'"),
        (_document(prices={}), "models.mine.prices"),
        (_document(prices={"other": {"blended": "1"}}), "models.mine.prices is 'other'"),
        (_document(prices={"own": {"input": 0.1, "output": "1"}}), "models.mine.prices.own.input is '0.1'"),
        (_document(prices={"own": {"input": "-1", "output": "1"}}), "models.mine.prices.own.input is '-1'"),
        (_document(prices={"own": {"input": "1e-7", "output": "1"}}), "models.mine.prices.own.input"),
        (_document(aliases=["llama-4-scout"]), "models.mine is 'llama-4-scout'"),
    ],
)
def test_a_wrong_file_is_told_by_file_field_and_value(tmp_path: Path, document: object, says: str) -> None:
    path = _write(tmp_path, document)
    with pytest.raises(SettingsRefused) as caught:
        load_catalogue(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match="cannot be read as JSON"):
        load_catalogue(tmp_path / "missing.json")
