"""429: one request a second and one launch every twelve, on the emulator's clock."""

from __future__ import annotations

from collections.abc import Callable

from tests.emulator.emulator_client import Api, launch_body

MakeApi = Callable[..., Api]


def test_off_by_default(api: Api) -> None:
    assert {api.get("/regions").status_code for _ in range(20)} == {200}


def test_one_request_per_second(make_api: MakeApi) -> None:
    api = make_api(limits="json")
    statuses = []
    for _ in range(8):
        statuses.append(api.get("/regions").status_code)
        api.cloud.advance(0.5)
    assert statuses == [200, 429] * 4
    assert api.control("GET", "/state").json()["requests_limited"] == 4


def test_one_launch_per_twelve_seconds(make_api: MakeApi) -> None:
    api = make_api(limits="json")
    api.add_key()
    launched = 0
    for _ in range(60):
        api.cloud.advance(1)
        launched += api.post("/instance-operations/launch", launch_body()).status_code == 200
    assert launched == 5
    assert len(api.cloud.instances.ever()) == 5


def test_a_refused_launch_says_how_long_to_wait(make_api: MakeApi) -> None:
    api = make_api(limits="json")
    api.add_key()
    api.cloud.advance(1)
    api.launch()
    api.cloud.advance(2)
    answer = api.post("/instance-operations/launch", launch_body())
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "10")


def test_retry_after_can_be_left_out(make_api: MakeApi) -> None:
    api = make_api(limits="text", retry_after=False)
    api.get("/regions")
    answer = api.get("/regions")
    assert answer.status_code == 429
    assert "Retry-After" not in answer.headers


def test_slightly_early_requests_pass_but_the_rate_holds(make_api: MakeApi) -> None:
    api = make_api(limits="json")
    passed = 0
    for _ in range(100):
        passed += api.get("/regions").status_code == 200
        api.cloud.advance(0.99)
    assert passed <= 99 * 0.99 + 2


def test_the_control_api_has_no_limits(make_api: MakeApi) -> None:
    api = make_api(limits="json")
    assert {api.control("GET", "/health").status_code for _ in range(5)} == {200}


def test_401_is_said_before_429(make_api: MakeApi) -> None:
    api = make_api(limits="json")
    answers = [api.get("/regions", headers={"Authorization": ""}).status_code for _ in range(3)]
    assert answers == [401, 401, 401]
