"""The time of the cloud that a stack talks to."""

from __future__ import annotations

import requests

from sophia_infra.model.clock import Clock, ScaledClock, SystemClock
from sophia_infra.provider.errors import SettingsRefused
from sophia_infra.provider.settings import CloudAccess

__all__ = ["clock_of"]


def clock_of(access: CloudAccess) -> Clock:
    """The machine's clock for the real cloud; the emulator's own time and speed for the emulator.

    Raises:
        SettingsRefused: the emulator does not answer.
    """
    if access.endpoint == "lambda":
        return SystemClock()
    try:
        with requests.Session() as session:
            session.trust_env = False  # a proxy cannot reach our own loopback
            health = session.get(f"{access.base_url}/_emulator/health", timeout=(2.0, 5.0)).json()
        return ScaledClock(float(health["speed"]), float(health["now_s"]))
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise SettingsRefused(
            f"No Lambda Cloud emulator answers at {access.base_url} ({type(error).__name__}).",
            next_step="`sophia up` starts it; or run `sophia emulator` and export LAMBDA_API_URL.",
        ) from error
