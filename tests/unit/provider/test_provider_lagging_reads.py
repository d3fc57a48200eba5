"""A machine whose launch was never answered is not taken for gone when the list falls behind once more."""

from __future__ import annotations

import pytest

from sophia_infra.provider.instance_spec import InstanceSpec
from sophia_infra.provider.journal import Intent
from tests.unit.provider.stage import Stage, props


@pytest.mark.parametrize("killed", [False, True])
def test_a_refresh_waits_until_the_list_must_show_it_again(stage: Stage, killed: bool) -> None:
    """`killed`: its launch was noted by a process that did not live to find it."""
    stage.set(get_sees_lagging=False)
    if killed:
        spec = InstanceSpec.of(props())
        tags = spec.launch_key.tags(stage.clock.now())
        stage.session().journal.write(Intent(str(spec.launch_key), stage.clock.now()))
        stage.launch_outside("core", tags)
    else:
        stage.fault("launchInstance", "after", "drop")
    created = stage.kind().create(props())
    stage.set(list_lag_s=40)
    began_s = stage.clock.now()
    assert stage.kind().read(created.id, created.outputs).id == created.id
    assert stage.clock.now() > began_s


def test_its_note_is_dropped_when_it_has_ended(stage: Stage) -> None:
    stage.fault("launchInstance", "after", "drop")
    created = stage.kind().create(props())
    assert [intent.resource_id for intent in stage.session().journal.list()] == [created.id]
    stage.kind().delete(created.id, created.outputs)
    assert stage.session().journal.list() == []
