"""Which ledger a command reads: named by a variable, the stack's, or that of the local gateway."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sophia_infra.model.errors import Refused

if TYPE_CHECKING:
    from sophia_infra.cli.stack_context import StackContext

__all__ = ["ledger_address"]


def ledger_address(context: StackContext, ledger_env: str | None) -> str | None:
    """SQLAlchemy URL of the ledger; None when the local gateway has not written one yet.

    Args:
        ledger_env: variable that holds it; None: that of the stack file, if any.

    Raises:
        Refused: the variable is not set, or a stack of the real cloud names none. No URL is ever shown: it
            may hold a password.
    """
    gateway = context.config.gateway
    is_local = context.config.endpoint == "emulator" and ledger_env is None
    if is_local:
        from sophia_infra.cli.local_inference import ledger_url
        from sophia_infra.cli.local_inference_files import inference_folder

        exists = (inference_folder(context.home) / "usage.sqlite").is_file()
        return ledger_url(context.home) if exists else None
    variable = ledger_env or (gateway.ledger_url_env if gateway is not None else None)
    if variable is None:
        raise Refused(
            f"Pulumi.{context.name}.yaml names no ledger: set sophia:gateway.ledger_url_env there, or give "
            "--ledger-env NAME"
        )
    address = os.environ.get(variable)
    if not address:
        raise Refused(
            f"the variable {variable} is not set; it holds the ledger's URL, "
            "for example postgresql+psycopg://..."
        )
    return address
