"""`sophia inference` as its users see it: exact dollars, one sentence for a mistake, and never a key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sophia_infra.cli.local_inference import stop_local_inference
from sophia_infra.engine.home import Home
from sophia_infra.esc import EnvironmentName, EscAccess, EscClient, SecretText
from sophia_infra.esc.catalogue import DEFINITION_FILE
from sophia_infra.esc.emulator.server import EscEmulatorServer
from sophia_infra.esc.emulator.state import Store
from sophia_infra.inference.gateway.keys import hash_key, parse_keys
from sophia_infra.inference.ledger import open_ledger
from sophia_infra.inference.usage import Tokens, UsageEntry
from tests.unit.cli.sophia_command import A10, Finished, Sophia

GATEWAY: dict[str, Any] = {
    "backends": {
        "there": {"kind": "openai", "base_url": "http://127.0.0.1:9/v1", "models": {"qwen-3-32b": "q"}}
    },
    "users": {"ann": {}, "ben": {}},
}
NOW = datetime.now(UTC)


@pytest.fixture
def sophia(tmp_path: Path) -> Sophia:
    made = Sophia(tmp_path / "project", tmp_path / "home")
    made.write_config({"a": A10}, gateway=GATEWAY)
    return made


def entry(number: int, **changes: Any) -> UsageEntry:
    values: dict[str, Any] = {
        "request_id": f"request-{number}",
        "at": NOW,
        "user": "ann",
        "model": "qwen-3-32b",
        "backend": "there",
        "tokens": Tokens(1_000, 10),
        "input_usd": Decimal("0.0001"),
        "output_usd": Decimal("0.000003"),
        **changes,
    }
    return UsageEntry(**values)


def booked(sophia: Sophia, *entries: UsageEntry) -> None:
    folder = sophia.home / "inference"
    folder.mkdir(parents=True)
    with open_ledger(f"sqlite:///{folder / 'usage.sqlite'}") as ledger:
        for one in entries:
            ledger.track(one)


def test_before_the_first_call_it_says_so(sophia: Sophia) -> None:
    done = sophia.run("inference", "usage")
    assert done.code == 0
    assert "Nothing was used yet" in done.said
    assert sophia.run("inference", "usage", "--json").json() == {"rows": [], "total": None, "budget": []}


def test_use_is_added_up_exactly_and_stands_beside_the_budgets(sophia: Sophia) -> None:
    booked(sophia, *(entry(number) for number in range(7)), entry(7, user="ben", model="deepseek-v3-0324"))
    document = sophia.run("inference", "usage", "--json").json()
    assert [(row["name"], row["requests"], row["usd"]) for row in document["rows"]] == [
        ("qwen-3-32b", 7, "0.000721"),
        ("deepseek-v3-0324", 1, "0.000103"),
    ]
    assert Decimal(document["total"]["usd"]) == Decimal("0.000824")
    assert {row["window"]: row["limit_usd"] for row in document["budget"]} == {
        "hour": "10",
        "day": "100",
        "month": "2500",
    }
    said = sophia.run("inference", "usage", "--by", "user").said
    assert "ann 7" in said
    assert "$0.000824" in said
    assert "of $100.00" in said


def test_days_bound_the_report_in_utc(sophia: Sophia) -> None:
    booked(sophia, entry(1), entry(2, at=NOW - timedelta(days=3)))
    today = f"{NOW:%Y-%m-%d}"
    assert sophia.run("inference", "usage", "--since", today, "--json").json()["total"]["requests"] == 1
    assert sophia.run("inference", "usage", "--until", today, "--json").json()["total"]["requests"] == 1
    assert sophia.run("inference", "usage", "--since", "2199-01-01").said == " ".join(
        ["Nothing was used in this time.", *budget_lines(sophia)]
    )


def budget_lines(sophia: Sophia) -> list[str]:
    return [line for line in sophia.run("inference", "usage").out.splitlines() if line.startswith("This ")]


def test_unknown_ends_are_told_apart(sophia: Sophia) -> None:
    booked(sophia, entry(1), entry(2, outcome="unknown"))
    said = sophia.run("inference", "usage").said
    assert (
        "1 of them ended without a word, with their process or connection; they are booked at the most"
        in said
    )


def test_models_say_which_backend_serves_them(sophia: Sophia) -> None:
    rows = {row["model"]: row for row in sophia.run("inference", "models", "--json").json()}
    assert rows["qwen-3-32b"]["backends"] == ["there"]
    assert rows["llama-4-scout-17b-16e-instruct"]["backends"] == []
    assert rows["llama-4-scout-17b-16e-instruct"]["context_tokens"] == 1_000_000
    assert "llama-4-scout-17b" in rows["llama-4-scout-17b-16e-instruct"]["aliases"]


def test_the_plans_break_even_and_the_honest_one_stand_side_by_side(sophia: Sophia, tmp_path: Path) -> None:
    picture = tmp_path / "break-even.svg"
    document = sophia.run("inference", "break-even", "--plot", str(picture), "--json").json()
    assert [
        (row["prices_of"], row["usd_per_month"], row["break_even_tokens_per_month"])
        for row in document["rows"]
    ] == [("2025-07, the plan's", "928.8", 6_880_000_000), ("2026-08-20", "1432.8", 10_613_333_334)]
    assert document["plan"]["saving_percent"] == "73.1"
    assert document["plan"]["tokens_for_the_rest"] == 1_851_851_851
    assert picture.read_text(encoding="utf-8").startswith("<?xml")


def test_a_machine_that_cannot_work_so_much_never_pays(sophia: Sophia) -> None:
    said = sophia.run("inference", "break-even", "--tokens-per-s", "100").said
    assert "never pays" in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("break-even", "--type", "1xRTX4090"), "--type '1xRTX4090' is not an instance type"),
        (("break-even", "--model", "gpt"), "There is no model 'gpt'. Use one of: deepseek-v3-0324,"),
        (("break-even", "--ratio", "much"), "'much' is not a ratio of tokens"),
        (("break-even", "--plot", "x.gif"), "A picture ends in .svg or .png"),
        (("usage", "--ledger-env", "NOT_SET"), "the variable NOT_SET is not set; it holds the ledger's URL"),
        (("usage", "--since", "yesterday"), "'yesterday' does not match the format '%Y-%m-%d'"),
        (("copy", "--to-env", "NOT_SET"), "the variable NOT_SET is not set"),
        (("configure", "--new-key", "bem"), "'bem' is no user of sophia:gateway, did you mean ben?"),
    ],
)
def test_a_mistake_is_one_sentence_and_changes_nothing(
    sophia: Sophia, arguments: tuple[str, ...], sentence: str
) -> None:
    done = sophia.run("inference", *arguments)
    assert done.code == 64
    assert sentence in done.said
    assert not (sophia.home / "inference").exists()


def test_a_wrong_ledger_address_is_refused_without_showing_it(sophia: Sophia) -> None:
    done = sophia.run("inference", "usage", "--ledger-env", "BOOKS", BOOKS="mysql://me:hunter2@host/db")
    assert done.code == 64
    assert "hunter2" not in done.said
    assert "postgresql+psycopg://" in done.said


def test_a_stack_without_a_gateway_is_told_where_to_add_one(sophia: Sophia) -> None:
    sophia.write_config({"a": A10})
    done = sophia.run("inference", "configure")
    assert done.code == 64
    assert "Stack local has no inference gateway: its file has no sophia:gateway." in done.said


def test_configure_gives_each_user_one_key_and_prints_none(sophia: Sophia, tmp_path: Path) -> None:
    settings = tmp_path / "client.json"
    would = sophia.run("inference", "configure", "--dry-run")
    assert "ann, ben would get a new key." in would.said
    assert not (sophia.home / "inference").exists()
    try:
        first = sophia.run("inference", "configure", "--write", str(settings))
        again = sophia.run("inference", "configure", "--write", str(settings), "--json").json()
        keys = {file.name: file.read_text() for file in (sophia.home / "inference" / "keys").iterdir()}
        renewed = sophia.run("inference", "configure", "--new-key", "ben")
        ben = (sophia.home / "inference" / "keys" / "ben").read_text()
    finally:
        stop(sophia)
    assert first.code == 0, first.said
    assert "ann, ben got a new key." in first.said
    assert (again["made"], again["kept"], again["settings_changed"]) == ([], ["ann", "ben"], False)
    assert "ben got a new key. ann keeps the key." in renewed.said
    assert ben != keys["ben"]
    for key in (*keys.values(), ben):
        assert re.fullmatch(r"sk-sophia-(ann|ben)-[A-Za-z0-9_-]{43}", key.strip())
        assert key.strip() not in first.said + renewed.said + json.dumps(again) + settings.read_text()
    folder = sophia.home / "inference"
    private = [folder, folder / "curl", folder / "key-hashes", *(folder / "keys").iterdir()]
    assert all(file.stat().st_mode & 0o077 == 0 for file in private)


DEFINITION = """values:
  inference:
    gateway_key_hashes: {fn::secret: ""}  # owner=ai from="sophia inference configure"
    keys:
      ann: {fn::secret: ""}  # owner=ai from="sophia inference configure"
      ben: {fn::secret: ""}  # owner=ai from="sophia inference configure"
