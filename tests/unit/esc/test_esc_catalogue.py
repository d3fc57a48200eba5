"""The checked-in definition: facts beside every secret, no value in it, and every path of the workloads."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sophia_infra.esc import CHECKSUM_KEY_PATH, DefinitionRefused, format_path, parse_path
from sophia_infra.esc.catalogue import DEFINITION_FILE, load_catalogue, parse_catalogue
from sophia_infra.esc.generators import InvalidGenerator, parse_generator
from sophia_infra.esc.opened import leaves_of
from sophia_infra.esc.secret_text import SecretText
from sophia_infra.model.redaction import looks_like_secret
from tests.unit.esc.esc_values import PASSWORD, evaluated

CHECKOUT = Path(__file__).resolve().parents[3]
WORKLOADS = CHECKOUT / "workloads.yaml"
FACTS = "owner=a generate=uuid"


def one(line: str) -> str:
    return f"values:\n  a:\n    {line}\n"


def test_every_fact_is_read() -> None:
    text = one('key: {fn::secret: ""}  # owner=ai-team rotate=90d from="Some console, keys" then="tell them"')
    [entry] = parse_catalogue(text, source="f").entries.values()
    assert (entry.path, entry.owner, entry.rotate_days, entry.generator) == ("a.key", "ai-team", 90, None)
    assert (entry.minted_by, entry.then, entry.line) == ("Some console, keys", "tell them", 3)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f'key: {{fn::secret: "{PASSWORD}"}}  # {FACTS}', "holds a value"),
        (f"key: {{fn::secret: {{ciphertext: {PASSWORD}}}}}  # {FACTS}", "holds a value"),
        ('key: {fn::secret: ""}', "needs owner=TEAM"),
        ('key: {fn::secret: ""}  # owner=Ai generate=uuid', "needs owner=TEAM"),
        ('key: {fn::secret: ""}  # owner=ai', "needs one of generate"),
        ('key: {fn::secret: ""}  # owner=ai from=x generate=uuid', "needs one of generate"),
        ('key: {fn::secret: ""}  # owner=ai generate=dice', "password:LENGTH, hex:LENGTH or uuid"),
        ('key: {fn::secret: ""}  # owner=ai generate=hex:8', "16 to 256"),
        ('key: {fn::secret: ""}  # owner=ai from=x rotate=monthly', "another form than 30d"),
        ('key: {fn::secret: ""}  # owner=ai from=x colour=red', "facts that are unknown"),
        ('key: {fn::secret: ""}  # owner=ai from=\'x', "open quote"),
        ("key: plain", "names no secret"),
        ("key: [", "is not YAML"),
    ],
)
def test_a_line_that_breaks_a_rule_is_named_and_no_value_shown(line: str, said: str) -> None:
    with pytest.raises(DefinitionRefused, match=said) as caught:
        parse_catalogue(one(line), source="esc.yaml")
    assert "esc.yaml:" in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    text = 'values:\n  a: {fn::secret: ""}\n  b: {fn::secret: ""}\n  a: 1\n'
    with pytest.raises(DefinitionRefused) as caught:
        parse_catalogue(text, source="f")
    assert [problem.split(": ")[0] for problem in caught.value.problems] == ["f:4", "f:2", "f:3"]


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DefinitionRefused, match=r"cannot be read \(FileNotFoundError\)"):
        load_catalogue(tmp_path)


@pytest.mark.parametrize("text", ["password:40", "hex:64", "hex:17", "uuid"])
def test_generated_values_have_their_form_and_are_never_the_same(text: str) -> None:
    generator = parse_generator(text)
    values = {generator.make().reveal() for _ in range(50)}
    assert len(values) == 50
    assert {len(value) for value in values} == {generator.length}
    assert all(value.replace("-", "").isalnum() for value in values)


@pytest.mark.parametrize("text", ["", "password", "password:15", "hex:257", "uuid:4", "password:0x20"])
def test_a_generator_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidGenerator):
        parse_generator(text)


class TestTheCheckedInDefinition:
    """Data, apart from the code above."""

    catalogue = load_catalogue(CHECKOUT)

    def test_it_evaluates_without_a_finding(self) -> None:
        assert evaluated(self.catalogue.text).findings.all == []

    def test_it_holds_no_value(self) -> None:
        assert [line for line in self.catalogue.text.splitlines() if looks_like_secret(line)] == []
        leaves = leaves_of({k: v.public("e") for k, v in evaluated(self.catalogue.text).values.items()})
        assert all(leaves[path] == SecretText("") for path in self.catalogue.entries)
        names = ("key", "token", "password", "secret", "private")
        plain = {path for path, value in leaves.items() if not isinstance(value, SecretText)}
        assert not [path for path in plain if any(name in path.rpartition(".")[2].lower() for name in names)]

    def test_it_names_every_secret_of_the_plan(self) -> None:
        companies = "portkey openrouter openai anthropic gong hubspot slack linear asana notion estuary n8n"
        ours = "postgres redis registry.token lambda.api_key ssh_private_key"
        for word in f"{companies} {ours}".split():
            assert any(word in path for path in self.catalogue.entries), word
        assert CHECKSUM_KEY_PATH in self.catalogue.entries

    def test_paths_are_as_the_operator_and_the_model_take_them(self) -> None:
        for path in self.catalogue.entries:
            assert format_path(parse_path(path)) == path
            assert '"' not in path

    def test_every_path_of_the_workloads_exists_and_is_secret(self) -> None:
        tables = yaml.safe_load(WORKLOADS.read_text(encoding="utf-8"))
        leaves = leaves_of({k: v.public("e") for k, v in evaluated(self.catalogue.text).values.items()})
        wanted = {
            f"{name}: {path}"
            for table in ("workloads", "databases")
            for name, row in (tables.get(table) or {}).items()
            for path in (row.get("secret_env") or {}).values()
        }
        assert wanted
        lacking = [
            one for one in sorted(wanted) if not isinstance(leaves.get(one.partition(": ")[2]), SecretText)
        ]
        assert lacking == []


def test_the_definition_lies_where_the_plan_says() -> None:
    assert DEFINITION_FILE == "infrastructure/esc/lambda-labs-optimized.yaml"
