"""Every operation of the vendor's document answers over HTTP as the document declares."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import requests

import sophia_infra.emulator
from sophia_infra.emulator.wire.operations import OPERATIONS
from tests.emulator.emulator_client import PUBLIC_KEY, REGION, RULE, Api, launch_body

DOCUMENT = json.loads(
    (Path(sophia_infra.emulator.__file__).parent / "data" / "lambda-openapi.json").read_text("utf-8")
)

Steps = Callable[[Api], requests.Response]
CONFORMANCE: dict[str, Steps] = {}


def conforms(operation_id: str) -> Callable[[Steps], Steps]:
    def register(steps: Steps) -> Steps:
        CONFORMANCE[operation_id] = steps
        return steps

    return register


for _operation_id, _path in {
    "listInstanceTypes": "/instance-types",
    "listRegions": "/regions",
    "listImages": "/images",
    "listSSHKeys": "/ssh-keys",
    "listFilesystems": "/file-systems",
    "firewallRulesList": "/firewall-rules",
    "firewallRulesetsList": "/firewall-rulesets",
    "getGlobalFirewallRuleset": "/firewall-rulesets/global",
    "getAuditEvents": "/audit-events",
    "listTickets": "/tickets",
}.items():

    @conforms(_operation_id)
    def _list(api: Api, path: str = _path) -> requests.Response:
        everything(api)
        return api.get(path)


def everything(api: Api) -> dict[str, str]:
    """One resource of each kind; ids by kind."""
    ids = {"key": api.add_key()["id"]}
    ids["filesystem"] = api.data("POST", "/filesystems", {"name": "models", "region": REGION})["id"]
    ids["ruleset"] = api.data("POST", "/firewall-rulesets", ruleset_body())["id"]
    ids["instance"] = api.launch(
        name="node-a",
        hostname="node-a",
        image={"family": "lambda-stack-24-04"},
        user_data="#cloud-config\n",
        tags=[{"key": "owner-id", "value": "dev"}],
        file_system_names=["models"],
        file_system_mounts=[{"mount_point": "/data/m", "file_system_id": ids["filesystem"]}],
        firewall_rulesets=[{"id": ids["ruleset"]}],
    )
    ids["ticket"] = api.data("POST", "/tickets", ticket_body())["id"]
    ids["attachment"] = api.data("POST", f"/tickets/{ids['ticket']}/attachments", attachment_body())[
        "attachment_id"
    ]
    ids["partition"] = api.data("POST", "/fabric", {"name": "training-one", "region": REGION})["id"]
    return ids


def ruleset_body() -> dict[str, Any]:
    return {"name": "web", "region": REGION, "rules": [RULE]}


def ticket_body() -> dict[str, Any]:
    return {"subject": "slow", "description": "very", "type": "incident", "severity": "sev_2"}


def attachment_body() -> dict[str, Any]:
    return {"filename": "log.gz", "content_type": "application/gzip", "size_bytes": 10}


@conforms("listInstances")
def _(api: Api) -> requests.Response:
    instance_id = everything(api)["instance"]
    api.cloud.advance(300)
    answer = api.get("/instances")
    assert [one["id"] for one in answer.json()["data"]] == [instance_id]
    return answer


@conforms("getInstance")
def _(api: Api) -> requests.Response:
    ids = everything(api)
    api.cloud.advance(300)
    answer = api.get(f"/instances/{ids['instance']}")
    data = answer.json()["data"]
    assert data["status"] == "active"
    assert data["hostname"] == "node-a"
    assert data["tags"] == [{"key": "owner-id", "value": "dev"}]
    assert data["file_system_mounts"] == [{"mount_point": "/data/m", "file_system_id": ids["filesystem"]}]
    assert data["jupyter_token"] in data["jupyter_url"]
    assert "user_data" not in data
    return answer


@conforms("postInstance")
def _(api: Api) -> requests.Response:
    answer = api.post(f"/instances/{everything(api)['instance']}", {"name": "node-b"})
    assert answer.json()["data"]["name"] == "node-b"
    return answer


@conforms("launchInstance")
def _(api: Api) -> requests.Response:
    api.add_key()
    answer = api.post("/instance-operations/launch", launch_body())
    assert re.fullmatch("[0-9a-f]{32}", answer.json()["data"]["instance_ids"][0])
    return answer


@conforms("restartInstance")
def _(api: Api) -> requests.Response:
    instance_id = everything(api)["instance"]
    api.cloud.advance(300)
    answer = api.post("/instance-operations/restart", {"instance_ids": [instance_id]})
    assert answer.json()["data"]["restarted_instances"][0]["status"] == "booting"
    return answer


@conforms("terminateInstance")
def _(api: Api) -> requests.Response:
    answer = api.post("/instance-operations/terminate", {"instance_ids": [everything(api)["instance"]]})
    assert answer.json()["data"]["terminated_instances"][0]["status"] == "terminating"
    return answer


@conforms("addSSHKey")
def _(api: Api) -> requests.Response:
    answer = api.post("/ssh-keys", {"name": "mine", "public_key": PUBLIC_KEY})
    assert "private_key" not in answer.json()["data"]
    return answer


@conforms("deleteSSHKey")
def _(api: Api) -> requests.Response:
    return api.call("DELETE", f"/ssh-keys/{api.add_key()['id']}")


@conforms("createFilesystem")
def _(api: Api) -> requests.Response:
    answer = api.post("/filesystems", {"name": "models", "region": REGION})
    assert answer.json()["data"]["mount_point"] == "/lambda/nfs/models"
    return answer


@conforms("filesystemDelete")
def _(api: Api) -> requests.Response:
    filesystem = api.data("POST", "/filesystems", {"name": "models", "region": REGION})
    answer = api.call("DELETE", f"/filesystems/{filesystem['id']}")
    assert answer.json()["data"] == {"deleted_ids": [filesystem["id"]]}
    return answer


@conforms("firewallRulesSet")
def _(api: Api) -> requests.Response:
    answer = api.call("PUT", "/firewall-rules", {"data": [RULE]})
    assert answer.json()["data"] == [RULE]
    return answer


@conforms("createFirewallRuleset")
def _(api: Api) -> requests.Response:
    return api.post("/firewall-rulesets", ruleset_body())


@conforms("getFirewallRuleset")
def _(api: Api) -> requests.Response:
    ids = everything(api)
    answer = api.get(f"/firewall-rulesets/{ids['ruleset']}")
    assert answer.json()["data"]["instance_ids"] == [ids["instance"]]
    return answer


@conforms("updateFirewallRuleset")
def _(api: Api) -> requests.Response:
    answer = api.call("PATCH", f"/firewall-rulesets/{everything(api)['ruleset']}", {"rules": []})
    assert answer.json()["data"]["rules"] == []
    assert answer.json()["data"]["name"] == "web"
    return answer


@conforms("deleteFirewallRuleset")
def _(api: Api) -> requests.Response:
    ruleset = api.data("POST", "/firewall-rulesets", ruleset_body())
    return api.call("DELETE", f"/firewall-rulesets/{ruleset['id']}")


@conforms("updateGlobalFirewallRuleset")
def _(api: Api) -> requests.Response:
    answer = api.call("PATCH", "/firewall-rulesets/global", {"rules": [RULE]})
    assert answer.json()["data"]["rules"] == [RULE]
    return answer


@conforms("createFabricPartition")
def _(api: Api) -> requests.Response:
    return api.post("/fabric", {"name": "training-one", "region": REGION})


@conforms("updateFabricPartition")
def _(api: Api) -> requests.Response:
    return api.post(f"/fabric/{everything(api)['partition']}", {"name": "training-two"})


@conforms("deleteFabricPartition")
def _(api: Api) -> requests.Response:
    return api.call("DELETE", f"/fabric/{everything(api)['partition']}")


@conforms("createTicket")
def _(api: Api) -> requests.Response:
    return api.post("/tickets", ticket_body())


@conforms("getTicket")
def _(api: Api) -> requests.Response:
    answer = api.get(f"/tickets/{everything(api)['ticket']}")
    assert [one["body"] for one in answer.json()["data"]["comments"]] == ["very"]
    return answer


@conforms("updateTicket")
def _(api: Api) -> requests.Response:
    ticket_id = everything(api)["ticket"]
    answer = api.call("PATCH", f"/tickets/{ticket_id}", {"status": "solved", "comment": {"body": "thanks"}})
    ticket = api.data("GET", f"/tickets/{ticket_id}")
    assert ticket["status"] == "solved"
    assert "resolved_at" in ticket
    return answer


@conforms("listAttachments")
def _(api: Api) -> requests.Response:
    return api.get(f"/tickets/{everything(api)['ticket']}/attachments")


@conforms("initiateAttachmentUpload")
def _(api: Api) -> requests.Response:
    return api.post(f"/tickets/{everything(api)['ticket']}/attachments", attachment_body())


@conforms("deleteAttachment")
def _(api: Api) -> requests.Response:
    return api.call("DELETE", attachment_path(api))


@conforms("completeAttachmentUpload")
def _(api: Api) -> requests.Response:
    answer = api.post(attachment_path(api) + "/complete", None)
    assert answer.json()["data"]["upload_status"] == "uploaded"
    return answer


@conforms("getAttachmentDownloadUrl")
def _(api: Api) -> requests.Response:
    path = attachment_path(api)
    assert api.get(path + "/download").status_code == 400
    api.post(path + "/complete", None)
    return api.get(path + "/download")


def attachment_path(api: Api) -> str:
    ids = everything(api)
    return f"/tickets/{ids['ticket']}/attachments/{ids['attachment']}"


def declared() -> dict[str, dict[str, Any]]:
    return {
        operation["operationId"]: operation
        for operations in DOCUMENT["paths"].values()
        for operation in operations.values()
    }


def test_all_37_operations_are_served_and_tested() -> None:
    assert len(declared()) == 37
    assert set(OPERATIONS) == set(declared()) == set(CONFORMANCE)


@pytest.mark.parametrize("operation_id", sorted(CONFORMANCE))
def test_a_good_request_gets_the_declared_answer(api: Api, operation_id: str) -> None:
    answer = CONFORMANCE[operation_id](api)
    responses = declared()[operation_id]["responses"]
    (success,) = [status for status in responses if status.startswith("2")]
    assert answer.status_code == int(success), answer.text
    schema = responses[success]["content"]["application/json"]["schema"]
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema_rs.Draft202012Validator(whole, validate_formats=True).validate(answer.json())


def test_live_extra_fields_can_be_switched_off(make_api: Callable[..., Api]) -> None:
    plain = make_api(extra_fields=False)
    instance = plain.instance(plain.launch())
    assert not {"is_reserved", "workspace_id"} & instance.keys()
    assert "architecture" not in instance["instance_type"]
    full = make_api()
    instance = full.instance(full.launch())
    assert instance["is_reserved"] is False
    assert instance["instance_type"]["architecture"] == "arm64"
