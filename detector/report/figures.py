"""Pictures of the report, as inline SVG: no script, no style of their own, readable at the width of a phone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from detector.report.words import NARROW, Language, decimal, number

WIDTH, HEIGHT = 360, 132
LEFT, RIGHT, TOP, BOTTOM = 40, 4, 8, 18
GAP = 1.5
WIDEST = 40
"""A bar alone is a bar, and no wall."""
MILLION = 1_000_000


class Bar(NamedTuple):
    """One bar.

    value
        Its height; None where nothing is known, which is drawn as such.
    low, high
        The usual band at its place; None where none is known.
    label
        What stands under it; empty: nothing.
    told
        What a pointer, or a screen reader, is told of it.
    marked
        It is the one that the picture is about.
    hollow
        Only its outline is drawn: it is no part of what the others are compared with.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    label: str = ""
    told: str = ""
    marked: bool = False
    hollow: bool = False


def draw_bars(bars: Sequence[Bar], *, title: str, name: str, language: Language = "en") -> Markup:
    """Bars over their usual band.

    Parameters
    ----------
    bars
        From left to right.
    title
        What the picture shows and tells, in a sentence.
    name
        An id that no other picture of the page has.
    language
        Of the numbers at the axis.
    """
    highest = max((v for bar in bars for v in (bar.value, bar.high) if v is not None), default=0.0)
    top = _nice(highest)
    step = (WIDTH - LEFT - RIGHT) / max(len(bars), 1)
    parts = [*_axis(top, language)]
    for place, bar in enumerate(bars):
        parts += _bar(bar, LEFT + place * step, step, top=top)
    body = Markup("").join(parts)
    return Markup(
        '<svg viewBox="0 0 {w} {h}" role="img" aria-labelledby="{name}"><title id="{name}">{title}</title>{body}</svg>'
    ).format(w=WIDTH, h=HEIGHT, name=name, title=title, body=body)


def _nice(value: float) -> float:
    """The next round number: 1, 2 or 5 times a power of ten."""
    if value <= 1:
        return 1.0
    power = 10 ** math.floor(math.log10(value))
    return float(next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value))


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top


def _axis(top: float, language: Language) -> Iterable[Markup]:
    for value in (0.0, top / 2, top) if top > 1 else (0.0, top):
        y = _y(value, top)
        yield Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
            LEFT, WIDTH - RIGHT, *([f"{y:.1f}"] * 2)
        )
        yield Markup('<text class="tick" x="{}" y="{}" text-anchor="end">{}</text>').format(
            LEFT - 4, f"{y + 3:.1f}", _short(value, language)
        )


def _short(value: float, language: Language) -> str:
    """A number as an axis has room for."""
    if value >= MILLION:
        return decimal(value / MILLION, language, digits=0 if value % MILLION == 0 else 1) + f"{NARROW}M"
    return number(value, language) if value == int(value) else decimal(value, language, digits=1)


def _bar(bar: Bar, x: float, step: float, *, top: float) -> Iterable[Markup]:
    if bar.high is not None:
        low, high = _y(bar.low or 0.0, top), _y(bar.high, top)
        yield _rect("band", x, high, step, max(low - high, 1.0))
    if bar.value is None:
        yield Markup('<text class="tick" x="{}" y="{}" text-anchor="middle">·</text>').format(
            f"{x + step / 2:.1f}", HEIGHT - BOTTOM - 2
        )
    elif bar.value:
        beyond = bar.marked or (bar.high is not None and bar.value > bar.high)
        y = _y(bar.value, top)
        width = min(max(step - GAP, 1.0), WIDEST)
        kind = "hollow" if bar.hollow else "beyond" if beyond else "bar"
        yield _rect(kind, x + (step - width) / 2, y, width, HEIGHT - BOTTOM - y, told=bar.told)
    if bar.label:
        yield Markup('<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>').format(
            f"{x + step / 2:.1f}", HEIGHT - 5, bar.label
        )


def _rect(kind: str, x: float, y: float, width: float, height: float, *, told: str = "") -> Markup:
    title = Markup("<title>{}</title>").format(told) if told else Markup("")
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}">{}</rect>').format(
        escape(kind), f"{x:.1f}", f"{y:.1f}", f"{width:.1f}", f"{height:.1f}", title
    )
