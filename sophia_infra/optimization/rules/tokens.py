"""Own GPUs against tokens that are bought, by the break-even of the inference room. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from sophia_infra.inference.break_even import BreakEven, Mix, OwnGpu, break_even
from sophia_infra.inference.usage import Price
from sophia_infra.model.money import format_usd
from sophia_infra.optimization.config import TokenOffer
from sophia_infra.optimization.facts import MachineFacts, WeekTokens, backend_key
from sophia_infra.optimization.recommendation import (
    Evidence,
    Kind,
    Recommendation,
    Saving,
    Verdict,
    recommendation_id,
)
from sophia_infra.optimization.risk import machine_verdict
from sophia_infra.optimization.rules.look import ACCOUNT, WEEKS_PER_MONTH, Look
from sophia_infra.optimization.stack_change import RemoveMachine, StackChange

__all__ = ["find_own_gpus", "find_serverless"]

_LEDGER = "the usage ledger of the gateways"
_MILLION = Decimal(1_000_000)


def find_serverless(look: Look) -> Iterator[Recommendation]:
    """Machines whose tokens would be cheaper to buy; none where the machine is the cheaper one."""
    for machine in look.fleet.of_file:
        offer, tokens = look.config.token_offers.get(machine.name), look.fleet.tokens.get(machine.name)
        if offer is None or tokens is None or len(tokens.weeks) < 2:
            continue
        costs = [_week_usd(offer, *week) * WEEKS_PER_MONTH for week in tokens.weeks]
        mean = sum(costs, Decimal(0)) / len(costs)
        if mean < machine.usd_per_month:
            yield _serverless(look, machine, offer, tokens, costs)


def find_own_gpus(look: Look) -> Iterator[Recommendation]:
    """Tokens that are bought, where one own machine would be cheaper and could work them all."""
    for backend, tokens in look.fleet.bought.items():
        wanted = look.config.machine_offers.get(backend)
        offer = None if wanted is None else look.fleet.offers.get(wanted.type)
        if wanted is None or offer is None or len(tokens.weeks) < 2 or not tokens.usd:
            continue
        paid = [usd * WEEKS_PER_MONTH for usd in tokens.usd]
        inputs, outputs = (sum(week[place] for week in tokens.weeks) for place in (0, 1))
        booked = sum(tokens.usd, Decimal(0))
        if not inputs + outputs or not booked:
            continue
        # One price for all tokens: what was really paid by the million, whatever the mix.
        blended = booked * _MILLION / (inputs + outputs)
        speed = Decimal(str(wanted.tokens_per_s))
        gpu = OwnGpu(wanted.type, offer.usd_per_hour, tokens_per_s=speed)
        even = break_even(gpu, Price(blended, blended), Mix(1, 1))
        busiest = max(sum(week) for week in tokens.weeks) * WEEKS_PER_MONTH
        fits = gpu.tokens_per_month is not None and busiest <= gpu.tokens_per_month
        if tokens.usd_per_month <= gpu.usd_per_month or not even.reachable or not fits:
            continue
        yield _own_gpu(look, backend, tokens, paid, gpu, even)


def _own_gpu(
    look: Look, backend: str, tokens: WeekTokens, paid: list[Decimal], gpu: OwnGpu, even: BreakEven
) -> Recommendation:
    month = gpu.usd_per_month
    return Recommendation(
        id=recommendation_id(Kind.OWN_GPU, look.fleet.stack, backend, gpu.name),
        kind=Kind.OWN_GPU,
        subject=backend,
        title=f"an own {gpu.name} is cheaper than the tokens of {backend}",
        savings={
            backend_key(backend): Saving.of(
                min(paid) - month, tokens.usd_per_month - month, max(paid) - month
            )
        },
        evidence=(
            Evidence("bought", f"{format_usd(tokens.usd_per_month)} a month", _LEDGER, 0.0),
            Evidence("own machine", f"{format_usd(month)} a month of 720 h", ACCOUNT, 0.0),
            Evidence(
                "break-even",
                "tokens are free"
                if even.tokens is None
                else f"{even.tokens / 1_000_000:,.1f} M tokens a month",
                "inference/break_even.py, with the throughput of the settings",
                None,
            ),
        ),
        verdict=Verdict("high", ("a machine is launched, and what it serves has to be as good",)),
        steps=(
            f"add a {gpu.name} to the fleet, and vLLM with the model as a backend",
            "compare answers and latency for a week",
            f"route the models of {backend} there",
        ),
        undo=f"route the models back to {backend} and take the machine out of the fleet",
        requires=("somebody who keeps a GPU server running",),
    )


def _week_usd(offer: TokenOffer, tokens_in: int, tokens_out: int) -> Decimal:
    return (offer.usd_per_million_input * tokens_in + offer.usd_per_million_output * tokens_out) / _MILLION


def _serverless(
    look: Look, machine: MachineFacts, offer: TokenOffer, tokens: WeekTokens, costs: list[Decimal]
) -> Recommendation:
    month = machine.usd_per_month
    mean = sum(costs, Decimal(0)) / len(costs)
    sums = [sum(week) for week in tokens.weeks]
    a_month = Decimal(sum(sums)) / len(sums) * WEEKS_PER_MONTH
    inputs, outputs = (sum(week[place] for week in tokens.weeks) for place in (0, 1))
    # The mix to one part in a thousand is exact enough for a line of evidence; dollars are exact above.
    parts = [max(1, round(1000 * one / max(1, inputs + outputs))) for one in (inputs, outputs)]
    mix = Mix(parts[0], parts[1])
    speed = None if offer.tokens_per_s is None else Decimal(str(offer.tokens_per_s))
    even = break_even(
        OwnGpu(machine.name, machine.usd_per_hour, tokens_per_s=speed),
        Price(offer.usd_per_million_input, offer.usd_per_million_output),
        mix,
    )
    return Recommendation(
        id=recommendation_id(Kind.SERVERLESS, look.fleet.stack, machine.name, offer.provider),
        kind=Kind.SERVERLESS,
        subject=machine.name,
        title=f"the tokens of {machine.name} are cheaper at {offer.provider}",
        savings={machine.key: Saving.of(month - max(costs), month - mean, month - min(costs))},
        evidence=(
            look.price(machine),
            Evidence("tokens", f"{a_month / _MILLION:,.1f} M a month, of {len(sums)} weeks", _LEDGER, 0.0),
            Evidence("bought", f"{format_usd(mean)} a month at {offer.provider}", "the settings", None),
            Evidence(
                "break-even",
                "tokens are free"
                if even.tokens is None
                else f"{even.tokens / 1_000_000:,.1f} M tokens a month",
                "inference/break_even.py",
                None,
            ),
        ),
        verdict=machine_verdict(
            machine, look.config, further=("prompts would leave the stack, and latency is another's",)
        ),
        steps=(
            f"add {offer.provider} as a backend of sophia:gateway and route the models there",
            "compare answers and latency for a week, the machine still running",
            f"take {machine.name} out of the fleet (the diff does), then `sophia up`",
        ),
        undo=f"put {machine.name} back, `sophia up`, and route the models back",
        requires=(
            *([f"`protect: false` for {machine.name} before this"] if machine.protected else []),
            "nothing else that runs on it",
            "leave to send the prompts to another company",
        ),
        change=StackChange((RemoveMachine(machine.name),)),
    )
