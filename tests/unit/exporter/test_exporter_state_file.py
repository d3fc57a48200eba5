"""What survives a restart, a kill in the middle of a write, and a file that is not ours."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sophia_infra.exporter.errors import StateUnusable
from sophia_infra.exporter.meter import Meter
from sophia_infra.exporter.state_file import StateFile
from tests.unit.exporter.conftest import MakeStage
from tests.unit.exporter.core import CORE, NOW_S
from tests.unit.exporter.stage import STACK, Stage

COST = "lambda_cloud_instance_cost_usd_total"
SPENT = "lambda_cloud_month_spent_usd"
_WAIT_S = 60.0


def kept_meter() -> Meter:
    meter = Meter()
    meter.see([CORE], NOW_S + 3_600)
    return meter


def test_counters_and_the_month_go_on_after_a_restart(make_stage: MakeStage, tmp_path: Path) -> None:
    stage = make_stage(state=tmp_path / "state.json")
    core, by_hand = stage.launch("core"), stage.launch("try", stack=None)
    brief = stage.launch("brief")
    stage.pass_time(1_800)
    stage.api.terminate(brief)
    stage.pass_time(1_800)
    before = stage.show()
    stage.start()
    assert stage.show().all(COST) == []  # nothing was read yet by this process
    stage.poller.poll()
    after = stage.show()
    assert after.one(COST, instance_id=core) == before.one(COST, instance_id=core) == pytest.approx(2.29)
    assert after.one(COST, instance_id=by_hand) == before.one(COST, instance_id=by_hand) == 2.29
    assert after.by_owner(SPENT) == before.by_owner(SPENT)
    assert round(after.by_owner(SPENT)["orphan"], 6) >= float(stage.billed_usd(brief)) > 0
    stage.pass_time(3_600)
    assert stage.show().one(COST, instance_id=by_hand) == 4.58


def test_without_a_file_a_tag_is_enough_and_the_rest_begins_anew(stage: Stage) -> None:
    core, by_hand = stage.launch("core"), stage.launch("try", stack=None)
    stage.pass_time(3_600)
    stage.start()
    stage.poller.poll()
    shown = stage.show()
    assert shown.one(COST, instance_id=core) == 2.29
    assert shown.one(COST, instance_id=by_hand) == 0
    assert shown.one("lambda_cloud_month_spent_complete") == 0


def test_a_kept_meter_is_read_back_equal(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "state.json", STACK)
    assert file.load().dump() == Meter().dump()
    meter = kept_meter()
    file.save(meter)
    assert file.load().dump() == meter.dump()
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "JSONDecodeError"),
        ('{"version": 1, "stack": "sophia-infra/te', "JSONDecodeError"),
        ("[]", "TypeError"),
        ('{"version": 1}', "KeyError: 'stack'"),
        ('{"version": 9, "stack": "sophia-infra/test", "meter": {}}', "version 9"),
        ('{"version": 1, "stack": "sophia-infra/other", "meter": {}}', "sophia-infra/other"),
        ('{"version": 1, "stack": "sophia-infra/test", "meter": {}}', "KeyError: 'machines'"),
        (
            '{"version": 1, "stack": "sophia-infra/test", "meter": {"month_s": 0, "machines": []}}',
            "TypeError",
        ),
        ("\\udcff", "JSONDecodeError"),
    ],
)
def test_a_file_that_is_no_state_is_said_put_aside_and_not_used(
    tmp_path: Path, text: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)
    file = StateFile(path, STACK)
    assert file.load().dump() == Meter().dump()
    [record] = caplog.records
    assert said in record.getMessage()
    assert str(path) in record.getMessage()
    assert not path.exists()
    assert (tmp_path / "state.json.unusable").read_text() == text
    file.save(kept_meter())
    assert file.load().dump() == kept_meter().dump()


def test_a_folder_that_is_not_there_and_a_file_that_is_none_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(StateUnusable, match=r"does not exist.*Next: give a file in a folder"):
        StateFile(tmp_path / "nowhere" / "state.json", STACK).load()
    (tmp_path / "folder").mkdir()
    with pytest.raises(StateUnusable, match="cannot be read: Is a directory"):
        StateFile(tmp_path / "folder", STACK).load()
    assert (tmp_path / "folder").is_dir()


def test_a_disk_that_is_full_is_said_once_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    path = tmp_path / "state.json"
    file = StateFile(path, STACK)
    (tmp_path / ".state.json.partial").mkdir()  # where it is written first
    for _ in range(3):
        file.save(kept_meter())
    (tmp_path / ".state.json.partial").rmdir()
    file.save(kept_meter())
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        f"the state cannot be written to {path}: Is a directory",
        f"the state is written to {path} again",
    ]
    assert file.load().dump() == kept_meter().dump()


VICTIM = """
import sys
from pathlib import Path
from sophia_infra.exporter.meter import Meter
from sophia_infra.exporter.state_file import StateFile
from tests.unit.exporter.core import CORE, NOW_S
from dataclasses import replace
file, meter = StateFile(Path(sys.argv[1]), "sophia-infra/test"), Meter()
fleet = [replace(CORE, instance_id=f"{n:032x}") for n in range(500)]
for n in range(1_000_000):
    meter.see(fleet, NOW_S + n)
    file.save(meter)
"""


@pytest.mark.slow
def test_a_kill_in_the_middle_of_a_write_leaves_a_whole_file(tmp_path: Path) -> None:
    """Costs three processes of half a second; buys that a kill while the file is written loses nothing."""
    path, partial = tmp_path / "state.json", tmp_path / ".state.json.partial"
    for _ in range(3):
        victim = subprocess.Popen([sys.executable, "-c", VICTIM, str(path)])
        until_s = time.monotonic() + _WAIT_S
        while not (path.exists() and partial.exists()):
            assert time.monotonic() < until_s
            assert victim.poll() is None
        victim.send_signal(signal.SIGKILL)
        victim.wait(_WAIT_S)
        assert len(StateFile(path, STACK).load().dump()["machines"]) == 500
