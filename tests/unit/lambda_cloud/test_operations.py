"""All 37 operations of the vendor's document, each through the client to a real server and back."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from sophia_infra.lambda_cloud import OPERATIONS, LambdaCloud, UnexpectedAnswer
from tests.unit.lambda_cloud.document import declared_operations, example, faults, objects_with_required
from tests.unit.lambda_cloud.every_call import CALLS, filled
from tests.unit.lambda_cloud.service import Reply, ScriptedService

from .conftest import end_pages, route_of, success_of

# Required by the document, but null, empty or absent does no harm: nothing that matters hangs on them.
TOLERATED = {
    "description",
    "actor_lrn",
    "resource_owner_lrn",
    "request_api_key_lrn",
    "page_token",
    # Any set of actions is accepted: the list of actions grew before.
    *("migrate", "rebuild", "restart", "cold_reboot", "terminate"),
}
# Void successes: nothing of the answer is used.
VOID = {
    "deleteSSHKey",
    "deleteFirewallRuleset",
    "deleteFabricPartition",
    "updateTicket",
    "deleteAttachment",
}


def test_the_table_holds_every_operation_of_the_document_and_no_other() -> None:
    ours = {name: (operation.method, operation.path) for name, operation in OPERATIONS.items()}
    theirs = {name: (declared.method, declared.path) for name, declared in declared_operations().items()}
    assert ours == theirs
    assert len(ours) == 37


def test_every_operation_is_a_method_of_the_client_and_is_called_in_these_tests() -> None:
    assert {operation.call for operation in OPERATIONS.values()} <= set(dir(LambdaCloud))
    assert len({operation.call for operation in OPERATIONS.values()}) == 37
    assert set(CALLS) == set(OPERATIONS)


def test_the_client_has_no_public_method_beside_the_operations() -> None:
    public = {name for name in dir(LambdaCloud) if not name.startswith("_")}
    assert public == {operation.call for operation in OPERATIONS.values()} | {"close"}


@pytest.mark.parametrize("operation_id", sorted(CALLS))
def test_a_call_sends_what_the_document_declares(
    cloud: LambdaCloud, service: ScriptedService, operation_id: str
) -> None:
    declared = declared_operations()[operation_id]
    service.script(route_of(operation_id), success_of(operation_id))
    CALLS[operation_id](cloud)
    (asked,) = service.asked
    assert (asked.method, asked.path) == (declared.method, filled(declared.path))
    if declared.request_schema is None:
        assert asked.body is None
    else:
        assert faults(declared.request_schema, asked.body) == []
        assert set(asked.body) == set(declared.request_schema["properties"])


@pytest.mark.parametrize("operation_id", sorted(CALLS))
def test_a_call_reads_an_answer_without_its_optional_fields(
    cloud: LambdaCloud, service: ScriptedService, operation_id: str
) -> None:
    declared = declared_operations()[operation_id]
    body = example(declared.success_schema, optional=False)
    end_pages(body)
    service.script(route_of(operation_id), Reply(declared.success_status, body))
    CALLS[operation_id](cloud)


@pytest.mark.parametrize("operation_id", sorted(CALLS))
def test_a_call_ignores_fields_that_it_does_not_know(
    cloud: LambdaCloud, service: ScriptedService, operation_id: str
) -> None:
    known = success_of(operation_id)
    service.script(route_of(operation_id), known)
    expected = CALLS[operation_id](cloud)
    service.script(route_of(operation_id), Reply(known.status, _with_unknown_fields(known.body)))
    assert CALLS[operation_id](cloud) == expected


def _with_unknown_fields(value: Any, *, is_open: bool = False) -> Any:
    if isinstance(value, list):
        return [_with_unknown_fields(item) for item in value]
    if not isinstance(value, dict):
        return value
    # In a map with open keys a new key is no unknown field.
    opens = {"actions", "additional_details"} | ({"data"} if "any-key" in value.get("data", ()) else set())
    inner = {name: _with_unknown_fields(item, is_open=name in opens) for name, item in value.items()}
    return inner if is_open else {**inner, "is_reserved": None, "workspace_id_2": 7}


def _required_paths() -> list[Any]:
    return [
        pytest.param(operation_id, path, id=f"{operation_id}-{'.'.join(path)}")
        for operation_id, declared in sorted(declared_operations().items())
        if operation_id not in VOID
        for path in objects_with_required(declared.success_schema)
        if path[-1] not in TOLERATED
    ]


@pytest.mark.parametrize(("operation_id", "path"), _required_paths())
def test_a_required_field_that_is_missing_is_an_unexpected_answer_that_names_it(
    cloud: LambdaCloud, service: ScriptedService, operation_id: str, path: tuple[str, ...]
) -> None:
    answer = success_of(operation_id)
    body = copy.deepcopy(answer.body)
    holder: Any = body
    for step in path[:-1]:
        holder = holder[int(step) if isinstance(holder, list) else step]
    del holder[path[-1]]
    service.script(route_of(operation_id), Reply(answer.status, body, {"X-Request-Id": "req-1"}))
    with pytest.raises(UnexpectedAnswer, match=path[-1]) as caught:
        CALLS[operation_id](cloud)
    assert caught.value.operation == operation_id
    assert caught.value.request_id == "req-1"
    assert caught.value.may_have_happened is OPERATIONS[operation_id].is_write
    assert caught.value.retry is False
