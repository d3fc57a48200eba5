"""The page as text: whole, the same for the same figures, and never the markup of others."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser

import matplotlib
import pytest

from sophia_infra.reports.errors import OutputRefused
from sophia_infra.reports.figures import known, unknown
from sophia_infra.reports.history import no_history
from sophia_infra.reports.rendering import render_report
from tests.unit.reports.figures import EVIL, NOTHING, NOW_S, a_history, a_machine, a_snapshot, with_everything

MIB = 1024 * 1024
VOID = {"meta", "link", "br", "path", "use", "rect", "circle"}


class Page(HTMLParser):
    """Elements of a page, checked for being closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def full() -> str:
    return render_report(*with_everything())


def test_the_same_figures_give_the_same_page(full: str) -> None:
    assert render_report(*with_everything()) == full


def test_settings_of_the_users_own_matplotlib_change_nothing(full: str) -> None:
    with matplotlib.rc_context({"axes.labelsize": 20, "lines.markersize": 9, "axes.xmargin": 0.3}):
        assert render_report(*with_everything()) == full


def test_it_is_whole_and_small(full: str) -> None:
    page = Page(full)
    assert len(full.encode()) < MIB
    assert not page.of("script") + page.of("iframe") + page.of("img") + page.of("object") + page.of("form")
    assert [row["href"] for row in page.of("link")] == ["data:,"]
    policy = next(row["content"] for row in page.of("meta") if row.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline';")
    assert "url(http" not in full
    assert "@import" not in full
    assert "@font-face" not in full


def test_texts_of_machines_people_and_services_are_never_markup(full: str) -> None:
    page = Page(full)
    assert EVIL not in full
    assert EVIL in page.text
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    links = [row["href"] for row in page.of("a") if not str(row["href"]).startswith("#")]
    assert links == ['https://example.com/"onload="x']


def test_ids_are_unique_and_what_is_named_by_id_is_there(full: str) -> None:
    page = Page(full)
    ids = [str(row["id"]) for _, row in page.elements if "id" in row]
    assert len(ids) == len(set(ids))
    named = re.findall(r"(?:href=\"#|url\(#)([^\")]+)", full)
    for _, attributes in page.elements:
        named += str(attributes.get("aria-labelledby") or "").split()
    assert set(named) <= set(ids)
    assert len(named) > 50


def test_tables_have_captions_and_their_headers_a_scope(full: str) -> None:
    page = Page(full)
    assert len(page.of("caption")) == len(page.of("table")) == 9
    assert all(row.get("scope") in ("col", "row") for row in page.of("th"))
    plots = [row for row in page.of("svg") if row.get("role") == "img"]
    assert len(plots) == 6
    assert all(row["aria-labelledby"] for row in plots)
    assert len(page.of("details")) == 3
    assert "$x$" in page.text


def test_plots_have_the_pages_colours_alone(full: str) -> None:
    plots = "".join(re.findall(r"<svg.*?</svg>", full, flags=re.DOTALL))
    assert re.findall(r"#[0-9a-f]{6}\b", plots) == []
    assert "var(--series-1)" in plots
    assert re.findall(r"font[^;]*Sans", plots) == []
    assert "font-family: var(--font)" in plots


def test_stray_dollars_come_before_everything(full: str) -> None:
    text = Page(full).text
    stray = "2 machines of no stack file cost $2.58/h."
    assert text.index(stray) < text.index("Runs now")
    assert text.index("Burns fires") < text.index("Runs now")


@pytest.mark.parametrize(
    ("budget_usd", "spent_usd", "says"),
    [
        ("6000", "10", None),
        ("320", "10", "above the 80 % from which to warn"),
        ("250", "10", "ends above its budget"),
        ("5", "10", "budget is spent"),
    ],
)
def test_the_budget_is_judged_in_words(budget_usd: str, spent_usd: str, says: str | None) -> None:
    snapshot = a_snapshot(a_machine(1), budget_usd=budget_usd, spent_usd=spent_usd)
    text = Page(render_report(snapshot, no_history(1, NOTHING))).text
    assert ("budget" in text.split("Runs now")[0].split("Headline")[-1]) is (says is not None)
    assert says is None or says in text


def test_what_is_not_known_reads_so_and_is_never_0() -> None:
    snapshot = a_snapshot(
        fleet=unknown("the cloud is away"), month=unknown("nobody knows"), forecast=unknown("no fleet")
    )
    page = Page(render_report(snapshot, no_history(7, NOTHING)))
    assert page.of("svg") == []
    assert "$0" not in page.text.split("The plan's figures")[0]
    assert "0 %" not in page.text.split("The plan's figures")[0]
    for missing in ("the cloud is away", "nobody knows", "no fleet", NOTHING):
        assert missing in page.text.rpartition("does not know")[2]
    assert "? machines at ? $/h" in page.text


def test_an_account_without_machines_and_alerts_says_so() -> None:
    snapshot = a_snapshot(spent_usd="0", alerts=known((), "Prometheus", NOW_S))
    text = Page(render_report(snapshot, no_history(1, NOTHING))).text
    assert "The account runs no machines." in text
    assert "No alert is active." in text
    assert "0 machines at $0.00/h" in text


def test_a_fleet_of_64_gpus_stays_readable_and_small() -> None:
    text = render_report(*with_everything(gpus=64))
    assert len(text.encode()) < MIB
    assert "lowest to highest of 64" in text


def test_machines_that_do_not_run_and_unrecorded_launches_are_named() -> None:
    snapshot = a_snapshot(a_machine(1))
    fleet = snapshot.fleet.value
    assert fleet is not None
    fleet = replace(fleet, missing=("gone-1", "gone-2"), unrecorded=("machine-1",))
    text = Page(render_report(replace(snapshot, fleet=known(fleet, "x", NOW_S)), a_history())).text
    assert "In the stack file and not running: gone-1, gone-2." in text
    assert "Nobody recorded the launch of machine-1" in text


def test_a_last_day_of_the_month_and_a_single_day_of_history() -> None:
    history = a_history()
    assert history.cost.value is not None
    one = replace(history, days=1, cost=known(history.cost.value[-1:], "x", NOW_S))
    assert "$176.40" in render_report(a_snapshot(a_machine(1, usd_per_hour=Decimal("7.35"))), one)


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(OutputRefused, match=r"install sophia-infra\[plot\]"):
        render_report(a_snapshot(a_machine(1)), no_history(1, NOTHING))
