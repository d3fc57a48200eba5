"""Dollars of one machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sophia_infra.model.errors import UnknownPrice
from sophia_infra.model.money import RATE_PATTERN, format_usd, parse_rate
from sophia_policies.machines import is_instance, machine_of
from sophia_policies.plain import Resource, is_unknown, text_of
from sophia_policies.rule import Finding, ResourceRule, Setting, Situation, cannot_tell, violation

__all__ = ["RULES"]


def _check_price(resource: Resource, situation: Situation) -> Iterator[Finding]:
    limit = parse_rate(situation.settings["limit"])
    for number, (kind, _region) in enumerate(machine_of(resource).choices):
        where = "" if number == 0 else f"fallback {number}: "
        if is_unknown(kind):
            yield cannot_tell(f"{where}the instance type is not known, so its price is not")
            continue
        try:
            usd = situation.prices.get(text_of(kind))
        except UnknownPrice:
            yield violation(
                f"{where}{kind} has no list price of {situation.prices.as_of}, and none is guessed"
            )
            continue
        if usd > limit.usd_per_hour:
            yield violation(
                f"{where}{kind} costs {format_usd(usd)}/h, more than {limit} "
                f"(list price of {situation.prices.as_of})"
            )


RULES: Iterable[ResourceRule] = (
    ResourceRule(
        name="max-machine-price",
        level="mandatory",
        summary="No machine, and no fallback of one, costs more than the limit.",
        reason="One 8-GPU node costs more in a day than the whole fleet in a month.",
        fix="Choose a smaller type, or raise `limit` in `policies/config/<stack>.json` for this stack.",
        settings={
            "limit": Setting(
                {"type": "string", "pattern": RATE_PATTERN}, "$10/h", "of one machine, list price"
            )
        },
        applies=is_instance,
        check=_check_price,
    ),
)
