"""The one number that every range of click lets through."""

from __future__ import annotations

import math

import typer

__all__ = ["finite"]


def finite(value: float | None) -> float | None:
    """A callback for options with a range: `nan` is neither below a minimum nor above a maximum.

    Raises:
        BadParameter: `value` is no number, or has no end.
    """
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a number that anything can be counted by.")
    return value
