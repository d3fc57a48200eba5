"""Encrypted copies of configuration, state and databases, and the way back."""
