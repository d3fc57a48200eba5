"""The evaluator says what ESC's own says: values, merge order, references, and findings with their place."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.esc import format_path, parse_path
from tests.unit.esc.esc_values import PASSWORD, evaluated, summaries, values_of

NAMES = st.text("abcxyz_", min_size=1, max_size=4)
SCALARS = st.none() | st.booleans() | st.integers(-999, 999) | st.text("ab $.-", max_size=5)
TREES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(NAMES, TREES, max_size=4)
FEW_NAMES = st.sampled_from("ab")
COLLIDING: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    FEW_NAMES,
    st.recursive(SCALARS, lambda inner: st.dictionaries(FEW_NAMES, inner, min_size=1), max_leaves=6),
)


def written(values: dict[str, Any], imports: list[str] | None = None) -> str:
    return yaml.safe_dump({"imports": imports or [], "values": escaped(values)})


def escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, list):
        return [escaped(one) for one in value]
    return {name: escaped(one) for name, one in value.items()} if isinstance(value, dict) else value


def merged(over: Any, base: Any) -> Any:
    if not isinstance(over, dict) or not isinstance(base, dict):
        return over
    return {**base, **{name: merged(one, base[name]) if name in base else one for name, one in over.items()}}


@given(DOCUMENTS)
def test_values_without_references_come_out_as_they_went_in(values: dict[str, Any]) -> None:
    assert values_of(written(values)) == values


@given(COLLIDING, COLLIDING, COLLIDING)
def test_later_imports_lie_over_earlier_and_own_values_over_all(
    first: dict[str, Any], second: dict[str, Any], own: dict[str, Any]
) -> None:
    found = values_of(written(own, ["p/a", "p/b"]), a=written(first), b=written(second))
    assert found == merged(own, merged(second, first))


@given(st.dictionaries(NAMES, st.text("ab $.{}", max_size=6), min_size=1, max_size=4), st.data())
def test_a_reference_inside_text_is_the_text_of_what_it_names(texts: dict[str, str], data: Any) -> None:
    chosen = data.draw(st.lists(st.sampled_from(sorted(texts)), max_size=4))
    references = "".join(f"${{source.{name}}}|" for name in chosen)
    document = {"values": {"source": escaped(texts), "joined": f"<{references}>"}}
    assert (
        values_of(yaml.safe_dump(document))["joined"] == f"<{''.join(texts[name] + '|' for name in chosen)}>"
    )


@given(
    st.lists(st.text(min_size=1, max_size=6) | st.integers(0, 99), max_size=5),
    st.text(min_size=1, max_size=6),
)
def test_a_path_is_read_back_as_it_was_written(rest: list[str | int], first: str) -> None:
    # A backslash before a quote has no form in ESC's grammar: it always reads as an escaped quote.
    accessors = tuple(one.replace("\\", "/") if isinstance(one, str) else one for one in [first, *rest])
    assert parse_path(format_path(accessors)) == accessors


def test_objects_of_two_imports_are_merged_in_depth_and_lists_replaced() -> None:
    first, second = "values: {o: {p: {x: 1, y: 1}, l: [1, 2]}}", "values: {o: {p: {y: 2}, l: [3]}}"
    assert values_of("imports: [p/a, p/b]", a=first, b=second) == {"o": {"p": {"x": 1, "y": 2}, "l": [3]}}


def test_a_whole_reference_keeps_its_type_and_runs_in_any_direction() -> None:
    text = "values: {late: '${early.list[1]}', early: {list: [1, {deep: [true]}], same: '${late.deep[0]}'}}"
    assert values_of(text)["early"]["same"] is True


def test_siblings_may_refer_to_each_other_and_a_circle_is_a_finding() -> None:
    assert values_of("values: {a: {x: '${a.y}', y: 1}}") == {"a": {"x": 1, "y": 1}}
    assert summaries("values: {a: '${b}', b: 'x${a}'}") == ["values.a: cyclic reference to a"]


@pytest.mark.parametrize(
    "reference",
    ["${s}", "x-${s}", "${o.inner}", "${list[0]}", "${joined}", "${json}", "${parsed.k}", "${b64}"],
)
def test_all_that_a_secret_flows_into_is_secret(reference: str) -> None:
    text = f"""
