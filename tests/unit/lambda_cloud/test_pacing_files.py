"""The pace that processes share in a file: whose it is, and what a bad file or clock does."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sophia_infra.lambda_cloud import Pacer
from sophia_infra.model.clock import VirtualClock

KEY = Pacer.key_id("https://cloud.lambda.ai", "a-key")


def test_a_new_process_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    clock = VirtualClock()
    Pacer(tmp_path, KEY, clock).wait("launch")
    clock.advance(2)
    assert Pacer(tmp_path, KEY, clock).wait("launch") == 10


def test_another_key_or_service_has_its_own_pace(tmp_path: Path) -> None:
    clock = VirtualClock()
    Pacer(tmp_path, KEY, clock).wait("launch")
    assert Pacer(tmp_path, Pacer.key_id("https://cloud.lambda.ai", "b-key"), clock).wait("launch") == 0
    assert Pacer(tmp_path, Pacer.key_id("http://127.0.0.1:1", "a-key"), clock).wait("launch") == 0


def test_the_key_stands_neither_in_the_name_nor_in_the_text_of_a_file(tmp_path: Path, api_key: str) -> None:
    clock = VirtualClock()
    Pacer(tmp_path, Pacer.key_id("https://cloud.lambda.ai/", api_key), clock).wait("launch")
    # Even where a caller passes the key itself.
    Pacer(tmp_path, api_key, clock).wait("launch")
    assert len(list(tmp_path.glob("*.json"))) == 2
    for path in tmp_path.iterdir():
        assert api_key not in path.name
        assert api_key.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        '{"launch": "soon"}',
        '{"launch": null, "request": []}',
        '{"launch": NaN, "request": NaN}',
        '{"launch": 1e999, "request": 1e999}',
        '{"launch": 1' + "0" * 400 + "}",
        '{"launch": -1e999}',
        "\x00\x00",
    ],
)
def test_a_corrupt_file_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    clock = VirtualClock()
    Pacer(tmp_path, KEY, clock).wait("launch")
    (path,) = tmp_path.glob("*.json")
    path.write_text(text)
    assert Pacer(tmp_path, KEY, clock).wait("launch") == 0
    assert Pacer(tmp_path, KEY, clock).wait("launch") == 12


@pytest.mark.parametrize("ahead_s", [12.1, 3600.0, 1e9])
def test_a_clock_that_was_set_back_makes_nobody_wait_for_the_old_future(
    tmp_path: Path, ahead_s: float
) -> None:
    clock = VirtualClock()
    Pacer(tmp_path, KEY, clock).wait("launch")
    (path,) = tmp_path.glob("*.json")
    path.write_text(json.dumps({"launch": clock.now() + ahead_s, "request": clock.now() + ahead_s}))
    assert Pacer(tmp_path, KEY, clock).wait("launch") == 0


def test_a_clock_that_was_set_back_under_a_living_pacer_does_not_stop_it() -> None:
    class Jumping(VirtualClock):
        offset_s = 0.0

        def now(self) -> float:
            return super().now() + self.offset_s

    clock = Jumping()
    pacer = Pacer(None, KEY, clock)
    pacer.wait("launch")
    clock.offset_s = -7200.0
    assert pacer.wait("launch") == 0
    assert pacer.wait("launch") == 12


def test_a_small_step_back_of_the_clock_lengthens_a_wait_by_no_more_than_that(tmp_path: Path) -> None:
    clock = VirtualClock()
    Pacer(tmp_path, KEY, clock).wait("launch")
    (path,) = tmp_path.glob("*.json")
    path.write_text(json.dumps({"launch": clock.now() + 0.5}))
    assert Pacer(tmp_path, KEY, clock).wait("launch") == 12.5


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_made_is_an_error_at_once(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="ermission"):
        Pacer(tmp_path / "inner", KEY, VirtualClock())


def test_a_file_that_cannot_be_written_is_told_and_the_pace_is_kept_in_the_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = VirtualClock()
    pacer = Pacer(tmp_path, KEY, clock)
    pacer.wait("launch")
    (path,) = tmp_path.glob("*.json")
    path.unlink()
    path.mkdir()
    assert pacer.wait("launch") == 12
    assert pacer.wait("launch") == 12
    assert "not shared with other processes" in caplog.text
