"""Where do the strokes of a small chart go? Paths of an SVG; colours and words are its page's.

Heights are exact shares of the greatest value. What is not zero is never drawn as nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

Number = int | Decimal | float

WIDTH: Final = 480
HEIGHT: Final = 96
HALF: Final = Fraction(1, 2)
GAP: Final = Fraction(1, 4)  # of a column's width, left free between two
LEAST: Final = Fraction(3, 2)  # the least height of what is not zero
PAD: Final = 2  # above and below, so that no stroke is cut


@dataclass(frozen=True, slots=True)
class Column:
    """What came in, drawn up from the base, and what went out, drawn down from it. An empty path draws nothing."""

    up: str
    down: str


@dataclass(frozen=True, slots=True)
class Columns:
    """A bar chart: its base line, and a column for each span, both directions on one scale."""

    width: int
    height: int
    base: str
    columns: tuple[Column, ...]


def columns(ups: Sequence[Number], downs: Sequence[Number], *, width: int = WIDTH, height: int = HEIGHT) -> Columns:
    """Return bars for two rows of values of the same length, none of them negative."""
    top, bottom = Fraction(max(ups, default=0)), Fraction(max(downs, default=0))
    room = height - 2 * PAD
    scale = room / (top + bottom) if top + bottom else Fraction(0)
    base = PAD + top * scale if scale else Fraction(height - PAD)
    # What is small is still to be seen on its side of the base line, whatever stands on the other.
    base = max(base, PAD + LEAST) if top else base
    base = min(base, height - PAD - LEAST) if bottom else base
    return Columns(
        width=width,
        height=height,
        base=f"M0 {_n(base)}H{width}",
        columns=tuple(
            Column(
                _bar(place, len(ups), base, -_tall(up, scale, base - PAD), width),
                _bar(place, len(ups), base, _tall(down, scale, height - PAD - base), width),
            )
            for place, (up, down) in enumerate(zip(ups, downs, strict=True))
        ),
    )


def line(values: Sequence[Number | None], *, greatest: Number, width: int = WIDTH, height: int = HEIGHT) -> str:
    """Return a path through the middles of as many spans; None breaks it, and a lonely value is a dot's worth."""
    step, room = Fraction(width, max(len(values), 1)), height - 2 * PAD
    path, is_down = "", False
    for place, value in enumerate(values):
        if value is None:
            is_down = False
            continue
        share = min(Fraction(value) / Fraction(greatest), Fraction(1)) if greatest else Fraction(0)
        x, y = _n(step * (place + HALF)), _n(PAD + room * (1 - share))
        lonely = not is_down and (place + 1 == len(values) or values[place + 1] is None)
        path += f"L{x} {y}" if is_down else f"M{x} {y}"
        path += "h0.01" if lonely else ""  # with round caps a stroke of no length is a dot
        is_down = True
    return path


def _tall(value: Number, scale: Fraction, room: Fraction) -> Fraction:
    return min(max(Fraction(value) * scale, LEAST), room) if value else Fraction(0)


def _bar(place: int, number: int, base: Fraction, rise: Fraction, width: int) -> str:
    if not rise:
        return ""
    step = Fraction(width, number)
    return f"M{_n(step * (place + GAP / 2))} {_n(base)}h{_n(step * (1 - GAP))}v{_n(rise)}h-{_n(step * (1 - GAP))}z"


def _n(value: Fraction) -> str:
    """Return a length as short as an SVG may have it."""
    return f"{Decimal(round(value * 100)) / 100:.2f}".rstrip("0").rstrip(".")
