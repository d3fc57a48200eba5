"""What a wrong stack file is told: one case per mistake, the message as the user sees it."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from sophia_infra.model.stack_config import ConfigError, parse_stack_config
from tests.unit.model.model_stacks import REMOVED, right_stack, with_changes

CORE = ("sophia:fleet", "core")
TAKEN = ("sophia:fleet", "taken")
RULE = ("sophia:firewalls", "web", "rules", 0)
NEW_INSTANCE = {"type": "1xGH200", "region": "us-east-3", "purpose": "test"}
CIPHERTEXT = {"secure": "v1:c2VjcmV0c2VjcmV0:c2VjcmV0"}


class Case(NamedTuple):
    """One mistake: what is changed in the right stack, and the one line that answers it."""

    name: str
    changes: tuple[tuple[tuple[Any, ...], Any], ...]
    message: str


CASES = [
    Case(
        "a misspelled key",
        ((("sophia:flet",), {}),),
        (
            "sophia:flet: is not a known key, did you mean sophia:fleet?; allowed: sophia:phase, "
            "sophia:endpoint, sophia:emulator, sophia:budget, sophia:quota, sophia:ssh, sophia:filesystems, "
            "sophia:firewalls, sophia:fleet, sophia:inference, sophia:gateway, sophia:training, "
            "sophia:scaler, sophia:rollout, sophia:backup, sophia:kubernetes, "
            "sophia:lambda_api_key"
        ),
    ),
    Case(
        "a key without namespace",
        ((("phase",), 1),),
        "phase: has no namespace: write sophia:phase",
    ),
    Case(
        "no endpoint",
        ((("sophia:endpoint",), REMOVED),),
        (
            "sophia:endpoint: is missing (emulator (this machine, free) or lambda (the real cloud, "
            "costs money))"
        ),
    ),
    Case(
        "an unknown endpoint",
        ((("sophia:endpoint",), "lamda"),),
        'sophia:endpoint: "lamda" is not an endpoint, did you mean lambda?; allowed: emulator, lambda',
    ),
    Case(
        "a phase that does not exist",
        ((("sophia:phase",), 4),),
        "sophia:phase: 4 is out of range; allowed: a whole number from 1 to 3",
    ),
    Case(
        "a phase that is no number",
        ((("sophia:phase",), True),),
        "sophia:phase: true is not a whole number; allowed: a whole number from 1 to 3",
    ),
    Case(
        "an emulator block for the real cloud",
        (
            (("sophia:endpoint",), "lambda"),
            (("sophia:emulator",), {"speed": 60}),
        ),
        "sophia:emulator: goes only with sophia:endpoint emulator",
    ),
    Case(
        "a clock that stands still",
        ((("sophia:emulator", "speed"), 0),),
        "sophia:emulator.speed: 0 is out of range; allowed: a number above 0, up to 100000",
    ),
    Case(
        "no budget",
        ((("sophia:budget",), REMOVED),),
        "sophia:budget: is missing (What the stack may cost)",
    ),
    Case(
        "a budget without period",
        ((("sophia:budget", "limit"), "$200"),),
        (
            'sophia:budget.limit: "$200" is not a rate in dollars per time; allowed: "$2.29/h", '
            '"$40/day", "$1,000/month"'
        ),
    ),
    Case(
        "a budget that is a bare number",
        ((("sophia:budget", "limit"), 200),),
        "sophia:budget.limit: 200 is not text; put it in quotes",
    ),
    Case(
        "a budget of nothing",
        ((("sophia:budget", "limit"), "$0/day"),),
        'sophia:budget.limit: "$0/day" is not above zero; allowed: "$2.29/h", "$40/day", "$1,000/month"',
    ),
    Case(
        "an alert above the limit",
        ((("sophia:budget", "alert_percent"), 120),),
        "sophia:budget.alert_percent: 120 is out of range; allowed: a whole number from 1 to 100",
    ),
    Case(
        "launches without an SSH key",
        ((("sophia:ssh",), REMOVED),),
        "sophia:ssh: is missing: core is launched, and a launch takes one SSH key",
    ),
    Case(
        "both kinds of SSH key",
        ((("sophia:ssh", "existing"), "ops"),),
        "sophia:ssh: has both of public_key and existing; allowed: exactly one of them",
    ),
    Case(
        "neither kind of SSH key",
        ((("sophia:ssh",), {}),),
        "sophia:ssh: has neither of public_key and existing; allowed: exactly one of them",
    ),
    Case(
        "a damaged public key",
        ((("sophia:ssh", "public_key"), "ssh-ed25519 AAAA me"),),
        (
            "sophia:ssh.public_key: (hidden) is cut short or damaged: the text behind ssh-ed25519 is "
            "not a key; allowed: one line of a .pub file: ssh-ed25519, ssh-rsa, ecdsa-sha2-nistp256, "
            "ecdsa-sha2-nistp384, ecdsa-sha2-nistp521, sk-ssh-ed25519@openssh.com, "
            "sk-ecdsa-sha2-nistp256@openssh.com"
        ),
    ),
    Case(
        "a fleet that is a list",
        ((("sophia:fleet",), []),),
        "sophia:fleet: is not a mapping",
    ),
    Case(
        "an empty section",
        ((("sophia:firewalls",), None),),
        "sophia:firewalls: is empty, and a mapping is expected here",
    ),
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
    Case(
        "a wait without a limit in dollars",
        (((*CORE, "wait_for_capacity"), {"max_minutes": 30}),),
        (
            "sophia:fleet.core.wait_for_capacity.max_usd: is missing (Dollars that the other "
            "instances of the update may cost while it waits)"
        ),
    ),
    Case(
        "a wait with a limit in cents",
        (((*CORE, "wait_for_capacity"), {"max_minutes": 30, "max_usd": "500c"}),),
        (
            'sophia:fleet.core.wait_for_capacity.max_usd: "500c" is not an amount in dollars; '
            'allowed: "$5", "$0.08", "$1,000"'
        ),
    ),
    Case(
        "an unknown order of replacement",
        (((*CORE, "replace_order"), "terminate-first"),),
        (
            'sophia:fleet.core.replace_order: "terminate-first" is not an order, did you mean '
            "terminate_first?; allowed: launch_first, terminate_first"
        ),
    ),
    Case(
        "a timeout of nothing",
        (((*CORE, "ready_timeout_minutes"), 0),),
        "sophia:fleet.core.ready_timeout_minutes: 0 is out of range; allowed: a whole number from 1 to 240",
    ),
    Case(
        "a reserved tag",
        (((*CORE, "tags"), {"sophia-urn": "x"}),),
        (
            'sophia:fleet.core.tags.sophia-urn: "sophia-urn" is reserved: by tags that begin with '
            "sophia- this program finds its own"
        ),
    ),
    Case(
        "a tag key in capitals",
        (((*CORE, "tags"), {"Team": "x"}),),
        (
            'sophia:fleet.core.tags.Team: "Team" is not a tag key; allowed: 2 or more lower-case '
            "letters, digits, hyphens and colons, first a letter"
        ),
    ),
    Case(
        "a tag key of 56 characters",
        (((*CORE, "tags"), {"a" * 56: "x"}),),
        (
            "sophia:fleet.core.tags.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: "
            '"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" has 56 characters; allowed: '
            "1 to 55 characters"
        ),
    ),
    Case(
        "a tag value of 129 characters",
        (((*CORE, "tags"), {"team": "x" * 129}),),
        (
            "sophia:fleet.core.tags.team: "
            '"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..." has 129 characters; '
            "allowed: 0 to 128 characters"
        ),
    ),
    Case(
        "a tag value that is a number",
        (((*CORE, "tags"), {"team": 7}),),
        "sophia:fleet.core.tags.team: 7 is not text; put it in quotes",
    ),
    Case(
        "an adoption by id and name",
        (((*TAKEN, "adopt", "id"), "0" * 32),),
        "sophia:fleet.taken.adopt: has both of id and name; allowed: exactly one of them",
    ),
    Case(
        "an adoption of a short id",
        (((*TAKEN, "adopt"), {"id": "abc"}),),
        'sophia:fleet.taken.adopt.id: "abc" is not an instance id; allowed: 32 lower-case hex digits',
    ),
    Case(
        "an adoption with user data",
        (((*TAKEN, "user_data"), "#cloud-config\n"),),
        (
            "sophia:fleet.taken.user_data: has an effect only at launch, and an adopted instance is "
            "never launched"
        ),
    ),
    Case(
        "an adoption with fallbacks",
        (((*TAKEN, "fallbacks"), [{"region": "us-west-2"}]),),
        (
            "sophia:fleet.taken.fallbacks: has an effect only at launch, and an adopted instance is "
            "never launched"
        ),
    ),
    Case(
        "an adoption that waits",
        (((*TAKEN, "wait_for_capacity"), {"max_minutes": 1, "max_usd": "$1"}),),
        (
            "sophia:fleet.taken.wait_for_capacity: has an effect only at launch, and an adopted "
            "instance is never launched"
        ),
    ),
    Case(
        "a machine named as another instance",
        (((*CORE, "name"), "taken"),),
        'sophia:fleet.core.name: "taken" is the name of taken already',
    ),
    Case(
        "two adoptions of one instance",
        (((*CORE, "adopt"), {"name": "taken"}),),
        'sophia:fleet.taken.adopt.name: "taken" is adopted by core already',
    ),
    Case(
        "a filesystem name with an underscore",
        ((("sophia:filesystems", "a_b"), {"region": "us-east-3"}),),
        (
            'sophia:filesystems.a_b: "a_b" is not a filesystem name; allowed: letters, digits and '
            "hyphens, first a letter"
        ),
    ),
    Case(
        "a rule without ports",
        (((*RULE, "ports"), REMOVED),),
        (
            'sophia:firewalls.web.rules[0].ports: is missing; protocol tcp needs it; allowed: "22", '
            '"8000-8100"'
        ),
    ),
    Case(
        "ports for icmp",
        (((*RULE, "protocol"), "icmp"),),
        'sophia:firewalls.web.rules[0].ports: "22" does not go with icmp, which has no ports',
    ),
    Case(
        "ports that run backwards",
        (((*RULE, "ports"), "8100-8000"),),
        'sophia:firewalls.web.rules[0].ports: "8100-8000" runs backwards; allowed: "8000-8100"',
    ),
    Case(
        "a port above 65535",
        (((*RULE, "ports"), "70000"),),
        (
            'sophia:firewalls.web.rules[0].ports: "70000" is out of range; allowed: "22", '
            '"8000-8100" (1 to 65535)'
        ),
    ),
    Case(
        "a network with bits behind its prefix",
        (((*RULE, "source"), "203.0.113.7/24"),),
        (
            'sophia:firewalls.web.rules[0].source: "203.0.113.7/24" has bits behind its prefix; '
            'allowed: "203.0.113.0/24", "203.0.113.7/32"'
        ),
    ),
    Case(
        "an IPv6 network",
        (((*RULE, "source"), "2001:db8::/32"),),
        (
            'sophia:firewalls.web.rules[0].source: "2001:db8::/32" is not an IPv4 network; allowed: '
            '"203.0.113.0/24", "203.0.113.7" (IPv4; alone means /32), "0.0.0.0/0" (everybody)'
        ),
    ),
    Case(
        "an unknown protocol",
        (((*RULE, "protocol"), "http"),),
        'sophia:firewalls.web.rules[0].protocol: "http" is not a protocol; allowed: tcp, udp, icmp, all',
    ),
    Case(
        "a rule description of 129 characters",
        (((*RULE, "description"), "x" * 129),),
        (
            "sophia:firewalls.web.rules[0].description: "
            '"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..." has 129 characters; '
            "allowed: 0 to 128 characters"
        ),
    ),
    Case(
        "a password in an address",
        ((("sophia:inference", "llm", "base_url"), "http://me:hunter2@127.0.0.1/v1"),),
        (
            "sophia:inference.llm.base_url: (hidden) has a user or password in it; name a variable "
            "in api_key_env"
        ),
    ),
    Case(
        "an address that is none",
        ((("sophia:inference", "llm", "base_url"), "127.0.0.1:8000"),),
        (
            'sophia:inference.llm.base_url: "127.0.0.1:8000" is not a web address; allowed: '
            '"http://127.0.0.1:8000/v1", "https://inference.example/v1"'
        ),
    ),
    Case(
        "a key instead of the name of its variable",
        ((("sophia:inference", "llm", "api_key_env"), "hunter2"),),
        (
            "sophia:inference.llm.api_key_env: (hidden) is not the name of an environment variable "
            "(is it the key itself?); allowed: upper-case letters, digits and _, for example "
            "SOPHIA_INFERENCE_KEY"
        ),
    ),
    Case(
        "a price without currency",
        ((("sophia:inference", "llm", "prices", "m-1.5", "usd_per_million_input"), "0.08"),),
        (
            'sophia:inference.llm.prices["m-1.5"].usd_per_million_input: "0.08" is not an amount in '
            'dollars; allowed: "$5", "$0.08", "$1,000"'
        ),
    ),
    Case(
        "a model without limit",
        ((("sophia:inference", "llm", "prices", "m-1.5", "context_tokens"), REMOVED),),
        (
            'sophia:inference.llm.prices["m-1.5"].context_tokens: is missing (Longest input plus '
            "output in tokens)"
        ),
    ),
    Case(
        "an encrypted value where plain text is expected",
        ((("sophia:budget", "limit"), CIPHERTEXT),),
        "sophia:budget.limit: is encrypted, and plain text is expected here: set it without --secret",
    ),
    Case(
        "an encrypted section",
        ((("sophia:filesystems",), CIPHERTEXT),),
        "sophia:filesystems: is encrypted, and plain text is expected here: set it without --secret",
    ),
]


def test_the_stack_that_the_cases_spoil_is_right() -> None:
    assert parse_stack_config(right_stack(), "Pulumi.test.yaml").endpoint == "emulator"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_mistake_is_named_with_its_key_and_what_is_allowed(case: Case) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_stack_config(with_changes(*case.changes), "Pulumi.test.yaml")
    assert str(caught.value) == f"Pulumi.test.yaml {case.message}"


def test_there_are_more_than_thirty_cases_and_no_two_are_alike() -> None:
    assert len({case.name for case in CASES}) == len(CASES) > 30
