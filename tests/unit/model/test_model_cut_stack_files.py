"""A stack file that was written in part: it is refused, or asks for nothing that the whole one does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sophia_infra.model.instance import InstanceConfig
from sophia_infra.model.stack_config import ConfigError, load_stack_config
from tests.faults.trials import TRIALS, RecordProperty, moments_of

CHECKOUT = Path(__file__).resolve().parents[3]
EVERY_BYTES = 5
FILES = sorted(path.name for path in CHECKOUT.glob("Pulumi.*.yaml"))


@pytest.mark.parametrize("name", FILES)
def test_a_stack_file_that_was_cut_off_launches_no_other_machine(
    tmp_path: Path, record_property: RecordProperty, name: str
) -> None:
    """A cut behind a whole machine leaves a shorter file that is right: `up` says what it would end first."""
    text, whole = (CHECKOUT / name).read_bytes(), load_stack_config(CHECKOUT / name)
    for other in CHECKOUT.glob("workloads*.yaml"):
        shutil.copy(other, tmp_path)
    cut = tmp_path / name
    trials = 0
    for at in moments_of(name):
        if at * EVERY_BYTES >= len(text):
            break
        trials += 1
        cut.write_bytes(text[: at * EVERY_BYTES])
        try:
            found = load_stack_config(cut)
        except ConfigError:
            continue
        for machine, row in found.fleet.items():
            assert _what_is_launched(row) == _what_is_launched(whole.fleet[machine]), (
                f"cut at {at * EVERY_BYTES}"
            )
    record_property(TRIALS, trials)


def _what_is_launched(row: InstanceConfig) -> tuple[object, ...]:
    return row.type, row.region, row.adopt, row.generation
