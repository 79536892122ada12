"""How is a text written into a CSV file so that no spreadsheet takes it for a formula?

Order numbers and reasons are strangers' texts, and a cell that begins with `=` runs when the file is opened. (Source:
OWASP, CSV Injection.) An apostrophe in front keeps the text a text; numbers of ours stay numbers.
"""

import csv
from collections.abc import Iterable
from io import StringIO
from typing import Final

# Full-width ones too: Japanese and Korean spreadsheets read them as the plain ones.
STARTERS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "＝", "＋", "－", "＠")
BYTE_ORDER_MARK: Final = "\ufeff"  # without it Excel reads Korean as something else


def cell(value: object) -> str:
    """Return a value as a cell; a text that might run gets an apostrophe, white space before it does not hide it."""
    if value is None:
        return ""
    text = str(value).replace("\x00", "")
    if isinstance(value, str) and (text.startswith(STARTERS) or text.lstrip().startswith(STARTERS)):
        return f"'{text}"
    return text


def line(values: Iterable[object]) -> str:
    """Return one line of the file, its end included."""
    out = StringIO()
    csv.writer(out).writerow([cell(value) for value in values])
    return out.getvalue()
