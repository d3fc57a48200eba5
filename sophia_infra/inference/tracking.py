"""The ledger's line for a use that somebody else measured."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_DOWN, Decimal, InvalidOperation

from sophia_infra.inference.catalogue import ModelCard
from sophia_infra.inference.errors import RequestRefused
from sophia_infra.inference.usage import Tokens, UsageEntry

__all__ = ["TRACKED", "tracked_entry"]

TRACKED = "tracked"
"""Backend of such a line."""

_LEDGER_DECIMALS = Decimal("0.000000000001")
_MOST_USD = Decimal(1_000_000)


def tracked_entry(
    card: ModelCard,
    tokens_used: int,
    cost_usd: Decimal | int | str | float,
    *,
    parts: tuple[int, int] | None,
    request_id: str,
    user: str,
    at: datetime,
) -> UsageEntry:
    """A line that costs exactly `cost_usd`.

    Args:
        cost_usd: a float counts as it is printed: 0.1 is a tenth.
        parts: input and output tokens; None counts all as input. The cost is split as the listed prices
            would split it.

    Raises:
        RequestRefused: negative or inexact figures, or parts that are not the whole.
    """
    cost = _exact_usd(cost_usd)
    tokens = Tokens(tokens_used, 0) if parts is None else Tokens(*parts)
    if min(tokens.input, tokens.output) < 0 or tokens.total != tokens_used:
        raise RequestRefused(
            "input_tokens and output_tokens must be 0 or more and add up to tokens_used.", param="tokens_used"
        )
    listed = card.price()
    whole = listed.usd(tokens)
    share = Decimal(1) if whole == 0 else listed.input_usd(tokens) / whole
    input_usd = (cost * share).quantize(_LEDGER_DECIMALS, ROUND_DOWN)
    return UsageEntry(
        request_id=request_id,
        at=at,
        user=user,
        model=card.name,
        backend=TRACKED,
        tokens=tokens,
        input_usd=input_usd,
        output_usd=cost - input_usd,
    )


def _exact_usd(value: Decimal | int | str | float) -> Decimal:
    try:
        usd = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        usd = Decimal("NaN")
    if not usd.is_finite() or not 0 <= usd <= _MOST_USD or usd != usd.quantize(_LEDGER_DECIMALS):
        raise RequestRefused(
            f"cost_usd must be dollars from 0 to {_MOST_USD} with at most twelve decimals.", param="cost_usd"
        )
    return usd
