"""What is wrong about schedules, images and databases, and what it is told."""

from __future__ import annotations

import pytest

from tests.unit.model.kubernetes.kubernetes_cases import Case
from tests.unit.model.kubernetes.kubernetes_stacks import API, LLM, REMOVED, SECTION, STORE

CASES = [
    Case(
        "a quota that is none",
        (((SECTION, "namespaces"), {"sophia-ai-prod": {"memory": "lots"}}),),
        (
            'namespaces.sophia-ai-prod.memory: "lots" is not an amount of memory or storage; '
            'allowed: "512Mi", "1Gi", "0.5Gi" (Ki, Mi, Gi, Ti; an amount, or request..limit as '
            'in "512Mi..1Gi")'
        ),
    ),
    Case(
        "a schedule of six fields",
        (((*STORE, "backup"), {"schedule": "0 0 2 * * *", "size": "1Gi"}),),
        (
            'databases.store.backup.schedule: "0 0 2 * * *" has 6 fields; allowed: five fields '
            '"minute hour day month weekday" of numbers, *, ranges, lists and steps: "0 2 * * *"'
        ),
    ),
    Case(
        "a schedule at hour 24",
        (((*STORE, "backup"), {"schedule": "0 24 * * *", "size": "1Gi"}),),
        (
            'databases.store.backup.schedule: "0 24 * * *" is outside 0 to 23 in its hour; '
            'allowed: five fields "minute hour day month weekday" of numbers, *, ranges, lists '
            'and steps: "0 2 * * *"'
        ),
    ),
    Case(
        "a schedule in words",
        (((*STORE, "backup"), {"schedule": "every night at two o'clock", "size": "1Gi"}),),
        (
            'databases.store.backup.schedule: "every night at two o\'clock" has a minute that '
            'cron does not know; allowed: five fields "minute hour day month weekday" of '
            'numbers, *, ranges, lists and steps: "0 2 * * *"'
        ),
    ),
    Case(
        "an image without tag",
        (((*API, "image"), "sophia/api"),),
        (
            'workloads.api.image: "sophia/api" has no tag: it would mean latest, which changes '
            'unasked; allowed: "registry.example/team/app:1.2.3", "postgres:16.4", with or '
            'without "@sha256:<64 hex digits>"'
        ),
    ),
    Case(
        "an image with the tag latest",
        (((*API, "image"), "sophia/api:latest"),),
        (
            'workloads.api.image: "sophia/api:latest" has the tag latest, which changes unasked; '
            'allowed: "registry.example/team/app:1.2.3", "postgres:16.4", with or without '
            '"@sha256:<64 hex digits>"'
        ),
    ),
    Case(
        "an image with capitals",
        (((*API, "image"), "Sophia/API:1"),),
        (
            'workloads.api.image: "Sophia/API:1" has capitals in its name, which registries '
            "refuse; allowed: sophia/api"
        ),
    ),
    Case(
        "an image of another registry",
        (
            ((SECTION, "images"), {"registries": ["registry.example"]}),
            ((SECTION, "databases"), {}),
            ((*API, "talks_to"), []),
            ((*LLM, "image"), "registry.example/llm:1"),
        ),
        (
            'workloads.api.image: "sophia/api:1.0.0" comes from a registry that '
            "images.registries does not list; allowed: registry.example"
        ),
    ),
    Case(
        "an image without digest",
        (
            (
                (SECTION, "images"),
                {
                    "require_digest": True,
                    "digests": {
                        "sophia/api:1.0.0": "sha256:" + "a" * 64,
                        "postgres:16.4": "sha256:" + "b" * 64,
                    },
                },
            ),
        ),
        (
            'workloads.llm.image: "sophia/llm:1.0.0" has no digest, and images.require_digest '
            "asks for one: add it to the image, or to images.digests; allowed: "
            "sophia/llm:1.0.0@sha256:<64 hex digits>"
        ),
    ),
    Case(
        "a digest of no image",
        (((SECTION, "images"), {"digests": {"sophia/ap:1.0.0": "sha256:" + "a" * 64}}),),
        (
            'images.digests["sophia/ap:1.0.0"]: is the image of no workload or database, did you '
            "mean sophia/api:1.0.0?"
        ),
    ),
    Case(
        "two postgres",
        (((*STORE, "replicas"), 2),),
        (
            "databases.store.replicas: 2 makes two databases that know nothing of each other, "
            "since nothing here replicates postgres; allowed: 1"
        ),
    ),
    Case(
        "sentinels for postgres",
        (((*STORE, "sentinel"), True),),
        ("databases.store.sentinel: true is for redis, and this is postgres"),
    ),
    Case(
        "redis without sentinels",
        (((*STORE, "kind"), "redis"), ((*STORE, "replicas"), 3)),
        (
            "databases.store.sentinel: false is missing: with several redis pods somebody has to "
            "choose the leader; allowed: true"
        ),
    ),
    Case(
        "two redis with sentinels",
        (((*STORE, "kind"), "redis"), ((*STORE, "replicas"), 2), ((*STORE, "sentinel"), True)),
        (
            "databases.store.replicas: 2 is too few to lose one and still elect a leader with "
            "sentinel; allowed: 3 or more"
        ),
    ),
    Case(
        "qdrant on its other port",
        (((*STORE, "kind"), "qdrant"), ((*STORE, "port"), 6334)),
        ("databases.store.port: 6334 is the port grpc of qdrant"),
    ),
    Case(
        "all pods gone at once",
        (((*API, "max_unavailable"), 2),),
        (
            "workloads.api.max_unavailable: 2 lets all 2 pods be gone at once; allowed: at most "
            "1, below replicas"
        ),
    ),
    Case(
        "root as the user",
        (((*API, "user_id"), 0),),
        ("workloads.api.user_id: 0 is out of range; allowed: a whole number from 1 to 2147483647"),
    ),
    Case(
        "an image that is missing",
        (((*API, "image"), REMOVED),),
        ("workloads.api.image: is missing (Image with a fixed tag or digest, never latest)"),
    ),
    Case("an empty row", ((API, None),), ("workloads.api: is empty, and a mapping is expected here")),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_mistake_is_named_with_its_key_and_what_is_allowed(case: Case) -> None:
    case.check()
