"""A platform of numbers: pages of series that follow lines, as a history, as live pages, and for promtool.

`tests.monitoring.healthy` makes the one of stack `local`; knobs here make parts of it sick.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.monitoring.prometheus import Target

__all__ = ["Line", "LivePlatform", "Page", "Platform", "Series", "age", "constant", "moment", "serve"]


@dataclass(frozen=True, slots=True)
class Line:
    """A value over time: `base` at the origin of the platform, then `per_s` more each second.

    Attributes:
        is_moment: the value is a time; `base` is then counted from the origin.
    """

    base: float
    per_s: float = 0.0
    is_moment: bool = False

    def at(self, now_s: float, origin_s: float) -> float:
        return self.base + self.per_s * (now_s - origin_s) + (origin_s if self.is_moment else 0.0)


def constant(value: float) -> Line:
    return Line(value)


def moment(before_origin_s: float) -> Line:
    """A time that stays: so many seconds before the origin (negative: after it)."""
    return Line(-before_origin_s, is_moment=True)


def age(seconds: float) -> Line:
    """A time that goes with the clock: always so many seconds ago (negative: ahead)."""
    return Line(-seconds, 1.0, is_moment=True)


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a page."""

    name: str
    labels: Mapping[str, str]
    line: Line


@dataclass(frozen=True, slots=True)
class Page:
    """What one target serves.

    Attributes:
        labels: of the target, `instance` among them.
        honor_labels: whether the series' own labels win over those of the target.
        path: of the page, where a target has several.
    """

    job: str
    labels: Mapping[str, str]
    series: tuple[Series, ...]
    honor_labels: bool = False
    path: str = "/metrics"
    is_up: bool = True

    def scraped(self, series: Series) -> dict[str, str]:
        """Labels of a series as Prometheus stores them."""
        target = {"job": self.job, **self.labels}
        if self.honor_labels:
            # An empty label counts as absent, and still wins over the target's.
            return {key: value for key, value in {**target, **series.labels}.items() if value}
        own = {f"exported_{key}" if key in target else key: value for key, value in series.labels.items()}
        return {**target, **{key: value for key, value in own.items() if value}}

    def text(self, now_s: float, origin_s: float) -> str:
        """The page as it is scraped."""
        return "".join(
            f"{one.name}{_written(one.labels)} {one.line.at(now_s, origin_s)!r}\n" for one in self.series
        )


@dataclass(frozen=True)
class Platform:
    """Everything that is scraped.

    Attributes:
        origin_s: seconds since 1970 from which lines count; 0 for promtool, whose time begins there.
    """

    pages: tuple[Page, ...]
    origin_s: float = 0.0

    def stored(self) -> Iterator[tuple[str, dict[str, str], Line]]:
        """Every series as Prometheus stores it, `up` of each target among them: (name, labels, line)."""
        for page in self.pages:
            yield "up", {"job": page.job, **page.labels}, constant(float(page.is_up))
            if page.is_up:
                for series in page.series:
                    yield series.name, page.scraped(series), series.line

    def with_line(self, name: str, line: Line, /, **labels: str) -> Platform:
        """Another line for every series of this name whose stored labels have these values."""
        return self._changed(name, labels, lambda series: [dataclasses.replace(series, line=line)])

    def with_rate(self, name: str, per_s: float, at_s: float, /, **labels: str) -> Platform:
        """Counters that go on from their value at `at_s` with another rate."""

        def bent(series: Series) -> list[Series]:
            reached = series.line.at(at_s, self.origin_s)
            base = reached - per_s * (at_s - self.origin_s)
            return [dataclasses.replace(series, line=Line(base, per_s))]

        return self._changed(name, labels, bent)

    def without(self, name: str, /, **labels: str) -> Platform:
        """Those series are gone."""
        return self._changed(name, labels, lambda series: [])

    def down(self, **labels: str) -> Platform:
        """Targets with these labels do not answer."""
        pages = tuple(
            dataclasses.replace(page, is_up=False)
            if _matches({"job": page.job, **page.labels}, labels)
            else page
            for page in self.pages
        )
        assert pages != self.pages, f"no target has {labels}"
        return dataclasses.replace(self, pages=pages)

    def openmetrics(self, file: Path, start_s: float, end_s: float, step_s: int) -> None:
        """Write a history: a sample every `step_s` seconds, both ends included."""
        moments = [start_s + step_s * number for number in range(int((end_s - start_s) / step_s) + 1)]
        with file.open("w", encoding="utf-8") as out:
            for name, labels, line in self.stored():
                series = f"{name}{_written(labels)}"
                out.writelines(f"{series} {line.at(now, self.origin_s)!r} {now:.3f}\n" for now in moments)
            out.write("# EOF\n")

    def promtool_series(self, step_s: int, samples: int) -> list[dict[str, str]]:
        """`input_series` of a promtool test, which begins at second 0."""
        assert self.origin_s == 0, "promtool's time begins at 0"
        return [
            {
                "series": f"{name}{_written(labels)}",
                "values": f"{line.base:.9g}{line.per_s * step_s:+.9g}x{samples}",
            }
            for name, labels, line in self.stored()
        ]

    def _changed(
        self, name: str, labels: Mapping[str, str], change: Callable[[Series], Iterable[Series]]
    ) -> Platform:
        touched = 0
        pages = []
        for page in self.pages:
            kept: list[Series] = []
            for series in page.series:
                if series.name == name and _matches(page.scraped(series), labels):
                    touched += 1
                    kept.extend(change(series))
                else:
                    kept.append(series)
            pages.append(dataclasses.replace(page, series=tuple(kept)))
        assert touched, f"no series {name} has {labels}"
        return dataclasses.replace(self, pages=tuple(pages))


@dataclass
class LivePlatform:
    """A running server of pages. `platform` may be replaced at any time."""

    platform: Platform
    address: str = ""
    targets: tuple[Target, ...] = field(default=())


@contextlib.contextmanager
def serve(platform: Platform, clock: Callable[[], float] = time.time) -> Iterator[LivePlatform]:
    """Serve every page on loopback; a target that is down answers 503.

    A replaced platform has to keep its pages, in their order: they are what the targets point at.
    """
    live = LivePlatform(platform)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            page = live.platform.pages[int(self.path.split("/")[1])]
            body = page.text(clock(), live.platform.origin_s).encode() if page.is_up else b"down\n"
            self.send_response(200 if page.is_up else 503)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silent: a scrape a second for each target."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        live.address = f"http://127.0.0.1:{server.server_port}"
        live.targets = tuple(
            Target(page.job, f"{live.address}/{number}{page.path}", page.labels, page.honor_labels)
            for number, page in enumerate(platform.pages)
        )
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield live
        finally:
            server.shutdown()
            thread.join()


def _matches(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(key, "") == value for key, value in wanted.items())


def _written(labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{key}="{_escaped(value)}"' for key, value in sorted(labels.items()))
    return f"{{{inside}}}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
