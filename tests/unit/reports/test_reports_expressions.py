"""Every series that a report asks for is one that somebody exports or a rule records."""

from __future__ import annotations

import pytest

from sophia_infra.metrics_client.prometheus import PrometheusApi
from sophia_infra.monitoring.inventory import inventory
from sophia_infra.monitoring.rule import Recording
from sophia_infra.monitoring.rules import all_rules
from sophia_infra.reports.history import read_history
from sophia_infra.reports.inference_facts import inference_of_prometheus
from sophia_infra.reports.prometheus_facts import read_alerts, read_gpus, read_month
from sophia_infra.reports.slo_facts import read_slo
from tests.monitoring.rule_cases import local_terms
from tests.promql_expressions import metric_names
from tests.unit.lambda_cloud.service import Asked, Reply
from tests.unit.metrics_client.prometheus_stand_in import AT_S, PrometheusStandIn, success, vector


class _TellsSomething(PrometheusStandIn):
    """One row for every query, so that what is asked only after an answer is asked too."""

    def take(self, asked: Asked) -> Reply:
        if asked.path == "/api/v1/query_range":
            super().take(asked)
            return success({"resultType": "matrix", "result": []})
        answer = super().take(asked)
        return vector([({"owner": "stack"}, 1)]) if asked.path == "/api/v1/query" else answer


@pytest.fixture
def asked() -> frozenset[str]:
    service = _TellsSomething()
    api = PrometheusApi(service.url)
    read_month(api)
    read_gpus(api)
    read_slo(api)
    read_alerts(api, AT_S)
    inference_of_prometheus(api)
    read_history(api, AT_S, 30)
    exprs = [row.query["query"][0] for row in service.asked if "query" in row.query]
    api.close()
    service.close()
    assert len(exprs) > 20
    return frozenset().union(*(metric_names(expr) for expr in exprs))


def test_nothing_is_asked_for_that_nobody_exports(asked: frozenset[str]) -> None:
    rules = (rule for group in all_rules(local_terms()) for rule in group.rules)
    recorded = {rule.record for rule in rules if isinstance(rule, Recording)}
    assert len(asked) > 12
    assert asked - inventory().keys() - recorded == set()
