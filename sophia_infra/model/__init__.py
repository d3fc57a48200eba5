"""Typed facts and configuration. Pure: no network, no engine."""