"""
ESC_TOKEN = "pul-inference-test-token-42"


@pytest.fixture
def esc() -> Iterator[EscEmulatorServer]:
    with EscEmulatorServer(Store(now=lambda: NOW), SecretText(ESC_TOKEN)) as emulator:
        yield emulator


def test_of_a_real_stack_keys_go_to_esc_and_the_gateway_gets_their_hashes(
    sophia: Sophia, esc: EscEmulatorServer
) -> None:
    client = esc_client(sophia, esc, DEFINITION)
    first = configure(sophia, esc)
    assert (first["made"], first["kept"]) == (["ann", "ben"], [])
    opened = client.open()
    keys = {user: secret(opened.leaf(f"inference.keys.{user}")) for user in ("ann", "ben")}
    hashes = secret(opened.leaf("inference.gateway_key_hashes"))
    assert parse_keys(hashes, name="esc") == {user: (hash_key(key),) for user, key in keys.items()}
    revision = client.definition().revision

    again = configure(sophia, esc)
    assert (again["made"], again["kept"]) == ([], ["ann", "ben"])
    assert client.definition().revision == revision, "the second time writes nothing"

    assert configure(sophia, esc, "--new-key", "ben", "--dry-run")["made"] == ["ben"]
    assert client.definition().revision == revision
    configure(sophia, esc, "--new-key", "ben")
    opened = client.open()
    assert secret(opened.leaf("inference.keys.ann")) == keys["ann"]
    assert secret(opened.leaf("inference.keys.ben")) != keys["ben"]


def test_a_user_without_a_place_in_the_definition_is_named_and_nothing_is_written(
    sophia: Sophia, esc: EscEmulatorServer
) -> None:
    client = esc_client(sophia, esc, "\n".join(DEFINITION.splitlines()[:-1]))
    revision = client.definition().revision
    done = run_configure(sophia, esc)
    assert done.code == 64
    assert "The checked-in definition has no place for inference.keys.ben" in done.said
    assert client.definition().revision == revision


def esc_client(sophia: Sophia, esc: EscEmulatorServer, definition: str) -> EscClient:
    names = {"organization": "sophia", "project": "platform", "environment": "test", "token_env": "ESC_TOKEN"}
    sophia.write_config({"a": A10}, endpoint="lambda", gateway=GATEWAY, kubernetes={"secrets": names})
    file = sophia.project / DEFINITION_FILE
    file.parent.mkdir(parents=True)
    file.write_text(definition, encoding="utf-8")
    access = EscAccess(esc.url, SecretText(ESC_TOKEN), "ESC_TOKEN")
    client = EscClient(access, EnvironmentName("sophia", "platform", "test"))
    client.create()
    client.update(definition, client.definition().etag)
    return client


def run_configure(sophia: Sophia, esc: EscEmulatorServer, *arguments: str) -> Finished:
    variables = {"SOPHIA_ESC_URL": esc.url, "ESC_TOKEN": ESC_TOKEN}
    return sophia.run("inference", "configure", "--json", *arguments, **variables)


def configure(sophia: Sophia, esc: EscEmulatorServer, *arguments: str) -> dict[str, Any]:
    done = run_configure(sophia, esc, *arguments)
    assert done.code == 0, done.said
    assert "sk-sophia-" not in done.said
    found: dict[str, Any] = done.json()
    return found


def secret(leaf: object) -> str:
    assert isinstance(leaf, SecretText)
    return leaf.reveal()


def stop(sophia: Sophia) -> None:
    stop_local_inference(Home(sophia.home, sophia.project))
