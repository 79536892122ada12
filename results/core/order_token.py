"""What does the merchant's server expect to be paid, when it did not call us? It signed a token.

`po1.<payload>.<signature>`: the payload is base64url JSON {kid, m, mode, o, a, c, e}, the signature base64url
HMAC-SHA256 over "po1." and the payload, both without padding. `a` counts minor units, `e` is in Unix seconds.
The token travels through the customer's browser and through PortOne's custom_data, so everything in it is
hostile until the signature holds. Its key is the order key, never the return key and never a signing secret.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from results.core.claim import MERCHANT_UID_LENGTH, UNPRINTABLE
from results.core.money import MAX_MINOR, Money, exponent_of

MAX_LENGTH = 1024

_MARK = "po1."
_LAST_SECOND = 253_402_300_799  # the end of year 9999


@dataclass(frozen=True, slots=True)
class OrderKey:
    """One of the keys with which a merchant signs order tokens, by its public name."""

    kid: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class OrderToken:
    """What a merchant's server promised about one order, with a signature that held."""

    kid: str
    merchant: str
    mode: str
    order: str
    money: Money
    expires_at: datetime


class TokenFault(StrEnum):
    """Why a token is not believed."""

    TOO_LONG = "too_long"
    MALFORMED = "malformed"
    NOT_SIGNED = "not_signed"
    BAD_CONTENT = "bad_content"
    OTHER_MERCHANT = "other_merchant"
    OTHER_MODE = "other_mode"


@dataclass(frozen=True, slots=True)
class BadToken:
    """A token that is not believed."""

    reason: TokenFault


def make_token(token: OrderToken, *, key: OrderKey) -> str:
    """Return the token as a merchant's server would write it; the names of key and token agree."""
    content = {
        "kid": key.kid,
        "m": token.merchant,
        "mode": token.mode,
        "o": token.order,
        "a": token.money.amount,
        "c": token.money.currency,
        "e": int(token.expires_at.timestamp()),
    }
    payload = _base64url(json.dumps(content, separators=(",", ":")).encode())
    return f"{_MARK}{payload}.{_signature(key, payload)}"


def read_token(text: str, *, keys: Iterable[OrderKey], merchant: str, mode: str) -> OrderToken | BadToken:
    """Return what the token promises for this merchant and mode, or why it is not believed.

    Never raises on a hostile text. Whether the token was still valid depends on the payment: see `valid_for`.
    """
    if len(text) > MAX_LENGTH:
        return BadToken(TokenFault.TOO_LONG)
    payload, separator, signature = text.removeprefix(_MARK).partition(".")
    if not (text.startswith(_MARK) and separator and payload and text.isascii()):
        return BadToken(TokenFault.MALFORMED)
    # The signature comes first, so that no stranger's JSON is parsed; every key is tried, in constant time.
    held = [key for key in keys if hmac.compare_digest(_signature(key, payload), signature)]
    if not held:
        return BadToken(TokenFault.NOT_SIGNED)
    token = _read_content(payload, kids={key.kid for key in held})
    return _addressed(token, merchant=merchant, mode=mode) if token else BadToken(TokenFault.BAD_CONTENT)


def valid_for(token: OrderToken, started_at: datetime) -> bool:
    """Tell whether the payment began before the token ended; a deposit days later does not matter."""
    return started_at <= token.expires_at


def _addressed(token: OrderToken, *, merchant: str, mode: str) -> OrderToken | BadToken:
    if token.merchant != merchant:
        return BadToken(TokenFault.OTHER_MERCHANT)
    return token if token.mode == mode else BadToken(TokenFault.OTHER_MODE)


def _read_content(payload: str, *, kids: set[str]) -> OrderToken | None:
    padded = payload + "=" * (-len(payload) % 4)
    try:
        content = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    names = [content.get(name) for name in ("kid", "m", "mode", "o")]
    money, expires_at = _read_money(content), _read_moment(content.get("e"))
    if money is None or expires_at is None or not all(isinstance(name, str) and name for name in names):
        return None
    kid, merchant, mode, order = map(str, names)
    if kid not in kids or len(order) > MERCHANT_UID_LENGTH or UNPRINTABLE.search(order):
        return None
    return OrderToken(kid=kid, merchant=merchant, mode=mode, order=order, money=money, expires_at=expires_at)


def _read_money(content: dict[str, object]) -> Money | None:
    amount, currency = content.get("a"), content.get("c")
    # type(), because True is an int and no amount.
    if type(amount) is not int or not isinstance(currency, str) or not 0 <= amount <= MAX_MINOR:
        return None
    exponent = exponent_of(currency)
    return None if exponent is None else Money(amount=amount, currency=currency, exponent=exponent)


def _read_moment(seconds: object) -> datetime | None:
    if type(seconds) is not int or not 0 <= seconds <= _LAST_SECOND:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _signature(key: OrderKey, payload: str) -> str:
    return _base64url(hmac.new(key.key.encode(), (_MARK + payload).encode(), hashlib.sha256).digest())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
