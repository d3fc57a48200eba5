"""How an instance moves on: declared steps, carried out when somebody looks, by one of three clocks.

No thread and no timer exists. An instance carries its steps in order (`InstanceRecord.schedule`);
`due_on_look` and `due_on_read` say which of them happen now.
"""

from __future__ import annotations

from random import Random

from sophia_infra.emulator.records import InstanceRecord, Step
from sophia_infra.emulator.settings import CloudSettings

__all__ = ["boot_steps", "draw_boot_s", "due_on_look", "due_on_read", "restart_steps", "terminate_steps"]


def boot_steps(settings: CloudSettings, now_s: float, boot_s: float) -> list[Step]:
    """From launch: an address, then the end of booting (`boot_s` seconds after `now_s`)."""
    return [
        Step("address", now_s + min(settings.ip_after_s, boot_s)),
        Step("booted", now_s + boot_s),
    ]


def draw_boot_s(settings: CloudSettings, random: Random, gpu_count: int) -> float:
    """Seconds that a machine of so many GPUs takes to boot, from the range of the settings."""
    low_s, high_s = next(
        (low, high) for gpus, low, high in reversed(settings.boot_ranges_s) if gpus <= gpu_count
    )
    return random.uniform(low_s, high_s)


def restart_steps(settings: CloudSettings, now_s: float) -> list[Step]:
    return [Step("restarted", now_s + settings.restart_s)]


def terminate_steps(settings: CloudSettings, now_s: float) -> list[Step]:
    return [Step("terminated", now_s + settings.terminate_s)]


def due_on_look(settings: CloudSettings, record: InstanceRecord, now_s: float) -> list[Step]:
    """Steps that happen because somebody looks at the account, with the time at which they happened.

    Clock `immediate`: all of them, now. Clock `seconds`: those whose time has come, at that time.
    Clock `per_read`: none. They are taken off the schedule.
    """
    schedule = record.schedule
    if not schedule or settings.transitions == "per_read":
        return []
    if settings.transitions == "immediate":
        due = [Step(step.event, now_s) for step in schedule]
    else:
        due = [step for step in schedule if step.due_s <= now_s]
    record.schedule = schedule[len(due) :]
    return due


def due_on_read(settings: CloudSettings, record: InstanceRecord, now_s: float) -> list[Step]:
    """Clock `per_read`: the next step, each time the instance has been shown `reads_per_step` times."""
    if not record.schedule or settings.transitions != "per_read":
        return []
    record.reads += 1
    if record.reads < settings.reads_per_step:
        return []
    record.reads = 0
    step, *record.schedule = record.schedule
    return [Step(step.event, now_s)]
