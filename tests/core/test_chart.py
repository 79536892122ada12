"""The strokes of small charts."""

import re
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from results.core import chart

AMOUNTS = st.lists(st.tuples(st.integers(0, 10**12), st.integers(0, 10**12)), min_size=1, max_size=31)
BAR = re.compile(r"M([\d.]+) ([\d.]+)h([\d.]+)v(-?[\d.]+)h-([\d.]+)z")


def test_columns_are_drawn_by_hand() -> None:
    """The greatest bar takes all the room, half of it half, and nothing is not drawn."""
    drawn = chart.columns([Decimal(100), 50, 0, 0], [0, 0, 0, 0], width=40, height=24)

    assert drawn.base == "M0 22H40"
    assert [column.up for column in drawn.columns] == ["M1.25 22h7.5v-20h-7.5z", "M11.25 22h7.5v-10h-7.5z", "", ""]
    assert {column.down for column in drawn.columns} == {""}


def test_what_goes_out_hangs_from_the_base_on_the_same_scale() -> None:
    """A refund half as great as the greatest payment is drawn half as long, downwards."""
    drawn = chart.columns([100, 0], [0, 50], width=20, height=34)

    assert drawn.base == "M0 22H20"
    assert drawn.columns[0].up.endswith("v-20h-7.5z")
    assert drawn.columns[1].down == "M11.25 22h7.5v10h-7.5z"


@given(AMOUNTS)
def test_bars_stay_within_and_are_seen(pairs: list[tuple[int, int]]) -> None:
    """No bar leaves its picture, and what is not zero is seen however small it is beside its neighbour."""
    drawn = chart.columns(*map(list, zip(*pairs, strict=True)))

    for column, (up, down) in zip(drawn.columns, pairs, strict=True):
        for path, value in ((column.up, up), (column.down, down)):
            found = BAR.fullmatch(path)
            assert bool(found) == (value > 0)
            if found:
                x, y, width, rise, back = map(float, found.groups())
                assert width == back
                assert 0 <= x <= x + width <= drawn.width + 0.1
                assert 0 <= y + rise <= drawn.height
                assert abs(rise) >= chart.LEAST - 0.01


def test_a_line_breaks_where_nothing_is_known() -> None:
    """Hours without a payment leave a gap, and an hour alone is a dot."""
    path = chart.line([10, 5, None, 0], greatest=10, width=40, height=24)

    assert path == "M5 2L15 12M35 22h0.01"


def test_an_empty_chart_has_its_base_alone() -> None:
    """A day without any payment is a line, not an error."""
    drawn = chart.columns([0] * 24, [0] * 24)

    assert drawn.base == f"M0 {chart.HEIGHT - 2}H{chart.WIDTH}"
    assert all(column == chart.Column("", "") for column in drawn.columns)
    assert chart.line([None] * 24, greatest=0) == ""
