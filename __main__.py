"""The Pulumi program: load the stack's typed file, build its phases."""

from sophia_infra.program import run

run()
