"""Which metrics and labels a PromQL expression asks for, by its tokens. Enough for lints, no evaluation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from sophia_infra.monitoring.inventory import Metric

__all__ = [
    "TARGET_LABELS",
    "Grouping",
    "Selector",
    "groupings",
    "made_labels",
    "metric_names",
    "scraped_labels",
    "selectors",
]

TARGET_LABELS: Final = frozenset({"namespace", "pod", "service", "container", "endpoint", "instance", "job"})
"""What a ServiceMonitor gives every series of its targets."""

_HONOURED: Final = frozenset({"kube-state-metrics", "cadvisor", "kubelet", "dcgm-exporter"})
"""Exporters whose own labels win over those of the target (honorLabels)."""

_WITH_NODE: Final = frozenset({"node-exporter", "cadvisor", "kubelet", "dcgm-exporter"})

_OF_ANY_TARGET: Final = frozenset({"up", "scrape_duration_seconds", "scrape_samples_scraped"})
"""Made by Prometheus for each target, those of `_WITH_NODE` among them."""

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
      | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
      | (?P<range>\[[^\]]*\])
      | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?[a-zA-Z\d]*)
      | (?P<word>[a-zA-Z_:][a-zA-Z0-9_:]*)
      | (?P<mark>=~|!~|!=|==|<=|>=|.)""",
    re.VERBOSE | re.DOTALL,
)
_GROUPINGS: Final = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_KEYWORDS: Final = _GROUPINGS | {"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"}
_AGGREGATIONS: Final = frozenset(
    {"sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "topk", "bottomk", "quantile"}
    | {"count_values"}
)

GroupingKind = Literal["by", "without", "on", "ignoring", "group_left", "group_right"]


@dataclass(frozen=True, slots=True)
class Selector:
    """One choice of series. `labels` are those that its matchers name."""

    metric: str
    labels: frozenset[str]


@dataclass(frozen=True, slots=True)
class Grouping:
    """One list of labels, and the metrics under the aggregation it belongs to (of a join: all of them)."""

    kind: GroupingKind
    labels: tuple[str, ...]
    metrics: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


def metric_names(expr: str) -> frozenset[str]:
    """Names of all series that `expr` reads; "" stands for a selector that names none."""
    return frozenset(selector.metric for selector in selectors(expr))


def selectors(expr: str) -> tuple[Selector, ...]:
    """Every choice of series in `expr`, in order."""
    return tuple(selector for _, selector in _selectors(_tokens(expr)))


def groupings(expr: str) -> tuple[Grouping, ...]:
    """Every `by`, `on`, `group_left` and so on with a list, in order."""
    tokens = _tokens(expr)
    chosen = _selectors(tokens)
    everything = frozenset(selector.metric for _, selector in chosen)
    found = []
    for position, token in enumerate(tokens):
        word = token.text.lower()
        if token.kind != "word" or word not in _GROUPINGS or _text_at(tokens, position + 1) != "(":
            continue
        end = _closing(tokens, position + 1)
        labels = tuple(t.text for t in tokens[position + 2 : end] if t.kind == "word")
        metrics = everything
        if word in ("by", "without"):
            first, last = _operand(tokens, position, end)
            metrics = frozenset(selector.metric for at, selector in chosen if first < at < last)
        found.append(Grouping(word, labels, metrics))  # type: ignore[arg-type]
    return tuple(found)


def made_labels(expr: str) -> frozenset[str]:
    """Labels that `label_replace`, `label_join` and `count_values` in `expr` make."""
    tokens = _tokens(expr)
    made = set()
    for position, token in enumerate(tokens):
        if token.kind != "word" or _text_at(tokens, position + 1) != "(":
            continue
        inside = tokens[position + 2 : _closing(tokens, position + 1)]
        if token.text in ("label_replace", "label_join"):
            made.add(_unquoted(_second_argument(inside)))
        elif token.text == "count_values":
            made.add(_unquoted(inside[0].text))
    return frozenset(made)


def scraped_labels(metric: Metric) -> frozenset[str]:
    """The labels of a metric in Prometheus: its own, and the target's.

    Where the exporter's labels do not win, its own label of the same name as one of the target becomes
    `exported_<name>` (Prometheus, scrape_config honor_labels).
    """
    own = frozenset(metric.labels)
    if metric.exporter not in _HONOURED:
        own = frozenset(f"exported_{label}" if label in TARGET_LABELS else label for label in own)
    extra = {"le"} if metric.type == "histogram" else set()
    if metric.exporter in _WITH_NODE or metric.name in _OF_ANY_TARGET:
        extra |= {"node", "metrics_path"}
    return own | TARGET_LABELS | extra


def _tokens(expr: str) -> list[_Token]:
    found = (_Token(str(match.lastgroup), match.group()) for match in _TOKEN.finditer(expr))
    return [token for token in found if token.kind != "space"]


def _selectors(tokens: list[_Token]) -> list[tuple[int, Selector]]:
    """Position of its first token -> selector."""
    found: list[tuple[int, Selector]] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        after = _text_at(tokens, position + 1)
        is_list = token.kind == "word" and token.text.lower() in _GROUPINGS and after == "("
        if is_list:
            position = _closing(tokens, position + 1) + 1
            continue
        if _is_metric(token, after, _text_at(tokens, position - 1)) or token.text == "{":
            start = position if token.text == "{" else position + 1
            labels, position_after = _matchers(tokens, start)
            found.append((position, Selector("" if token.text == "{" else token.text, labels)))
            position = position_after
            continue
        position += 1
    return found


def _is_metric(token: _Token, after: str, before: str) -> bool:
    if token.kind != "word" or after == "(" or before == "@":
        return False
    word = token.text.lower()
    is_aggregation = word in _AGGREGATIONS and after.lower() in ("by", "without")
    return word not in _KEYWORDS and not is_aggregation


def _matchers(tokens: list[_Token], position: int) -> tuple[frozenset[str], int]:
    """Names in the braces at `position`, and the position behind them; none where there are no braces."""
    if _text_at(tokens, position) != "{":
        return frozenset(), position
    end = _closing(tokens, position)
    inside = tokens[position + 1 : end]
    return frozenset(token.text for token in inside if token.kind == "word"), end + 1


def _operand(tokens: list[_Token], word: int, end: int) -> tuple[int, int]:
    """First and last token of what is aggregated: the brackets behind the list, or those before the word."""
    if _text_at(tokens, end + 1) == "(":
        return end + 1, _closing(tokens, end + 1)
    depth = 0
    for position in range(word - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(tokens[position].text, 0)
        if depth == 0:
            return position, word - 1
    return 0, word


def _closing(tokens: list[_Token], opening: int) -> int:
    """Position of the bracket that closes the one at `opening`; the end where none does."""
    depth = 0
    for position in range(opening, len(tokens)):
        text = tokens[position].text
        depth += (text in "({") - (text in ")}") if tokens[position].kind == "mark" else 0
        if depth == 0:
            return position
    return len(tokens)


def _text_at(tokens: list[_Token], position: int) -> str:
    return tokens[position].text if 0 <= position < len(tokens) else ""


def _second_argument(tokens: list[_Token]) -> str:
    depth = 0
    for position, token in enumerate(tokens):
        if token.kind != "mark":
            continue
        depth += (token.text in "({") - (token.text in ")}")
        if token.text == "," and depth == 0:
            return _text_at(tokens, position + 1)
    return ""


def _unquoted(text: str) -> str:
    return text[1:-1]
