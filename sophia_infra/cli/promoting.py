"""`sophia promote`: what it does."""

from __future__ import annotations

import difflib
import json
from datetime import UTC, datetime
from pathlib import Path

import yaml

from sophia_infra.audit import audit_log_of
from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.cli.stack_context import open_stack
from sophia_infra.cli.views import make_console
from sophia_infra.engine.home import write_private_file
from sophia_infra.model.stack_config import parse_stack_config
from sophia_infra.rollout.digest_text import with_digests
from sophia_infra.rollout.promotion import check_stages, plan_promotion, read_gate

__all__ = ["run_promote"]


def run_promote(source: str, target: str, gate: Path | None, *, write: bool, as_json: bool) -> ExitCode:
    """Show, and with `write` make, the change of the target's file. Brings nothing up."""
    check_stages(source, target)
    ours, theirs = open_stack(source), open_stack(target)
    gate_file = gate or ours.home.root / "gates" / source / f"phase-{ours.config.phase}.json"
    promotion = plan_promotion(source, ours.config, theirs.config, read_gate(gate_file), datetime.now(UTC))
    file = theirs.home.checkout / f"Pulumi.{target}.yaml"
    before = file.read_text(encoding="utf-8")
    after = with_digests(before, promotion.digests) if promotion.changed else before
    # Refused here rather than by the next `up`: the file has to stay one that is accepted.
    parse_stack_config(yaml.safe_load(after)["config"], file.name, directory=file.parent)
    if write and after != before:
        log = audit_log_of(theirs.home.root, target)
        with log.change(
            action="promote",
            subject=f"stack {target}",
            why=f"proved by {source}, workloads {promotion.workloads_hash}",
            before={
                image: theirs.config.kubernetes.images.digests.get(image, "") for image in promotion.changed
            }
            if theirs.config.kubernetes
            else {},
        ) as change:
            mode = file.stat().st_mode & 0o777
            write_private_file(file, after)
            file.chmod(mode)
            change.after = dict(promotion.changed)
    if as_json:
        print(json.dumps({"from": source, "to": target, "written": write, **promotion.as_json()}, indent=2))
        return ExitCode.OK
    name = file.name
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    print("".join(lines), end="")
    console = make_console(stderr=True)
    if not promotion.changed:
        console.print(f"{name} has these digests already (workloads {promotion.workloads_hash}).")
    elif write:
        console.print(f"{name} is written. Next: commit it, then `sophia preview --stack {target}`.")
    else:
        console.print(f"{len(promotion.changed)} digests would change in {name}; --write does it.")
    if promotion.unproved:
        console.print(
            f"Not proved by {source}, which does not run them: {', '.join(promotion.unproved)}.",
            soft_wrap=True,
        )
    return ExitCode.OK
