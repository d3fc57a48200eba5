"""The protocol: what the engine gets for what happens, without a traceback and without a secret."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import grpc.aio
import pytest
from pulumi.runtime.proto import provider_pb2

from sophia_infra.plugin_protocol.values import read_properties
from tests.unit.kubernetes_plugin.api_server import ApiServer, refusal
from tests.unit.kubernetes_plugin.certificates import Authority, kubeconfig_text
from tests.unit.kubernetes_plugin.conftest import TOKEN
from tests.unit.kubernetes_plugin.driver import Driver, failed_init, struct, urn
from tests.unit.kubernetes_plugin.scenes import GONE, PATH, RESOURCES, config_map, live

CONFIG_MAP = "core/v1:ConfigMap"
Scene = Callable[[Driver], Awaitable[Any]]


@pytest.fixture
def drive(server: ApiServer, authority: Authority) -> Callable[[Scene], Any]:
    """Run a scene with a provider that is configured for the server."""
    server.answer("/api/v1", RESOURCES)

    def run(scene: Scene) -> Any:
        async def play() -> Any:
            async with Driver() as driver:
                await driver.configure(kubeconfig=kubeconfig_text(server.url, ca=authority.pem, token=TOKEN))
                return await scene(driver)

        return asyncio.run(play())

    return run


def refused(drive: Callable[[Scene], Any], scene: Scene) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        drive(scene)
    assert "Traceback" not in str(error.value.details())
    return error.value


def test_a_provider_says_what_it_can(drive: Callable[[Scene], Any]) -> None:
    async def scene(driver: Driver) -> Any:
        return await driver.configure()

    answer = drive(scene)
    assert (answer.acceptSecrets, answer.supportsPreview, answer.acceptOutputs) == (True, True, False)


def test_create_and_delete(drive: Callable[[Scene], Any], server: ApiServer) -> None:
    server.answer(PATH, GONE, live(config_map()), {"kind": "Status", "details": {"uid": "u1"}}, GONE)

    async def scene(driver: Driver) -> Any:
        new = struct(config_map(), ("data", "a"))
        made = await driver.stub.Create(provider_pb2.CreateRequest(urn=urn(CONFIG_MAP), properties=new))
        gone = provider_pb2.DeleteRequest(urn=urn(CONFIG_MAP), id=made.id, properties=made.properties)
        await driver.stub.Delete(gone)
        return made

    made = drive(scene)
    assert made.id == "shop/settings"
    assert {("data", "a"), ("__inputs", "data", "a")} <= read_properties(made.properties).secrets


def test_check_failures_name_the_property(drive: Callable[[Scene], Any]) -> None:
    async def scene(driver: Driver) -> Any:
        news = struct({"metadata": {"name": "Bad"}})
        return await driver.stub.Check(provider_pb2.CheckRequest(urn=urn(CONFIG_MAP), news=news))

    (failure,) = drive(scene).failures
    assert failure.property == "metadata.name"


def test_differences_are_detailed(drive: Callable[[Scene], Any]) -> None:
    async def scene(driver: Driver) -> Any:
        request = provider_pb2.DiffRequest(
            urn=urn(CONFIG_MAP),
            id="shop/settings",
            olds=struct(live(config_map(a="1"))),
            old_inputs=struct(config_map(a="1")),
            news=struct(config_map(a="2", **{"b.c": "3"})),
        )
        return await driver.stub.Diff(request)

    answer = drive(scene)
    assert answer.changes == provider_pb2.DiffResponse.DIFF_SOME
    kinds = {key: row.kind for key, row in answer.detailedDiff.items()}
    assert kinds == {
        "data.a": provider_pb2.PropertyDiff.UPDATE_REPLACE,
        'data["b.c"]': provider_pb2.PropertyDiff.ADD_REPLACE,
    }
    assert answer.deleteBeforeReplace
    assert list(answer.diffs) == ["data"]


def test_a_provider_on_another_server_is_replaced(drive: Callable[[Scene], Any], server: ApiServer) -> None:
    def message(**new: str) -> provider_pb2.DiffRequest:
        old = struct({"kubeconfig": kubeconfig_text(server.url), "clusterIdentifier": "a"})
        return provider_pb2.DiffRequest(
            urn="urn::p::p::p", id="1", olds=old, old_inputs=old, news=struct(new)
        )

    async def scene(driver: Driver) -> Any:
        moved = kubeconfig_text("https://10.0.0.9:6443")
        same = await driver.stub.DiffConfig(message(kubeconfig=moved, clusterIdentifier="a"))
        other = await driver.stub.DiffConfig(message(kubeconfig=moved, clusterIdentifier="b"))
        return list(same.replaces), list(other.replaces)

    same, other = drive(scene)
    assert same == []
    assert sorted(other) == ["clusterIdentifier", "kubeconfig"]


def test_the_servers_words_arrive_without_the_secrets(
    drive: Callable[[Scene], Any], server: ApiServer
) -> None:
    server.answer(PATH, GONE, refusal(422, "Invalid", 'data.a: Invalid value: "correct-horse"'))

    async def scene(driver: Driver) -> Any:
        new = struct(config_map(a="correct-horse"), ("data",))
        return await driver.stub.Create(provider_pb2.CreateRequest(urn=urn(CONFIG_MAP), properties=new))

    assert refused(drive, scene).details() == 'data.a: Invalid value: "[secret]"'


def test_what_is_not_ready_is_recorded_with_its_id(drive: Callable[[Scene], Any], server: ApiServer) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}}
    pending = {**live(pod), "status": {"phase": "Pending"}}
    server.answer("/api/v1", {"resources": [{"kind": "Pod", "name": "pods", "namespaced": True}]})
    server.answer("/api/v1/namespaces/shop/pods/web", GONE, pending)

    async def scene(driver: Driver) -> Any:
        request = provider_pb2.CreateRequest(urn=urn("core/v1:Pod"), properties=struct(pod), timeout=0.05)
        return await driver.stub.Create(request)

    recorded = failed_init(refused(drive, scene))
    assert recorded.id == "shop/web"
    assert list(recorded.reasons) == ["not ready after 0.05 s: the pod is Pending"]
    assert read_properties(recorded.properties).value["metadata"]["uid"] == "u1"
    assert read_properties(recorded.inputs).value == pod


def test_cancel_ends_waits(drive: Callable[[Scene], Any], server: ApiServer) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}}
    server.answer("/api/v1", {"resources": [{"kind": "Pod", "name": "pods", "namespaced": True}]})
    server.answer("/api/v1/namespaces/shop/pods/web", GONE, {**live(pod), "status": {"phase": "Pending"}})

    async def scene(driver: Driver) -> Any:
        request = provider_pb2.CreateRequest(urn=urn("core/v1:Pod"), properties=struct(pod), timeout=600)
        creating = asyncio.ensure_future(driver.stub.Create(request))
        while not any(asked.method == "PATCH" for asked in server.asked):
            await asyncio.sleep(0.005)
        from google.protobuf import empty_pb2

        await driver.stub.Cancel(empty_pb2.Empty())
        return await creating

    assert "the run was stopped while waiting" in failed_init(refused(drive, scene)).reasons[0]


@pytest.mark.parametrize(
    ("method", "message", "words"),
    [
        (
            "Invoke",
            provider_pb2.InvokeRequest(tok="kubernetes:yaml:decode"),
            "the function kubernetes:yaml:decode",
        ),
        (
            "Construct",
            provider_pb2.ConstructRequest(type="kubernetes:helm.sh/v4:Chart"),
            "kubernetes:helm.sh/v4:Chart",
        ),
        ("GetSchema", provider_pb2.GetSchemaRequest(), "a schema"),
    ],
)
def test_what_it_lacks_is_said(drive: Callable[[Scene], Any], method: str, message: Any, words: str) -> None:
    async def scene(driver: Driver) -> Any:
        return await getattr(driver.stub, method)(message)

    error = refused(drive, scene)
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED
    assert words in str(error.details())
    assert "official plugin" in str(error.details())


def test_a_mistake_of_ours_names_its_place_and_no_value(
    drive: Callable[[Scene], Any], server: ApiServer
) -> None:
    server.answer(PATH, GONE, {"metadata": "not a mapping"})

    async def scene(driver: Driver) -> Any:
        new = struct(config_map(a="correct-horse"), ("data",))
        return await driver.stub.Create(provider_pb2.CreateRequest(urn=urn(CONFIG_MAP), properties=new))

    error = refused(drive, scene)
    assert error.code() == grpc.StatusCode.INTERNAL
    assert str(error.details()).startswith("The Kubernetes stand-in made a mistake: ")
    assert "correct-horse" not in str(error.details())


def test_settings_that_cannot_work_are_refused_in_time(drive: Callable[[Scene], Any]) -> None:
    async def scene(driver: Driver) -> Any:
        news = struct({"kubeconfig": kubeconfig_text("http://10.0.0.1")})
        checked = await driver.stub.CheckConfig(provider_pb2.CheckRequest(urn="urn", news=news))
        assert checked.failures[0].property == "kubeconfig"
        return await driver.configure(enableServerSideApply="false")

    assert refused(drive, scene).code() == grpc.StatusCode.UNIMPLEMENTED
