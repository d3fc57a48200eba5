"""`boot_data`: launched with, never a reason to end a machine, and nowhere to be read but in the inputs."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from sophia_infra.lambda_cloud import LaunchRequest, redact
from sophia_infra.provider.errors import NodeReplacementRefused
from sophia_infra.provider.instance import InstanceKind
from sophia_infra.provider.instance_spec import InstanceSpec
from sophia_infra.provider.outcome import UNKNOWN, Created
from tests.unit.provider.stage import Stage, props

SECRET = "join-password-" + "5" * 20
JOIN = f"#cloud-config\nruncmd:\n- [join, {SECRET}]\n"
OTHER = JOIN.replace(SECRET, "another-" + SECRET)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def requests(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[LaunchRequest]:
    """What is launched, as the client gets it."""
    seen: list[LaunchRequest] = []
    client_type = type(stage.client())
    launch = client_type.launch_instance

    def note(client: Any, request: LaunchRequest, **further: Any) -> str:
        seen.append(request)
        return launch(client, request, **further)

    monkeypatch.setattr(client_type, "launch_instance", note)
    return seen


@pytest.fixture
def made(stage: Stage) -> Created:
    return stage.kind().create(props(boot_data=JOIN))


def test_a_machine_is_launched_with_it(stage: Stage, requests: list[LaunchRequest]) -> None:
    stage.kind().create(props(boot_data=JOIN))
    assert [request.user_data for request in requests] == [JOIN]


def test_a_machine_is_launched_with_the_users_own_text_too(
    stage: Stage, requests: list[LaunchRequest]
) -> None:
    stage.kind().create(props(boot_data=JOIN, user_data="#!/bin/sh\necho own\n"))
    text = str(requests[0].user_data)
    assert "text/x-shellscript" in text
    assert "echo own" in text
    assert SECRET in text


def test_the_state_holds_it_as_an_input_and_its_digest_elsewhere(made: Created) -> None:
    assert SECRET not in json.dumps(made.outputs)
    assert made.outputs["boot_data_sha256"] == digest(JOIN)
    assert made.outputs["launched_with"] == {
        "tags": None,
        "firewall_ruleset_ids": None,
        "boot_data_sha256": digest(JOIN),
    }


@pytest.mark.parametrize("news", [props(boot_data=OTHER), props()], ids=["another", "none"])
def test_a_change_waits_for_the_next_launch_and_says_so(
    stage: Stage, made: Created, news: dict[str, Any]
) -> None:
    kind = stage.kind()
    diff = kind.diff(made.id, made.outputs, news)
    assert (diff.changes, diff.replaces, diff.deferred) == (("boot_data",), (), ("boot_data",))
    assert stage.said == [
        "core: boot_data changed; this takes effect at the next launch. "
        "To launch a new machine now, raise its `generation`."
    ]
    with stage.counting() as operations:
        outputs = kind.update(made.id, made.outputs, news)
    assert operations == []
    assert outputs["launched_with"]["boot_data_sha256"] == digest(JOIN), "what the machine really booted with"
    assert SECRET not in json.dumps(outputs)
    assert stage.kind().diff(made.id, outputs, news).changes == (), "said once"
    assert stage.live() == [made.id]


def test_no_change_is_no_change(stage: Stage, made: Created) -> None:
    assert stage.kind().diff(made.id, made.outputs, props(boot_data=JOIN)).changes == ()


def test_one_that_is_not_known_yet_is_a_change_in_place(stage: Stage, made: Created) -> None:
    news = props(boot_data=UNKNOWN)
    checked = stage.kind().check({}, news)
    assert checked.failures == ()
    diff = stage.kind().diff(made.id, made.outputs, news)
    assert (diff.changes, diff.replaces) == (("boot_data",), ())


def test_a_machine_of_an_older_state_gets_it_recorded_and_stays(stage: Stage) -> None:
    made = stage.kind().create(props())
    assert "boot_data_sha256" not in made.outputs
    diff = stage.kind().diff(made.id, made.outputs, props(boot_data=JOIN))
    assert (diff.changes, diff.replaces) == (("boot_data",), ())


def test_a_refresh_with_drift_takes_no_digest_for_an_input(stage: Stage, made: Created) -> None:
    stage.client().rename_instance(made.id, "renamed-outside")
    found = stage.kind().read(made.id, made.outputs)
    assert found.inputs is not None
    assert not {"boot_data", "boot_data_sha256"} & set(found.inputs)
    again = stage.kind().diff(made.id, found.outputs, props(boot_data=JOIN))
    assert again.changes == ("name",)


def test_a_machine_left_by_a_killed_run_is_taken_over_with_other_boot_data(stage: Stage) -> None:
    """The credentials may have been made again; the machine is paid for all the same."""
    first = stage.kind().create(props(boot_data=JOIN))
    second = stage.kind().create(props(boot_data=OTHER))
    assert first.id == second.id
    assert len(stage.live()) == 1


def test_both_texts_together_may_have_one_megabyte(stage: Stage) -> None:
    own = "#!/bin/sh\n" + "#" * 990_000
    assert stage.kind().check({}, props(user_data=own, boot_data=JOIN)).failures == ()
    [(name, reason)] = stage.kind().check({}, props(user_data=own + "#" * 9_900, boot_data=JOIN)).failures
    assert name == "user_data"
    assert "bytes together; at most 1,000,000 are allowed" in reason
    assert SECRET not in reason


def test_it_is_in_no_repr_no_journal_no_tag_and_no_log(stage: Stage, requests: list[LaunchRequest]) -> None:
    spec = InstanceSpec.of(props(boot_data=JOIN, user_data=OTHER))
    assert SECRET not in repr(spec)
    InstanceKind(stage.session()).create(props(boot_data=JOIN))
    assert SECRET not in repr(requests[0])
    assert SECRET not in json.dumps(dict(requests[0].tags))
    assert SECRET not in "".join(stage.said)
    assert SECRET not in "".join(path.read_text() for path in stage.directory.iterdir())
    assert SECRET not in str(redact(json.dumps({"boot_data": JOIN})))


def test_a_refused_launch_does_not_repeat_it(stage: Stage) -> None:
    stage.fault("launchInstance", "before", "status", status=400)
    with pytest.raises(Exception, match=r"\S") as caught:
        stage.kind().create(props(boot_data=JOIN))
    assert SECRET not in str(caught.value) + repr(caught.value)


TYPE = {"instance_type": "gpu_1x_a6000"}


@pytest.mark.parametrize("boot_data", [JOIN, OTHER, UNKNOWN, None])
@pytest.mark.parametrize(
    ("change", "named"),
    [
        (TYPE, "instance_type"),
        ({"region": "us-west-1"}, "region"),
        ({"hostname": "core", "user_data": "#!/bin/sh\n"}, "user_data, hostname"),
    ],
)
def test_a_node_is_replaced_only_with_a_new_generation(
    stage: Stage, made: Created, change: dict[str, Any], named: str, boot_data: Any
) -> None:
    """Under its old name the new machine would be kept out of its cluster, in either order."""
    news = props(boot_data=boot_data, **change)
    kind = stage.kind()
    with stage.counting() as operations, pytest.raises(NodeReplacementRefused) as caught:
        kind.diff(made.id, made.outputs, news)
    assert operations == []
    assert str(caught.value) == (
        f"core: {named} changed, which needs a new machine, and this one is a node: its cluster keeps every "
        "other machine of its name out. Nothing was changed. Next: raise its `generation` together with the "
        "change."
    )
    assert SECRET not in str(caught.value)
    raised = kind.diff(made.id, made.outputs, {**news, "generation": 2})
    assert raised.replaces == (*named.split(", "), "generation")


def test_a_machine_that_is_to_become_a_node_is_replaced_only_with_a_new_generation(stage: Stage) -> None:
    made = stage.kind().create(props())
    with pytest.raises(NodeReplacementRefused):
        stage.kind().diff(made.id, made.outputs, props(boot_data=JOIN, **TYPE))


def test_a_machine_without_a_cluster_is_replaced_as_ever(stage: Stage) -> None:
    made = stage.kind().create(props())
    assert stage.kind().diff(made.id, made.outputs, props(**TYPE)).replaces == ("instance_type",)


def test_one_that_was_adopted_is_no_node_and_may_be_replaced_as_its_error_says(stage: Stage) -> None:
    stage.launch_outside("core")
    made = stage.kind().create(props(adopt={"name": "core"}))
    diff = stage.kind().diff(made.id, made.outputs, props(boot_data=JOIN, **TYPE))
    assert diff.replaces == ("instance_type",)


def test_a_raised_generation_alone_replaces_a_node(stage: Stage, made: Created) -> None:
    diff = stage.kind().diff(made.id, made.outputs, props(boot_data=OTHER, generation=2))
    assert diff.replaces == ("generation",)
