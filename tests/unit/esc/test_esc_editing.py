"""Exchanging one secret in a definition leaves every other character as it is."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.esc.emulator.sealing import Sealer
from sophia_infra.esc.secret_editing import quoted, secret_places, with_secret
from tests.unit.esc.esc_values import PASSWORD, evaluated

TEXT = """# head
imports: [a/b]   # kept
values:
  flow: {fn::secret: "old"}  # owner=a
  block:
    # above
    fn::secret: old   # beside
  lines:
    fn::secret: |
      old one
      old two

    # below
  sealed:
    fn::secret:
      ciphertext: abc  # note
  deep: [{x: {fn::secret: 'it''s'}}]
  plain: old
"""
PATHS = [("flow",), ("block",), ("lines",), ("sealed",), ("deep", 0, "x")]


@pytest.mark.parametrize("path", PATHS)
def test_only_the_named_secret_changes(path: tuple[str | int, ...]) -> None:
    changed = with_secret(TEXT, path, PASSWORD)
    old, new = yaml.safe_load(TEXT), yaml.safe_load(changed)
    place_old, place_new = old["values"], new["values"]
    for accessor in path:
        place_old, place_new = place_old[accessor], place_new[accessor]
    assert place_new == {"fn::secret": PASSWORD}
    place_old["fn::secret"] = PASSWORD
    assert new == old
    comments = [line.rpartition("#")[2] for line in TEXT.splitlines() if "#" in line]
    assert [line.rpartition("#")[2] for line in changed.splitlines() if "#" in line] == comments
    assert [one.path for one in secret_places(changed)] == PATHS


@given(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: "${" not in text))
def test_any_value_is_read_back_as_it_was_given(value: str) -> None:
    assert quoted(value).isascii()
    for path in PATHS[:3]:
        [place] = [one for one in secret_places(with_secret(TEXT, path, value)) if one.path == path]
        assert place.plaintext == value


@given(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: "$" not in text))
def test_sealing_hides_a_value_and_evaluating_gives_it_back(value: str) -> None:
    sealer = Sealer()
    text = with_secret("values: {a: {fn::secret: ''}} # c\n", ("a",), value)
    sealed = sealer.seal_text(text)
    assert len(value) < 8 or value not in sealed
    assert sealed.endswith("# c\n")
    assert sealer.seal_text(sealed) == sealed
    assert [one.plaintext for one in secret_places(sealer.unseal_text(sealed))] == [value]


@pytest.mark.parametrize("damage", ["", "zz!", "AAAA", "flip", "key"])
def test_a_damaged_ciphertext_is_a_sentence_and_nothing_of_it(damage: str) -> None:
    sealer = Sealer()
    sealed = sealer.seal(PASSWORD)
    broken = {"flip": sealed[:20] + ("A" if sealed[20] != "A" else "B") + sealed[21:], "key": sealed}.get(
        damage, damage
    )
    reader = Sealer() if damage == "key" else sealer
    with pytest.raises(ValueError, match=r"base64|header|checksum|another key"):
        reader.unseal(broken)
    found = evaluated(f'values: {{a: {{fn::secret: {{ciphertext: "{broken}"}}}}}}').findings.all
    assert [one.path for one in found] == ["values.a"]


def test_a_value_that_esc_would_read_as_a_reference_and_a_path_without_a_secret_are_refused() -> None:
    with pytest.raises(ValueError, match="reference") as caught:
        with_secret(TEXT, ("flow",), PASSWORD + "${x}")
    assert PASSWORD not in str(caught.value)
    with pytest.raises(KeyError):
        with_secret(TEXT, ("plain",), "x")
