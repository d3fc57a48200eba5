"""Cases of the rules about machines and filesystems."""

from __future__ import annotations

from sophia_policies.plain import Resource

from tests.unit.policies.policy_cases import (
    UNKNOWN,
    Case,
    container,
    fleet_of,
    kube,
    machine,
    stack,
    workload,
)

A10 = machine("a")
GH200 = machine("g", "gpu_1x_gh200", "us-east-3")
ANNOTATION = "sophia.internal/architectures"
TRAINING = {"workload": "training", "ttl": "24h", "max-usd": "$40"}


def filesystem(protected: bool) -> Resource:
    return Resource("pulumi-python:dynamic/lambda:Filesystem", "fs", {}, "urn:fs", protected)


def job(
    name: str = "train", *, deadline: object = 3600, cap: object = "40", label: object = "training"
) -> Resource:
    return kube(
        "batch/v1:Job",
        name,
        metadata={"labels": {"workload": label}, "annotations": {"sophia.internal/max-usd": cap}},
        spec={"activeDeadlineSeconds": deadline},
    )


def job_set(*deadlines: object) -> Resource:
    """A JobSet with one job for each deadline; it has none of its own."""
    return kube(
        "jobset.x-k8s.io/v1alpha2:JobSet",
        "train",
        metadata={"labels": {"workload": "training"}, "annotations": {"sophia.internal/max-usd": "40"}},
        spec={
            "replicatedJobs": [{"template": {"spec": {"activeDeadlineSeconds": one}}} for one in deadlines]
        },
    )


PLACEMENT = (
    Case("allowed-instance-types", "pass", "no list: the whole catalogue", [A10]),
    Case(
        "allowed-instance-types",
        "pass",
        "human forms and patterns are understood",
        [A10, GH200],
        settings={"types": ["1xA10", "gpu_*_gh200"]},
    ),
    Case(
        "allowed-instance-types",
        "fail",
        "another type",
        [GH200],
        [("violation", "gpu_1x_gh200 is not allowed here; allowed: gpu_1x_a10")],
        {"types": ["1xA10"]},
    ),
    Case(
        "allowed-instance-types",
        "fail",
        "a misspelt type names the closest",
        [machine("a", "gpu_1x_gh20")],
        [("violation", "did you mean gpu_1x_gh200?")],
    ),
    Case(
        "allowed-instance-types",
        "boundary",
        "the fallback counts, the wanted type is fine",
        [machine("a", fallbacks=[{"type": "gpu_1x_a6000"}])],
        [("violation", "fallback 1: gpu_1x_a6000")],
        {"types": ["1xA10"]},
    ),
    Case("allowed-instance-types", "unknown", "unknown", [machine("a", UNKNOWN)], [("cannot_tell", "type")]),
    Case("allowed-regions", "pass", "a pattern", [A10], settings={"regions": ["us-*"]}),
    Case(
        "allowed-regions", "fail", "another", [A10], [("violation", "us-west-1")], {"regions": ["us-east-3"]}
    ),
    Case(
        "allowed-regions",
        "fail",
        "no region",
        [machine("a", region="lambda-us")],
        [("violation", "is not a region")],
    ),
    Case(
        "allowed-regions",
        "boundary",
        "only the fallback's region is wrong",
        [machine("a", fallbacks=[{"region": "us-east-3"}])],
        [("violation", "fallback 1: us-east-3")],
        {"regions": ["us-west-1"]},
    ),
    Case(
        "allowed-regions", "unknown", "unknown", [machine("a", region=UNKNOWN)], [("cannot_tell", "region")]
    ),
    Case("gpu-count-per-model", "pass", "no limits", [machine("h", "gpu_8x_h100_sxm5")]),
    Case(
        "gpu-count-per-model",
        "boundary",
        "exactly the limit",
        [machine("h", "gpu_8x_h100_sxm5")],
        settings={"limits": {"H100": 8}},
    ),
    Case(
        "gpu-count-per-model",
        "fail",
        "one more",
        [machine("h", "gpu_8x_h100_sxm5"), machine("i", "gpu_1x_h100_pcie")],
        [("violation", "9 GPUs of model H100, and 8 are allowed")],
        {"limits": {"H100": 8}},
    ),
    Case(
        "gpu-count-per-model",
        "unknown",
        "unknown type",
        [machine("a", UNKNOWN)],
        [("cannot_tell", "GPU model of a")],
        {"limits": {"H100": 8}},
    ),
)

