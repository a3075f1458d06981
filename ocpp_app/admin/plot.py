"""A step curve as SVG, drawn by the server: no script, no style, nothing to load."""

from collections.abc import Sequence

from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join

from ocpp_app.admin.display import EMPTY

WIDTH, HEIGHT = 640, 160
LEFT, BOTTOM, TOP = 60, 20, 10
TICKS = 6


def plot(steps: Sequence[tuple[float, float]], end_s: float, unit: str) -> str:
    """The limits from second 0 to ``end_s``; each step is (second, limit) and lasts until the next."""
    if not steps or end_s <= 0:
        return EMPTY
    highest = max(limit for _second, limit in steps) or 1.0

    def x(second: float) -> float:
        return round(LEFT + min(second, end_s) / end_s * (WIDTH - LEFT), 1)

    def y(limit: float) -> float:
        return round(TOP + (1 - limit / highest) * (HEIGHT - TOP - BOTTOM), 1)

    points = []
    for index, (second, limit) in enumerate(steps):
        until = steps[index + 1][0] if index + 1 < len(steps) else end_s
        points += [(x(second), y(limit)), (x(until), y(limit))]
    path = " ".join(f"{across},{down}" for across, down in points)
    ticks = format_html_join(
        "",
        '<text x="{}" y="{}" font-size="11" fill="currentColor" text-anchor="{}">{}</text>',
        (
            (x(end_s * tick / TICKS), HEIGHT - 4, "start" if tick == 0 else "end" if tick == TICKS else "middle",
             _clock(end_s * tick / TICKS))
            for tick in range(TICKS + 1)
        ),
    )  # fmt: skip
    limits = format_html_join(
        "",
        '<text x="{}" y="{}" font-size="11" fill="currentColor" text-anchor="end">{} {}</text>',
        ((LEFT - 6, y(limit) + 4, number_format(limit), unit) for limit in sorted({limit for _s, limit in steps})[-4:]),
    )
    return format_html(
        '<svg class="ocpp-plot" width="{}" height="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '<line x1="{}" y1="{}" x2="{}" y2="{}" stroke="currentColor" stroke-opacity="0.3"/>'
        '<polyline points="{}" fill="none" stroke="#1a5fb4" stroke-width="2"/>{}{}</svg>',
        *(WIDTH, HEIGHT, WIDTH, HEIGHT, _in_words(steps, unit)),
        *(LEFT, HEIGHT - BOTTOM, WIDTH, HEIGHT - BOTTOM, path, ticks, limits),
    )


def _clock(second: float) -> str:
    hours, rest = divmod(round(second), 3600)
    return f"{hours}:{rest // 60:02}"


def _in_words(steps: Sequence[tuple[float, float]], unit: str) -> str:
    return "; ".join(f"{_clock(second)}: {limit:g} {unit}" for second, limit in steps[:50])
