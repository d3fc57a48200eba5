"""What becomes of an expression in a world that is faster, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.monitoring.scaled_rules import NotScalable, scaled, scaled_duration, scaled_expression


@pytest.mark.parametrize(
    ("expr", "faster"),
    [
        ("sum(increase(x_total[1h])) > 10", "sum(increase(x_total[60000ms])) > 10"),
        ("max_over_time(x[1h30m:5m])", "max_over_time(x[90000ms:5000ms])"),
        ("x offset 1d > x offset -1d", "x offset 1440000ms > x offset -1440000ms"),
        ('x{window="5m",le="0.2"}', 'x{window="5m",le="0.2"}'),
        ("level:x5m:rate5m + x5m", "level:x5m:rate5m + x5m"),
        ("rate(x_total[5m]) > 3", "(rate(x_total[5000ms]) / 60) > 3"),
        ("deriv(x[1h])", "(deriv(x[60000ms]) / 60)"),
        ("predict_linear(x[6h], 4 * 3600) < 0", "predict_linear(x[360000ms], (4 * 3600) / 60) < 0"),
        ('predict_linear(x{a="1,2"}[6h], 60)', 'predict_linear(x{a="1,2"}[360000ms], (60) / 60)'),
        ("time() - x > 3600", "time() - x > ((3600) / 60)"),
        ("30 < x_age_seconds and y > 30", "((30) / 60) < x_age_seconds and y > 30"),
        ("(time() - max by (a) (x)) > (36 * 3600)", "(time() - max by (a) (x)) > (((36 * 3600)) / 60)"),
        ("x_latency_seconds > 2", "x_latency_seconds > 2"),
        ("rate # [5m] of it\n(x[5m])", "(rate(x[5000ms]) / 60)"),
    ],
)
def test_time_goes_faster_and_nothing_else_changes(expr: str, faster: str) -> None:
    assert scaled_expression(expr, 60) == faster


@pytest.mark.parametrize(
    ("expr", "why"),
    [
        ("x and on () hour() > 8", "asks for the calendar"),
        ("x / days_in_month()", "asks for the calendar"),
        ("time() - x > y", "not compared with a plain number"),
        ("x_age_seconds / 60", "not compared with a plain number"),
    ],
)
def test_what_cannot_be_translated_is_refused_with_the_rule_and_the_way_out(expr: str, why: str) -> None:
    rules = {"groups": [{"name": "g", "rules": [{"alert": "Odd", "expr": expr}]}]}
    with pytest.raises(NotScalable, match=rf"Odd: .*{why}.*rewrite="):
        scaled(rules, 60)


def test_a_rewritten_rule_is_trusted() -> None:
    rules = {"groups": [{"name": "g", "rules": [{"alert": "Odd", "expr": "time() - x > y and z[5m]"}]}]}
    made = scaled(rules, 60, rewrite={"Odd": {"> y": "> y / 60"}})
    assert made["groups"][0]["rules"][0]["expr"] == "time() - x > y / 60 and z[5000ms]"


def test_a_rewrite_that_meets_nothing_is_refused() -> None:
    rules = {"groups": [{"name": "g", "rules": [{"record": "a:b", "expr": "x"}]}]}
    with pytest.raises(NotScalable, match="a:b: 'y' is to be rewritten and is not in x"):
        scaled(rules, 60, rewrite={"a:b": {"y": "z"}})


def test_delays_and_intervals_go_faster_too() -> None:
    rule = {"alert": "A", "expr": "x", "for": "1h", "keep_firing_for": "10m", "labels": {"severity": "info"}}
    made = scaled({"groups": [{"name": "g", "interval": "2m", "rules": [rule]}]}, 60)
    assert made == {
        "groups": [
            {
                "name": "g",
                "interval": "2000ms",
                "rules": [{**rule, "for": "60000ms", "keep_firing_for": "10000ms"}],
            }
        ]
    }


@given(st.integers(1, 10_000), st.sampled_from("smhdw"), st.sampled_from([1, 2, 10, 60, 360]))
def test_a_duration_is_divided(count: int, unit: str, factor: int) -> None:
    sizes = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
    expected_ms = count * sizes[unit] * 1_000 / factor
    assert abs(int(scaled_duration(f"{count}{unit}", factor).removesuffix("ms")) - expected_ms) <= 1


def test_nothing_becomes_no_time_at_all() -> None:
    assert scaled_duration("1s", 1e9) == "1ms"
    assert scaled_duration("0s", 60) == "0s"
