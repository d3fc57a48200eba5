"""What is wrong about secrets, volumes and amounts, and what it is told."""

from __future__ import annotations

import pytest

from tests.unit.model.kubernetes.kubernetes_cases import Case
from tests.unit.model.kubernetes.kubernetes_stacks import API, REMOVED, SECTION, STORE

KEY = "sk-" + "proj-" + "A1b2" * 8  # put together at run time, so that no scanner takes it for a leak

CASES = [
    Case(
        "secrets from nowhere",
        (((SECTION, "secrets"), REMOVED),),
        ("workloads.api.secret_env: needs sophia:kubernetes.secrets, which says where secrets come from"),
    ),
    Case(
        "a secret as a path",
        (((*API, "secret_env", "KEY"), KEY),),
        (
            "workloads.api.secret_env.KEY: (hidden) is not a path in the ESC environment (is it "
            "the secret itself?); allowed: names joined by dots, for example ai.openai_api_key"
        ),
    ),
    Case(
        "a secret by its shape in env",
        (((*API, "env"), {"SETTING": KEY}),),
        (
            "workloads.api.env.SETTING: (hidden) has the shape of a secret, and this file is no "
            "place for one: store it in the ESC environment, name its path in secret_env, and "
            "take the one written here out of use"
        ),
    ),
    Case(
        "a secret by its name in env",
        (((*API, "env"), {"DB_PASSWORD": "hunter2"}),),
        (
            "workloads.api.env.DB_PASSWORD: (hidden) is named like a secret, and this file is no "
            "place for one: store it in the ESC environment, name its path in secret_env, and "
            "take the one written here out of use"
        ),
    ),
    Case(
        "a secret in a database's settings",
        (((*STORE, "settings"), {"requirepass": "hunter2"}),),
        (
            "databases.store.settings.requirepass: (hidden) is named like a secret, and this "
            "file is no place for one: store it in the ESC environment, name its path in "
            "secret_env, and take the one written here out of use"
        ),
    ),
    Case(
        "a secret among the arguments",
        (((*API, "args"), ["serve", f"--key={KEY}"]),),
        (
            "workloads.api.args[1]: (hidden) has the shape of a secret, and this file is no "
            "place for one: store it in the ESC environment, name its path in secret_env, and "
            "take the one written here out of use"
        ),
    ),
    Case(
        "a variable twice",
        (((*API, "env"), {"KEY": "x"}),),
        ("workloads.api.secret_env.KEY: is in env as well; keep one of them"),
    ),
    Case(
        "ReadWriteMany on local disks",
        (((*API, "volumes"), {"data": {"mount": "/data", "size": "1Gi", "access": "ReadWriteMany"}}),),
        (
            'workloads.api.volumes.data.access: "ReadWriteMany" needs a storage_class that can '
            "do it, and sophia-local is not one; allowed: ReadWriteOnce, or a storage_class of "
            "shared_storage_classes (none)"
        ),
    ),
    Case(
        "a StorageClass that nobody makes",
        (((*API, "volumes"), {"data": {"mount": "/data", "size": "1Gi", "storage_class": "fast-ssd"}}),),
        (
            'workloads.api.volumes.data.storage_class: "fast-ssd" is not a StorageClass of the '
            "cluster; allowed: sophia-local"
        ),
    ),
    Case(
        "a cache on a StorageClass",
        (
            (
                (*API, "volumes"),
                {"data": {"mount": "/data", "size": "1Gi", "cache": True, "storage_class": "sophia-local"}},
            ),
        ),
        (
            'workloads.api.volumes.data.storage_class: "sophia-local" does not go with cache, '
            "which is a folder of the node"
        ),
    ),
    Case(
        "two volumes at one path",
        (
            (
                (*API, "volumes"),
                {"a": {"mount": "/data", "size": "1Gi"}, "b": {"mount": "/data", "size": "1Gi"}},
            ),
        ),
        ('workloads.api.volumes.b.mount: "/data" is where a is mounted'),
    ),
    Case(
        "shared memory above the limit",
        (((*API, "shm"), "8Gi"),),
        (
            'workloads.api.shm: "8Gi" is more than the memory limit, which it counts against; '
            "allowed: up to 4Gi"
        ),
    ),
    Case(
        "memory without unit",
        (((*API, "memory"), 512),),
        (
            "workloads.api.memory: 512 is not an amount of memory or storage, and the unit is "
            'missing or not a binary one; allowed: "512Mi", "1Gi", "0.5Gi" (Ki, Mi, Gi, Ti; an '
            'amount, or request..limit as in "512Mi..1Gi")'
        ),
    ),
    Case(
        "memory in decimal units",
        (((*API, "memory"), "512M"),),
        (
            'workloads.api.memory: "512M" is not an amount of memory or storage, and the unit is '
            'missing or not a binary one; allowed: "512Mi", "1Gi", "0.5Gi" (Ki, Mi, Gi, Ti; an '
            'amount, or request..limit as in "512Mi..1Gi")'
        ),
    ),
    Case(
        "memory that runs backwards",
        (((*API, "memory"), "4Gi..2Gi"),),
        ('workloads.api.memory: "4Gi..2Gi" runs backwards; allowed: "2Gi..4Gi"'),
    ),
    Case(
        "cpu that is none",
        (((*API, "cpu"), "two"),),
        (
            'workloads.api.cpu: "two" is not an amount of CPU; allowed: "0.25", "250m", "2" (at '
            'least 1m; an amount, or request..limit as in "0.25..0.5")'
        ),
    ),
    Case(
        "cpu of nothing",
        (((*API, "cpu"), 0),),
        (
            'workloads.api.cpu: 0 is no CPU at all; allowed: "0.25", "250m", "2" (at least 1m; '
            'an amount, or request..limit as in "0.25..0.5")'
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_mistake_is_named_with_its_key_and_what_is_allowed(case: Case) -> None:
    case.check()
