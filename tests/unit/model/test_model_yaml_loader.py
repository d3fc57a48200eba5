"""Our YAML loader against PyYAML's own: the same nodes at the same places, refusals for the same texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sophia_infra.model.yaml_loader import SafeLoader
from sophia_infra.model.yaml_text import read_yaml
from tests.effort import examples

CHECKOUT = Path(__file__).parents[3]
TEXTS = (
    "",
    "# only a remark\n",
    "a: &x [1, *x]\nb: *x\n",
    "a: 1\r\nb: é\r\n🎉: [x, 'y', \"z\\u00e9\"]\r\n",
    "a: |\n  block\n\n  text\nb: >-\n  folded\n  text\n",
    "? [complex, key]\n: {flow: map}\n",
    "a: !!str 1\nb: !own {c: ~}\nd: 2026-08-20\n",
    "<<: {a: 1}\nb: yes\nc: 0o17\nd: 1_000\n",
)
WRONG = ("a: b: c", "\t- a", "a: [", "--- a\n--- b", "x: *nope", "a: \x01", "a: 'open", "%YAML 3.0\n--- a")


@pytest.mark.parametrize("file", sorted(CHECKOUT.glob("*.yaml")), ids=lambda file: file.name)
def test_every_file_of_the_checkout_gives_the_nodes_that_pyyaml_gives(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert nodes(text, SafeLoader) == nodes(text, yaml.SafeLoader)


@pytest.mark.parametrize("text", TEXTS)
def test_unusual_texts_give_the_nodes_and_places_that_pyyaml_gives(text: str) -> None:
    assert nodes(text, SafeLoader) == nodes(text, yaml.SafeLoader)


@pytest.mark.parametrize("text", WRONG)
def test_what_pyyaml_refuses_is_refused(text: str) -> None:
    for loader in (SafeLoader, yaml.SafeLoader):
        with pytest.raises(yaml.YAMLError):
            nodes(text, loader)


@settings(max_examples=examples(40))
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text("abz09é€🎉 :#-'\"[]{}\\\n\t~"),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab: -'\"", max_size=5), inner),
        max_leaves=8,
    ),
    st.booleans(),
)
def test_whatever_is_dumped_is_read_as_pyyaml_reads_it(value: Any, in_flow_style: bool) -> None:
    text = yaml.safe_dump(value, default_flow_style=in_flow_style, allow_unicode=True)
    assert nodes(text, SafeLoader) == nodes(text, yaml.SafeLoader)
    assert yaml.load(text, Loader=SafeLoader) == value  # noqa: S506, it is a safe loader


@pytest.mark.parametrize("text", ["[" * 50_000, "{a: " * 50_000, "- " * 50_000, "? " * 50_000])
def test_a_text_nested_without_end_is_a_finding_and_not_the_end_of_the_process(text: str) -> None:
    assert [finding.message for finding in read_yaml(text).findings] == ["is nested too deeply"]


def nodes(text: str, loader: Any) -> Any:
    """The composed nodes as plain data, with the place where each begins and ends."""
    return _plain(yaml.compose(text, Loader=loader), set())


def _plain(node: yaml.Node | None, seen: set[int]) -> Any:
    if node is None:
        return None
    where = (node.start_mark.index, node.start_mark.line, node.start_mark.column, node.end_mark.index)
    if id(node) in seen:
        return (node.tag, where)
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        return (node.tag, where, [(_plain(key, seen), _plain(value, seen)) for key, value in node.value])
    if isinstance(node, yaml.SequenceNode):
        return (node.tag, where, [_plain(child, seen) for child in node.value])
    return (node.tag, where, node.value)
