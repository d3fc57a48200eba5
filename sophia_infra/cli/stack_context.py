"""What every command about a stack needs first: its file, its folder, its cloud."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sophia_infra.cli.local_emulator import EMULATOR_API_KEY, EmulatorEndpoint, ensure_emulator, find_emulator
from sophia_infra.engine.errors import ConfigRefused
from sophia_infra.engine.home import Home, open_home
from sophia_infra.engine.stack_file import PreparedStack, prepare_stack
from sophia_infra.engine.stacks import config_value

if TYPE_CHECKING:
    from sophia_infra.engine.locate import Engine
    from sophia_infra.model.instance import InstanceConfig
    from sophia_infra.model.stack_config import StackConfig
    from sophia_infra.provider.session import Session

__all__ = ["StackContext", "open_stack"]

PROJECT = "sophia-infra"
_STACK_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_KEY_IN_FILE = "sophia:lambda_api_key"


@dataclass(frozen=True, slots=True)
class StackContext:
    """One stack as the command line sees it. `config` is checked; `prepared` is what the engine reads."""

    home: Home
    prepared: PreparedStack
    config: StackConfig

    @property
    def name(self) -> str:
        return self.prepared.name

    @property
    def tag(self) -> str:
        """The value of the stack tag on its machines."""
        return f"{PROJECT}/{self.name}"

    @property
    def instances(self) -> Mapping[str, InstanceConfig]:
        """The instances of the phase in force."""
        return self.config.instances(self.prepared.phase)

    @property
    def wanted_launches(self) -> frozenset[str]:
        """The keys of the launches that the file asks for, by which the next update knows its machines."""
        from sophia_infra.operations.wanted_launches import wanted_launches

        return wanted_launches(self.tag, self.config.ssh, self.instances)

    @property
    def budget_usd_per_hour(self) -> Decimal:
        return self.config.budget.limit.usd_per_hour

    @property
    def has_own_emulator(self) -> bool:
        """Whether the stack's cloud is the emulator that `sophia` starts. LAMBDA_API_URL wins over it."""
        return self.config.endpoint == "emulator" and not os.environ.get("LAMBDA_API_URL")

    def start_emulator(self) -> EmulatorEndpoint | None:
        """The running emulator, started if need be; None for a stack that has none of its own."""
        if not self.has_own_emulator:
            return None
        return ensure_emulator(self.home, self.config.emulator_speed)

    @property
    def emulator_is_stopped(self) -> bool:
        """Whether the stack's cloud is an emulator that does not run: then nothing of the stack does."""
        return self.has_own_emulator and find_emulator(self.home) is None

    def cloud_variables(self) -> dict[str, str]:
        """What has to be set, beside the user's environment, so that a program reaches the stack's cloud.

        Nothing of the user's is among them: the engine's environment leaves some of that out on purpose.
        """
        variables = {"SOPHIA_HOME": str(self.home.root)}
        if self.has_own_emulator and (endpoint := find_emulator(self.home)) is not None:
            variables["LAMBDA_API_URL"] = endpoint.url
        if self.config.endpoint == "emulator":
            variables["LAMBDA_API_KEY"] = EMULATOR_API_KEY
        return variables

    def cloud_environment(self) -> dict[str, str]:
        """Our environment with the variables by which provider and client reach the stack's cloud."""
        return {**os.environ, **self.cloud_variables()}

    @property
    def _key_is_in_file(self) -> bool:
        return _KEY_IN_FILE in self.prepared.config_file.read_text(encoding="utf-8")

    def check_access(self) -> None:
        """Refuse at once what the provider would refuse in the end, after the engine was found or built.

        Raises:
            SettingsRefused: see `provider.settings`.
        """
        from sophia_infra.provider.settings import cloud_access

        settings: dict[str, Any] = {"sophia:endpoint": self.config.endpoint}
        if self._key_is_in_file:
            settings[_KEY_IN_FILE] = "encrypted there; only the engine can read it"
        cloud_access(settings.get, self.cloud_environment())

    def open_session(self, engine: Engine | None = None) -> Session:
        """A session with the stack's cloud. Raises SettingsRefused, see `provider.settings`.

        Args:
            engine: reads the key from the stack file where the environment has none; None: it is not read.
        """
        from sophia_infra.provider.opening import open_session

        settings: dict[str, Any] = {"sophia:endpoint": self.config.endpoint}
        if engine is not None and not os.environ.get("LAMBDA_API_KEY") and self._key_is_in_file:
            settings[_KEY_IN_FILE] = config_value(engine, self.prepared, _KEY_IN_FILE, self.home)
        return open_session(settings.get, say=lambda _line: None, environment=self.cloud_environment())


def open_stack(
    name: str, *, phase: int | None = None, on_found: Callable[[PreparedStack], None] | None = None
) -> StackContext:
    """Read and check `Pulumi.<name>.yaml`.

    Args:
        phase: to bring the stack to, remembered; None keeps it.
        on_found: called when there is such a file, before it is checked, which takes 0.2 s of imports.

    Raises:
        ConfigError: every problem of the file, one line each.
        ConfigRefused: there is no such file, or no such phase, or `name` cannot name a stack.
    """
    if not _STACK_NAME.fullmatch(name):
        raise ConfigRefused(
            f"{name!r} is not the name of a stack.",
            next_step="Give what stands between `Pulumi.` and `.yaml`: letters, digits, `-`, `_`, `.`.",
            verb="read",
            stack=name,
        )
    home = open_home()
    prepared = prepare_stack(name, home, phase=phase)
    if on_found is not None:
        on_found(prepared)
    from sophia_infra.model.stack_config import load_stack_config

    config = load_stack_config(home.checkout / f"Pulumi.{name}.yaml")
    return StackContext(home, prepared, config)
