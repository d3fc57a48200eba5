"""Every step of the migration, as the lines that a person would type. The runner adds nothing to them.

In a line `{stack}` is the stack, `{next}` the one that gets its images, `{folder}` where the migration keeps
its files, `{service}` a service of the old Swarm; the words `{prometheus}` and `{cluster}` are options that
`sophia migrate` was given, or nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from sophia_infra.migration.steps import PhaseName, Step, command

__all__ = ["PHASES", "TABLE", "Need", "Row"]

Need = Literal["", "gateway", "secrets", "prometheus", "next"]
"""Part of the stack without which a step has no object, and is left out."""

PHASES: Final[tuple[PhaseName, ...]] = ("phase1", "phase2", "phase3", "complete")


@dataclass(frozen=True, slots=True)
class Row:
    """A step, and what the stack must have for it.

    Attributes:
        each_service: there is one such step for each service that moves from Swarm, in the order of moving.
    """

    step: Step
    need: Need = ""
    each_service: bool = False


_READ_ONLY = "it only reads"


def _backup(prefix: str, day: int) -> Row:
    return Row(
        Step(
            f"{prefix}-backup",
            "Everything is backed up before it changes",
            (day, day),
            action=command("backup create --stack {stack}"),
            check=command("backup verify --stack {stack}"),
            resume="repeat",
            no_undo="a backup set stays until it is pruned",
            criteria=("K9", "K10", "N6"),
        ),
    )


def _up(prefix: str, number: int, title: str, days: tuple[int, int], criteria: tuple[str, ...]) -> Row:
    return Row(
        Step(
            f"{prefix}-up",
            title,
            days,
            gate=command(f"preview --stack {{stack}} --phase {number}"),
            action=command(f"up --stack {{stack}} --phase {number} --yes {{cluster}}"),
            check=command(f"preview --stack {{stack}} --phase {number} --expect-no-changes"),
            undo=command(f"up --stack {{stack}} --phase {number - 1} --yes") if number > 1 else None,
            no_undo="" if number > 1 else "what it adopted ran before; `sophia down` ends what it launched",
            criteria=criteria,
        )
    )


def _ask(
    step_id: str,
    title: str,
    days: tuple[int, int],
    line: str,
    criteria: tuple[str, ...],
    need: Need = "",
    accept: tuple[int, ...] = (0,),
) -> Row:
    step = Step(
        step_id, title, days, gate=command(line, accept=accept), no_undo=_READ_ONLY, criteria=criteria
    )
    return Row(step, need)


TABLE: Final[Mapping[PhaseName, tuple[Row, ...]]] = {
    "phase1": (
        Row(
            Step(
                "p1-baseline",
                "The baseline is written down before anything changes",
                (1, 1),
                action=command("baseline capture --stack {stack} --out {folder}/baseline.json {prometheus}"),
                no_undo="it only writes a file",
                criteria=("N9", "C6"),
            )
        ),
        _backup("p1", 1),
        _up("p1", 1, "Phase 1 runs", (1, 7), ("1.1a", "1.3a", "1.3b", "C1-C5")),
        Row(
            Step(
                "p1-inference",
                "Every service that asks a model has its own key",
                (1, 2),
                action=command("inference configure --stack {stack}"),
                check=command("inference models --stack {stack}"),
                resume="repeat",
                no_undo="a key stays valid until `sophia inference configure --new-key`",
                criteria=("1.1b", "1.1d", "H4"),
            ),
            "gateway",
        ),
        _ask("p1-doctor", "State and account agree", (8, 8), "doctor --stack {stack}", ("K3",)),
        _ask(
            "p1-validate",
            "The criteria of phase 1 hold",
            (8, 10),
            "validate --stack {stack} --phase 1 {prometheus}",
            ("M1.1-1.4",),
        ),
        _ask(
            "p1-tune",
            "What could be saved is listed",
            (11, 14),
            "optimize --stack {stack} {prometheus}",
            ("3.3c",),
            accept=(0, 6),
        ),
    ),
    "phase2": (
        _ask(
            "p2-gate",
            "Phase 1 still holds",
            (15, 15),
            "validate --stack {stack} --phase 1 {prometheus}",
            ("M1.1-1.4",),
        ),
        _backup("p2", 15),
        _up("p2", 2, "Secrets, GPU scheduling and monitoring run", (15, 24), ("2.1a", "2.2a", "2.3a")),
        _ask(
            "p2-secrets",
            "No secret is missing, plain or old",
            (15, 17),
            "secrets check --stack {stack}",
            ("2.1c", "2.1d"),
            "secrets",
        ),
        Row(
            Step(
                "p2-cutover",
                "Calls move from Swarm to Kubernetes:",
                (18, 20),
                action=command("cutover run {service} --stack {stack} --yes {prometheus}"),
                undo=command("cutover back {service} --stack {stack}"),
                criteria=("K1", "K2", "K4", "2.2b"),
            ),
            each_service=True,
        ),
        _ask(
            "p2-monitor",
            "No critical alert fires",
            (21, 24),
            "monitor --stack {stack} --once --fail-on critical {prometheus}",
            ("2.3c", "K3", "K8"),
            "prometheus",
        ),
        _ask("p2-doctor", "State and account agree", (25, 25), "doctor --stack {stack}", ("K3",)),
        _ask(
            "p2-validate",
            "The criteria of phase 2 hold",
            (25, 28),
            "validate --stack {stack} --phase 2 {prometheus}",
            ("M2.1-2.4",),
        ),
    ),
    "phase3": (
        _ask(
            "p3-gate",
            "Phase 2 still holds",
            (29, 29),
            "validate --stack {stack} --phase 2 {prometheus}",
            ("M2.1-2.4",),
        ),
        _backup("p3", 29),
        _up("p3", 3, "Auto-scaling and training run", (29, 35), ("3.1a", "3.2a")),
        _ask(
            "p3-training",
            "No training machine is left over",
            (29, 31),
            "train sweep --stack {stack}",
            ("3.1b", "3.1d"),
        ),
        _ask(
            "p3-savings",
            "What is saved without risk is shown, nothing done",
            (36, 38),
            "optimize apply --auto low --stack {stack} {prometheus}",
            ("3.3d",),
            "prometheus",
            (0, 6),
        ),
        _ask("p3-doctor", "State and account agree", (39, 39), "doctor --stack {stack}", ("K3",)),
        _ask(
            "p3-validate",
            "The criteria of phase 3 hold",
            (39, 42),
            "validate --stack {stack} --phase 3 {prometheus}",
            ("M3.1-3.4",),
        ),
    ),
    "complete": (
        Row(
            Step(
                "end-compare",
                "Before and after stand side by side",
                (42, 42),
                action=command("baseline compare {folder}/baseline.json --stack {stack} {prometheus}"),
                no_undo=_READ_ONLY,
                criteria=("N9", "N12"),
            )
        ),
        Row(
            Step(
                "end-validate",
                "Every criterion is in a report",
                (42, 42),
                action=command("validate --stack {stack} --markdown {folder}/validation.md {prometheus}"),
                no_undo="it only writes a file",
                criteria=("M4.1-4.5",),
            )
        ),
        _ask(
            "end-promote",
            "What the next stack would get is shown, nothing written",
            (42, 42),
            "promote --from {stack} --to {next}",
            ("K5-K8",),
            "next",
        ),
        _ask(
            "end-drill",
            "What was backed up comes back whole and in time",
            (42, 42),
            "backup drill --stack {stack}",
            ("K9-K12", "D10"),
        ),
        _ask(
            "end-audit",
            "No line of the audit log was changed",
            (42, 42),
            "audit verify --stack {stack}",
            ("2.1e",),
        ),
    ),
}
"""Phase -> its steps in order. `complete` is the other three and then its own."""
