"""What one stack has proved goes to the next: images by digest, written into the next stack's file.

    development -> staging -> canary -> production

Only digests move. Which rows a stack has, how many pods and how many dollars stay its own; the image names
have to be the same on both sides, or something else would run under a proved name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sophia_infra.model.kubernetes.config import KubernetesConfig
from sophia_infra.model.stack_config import StackConfig
from sophia_infra.rollout.errors import NotPromotable, RolloutRefused

__all__ = ["STAGES", "Gate", "Promotion", "check_stages", "plan_promotion", "read_gate"]

STAGES: Final = ("development", "staging", "canary", "production")

_GATE_LIVES: Final = timedelta(hours=24)
_HASH_CHARACTERS: Final = 16


@dataclass(frozen=True, slots=True)
class Gate:
    """What `sophia validate --stack STACK --phase N --json` said of the source."""

    stack: str
    phase: int
    is_green: bool
    failed: tuple[str, ...]
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class Promotion:
    """What goes over.

    Attributes:
        digests: image -> digest, of every row that both stacks run.
        changed: those of them that are new in the target.
        unproved: rows that only the target runs: nothing of the source says anything about them.
        workloads_hash: of the source's rows, images and digests; the same hash is the same software.
    """

    digests: Mapping[str, str]
    changed: Mapping[str, str]
    unproved: tuple[str, ...]
    workloads_hash: str

    def as_json(self) -> dict[str, Any]:
        return {
            "digests": dict(self.digests),
            "changed": dict(self.changed),
            "unproved": list(self.unproved),
            "workloads_hash": self.workloads_hash,
        }


def check_stages(source: str, target: str) -> None:
    """Raises RolloutRefused unless `target` comes right after `source`."""
    path = " -> ".join(STAGES)
    for name in (source, target):
        if name not in STAGES:
            raise RolloutRefused(f"{name} is no stage of {path}.", next_step="name two neighbours of it.")
    if STAGES.index(target) != STAGES.index(source) + 1:
        following = STAGES[min(STAGES.index(source) + 1, len(STAGES) - 1)]
        raise RolloutRefused(
            f"{source} does not go to {target}: the path is {path}.",
            next_step=f"promote to {following} first."
            if following != source
            else "production is the last stage.",
        )


def read_gate(file: Path) -> Gate:
    """Raises NotPromotable when there is none, or it is not what `sophia validate --json` prints."""
    hint = "run `sophia validate --stack STACK --phase N` of the stack to promote from: it records the gate."
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        return Gate(
            str(document["stack"]),
            int(document["gate"]),
            document["green"] is True,
            tuple(map(str, document["failed"])),
            datetime.fromisoformat(str(document["taken_at"]).replace("Z", "+00:00")),
        )
    except FileNotFoundError:
        raise NotPromotable(f"There is no gate result {file}.", next_step=hint) from None
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError):
        raise NotPromotable(f"{file} is no result of a phase's gate.", next_step=hint) from None


def plan_promotion(
    source: str, source_config: StackConfig, target_config: StackConfig, gate: Gate, now: datetime
) -> Promotion:
    """What goes from `source` to the target.

    Raises:
        NotPromotable: the gate is another stack's, of another phase, old or red; digests are missing; or a
            row has another image in the target.
    """
    _check_gate(source, source_config, gate, now)
    ours, theirs = _section(source_config), _section(target_config)
    rows, wanted = _images(ours), _images(theirs)
    shared = [name for name in wanted if name in rows]
    different = [f"{name} ({rows[name]} and {wanted[name]})" for name in shared if rows[name] != wanted[name]]
    if different:
        raise NotPromotable(
            f"Rows have other images in the target: {', '.join(different)}.",
            next_step="make the table the same for both; only digests are promoted.",
        )
    digests = {rows[name]: digest for name in shared if (digest := _digest_of(rows[name], ours)) is not None}
    missing = sorted({rows[name] for name in shared} - set(digests))
    if missing:
        raise NotPromotable(
            f"{source} runs images without a known digest: {', '.join(missing)}.",
            next_step="`sophia images lock` finds digests; pin them in the source and prove it again.",
        )
    if not shared:
        raise NotPromotable(
            f"{source} and the target have no row in common.", next_step="enable what is to be proved."
        )
    # A digest that is part of the image's own text goes over with the table.
    written = {image: digest for image, digest in digests.items() if "@" not in image}
    changed = {
        image: digest for image, digest in written.items() if theirs.images.digests.get(image) != digest
    }
    text = json.dumps(sorted((name, rows[name], digests[rows[name]]) for name in shared))
    return Promotion(
        written,
        changed,
        tuple(name for name in wanted if name not in rows),
        hashlib.sha256(text.encode()).hexdigest()[:_HASH_CHARACTERS],
    )


def _check_gate(source: str, config: StackConfig, gate: Gate, now: datetime) -> None:
    again = f"run `sophia validate --stack {source} --phase {config.phase} --json` again."
    if gate.stack != source:
        raise NotPromotable(f"The gate result is of {gate.stack}, not of {source}.", next_step=again)
    if gate.phase != config.phase:
        raise NotPromotable(
            f"The gate result is of phase {gate.phase}, and {source} is in phase {config.phase}.",
            next_step=again,
        )
    age = now - gate.taken_at.astimezone(UTC)
    if not timedelta(0) <= age <= _GATE_LIVES:
        raise NotPromotable(
            f"The gate result is {age.total_seconds() / 3600:.1f} h old; 0 to 24 h are believed.",
            next_step=again,
        )
    if not gate.is_green:
        raise NotPromotable(
            f"The gate of {source} is red: {', '.join(gate.failed) or 'unknown criteria count'}.",
            next_step=f"`sophia validate --stack {source} --phase {gate.phase}` says why.",
        )


def _section(config: StackConfig) -> KubernetesConfig:
    if config.kubernetes is None:
        raise NotPromotable("A stack without sophia:kubernetes runs no image.", next_step="give it one.")
    return config.kubernetes


def _images(kube: KubernetesConfig) -> dict[str, str]:
    """Row -> image, as the table writes it."""
    rows = {name: str(row.image) for name, row in kube.enabled_workloads().items()}
    return {**rows, **{name: str(store.image) for name, store in kube.enabled_databases().items()}}


def _digest_of(image: str, kube: KubernetesConfig) -> str | None:
    return image.rsplit("@", 1)[1] if "@" in image else kube.images.digests.get(image)
