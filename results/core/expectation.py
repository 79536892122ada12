"""What is this payment expected to cost, and who says so? One rule over every way in which an amount reaches us.

What the shop's server registered decides alone; without it an order token that the server signed; without that what
the shop announced to PortOne itself (prepare). A source that is not the chosen one changes nothing, but when it says
another amount the disagreement is shown. A bad token says nothing at all.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from results.core.classify import Expected
from results.core.money import Money
from results.core.order_token import OrderToken, valid_for


class Source(StrEnum):
    """Who says what an order costs, the one that decides first."""

    ORDERS_API = "orders_api"
    ORDER_TOKEN = "order_token"
    PREPARE = "prepare"


@dataclass(frozen=True, slots=True)
class Statement:
    """An amount that was heard beside the payment. It counts for payments that started at `until` or before."""

    money: Money
    stated_at: datetime
    until: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON that from_json reads back."""
        return {
            "amount": self.money.amount,
            "currency": self.money.currency,
            "exponent": self.money.exponent,
            "stated_at": self.stated_at.isoformat(),
            "until": self.until.isoformat() if self.until else None,
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any] | None) -> Self | None:
        """Read what as_json wrote; None for nothing, and for a note that nothing was stated."""
        if not kept or kept.get("amount") is None:
            return None
        until = kept.get("until")
        return cls(
            money=Money(kept["amount"], kept["currency"], kept["exponent"]),
            stated_at=datetime.fromisoformat(kept["stated_at"]),
            until=datetime.fromisoformat(until) if until else None,
        )


@dataclass(frozen=True, slots=True)
class Expectation:
    """What one payment is expected to cost.

    `conflict`: another source says another amount. `names_other`: the order that the payment's own signed token is
    for, when that is not the payment's order.
    """

    expected: Expected | None
    conflict: bool = False
    names_other: str | None = None


def choose(
    registered: Expected | None,
    *,
    own: OrderToken | None,
    heard: Statement | None,
    prepared: Statement | None,
    merchant_uid: str,
    started_at: datetime,
    seen_at: datetime,
) -> Expectation:
    """Return what a payment of this order is expected to cost.

    `own` is the token of the payment itself, whose signature held; `heard` is one that a landing carried. The
    payment began at `started_at`; we know of it since `seen_at`.
    """
    said = list(_sources(registered, own, heard, prepared, merchant_uid, started_at, seen_at))
    return Expectation(
        expected=said[0] if said else None,
        conflict=any(other.money != said[0].money for other in said[1:]),
        # Also when it has ended: what it was signed for does not change by that.
        names_other=own.order if own and own.order != merchant_uid else None,
    )


def _sources(
    registered: Expected | None,
    own: OrderToken | None,
    heard: Statement | None,
    prepared: Statement | None,
    merchant_uid: str,
    started_at: datetime,
    seen_at: datetime,
) -> Iterator[Expected]:
    """Yield what each source says, the one that decides first.

    Where a token ends is no end of the order: a deposit may come days after it.
    """
    if registered:
        yield registered
    if own and own.order == merchant_uid and valid_for(own, started_at):
        yield Expected(own.money, Source.ORDER_TOKEN, seen_at)
    if heard and (heard.until is None or started_at <= heard.until):
        yield Expected(heard.money, Source.ORDER_TOKEN, heard.stated_at)
    if prepared:
        yield Expected(prepared.money, Source.PREPARE, prepared.stated_at)


def replaces(new: Statement, known: Statement | None) -> bool:
    """Say whether a token's statement takes the place of the one that is kept: only if it ends later.

    By the order of arrival a customer could bring an old price back by showing an old token once more.
    """
    if known is None or known.until is None or new.until is None:
        return known is None
    return new.until > known.until
