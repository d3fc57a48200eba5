"""The ASGI application: the control API under /_emulator, the emulated API everywhere else."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.routing import Mount, Router

from sophia_infra.emulator.cloud import Cloud
from sophia_infra.emulator.persistence import Keeper, NoKeeper
from sophia_infra.emulator.wire.api import Api
from sophia_infra.emulator.wire.control import control_routes

__all__ = ["create_app"]


def create_app(cloud: Cloud, keeper: Keeper | None = None) -> Starlette:
    """Serve `cloud` over HTTP.

    Args:
        cloud: the account; requests take its lock.
        keeper: who keeps it beyond this process; nobody when None.
    """
    keeper = keeper or NoKeeper()
    control = Router(control_routes(cloud, keeper), redirect_slashes=False)
    app = Starlette(routes=[Mount("/_emulator", app=control)])
    # Not a Mount("/"): its pattern lets no path with a line feed (%0A in an id) through.
    app.router.default = Api(cloud, keeper)
    app.router.redirect_slashes = False
    return app
