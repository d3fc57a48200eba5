"""Pulumi ESC in a process: the part of its API that its SDK calls, for the local stack and for tests."""
