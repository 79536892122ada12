"""What may be shown of a raw text? All that helps to find a fault, and nothing that tells who bought.

What arrived and what PortOne answered is kept whole for a while, sealed. Whoever opens it sees it masked: names,
addresses, telephones and mail of people, numbers of cards and accounts, secrets in URLs of a query. A text that cannot
be read as JSON or as a query loses its long numbers and its mail addresses.
"""

import json
import re
import unicodedata
from typing import Any, Final
from urllib.parse import parse_qsl

MOST: Final = 16 * 1024  # characters that are shown
HIDDEN: Final = "•••"
# Parts of field names, of PortOne V1's answers and of what its SDKs append to a redirect; small, letters alone.
PERSONAL: Final = (
    *("buyer", "customer", "holder", "depositor", "remitter", "tel", "phone", "mobile", "email", "addr", "postcode"),
    *("receiver", "recipient", "sender", "birth", "gender", "cardnum", "cardno", "vbanknum", "account", "applynum"),
    *("customdata", "useragent", "token", "secret", "password", "key", "signature", "pworder", "namekana"),
    *("이름", "성명", "전화", "연락처", "주소", "메일", "생년"),
)
# Names of goods, shops, banks and cards; and words that merely contain one of the above. Any other name is a person's.
PLAIN: Final = frozenset(
    ("name", "bankname", "vbankname", "cardname", "pgname", "channelname", "productname", "itemname", "storename")
)
LONGEST_NUMBER: Final = 10**14  # above it a number is no amount and no moment
LONG_NUMBER: Final = re.compile(r"(?<![A-Za-z0-9_])\d(?:[ -]?\d){8,}(?![A-Za-z0-9])")
MAIL: Final = re.compile(r"[^\s@\"'<>&=]{1,64}@[^\s@\"'<>&=]{1,255}")
KEPT_CONTROLS: Final = "\n\t"


def mask(raw: bytes) -> str:
    """Return a raw text as it may be shown: readable, masked, without characters that turn text around, and capped."""
    text = raw.decode("utf-8", "replace")
    head, separator, tail = text.partition("\n")
    parts = [head, tail] if separator and not text.lstrip().startswith(("{", "[")) else [text]
    return cap(printable("\n".join(_mask_text(part) for part in parts)))


def printable(text: str) -> str:
    """Return a text without control and format characters, which hide or turn around what stands beside them."""
    return "".join(
        one for one in text if one in KEPT_CONTROLS or unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Co")
    )


def cap(text: str, most: int = MOST) -> str:
    """Return the beginning of a text, and say so when there was more."""
    return text if len(text) <= most else f"{text[:most]}\n…"


def _mask_text(text: str) -> str:
    try:
        return json.dumps(_mask_value("", json.loads(text)), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        pass
    if "=" in text and "\n" not in text.strip():
        pairs = [(name, _mask_value(name, value)) for name, value in parse_qsl(text.strip(), keep_blank_values=True)]
        return "\n".join(f"{_mask_words(name)} = {value}" for name, value in pairs)
    return _mask_words(text)


def _mask_value(name: str, value: Any, *, whose: bool = False) -> Any:
    """Mask what a field holds; all of it, however deep, where the field itself is a person's (`whose`)."""
    whose = whose or is_personal(name)
    match value:
        case dict():
            return {_mask_words(key): _mask_value(key, part, whose=whose) for key, part in value.items()}
        case list():
            return [_mask_value(name, part, whose=whose) for part in value]
        case str() | int() | float() if value not in ("", 0) and not isinstance(value, bool) and whose:
            return _mask_one(str(value))
        case int() if abs(value) >= LONGEST_NUMBER:
            return _mask_one(str(value))
        case str():
            return value if _names_a_row(name) else _mask_words(value)
    return value


def is_personal(name: str) -> bool:
    """Say whether a field of this name may tell of a person, or open something."""
    letters = re.sub(r"[\W_]", "", name.lower())  # buyer_name, buyerName and buyer-name are one
    if letters in PLAIN:
        return False
    return letters.endswith("name") or any(part in letters for part in PERSONAL)


def _names_a_row(name: str) -> bool:
    return name.lower() in ("imp_uid", "merchant_uid", "pg_tid", "cancellation_id", "pg_id")


def _mask_one(text: str) -> str:
    """Leave the last two characters of what is long enough, by which its owner knows it again."""
    return HIDDEN + text[-2:] if len(text) >= 8 else HIDDEN


def _mask_words(text: str) -> str:
    return LONG_NUMBER.sub(lambda found: HIDDEN + found[0][-2:], MAIL.sub(HIDDEN, text))
