"""Real processes under load: `python -m tests.load`, and a short form of it in every run of the tests."""
