"""What is said about mistakes in a machine: what it is, where, and its files."""

from __future__ import annotations

from tests.unit.model.model_stacks import REMOVED
from tests.unit.model.wrong_case import CORE, NEW_INSTANCE, Case

CASES = [
    Case(
        "an instance name in capitals",
        ((("sophia:fleet", "Core"), NEW_INSTANCE),),
        (
            'sophia:fleet.Core: "Core" is not a name; allowed: lower-case letters, digits and '
            "hyphens, first a letter, last no hyphen"
        ),
    ),
    Case(
        "an instance name of 64 characters",
        ((("sophia:fleet", "a" * 64), NEW_INSTANCE),),
        (
            "sophia:fleet.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: "
            '"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..." has 64 characters; '
            "allowed: 1 to 63 characters"
        ),
    ),
    Case(
        "an unknown type",
        (((*CORE, "type"), "1xGH20"),),
        (
            'sophia:fleet.core.type: "1xGH20" is not an instance type, did you mean 1xGH200?; '
            "allowed: cpu_4x_general, 1xRTX6000, 1xA10, 1xA6000, 2xA6000, 4xA6000, 1xA100, "
            "1xA100_SXM4, 2xA100, 4xA100, 8xA100, 8xA100_80GB_SXM4, 1xGH200, 1xH100_PCIE, "
            "1xH100_SXM5, 2xH100_SXM5, 4xH100_SXM5, 8xH100_SXM5, 1xB200_SXM6, 2xB200_SXM6, "
            "4xB200_SXM6, 8xB200_SXM6, 8xV100, 8xV100_N"
        ),
    ),
    Case(
        "a type that fits two",
        (((*CORE, "type"), "1xH100"),),
        (
            'sophia:fleet.core.type: "1xH100" fits more than one instance type; allowed: 1xH100_PCIE '
            "(gpu_1x_h100_pcie), 1xH100_SXM5 (gpu_1x_h100_sxm5)"
        ),
    ),
    Case(
        "an unknown region",
        (((*CORE, "region"), "us-east-33"),),
        (
            'sophia:fleet.core.region: "us-east-33" is not a region, did you mean us-east-3?; '
            "allowed: us-east-1, us-east-2, us-east-3, us-midwest-1, us-midwest-2, us-south-1, "
            "us-south-2, us-south-3, us-west-1, us-west-2, us-west-3, europe-central-1, me-west-1, "
            "asia-south-1, asia-northeast-1, asia-northeast-2, australia-east-1, europe-south-1, "
            "us-southeast-1"
        ),
    ),
    Case(
        "no purpose",
        (((*CORE, "purpose"), REMOVED),),
        (
            "sophia:fleet.core.purpose: is missing (What it is for, at most 200 characters; shown "
            "beside its cost)"
        ),
    ),
    Case(
        "a purpose that YAML reads as a number",
        (((*CORE, "purpose"), 42),),
        "sophia:fleet.core.purpose: 42 is not text; put it in quotes",
    ),
    Case(
        "yes for true",
        (((*CORE, "always_on"), "yes"),),
        'sophia:fleet.core.always_on: "yes" is neither true nor false; allowed: true, false',
    ),
    Case(
        "an unknown image family",
        (((*CORE, "image_family"), "lambda-stack-24-4"),),
        (
            'sophia:fleet.core.image_family: "lambda-stack-24-4" is not an image family, did you '
            "mean lambda-stack-24-04?; allowed: lambda-stack-24-04, lambda-stack-22-04, "
            "gpu-base-24-04, gpu-base-22-04, ubuntu-24-04, ubuntu-22-04, lambda-stack-legacy-22-04"
        ),
    ),
    Case(
        "an image that does not exist for arm64",
        (((*CORE, "image_family"), "ubuntu-24-04"),),
        (
            'sophia:fleet.core.image_family: "ubuntu-24-04" does not fit: ubuntu-24-04 does not '
            "exist for arm64, the architecture of gpu_1x_gh200; allowed: image_family "
            "lambda-stack-24-04, lambda-stack-22-04"
        ),
    ),
    Case(
        "an image family and an image",
        (
            ((*CORE, "image_family"), "lambda-stack-24-04"),
            ((*CORE, "image_id"), "43336648-096d-4cba-9aa2-f9bb7727639d"),
        ),
        "sophia:fleet.core.image_id: does not go with image_family; keep one of them",
    ),
    Case(
        "a hostname with a dot",
        (((*CORE, "hostname"), "core.example"),),
        (
            'sophia:fleet.core.hostname: "core.example" is not a hostname; allowed: lower-case '
            "letters, digits and hyphens, first no hyphen"
        ),
    ),
    Case(
        "user data in base64",
        (((*CORE, "user_data"), "I2Nsb3VkLWNvbmZpZwo="),),
        (
            "sophia:fleet.core.user_data: (hidden) is nothing that cloud-init reads; allowed: text "
            "that begins with #cloud-config, #!, ## template: jinja, or a MIME header"
        ),
    ),
    Case(
        "user data above 1 MB",
        (((*CORE, "user_data"), "#cloud-config\n" + "#" * 1_000_000),),
        "sophia:fleet.core.user_data: (hidden) has 1,000,014 bytes; allowed: at most 1,000,000 bytes",
    ),
    Case(
        "user data twice",
        (
            ((*CORE, "user_data"), "#cloud-config\n"),
            ((*CORE, "user_data_file"), "boot.yaml"),
        ),
        "sophia:fleet.core.user_data_file: does not go with user_data; keep one of them",
    ),
    Case(
        "a user data file outside",
        (((*CORE, "user_data_file"), "../boot.yaml"),),
        (
            'sophia:fleet.core.user_data_file: "../boot.yaml" leads out of the folder of the stack '
            "file; allowed: a path relative to it, inside it"
        ),
    ),
    Case(
        "a user data file that is not there",
        (((*CORE, "user_data_file"), "boot.yaml"),),
        'sophia:fleet.core.user_data_file: "boot.yaml" cannot be read: No such file or directory',
    ),
    Case(
        "a filesystem that nobody declared",
        (((*CORE, "filesystems"), ["model"]),),
        (
            'sophia:fleet.core.filesystems[0]: "model" is not in sophia:filesystems, did you mean '
            "models?; allowed: models, texas"
        ),
    ),
    Case(
        "a filesystem of another region",
        (((*CORE, "filesystems"), ["texas"]),),
        'sophia:fleet.core.filesystems[0]: "texas" is in us-south-1 and the instance in us-east-3',
    ),
    Case(
        "a filesystem named twice",
        (((*CORE, "filesystems"), ["models", "models"]),),
        'sophia:fleet.core.filesystems[1]: "models" is named twice',
    ),
    Case(
        "filesystems that are no list",
        (((*CORE, "filesystems"), "models"),),
        'sophia:fleet.core.filesystems: "models" is not a list',
    ),
    Case(
        "a firewall that nobody declared",
        (((*CORE, "firewalls"), ["wbe"]),),
        (
            'sophia:fleet.core.firewalls[0]: "wbe" is not in sophia:firewalls, did you mean web?; '
            "allowed: web, texas"
        ),
    ),
    Case(
        "a firewall of another region",
        (((*CORE, "firewalls"), ["texas"]),),
        'sophia:fleet.core.firewalls[0]: "texas" is in us-south-1 and the instance in us-east-3',
    ),
    Case(
        "a fallback away from the filesystem",
        (
            ((*CORE, "filesystems"), ["models"]),
            ((*CORE, "fallbacks"), [{"region": "us-west-2"}]),
        ),
        (
            'sophia:fleet.core.fallbacks[0].region: "us-west-2" is not the region of models '
            "(filesystems), which stays in us-east-3"
        ),
    ),
    Case(
        "a fallback that repeats the instance",
        (((*CORE, "fallbacks"), [{"type": "gpu_1x_gh200"}]),),
        "sophia:fleet.core.fallbacks[0]: repeats the instance itself: 1xGH200 in us-east-3",
    ),
    Case(
        "a fallback that repeats another",
        (((*CORE, "fallbacks"), [{"region": "us-west-2"}, {"type": "1xGH200", "region": "us-west-2"}]),),
        "sophia:fleet.core.fallbacks[1]: repeats an earlier fallback: 1xGH200 in us-west-2",
    ),
    Case(
        "an empty fallback",
        (((*CORE, "fallbacks"), [{}]),),
        "sophia:fleet.core.fallbacks[0]: is empty; allowed: type, region, or both",
    ),
    Case(
        "a fallback of the other architecture",
        (((*CORE, "fallbacks"), [{"type": "1xA100_SXM4"}]),),
        (
            'sophia:fleet.core.fallbacks[0].type: "1xA100_SXM4" is x86_64 and gpu_1x_gh200 is arm64: '
            "name an image_family that exists for both; allowed: lambda-stack-24-04, "
            "lambda-stack-22-04"
        ),
    ),
    Case(
        "a fallback whose image does not exist",
        (
            ((*CORE, "type"), "1xA10"),
            ((*CORE, "image_family"), "gpu-base-24-04"),
            ((*CORE, "fallbacks"), [{"type": "1xGH200"}]),
        ),
        (
            'sophia:fleet.core.fallbacks[0].type: "1xGH200" does not fit: gpu-base-24-04 does not '
            "exist for arm64, the architecture of gpu_1x_gh200; allowed: image_family "
            "lambda-stack-24-04, lambda-stack-22-04"
        ),
    ),
]
