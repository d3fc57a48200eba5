"""The stack and the cloud of `sophia train`, for this process and for those that it leaves behind."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sophia_infra.cli.stack_context import StackContext
    from sophia_infra.provider.session import Session

__all__ = ["environment_of", "now_s_of", "open_training_stack", "session_of", "ssh_key_of"]

_KEY = "sophia:lambda_api_key"


def open_training_stack(stack: str) -> StackContext:
    from sophia_infra.cli.stack_context import open_stack

    return open_stack(stack)


def environment_of(context: StackContext) -> dict[str, str]:
    """The variables by which this process and those in the background reach the stack's cloud."""
    from sophia_infra.cli.finding_engine import find_engine_aloud
    from sophia_infra.engine.stacks import config_value

    context.start_emulator()
    environment = context.cloud_environment()
    if not environment.get("LAMBDA_API_KEY") and _KEY in context.prepared.config_file.read_text("utf-8"):
        value = config_value(find_engine_aloud(context.home), context.prepared, _KEY, context.home)
        environment["LAMBDA_API_KEY"] = str(value)
    return environment


def session_of(context: StackContext) -> Session:
    from sophia_infra.provider.opening import open_session

    settings = {"sophia:endpoint": context.config.endpoint}
    return open_session(settings.get, say=lambda _line: None, environment=environment_of(context))


def ssh_key_of(context: StackContext) -> str | None:
    """Name of the key that machines of the stack are launched with; None when its file names none."""
    from sophia_infra.components.fleet_props import key_name_of

    return key_name_of(context.tag, context.config.ssh)


def now_s_of(context: StackContext) -> float:
    """The time of the stack's cloud; this machine's when its emulator is stopped."""
    if context.config.endpoint == "lambda" or context.emulator_is_stopped:
        return time.time()
    return session_of(context).clock.now()
