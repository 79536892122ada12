"""What of an unmapped failure may be counted for all merchants? The kind of failure, and nothing about anybody.

The words come from a PG and may hold a card, a phone number, an order, an address. Whatever has a digit or an @ in it
goes; a short code, which is what the tables are made of, is kept apart.
"""

import re
import unicodedata
from typing import Final, NamedTuple

from results.core.failures import Failure

LONGEST: Final = 200
LONGEST_READ: Final = 400
LEFT_OUT: Final = "#"
_ADDRESS: Final = re.compile(r"\S*(?:@|://|www\.)\S*")
_NUMBERED: Final = re.compile(r"[A-Za-z0-9_*./:+#-]*\d[A-Za-z0-9_*./:+#-]*")
_LEFT_OUT_TWICE: Final = re.compile(rf"{LEFT_OUT}(?:[\s,()\[\]-]*{LEFT_OUT})+")
# Few digits: a longer run may be a phone number, or name one payment.
_CODE: Final = re.compile(r"[A-Z]{0,8}[_-]?\d{1,4}[A-Z]?|[A-Z]+(?:_[A-Z]+)*")
_CODE_IN_TEXT: Final = re.compile(r"\[\s?(?:코드\s?:\s?)?([A-Za-z0-9_-]{3,24})\s?\]|^\s*([A-Z]{1,4}\d{2,4})\s*:")


class Kind(NamedTuple):
    """What is counted together. `pg` is PortOne's name of it, without a merchant's id."""

    pg: str
    code: str
    reason: str


def kind_of(pg: str | None, failure: Failure) -> Kind:
    """Return under what a failure is counted: no digits but those of a short code, nothing personal, short."""
    text = unicodedata.normalize("NFKC", (failure.raw_message or "")[:LONGEST_READ])
    return Kind((pg or "").lower().partition(".")[0][:16], _code(failure.raw_code, text), _without_anybody(text))


def _code(said: str | None, text: str) -> str:
    found = _CODE_IN_TEXT.search(text)
    for candidate in (said, found and (found[1] or found[2])):
        code = (candidate or "").strip().upper()
        if len(code) <= 64 and _CODE.fullmatch(code):
            return code
    return ""


def _without_anybody(text: str) -> str:
    text = _ADDRESS.sub(LEFT_OUT, text)
    text = _LEFT_OUT_TWICE.sub(LEFT_OUT, _NUMBERED.sub(LEFT_OUT, text))
    return " ".join(text.split())[:LONGEST]
