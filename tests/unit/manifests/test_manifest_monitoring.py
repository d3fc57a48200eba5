"""The release and what is made beside it: sizes, secrets, rules, dashboards, and their order."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from sophia_infra.charts import CHARTS, check_values
from sophia_infra.manifests import ChartRelease, all_objects
from sophia_infra.manifests.monitoring.demand import demand_of
from sophia_infra.model.kubernetes import bytes_of
from sophia_infra.model.kubernetes.packing import RESERVE_CPU, RESERVE_MEMORY
from sophia_infra.monitoring.rules import all_rules
from sophia_infra.monitoring.sizing import size_for
from tests.effort import examples
from tests.unit.manifests.generated import sections
from tests.unit.manifests.relabelling import relabel
from tests.unit.manifests.sites import Site, row, site_of, sites

FEW = settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
MEGABYTE = 1 << 20
ARM64 = {"key": "kubernetes.io/arch", "operator": "Equal", "value": "arm64", "effect": "NoSchedule"}
SECRETS = {"organization": "o", "project": "p", "environment": "e"}
BARE = {"exporter": {"enabled": False}, "grafana": {"enabled": False}}


def chart(site: Site) -> ChartRelease:
    (found,) = (item for item in site.releases if item.chart == "kube-prometheus-stack")
    return found


def of_section(monitoring: dict[str, Any], **further: Any) -> Site:
    return site_of({"monitoring": monitoring, "workloads": {"web": row()}, **further})


@pytest.mark.parametrize("stack", ["local", "production", "local-per-region", "local-logs"])
def test_the_chart_knows_every_value(stack: str) -> None:
    for site in sites(stack):
        assert check_values("kube-prometheus-stack", chart(site).values) == []


def test_the_version_is_that_of_the_configuration_and_pinned_by_default() -> None:
    assert chart(of_section(BARE)).version == CHARTS["kube-prometheus-stack"].version
    assert chart(of_section({**BARE, "version": "88.6.0"})).version == "88.6.0"


def test_prometheus_takes_every_monitor_and_rule_of_the_cluster() -> None:
    spec = chart(sites("local")[0]).values["prometheus"]["prometheusSpec"]
    kinds = ("serviceMonitor", "podMonitor", "rule", "probe", "scrapeConfig")
    assert all(spec[f"{kind}SelectorNilUsesHelmValues"] is False for kind in kinds)
    assert spec["externalLabels"] == {"cluster": "sophia", "stack": "sophia-infra/local"}


def test_old_samples_go_before_the_disk_is_full() -> None:
    for stack in ("local", "production"):
        (site,) = sites(stack)
        spec = chart(site).values["prometheus"]["prometheusSpec"]
        claim = spec["storageSpec"]["volumeClaimTemplate"]["spec"]
        size = bytes_of(claim["resources"]["requests"]["storage"])
        kept = bytes_of(spec["retentionSize"].replace("MiB", "Mi"))
        assert 0.84 * size < kept <= 0.85 * size
        assert claim["storageClassName"] == site.kube.storage_class.name
        assert spec["retention"] == "30d"


def test_a_size_that_is_stated_is_the_size() -> None:
    spec = chart(of_section({**BARE, "storage": "7Gi"})).values["prometheus"]["prometheusSpec"]
    claim = spec["storageSpec"]["volumeClaimTemplate"]["spec"]
    assert claim["resources"]["requests"]["storage"] == "7Gi"
    assert spec["retentionSize"] == f"{int(7 * 1024 * 0.85)}MiB"


def test_a_scrape_never_takes_longer_than_until_the_next() -> None:
    spec = chart(of_section({**BARE, "scrape_s": 5})).values["prometheus"]["prometheusSpec"]
    assert (spec["scrapeInterval"], spec["scrapeTimeout"], spec["evaluationInterval"]) == ("5s", "5s", "5s")
    spec = chart(of_section(BARE)).values["prometheus"]["prometheusSpec"]
    assert (spec["scrapeInterval"], spec["scrapeTimeout"]) == ("30s", "10s")


def test_what_monitoring_asks_for_fits_into_what_placement_keeps_free() -> None:
    """No row of the table: a node's reserve has to carry the largest pod, that of all nodes all of them."""
    for stack in ("local", "production"):
        (site,) = sites(stack)
        values = chart(site).values
        asked = [
            values["prometheus"]["prometheusSpec"]["resources"]["requests"],
            values["alertmanager"]["alertmanagerSpec"]["resources"]["requests"],
            *(values[part]["resources"]["requests"] for part in ("grafana", "kube-state-metrics")),
            values["prometheusOperator"]["resources"]["requests"],
        ]
        on_each = values["prometheus-node-exporter"]["resources"]["requests"]
        memory = [bytes_of(requests["memory"]) for requests in asked]
        cpu = [int(requests["cpu"].removesuffix("m")) for requests in asked]
        nodes = len(site.cluster.nodes)
        assert max(memory) + bytes_of(on_each["memory"]) <= RESERVE_MEMORY / 2
        assert sum(memory) + nodes * bytes_of(on_each["memory"]) <= nodes * RESERVE_MEMORY / 4
        assert sum(cpu) + nodes * int(on_each["cpu"].removesuffix("m")) <= nodes * RESERVE_CPU / 4


