"""`kubernetes.forecaster` and `kubernetes.scaler`: defaults, what they need, and the file that pods read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from sophia_infra.model.explain import explain
from sophia_infra.model.forms import Conflict
from sophia_infra.model.kubernetes import ForecasterConfig, KubernetesConfig, NodeScalerConfig, place
from sophia_infra.model.kubernetes.sidecars import running_images
from sophia_infra.model.scaled_tags import lease_name
from sophia_infra.model.scaler import CalendarConfig
from sophia_infra.model.scaling_site import (
    ForecasterSite,
    NodeScalerSite,
    as_text,
    read_site,
    scaler_site_of,
)
from sophia_infra.model.stack import StackConfig

SECRETS = {"organization": "o", "project": "p", "environment": "e"}
ON = {"enabled": True}
POOL: dict[str, Any] = {"type": "1xA100", "regions": ["us-east-1"], "max": 4, "user_data": "#cloud-config\n"}
KUBE: dict[str, Any] = {"secrets": SECRETS, "monitoring": {"exporter": {"enabled": False}}, "scaler": ON}
FLEET = {
    "core": {"type": "1xGH200", "region": "us-east-1", "purpose": "test"},
    "far": {"type": "1xA10", "region": "us-west-1", "purpose": "test", "phase": 3},
}


def whole(kube: dict[str, Any], scaler: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "endpoint": "lambda",
        "phase": 2,
        "budget": {"limit": "$20/h"},
        "ssh": {"existing": "ops"},
        "fleet": FLEET,
        "kubernetes": kube,
        **({} if scaler is None else {"scaler": scaler}),
        **changes,
    }


def stack(kube: dict[str, Any], pool: dict[str, Any] | None = None, **changes: Any) -> StackConfig:
    return StackConfig.model_validate(whole(kube, {"pools": {"gpu": {**POOL, **(pool or {})}}}, **changes))


def problems(document: dict[str, Any]) -> list[Conflict]:
    with pytest.raises(ValidationError) as caught:
        StackConfig.model_validate(document)
    return explain(caught.value, StackConfig)


def test_promised_defaults() -> None:
    scaler, forecaster = NodeScalerConfig(), ForecasterConfig()
    assert (scaler.enabled, scaler.apply, scaler.replicas, scaler.api_key) == (
        False,
        False,
        1,
        "lambda.api_key",
    )
    assert (forecaster.enabled, forecaster.query, forecaster.every_s) == (False, None, 60)
    assert scaler.image == forecaster.image == "sophia/scaler:1.0.0"


def test_its_image_needs_a_digest_only_where_it_runs() -> None:
    off = KubernetesConfig.model_validate({})
    assert running_images(off) == {}
    on = KubernetesConfig.model_validate(
        {"secrets": SECRETS, "scaler": ON, "monitoring": {"exporter": {"enabled": False}}, "forecaster": ON}
    )
    assert {("forecaster", "image"), ("scaler", "image")} <= set(running_images(on))


@pytest.mark.parametrize(
    ("kube", "pool", "loc", "words"),
    [
        (
            {**KUBE, "secrets": None},
            {},
            ("kubernetes", "scaler", "enabled"),
            "needs sophia:kubernetes.secrets",
        ),
        ({"forecaster": ON}, {}, ("kubernetes", "forecaster", "enabled"), "nobody to ask for the load"),
        (
            {**KUBE, "monitoring": None},
            {"demand": [{"source": "forecast", "per_node": 8}]},
            ("scaler", "pools", "gpu", "demand", 0, "source"),
            "nobody to ask in the cluster",
        ),
        (
            KUBE,
            {"regions": ["us-east-1", "us-west-1"]},
            ("scaler", "pools", "gpu", "regions", 1),
            "another cluster than the one that the scaler runs in",
        ),
        (
            {**KUBE, "cluster": "existing"},
            {"user_data": None},
            ("scaler", "pools", "gpu", "user_data"),
            "nothing else joins a machine",
        ),
    ],
)
def test_what_does_not_go_together_is_named_with_its_key(
    kube: dict[str, Any], pool: dict[str, Any], loc: tuple[str | int, ...], words: str
) -> None:
    (found,) = problems(whole(kube, {"pools": {"gpu": {**POOL, **pool}}}))
    assert (found.loc, words in str(found.refused)) == (loc, True), found


def test_a_scaler_without_pools_has_nothing_to_launch() -> None:
    (found,) = problems(whole(KUBE))
    assert found.loc == ("kubernetes", "scaler", "enabled")
    assert "needs sophia:scaler" in str(found.refused)


def test_where_one_cluster_spans_regions_any_of_them_will_do() -> None:
    assert stack({**KUBE, "topology": "overlay"}, {"regions": ["us-east-1", "us-west-1"]}).scaler is not None
    assert stack({**KUBE, "cluster": "existing"}, {"regions": ["us-west-1"]}).scaler is not None


def site_of(config: StackConfig, ssh_key: str | None = "ops") -> NodeScalerSite | None:
    placement = place(config)
    return scaler_site_of(config, "sophia-infra/test", placement.clusters[placement.primary], ssh_key)


def test_the_file_is_read_back_as_it_was_written() -> None:
    schedule = [{"days": ["sat"], "begin": "09:00", "end": "24:00", "min": 1}]
    config = stack(
        {**KUBE, "gpu_sharing": {"A100": {"time_slicing": 4}}, "api_sources": ["203.0.113.0/24"]},
        {"schedule": schedule, "demand": [{"source": "forecast", "per_node": 8.5}]},
        budget={"limit": "$200/day"},
        quota={"instances": 6, "per_type": {"1xA100": 3}},
    )
    site = site_of(config)
    assert site is not None
    text = as_text(site)
    read = read_site(NodeScalerSite, text, "scaler.json")
    assert as_text(read) == text
    assert read.scaler == config.scaler
    assert (read.quota, read.budget_usd_per_hour) == (config.quota, config.budget.limit.usd_per_hour)
    assert set(read.fleet) == {"core"}, "the far machine is of a later phase"
    assert config.kubernetes is not None
    assert read.join is not None
    assert read.join.kubernetes.gpu_sharing == config.kubernetes.gpu_sharing
    assert read.join.kubernetes.api_sources == config.kubernetes.api_sources
    assert (read.join.cluster, read.join.region) == ("sophia-us-east-1", "us-east-1")
    assert read.budget_usd_per_hour == Decimal(200) / 24


def test_it_acts_only_when_the_stack_file_says_so() -> None:
    dry, acting = site_of(stack(KUBE)), site_of(stack({**KUBE, "scaler": {**ON, "apply": True}}))
    assert dry is not None
    assert acting is not None
    assert (dry.apply, acting.apply) == (False, True)


def test_an_existing_cluster_has_no_text_of_ours_to_join_by() -> None:
    site = site_of(stack({**KUBE, "cluster": "existing"}))
    assert site is not None
    assert site.join is None


def test_it_is_off_without_the_section() -> None:
    assert site_of(stack({**KUBE, "scaler": {"enabled": False}})) is None


def test_the_forecasters_file_is_read_back_as_it_was_written() -> None:
    calendar = CalendarConfig.model_validate({"zone": "Europe/Berlin", "days_off": ["2026-12-24"]})
    site = ForecasterSite(prometheus_url="http://p:9090", query="sum(x)", every_s=30, calendar=calendar)
    assert read_site(ForecasterSite, as_text(site), "forecaster.json") == site


def test_the_lease_is_the_same_inside_and_outside_and_a_name_that_kubernetes_takes() -> None:
    assert lease_name("Team_a") == "sophia-scaler-team-a"
