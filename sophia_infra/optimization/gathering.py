"""Read an account, a state and a stack file into `Fleet`. Asks the cloud; changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from sophia_infra.lambda_cloud import Filesystem, Instance
from sophia_infra.model.errors import UnknownPrice
from sophia_infra.model.price_book import PriceBook
from sophia_infra.model.resource_tokens import kind_of
from sophia_infra.operations.doctor import FindingKind, examine, ids_in_state
from sophia_infra.optimization.facts import FilesystemFacts, Fleet, MachineFacts, Offer, Standing, WeekTokens
from sophia_infra.provider.instance_spec import LIVE_STATUSES
from sophia_infra.provider.session import Session
from sophia_infra.provider.tags import LAUNCH_TAG, LAUNCHED_AT_TAG, NAME_TAG, STACK_TAG

if TYPE_CHECKING:
    from sophia_infra.model.instance import InstanceConfig
    from sophia_infra.model.stack import StackConfig

__all__ = ["Site", "describe"]

_LAUNCH_TAGS: Final = frozenset({STACK_TAG, NAME_TAG, LAUNCH_TAG, LAUNCHED_AT_TAG})
_OURS: Final = "sophia-"
_STANDINGS: Final[Mapping[FindingKind, Standing]] = {
    FindingKind.ORPHAN: "orphan",
    FindingKind.DUPLICATE: "duplicate",
    FindingKind.TO_ADOPT: "to adopt",
    FindingKind.TO_DELETE: "to delete",
}


@dataclass(frozen=True, slots=True)
class Site:
    """Everything about one stack that has to be asked.

    Attributes:
        session: with the stack's cloud.
        stack: "project/stack".
        config: the stack file; None when there is none.
        read_deployment: the `deployment` of the exported state; {} for a stack that was never made; None: it
            cannot be read here, and then nothing counts as proven.
        wanted: launch keys of the file, see `operations.wanted_launches`.
        phase: in force.
        who_updates: who runs an update of the stack now, in words; None when nobody does.
        tokens, bought: read from the ledger at each look; see `Fleet`.
    """

    session: Session
    stack: str
    config: StackConfig | None
    read_deployment: Callable[[], Mapping[str, Any] | None]
    wanted: frozenset[str] = frozenset()
    phase: int | None = None
    who_updates: Callable[[], str | None] = lambda: None
    tokens: Callable[[], Mapping[str, WeekTokens]] = dict
    bought: Callable[[], Mapping[str, WeekTokens]] = dict

    def look(self) -> Fleet:
        """The account as it is now: three list requests and one export of the state.

        Raises:
            LambdaCloudError: a list could not be read; nothing is known.
        """
        session = self.session
        deployment = self.read_deployment()
        # After the state: what an update made in between is in the list and not in the state yet, so that it
        # counts as `to adopt` or is younger than anything that is acted on.
        machines = [one for one in session.instances.rows(0) if one.status in LIVE_STATUSES]
        filesystems = session.filesystems.rows(0)
        types = session.client.list_instance_types()
        now_s = session.clock.now()
        config = self.config
        rows = {} if config is None else config.instances(self.phase)
        return Fleet(
            stack=self.stack,
            now_s=now_s,
            machines=tuple(self._machines(machines, deployment, rows, now_s)),
            filesystems=tuple(self._filesystem(one, deployment, now_s) for one in filesystems),
            state_known=deployment is not None,
            updating=self.who_updates(),
            offers={
                name: Offer(name, row.instance_type.usd_per_hour, row.regions_with_capacity)
                for name, row in types.items()
                if row.instance_type.price_cents_per_hour > 0
            },
            prices_of=PriceBook.fallback().as_of,
            usd_per_gib_month=PriceBook.fallback().file_storage_usd_per_gib_month,
            budget=None if config is None else config.budget.limit,
            alert_percent=80 if config is None else config.budget.alert_percent,
            tokens=self.tokens(),
            bought=self.bought(),
            config=config,
        )

    def _machines(
        self,
        machines: list[Instance],
        deployment: Mapping[str, Any] | None,
        rows: Mapping[str, InstanceConfig],
        now_s: float,
    ) -> Iterable[MachineFacts]:
        held = frozenset() if deployment is None else ids_in_state(deployment)
        findings = examine(
            self.stack, deployment or {}, machines, self.session.journal.list(), now_s, wanted=self.wanted
        )
        found = {one.instance_id: _STANDINGS[one.kind] for one in findings if one.kind in _STANDINGS}
        adopted = {
            one.id: name
            for name, row in rows.items()
            if row.adopt is not None
            for one in machines
            if one.id == row.adopt.id or (row.adopt.name is not None and one.name == row.adopt.name)
        }
        groups: dict[tuple[str | None, str | None], list[str]] = {}
        for one in machines:
            if one.tags.get(STACK_TAG) == self.stack:
                groups.setdefault((one.tags.get(NAME_TAG), one.tags.get(LAUNCH_TAG)), []).append(one.id)
        for one in machines:
            standing = self._standing(one, found, held, adopted, deployment is not None)
            name = adopted.get(one.id) or one.tags.get(NAME_TAG) or one.name or one.id
            # Rows of all phases: a machine that a later phase protects is protected now.
            row = None if self.config is None else self.config.fleet.get(name)
            twins = groups.get((one.tags.get(NAME_TAG), one.tags.get(LAUNCH_TAG)), [])
            yield MachineFacts(
                name=name,
                instance_id=one.id,
                instance_type=one.instance_type.name,
                region=one.region,
                status=one.status,
                usd_per_hour=one.instance_type.usd_per_hour,
                standing=standing,
                in_state=one.id in held,
                always_on=row is not None and row.always_on,
                protected=row is not None and row.is_protected,
                adopted=one.id in adopted,
                planned_usd_per_hour=_planned(one.instance_type.name),
                age_s=_age_s(one, now_s),
                twin_in_state=any(other in held for other in twins if other != one.id),
                is_restorable=_is_restorable(one),
                description=describe(one),
            )

    def _standing(
        self,
        one: Instance,
        found: Mapping[str, Standing],
        held: frozenset[str],
        adopted: Mapping[str, str],
        state_known: bool,
    ) -> Standing:
        stack = one.tags.get(STACK_TAG, "")
        if one.id in adopted or one.id in held:
            return found.get(one.id, "file")
        if stack.startswith(f"{self.stack}/") or (stack == self.stack and _has_further_tags(one)):
            # Training runs and the node scaler keep their own books; no state ever holds their machines.
            return "elsewhere"
        if stack == self.stack:
            name = one.tags.get(NAME_TAG, "")
            if not state_known and self.config is not None and name in self.config.fleet:
                return "file"
            return found.get(one.id, "file")
        return "other stack" if stack else "untagged"

    def _filesystem(
        self, one: Filesystem, deployment: Mapping[str, Any] | None, now_s: float
    ) -> FilesystemFacts:
        resources = (deployment or {}).get("resources") or ()
        in_state = any(
            kind_of(row.get("type")) == "Filesystem" and row.get("id") == one.id for row in resources
        )
        row = None if self.config is None else self.config.filesystems.get(one.name)
        intent = self.session.journal.find(f"filesystem/{self.stack}/{one.name}")
        return FilesystemFacts(
            name=one.name,
            filesystem_id=one.id,
            region=one.region,
            bytes_used=one.bytes_used,
            is_in_use=one.is_in_use,
            age_s=_created_age_s(one.created, now_s),
            in_file=row is not None,
            in_state=in_state,
            is_ours=intent is not None and intent.resource_id == one.id,
            protected=row is not None and row.protect,
        )


def describe(one: Instance) -> dict[str, Any]:
    """What a machine is, without what is secret or changes by itself: what an undo launches again."""
    derived = one.ip is not None and one.hostname == one.ip.replace(".", "-")
    return {
        "id": one.id,
        "name": one.name,
        "instance_type": one.instance_type.name,
        "region": one.region,
        "ssh_key_name": one.ssh_key_names[0] if one.ssh_key_names else "",
        # The service derives one from the address, which another machine does not get.
        "hostname": None if derived else one.hostname,
        "filesystems": sorted(one.file_system_names),
        "firewall_ruleset_ids": sorted(one.firewall_ruleset_ids),
        "tags": dict(sorted(one.tags.items())),
    }


def _is_restorable(one: Instance) -> bool:
    """Whether a launch from `describe` gives the same description. Image and user data nobody can read."""
    usual = {f"/lambda/nfs/{name}" for name in one.file_system_names}
    return len(one.ssh_key_names) == 1 and {mount.mount_point for mount in one.file_system_mounts} <= usual


def _has_further_tags(one: Instance) -> bool:
    return any(key.startswith(_OURS) and key not in _LAUNCH_TAGS for key in one.tags)


def _planned(instance_type: str) -> Decimal | None:
    try:
        return PriceBook.fallback().get(instance_type)
    except UnknownPrice:
        return None


def _age_s(one: Instance, now_s: float) -> float | None:
    launched = one.tags.get(LAUNCHED_AT_TAG, "")
    return max(0.0, now_s - int(launched)) if launched.isdecimal() else None


def _created_age_s(created: str, now_s: float) -> float | None:
    try:
        return max(0.0, now_s - datetime.fromisoformat(created).timestamp())
    except ValueError:
        return None
