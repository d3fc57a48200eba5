"""A machine of the scaler joins by the same boot text as the fleet's, under its own name and label."""

from __future__ import annotations

import base64
import gzip
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from sophia_infra.joining import make_credentials
from sophia_infra.model.kubernetes import Cluster, KubernetesConfig
from sophia_infra.scaling.nodes.boot_text import AGENT_PARTS, JoinBootText
from sophia_infra.scaling.nodes.errors import BootTextMissing
from tests.unit.scaling_nodes.ground import A10, EAST, WEST, Asked, Ground, settings

WHOLE = make_credentials("sophia-us-east-1", datetime(2026, 9, 1, tzinfo=UTC))


def texts(**changes: Any) -> JoinBootText:
    cluster = Cluster("sophia-us-east-1", EAST, (), "core")
    fields: dict[str, Any] = {
        "kube": KubernetesConfig.model_validate({}),
        "clusters": {EAST: cluster},
        "credentials": {cluster.name: {part: WHOLE[part] for part in AGENT_PARTS}},
        "server_addresses": {cluster.name: "10.0.0.2"},
        **changes,
    }
    return JoinBootText(**fields)


def test_an_agents_text_holds_its_name_its_label_and_no_servers_secret() -> None:
    text = texts().text_for("gpu-scaled-1", "gpu", A10, EAST)
    assert text is not None
    files = {}
    for row in yaml.safe_load(text)["write_files"]:
        content = row["content"]
        packed = row.get("encoding") == "gz+b64"
        files[row["path"]] = gzip.decompress(base64.b64decode(content)).decode() if packed else content
    joined = "\n".join(files.values())
    assert "gpu-scaled-1" in joined
    assert "sophia.internal/scaled=gpu" in joined
    assert "sophia.internal/instance=" not in joined, "sophia up would retire a node with the fleet's label"
    assert "10.0.0.2" in joined
    assert WHOLE["agent_token"] in joined
    assert WHOLE["server_token"] not in joined
    assert "PRIVATE KEY" not in joined
    assert WHOLE["agent_token"] not in repr(texts())


@pytest.mark.parametrize(
    "changes",
    [{"server_addresses": {}}, {"credentials": {"sophia-us-east-1": {}}}, {"clusters": {WEST: None}}],
)
def test_without_a_cluster_that_is_known_nothing_is_launched(ground: Ground, changes: dict[str, Any]) -> None:
    boot_text = texts(**changes)
    with pytest.raises(BootTextMissing, match="no cluster in us-east-1"):
        boot_text.text_for("gpu-scaled-1", "gpu", A10, EAST)
    report = ground.scaler(settings(), Asked(1), boot_text=boot_text).look_once()
    assert ground.rows() == []
    assert "no cluster in us-east-1" in report.problems[0]


def test_a_launch_carries_the_text(ground: Ground) -> None:
    ground.scaler(settings(), Asked(1), boot_text=texts()).look_once()
    [row] = ground.rows()
    assert row["user_data_bytes"] > 1000
