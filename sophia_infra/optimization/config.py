"""Thresholds and limits of the cost engine, with unit, default and reason. Closed: no unknown key."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, ValidationError, model_validator

from sophia_infra.model import yaml_text
from sophia_infra.model.errors import ConfigError, Problem, Refused
from sophia_infra.model.explain import explain, make_problem, shown_key
from sophia_infra.model.forms import (
    ClosedModel,
    Conflict,
    ConflictsFound,
    number_form,
    text_form,
    whole_number_form,
)
from sophia_infra.model.money import Rate
from sophia_infra.model.value_types import DnsName, InstanceTypeName, SpendingRate, UsdAmount, YesNo

__all__ = ["MachineOffer", "OptimizationConfig", "TokenOffer", "load_config"]

Percent = Annotated[int, whole_number_form(1, 100)]


def _check_timezone(text: str) -> None:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Refused("is not a time zone", allowed="a name such as UTC or America/New_York") from None


class TokenOffer(ClosedModel):
    """The same work bought by the token, to compare a machine with."""

    provider: Annotated[str, text_form("a name", max_characters=100)] = Field(
        description="Who sells the tokens; shown with the advice. No default."
    )
    backends: tuple[DnsName, ...] = Field(
        description="Backends of the gateway that this machine serves; their tokens are in the ledger. No "
        "default."
    )
    usd_per_million_input: UsdAmount = Field(description="Dollars per million input tokens. No default.")
    usd_per_million_output: UsdAmount = Field(description="Dollars per million output tokens. No default.")
    tokens_per_s: Annotated[float, number_form(0, 10_000_000)] | None = Field(
        default=None,
        description="Tokens a second that the machine works at most, measured. Default none: no limit is "
        "claimed.",
    )


class MachineOffer(ClosedModel):
    """A machine that could do what is bought by the token."""

    type: InstanceTypeName = Field(description="Instance type that serves the model. No default.")
    tokens_per_s: Annotated[float, number_form(0, 10_000_000)] = Field(
        description="Tokens a second that one such machine works at most, measured for the model and mix. "
        "No default: without it nobody knows how many machines it takes."
    )


class OptimizationConfig(ClosedModel):
    """How usage is judged, and what may be done about it without asking."""

    timezone: Annotated[str, text_form("a time zone", max_characters=64, extra=_check_timezone)] = Field(
        default="UTC",
        description="Time zone of hours of the week, such as America/New_York. Default UTC.",
    )
    window_days: Annotated[int, whole_number_form(7, 90)] = Field(
        default=28, description="Days of usage that are read, 7 to 90. Default 28: four whole weeks."
    )
    min_days: Annotated[int, whole_number_form(1, 90)] = Field(
        default=7,
        description="Days below which a machine is not judged by its usage, 1 to 90. Default 7: less misses "
        "what runs once a week.",
    )
    schedule_min_weeks: Annotated[int, whole_number_form(1, 12)] = Field(
        default=2,
        description="Times that each hour of the week has to be seen before it counts as off, 1 to 12. "
        "Default 2: one quiet week may have been a holiday.",
    )
    step_minutes: Annotated[int, whole_number_form(5, 15)] = Field(
        default=15, description="Minutes of one step of the series, 5 to 15. Default 15."
    )
    coverage_percent: Percent = Field(
        default=80,
        description="Percent of the steps that have to be measured, 1 to 100. Default 80: a machine that is "
        "seen half of the time may work in the other half.",
    )
    max_age_minutes: Annotated[int, whole_number_form(5, 1440)] = Field(
        default=60,
        description="Minutes since the last measured step from which data is stale and nothing follows from "
        "it, 5 to 1440. Default 60.",
    )
    idle_percent: Percent = Field(
        default=15, description="GPU use below which it idles, in percent. Default 15, of the old optimizer."
    )
    low_percent: Percent = Field(
        default=20, description="GPU use below which it is low, in percent. Default 20, a guard rail of old."
    )
    low_minutes: Annotated[int, whole_number_form(5, 1440)] = Field(
        default=30,
        description="Minutes for which it has to stay low to count as quiet, 5 to 1440. Default 30, a guard "
        "rail of old.",
    )
    optimal_percent: Percent = Field(
        default=70,
        description="GPU use that may be reached on a smaller or shared machine, at the 95th percentile. "
        "Default 70, of the old optimizer.",
    )
    high_percent: Percent = Field(
        default=80, description="GPU use from which it is high, in percent. Default 80, a guard rail of old."
    )
    high_minutes: Annotated[int, whole_number_form(5, 1440)] = Field(
        default=15,
        description="Minutes of high use from which a machine is not made smaller or shared, 5 to 1440. "
        "Default 15, a guard rail of old.",
    )
    gpu_memory_percent: Percent = Field(
        default=90, description="GPU memory that may be used at most, in percent. Default 90, a guard rail."
    )
    headroom_percent: Annotated[int, whole_number_form(0, 200)] = Field(
        default=20,
        description="Memory that a smaller machine has to have above the peak, in percent. Default 20.",
    )
    cpu_busy_percent: Percent = Field(
        default=20,
        description="Processor use from which a machine works although its GPU idles. Default 20.",
    )
    min_off_hours: Annotated[int, whole_number_form(1, 24)] = Field(
        default=6,
        description="Hours below which a quiet stretch is not worth a relaunch, 1 to 24. Default 6, a short "
        "night: a boot takes up to 25 minutes and may be refused.",
    )
    max_relaunches_per_week: Annotated[int, whole_number_form(1, 28)] = Field(
        default=7,
        description="Most relaunches a week that a schedule may need, 1 to 28. Default 7: one a day.",
    )
    capacity_wait_hours: Annotated[float, number_form(0, 720)] = Field(
        default=4.0,
        description="Hours for which a machine is missing when a relaunch is refused, where no history says "
        "it; above 0. Default 4.",
    )
    without_usd: dict[DnsName, SpendingRate] = Field(
        default_factory=dict,
        description="Machine -> what an hour without it costs. Default: its own list price; it is worth "
        "at least what is paid for it.",
    )
    min_saving: SpendingRate = Field(
        default=Rate(Decimal(5), "month"),
        description="Savings below this are not worth a recommendation. Default $5/month.",
    )
    price_change_percent: Percent = Field(
        default=5, description="Change of a list price that is told, in percent. Default 5."
    )
    token_offers: dict[DnsName, TokenOffer] = Field(
        default_factory=dict,
        description="Machine -> the same work bought by the token. Default none: nothing is compared.",
    )
    machine_offers: dict[DnsName, MachineOffer] = Field(
        default_factory=dict,
        description="Backend of the gateway that is paid by the token -> a machine that could serve it. "
        "Default none: nothing is compared.",
    )
    protected: tuple[DnsName, ...] = Field(
        default=(),
        description="Names of machines and filesystems that are never touched, beside those that the stack "
        "file protects. Default none.",
    )
    orphan_min_minutes: Annotated[int, whole_number_form(10, 10_080)] = Field(
        default=60,
        description="Minutes that an orphan has to be old before it is ended without asking, 10 to 10080. "
        "Default 60: younger, it may be of an update that still runs.",
    )
    filesystem_min_hours: Annotated[int, whole_number_form(1, 8760)] = Field(
        default=24,
        description="Hours that an empty filesystem has to be old before it is deleted without asking. "
        "Default 24: the API refreshes its size every few hours.",
    )
    auto_apply: YesNo = Field(
        default=False,
        description="true lets `sophia optimize apply --auto low --yes` act. Default false: it only says "
        "what it would do.",
    )
    actions_per_day: Annotated[int, whole_number_form(0, 50)] = Field(
        default=3, description="Most actions in 24 hours, undos not counted, 0 to 50. Default 3."
    )
    cooldown_minutes: Annotated[int, whole_number_form(0, 1440)] = Field(
        default=30,
        description="Minutes between one action and the next, 0 to 1440. Default 30, a guard rail of old.",
    )
    gate_minutes: Annotated[int, whole_number_form(1, 240)] = Field(
        default=15,
        description="Minutes after an action in which a fall of the health gate undoes it, 1 to 240. Default "
        "15.",
    )
    gate_poll_s: Annotated[int, whole_number_form(1, 600)] = Field(
        default=30, description="Seconds between two looks at the gate, 1 to 600. Default 30."
    )
    max_instances: Annotated[int, whole_number_form(1, 1000)] = Field(
        default=10,
        description="Live machines of the account above which an undo launches nothing. Default 10, a guard "
        "rail of old.",
    )
    max_spend: SpendingRate = Field(
        default=Rate(Decimal(100), "h"),
        description="Run rate of the account above which an undo launches nothing. Default $100/h, a guard "
        "rail of old.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        found = []
        if self.idle_percent > self.low_percent:
            found.append(_above("idle_percent", self.idle_percent, "low_percent", self.low_percent))
        if self.low_percent > self.optimal_percent:
            found.append(_above("low_percent", self.low_percent, "optimal_percent", self.optimal_percent))
        if self.optimal_percent > self.high_percent:
            found.append(_above("optimal_percent", self.optimal_percent, "high_percent", self.high_percent))
        if self.min_days > self.window_days:
            found.append(_above("min_days", self.min_days, "window_days", self.window_days))
        if found:
            raise ConflictsFound(found)
        return self


def _above(key: str, value: int, other: str, limit: int) -> Conflict:
    return Conflict((key,), Refused(f"is above {other}", allowed=f"up to {limit}"), value)


def load_config(path: Path) -> OptimizationConfig:
    """Read the settings from a YAML file of their own.

    Raises:
        ConfigError: all that is wrong with it, each with its line; also when it cannot be read.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError([_of_file(path, f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise ConfigError([_of_file(path, "is not UTF-8 text")]) from None
    document = yaml_text.read_yaml(text)
    if document.findings:
        raise ConfigError(
            [
                Problem(path.name, ".".join(map(shown_key, one.path)), one.line, None, None, one.message)
                for one in document.findings
            ]
        )
    if document.value is not None and not isinstance(document.value, dict):
        raise ConfigError([_of_file(path, "is not a mapping of settings")])
    try:
        return OptimizationConfig.model_validate(document.value or {})
    except ValidationError as error:
        problems = []
        for finding in explain(error, OptimizationConfig):
            places = (finding.loc[:end] for end in range(len(finding.loc), 0, -1))
            line = next((document.lines[at] for at in places if at in document.lines), None)
            problem = make_problem(path.name, finding, line)
            problems.append(replace(problem, key=problem.key.removeprefix("sophia:")))
        raise ConfigError(sorted(problems, key=lambda one: one.line or 0)) from None


def _of_file(path: Path, message: str) -> Problem:
    return Problem(path.name, "", None, None, None, message)
