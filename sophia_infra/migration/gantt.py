"""The timeline as a picture: SVG text, no library, readable with and without colours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final
from xml.sax.saxutils import escape

from sophia_infra.migration.timeline import DAYS, Scheduled

__all__ = ["gantt_svg"]

_FIRST_DAY: Final = -6
_LEFT, _TOP, _DAY, _ROW, _RIGHT = 340, 84, 14, 24, 24
_FILLS: Final = {0: "#8a8f98", 1: "#2f6fb7", 2: "#2a8a5f", 3: "#b3622a"}
_LEGEND: Final = {0: "prepare, watch", 1: "phase 1", 2: "phase 2", 3: "phase 3"}


def gantt_svg(rows: Sequence[Scheduled], title: str) -> str:
    """One bar a row over a grid of weeks, each with its dates in a tooltip."""
    width = _LEFT + (DAYS - _FIRST_DAY + 1) * _DAY + _RIGHT
    height = _TOP + len(rows) * _ROW + 24
    start = next(row.first for row in rows if row.entry.days[0] == 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="system-ui, sans-serif" font-size="12" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="12" y="22" font-size="15" font-weight="600" fill="#1c1f24">{escape(title)}</text>',
        *_legend(),
        *_grid(height, start),
    ]
    for number, row in enumerate(rows):
        parts += _bar(row, _TOP + number * _ROW)
    return "\n".join([*parts, "</svg>", ""])


def _x(day: int) -> int:
    return _LEFT + (day - _FIRST_DAY) * _DAY


def _legend() -> list[str]:
    parts = []
    for number, (phase, words) in enumerate(_LEGEND.items()):
        x = 12 + number * 84 + (36 if phase else 0)
        parts.append(f'<rect x="{x}" y="36" width="12" height="12" rx="2" fill="{_FILLS[phase]}"/>')
        parts.append(f'<text x="{x + 17}" y="46" fill="#1c1f24">{words}</text>')
    return parts


def _grid(height: int, start: date) -> list[str]:
    parts = []
    for week in range(7):
        day = 1 + (week - 1) * 7
        when = (start + timedelta(days=day - 1)).strftime("%d %b")
        name = f"week {week}" if week else "before"
        parts.append(
            f'<line x1="{_x(day)}" y1="{_TOP - 8}" x2="{_x(day)}" y2="{height - 16}" stroke="#d5d9df"/>'
        )
        parts.append(f'<text x="{_x(day) + 4}" y="{_TOP - 26}" fill="#1c1f24">{name}</text>')
        parts.append(f'<text x="{_x(day) + 4}" y="{_TOP - 12}" fill="#5a616b">{when}</text>')
    return parts


def _bar(row: Scheduled, y: int) -> list[str]:
    first, last = row.entry.days
    label = escape(f"{row.entry.entry_id}  {row.entry.title}")
    dates = escape(f"{row.entry.entry_id} {row.entry.title}: {row.first} to {row.last}")
    width = (last - first + 1) * _DAY
    return [
        f'<text x="12" y="{y + 15}" fill="#1c1f24">{label}</text>',
        f'<rect x="{_x(first)}" y="{y + 4}" width="{width}" height="{_ROW - 9}" rx="3" '
        f'fill="{_FILLS[row.entry.phase]}"><title>{dates}</title></rect>',
    ]
