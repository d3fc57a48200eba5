"""What monitoring adds: its images are judged as those of rows, its sidecars counted with their pods."""

from __future__ import annotations

from typing import Any

import pytest

from sophia_infra.model.kubernetes import SIDECARS
from sophia_infra.model.kubernetes.placement import place_on
from sophia_infra.model.kubernetes.sidecars import monitoring_images, running_images
from sophia_infra.model.stack_config import ConfigError
from tests.unit.model.kubernetes.kubernetes_cases import Case
from tests.unit.model.kubernetes.kubernetes_stacks import SECTION, section_of, stack_of

MONITORING = (SECTION, "monitoring")
IMAGES = (SECTION, "images")
DIGEST = "sha256:" + "a" * 64
ROWS = {"sophia/api:1.0.0": DIGEST, "sophia/llm:1.0.0": DIGEST, "postgres:16.4": DIGEST}

CASES = [
    Case(
        "an exporter without digest",
        (
            (MONITORING, {"exporter": {"enabled": False}}),
            (IMAGES, {"require_digest": True, "digests": ROWS}),
        ),
        'monitoring.images.postgres_exporter: "prometheuscommunity/postgres-exporter:v0.20.1" has no digest, '
        "and images.require_digest asks for one: add it to the image, or to images.digests; allowed: "
        "prometheuscommunity/postgres-exporter:v0.20.1@sha256:<64 hex digits>",
    ),
    Case(
        "an image with capitals",
        ((MONITORING, {"images": {"loki": "Grafana/loki:3.7.6"}}),),
        'monitoring.images.loki: "Grafana/loki:3.7.6" has capitals in its name, which registries refuse; '
        "allowed: grafana/loki",
    ),
    Case(
        "a digest of an image that does not run",
        ((MONITORING, {}), (IMAGES, {"digests": {"grafana/loki:3.7.6": DIGEST}})),
        'images.digests["grafana/loki:3.7.6"]: is the image of no workload or database',
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_mistake_is_named_with_its_key_and_what_is_allowed(case: Case) -> None:
    case.check()


def test_a_registry_that_is_not_listed_is_refused_for_them_too() -> None:
    own = "registry.example/sophia"
    changes: list[tuple[tuple[Any, ...], Any]] = [
        (MONITORING, {"images": {"postgres_exporter": f"{own}/pg:1"}, "exporter": {"image": "sophia/e:1.0"}}),
        (IMAGES, {"registries": ["registry.example"]}),
        ((SECTION, "workloads", "api", "image"), f"{own}/api:1"),
        ((SECTION, "workloads", "llm", "image"), f"{own}/llm:1"),
        ((SECTION, "databases", "store", "image"), f"{own}/store:1"),
    ]
    Case(
        "the exporter from elsewhere",
        tuple(changes),
        'monitoring.exporter.image: "sophia/e:1.0" comes from a registry that images.registries does not '
        "list; allowed: registry.example",
    ).check()


def test_what_really_runs_is_what_is_judged() -> None:
    plain = section_of(stack_of((MONITORING, {"exporter": {"enabled": False}})))
    assert set(monitoring_images(plain)) == {("monitoring", "images", "postgres_exporter")}
    logs = section_of(stack_of((MONITORING, {"logs": "loki"})))
    assert set(monitoring_images(logs)) == {
        ("monitoring", "exporter", "image"),
        ("monitoring", "images", "postgres_exporter"),
        ("monitoring", "images", "loki"),
        ("monitoring", "images", "alloy"),
    }
    off = section_of(stack_of())
    assert monitoring_images(off) == {}
    assert running_images(off)["databases", "store", "image"] == "postgres:16.4"


def test_a_sidecar_takes_its_place_on_the_node_of_its_store() -> None:
    """A store that just fits into the largest machine does not with an exporter beside it."""
    largest = stack_of()
    limit = _most_memory_mib(largest)
    exact = ((SECTION, "databases", "store", "memory"), f"{limit}Mi")
    assert _unplaced(stack_of(exact)) == []
    with pytest.raises(ConfigError, match=r"databases\.store: asks for 1 pod"):
        stack_of(exact, (MONITORING, {"exporter": {"enabled": False}}))
    smaller = limit - int(SIDECARS["postgres"].memory.request.removesuffix("Mi"))
    fits = ((SECTION, "databases", "store", "memory"), f"{smaller}Mi")
    assert _unplaced(stack_of(fits, (MONITORING, {"exporter": {"enabled": False}}))) == []


def _unplaced(stack: Any) -> list[Any]:
    return list(place_on(stack.instances(2), section_of(stack)).unplaced)


def _most_memory_mib(stack: Any) -> int:
    """The largest amount of memory with which the store still finds a place."""
    kube, fleet = section_of(stack), stack.instances(2)

    def fits(mib: int) -> bool:
        store = kube.databases["store"]
        memory = type(store.memory)(f"{mib}Mi", f"{mib}Mi")
        changed = {"store": store.model_copy(update={"memory": memory})}
        return not place_on(fleet, kube.model_copy(update={"databases": changed})).unplaced

    low, high = 1, 4 << 20
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