def test_the_demand_is_counted_from_what_is_placed() -> None:
    (site,) = sites("local")
    assert site.watched is not None
    demand = demand_of(site.watched)
    kube = site.kube
    assert demand.targets["node"] == len(site.cluster.nodes) == 5
    assert demand.targets["gpu"] == 5
    assert demand.targets["n8n"] == site.placement.max_replicas["n8n-main"] + 20
    assert demand.targets["redis"] == kube.databases["redis"].replicas + kube.databases["n8n-redis"].replicas
    assert "none" not in demand.targets
    assert demand.recorded_series > 0
    claim = chart(site).values["prometheus"]["prometheusSpec"]["storageSpec"]["volumeClaimTemplate"]["spec"]
    assert claim["resources"]["requests"]["storage"] == f"{size_for(demand).claim_gib}Gi"


@FEW
@given(sections())
def test_another_row_never_makes_the_disk_smaller(section: dict[str, Any]) -> None:
    if section["monitoring"] is None or "storage" in section["monitoring"]:
        return
    small = site_of(section)
    further = row(namespace="apps", ports={"http": 7999})
    large = site_of({**section, "workloads": {**section["workloads"], "further": further}})
    assert small.watched is not None
    assert large.watched is not None
    before, after = size_for(demand_of(small.watched)), size_for(demand_of(large.watched))
    assert after.claim_gib >= before.claim_gib
    assert after.memory_mib >= before.memory_mib


def test_everything_that_can_runs_on_arm64_too() -> None:
    (site,) = sites("local")
    values = chart(site).values
    for part in (
        values["prometheus"]["prometheusSpec"],
        values["alertmanager"]["alertmanagerSpec"],
        values["grafana"],
        values["kube-state-metrics"],
        values["prometheusOperator"],
        values["prometheusOperator"]["admissionWebhooks"]["patch"],
    ):
        assert ARM64 in part["tolerations"]
    every = {"operator": "Exists", "effect": "NoSchedule"}
    assert values["prometheus-node-exporter"]["tolerations"] == [every]


def test_series_of_a_node_say_which() -> None:
    (site,) = sites("local")
    values = chart(site).values
    node = values["prometheus-node-exporter"]["prometheus"]["monitor"]["relabelings"]
    found = {"__meta_kubernetes_pod_node_name": "core", "pod": "node-exporter-abc"}
    assert (relabel(node, found) or {})["node"] == "core"
    kubelet = values["kubelet"]["serviceMonitor"]
    assert kubelet["honorLabels"] is True
    target = {"__metrics_path__": "/metrics/cadvisor", "node": "core", "namespace": "kube-system"}
    assert relabel(kubelet["cAdvisorRelabelings"], target) == {
        "__metrics_path__": "/metrics/cadvisor",
        "metrics_path": "/metrics/cadvisor",
        "node": "core",
    }


