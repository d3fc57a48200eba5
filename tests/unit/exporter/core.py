"""One machine of the stack, as the exporter sees it. Not a test itself."""

from __future__ import annotations

from sophia_infra.exporter.machines import Machine

NOW_S = 1_790_000_000.0
"""2026-09-21 14:13:20 UTC, where a virtual clock starts."""

CORE = Machine(
    instance_id="a" * 32,
    name="core",
    instance_type="gpu_1x_gh200",
    gpu_model="GH200",
    gpus=1,
    vcpus=64,
    memory_gib=432,
    region="us-east-3",
    stack="sophia-infra/test",
    owner="stack",
    node="core",
    status="active",
    launched_at_s=int(NOW_S),
    cents_per_hour=229,
)