values:
  s: {{fn::secret: '{{"k": "{PASSWORD}"}}'}}
  plain: 5
  o: {{inner: "${{s}}"}}
  list: ["${{s}}"]
  joined: {{fn::join: ["-", [a, "${{s}}"]]}}
  json: {{fn::toJSON: {{a: "${{s}}"}}}}
  parsed: {{fn::fromJSON: "${{s}}"}}
  b64: {{fn::toBase64: "${{s}}"}}
  out: "{reference}"
"""
    result = evaluated(text)
    assert result.findings.all == []
    assert result.values["out"].secret
    assert not result.values["plain"].secret
    assert PASSWORD not in repr(result)


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("values: [1]", "values: values must be an object"),
        ("imports: 5", "imports: imports must be a list"),
        ("- a", ": environment must be an object"),
        ("values: {a: '${b}'}", 'values.a: unknown property "b"'),
        ("values: {abcd: 1, z: '${abce}'}", 'values.z: unknown property "abce"; did you mean "abcd"?'),
        ("values: {l: [1], z: '${l[1]}'}", "values.z: array index 1 out-of-bounds for array of length 1"),
        ("values: {l: [1], z: '${l.x}'}", "values.z: cannot access an array element using a property name"),
        (
            "values: {o: {}, z: '${o[0]}'}",
            "values.z: cannot access an object property using an integer index",
        ),
        ("values: {s: t, z: '${s.x}'}", "values.z: receiver must be an array or an object"),
        ("values: {z: '${a'}", "values.z: missing closing brace '}' in interpolation"),
        ("values: {imports: 1}", 'values.imports: "imports" is a reserved key'),
        ("values: {a: 1, a: 2}", 'values.a: duplicate key "a"'),
        ("values: {z: {fn::nope: 1}}", "values.z: 'fn::' is a reserved prefix"),
        (
            "values: {z: {fn::open::aws-login: {}}}",
            "values.z: this emulator does not evaluate fn::open::aws-login",
        ),
        ("values: {z: {fn::secret: 5}}", "values.z: secret values must be string literals"),
        ("values: {z: {fn::secret: '${a}'}}", "values.z: secret values must be string literals"),
        (
            "values: {fn::secret: x}",
            'values.fn::secret: builtin function call "fn::secret" not allowed at the top level',
        ),
        (
            "values: {z: {fn::secret: x, a: 1}}",
            'values.z: illegal call to builtin function: "fn::secret" must be the only key within its '
            "containing object",
        ),
        ("imports: [nowhere]", "imports[0]: environment default/nowhere not found"),
        ("imports: [p/main]", "imports[0]: cyclic import of p/main"),
    ],
)
def test_a_wrong_definition_gets_the_words_of_the_real_evaluator(text: str, finding: str) -> None:
    assert finding in summaries(text)
    assert evaluated(text).findings.has_errors


@pytest.mark.parametrize("name", ["environmentVariables", "pulumiConfig", "files"])
def test_what_belongs_under_values_is_a_warning_at_the_top_and_has_no_effect(name: str) -> None:
    result = evaluated(f"{name}: {{A: b}}\nvalues: {{}}\n")
    assert [one.summary for one in result.findings.all] == [
        f"Field '{name}' does not exist on Object 'environment'. "
        "Existing fields are: 'description', 'imports', 'values'"
    ]
    assert not result.findings.has_errors
    assert result.values == {}


def test_imports_of_imports_that_come_round_are_refused_in_the_file_where_they_close() -> None:
    result = evaluated("imports: [p/a]", a="imports: [p/b]", b="imports: [p/a]")
    [finding] = result.findings.all
    assert finding.summary == "cyclic import of p/a"
    assert finding.range is not None
    assert finding.range["environment"] == "p/b"


def test_an_unmerged_import_is_reached_by_its_name_only() -> None:
    text = "imports: [{p/a: {merge: false}}]\nvalues: {x: '${imports[\"p/a\"].v}'}"
    assert values_of(text, a="values: {v: 1}") == {"x": 1}


@pytest.mark.parametrize("text", ["a: [", "a: &x [*x]", "\x01", "a: !!python/object:os.system {}"])
def test_what_is_no_yaml_for_esc_is_a_finding_and_no_crash(text: str) -> None:
    assert evaluated("values:\n  " + text).findings.has_errors or text.startswith("a: !!")


def test_a_finding_about_a_secret_shows_nothing_of_it() -> None:
    found = summaries(f"values: {{z: {{fn::fromJSON: {{fn::secret: '{PASSWORD}'}}}}}}")
    assert found == ['values.z["fn::fromJSON"]: decoding JSON string: it is not JSON']
