"""From pydantic's errors to findings in our words, each with its path; secrets stay hidden."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sophia_infra.model.errors import Problem, Refused, did_you_mean
from sophia_infra.model.forms import Conflict, ConflictsFound
from sophia_infra.model.redaction import HIDDEN, looks_like_secret, shown

__all__ = ["explain", "key_path", "make_problem", "shown_key"]

_KIND_BY_ERROR = {
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
}
_KEY_MARK = "[key]"


def explain(error: ValidationError, root: type[BaseModel]) -> list[Conflict]:
    """Every error of `error`, with paths from `root`; one that carries several becomes several."""
    return [finding for detail in error.errors(include_url=False) for finding in _explain_one(detail, root)]


def key_path(loc: tuple[str | int, ...]) -> str:
    """`("fleet", "a", "fallbacks", 1, "type")` -> `sophia:fleet.a.fallbacks[1].type`."""
    text = f"sophia:{shown_key(loc[0])}" if loc else ""
    for part in loc[1:]:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part and all(c.isalnum() or c in "-_" for c in part):
            text += f".{shown_key(part)}"
        else:
            text += f'["{shown_key(part)}"]'
    return text


def make_problem(file: str, finding: Conflict, line: int | None) -> Problem:
    """`finding` as a line of the report, the value hidden where it may be a secret."""
    names = [part for part in finding.loc if isinstance(part, str)]
    value = shown(finding.value, names[-1] if names else "")
    return Problem(
        file=file,
        key=key_path(finding.loc),
        line=line,
        value=HIDDEN if finding.refused.is_secret and value is not None else value,
        allowed=finding.refused.allowed,
        message=finding.refused.message,
    )


def shown_key(part: str | int) -> str:
    """A key for a message: shortened, and hidden when somebody pasted a secret there."""
    text = str(part)
    return HIDDEN if looks_like_secret(text) else text[:80]


def _explain_one(detail: ErrorDetails, root: type[BaseModel]) -> Iterator[Conflict]:
    loc = detail["loc"]
    value = detail["input"]
    if loc and loc[-1] == _KEY_MARK:
        loc = loc[:-1]
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, ConflictsFound):
        for conflict in cause.conflicts:
            yield Conflict((*loc, *conflict.loc), conflict.refused, conflict.value)
    elif isinstance(cause, Refused):
        yield Conflict(loc, cause, value)
    elif detail["type"] == "missing":
        field = _model_at(root, loc[:-1]).model_fields[str(loc[-1])]
        yield Conflict(loc, Refused(f"is missing ({_first_sentence(field.description)})"))
    elif detail["type"] == "extra_forbidden":
        known = list(_model_at(root, loc[:-1]).model_fields)
        hint = did_you_mean(str(loc[-1]), known)
        yield Conflict(loc, Refused(f"is not a known key{hint}", allowed=", ".join(known)))
    elif detail["type"] in _KIND_BY_ERROR:
        kind = _KIND_BY_ERROR[detail["type"]]
        message = f"is empty, and {kind} is expected here" if value is None else f"is not {kind}"
        yield Conflict(loc, Refused(message), value)
    else:
        yield Conflict(loc, Refused(f"is refused ({detail['type']})"), value)


def _model_at(root: type[BaseModel], loc: tuple[str | int, ...]) -> type[BaseModel]:
    annotation: Any = root
    for part in loc:
        if get_origin(annotation) is None:
            annotation = _bare(annotation.model_fields[part].annotation)
        else:
            arguments = get_args(annotation)
            annotation = _bare(arguments[1] if get_origin(annotation) is dict else arguments[0])
    model: type[BaseModel] = annotation
    return model


def _bare(annotation: Any) -> Any:
    """Without `Annotated` and without `| None`."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType):
            annotation = next(argument for argument in get_args(annotation) if argument is not type(None))
        else:
            return annotation


def _first_sentence(description: str | None) -> str:
    return (description or "").partition(". ")[0].rstrip(".")
