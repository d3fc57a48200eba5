"""Sealing: any stream comes back, and nothing that was touched does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sophia_infra.backup import sealing
from sophia_infra.backup.errors import SetDamaged
from sophia_infra.backup.sealing import seal, unseal
from tests.unit.backup.material import KEY, OTHER_KEY

CHUNK = 16
TAG = 16
HEADER = 24
NAME = "set/part"


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few bytes are many chunks."""
    monkeypatch.setattr(sealing, "CHUNK_BYTES", CHUNK)


def sealed(plain: bytes, context: str = NAME) -> bytes:
    return b"".join(seal([plain], KEY, context))


def opened(data: bytes, context: str = NAME) -> bytes:
    return b"".join(unseal([data], KEY, context))


# The fixture changes a constant for all examples alike.
@given(plain=st.lists(st.binary(max_size=40), max_size=6), cut=st.integers(1, 50))
def test_every_stream_comes_back_however_it_was_cut(plain: list[bytes], cut: int) -> None:
    stream = b"".join(seal(plain, KEY, NAME))
    pieces = [stream[at : at + cut] for at in range(0, len(stream), cut)]
    assert b"".join(unseal(pieces, KEY, NAME)) == b"".join(plain)


@given(plain=st.binary(max_size=70), at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_one_changed_bit_anywhere_is_found(plain: bytes, at: int, bit: int) -> None:
    data = bytearray(sealed(plain))
    data[at % len(data)] ^= 1 << bit
    with pytest.raises(SetDamaged, match="changed or cut off"):
        opened(bytes(data))


@given(plain=st.binary(max_size=70), at=st.integers(0, 10_000))
def test_a_stream_that_was_cut_off_is_found(plain: bytes, at: int) -> None:
    data = sealed(plain)
    with pytest.raises(SetDamaged):
        opened(data[: at % len(data)])


def test_chunks_that_are_left_out_swapped_or_added_are_found() -> None:
    data = sealed(b"a" * CHUNK + b"b" * CHUNK + b"c" * 5)
    header, first, second, last = (
        data[:HEADER],
        data[HEADER : HEADER + CHUNK + TAG],
        data[HEADER + CHUNK + TAG : HEADER + 2 * (CHUNK + TAG)],
        data[HEADER + 2 * (CHUNK + TAG) :],
    )
    assert opened(header + first + second + last) == b"a" * CHUNK + b"b" * CHUNK + b"c" * 5
    for wrong in (first + last, second + first + last, first + second, first + second + last + last, b""):
        with pytest.raises(SetDamaged):
            opened(header + wrong)


def test_a_part_opens_only_under_its_own_name_and_key() -> None:
    data = sealed(b"something")
    with pytest.raises(SetDamaged):
        opened(data, "set/another")
    with pytest.raises(SetDamaged):
        b"".join(unseal([data], OTHER_KEY, NAME))


def test_the_same_text_is_never_sealed_the_same_way_twice() -> None:
    assert sealed(b"something") != sealed(b"something")
    assert b"something" not in sealed(b"something")


def test_what_opens_is_given_before_the_end_was_read() -> None:
    """Streams: a dump of any size needs the memory of one chunk."""
    data = sealed(b"a" * 3 * CHUNK)
    reading = unseal([data[: HEADER + 2 * (CHUNK + TAG)], data[HEADER + 2 * (CHUNK + TAG) :]], KEY, NAME)
    assert next(reading) == b"a" * CHUNK
