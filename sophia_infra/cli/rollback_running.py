"""`sophia rollback`: what its commands do."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sophia_infra.audit import audit_log_of
from sophia_infra.cli.confirming import ask
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.finding_engine import find_engine_aloud
from sophia_infra.cli.stack_context import StackContext, open_stack
from sophia_infra.cli.views import make_console, short_path
from sophia_infra.engine.history import UpdateRecord, stack_history
from sophia_infra.engine.home import write_private_file
from sophia_infra.model.money import format_usd
from sophia_infra.model.price_book import PriceBook
from sophia_infra.model.stack_config import load_stack_config, parse_stack_config
from sophia_infra.rollout.errors import RolloutRefused
from sophia_infra.rollout.rollback import RollbackPlan, plan_rollback
from sophia_infra.rollout.versions import (
    PHASE_KEY,
    KeptFile,
    find_version,
    record_version,
    written_back,
)

__all__ = ["run_rollback", "show_plan", "show_versions"]


@dataclass(frozen=True, slots=True)
class _Way:
    """Where a rollback leads. `kept` is None where the file comes back by value."""

    context: StackContext
    record: UpdateRecord
    phase: int
    kept: KeptFile | None
    plan: RollbackPlan

    @property
    def age_h(self) -> float:
        return (time.time() - self.record.ended_s) / 3600

    def as_json(self) -> dict[str, Any]:
        return {
            "stack": self.context.name,
            "to": self.record.number,
            "phase": self.phase,
            "age_hours": round(self.age_h, 2),
            "file": "kept" if self.kept else "by value",
            **self.plan.as_json(),
        }


def show_versions(stack: str, *, as_json: bool) -> ExitCode:
    """Every update, the newest first."""
    context = open_stack(stack)
    records = stack_history(find_engine_aloud(context.home), stack, context.home)
    rows: list[dict[str, Any]] = [
        {
            "version": record.number,
            "kind": record.kind,
            "ended": _when(record.ended_s),
            "result": record.result,
            "changes": dict(record.changes),
            "phase": int(record.config.get(PHASE_KEY, 1)),
            "file": "kept" if find_version(context.home.root, stack, record.config) else "by value",
        }
        for record in reversed(records)
    ]
    if as_json:
        print(json.dumps({"stack": stack, "versions": rows}, indent=2))
        return ExitCode.OK
    console = make_console()
    for row in rows:
        changes = ", ".join(f"{count} {kind}" for kind, count in row["changes"].items())
        console.print(
            f"{row['version']:4d}  {row['ended']}  {row['kind']:8s} {row['result']:10s} "
            f"phase {row['phase']}  file {row['file']:8s}  {changes}",
            soft_wrap=True,
        )
    if not rows:
        console.print(f"Stack {stack} was never updated.")
    return ExitCode.OK


def show_plan(stack: str, to: int, *, as_json: bool) -> ExitCode:
    """What it would do. FINDINGS when something protected stands in the way."""
    way = _way(stack, to)
    if as_json:
        print(json.dumps(way.as_json(), indent=2))
    else:
        _show(way)
    return ExitCode.FINDINGS if way.plan.refused else ExitCode.OK


def run_rollback(stack: str, to: int, *, yes: bool, as_json: bool) -> ExitCode:
    """Keep today's file, write the old one, bring it up."""
    from sophia_infra.cli.update import UpRequest, run_up

    way = _way(stack, to)
    if way.plan.refused:
        raise RolloutRefused(
            f"Protected: {', '.join(way.plan.refused)}. The engine would refuse to end them.",
            next_step="set protect: false on them, run `sophia up`, and then this again.",
        )
    if not yes:
        _show(way)
        answer = ask("Go back?", nothing="Nothing was changed.")
        if not answer:
            return ExitCode.USAGE if answer is None else ExitCode.OK
    context = way.context
    checkout = context.home.checkout
    today = record_version(context.home.root, stack, checkout)
    file = checkout / f"Pulumi.{stack}.yaml"
    log = audit_log_of(context.home.root, stack)
    with log.change(
        action="rollback",
        subject=f"stack {stack}",
        why=f"to update {to} of {_when(way.record.ended_s)}",
        before={"file": today, "phase": context.prepared.phase},
        usd_per_month_change=way.plan.usd_per_month_change,
    ) as change:
        for target, text in _texts(way, file, today).items():
            mode = target.stat().st_mode & 0o777 if target.is_file() else 0o644
            target.parent.mkdir(parents=True, exist_ok=True)
            write_private_file(target, text)
            target.chmod(mode)
        code = run_up(UpRequest(stack, phase=way.phase, as_json=as_json))
        change.after = {"phase": way.phase, "exit_code": int(code)}
    return code


