"""Open a session: from what a stack says about its cloud to a paced client on the right clock."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from sophia_infra.engine.home import open_home
from sophia_infra.lambda_cloud import LambdaCloud, Pacer
from sophia_infra.provider.cloud_clock import clock_of
from sophia_infra.provider.journal import Journal
from sophia_infra.provider.session import Session
from sophia_infra.provider.settings import cloud_access

__all__ = ["open_session"]


def open_session(
    get: Callable[[str], Any],
    *,
    say: Callable[[str], None] = print,
    ensure_wanted: Callable[[], None] = lambda: None,
    stop_requested: Callable[[], bool] = lambda: False,
    adopt_only: bool = False,
    may_found_clusters: bool = True,
    environment: Mapping[str, str] = os.environ,
) -> Session:
    """The session of one update; `get` reads the stack's configuration by full key.

    Pace and launch journal live in the project-own folder and are shared with other processes.

    Raises:
        SettingsRefused: see `cloud_access`; also when the emulator does not answer.
    """
    access = cloud_access(get, environment)
    clock = clock_of(access)
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
        adopt_only=adopt_only,
        may_found_clusters=may_found_clusters,
    )
