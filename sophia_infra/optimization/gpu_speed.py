"""How fast one GPU model is beside another, by data sheets. Pure; dated data."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from sophia_infra.model.catalogue import CATALOGUE

__all__ = ["SOURCE", "is_older", "speed_ratio"]

_FILE: Final = Path(__file__).with_name("data") / "gpu-speed.json"
SOURCE: Final = "data sheets of the GPUs, not measured: the worse of FP16 throughput and memory bandwidth"


def speed_ratio(old_type: str, new_type: str) -> float | None:
    """Speed of one GPU of `new_type` by that of `old_type`, the worse of two ratios; None: unknown."""
    old, new = _row(old_type), _row(new_type)
    if old is None or new is None:
        return None
    return min(float(new[name]) / float(old[name]) for name in ("tflops", "gb_per_s"))


def is_older(old_type: str, new_type: str) -> bool:
    """Whether the GPU of `new_type` is of an earlier generation: what runs on the old one may not run there.

    By the major number of the CUDA compute capability: 7 has no bfloat16, 8 no FP8. Unknown counts as older.
    """
    old, new = _row(old_type), _row(new_type)
    if old is None or new is None:
        return True
    first, second = (int(row["compute_capability"].partition(".")[0]) for row in (old, new))
    return second < first


def _row(instance_type: str) -> dict[str, Any] | None:
    known = CATALOGUE.get(instance_type)
    if known is None or known.gpu_model is None:
        return None
    names = (
        known.gpu_model,
        f"{known.gpu_model}-{known.gpu_form}",
        f"{known.gpu_model}-{known.gpu_memory_gib}",
    )
    models = _models()
    return next((models[name] for name in names if name in models), None)


@cache
def _models() -> dict[str, dict[str, Any]]:
    models: dict[str, dict[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))["models"]
    return models
