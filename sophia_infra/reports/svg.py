"""A matplotlib figure as SVG that belongs into a page: its colours are the page's, its text is text."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from sophia_infra.reports.errors import OutputRefused

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["GRID", "INK", "MUTED", "SERIES", "WARN", "draw_svg"]

INK, MUTED, GRID, WARN = "#010101", "#010102", "#010103", "#010104"
"""Stand-ins that `draw_svg` replaces: colours of the page, which change with its theme."""

SERIES: Final = ("#020201", "#020202", "#020203", "#020204", "#020205", "#020206")

_VARIABLES: Final = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    WARN: "--warn",
    **{stand_in: f"--series-{number}" for number, stand_in in enumerate(SERIES, start=1)},
}

_SETTINGS: Final[dict[str, Any]] = {
    "svg.fonttype": "none",
    # The same figures give the same file.
    "svg.hashsalt": "sophia",
    # Names of nodes may hold dollar signs.
    "text.parse_math": False,
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
}


def draw_svg(
    name: str, title: str, description: str, size_in: tuple[float, float], draw: Callable[[Axes], None]
) -> str:
    """Draw, and return one `<svg>` element to stand in a page.

    Args:
        name: unique in the page: all ids begin with it.
        title, description: what a screen reader says of it.
        size_in: width and height in inches; text has 9 points, so this is also how large text looks.

    Raises:
        OutputRefused: matplotlib is not installed.
    """
    try:
        from matplotlib import style
        from matplotlib.figure import Figure
    except ImportError:
        raise OutputRefused(
            "Drawing the report needs matplotlib.", next_step="install sophia-infra[plot]."
        ) from None
    stream = io.StringIO()
    # After a reset: a matplotlibrc of the user's would give another file.
    with style.context(_SETTINGS, after_reset=True):
        figure = Figure(figsize=size_in, layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.subplots()
        axes.patch.set_alpha(0)
        draw(axes)
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return _for_page(stream.getvalue(), name, title, description)


def _for_page(svg: str, name: str, title: str, description: str) -> str:
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\sid=\"([^\"]+)\"", rf' id="{name}-\1"', svg)
    svg = re.sub(r"(href=\"|url\()#", rf"\1#{name}-", svg)
    svg = re.sub(r"font-family: [^;\"]*", "font-family: var(--font)", svg)
    for stand_in, variable in _VARIABLES.items():
        svg = svg.replace(stand_in, f"var({variable})")
    svg = re.sub(r"\n\s*", "\n", svg)
    view = re.search(r"viewBox=\"[^\"]+\"", svg)
    if view is None:
        raise ValueError("an SVG without a viewBox")
    head = (
        f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" {view.group()} role="img" '
        f'aria-labelledby="{name}-title {name}-description">\n'
        f'<title id="{name}-title">{html.escape(title)}</title>\n'
        f'<desc id="{name}-description">{html.escape(description)}</desc>'
    )
    return head + svg[svg.index(">") + 1 :]