def _way(stack: str, to: int) -> _Way:
    context = open_stack(stack)
    home = context.home
    records = stack_history(find_engine_aloud(home), stack, home)
    if not 1 <= to <= len(records):
        raise RolloutRefused(
            f"Stack {stack} has no update {to}; it has {len(records)}.",
            next_step=f"choose one of `sophia rollback list --stack {stack}`.",
        )
    record = records[to - 1]
    if record.kind != "update":
        raise RolloutRefused(
            f"Update {to} is a {record.kind}: it has no file to go back to.",
            next_step="choose one whose kind is update.",
        )
    phase = int(record.config.get(PHASE_KEY, 1))
    kept = find_version(home.root, stack, record.config)
    then = (
        load_stack_config(kept.stack_file)
        if kept is not None
        else parse_stack_config(record.config, f"Pulumi.{stack}.yaml", directory=home.checkout)
    )
    now = context.config
    if records[-1].kind == "destroy" and records[-1].result == "succeeded":
        now = now.model_copy(update={"fleet": {}, "filesystems": {}})  # nothing of the file runs
    plan = plan_rollback(now, context.prepared.phase, then, phase, PriceBook.fallback())
    return _Way(context, record, phase, kept, plan)


def _texts(way: _Way, file: Path, today: str) -> Mapping[Path, str]:
    """File -> its text: what was kept word for word, else the values of the history."""
    if way.kept is not None:
        beside = {
            file.parent / name: source.read_text(encoding="utf-8") for name, source in way.kept.beside.items()
        }
        return {**beside, file: way.kept.stack_file.read_text(encoding="utf-8")}
    note = f"As of update {way.record.number}, {_when(way.record.ended_s)}; what was here is version {today}."
    return {file: written_back(file, way.record.config, way.record.secret_keys, note)}


def _show(way: _Way) -> None:
    console, plan = make_console(), way.plan
    console.print(
        f"Stack {way.context.name}, from today's file to that of update {way.record.number}, "
        f"{way.age_h:.1f} h old, phase {way.phase}."
    )
    for word, names in (
        ("launched", plan.launched),
        ("terminated", plan.terminated),
        ("replaced", plan.replaced),
    ):
        if names:
            console.print(f"  {word}: {', '.join(names)}", soft_wrap=True)
    console.print(
        f"  {format_usd(plan.usd_per_hour_before)}/h now, {format_usd(plan.usd_per_hour_after)}/h after; "
        f"{format_usd(plan.usd_per_month_change)} a month of 720 h, by dated list prices."
    )
    for loss in plan.losses:
        console.print(f"  cannot be undone: {loss}.", soft_wrap=True)
    if plan.refused:
        console.print(f"  protected, so nothing would be done: {', '.join(plan.refused)}", soft_wrap=True)
    if plan.over_budget:
        console.print("  over the budget of that file.")
    if way.kept is None:
        file = short_path(way.context.home.checkout / f"Pulumi.{way.context.name}.yaml")
        console.print(f"  {file} comes back by value, without comments; files beside it stay as they are.")
    console.print("  Terminated machines do not come back, whatever is done later: launches are new ones.")


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