ARCHITECTURE = (
    Case("machine-image-architecture", "pass", "no image: the service chooses", [GH200]),
    Case(
        "machine-image-architecture",
        "pass",
        "a family for both",
        [machine("g", "gpu_1x_gh200", image={"family": "lambda-stack-24-04"})],
    ),
    Case(
        "machine-image-architecture",
        "fail",
        "a family without arm64",
        [machine("g", "gpu_1x_gh200", image={"family": "gpu-base-24-04"})],
        [("violation", "image family gpu-base-24-04 does not exist for arm64")],
    ),
    Case(
        "machine-image-architecture",
        "boundary",
        "the wanted type fits, the fallback does not",
        [machine("a", image={"family": "ubuntu-24-04"}, fallbacks=[{"type": "gpu_1x_gh200"}])],
        [("violation", "which gpu_1x_gh200 needs")],
    ),
    Case(
        "machine-image-architecture",
        "unknown",
        "an image id can only be looked up by the service",
        [machine("g", "gpu_1x_gh200", image={"id": "0" * 32})],
        [("cannot_tell", "only the service knows")],
    ),
    Case(
        "machine-image-architecture",
        "unknown",
        "an unknown type",
        [machine("g", UNKNOWN, image={"family": "ubuntu-24-04"})],
        [("cannot_tell", "instance type")],
    ),
    Case("pod-image-architecture", "pass", "no arm64 anywhere", [A10, workload()]),
    Case(
        "pod-image-architecture",
        "fail",
        "bound to a GH200, declared nowhere",
        [workload(nodeSelector={"nvidia.com/gpu.product": "NVIDIA-GH200-480GB"})],
        [("violation", "bound to GH200 nodes, which are arm64")],
    ),
    Case(
        "pod-image-architecture",
        "fail",
        "not bound, and the fleet has an arm64 node",
        [GH200, A10, workload()],
        [("violation", "may be placed on an arm64 node")],
    ),
    Case(
        "pod-image-architecture",
        "pass",
        "declared by annotation",
        [GH200, workload(annotations={ANNOTATION: "amd64, arm64"})],
    ),
    Case(
        "pod-image-architecture",
        "pass",
        "declared by pattern",
        [GH200, workload()],
        settings={"arm64_images": ["ghcr.io/sophia/*"]},
    ),
    Case(
        "pod-image-architecture",
        "boundary",
        "bound to amd64 nodes by the architecture label",
        [GH200, workload(nodeSelector={"kubernetes.io/arch": "amd64"})],
    ),
    Case(
        "pod-image-architecture",
        "boundary",
        "bound to an A100, which is not an A10 and not arm64",
        [GH200, workload(nodeSelector={"gpu": "a100"})],
    ),
    Case(
        "pod-image-architecture",
        "boundary",
        "bound by affinity, in a CronJob",
        [
            workload(
                kind="CronJob",
                affinity={
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [
                                {
                                    "matchExpressions": [
                                        {"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]}
                                    ]
                                }
                            ]
                        }
                    }
                },
            )
        ],
        [("violation", "bound to arm64 nodes")],
    ),
    Case(
        "pod-image-architecture",
        "unknown",
        "an unknown image",
        [GH200, workload(containers=[container(image=UNKNOWN)])],
        [("cannot_tell", "the image of container main")],
    ),
    Case(
        "pod-image-architecture",
        "unknown",
        "an unknown annotation",
        [GH200, workload(annotations={ANNOTATION: UNKNOWN})],
        [("cannot_tell", "annotation")],
    ),
)

PROTECTION = (
    Case(
        "always-on-protected",
        "pass",
        "protected",
        [machine("a", protected=True)],
        config=stack(fleet_of(A10)),
    ),
    Case(
        "always-on-protected",
        "fail",
        "always on and not protected",
        [A10],
        [("violation", "a is always on and not protected")],
        config=stack(fleet_of(A10)),
    ),
    Case(
        "always-on-protected",
        "boundary",
        "not always on",
        [A10],
        config=stack(fleet_of(A10, always_on=False)),
    ),
    Case(
        "always-on-protected",
        "unknown",
        "a machine that is not in the stack file",
        [A10],
        [("cannot_tell", "not in `sophia:fleet`")],
        config=stack({}),
    ),
    Case("filesystem-protected", "pass", "protected", [filesystem(True)]),
    Case("filesystem-protected", "fail", "not", [filesystem(False)], [("violation", "fs is not protected")]),
    Case(
        "filesystem-protected",
        "unknown",
        "protection is an option and always known, whatever the properties are",
        [Resource("pulumi-python:dynamic/lambda:Filesystem", "fs", {"region": UNKNOWN}, "urn:fs", True)],
    ),
    Case("filesystem-protected", "boundary", "other resources are not looked at", [A10]),
)

