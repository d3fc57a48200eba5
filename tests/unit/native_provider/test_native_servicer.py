"""The plugin as the engine drives it: what it answers, records, hides and refuses."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from sophia_infra.lambda_cloud import FirewallRule
from sophia_infra.plugin_protocol.values import UNKNOWN, read_properties
from tests.unit.native_provider.scene import Plugin, play, refused, urn
from tests.unit.plugin_protocol.served import failed_init, struct
from tests.unit.provider.stage import PUBLIC_KEY, Stage, props


async def create(plugin: Plugin, inputs: Any, *, preview: bool = False, **where: str) -> Any:
    request = provider_pb2.CreateRequest(urn=urn(**where), properties=inputs, preview=preview)
    return await plugin.stub.Create(request)


def test_it_keeps_secrets_and_previews(stage: Stage) -> None:
    async def scene(plugin: Plugin) -> Any:
        answer = await plugin.configure(endpoint="emulator", lambda_api_key="k")
        return answer, plugin.read

    answer, read = play(stage, scene)
    assert (answer.acceptSecrets, answer.supportsPreview) == (True, True)
    assert read == {"endpoint": "emulator", "lambda_api_key": "k", "fleet": None}


def test_a_machine_is_made_read_renamed_and_ended(stage: Stage) -> None:
    async def scene(plugin: Plugin) -> Any:
        made = await create(plugin, struct(props()))
        assert stage.live() == [made.id]
        read = await plugin.stub.Read(
            provider_pb2.ReadRequest(
                urn=urn(), id=made.id, properties=made.properties, inputs=struct(props())
            )
        )
        assert (read.id, read.properties, read.inputs) == (made.id, made.properties, struct(props()))
        updated = await plugin.stub.Update(
            provider_pb2.UpdateRequest(
                urn=urn(), id=made.id, olds=made.properties, news=struct(props(name="other"))
            )
        )
        assert read_properties(updated.properties).value["instance_id"] == made.id
        return provider_pb2.DeleteRequest(urn=urn(), id=made.id, properties=updated.properties)

    last = play(stage, scene)

    async def in_a_later_update(plugin: Plugin) -> None:
        await plugin.stub.Delete(last)

    play(stage, in_a_later_update)
    assert stage.live() == []


def test_a_preview_sends_nothing_and_knows_what_is_known(stage: Stage) -> None:
    async def scene(plugin: Plugin) -> Any:
        with stage.counting() as sent:
            new = await create(plugin, struct(props(name=UNKNOWN)), preview=True)
            request = provider_pb2.UpdateRequest(
                urn=urn(),
                id="i",
                olds=struct({**props(), "instance_id": "i", "adopted": False}),
                news=struct(props(name="other")),
                preview=True,
            )
            changed = await plugin.stub.Update(request)
        assert sent == []
        return read_properties(new.properties).value, read_properties(changed.properties).value

    new, changed = play(stage, scene)
    assert new["region"] == "us-east-1"
    assert new["name"] is UNKNOWN
    assert new["instance_id"] is UNKNOWN
    assert (changed["name"], changed["instance_id"], changed["adopted"]) == ("other", "i", False)


def test_secret_inputs_are_secret_outputs_and_so_is_what_repeats_them(stage: Stage) -> None:
    inputs = struct(
        props(tags={"owner": "correct-horse"}, boot_data="#cloud-config\n"), ("tags",), ("boot_data",)
    )

    async def scene(plugin: Plugin) -> Any:
        return await create(plugin, inputs)

    made = read_properties(play(stage, scene).properties)
    assert made.secrets == {("tags",), ("launched_with",)}
    assert "boot_data" not in made.value


def test_credentials_are_secret_without_being_asked(stage: Stage) -> None:
    async def scene(plugin: Plugin) -> Any:
        inputs = struct({"stack": "sophia-infra/test", "cluster": "c", "generation": 1})
        return await create(plugin, inputs, kind="ClusterCredentials", name="made")

    assert read_properties(play(stage, scene).properties).secrets == {("credentials",)}


def test_a_machine_that_could_not_be_renamed_is_recorded_as_it_is(stage: Stage) -> None:
    machine_id = stage.launch_outside("by-hand")
    stage.fault("postInstance", "before", "status", status=400, code="global/invalid-parameters")

    async def scene(plugin: Plugin) -> Any:
        return await create(plugin, struct(props(adopt={"id": machine_id}, name="other")))

    recorded = failed_init(refused(stage, scene))
    assert recorded.id == machine_id
    assert read_properties(recorded.properties).value["name"] == "by-hand"
    assert read_properties(recorded.inputs).value["name"] == "other"
    assert len(recorded.reasons) == 1


def test_a_refusal_is_the_sentence_of_the_kind(stage: Stage) -> None:
    stage.cloud.set_capacity("gpu_1x_a10", "us-east-1", 0)

    async def scene(plugin: Plugin) -> Any:
        return await create(plugin, struct(props()))

    error = refused(stage, scene)
    assert error.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert "no capacity for gpu_1x_a10 in us-east-1" in str(error.details())
    assert "Next: " in str(error.details())


def test_bad_inputs_are_failures_of_their_properties_and_send_nothing(stage: Stage) -> None:
    async def scene(plugin: Plugin) -> Any:
        with stage.counting() as sent:
            request = provider_pb2.CheckRequest(urn=urn(), news=struct(props(region=None), ("tags",)))
            answer = await plugin.stub.Check(request)
        assert sent == []
        return answer

    assert [(row.property, row.reason) for row in play(stage, scene).failures] == [("region", "is missing")]


def test_cancel_ends_a_wait_for_capacity(stage: Stage) -> None:
    stage.cloud.set_capacity("gpu_1x_a10", "us-east-1", 0)
    waiting = props(wait_for_capacity={"max_minutes": 1e9, "max_usd": "1e9"})

    async def scene(plugin: Plugin) -> Any:
        creating = asyncio.ensure_future(create(plugin, struct(waiting)))
        while not any("waiting for capacity" in line for _, line in plugin.said):
            await asyncio.sleep(0)
        await plugin.stub.Cancel(empty_pb2.Empty())
        return await creating

    assert "stopped on request while waiting for capacity" in str(refused(stage, scene).details())


def test_what_is_said_is_said_of_the_resource(stage: Stage) -> None:
    async def scene(plugin: Plugin) -> Any:
        made = await create(plugin, struct(props()))
        news = struct(props(tags={"a": "b"}))
        await plugin.stub.Diff(
            provider_pb2.DiffRequest(urn=urn(), id=made.id, olds=made.properties, news=news)
        )
        return plugin.said

    ((where, line),) = play(stage, scene)
    assert where == urn()
    assert "tags changed; this takes effect at the next launch" in line


def test_thirty_two_calls_run_at_once(stage: Stage) -> None:
    stage.cloud.set_capacity("gpu_1x_a10", "us-east-1", 0)
    names = [f"n{number}" for number in range(32)]
    wait = {"max_minutes": 1e9, "max_usd": "1e9"}

    async def scene(plugin: Plugin) -> Any:
        creating = [
            asyncio.ensure_future(create(plugin, struct(props(name, wait_for_capacity=wait)), name=name))
            for name in names
        ]
        while len({where for where, line in plugin.said if "waiting" in line}) < len(names):
            await asyncio.sleep(0.01)
        await plugin.stub.Cancel(empty_pb2.Empty())
        return await asyncio.gather(*creating, return_exceptions=True)

    ended = play(stage, scene)
    assert all("stopped on request" in str(error.details()) for error in ended)
    assert stage.live() == []


@pytest.mark.parametrize(
    ("method", "message", "words"),
    [
        ("Create", provider_pb2.CreateRequest(urn=urn("Thing")), "the resource lambda:index:Thing"),
        ("Invoke", provider_pb2.InvokeRequest(tok="lambda:index:get"), "the function lambda:index:get"),
        ("GetSchema", provider_pb2.GetSchemaRequest(), "--generate-code=false"),
    ],
)
def test_what_it_lacks_is_said(stage: Stage, method: str, message: Any, words: str) -> None:
    async def scene(plugin: Plugin) -> Any:
        return await getattr(plugin.stub, method)(message)

    error = refused(stage, scene)
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED
    assert words in str(error.details())


def test_a_mistake_of_ours_names_its_place_and_no_value(stage: Stage) -> None:
    async def scene(plugin: Plugin) -> Any:
        return await create(plugin, struct({"region": "correct-horse"}))

    error = refused(stage, scene)
    assert error.code() == grpc.StatusCode.INTERNAL
    assert str(error.details()).startswith("The Lambda Cloud provider made a mistake: KeyError in ")


def test_a_key_made_by_hand_can_be_imported(stage: Stage) -> None:
    async def scene(plugin: Plugin) -> Any:
        (key,) = plugin.servicer._opened().client.list_ssh_keys()
        return key, await plugin.stub.Read(provider_pb2.ReadRequest(urn=urn("SshKey", "key"), id=key.id))

    key, read = play(stage, scene)
    assert read.id == key.id
    assert read_properties(read.inputs).value == {"name": key.name, "public_key": PUBLIC_KEY}


def test_storage_made_by_hand_can_be_imported_and_is_not_deleted_with_the_stack(stage: Stage) -> None:
    async def scene(plugin: Plugin) -> Any:
        made = plugin.servicer._opened().client.create_filesystem("by-hand", "us-west-1")
        request = provider_pb2.ReadRequest(urn=urn("Filesystem", "data"), id=made.id)
        return made, await plugin.stub.Read(request)

    made, read = play(stage, scene)
    assert read.id == made.id
    inputs = read_properties(read.inputs).value
    assert (inputs["name"], inputs["region"]) == ("by-hand", "us-west-1")
    assert read_properties(read.properties).value["was_there_before"] is True


def test_a_ruleset_made_by_hand_can_be_imported(stage: Stage) -> None:
    rule = FirewallRule("tcp", "203.0.113.0/24", "office", (22, 22))

    async def scene(plugin: Plugin) -> Any:
        made = plugin.servicer._opened().client.create_firewall_ruleset("by-hand", "us-west-1", [rule])
        request = provider_pb2.ReadRequest(urn=urn("FirewallRuleset", "web"), id=made.id)
        return made, await plugin.stub.Read(request)

    made, read = play(stage, scene)
    assert read.id == made.id
    inputs = read_properties(read.inputs).value
    assert (inputs["name"], inputs["region"], len(inputs["rules"])) == ("by-hand", "us-west-1", 1)
