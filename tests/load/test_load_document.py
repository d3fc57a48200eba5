"""Generated requests get answers of the gateway's own OpenAPI document, and never a mistake of its own."""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from sophia_infra.inference.gateway.openapi import build_document
from tests.effort import examples
from tests.load.stand import Stand

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
    ignored_auth,
    negative_data_rejection,
]
schema = schemathesis.openapi.from_dict(build_document())


@pytest.mark.slow
@schema.parametrize()
@hypothesis.settings(max_examples=examples(25), derandomize=True, deadline=None, database=None)
def test_generated_requests_get_answers_of_the_document(case: Case[Any], stand: Stand) -> None:
    """Costs some seconds; buys that no request makes an answer leave the document."""
    headers = {"Authorization": f"Bearer {stand.keys['load']}"}
    case.call_and_validate(base_url=stand.gateway.url, headers=headers, checks=CHECKS)
