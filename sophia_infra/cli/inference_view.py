"""What a person sees of inference after a run: the address, the models, and one call to try."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sophia_infra.cli.views import short_path

if TYPE_CHECKING:
    from rich.console import Console

    from sophia_infra.cli.stack_context import StackContext

__all__ = ["inference_document", "show_inference"]


def inference_document(context: StackContext) -> dict[str, Any] | None:
    """The local gateway for machines; None where the stack has none here."""
    from sophia_infra.cli.local_inference import find_local_inference

    gateway = context.config.gateway
    running = None if gateway is None else find_local_inference(context.home)
    if gateway is None or running is None:
        return None
    models = list(dict.fromkeys(model for backend in gateway.backends.values() for model in backend.models))
    return {"url": running.url, "models": models, "curl": str(running.curl_file)}


def show_inference(console: Console, context: StackContext) -> None:
    """One line, and the call."""
    found = inference_document(context)
    if found is None:
        return
    models = found["models"]
    body = f'{{"model": "{models[0]}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
    served = models[0] if len(models) == 1 else f"{len(models)} models"
    console.print(f"Inference: {found['url']} serves {served}, without a GPU: stand-in answers. Try:")
    console.print(f"  curl -sK {short_path(Path(found['curl']))} -d '{body}'", soft_wrap=True)
