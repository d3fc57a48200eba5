"""What a canary and a cutover are made of, and what is refused before anything is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from sophia_infra.manifests.canary import Backend, Split, build_split, gateway_provider
from sophia_infra.model.kubernetes.config import KubernetesConfig
from sophia_infra.model.rollout import RolloutConfig
from sophia_infra.model.stack_config import StackConfig, load_stack_config
from sophia_infra.rollout.canary import plan_canary
from sophia_infra.rollout.cutover_services import cutover_order
from sophia_infra.rollout.errors import RolloutRefused

CHECKOUT = Path(__file__).resolve().parents[3]
LOCAL = load_stack_config(CHECKOUT / "Pulumi.local.yaml")
IMAGE = "sophia/backend:1.1.0"


def section(config: StackConfig) -> KubernetesConfig:
    assert config.kubernetes is not None
    return config.kubernetes


def test_a_candidate_is_the_same_row_with_another_image_one_pod_and_no_way_in_of_its_own() -> None:
    plan = plan_canary(LOCAL, 2, "sophia-backend", IMAGE)
    by_kind: dict[str, list[dict[str, object]]] = {}
    for body in plan.objects:
        by_kind.setdefault(body["kind"], []).append(body)
        assert body["metadata"]["labels"]["sophia.internal/rollout-of"] == "sophia-backend"
    assert "Ingress" not in by_kind
    assert "HorizontalPodAutoscaler" not in by_kind
    assert "ScaledObject" not in by_kind
    [deployment] = [body for body in plan.objects if body["kind"] == "Deployment"]
    spec = deployment["spec"]
    assert spec["replicas"] == 1
    assert spec["template"]["spec"]["containers"][0]["image"] == IMAGE
    assert spec["selector"]["matchLabels"] == {"app.kubernetes.io/name": "sophia-backend-canary"}
    openings = [body for body in plan.objects if body["metadata"]["name"].endswith("-to-postgres")]
    assert openings[0]["spec"]["ingress"][0]["from"][0]["podSelector"]["matchLabels"] == {
        "app.kubernetes.io/name": "sophia-backend-canary"
    }


def test_the_route_begins_with_all_calls_on_the_old_side() -> None:
    old, new = Backend("web", 80), Backend("web-canary", 80)
    split = Split("web-canary", "canary", "web", "prod", "web.example.com", "/", "tls-web", old, new)
    gateway, route = build_split(split)
    assert [side["weight"] for side in route["spec"]["rules"][0]["backendRefs"]] == [100, 0]
    assert route["spec"]["parentRefs"] == [{"name": gateway["metadata"]["name"]}]
    [listener] = gateway["spec"]["listeners"]
    assert listener["tls"]["certificateRefs"] == [{"name": "tls-web"}]
    assert "kubernetesGateway" in gateway_provider()["spec"]["valuesContent"]


@pytest.mark.parametrize(
    ("name", "image", "phase", "said"),
    [
        ("nobody", IMAGE, 2, "is no enabled workload"),
        ("mcp-gong", "sophia/mcp-gong:2.0.0", 2, "has no ingress"),
        ("sophia-backend", IMAGE, 1, "no workloads in this phase"),
        ("sophia-backend", "sophia/backend", 2, "'sophia/backend'"),
        ("sophia-backend", "sophia/backend:latest", 2, "latest"),
    ],
)
def test_what_cannot_be_divided_or_named_is_refused(name: str, image: str, phase: int, said: str) -> None:
    with pytest.raises(RolloutRefused, match=said):
        plan_canary(LOCAL, phase, name, image)


def test_a_stack_that_runs_digests_only_takes_no_candidate_without_one() -> None:
    kube = section(LOCAL)
    images = kube.images.model_copy(update={"require_digest": True})
    strict = LOCAL.model_copy(update={"kubernetes": kube.model_copy(update={"images": images})})
    with pytest.raises(RolloutRefused, match="has no digest"):
        plan_canary(strict, 2, "sophia-backend", IMAGE)
    assert plan_canary(strict, 2, "sophia-backend", f"{IMAGE}@sha256:{'a' * 64}").image.endswith("a" * 64)


def test_a_workload_with_data_of_its_own_gets_no_second_version_beside_it() -> None:
    kube = section(LOCAL)
    row = kube.workloads["sophia-backend"].model_copy(
        update={"volumes": kube.workloads["sophia-ai-core"].volumes}
    )
    held = kube.model_copy(update={"workloads": {**kube.workloads, "sophia-backend": row}})
    with pytest.raises(RolloutRefused, match="volume with data"):
        plan_canary(LOCAL.model_copy(update={"kubernetes": held}), 2, "sophia-backend", IMAGE)


def test_stores_move_first_and_callers_after_those_they_call() -> None:
    order = cutover_order(section(LOCAL))
    names = [one.name for one in order]
    assert {one.kind for one in order[:2]} == {"store"}
    assert names.index("mcp-ai-memory") < names.index("backend")
    backend = order[names.index("backend")]
    assert (backend.kind, backend.host, backend.swarm_port) == ("routed", "api.sophia.example.com", 8000)
    assert {one.kind for one in order[2:] if one.name.startswith("mcp")} == {"internal"}


def test_nothing_moves_while_a_service_has_no_peer() -> None:
    kube = section(LOCAL)
    row = kube.workloads["mcp-snowflake"].model_copy(update={"swarm_service": None})
    lacking = kube.model_copy(update={"workloads": {**kube.workloads, "mcp-snowflake": row}})
    with pytest.raises(RolloutRefused, match="Swarm's mcp-snowflake"):
        cutover_order(lacking)


@pytest.mark.parametrize(
    "wrong",
    [
        {"weights": [5, 5, 100]},
        {"weights": [50, 25, 100]},
        {"weights": [5, 50]},
        {"weights": []},
        {"weights": [0, 100]},
        {"weights": [True, 100]},
        {"weights": "5,100"},
        {"bake_minutes": 0},
        {"no_data_minutes": -1},
        {"swarm_address": "127.0.0.1"},
        {"swarm_address": "swarm.example.com"},
        {"wights": [100]},
    ],
)
def test_a_wrong_section_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        RolloutConfig.model_validate(wrong)


def test_promised_defaults() -> None:
    section = RolloutConfig()
    assert section.weights == (5, 25, 50, 100)
    assert (section.bake_minutes, section.no_data_minutes, section.ready_minutes) == (10, 10, 15)
    assert section.swarm_address is None
    assert RolloutConfig.model_validate(section.model_dump(mode="json")) == section
