"""Which error an answer becomes, and what the error says."""

from __future__ import annotations

import pickle

import pytest

from sophia_infra import lambda_cloud
from sophia_infra.lambda_cloud import LambdaCloud, LambdaCloudError, errors
from sophia_infra.lambda_cloud.refusals import CLASS_BY_CODE, LEGACY_CODES, refusal
from tests.unit.lambda_cloud.document import declared_codes
from tests.unit.lambda_cloud.every_call import CALLS, ID, LAUNCH
from tests.unit.lambda_cloud.service import Reply, ScriptedService, error

LAUNCH_ROUTE = "POST /api/v1/instance-operations/launch"

# (class, fault, may be tried again as it is when nothing can have happened)
PROMISED: dict[str, tuple[str, bool]] = {
    "NoCapacity": ("lambda", False),
    "QuotaExceeded": ("user", False),
    "Unauthorized": ("user", False),
    "AccountInactive": ("user", False),
    "EdgeBlocked": ("network", False),
    "Forbidden": ("user", False),
    "NotFound": ("user", False),
    "Conflict": ("user", True),
    "Duplicate": ("user", False),
    "InUse": ("user", True),
    "InvalidSpec": ("user", False),
    "WrongRegion": ("user", False),
    "RateLimited": ("ours", True),
    "Unreachable": ("network", True),
    "ServerFault": ("lambda", True),
    "UnexpectedAnswer": ("ours", False),
}

STATUS_OF_CODE = {
    "global/invalid-api-key": 401,
    "global/account-inactive": 403,
    "global/invalid-address": 403,
    "global/forbidden": 403,
    "global/object-does-not-exist": 404,
    "global/not-found": 404,
    "global/conflict": 409,
    "global/internal-error": 409,
}


def test_every_code_of_the_document_has_its_class() -> None:
    assert set(CLASS_BY_CODE) - LEGACY_CODES == declared_codes()
    assert len(declared_codes()) == 15
    assert not declared_codes() & LEGACY_CODES


def test_every_class_is_promised_exported_and_drawn_in_the_tree() -> None:
    classes = {error_class.__name__ for error_class in LambdaCloudError.__subclasses__()}
    assert classes == set(PROMISED)
    assert classes | {"LambdaCloudError", "Fault"} == set(errors.__all__)
    assert classes <= set(lambda_cloud.__all__)
    assert all(f"── {name} " in (errors.__doc__ or "") for name in classes)


@pytest.mark.parametrize(("name", "promised"), PROMISED.items())
def test_an_error_says_whose_fault_it_is_whether_to_retry_and_what_to_do_next(
    name: str, promised: tuple[str, bool]
) -> None:
    made = getattr(errors, name)("it failed")
    assert (made.fault, made.retry) == promised
    assert made.next_step.endswith(".")
    assert made.next_step in str(made)
    assert f"{promised[0]}\n" in (errors.__doc__ or "").split(name)[1][:90]


@pytest.mark.parametrize("name", PROMISED)
def test_an_error_keeps_every_field_and_survives_the_way_between_processes(name: str) -> None:
    made = getattr(errors, name)(
        "it failed",
        code="global/x",
        suggestion="do that",
        request_id="req-1",
        http_status=400,
        operation="launchInstance",
        may_have_happened=True,
        retry_after_s=2.5,
    )
    assert made.retry is False, "what may have happened and cannot be repeated is not to be retried"
    for copy in (made, pickle.loads(pickle.dumps(made))):  # noqa: S301
        assert copy.code == "global/x"
        assert copy.message == "it failed"
        assert copy.suggestion == "do that"
        assert copy.request_id == "req-1"
        assert copy.http_status == 400
        assert copy.operation == "launchInstance"
        assert copy.may_have_happened is True
        assert copy.retry_after_s == 2.5
        assert str(copy) == (
            "launchInstance: it failed (global/x, HTTP 400, request id req-1). It may have been carried out "
            "all the same: list before trying again. do that"
        )


@pytest.mark.parametrize("code", sorted(CLASS_BY_CODE))
def test_a_code_chooses_the_class(cloud: LambdaCloud, service: ScriptedService, code: str) -> None:
    service.script(LAUNCH_ROUTE, error(STATUS_OF_CODE.get(code, 400), code, "words that may change"))
    with pytest.raises(LambdaCloudError) as caught:
        cloud.launch_instance(LAUNCH)
    assert type(caught.value) is CLASS_BY_CODE[code]
    assert caught.value.code == code
    assert caught.value.message == "words that may change"
    assert caught.value.operation == "launchInstance"
    assert caught.value.http_status == STATUS_OF_CODE.get(code, 400)
    assert caught.value.may_have_happened is (type(caught.value) is errors.ServerFault)
    assert len(service.asked) == 1


@pytest.mark.parametrize("status", [400, 404, 502])
def test_a_provider_code_is_a_server_fault_whatever_its_status(status: int) -> None:
    made = refusal(status, error(status, "provider/internal-unavailable").content, is_write=True)
    assert type(made) is errors.ServerFault
    assert made.may_have_happened


