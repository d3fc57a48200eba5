"""What can be chosen about one emulated account. Values never change under a running request."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args

from sophia_infra.emulator.errors import InvalidSettings

__all__ = ["CloudSettings", "IpWhileBooting", "LimitsMode", "TransitionClock"]

TransitionClock = Literal["immediate", "per_read", "seconds"]
IpWhileBooting = Literal["absent", "null", "empty"]
LimitsMode = Literal["off", "json", "text"]

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "transitions": get_args(TransitionClock),
    "ip_while_booting": get_args(IpWhileBooting),
    "limits": get_args(LimitsMode),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudSettings:
    """Knobs of one emulated Lambda Cloud account; the defaults are a healthy account without limits.

    Marks [S], [O] and [I] are those of the vendor facts: documented, observed by a user, our guess.
    """

    seed: int = 0
    """Seeds the one Random behind ids, addresses, tokens, boot times and unhealthy boots."""

    api_keys: tuple[str, ...] = field(default=(), repr=False)
    """Accepted API keys. Empty (default): any key that is not blank, so that a laptop needs none."""

    account_active: bool = True
    """False: every call answers 403 global/account-inactive."""

    billing_address_valid: bool = True
    """False: launch and filesystem creation answer 403 global/invalid-address."""

    forbidden: bool = False
    """True: the calls that document global/forbidden (instance reads, tickets) answer 403 with it."""

    transitions: TransitionClock = "seconds"
    """What moves an instance on: `immediate` (the next look), `per_read` (every `reads_per_step` times
    it is shown), `seconds` (its times on the emulator's clock). Default: seconds, as the real one."""

    reads_per_step: int = 1
    """Times an instance is shown before it takes one step; only with `per_read`. Default 1."""

    ip_after_s: float = 71.0
    """Seconds from launch until the address is there. 71 was observed for a 1x A10 [O]."""

    ip_while_booting: IpWhileBooting = "absent"
    """How `ip` looks before: key absent (default, as the document allows), null or "" (old clients)."""

    boot_ranges_s: tuple[tuple[int, float, float], ...] = (
        (0, 240.0, 240.0),
        (2, 300.0, 600.0),
        (4, 420.0, 900.0),
        (8, 600.0, 1500.0),
    )
    """(GPUs from, shortest, longest) seconds from launch to active; one draw per launch. 1 GPU takes
    4 minutes, 8 GPUs 10 to 25 [O, D]; 2 and 4 are interpolated [I]."""

    unhealthy_boot_share: float = 0.0
    """Share of launches (0 to 1) that end in `unhealthy` instead of `active`. Default 0."""

    restart_s: float = 60.0
    """Seconds a restart takes; the instance shows `booting` and keeps its address [I]."""

    terminate_s: float = 30.0
    """Seconds from `terminating` to `terminated`; filesystems stay in use meanwhile [O]."""

    terminate_refused_s: float = 0.0
    """Seconds after launch in which actions.terminate is unavailable and terminate answers 409 [O for
    the flag, I for the 409]. Default 0: accepted at once."""

    terminated_visible_s: float = 60.0
    """Seconds an ended instance stays in the list and in GET; 0: it vanishes at once [I]."""

    list_lag_s: float = 0.0
    """Seconds a new instance is missing from the list [I]. Default 0."""

    get_sees_lagging: bool = False
    """True: GET by id shows an instance that the list does not show yet. Default False: 404 too."""

    documented_regions_only: bool = False
    """True: regions, images and capacity are shown of the regions of the OpenAPI document alone, because a
    client that was generated from it refuses an answer that names another. Default False: all seen [O]."""

    default_capacity: int | None = None
    """Instances per (type, region) where nothing else was set; None (default): unlimited."""

    stale_capacity: bool = False
    """True: /instance-types lists every region whatever is free, so that launches fail though listed [O]."""

    quota_instances: int | None = None
    """Live instances of the account; more answer global/quota-exceeded. None (default): no quota."""

    quota_filesystems: int | None = None
    """Filesystems of the account. None (default): no quota."""

    quota_rulesets: int | None = None
    """Firewall rulesets of the account. None (default): no quota."""

    price_overrides_cents_per_hour: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """US cents per hour by instance type, over the packaged price list. Default: none."""

    limits: LimitsMode = "off"
    """`json` or `text`: answer 429 above 1 request per `request_interval_s` and 1 launch per
    `launch_interval_s`, with a body of that kind (the vendor documents neither). Default off."""

    retry_after: bool = True
    """Send Retry-After (whole seconds, rounded up) with a 429. Default True."""

    request_interval_s: float = 1.0
    """Seconds between requests under `limits` [S]."""

    launch_interval_s: float = 12.0
    """Seconds between launches under `limits` [S]."""

    limit_tolerance_s: float = 0.05
    """How early a request may come and pass; over time the rate still holds. Default 0.05."""

    extra_fields: bool = True
    """Undocumented live fields: is_reserved, workspace_id, architecture, request_id [O]. Default True."""

    edge_blocks_urllib: bool = True
    """Answer Python-urllib's default User-Agent as the vendor's edge does: 403 and plain text [O]."""

    validate_answers: bool = False
    """Check every answer against the vendor's document; one that does not fit becomes a 500."""

    audit_page_size: int = 50
    """Audit events per page. Default 50."""

    ticket_page_size: int = 50
    """Tickets per page. Default 50."""

    control_token: str | None = field(default=None, repr=False)
    """When set, /_emulator wants `Authorization: Bearer <token>`. Default None: open on loopback."""

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise InvalidSettings(f"{name} is {getattr(self, name)!r}; allowed: {', '.join(allowed)}")
        for setting in dataclasses.fields(self):
            value = getattr(self, setting.name)
            if isinstance(value, int | float) and setting.name != "seed" and value < 0:
                raise InvalidSettings(f"{setting.name} is {value}; it must not be negative")
        if self.unhealthy_boot_share > 1:
            raise InvalidSettings(f"unhealthy_boot_share is {self.unhealthy_boot_share}; allowed: 0 to 1")
        for name in ("reads_per_step", "audit_page_size", "ticket_page_size"):
            if getattr(self, name) < 1:
                raise InvalidSettings(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not self.boot_ranges_s or self.boot_ranges_s[0][0] != 0:
            raise InvalidSettings("boot_ranges_s must begin with a range for 0 GPUs")

    def changed(self, values: Mapping[str, Any]) -> CloudSettings:
        """A copy with `values` (as JSON gives them); InvalidSettings names an unknown one or a wrong type."""
        known = {setting.name for setting in dataclasses.fields(self)}
        converted: dict[str, Any] = {}
        for name, value in values.items():
            if name not in known:
                raise InvalidSettings(f"unknown setting {name!r}; known: {', '.join(sorted(known))}")
            converted[name] = _converted(name, getattr(self, name), value)
        return dataclasses.replace(self, **converted)

    def public(self) -> dict[str, Any]:
        """Everything that may be shown: all settings but the keys and the token."""
        return {
            setting.name: (
                dict(value) if isinstance(value := getattr(self, setting.name), Mapping) else value
            )
            for setting in dataclasses.fields(self)
            if setting.repr
        }


_OPTIONAL_INTS = frozenset({"default_capacity", "quota_instances", "quota_filesystems", "quota_rulesets"})


def _converted(name: str, old: Any, new: Any) -> Any:
    """`new` in the type that setting `name` has."""
    try:
        if name in _OPTIONAL_INTS:
            if new is None or (isinstance(new, int) and not isinstance(new, bool)):
                return new
        elif name == "control_token":
            if new is None or isinstance(new, str):
                return new
        elif name == "api_keys":
            if isinstance(new, list | tuple) and all(isinstance(key, str) for key in new):
                return tuple(new)
        elif name == "boot_ranges_s":
            return tuple((int(gpus), float(low), float(high)) for gpus, low, high in new)
        elif isinstance(old, Mapping):
            return {str(key): int(value) for key, value in new.items()}
        elif isinstance(old, bool) or isinstance(new, bool):
            if isinstance(old, bool) and isinstance(new, bool):
                return new
        elif isinstance(old, float):
            return float(new)
        elif isinstance(new, type(old)):
            return new
    except (AttributeError, TypeError, ValueError) as error:
        raise InvalidSettings(f"{name} cannot be {new!r}: {error}") from error
    raise InvalidSettings(f"{name} cannot be {new!r}; it is {old!r} now")
