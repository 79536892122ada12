"""Why did a payment not come about, in one word that is the same for every PG?

First the PG's own table (`mapped`), then the words of the message (`heuristic`), else `unknown`. What a
redirect says about a failure is a stranger's text: it is cut, cleaned and kept raw for the merchant, never
shown to a customer.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from results.core.failure_codes import (
    ACTION_OF,
    CATEGORY_OF,
    RETRYABLE,
    Category,
    Confidence,
    CustomerAction,
    FailureCode,
)
from results.core.failure_table import DISTINCT, TABLES
from results.core.failure_words import code_from_words, readable
from results.core.words import EventType

__all__ = [
    "Category",
    "Confidence",
    "CustomerAction",
    "Failure",
    "FailureCode",
    "classify_failure",
    "event_type_for",
]

_MAX_CODE = 64
_MAX_MESSAGE = 400
# Control characters, surrogates (a database keeps neither), and the format characters that turn text around.
_UNWRITABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_LEADING_CODE = re.compile(r"\s*([A-Z][0-9]{3,4})\s*:")
_BRACKETED_CODE = re.compile(r"\[ ?(?:코드 ?: ?)?([A-Za-z0-9_]{3,60}) ?\]")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a payment failed, normalised, with what was really said.

    `retryable`: the same customer may succeed with the same thing. The raw fields hold at most 64 and 400
    characters, without control characters; they are somebody else's text.
    """

    code: FailureCode
    category: Category
    retryable: bool
    customer_action: CustomerAction
    confidence: Confidence
    raw_source: str
    raw_code: str | None
    raw_message: str | None


def classify_failure(*, pg: str | None, code: str | None, message: str | None, source: str) -> Failure:
    """Return the failure behind a PG's code and message; either may be missing, and so may the PG.

    `pg` is PortOne's name of it (`nice_v2`, also with a merchant id behind a dot), `source` says who spoke.
    Never raises, whatever the text.
    """
    known, confidence = _find_code(pg=pg, code=code or "", message=message or "")
    category = CATEGORY_OF[known]
    return Failure(
        code=known,
        category=category,
        retryable=known in RETRYABLE,
        customer_action=ACTION_OF[category],
        confidence=confidence,
        raw_source=_clean(source, _MAX_CODE) or "",
        raw_code=_clean(code, _MAX_CODE),
        raw_message=_clean(message, _MAX_MESSAGE),
    )


def event_type_for(failure: Failure) -> EventType:
    """Return the name under which a merchant is told of a payment that failed for this reason."""
    if failure.code in (FailureCode.WINDOW_NOT_OPENED, FailureCode.MERCHANT_CONFIGURATION):
        return EventType.NOT_STARTED
    if failure.category is Category.CUSTOMER:
        return EventType.ABANDONED
    return EventType.DECLINED if failure.category is Category.INSTRUMENT else EventType.FAILED


def _find_code(*, pg: str | None, code: str, message: str) -> tuple[FailureCode, Confidence]:
    table = TABLES.get((pg or "").lower().partition(".")[0], {})
    text = readable(message)
    for candidate in _codes_in(code, text):
        mapped = table.get(candidate.upper()) or DISTINCT.get(candidate.upper())
        if mapped is not None:
            return mapped, Confidence.MAPPED
    # Some PGs put their only words into the code.
    guessed = code_from_words(text) or code_from_words(readable(code))
    if guessed is not None:
        return guessed, Confidence.HEURISTIC
    return FailureCode.UNKNOWN, Confidence.NONE


def _codes_in(code: str, text: str) -> Iterator[str]:
    """Yield every code that may be meant: V1's fail_reason has none beside it, only inside its text."""
    yield code.strip()[:_MAX_CODE]
    yield from (found[1] for found in _LEADING_CODE.finditer(text[:16]))
    yield from (found[1] for found in _BRACKETED_CODE.finditer(text))


def _clean(text: str | None, length: int) -> str | None:
    start = (text or "")[: 8 * length]  # bounded work, even for a text of megabytes
    kept = "".join(character for character in start if unicodedata.category(character) not in _UNWRITABLE)
    return kept.strip()[:length].strip() or None
