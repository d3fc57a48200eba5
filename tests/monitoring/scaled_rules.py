"""Rules of a world whose clock runs faster: a rule file in which an hour is a minute.

`scaled(rule_file, 60)` is for series that also live 60 times faster: a counter that grows by 12 in a real
hour grows by 12 in a minute. What changes:

- ranges, subqueries and offsets, `for`, `keep_firing_for` and intervals of groups are divided by the factor;
- the results of rate, irate and deriv are divided too: a second of the rule's author is 1/60 s here;
- the horizon of predict_linear is divided;
- a plain number that is compared with an age, an operand with `time()`, `timestamp()` or a name that ends in
  `_age_seconds`, is divided.

What it cannot know: whether another gauge or histogram of seconds is a time of that world or, like a latency,
a measured value (it stays as it is); and what a calendar (`hour()`, `day_of_month()`, ...) means there. What
asks for the calendar, and ages that are compared with anything but a plain number, are refused. `rewrite` is
the way out: new text for parts of one rule, after which nothing of that rule is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = ["NotScalable", "scaled", "scaled_duration", "scaled_expression"]

_UNITS_MS: Final = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
    "y": 31_536_000_000,
}
_DURATION: Final = re.compile(r"(?:\d+(?:ms|[smhdwy]))+")
_DURATION_PART: Final = re.compile(r"(\d+)(ms|[smhdwy])")
_TOKEN: Final = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`)
    |(?P<comment>\#[^\n]*)
    |(?P<range>\[[^\]]*\])
    |(?P<duration>(?:\d+(?:ms|[smhdwy]))+(?![a-zA-Z0-9_]))
    |(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)
    |(?P<word>[a-zA-Z_:][a-zA-Z0-9_:]*)
    |(?P<compare>[=!><]=|=~|!~|>|<)
    |(?P<space>\s+)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_PER_SECOND: Final = frozenset({"rate", "irate", "deriv"})
_AGES: Final = frozenset({"time", "timestamp"})
_CALENDAR: Final = frozenset(
    {"minute", "hour", "day_of_week", "day_of_month", "day_of_year", "days_in_month", "month", "year"}
)
_BOUNDARIES: Final = frozenset({"and", "or", "unless"})
_COMPARISONS: Final = frozenset({">", "<", ">=", "<=", "==", "!="})

_Token = tuple[str, str]


class NotScalable(ValueError):
    """An expression says something about the clock that cannot be translated by rule."""


def scaled(
    rule_file: Mapping[str, Any], factor: float, *, rewrite: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, Any]:
    """The rule file of a world that is `factor` times faster.

    Args:
        rewrite: name of a rule -> parts of its expression -> new text, put in before scaling.

    Raises:
        NotScalable: with the name of the rule and what to rewrite; also when a part to rewrite is not there.
    """
    rewrite = rewrite or {}
    groups = []
    for group in rule_file["groups"]:
        changed = {**group, "rules": [_scaled_rule(rule, factor, rewrite) for rule in group["rules"]]}
        if "interval" in group:
            changed["interval"] = scaled_duration(group["interval"], factor)
        groups.append(changed)
    return {**rule_file, "groups": groups}


def scaled_duration(text: str, factor: float) -> str:
    """A duration divided by factor, rounded to whole milliseconds and never nothing."""
    total = sum(int(count) * _UNITS_MS[unit] for count, unit in _DURATION_PART.findall(text))
    return f"{max(1, round(total / factor))}ms" if total else text


def scaled_expression(expr: str, factor: float, *, trusted: bool = False) -> str:
    """An expression of a world that is `factor` times faster.

    Args:
        trusted: do not refuse what says something about the clock.

    Raises:
        NotScalable: see the module.
    """
    tokens = [(match.lastgroup or "", match.group()) for match in _TOKEN.finditer(expr)]
    tokens = _scale_compared_ages(tokens, factor, trusted=trusted)
    return _written(tokens, factor)


def _scaled_rule(
    rule: Mapping[str, Any], factor: float, rewrite: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    name = rule.get("alert") or rule["record"]
    expr = rule["expr"]
    for part, text in rewrite.get(name, {}).items():
        if part not in expr:
            raise NotScalable(f"{name}: {part!r} is to be rewritten and is not in {expr}")
        expr = expr.replace(part, text)
    try:
        expr = scaled_expression(expr, factor, trusted=name in rewrite)
    except NotScalable as error:
        raise NotScalable(f"{name}: {error}; give its new text as rewrite={{{name!r}: {{...}}}}") from None
    durations = {key: scaled_duration(rule[key], factor) for key in ("for", "keep_firing_for") if key in rule}
    return {**rule, "expr": expr, **durations}


def _written(tokens: Sequence[_Token], factor: float) -> str:
    """The text of tokens, with durations, rates and horizons divided."""
    out: list[str] = []
    index = 0
    while index < len(tokens):
        kind, text = tokens[index]
        opening = _next_solid(tokens, index)
        is_call = kind == "word" and opening is not None and tokens[opening][1] == "("
        if is_call and opening is not None and text in _PER_SECOND:
            closing = _closing(tokens, opening)
            out.append(f"({text}({_written(tokens[opening + 1 : closing], factor)}) / {factor:g})")
            index = closing + 1
        elif is_call and opening is not None and text == "predict_linear":
            closing = _closing(tokens, opening)
            comma = _last_comma(tokens, opening, closing)
            series = _written(tokens[opening + 1 : comma], factor)
            horizon = _written(tokens[comma + 1 : closing], factor).strip()
            out.append(f"{text}({series}, ({horizon}) / {factor:g})")
            index = closing + 1
        else:
            if kind in {"range", "duration"}:
                text = _DURATION.sub(lambda found: scaled_duration(found.group(), factor), text)
            out.append(text)
            index += 1
    return "".join(out)


def _scale_compared_ages(tokens: list[_Token], factor: float, *, trusted: bool) -> list[_Token]:
    """Divide plain numbers that are compared with ages."""
    result = list(tokens)
    translated: set[int] = set()
    for index, (kind, text) in enumerate(tokens):
        if kind != "compare" or text not in _COMPARISONS:
            continue
        left, right = _operand(tokens, index, -1), _operand(tokens, index, +1)
        for age, number in ((left, right), (right, left)):
            if _ages_in(tokens, age) and _is_number(tokens, number):
                solid = [place for place in number if tokens[place][0] != "space"]
                result[solid[0]] = ("other", f"(({tokens[solid[0]][1]}")
                last = result[solid[-1]][1]
                result[solid[-1]] = ("other", f"{last}) / {factor:g})")
                translated.update(_ages_in(tokens, age))
    if not trusted:
        _refuse_clocks(tokens, translated)
    return result


def _refuse_clocks(tokens: Sequence[_Token], translated: set[int]) -> None:
    for index, (kind, text) in enumerate(tokens):
        if kind != "word":
            continue
        opening = _next_solid(tokens, index)
        is_call = opening is not None and tokens[opening][1] == "("
        if is_call and text in _CALENDAR:
            raise NotScalable(f"{text}() asks for the calendar")
        if index in _ages_in(tokens, [index]) and index not in translated:
            raise NotScalable(f"{text} is an age that is not compared with a plain number")


def _ages_in(tokens: Sequence[_Token], places: Sequence[int]) -> list[int]:
    found = []
    for place in places:
        kind, text = tokens[place]
        opening = _next_solid(tokens, place)
        is_call = opening is not None and tokens[opening][1] == "("
        if kind == "word" and ((is_call and text in _AGES) or text.endswith("_age_seconds")):
            found.append(place)
    return found


def _is_number(tokens: Sequence[_Token], places: Sequence[int]) -> bool:
    solid = [tokens[place] for place in places if tokens[place][0] != "space"]
    plain = all(kind == "number" or text in {"+", "-", "*", "/", "(", ")"} for kind, text in solid)
    return plain and any(kind == "number" for kind, _ in solid)


def _operand(tokens: Sequence[_Token], at: int, step: int) -> list[int]:
    """Places of the operand on one side of a comparison: up to and, or, unless, a comparison or a bracket."""
    places: list[int] = []
    depth = 0
    opens, closes = ("(", ")") if step > 0 else (")", "(")
    index = at + step
    while 0 <= index < len(tokens):
        kind, text = tokens[index]
        if text == opens:
            depth += 1
        elif text == closes:
            if depth == 0:
                break
            depth -= 1
        elif depth == 0 and (text in _BOUNDARIES or (kind == "compare" and text in _COMPARISONS)):
            break
        places.append(index)
        index += step
    return sorted(places)


def _next_solid(tokens: Sequence[_Token], index: int) -> int | None:
    for place in range(index + 1, len(tokens)):
        if tokens[place][0] not in {"space", "comment"}:
            return place
    return None


def _closing(tokens: Sequence[_Token], opening: int) -> int:
    depth = 0
    for place in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[place][1], 0)
        if depth == 0:
            return place
    raise NotScalable("brackets do not match")


def _last_comma(tokens: Sequence[_Token], opening: int, closing: int) -> int:
    depth = 0
    found = None
    for place in range(opening + 1, closing):
        text = tokens[place][1]
        depth += {"(": 1, ")": -1, "{": 1, "}": -1}.get(text, 0)
        if text == "," and depth == 0:
            found = place
    if found is None:
        raise NotScalable("predict_linear without a horizon")
    return found