TAGS = (
    Case(
        "ownership-tags",
        "pass",
        "owner by tag, purpose by the stack file, always on",
        [machine("a", tags={"owner": "ml"})],
        config=stack(fleet_of(A10)),
    ),
    Case(
        "ownership-tags",
        "fail",
        "nothing at all, outside the stack file",
        [A10],
        [("violation", "a has no tag owner"), ("violation", "a has no tag purpose")],
    ),
    Case(
        "ownership-tags",
        "fail",
        "not always on needs a ttl",
        [machine("a", tags={"owner": "ml"})],
        [("violation", "has no tag ttl")],
        config=stack(fleet_of(A10, always_on=False)),
    ),
    Case(
        "ownership-tags",
        "boundary",
        "a ttl whose last day is today",
        [machine("a", tags={"owner": "ml", "purpose": "x", "ttl": "2026-11-24"})],
    ),
    Case(
        "ownership-tags",
        "boundary",
        "a ttl whose last day was yesterday",
        [machine("a", tags={"owner": "ml", "purpose": "x", "ttl": "2026-11-23"})],
        [("note", "its ttl 2026-11-23 is past")],
    ),
    Case(
        "ownership-tags",
        "fail",
        "a ttl that is none",
        [machine("a", tags={"owner": "ml", "purpose": "x", "ttl": "soon"})],
        [("violation", "'soon' is not")],
    ),
    Case(
        "ownership-tags",
        "pass",
        "adopted machines keep the tags they have",
        [machine("a", adopt={"name": "a"})],
    ),
    Case(
        "ownership-tags", "unknown", "unknown tags", [machine("a", tags=UNKNOWN)], [("cannot_tell", "tags")]
    ),
    Case(
        "ownership-tags",
        "unknown",
        "one unknown tag",
        [machine("a", tags={"owner": UNKNOWN, "purpose": "x"})],
        [("cannot_tell", "tag owner")],
    ),
)

TRAINING_CASES = (
    Case("training-machine-limits", "pass", "not for training", [A10]),
    Case("training-machine-limits", "pass", "with both limits", [machine("a", tags=TRAINING)]),
    Case(
        "training-machine-limits",
        "fail",
        "8 GPUs without any tag",
        [machine("h", "gpu_8x_h100_sxm5")],
        [("violation", "no tag ttl"), ("violation", "no hard cap")],
    ),
    Case(
        "training-machine-limits",
        "boundary",
        "a life as long as allowed: 72 h at 1.29 are 92.88",
        [machine("a", tags={**TRAINING, "ttl": "72h", "max-usd": "92.88"})],
    ),
    Case(
        "training-machine-limits",
        "boundary",
        "a cap a cent below its price, and a life an hour too long",
        [
            machine("a", tags={**TRAINING, "ttl": "72h", "max-usd": "92.87"}),
            machine("b", tags={**TRAINING, "ttl": "73h", "max-usd": "1,000"}),
        ],
        [("violation", "costs $92.88 in its 72 h"), ("violation", "may live 73 h")],
    ),
    Case(
        "training-machine-limits", "unknown", "tags", [machine("a", tags=UNKNOWN)], [("cannot_tell", "tags")]
    ),
    Case(
        "training-machine-limits",
        "unknown",
        "ttl",
        [machine("a", tags={**TRAINING, "ttl": UNKNOWN})],
        [("cannot_tell", "tag ttl or max-usd")],
    ),
    Case("training-job-limits", "pass", "with both limits", [job()]),
    Case("training-job-limits", "pass", "not for training", [job(label="etl", deadline=None, cap=None)]),
    Case(
        "training-job-limits",
        "fail",
        "neither",
        [job(deadline=None, cap=None)],
        [("violation", "no hard cap"), ("violation", "may run for ever")],
    ),
    Case("training-job-limits", "pass", "each job of a set has its deadline", [job_set(60, 3600)]),
    Case(
        "training-job-limits",
        "fail",
        "one job of a set has none",
        [job_set(60, None)],
        [("violation", "may run for ever")],
    ),
    Case(
        "training-job-limits",
        "fail",
        "a set without jobs",
        [job_set()],
        [("violation", "may run for ever")],
    ),
    Case("training-job-limits", "boundary", "exactly 72 h", [job(deadline=72 * 3600)]),
    Case(
        "training-job-limits",
        "boundary",
        "a second more",
        [job(deadline=72 * 3600 + 1)],
        [("violation", "may run 259201 s")],
    ),
    Case(
        "training-job-limits",
        "unknown",
        "deadline and cap",
        [job(deadline=UNKNOWN, cap=UNKNOWN)],
        [("cannot_tell", "annotation"), ("cannot_tell", "activeDeadlineSeconds")],
    ),
)

CASES = (*PLACEMENT, *ARCHITECTURE, *PROTECTION, *TAGS, *TRAINING_CASES)
