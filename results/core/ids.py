"""How is one of our rows called outside? By a prefix and the 26 Crockford characters of its UUID.

`evt_`, `pay_`, `mer_` ...: a person sees what kind of thing is meant, and a name of the wrong kind is refused
before any query. UUIDv7 begins with its time, so the written ids sort by age as the keys do.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_LENGTH = 26
_BITS = 128
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOWEST_IN_A_MILLISECOND = 0x7 << 76 | 0b10 << 62  # version and variant, RFC 9562; the random bits are zero


def encode(prefix: str, value: UUID) -> str:
    """Return the outside name of value: the prefix, an underscore and 26 upper-case characters."""
    number = value.int
    digits = [_ALPHABET[(number >> shift) & 31] for shift in range((_LENGTH - 1) * 5, -1, -5)]
    return f"{prefix}_{''.join(digits)}"


def decode(text: str, *, prefix: str) -> UUID | None:
    """Return the UUID behind an outside name, or None for anything else.

    Upper and lower case are one; Crockford's look-alikes (I, L, O) are refused: a row has one name only.
    """
    head, separator, tail = text.partition("_")
    # Only ASCII: upper() turns some foreign letters into ours, and a row would have a second name.
    if head != prefix or not separator or len(tail) != _LENGTH or not tail.isascii():
        return None
    return _read_number(tail.upper())


def _read_number(digits: str) -> UUID | None:
    number = 0
    for digit in digits:
        value = _VALUES.get(digit)
        if value is None:
            return None
        number = number * 32 + value
    # 26 characters carry 130 bits: the two above a UUID's 128 have to be zero.
    return UUID(int=number) if number >> _BITS == 0 else None


def lowest_id(moment: datetime) -> UUID:
    """Return the lowest UUIDv7 of a moment's millisecond: every id that was made earlier is lower.

    So rows are found by their age through the primary key. Raises ValueError for a moment before 1970.
    """
    milliseconds = (moment - _EPOCH) // timedelta(milliseconds=1)
    return UUID(int=milliseconds << 80 | _LOWEST_IN_A_MILLISECOND)