def test_a_missing_launch_resource_is_not_found_though_the_status_is_400() -> None:
    made = refusal(400, error(400, "global/object-does-not-exist").content, is_write=True)
    assert type(made) is errors.NotFound
    assert not made.may_have_happened


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, errors.InvalidSpec),
        (401, errors.Unauthorized),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (405, errors.UnexpectedAnswer),
        (409, errors.Conflict),
        (413, errors.InvalidSpec),
        (422, errors.InvalidSpec),
        (429, errors.RateLimited),
        (500, errors.ServerFault),
        (503, errors.ServerFault),
    ],
)
def test_an_unknown_code_falls_back_on_the_status(status: int, expected: type[LambdaCloudError]) -> None:
    made = refusal(status, error(status, "global/brand-new").content, is_write=False)
    assert type(made) is expected
    assert made.code == "global/brand-new"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (301, errors.UnexpectedAnswer),
        (400, errors.UnexpectedAnswer),
        (401, errors.Unauthorized),
        (403, errors.EdgeBlocked),
        (404, errors.UnexpectedAnswer),
        (409, errors.UnexpectedAnswer),
        (429, errors.RateLimited),
        (502, errors.ServerFault),
    ],
)
@pytest.mark.parametrize("body", [b"<html>no</html>", b"", b'{"message": "no"}', b'{"error": "no"}', b"[1]"])
def test_an_answer_that_is_not_the_apis_is_read_with_caution(
    status: int, expected: type[LambdaCloudError], body: bytes
) -> None:
    """Above all: a proxy's 404 must not make a caller forget a machine that is still billed."""
    assert type(refusal(status, body, is_write=False)) is expected


@pytest.mark.parametrize(
    ("status", "may"), [(302, True), (400, False), (404, False), (429, False), (500, True)]
)
def test_a_write_may_have_happened_unless_it_was_refused(status: int, may: bool) -> None:
    assert refusal(status, b"?", is_write=True).may_have_happened is may
    assert refusal(status, b"?", is_write=False).may_have_happened is False


def test_the_edge_is_told_apart_from_an_inactive_account(
    cloud: LambdaCloud, service: ScriptedService
) -> None:
    route = "GET /api/v1/regions"
    service.script(route, Reply(403, b"error code: 1010", {"Content-Type": "text/plain", "CF-Ray": "8f-FRA"}))
    with pytest.raises(errors.EdgeBlocked, match="error code: 1010") as blocked:
        cloud.list_regions()
    assert blocked.value.request_id == "8f-FRA"
    service.script(route, error(403, "global/account-inactive"))
    with pytest.raises(errors.AccountInactive):
        cloud.list_regions()


def test_a_body_of_unknown_form_is_cut_and_redacted(api_key: str) -> None:
    body = f"Authorization: Bearer {api_key}\n" + "x" * 5000
    made = refusal(502, body.encode(), is_write=False)
    assert api_key not in made.message
    assert 256 < len(made.message) < 320


def test_message_and_suggestion_are_redacted(api_key: str) -> None:
    made = errors.InvalidSpec(f"bad key {api_key}", suggestion=f"not {api_key}")
    assert api_key not in str(made)
    assert api_key not in repr(made)


def test_the_request_id_of_the_body_comes_before_the_header(
    cloud: LambdaCloud, service: ScriptedService
) -> None:
    refused = error(404, "global/object-does-not-exist", request_id="in-the-body")
    service.script(f"GET /api/v1/instances/{ID}", Reply(404, refused.body, {"X-Request-Id": "in-the-header"}))
    with pytest.raises(errors.NotFound) as caught:
        cloud.get_instance(ID)
    assert caught.value.request_id == "in-the-body"
    service.script(
        f"GET /api/v1/instances/{ID}",
        Reply(404, error(404, "global/object-does-not-exist").body, {"X-Request-Id": "in-the-header"}),
    )
    with pytest.raises(errors.NotFound) as caught:
        cloud.get_instance(ID)
    assert caught.value.request_id == "in-the-header"
    assert "request id in-the-header" in str(caught.value)


def test_the_suggestion_of_the_api_takes_the_place_of_ours() -> None:
    assert str(errors.QuotaExceeded("Quota exceeded.", suggestion="Write to us.")).endswith(" Write to us.")
    assert "raise the quota" in str(errors.QuotaExceeded("Quota exceeded."))


@pytest.mark.parametrize("body", [b'{"nothing": 1}', b"[]", b'"data"', b"<html>hello</html>", b""])
def test_a_success_that_is_not_the_apis_is_an_unexpected_answer(
    cloud: LambdaCloud, service: ScriptedService, body: bytes
) -> None:
    service.script(LAUNCH_ROUTE, Reply(200, body, {"Content-Type": "text/html"}))
    with pytest.raises(errors.UnexpectedAnswer) as caught:
        CALLS["launchInstance"](cloud)
    assert caught.value.may_have_happened
    assert caught.value.http_status == 200
    assert len(service.asked) == 1
