"""Measures against the budgets of peers.md 4.3: `python -m tests.bench`, or `make bench`."""
