"""Every documented error code can be met, with the document's status and texts; and the undocumented ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

import sophia_infra.emulator
from sophia_infra.emulator import errors
from tests.emulator.emulator_client import REGION, RULE, Api, launch_body

DOCUMENT = json.loads(
    (Path(sophia_infra.emulator.__file__).parent / "data" / "lambda-openapi.json").read_text("utf-8")
)
MakeApi = Callable[..., Api]


def no_key(make: MakeApi) -> requests.Response:
    return make().get("/instances", headers={"Authorization": ""})


def inactive(make: MakeApi) -> requests.Response:
    return make(account_active=False).get("/regions")


def bad_address(make: MakeApi) -> requests.Response:
    return make(billing_address_valid=False).post("/filesystems", {"name": "models", "region": REGION})


def forbidden(make: MakeApi) -> requests.Response:
    return make(forbidden=True).get("/instances")


def bad_parameters(make: MakeApi) -> requests.Response:
    return make().post("/ssh-keys", {"name": ""})


def duplicate(make: MakeApi) -> requests.Response:
    api = make()
    api.post("/filesystems", {"name": "models", "region": REGION})
    return api.post("/filesystems", {"name": "models", "region": "us-west-1"})


def quota(make: MakeApi) -> requests.Response:
    api = make(quota_instances=1)
    api.launch()
    return api.post("/instance-operations/launch", launch_body())


def missing_instance(make: MakeApi) -> requests.Response:
    return make().get("/instances/0920582c7ff041399e34823a0be62549")


def missing_key(make: MakeApi) -> requests.Response:
    return make().call("DELETE", "/ssh-keys/0920582c7ff041399e34823a0be62549")


def conflict(make: MakeApi) -> requests.Response:
    api = make()
    instance_id = api.launch()
    api.terminate(instance_id)
    return api.post("/instance-operations/restart", {"instance_ids": [instance_id]})


def ruleset_write_fails(make: MakeApi) -> requests.Response:
    api = make()
    api.cloud.faults.add(
        "createFirewallRuleset", "before", "status", status=409, code="global/internal-error"
    )
    return api.post("/firewall-rulesets", {"name": "web", "region": REGION, "rules": [RULE]})


def no_room(make: MakeApi) -> requests.Response:
    api = make()
    api.add_key()
    api.cloud.set_capacity("gpu_1x_gh200", REGION, 0)
    return api.post("/instance-operations/launch", launch_body())


def wrong_region(make: MakeApi) -> requests.Response:
    api = make()
    api.add_key()
    api.post("/filesystems", {"name": "models", "region": "us-west-1"})
    return api.post("/instance-operations/launch", launch_body(file_system_names=["models"]))


def filesystem_in_use(make: MakeApi) -> requests.Response:
    api = make()
    filesystem = api.data("POST", "/filesystems", {"name": "models", "region": REGION})
    api.launch(file_system_names=["models"])
    return api.call("DELETE", f"/filesystems/{filesystem['id']}")


def ruleset_in_use(make: MakeApi) -> requests.Response:
    api = make()
    ruleset = api.data("POST", "/firewall-rulesets", {"name": "web", "region": REGION, "rules": []})
    api.launch(firewall_rulesets=[{"id": ruleset["id"]}])
    return api.call("DELETE", f"/firewall-rulesets/{ruleset['id']}")


DOCUMENTED: dict[str, tuple[Callable[[MakeApi], requests.Response], int, str]] = {
    "global/invalid-api-key": (no_key, 401, "listInstances"),
    "global/account-inactive": (inactive, 403, "listRegions"),
    "global/invalid-address": (bad_address, 403, "createFilesystem"),
    "global/forbidden": (forbidden, 403, "listInstances"),
    "global/invalid-parameters": (bad_parameters, 400, "addSSHKey"),
    "global/duplicate": (duplicate, 400, "createFilesystem"),
    "global/quota-exceeded": (quota, 400, "launchInstance"),
    "global/object-does-not-exist": (missing_instance, 404, "getInstance"),
    "global/not-found": (missing_key, 404, "deleteSSHKey"),
    "global/conflict": (conflict, 409, "restartInstance"),
    "global/internal-error": (ruleset_write_fails, 409, "createFirewallRuleset"),
    "instance-operations/launch/insufficient-capacity": (no_room, 400, "launchInstance"),
    "instance-operations/launch/file-system-in-wrong-region": (wrong_region, 400, "launchInstance"),
    "filesystems/filesystem-in-use": (filesystem_in_use, 400, "filesystemDelete"),
    "firewall-rulesets/firewall-ruleset-in-use": (ruleset_in_use, 400, "deleteFirewallRuleset"),
}


def error_schemas() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for name, schema in DOCUMENT["components"]["schemas"].items():
        if name.startswith("ApiError"):
            found.setdefault(schema["properties"]["code"]["const"], []).append(schema)
    return found


def declared_codes(operation_id: str, status: int) -> set[str]:
    """The codes that the document declares for one operation and status."""

    def codes(part: Any) -> Iterator[str]:
        if "$ref" in part:
            schema = DOCUMENT["components"]["schemas"][part["$ref"].rpartition("/")[2]]
            yield schema["properties"]["code"]["const"]
        for one in part.get("anyOf", ()):
            yield from codes(one)

    (operation,) = [
        one
        for operations in DOCUMENT["paths"].values()
        for one in operations.values()
        if one["operationId"] == operation_id
    ]
    schema = operation["responses"][str(status)]["content"]["application/json"]["schema"]
    return set(codes(schema["properties"]["error"]))


def test_the_table_has_all_documented_codes() -> None:
    assert set(DOCUMENTED) == set(error_schemas())
    assert len(DOCUMENTED) == 15


@pytest.mark.parametrize("code", sorted(DOCUMENTED))
def test_a_documented_code_is_met_where_the_document_declares_it(make_api: MakeApi, code: str) -> None:
    cause, status, operation_id = DOCUMENTED[code]
    answer = cause(make_api)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["message"]
    assert error["request_id"]
    assert code in declared_codes(operation_id, status)


def test_default_texts_are_those_of_the_document() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, errors.ErrorKind)]
    texts = {(kind.code, kind.message, kind.suggestion) for kind in kinds}
    for code, schemas in error_schemas().items():
        for schema in schemas:
            message = schema["properties"]["message"].get("default")
            suggestion = schema["properties"]["suggestion"].get("default")
            fitting = [
                text
                for text in texts
                if text[0] == code
                and message in (None, text[1])
                and suggestion in (None, text[2])
                and ("suggestion" not in schema["required"] or text[2])
            ]
            assert fitting, f"{code}: {message!r} {suggestion!r}"


@pytest.mark.parametrize("mode", ["json", "text"])
def test_429_comes_as_json_or_text(make_api: MakeApi, mode: str) -> None:
    api = make_api(limits=mode)
    assert api.get("/regions").status_code == 200
    answer = api.get("/regions")
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["content-type"].startswith("application/json" if mode == "json" else "text/plain")


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_5xx_comes_by_a_fault(api: Api, status: int) -> None:
    api.cloud.faults.add("listRegions", "before", "status", status=status)
    answer = api.get("/regions")
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == "global/internal-error"
    assert api.get("/regions").status_code == 200


def test_an_ambiguous_key_name_answers_global_unknown(api: Api) -> None:
    api.add_key("twice")
    api.add_key("twice")
    answer = api.post("/instance-operations/launch", launch_body(ssh_key_names=["twice"]))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "global/unknown")


def test_a_key_on_a_live_instance_cannot_be_deleted(api: Api) -> None:
    key = api.add_key()
    instance_id = api.launch()
    answer = api.call("DELETE", f"/ssh-keys/{key['id']}")
    assert answer.status_code == 400
    assert "in use" in answer.json()["error"]["message"]
    api.terminate(instance_id)
    api.cloud.advance(31)
    assert api.call("DELETE", f"/ssh-keys/{key['id']}").status_code == 200


def test_python_urllib_is_blocked_as_at_the_vendors_edge(api: Api) -> None:
    answer = api.get("/regions", headers={"User-Agent": "Python-urllib/3.11"})
    assert answer.status_code == 403
    assert answer.text == "error code: 1010"
