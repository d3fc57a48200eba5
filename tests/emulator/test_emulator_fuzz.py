"""Schemathesis against the live server: every operation, and chains of operations along links."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from sophia_infra.emulator import Cloud, EmulatorServer
from sophia_infra.emulator.document import operation_ids, operations
from tests.effort import examples
from tests.emulator.emulator_client import API_KEY, PUBLIC_KEY, strict_settings
from tests.emulator.emulator_openapi import KEY_NAME, LINKS, linked_document

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
    ignored_auth,
    negative_data_rejection,
]
STATEFUL_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
HEADERS = {"Authorization": f"Bearer {API_KEY}"}

schemathesis.openapi.format(
    "ipv4network",
    strategies.builds("{}/{}".format, strategies.ip_addresses(v=4), strategies.integers(0, 32)),
)
schema = schemathesis.openapi.from_dict(linked_document())
chains_schema = schemathesis.openapi.from_dict(linked_document())
chains_schema.config.generation.modes = [GenerationMode.POSITIVE]


@contextmanager
def account() -> Iterator[EmulatorServer]:
    cloud = Cloud(strict_settings(transitions="per_read", forbidden=False))
    with EmulatorServer(cloud) as emulator:
        cloud.ssh_keys.add(KEY_NAME, PUBLIC_KEY)
        yield emulator


@pytest.fixture(scope="module")
def emulator() -> Iterator[EmulatorServer]:
    with account() as emulator:
        yield emulator


@pytest.mark.slow
@schema.parametrize()
@hypothesis.settings(max_examples=10, derandomize=True, deadline=None, database=None)
def test_generated_requests_get_answers_of_the_document(case: Case[Any], emulator: EmulatorServer) -> None:
    """Costs about 15 s in all; buys that no generated request makes an answer leave the document."""
    case.call_and_validate(base_url=emulator.url, headers=HEADERS, checks=CHECKS)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["instance|ssh-keys", "file-?systems", "firewall", "fabric", "tickets"])
def test_chains_along_links_stay_inside_the_document(family: str) -> None:
    """Costs about 8 s; buys the same for ids that an earlier answer gave, in any order."""
    chosen = chains_schema.include(path_regex=family)
    reached: Counter[str] = Counter()

    with account() as emulator:

        class Chains(chosen.as_state_machine()):  # type: ignore[misc]
            def setup(self) -> None:
                emulator.cloud.reset()
                emulator.cloud.ssh_keys.add(KEY_NAME, PUBLIC_KEY)

            def get_call_kwargs(self, case: Case[Any]) -> dict[str, object]:
                return {"base_url": emulator.url, "headers": HEADERS}

            def validate_response(self, response: Response, case: Case[Any], **_: object) -> None:
                if response.status_code < 300:
                    reached[case.operation.definition.raw["operationId"]] += 1
                case.validate_response(response, checks=STATEFUL_CHECKS)

        Chains.run(
            settings=hypothesis.settings(
                max_examples=examples(40),
                stateful_step_count=25,
                derandomize=True,
                deadline=None,
                database=None,
            )
        )
    paths = {name: one.path for name, one in operations().items()}
    linked = {target for targets in LINKS.values() for target in targets if re.search(family, paths[target])}
    assert linked
    assert linked <= set(reached), f"never succeeded: {linked - set(reached)}"


def test_every_link_names_operations_of_the_document() -> None:
    named = set(LINKS) | {target for targets in LINKS.values() for target in targets}
    assert named <= operation_ids()
