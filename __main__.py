"""The Pulumi program: load the stack's typed file, build its phases."""

import gc

# It lives for one run, and what it makes stays until the end: looking for garbage took half of its time with
# a thousand machines, and freed nothing.
gc.disable()

from sophia_infra.program import run  # noqa: E402

run()
