"""`sophia inference configure`: a key for each user, settings for clients. Prints no key; may be repeated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sophia_infra.cli.exit_codes import ExitCode
from sophia_infra.model.gateway import KEY_VARIABLE, URL_VARIABLE, GatewayConfig

if TYPE_CHECKING:
    from sophia_infra.cli.stack_context import StackContext

__all__ = ["run_configure"]


def run_configure(
    stack: str, *, new_keys: Sequence[str], write: Path | None, dry_run: bool, as_json: bool
) -> ExitCode:
    """Give every user of `sophia:gateway` a key, and write what a client needs.

    Args:
        new_keys: users who get a new key though they have one.
        write: file for a client's settings, without a key.
    """
    from sophia_infra.cli.stack_context import open_stack

    context = open_stack(stack)
    gateway = require_gateway(context)
    document = (
        _configure_local(context, gateway, new_keys, dry_run=dry_run)
        if context.config.endpoint == "emulator"
        else _configure_esc(stack, gateway, new_keys, dry_run=dry_run)
    )
    url = document.get("url") or gateway.url
    if write is not None and url is not None and not dry_run:
        document["settings"] = str(write)
        document["settings_changed"] = _write_settings(write, gateway, str(url))
    if as_json:
        print(json.dumps(document, indent=2))
    else:
        _say(document, dry_run=dry_run)
    return ExitCode.OK


def require_gateway(context: StackContext) -> GatewayConfig:
    """The stack's gateway. Raises ConfigRefused where the file has none."""
    from sophia_infra.engine.errors import ConfigRefused

    if context.config.gateway is None:
        raise ConfigRefused(
            f"Stack {context.name} has no inference gateway: its file has no sophia:gateway.",
            next_step="Add backends and users there.",
            verb="inference",
            stack=context.name,
        )
    return context.config.gateway


def _configure_local(
    context: StackContext, gateway: GatewayConfig, new_keys: Sequence[str], *, dry_run: bool
) -> dict[str, Any]:
    from sophia_infra.cli.local_inference import ensure_local_inference, find_local_inference
    from sophia_infra.cli.local_inference_files import inference_folder, refuse_strangers

    refuse_strangers(gateway, new_keys)
    keys = inference_folder(context.home) / "keys"
    had = {user for user in gateway.users if (keys / user).is_file()} - set(new_keys)
    document: dict[str, Any] = {
        "stack": context.name,
        "made": [user for user in gateway.users if user not in had],
        "kept": [user for user in gateway.users if user in had],
    }
    if dry_run:
        running = find_local_inference(context.home)
    else:
        for user in new_keys:
            (keys / user).unlink(missing_ok=True)
        running = ensure_local_inference(context.home, gateway)
    if running is not None:
        document |= {"url": running.url, "keys": str(keys), "curl": str(running.curl_file)}
    return document


def _configure_esc(
    stack: str, gateway: GatewayConfig, new_keys: Sequence[str], *, dry_run: bool
) -> dict[str, Any]:
    from sophia_infra.cli.secrets_context import open_secrets
    from sophia_infra.cli.secrets_running import audited
    from sophia_infra.operations.inference_keys import plan_keys
    from sophia_infra.operations.secrets_rotation import rotate

    secrets = open_secrets(stack)
    plan = plan_keys(secrets.client.open(), secrets.catalogue, gateway.users, renew=new_keys)
    document: dict[str, Any] = {
        "stack": stack,
        "made": list(plan.made),
        "kept": list(plan.kept),
        "environment": str(secrets.client.name),
    }
    if plan.values and not dry_run:
        paths = [value.entry.path for value in plan.values]
        with audited(secrets, "rotate", paths, announce=True) as outcome:
            outcome.revision = document["revision"] = rotate(secrets.client, plan.values).revision
    return document


def _write_settings(file: Path, gateway: GatewayConfig, url: str) -> bool:
    """What `LambdaServerlessService` reads: the gateway as its one backend. Whether the file changed."""
    models = sorted({model for backend in gateway.backends.values() for model in backend.models})
    backend = {
        "kind": "openai",
        "base_url": url,
        "api_key_env": KEY_VARIABLE,
        "models": {model: model for model in models},
    }
    settings = GatewayConfig.model_validate({"backends": {"gateway": backend}}).model_dump(mode="json")
    text = json.dumps(settings, indent=2) + "\n"
    if file.is_file() and file.read_text(encoding="utf-8") == text:
        return False
    file.write_text(text, encoding="utf-8")
    return True


def _say(document: dict[str, Any], *, dry_run: bool) -> None:
    made, kept = document["made"], document["kept"]
    verb = "would get" if dry_run else "got"
    if made:
        print(f"{', '.join(made)} {verb} a new key.")
    if kept:
        print(f"{', '.join(kept)} keep{'s' if len(kept) == 1 else ''} the key.")
    if "environment" in document:
        where = f"inference.keys.* in {document['environment']}"
        print(f"Keys: {where}; hashes for the gateway: inference.gateway_key_hashes there.")
    if "keys" in document:
        print(f"Keys: one file for each user in {document['keys']}.")
        print(f"Try: curl -sK {document['curl']} -d '{{...}}'")
    if "url" in document:
        print(f"A client needs {URL_VARIABLE}={document['url']} and its key in {KEY_VARIABLE}.")
    if "settings" in document:
        print(f"{document['settings']}: {'written' if document['settings_changed'] else 'as it was'}.")
