"""PyYAML's safe loader on libyaml's parser: the same nodes about eight times as fast.

`yaml.CSafeLoader` composes in C as well, recursively and without a limit: a text of fifty thousand `[` ends
the process. Here libyaml only makes events, which takes no stack, and PyYAML's own composer makes the nodes,
which raises RecursionError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

__all__ = ["SafeLoader"]

if TYPE_CHECKING or not yaml.__with_libyaml__:
    SafeLoader = yaml.SafeLoader
else:
    from yaml.cyaml import CParser

    class SafeLoader(Composer, CParser, SafeConstructor, Resolver):
        """As `yaml.SafeLoader`, but some syntax errors have libyaml's words.

        A byte order mark is not counted by the marks: read text as `utf-8-sig` where their index matters.
        """

        def __init__(self, stream: str | bytes) -> None:
            CParser.__init__(self, stream)
            Composer.__init__(self)
            SafeConstructor.__init__(self)
            Resolver.__init__(self)
