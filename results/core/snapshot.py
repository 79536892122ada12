"""One answer of PortOne's API about one payment, without anything personal.

A Snapshot exists only because PortOne answered the merchant's own keys; nothing else makes one. Amounts are Decimal
in major units, as V1 sends them; times are aware UTC, and PortOne's zero is None.
(Fact: PortOne V1 API document, PaymentAnnotation.)
"""

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Self

MONEY = ("amount", "cancel_amount")
TIMES = ("started_at", "paid_at", "failed_at", "cancelled_at", "asked_at")


@dataclass(frozen=True, slots=True)
class Card:
    """A card as the PG describes it; the number is masked again by us before anyone sees it."""

    code: str | None
    name: str | None
    issuer_code: str | None
    issuer_name: str | None
    number: str | None
    kind: str
    installments: int
    approval_number: str | None


@dataclass(frozen=True, slots=True)
class VirtualAccount:
    """A bank account that waits for one deposit."""

    bank_code: str | None
    bank_name: str | None
    number: str
    holder: str | None
    issued_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Cancellation:
    """One entry of the cancel history. `id` falls back to the PG's transaction id in old entries."""

    id: str
    amount: Decimal
    reason: str | None
    pg_transaction_id: str | None
    cancelled_at: datetime | None
    receipt_url: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One answer of PortOne's API about one payment. `asked_at` is when the question was sent."""

    imp_uid: str
    merchant_uid: str
    status: str
    amount: Decimal
    cancel_amount: Decimal
    currency: str
    sandbox: bool
    asked_at: datetime
    pay_method: str | None = None
    channel: str | None = None
    pg: str | None = None
    easy_pay: str | None = None
    pg_merchant_id: str | None = None
    pg_transaction_id: str | None = None
    started_at: datetime | None = None
    paid_at: datetime | None = None
    failed_at: datetime | None = None
    cancelled_at: datetime | None = None
    fail_reason: str | None = None
    receipt_url: str | None = None
    usage: str | None = None
    order_token: str | None = None
    card: Card | None = None
    virtual_account: VirtualAccount | None = None
    cancellations: tuple[Cancellation, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON that from_json reads back: decimals and times as text."""
        return _fields(self)

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """Read what as_json wrote, also by an older version with fewer fields, or a newer one with more."""
        values = _known(cls, kept)
        values |= {name: Decimal(values[name]) for name in MONEY}
        values |= {name: _moment(values.get(name)) for name in TIMES}
        values["card"] = Card(**_known(Card, card)) if (card := values.get("card")) else None
        values["virtual_account"] = _account(account) if (account := values.get("virtual_account")) else None
        values["cancellations"] = tuple(_cancellation(entry) for entry in values.get("cancellations") or ())
        return cls(**values)


def _fields(part: Any) -> dict[str, Any]:
    return {name: _plain(getattr(part, name)) for name in part.__slots__}


def _plain(value: Any) -> Any:
    match value:
        case None | str() | bool() | int():
            return value
        case Decimal():
            return str(value)
        case datetime():
            return value.astimezone(UTC).isoformat()
        case tuple():
            return [_plain(part) for part in value]
    return _fields(value)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _known(kind: type[Any], kept: dict[str, Any]) -> dict[str, Any]:
    return {field.name: kept[field.name] for field in fields(kind) if field.name in kept}


def _account(kept: dict[str, Any]) -> VirtualAccount:
    times = {name: _moment(kept[name]) for name in ("issued_at", "expires_at")}
    return VirtualAccount(**_known(VirtualAccount, kept) | times)


def _cancellation(kept: dict[str, Any]) -> Cancellation:
    exact = {"amount": Decimal(kept["amount"]), "cancelled_at": _moment(kept["cancelled_at"])}
    return Cancellation(**_known(Cancellation, kept) | exact)
