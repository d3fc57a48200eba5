"""The control API: health, dump, reset, time, settings, requests, token. Audit events and pages as well."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sophia_infra.emulator import Cloud, CloudSettings
from sophia_infra.emulator.core import AUDIT_EVENTS_KEPT
from sophia_infra.emulator.requests_seen import REQUESTS_KEPT, RequestsSeen
from sophia_infra.model.clock import ScaledClock, SystemClock
from tests.emulator.emulator_client import REGION, Api

MakeApi = Callable[..., Api]


def test_health_tells_time_and_speed(api: Api) -> None:
    health = api.control("GET", "/health").json()
    assert health == {"ready": True, "now_s": api.cloud.now(), "speed": 0.0}
    assert Cloud(clock=ScaledClock(60)).speed == 60
    assert Cloud(clock=SystemClock()).speed == 1


@pytest.mark.parametrize("clock", [ScaledClock(60), SystemClock()])
def test_advance_puts_an_offset_on_a_running_clock(clock: ScaledClock | SystemClock) -> None:
    cloud = Cloud(clock=clock)
    before_s = cloud.now()
    cloud.advance(100_000)
    assert 100_000 <= cloud.now() - before_s < 100_000 + 60 * 60


def test_advance_over_http_and_never_backwards(api: Api) -> None:
    before_s = api.cloud.now()
    assert api.control("POST", "/advance", {"seconds": 5}).json() == {"now_s": before_s + 5}
    assert api.control("POST", "/advance", {"seconds": -5}).status_code == 400
    with pytest.raises(ValueError, match="cannot advance"):
        api.cloud.advance(-1)


def test_reset_brings_back_an_empty_account_but_not_the_time(api: Api) -> None:
    first = api.launch()
    api.control("POST", "/settings", {"list_lag_s": 20})
    api.control("POST", "/faults", {"operation": "*", "when": "before", "action": "drop"})
    api.cloud.advance(50)
    now_s = api.cloud.now()
    assert api.control("POST", "/reset").status_code == 200
    state = api.control("GET", "/state").json()
    assert state["now_s"] == now_s
    assert [state[kind] for kind in ("instances", "ssh_keys", "filesystems", "firewall_rulesets")] == [[]] * 4
    assert state["billing"]["usd_total"] == "0"
    assert api.cloud.settings.list_lag_s == 0
    assert api.launch() == first  # the seed starts over too


def test_the_dump_tells_what_tests_need_and_no_secrets(api: Api) -> None:
    instance_id = api.launch(
        name="n", tags=[{"key": "owner-id", "value": "dev"}], user_data="#cloud-config hunter2"
    )
    api.cloud.advance(300)
    token = api.instance(instance_id)["jupyter_token"]
    answer = api.control("GET", "/state")
    (instance,) = answer.json()["instances"]
    assert (
        instance
        | {
            "id": instance_id,
            "name": "n",
            "status": "active",
            "type": "gpu_1x_gh200",
            "region": REGION,
            "tags": {"owner-id": "dev"},
            "ended_at_s": None,
            "billed_usd": "0.190833",
        }
        == instance
    )
    assert token not in answer.text
    assert "hunter2" not in answer.text


def test_settings_are_shown_without_keys_and_changed_by_name(api: Api) -> None:
    shown = api.control("GET", "/settings").json()
    assert "api_keys" not in shown
    assert "control_token" not in shown
    changed = api.control("POST", "/settings", {"quota_instances": 0, "boot_ranges_s": [[0, 1, 1]]}).json()
    assert changed["quota_instances"] == 0
    for wrong in ({"colour": 1}, {"list_lag_s": "soon"}, {"list_lag_s": -1}, {"forbidden": 1}):
        assert api.control("POST", "/settings", wrong).status_code == 400, wrong


def test_requests_are_numbered_and_name_their_operation(api: Api) -> None:
    api.get("/regions")
    api.get("/nowhere")
    api.get("/regions", headers={"Authorization": ""})
    rows = api.control("GET", "/requests").json()
    assert [(one["seq"], one["operation"], one["status"]) for one in rows] == [
        (1, "listRegions", 200),
        (2, None, 404),
        (3, None, 401),
    ]
    assert rows[0]["path"] == "/api/v1/regions"
    assert rows[0]["at_s"] == api.cloud.now()
    assert [one["seq"] for one in api.control("GET", "/requests?since=2").json()] == [3]
    assert api.control("GET", "/requests?since=-1").status_code == 400


def test_the_ring_of_requests_counts_what_it_dropped() -> None:
    seen = RequestsSeen()
    for number in range(REQUESTS_KEPT + 5):
        seen.open(float(number), "GET", "/")
    assert len(seen.since(0)) == REQUESTS_KEPT
    assert seen.dropped == 5
    assert seen.since(0)[0].seq == 6


def test_the_control_api_wants_its_token_when_there_is_one(make_api: MakeApi) -> None:
    api = make_api(control_token="t0ken")
    assert api.control("GET", "/state").status_code == 401
    assert api.control("GET", "/state", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert api.control("GET", "/state", headers={"Authorization": "Bearer t0ken"}).status_code == 200
    assert api.get("/regions").status_code == 200


def test_the_control_api_is_not_under_the_vendors_paths(api: Api) -> None:
    assert api.get("/_emulator/health").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"instance_type": "gpu_9x_nothing", "region": REGION, "count": 1},
        {"instance_type": "gpu_1x_a10", "region": "moon-1", "count": 1},
        {"instance_type": "gpu_1x_a10", "region": REGION, "count": -1},
        {"instance_type": "gpu_1x_a10", "region": REGION},
    ],
)
def test_capacity_of_nothing_known_is_refused(api: Api, body: dict[str, object]) -> None:
    assert api.control("POST", "/capacity", body).status_code == 400


def test_each_write_leaves_one_audit_event(api: Api) -> None:
    instance_id = api.launch()
    api.get("/instances")
    api.terminate(instance_id)
    events = api.data("GET", "/audit-events")
    assert [(one["resource_name"], one["action"]) for one in events] == [
        ("instance", "terminated"),
        ("instance", "launched"),
        ("ssh_key", "created"),
    ]
    assert events[0]["resource_lrns"] == [f"lrn:cloud:instance:{instance_id}"]
    assert events[1]["additional_details"] == {"instance_type": "gpu_1x_gh200", "region": REGION}


def test_audit_events_come_in_pages_that_stay_right_while_new_ones_arrive(make_api: MakeApi) -> None:
    api = make_api(audit_page_size=2)
    for number in range(5):
        api.add_key(f"key-{number}")
    names: list[str] = []
    token: str | None = None
    while True:
        answer = api.get("/audit-events", params={"page_token": token} if token else {}).json()
        names += [one["additional_details"]["name"] for one in answer["data"]]
        api.add_key("later")
        token = answer["page_token"]
        if token is None:
            break
    assert names == [f"key-{number}" for number in (4, 3, 2, 1, 0)]


def test_audit_events_are_filtered_by_time_inclusive_and_by_kind(api: Api) -> None:
    api.add_key("early")
    api.cloud.advance(100)
    api.data("POST", "/filesystems", {"name": "models", "region": REGION})
    (at,) = [one["event_time"] for one in api.data("GET", "/audit-events?resource_type=filesystem")]
    for query, count in ((f"start={at}", 1), (f"end={at}", 2), (f"start={at}&end={at}", 1)):
        assert len(api.data("GET", f"/audit-events?{query}")) == count, query


def test_only_the_newest_audit_events_are_kept() -> None:
    cloud = Cloud()
    for _ in range(AUDIT_EVENTS_KEPT + 3):
        cloud.core.audit("ssh_key", "created", [])
    assert len(cloud.core.state.audit_events) == AUDIT_EVENTS_KEPT
    assert cloud.core.state.audit_events[0].sequence == 4


def test_tickets_are_filtered_sorted_and_paged(make_api: MakeApi) -> None:
    api = make_api(ticket_page_size=2)
    for number, kind in enumerate(("incident", "service_request", "incident")):
        body = {"subject": str(number), "description": "d", "type": kind}
        api.data("POST", "/tickets", body | ({"severity": "sev_1"} if kind == "incident" else {}))
        api.cloud.advance(1)

    def subjects(query: str) -> tuple[list[str], str | None]:
        answer = api.data("GET", f"/tickets?{query}")
        return [one["subject"] for one in answer["tickets"]], answer["page_token"]

    assert subjects("type=incident") == (["2", "0"], None)
    assert subjects("type=incident&type=service_request&direction=asc") == (["0", "1"], "2")
    assert subjects("direction=asc&page_token=2") == (["2"], None)
    assert api.get("/tickets?type=nonsense").status_code == 400
    assert CloudSettings().ticket_page_size == 50


def test_a_service_request_has_no_severity_to_change(api: Api) -> None:
    body = {"subject": "s", "description": "d", "type": "service_request"}
    ticket = api.data("POST", "/tickets", body)
    answer = api.call("PATCH", f"/tickets/{ticket['id']}", {"severity": "sev_1"})
    assert answer.status_code == 400


def test_a_deleted_attachment_is_listed_only_when_asked_for(api: Api) -> None:
    body = {"subject": "s", "description": "d", "type": "service_request"}
    path = f"/tickets/{api.data('POST', '/tickets', body)['id']}/attachments"
    upload = {"filename": "f", "content_type": "text/plain", "size_bytes": 1}
    attachment_id = api.data("POST", path, upload)["attachment_id"]
    api.data("DELETE", f"{path}/{attachment_id}")
    assert api.data("GET", path)["attachments"] == []
    assert len(api.data("GET", f"{path}?status=deleted")["attachments"]) == 1
    assert api.call("DELETE", f"{path}/{attachment_id}").status_code == 404
