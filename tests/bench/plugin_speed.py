"""Objects a second: the Kubernetes plugin alone, check and create as the engine asks for them."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from pulumi.runtime.proto import provider_pb2

from tests.bench.figures import Figure
from tests.cluster.plane import Plane
from tests.unit.kubernetes_plugin.driver import Driver, struct, urn

__all__ = ["measure_plugin"]

MANY = 500
AT_ONCE = 32
BUDGET_OBJECTS_PER_S = 50.0
_NAMESPACE = "bench"


def measure_plugin(plane: Plane) -> Figure:
    """Seconds for each of 500 ConfigMaps on a real API server, 32 at once.

    The plugin shares this process with the asking, which costs it some of its time.
    """
    plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": _NAMESPACE}})
    try:
        took_s = asyncio.run(_make_all(plane))
        kubectl_s = _create_by_kubectl(plane)
    finally:
        plane.request("DELETE", f"/api/v1/namespaces/{_NAMESPACE}")
    how = f"{MANY} ConfigMaps, {AT_ONCE} at once: {MANY / took_s:.0f} objects/s, at least 50 wanted"
    return Figure(
        "Kubernetes plugin, seconds per object",
        took_s / MANY,
        "s",
        1 / BUDGET_OBJECTS_PER_S,
        how,
        reference=(kubectl_s / MANY, "`kubectl create` of one list of as many"),
    )


def _create_by_kubectl(plane: Plane) -> float:
    items = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"k{number}", "namespace": _NAMESPACE},
            "data": {"a": "b"},
        }
        for number in range(MANY)
    ]
    body = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    began_s = time.perf_counter()
    plane.kubectl("create", "--filename", "-", stdin=body)
    return time.perf_counter() - began_s


async def _make_all(plane: Plane) -> float:
    async with Driver() as driver:
        await driver.configure(kubeconfig=plane.kubeconfig.read_text(encoding="utf-8"))
        turns = asyncio.Semaphore(AT_ONCE)

        async def make(number: int) -> Any:
            async with turns:
                where = urn("core/v1:ConfigMap", f"c{number}")
                body = {"metadata": {"name": f"c{number}", "namespace": _NAMESPACE}, "data": {"a": "b"}}
                checked = await driver.stub.Check(provider_pb2.CheckRequest(urn=where, news=struct(body)))
                request = provider_pb2.CreateRequest(urn=where, properties=checked.inputs)
                return await driver.stub.Create(request)

        began_s = time.perf_counter()
        made = await asyncio.gather(*(make(number) for number in range(MANY)))
        took_s = time.perf_counter() - began_s
    if len({row.id for row in made}) != MANY:
        raise RuntimeError("objects are missing")
    return took_s
