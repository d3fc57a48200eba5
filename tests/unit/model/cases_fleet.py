"""What is said about mistakes in waiting, tags, adoption, and in what machines share."""

from __future__ import annotations

from tests.unit.model.model_stacks import REMOVED
from tests.unit.model.wrong_case import CIPHERTEXT, CORE, RULE, TAKEN, Case

CASES = [
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
