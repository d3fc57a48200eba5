"""What is said about mistakes in the settings of a whole stack."""

from __future__ import annotations

from tests.unit.model.model_stacks import REMOVED
from tests.unit.model.wrong_case import Case

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
]
