"""A CSV file whose cells do nothing but stand there."""

import csv
from decimal import Decimal
from io import StringIO

import pytest

from results.core.spreadsheet import cell, line


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", "|calc", "=cmd|' /C calc'!A0"]
)
def test_a_text_that_might_run_is_kept_a_text(text: str) -> None:
    """Whatever begins as a formula does is led by an apostrophe."""
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize(
    ("value", "written"), [("order-1", "order-1"), (Decimal("-5.20"), "-5.20"), (None, ""), (3, "3")]
)
def test_what_runs_nothing_stays_as_it_is(value: object, written: str) -> None:
    """Plain texts, numbers and what is not known are written plainly."""
    assert cell(value) == written


def test_a_line_is_read_back() -> None:
    """Commas, quotes and line ends inside a cell break no line."""
    values = ["a,b", 'c"d', "e\r\nf", "빵"]

    assert next(csv.reader(StringIO(line(values), newline=""))) == values
