"""Training on the real engine: an update launches no machine of a run, and leaves a 1-Click Cluster alone."""

from __future__ import annotations

import pytest

from tests.engine.project import Project

pytestmark = pytest.mark.engine

CLUSTER_ID = "0920582c7ff041399e34823a0be62549"
TRAINER = {
    "type": "8xH100",
    "regions": ["us-east-3"],
    "max_nodes": 8,
    "max_usd": "$6,500",
    "max_hours": 24,
    "workload": "large-model-training",
    "command": "train.py",
    "checkpoints": "runs",
}


def test_up_launches_nothing_for_training_and_down_ends_nothing_of_a_one_click_cluster(
    project: Project,
) -> None:
    worker = project.launch_by_hand("worker-1", "gpu_8x_h100_sxm5", "us-east-3")
    project.cloud.set_cluster(worker, CLUSTER_ID)
    project.write(
        {},
        filesystems={"runs": {"region": "us-east-3", "protect": False}},
        training={"trainer": TRAINER, "reserved": {"cluster_id": CLUSTER_ID}},
    )
    launches = project.launches()

    project.up()
    project.up(expect_no_changes=True)
    project.refresh(expect_no_changes=True)

    terms = project.outputs()["training"]
    assert terms["trainer"]["checkpoints"] == {"name": "runs", "mount_point": "/lambda/nfs/runs"}
    assert terms["trainer"]["usd_per_hour"]["8"] == "255.36"
    assert (terms["reserved"]["gpus"], terms["reserved"]["machines"]["worker-1"]["id"]) == (8, worker)
    project.destroy()
    assert project.launches() == launches
    assert list(project.live()) == [worker]