def test_what_objects_say_of_themselves_is_not_mixed_with_who_says_it() -> None:
    (site,) = sites("local")
    http = chart(site).values["kube-state-metrics"]["prometheus"]["monitor"]["http"]
    assert http["honorLabels"] is True
    target = {"namespace": "monitoring", "pod": "ksm-1", "container": "ksm", "service": "ksm", "job": "j"}
    assert relabel(http["relabelings"], target) == {"job": "j"}


def test_jobs_of_the_charts_own_parts_have_the_names_that_rules_use() -> None:
    (site,) = sites("local")
    values = chart(site).values
    for part in ("prometheus", "alertmanager", "grafana"):
        steps = values[part]["serviceMonitor"]["relabelings"]
        assert (relabel(steps, {"job": "monitoring-x"}) or {})["job"] == part


def test_an_administrators_password_and_addresses_come_from_esc_and_stand_nowhere() -> None:
    (site,) = sites("production")
    release = chart(site)
    assert release.values["grafana"]["admin"] == {
        "existingSecret": "grafana-admin",
        "userKey": "admin-user",
        "passwordKey": "admin-password",
    }
    secret = site.one("ExternalSecret", "grafana-admin")["spec"]
    assert secret["target"]["template"]["data"] == {"admin-user": "admin"}
    assert secret["target"]["template"]["mergePolicy"] == "Merge"
    told = site.one("ExternalSecret", "alerting")["spec"]["data"]
    assert {entry["secretKey"]: entry["remoteRef"]["key"] for entry in told} == {
        "slack-webhook": "monitoring.slack_webhook",
        "pagerduty-routing-key": "monitoring.pagerduty_routing_key",
        "dead-mans-switch-url": "monitoring.dead_mans_switch_url",
    }
    assert release.values["alertmanager"]["alertmanagerSpec"]["secrets"] == ["alerting"]
    followed = {"sophia-alerting-external-secret", "sophia-grafana-admin-external-secret"}
    assert followed <= set(release.after)
    store = site.one("ClusterSecretStore", "pulumi-esc-store")["spec"]
    assert "monitoring" in store["conditions"][0]["namespaces"]


def test_without_receivers_there_is_no_secret_to_wait_for() -> None:
    site = of_section(BARE, secrets=SECRETS)
    assert "secrets" not in chart(site).values["alertmanager"]["alertmanagerSpec"]
    assert not [body for body in site.of("ExternalSecret") if body["metadata"]["namespace"] == "monitoring"]


def test_grafana_is_reached_by_tls_under_its_host() -> None:
    (site,) = sites("production")
    values = chart(site).values["grafana"]
    assert values["ingress"] == {
        "enabled": True,
        "ingressClassName": "traefik",
        "hosts": ["grafana.sophia.example.com"],
        "path": "/",
        "tls": [{"hosts": ["grafana.sophia.example.com"], "secretName": "sophia-tls-grafana"}],
        "annotations": {"cert-manager.io/cluster-issuer": "letsencrypt"},
    }
    assert values["grafana.ini"]["server"]["root_url"] == "https://grafana.sophia.example.com/"
    assert "ingress" not in chart(sites("local")[0]).values["grafana"]


def test_without_grafana_there_are_no_dashboards() -> None:
    site = of_section(BARE)
    assert chart(site).values["grafana"] == {"enabled": False}
    assert not [body for body in site.of("ConfigMap") if body["metadata"]["namespace"] == "monitoring"]


def test_dashboards_are_found_by_label_in_a_folder_and_small_enough() -> None:
    (site,) = sites("local")
    sidecar = chart(site).values["grafana"]["sidecar"]["dashboards"]
    boards = [
        body
        for body in site.of("ConfigMap")
        if body["metadata"]["labels"].get(sidecar["label"]) == sidecar["labelValue"]
    ]
    assert len(boards) >= 6
    titles = set()
    for body in boards:
        assert body["metadata"]["annotations"][sidecar["folderAnnotation"]]
        ((file, text),) = body["data"].items()
        assert file.endswith(".json")
        assert len(json.dumps(body)) < MEGABYTE
        assert "\n" not in text
        titles.add(json.loads(text)["title"])
    assert len(titles) == len(boards)
    assert sidecar["provider"]["foldersFromFilesStructure"], "else the annotation means nothing"


