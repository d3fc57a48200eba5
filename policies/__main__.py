"""The policy pack: started by the engine as `python -m pulumi.policy ADDRESS policies`."""

from pulumi_policy import EnforcementLevel, PolicyPack
from sophia_policies.adapter import as_policies
from sophia_policies.registry import RULES
from sophia_policies.serving import serving

if __name__ == "__main__":
    with serving():
        PolicyPack("sophia", policies=as_policies(RULES), enforcement_level=EnforcementLevel.ADVISORY)
