"""How does the shop's page know that the customer comes from us, and with what? By signed pr_* parameters.

The signature is base64url HMAC-SHA256, without padding, over four lines: `pr1`, `GET`, the registered return
URL and the sorted, percent-encoded pr_* pairs without pr_sig. Where a script on the shop's page asks in place of
the customer's browser, the URL line is the page's registered origin, which has no path: no return URL is spelt so,
and neither signature passes for the other. The key is the ASCII text of the return key: a
key of its own, because a front-end page's settings leak more easily than a server's and must not sign
callbacks. A signed return is for display. It is no login, and an order is fulfilled on the callback or on a
GET of our API.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, quote, urlsplit

from results.core.money import Money
from results.core.return_url import BadReturnUrl, matches, normalise_return_url

__all__ = [
    "BadReturnUrl",
    "ReturnClaims",
    "ReturnKey",
    "matches",
    "normalise_return_url",
    "sign_result",
    "sign_return",
    "verify_result",
    "verify_return",
]

VALID_FOR = timedelta(minutes=5)

_SECONDS = re.compile(r"[0-9]{1,11}")


@dataclass(frozen=True, slots=True)
class ReturnKey:
    """A key with which we sign a merchant's returns, by its public name."""

    kid: str
    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReturnClaims:
    """What the shop's page is told; what is unknown or not to be shown is left out of the link.

    `order` is the merchant's own number, `payment` our pay_…, `sequence` that of the order's newest event.
    """

    status: str
    livemode: bool
    order: str | None = None
    payment: str | None = None
    money: Money | None = None
    sequence: int | None = None


def sign_return(url: str, claims: ReturnClaims, *, key: ReturnKey, at: datetime, nonce: str) -> str:
    """Return the whole address to send the customer to.

    `url` is a registered return URL in its normal form, and BadReturnUrl is raised for any other. Sign at the
    click: the link is valid for five minutes from `at`. The nonce lets the merchant accept a link once only.
    """
    if normalise_return_url(url, allow_http=True) != url:
        raise BadReturnUrl("Only the normal form of a registered return URL is signed.")
    return f"{url}?{_signed(url, claims, key=key, at=at, nonce=nonce)}"


def sign_result(origin: str, claims: ReturnClaims, *, key: ReturnKey, at: datetime, nonce: str) -> str:
    """Return the signed pr_* parameters as a query, for a script on a page of this origin.

    `origin` is written as browsers write it (scheme, host, port), and BadReturnUrl is raised for anything else.
    """
    if urlsplit(origin).path or normalise_return_url(f"{origin}/", allow_http=True) != f"{origin}/":
        raise BadReturnUrl("Only the normal form of a registered origin is signed.")
    return _signed(origin, claims, key=key, at=at, nonce=nonce)


def verify_return(
    link: str, *, url: str, keys: Iterable[ReturnKey], at: datetime, valid_for: timedelta = VALID_FOR
) -> dict[str, str] | None:
    """Return the signed pr_* values of a link to `url`, or None when it does not hold.

    `url` is the shop's own registered address, not what a Host header says. This is what a shop's page does.
    """
    return verify_result(urlsplit(link).query, origin=url, keys=keys, at=at, valid_for=valid_for)


def verify_result(
    signed: str, *, origin: str, keys: Iterable[ReturnKey], at: datetime, valid_for: timedelta = VALID_FOR
) -> dict[str, str] | None:
    """Return the values of what sign_result wrote for `origin`, or None when it does not hold.

    This is what a shop's server does with what its page hands over: the same as with a return, but for the URL line.
    """
    pairs = parse_qsl(signed, keep_blank_values=True)
    values = {name: value for name, value in pairs if name.startswith("pr_")}
    if len(values) != sum(name.startswith("pr_") for name, _ in pairs):
        return None  # a repeated parameter: two readers might see two values
    given = values.pop("pr_sig", "").encode()
    query = _encode(values)
    held = any([hmac.compare_digest(_signature(key, origin, query).encode(), given) for key in keys])
    return values if held and _is_recent(values.get("pr_ts", ""), at, valid_for) else None


def _signed(url: str, claims: ReturnClaims, *, key: ReturnKey, at: datetime, nonce: str) -> str:
    query = _encode(_parameters(claims, key=key, at=at, nonce=nonce))
    return f"{query}&pr_sig={_signature(key, url, query)}"


def _parameters(claims: ReturnClaims, *, key: ReturnKey, at: datetime, nonce: str) -> dict[str, str]:
    if at.utcoffset() is None:
        raise ValueError("the moment of a signature carries its time zone")
    money = claims.money
    values: dict[str, str | int | None] = {
        "pr_amount": money.amount if money else None,
        "pr_currency": money.currency if money else None,
        "pr_exponent": money.exponent if money else None,
        "pr_kid": key.kid,
        "pr_livemode": "true" if claims.livemode else "false",
        "pr_nonce": nonce,
        "pr_order": claims.order,
        "pr_payment": claims.payment,
        "pr_seq": claims.sequence,
        "pr_status": claims.status,
        "pr_ts": int(at.timestamp()),
    }
    return {name: str(value) for name, value in values.items() if value is not None}


def _encode(values: Mapping[str, str]) -> str:
    # RFC 3986: everything but letters, digits and -._~ is escaped; a space is %20, never a plus.
    return "&".join(f"{quote(name, safe='')}={quote(values[name], safe='')}" for name in sorted(values))


def _signature(key: ReturnKey, url: str, query: str) -> str:
    text = f"pr1\nGET\n{url}\n{query}"
    digest = hmac.new(key.key.encode("ascii"), text.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _is_recent(seconds: str, at: datetime, valid_for: timedelta) -> bool:
    if not _SECONDS.fullmatch(seconds):
        return False
    return abs(at.timestamp() - int(seconds)) <= valid_for.total_seconds()
