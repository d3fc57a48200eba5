"""What the account may run at once. The API does not say it: the user states it, and previews check it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, ValidatorFunctionWrapHandler, field_validator

from sophia_infra.model.catalogue import parse_instance_type
from sophia_infra.model.errors import Refused
from sophia_infra.model.forms import ClosedModel, Conflict, ConflictsFound, whole_number_form
from sophia_infra.model.value_types import InstanceTypeName

__all__ = ["QuotaConfig"]

MOST = 10_000

Count = Annotated[int, whole_number_form(0, MOST)]


class QuotaConfig(ClosedModel):
    """Limits of the account, as its owner knows them from Lambda's support. A launch above one is refused."""

    instances: Count | None = Field(
        default=None,
        description="Instances at once, of every type together. Default none: not known, and not checked.",
    )
    gpus: Count | None = Field(
        default=None,
        description="GPUs at once, of every type together. Default none: not known, and not checked.",
    )
    per_type: dict[InstanceTypeName, Count] = Field(
        default_factory=dict,
        description="Instance type -> instances of it at once: {1xGH200: 2}. Default empty: no limit by "
        "type is known. 0 says that the account may not launch the type.",
    )

    @field_validator("per_type", mode="wrap")
    @classmethod
    def _each_type_once(cls, value: object, read: ValidatorFunctionWrapHandler) -> Any:
        conflicts = list(_find_double_types(value)) if isinstance(value, dict) else []
        if conflicts:
            raise ConflictsFound(conflicts)
        return read(value)


def _find_double_types(per_type: dict[Any, Any]) -> Iterator[Conflict]:
    """`1xGH200` and `gpu_1x_gh200` are one type; of two limits for it, either could be the one meant."""
    first_by_name: dict[str, str] = {}
    for written in per_type:
        try:
            name = parse_instance_type(written) if isinstance(written, str) else None
        except Refused:
            continue
        if name is not None:
            first = first_by_name.setdefault(name, written)
            if first != written:
                yield Conflict((written,), Refused(f"is the same type as {first}"))
