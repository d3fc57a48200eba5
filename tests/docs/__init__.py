"""What the tests of the documents share: reading pages, and judging what is written in them.

No command is run here; `tests/engine/test_engine_tutorial.py` runs those that may be run.
"""
