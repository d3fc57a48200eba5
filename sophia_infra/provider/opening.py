"""Open a session: from what a stack says about its cloud to a paced client on the right clock."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import requests

from sophia_infra.engine.home import open_home
from sophia_infra.lambda_cloud import LambdaCloud, Pacer
from sophia_infra.model.clock import Clock, ScaledClock, SystemClock
from sophia_infra.provider.errors import SettingsRefused
from sophia_infra.provider.journal import Journal
from sophia_infra.provider.session import Session
from sophia_infra.provider.settings import CloudAccess, cloud_access

__all__ = ["open_session"]


def open_session(
    get: Callable[[str], Any],
    *,
    say: Callable[[str], None] = print,
    ensure_wanted: Callable[[], None] = lambda: None,
    stop_requested: Callable[[], bool] = lambda: False,
    environment: Mapping[str, str] = os.environ,
) -> Session:
    """The session of one update; `get` reads the stack's configuration by full key.

    Pace and launch journal live in the project-own folder and are shared with other processes.

    Raises:
        SettingsRefused: see `cloud_access`; also when the emulator does not answer.
    """
    access = cloud_access(get, environment)
    clock = _clock(access)
    home = open_home(environ=environment)
    pacer = Pacer(home.pacing, Pacer.key_id(access.base_url, access.api_key), clock)
    client = LambdaCloud(access.base_url, access.api_key, clock=clock, pacer=pacer)
    return Session(
        client,
        clock,
        Journal(home.launches),
        say=say,
        ensure_wanted=ensure_wanted,
        stop_requested=stop_requested,
    )


def _clock(access: CloudAccess) -> Clock:
    """The machine's clock for the real cloud; the emulator's own time and speed for the emulator."""
    if access.endpoint == "lambda":
        return SystemClock()
    try:
        health = requests.get(f"{access.base_url}/_emulator/health", timeout=(2.0, 5.0)).json()
        return ScaledClock(float(health["speed"]), float(health["now_s"]))
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise SettingsRefused(
            f"No Lambda Cloud emulator answers at {access.base_url} ({type(error).__name__}).",
            next_step="`sophia up` starts it; or run `sophia emulator` and export LAMBDA_API_URL.",
        ) from error