def test_every_rule_is_in_an_object_that_the_server_takes() -> None:
    (site,) = sites("local")
    assert site.watched is not None
    bodies = site.of("PrometheusRule")
    made = [group for body in bodies for group in body["spec"]["groups"]]
    assert made == [group.as_prometheus("docs/runbooks.md") for group in all_rules(site.watched.terms)]
    assert all(len(json.dumps(body)) < MEGABYTE for body in bodies)
    assert all(re.fullmatch(r"sophia-[a-z0-9-]+", body["metadata"]["name"]) for body in bodies)


def test_monitors_and_rules_follow_the_release_that_defines_them() -> None:
    for stack in ("local", "production", "local-per-region", "local-logs"):
        for site in sites(stack):
            name = chart(site).name
            for item in site.manifests:
                if item.body["apiVersion"].startswith("monitoring.coreos.com/"):
                    assert name in item.after, item.name


def test_each_cluster_has_its_own_and_only_the_primary_one_the_fleet() -> None:
    for site in sites("local-per-region"):
        is_primary = site.cluster.name == site.placement.primary
        deployments = {body["metadata"]["name"] for body in site.of("Deployment")}
        assert ("sophia-exporter" in deployments) is is_primary
        groups = {body["metadata"]["name"] for body in site.of("PrometheusRule")}
        assert ("sophia-fleet-money" in groups) is is_primary
        assert "sophia-nodes" in groups
        assert ("sophia-postgres" in groups) is is_primary, "a database that is elsewhere would be missing"
        text = json.dumps([body["spec"] for body in site.of("PrometheusRule")])
        if not is_primary:
            assert 'absent(up{job=\\"sophia-exporter\\"' not in text, "it would be an alarm for ever"
        config = chart(site).values["alertmanager"]["config"]
        assert chart(site).values["prometheus"]["prometheusSpec"]["externalLabels"]["cluster"] == (
            site.cluster.name
        )
        assert ("ExporterSilent" in json.dumps(config["inhibit_rules"])) is is_primary


def test_objects_are_not_made_without_what_is_watched() -> None:
    (site,) = sites("local")
    with pytest.raises(ValueError, match="needs what is watched"):
        all_objects(site.kube, site.placement, site.cluster, gateway=site.gateway)


def test_the_charts_rules_never_page_beside_ours() -> None:
    (site,) = sites("local")
    rules = chart(site).values["defaultRules"]
    for group in ("general", "kubernetesApps", "prometheus", "alertmanager"):
        assert rules["rules"][group] is False
    for alert in ("KubeNodeNotReady", "NodeFilesystemSpaceFillingUp", "KubePersistentVolumeFillingUp"):
        assert rules["disabled"][alert] is True


def test_logs_stay_where_they_are_unless_somebody_wants_them() -> None:
    (plain,) = sites("local")
    assert plain.of("DaemonSet") == []
    (site,) = sites("local-logs")
    (reader,) = site.of("DaemonSet")
    account = reader["spec"]["template"]["spec"]["serviceAccountName"]
    (binding,) = (body for body in site.of("ClusterRoleBinding") if body["subjects"][0]["name"] == account)
    role = site.one("ClusterRole", binding["roleRef"]["name"])
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
    store = site.one("StatefulSet", "loki")["spec"]
    assert store["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "50Gi"
    source = site.one("ConfigMap", "loki-datasource")
    label = chart(site).values["grafana"]["sidecar"]["datasources"]["label"]
    assert source["metadata"]["labels"][label] == "1"
    config = site.one("ConfigMap", "loki-config")["data"]["loki.yaml"]
    assert "retention_period: 720h" in config
    assert "reporting_enabled: false" in config
