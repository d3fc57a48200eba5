"""One mistake in a right stack, and the one line that answers it. Not a test itself."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from sophia_infra.model.stack_config import ConfigError
from tests.unit.model.kubernetes.kubernetes_stacks import SECTION, Change, stack_of


class Case(NamedTuple):
    """What is changed in the right stack, and the answer behind `sophia:kubernetes.`."""

    name: str
    changes: tuple[Change, ...]
    message: str

    def check(self) -> None:
        with pytest.raises(ConfigError) as caught:
            stack_of(*self.changes)
        assert str(caught.value) == f"Pulumi.test.yaml {SECTION}.{self.message}"
