"""One stack as typed configuration, and what it answers without an engine: what, how many, how dear."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sophia_infra.model.backup import StackBackupConfig
from sophia_infra.model.budget import Budget, BudgetUse
from sophia_infra.model.forms import ClosedModel, ConflictsFound, choice_form, number_form
from sophia_infra.model.gateway import GatewayConfig
from sophia_infra.model.inference import InferenceConfig
from sophia_infra.model.instance import InstanceConfig
from sophia_infra.model.kubernetes.config import KubernetesConfig
from sophia_infra.model.kubernetes.warnings import find_kubernetes_warnings
from sophia_infra.model.network import FirewallConfig
from sophia_infra.model.price_book import PriceBook
from sophia_infra.model.quota import QuotaConfig
from sophia_infra.model.rollout import RolloutConfig
from sophia_infra.model.scaler import ScalerConfig
from sophia_infra.model.ssh import SshConfig
from sophia_infra.model.stack_rules import StackParts, find_stack_conflicts, find_warnings
from sophia_infra.model.storage import FilesystemConfig
from sophia_infra.model.training import ClusterConfig, OneClickConfig, TrainingSection
from sophia_infra.model.value_types import DnsName, FilesystemName, Phase

__all__ = ["EmulatorConfig", "Endpoint", "StackConfig"]

Endpoint = Literal["emulator", "lambda"]


class EmulatorConfig(ClosedModel):
    """How the emulator behaves for this stack."""

    speed: Annotated[float, number_form(0, 100_000)] = Field(
        default=60.0,
        description="Virtual seconds per real second, above 0 and up to 100000. Default 60: a boot of four "
        "minutes takes four seconds and can still be watched.",
    )


class StackConfig(ClosedModel):
    """One stack. Units, defaults and reasons stand with each field; the JSON schema is made from them."""

    phase: Phase = Field(
        default=1,
        description="1, 2 or 3, cumulative: 2 keeps what 1 made. Default 1: the later ones are chosen, never "
        "slipped into.",
    )
    endpoint: Annotated[Endpoint, choice_form("an endpoint", ("emulator", "lambda"))] = Field(
        description="emulator (this machine, free) or lambda (the real cloud, costs money). No default, so "
        "that neither is ever a surprise."
    )
    emulator: EmulatorConfig | None = Field(
        default=None,
        description="Settings of the emulator; only with endpoint emulator. Default: its defaults.",
    )
    budget: Budget = Field(description="What the stack may cost. No default.")
    quota: QuotaConfig | None = Field(
        default=None,
        description="What the account may run at once, for previews to check. Default none: the API does not "
        "expose it, so only what is stated here is checked.",
    )
    ssh: SshConfig | None = Field(
        default=None,
        description="The SSH key of launched instances. Default none, which is enough when all are adopted.",
    )
    filesystems: dict[FilesystemName, FilesystemConfig] = Field(
        default_factory=dict,
        description="Name -> filesystem. Default none: disks of instances end with them.",
    )
    firewalls: dict[DnsName, FirewallConfig] = Field(
        default_factory=dict,
        description="Name -> ruleset. Default none: only the account's global rules apply.",
    )
    fleet: dict[DnsName, InstanceConfig] = Field(
        description="Name -> instance. No default, may be empty: nothing is ever launched unasked."
    )
    inference: dict[DnsName, InferenceConfig] = Field(
        default_factory=dict, description="Name -> OpenAI-compatible endpoint in use. Default none."
    )
    gateway: GatewayConfig | None = Field(
        default=None, description="One door to all models, with budgets. Default none."
    )
    training: TrainingSection = Field(
        default_factory=dict,
        description="Name -> training cluster that `sophia train run` launches for one job and ends, or a "
        "1-Click Cluster that is only read. Default none: nothing trains.",
    )
    scaler: ScalerConfig | None = Field(
        default=None,
        description="Pools of machines that `sophia scaler` adds and removes by load. Default none: the "
        "fleet stays as it is written.",
    )
    rollout: RolloutConfig | None = Field(
        default=None,
        description="Steps in which `sophia canary` and `sophia cutover` move traffic. Default: the steps "
        "that the fields of this section name as theirs.",
    )
    backup: StackBackupConfig | None = Field(
        default=None,
        description="Where `sophia backup` puts copies, and of which databases. Default none: an emulator's "
        "stack is copied beside its state, a real one not at all.",
    )
    kubernetes: KubernetesConfig | None = Field(
        default=None,
        description="Clusters on the fleet and what runs on them. Default none: machines only.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        parts = StackParts(
            fleet=self.fleet,
            filesystems=self.filesystems,
            firewalls=self.firewalls,
            endpoint=self.endpoint,
            has_emulator=self.emulator is not None,
            has_ssh=self.ssh is not None,
            phase=self.phase,
            kubernetes=self.kubernetes,
            gateway=self.gateway,
            has_gateway=self.gateway is not None,
            training=self.training_clusters,
            scaler=self.scaler,
            has_scaler=self.scaler is not None,
        )
        conflicts = find_stack_conflicts(parts)
        if conflicts:
            raise ConflictsFound(conflicts)
        return self

    @property
    def training_clusters(self) -> dict[str, ClusterConfig]:
        """Name -> cluster that a run launches."""
        return {name: one for name, one in self.training.items() if isinstance(one, ClusterConfig)}

    @property
    def one_click_clusters(self) -> dict[str, OneClickConfig]:
        """Name -> 1-Click Cluster that is only read."""
        return {name: one for name, one in self.training.items() if isinstance(one, OneClickConfig)}

    @property
    def one_click_ids(self) -> tuple[str, ...]:
        """Ids of those clusters."""
        return tuple(one.cluster_id for one in self.one_click_clusters.values())

    def instances(self, phase: int | None = None) -> dict[str, InstanceConfig]:
        """Name -> instance up to `phase` (default: the stack's), in the order of the file."""
        last = self.phase if phase is None else phase
        return {name: instance for name, instance in self.fleet.items() if instance.phase <= last}

    def usd_per_hour(self, price_book: PriceBook, phase: int | None = None) -> Decimal:
        """List price of all instances up to `phase`, adopted ones included, everything on; no fallbacks.

        Raises UnknownPrice when the book lacks a type.
        """
        return sum(
            (price_book.get(instance.type) for instance in self.instances(phase).values()), Decimal("0.00")
        )

    def budget_use(self, price_book: PriceBook, phase: int | None = None) -> BudgetUse:
        """The run rate of `usd_per_hour` beside the budget. Raises UnknownPrice."""
        rate = self.usd_per_hour(price_book, phase)
        return BudgetUse(rate, self.budget.limit, self.budget.alert_percent)

    def over_budget(self, price_book: PriceBook, phase: int | None = None) -> BudgetUse | None:
        """The comparison when the run rate is above the budget, else None. Policies decide what follows."""
        use = self.budget_use(price_book, phase)
        return use if use.is_over else None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed and will not do what it looks like; each begins with its key."""
        found = find_warnings(self.fleet, self.firewalls)
        if self.kubernetes is not None:
            found += find_kubernetes_warnings(self.kubernetes, self.fleet, self.phase)
        return tuple(found)

    @property
    def emulator_speed(self) -> float:
        """Virtual seconds per real second of the emulator."""
        return (self.emulator or EmulatorConfig()).speed
