"""From PortOne's JSON to a Snapshot. Personal fields are not read at all, so they can leak nowhere.

(Fact: PortOne V1 API document, PaymentAnnotation: amounts are numbers in major units, times are epoch seconds with 0
for "never", everything but seven fields may be missing or null, and new words may come at any time.)
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from results.core.claim import MAX_TOKEN
from results.core.method import mask_card
from results.core.money import Money, MoneyError, to_minor
from results.core.snapshot import Cancellation, Card, Snapshot, VirtualAccount
from results.portone.errors import PortOneUnavailable

Json = dict[str, Any]

LONGEST: Final = {"imp_uid": 32, "merchant_uid": 40}
# Some PGs write 9999-12-31 for "no deadline": cut, so that a grace can still be added to it.
END_OF_TIME: Final = datetime(9999, 1, 1, tzinfo=UTC)
# What reading somebody's JSON can raise; InvalidOperation is a number like 1e99999999999999999999.
ILLEGIBLE: Final = (ValueError, TypeError, InvalidOperation, OverflowError, RecursionError)


def parse_payment(payment: object, *, asked_at: datetime) -> Snapshot:
    """Return what one payment object says; raise PortOneUnavailable when it is none: no evidence."""
    try:
        return _parse(_object(payment), asked_at)
    except (KeyError, *ILLEGIBLE) as error:
        raise PortOneUnavailable(f"a payment object cannot be read ({type(error).__name__})") from error


def parse_prepared(answer: object, merchant_uid: str) -> Money | None:
    """Return the amount that was announced of an order, in won where no currency stands with it.

    None when nothing was, and for an amount that its currency does not have. Raises PortOneUnavailable.
    """
    if not answer:
        return None
    try:
        prepared = _object(answer)
        if _required(prepared, "merchant_uid") != merchant_uid:
            raise ValueError("merchant_uid")
        amount, currency = _amount(prepared["amount"]), _text(prepared, "currency") or "KRW"
    except (KeyError, *ILLEGIBLE) as error:
        raise PortOneUnavailable(f"what was announced cannot be read ({type(error).__name__})") from error
    try:
        return to_minor(amount, currency)
    except MoneyError:
        return None


@dataclass(frozen=True, slots=True)
class Channel:
    """A contract with a payment company, as PortOne's console lists it; `kind` is payment, api_payment, …"""

    provider: str
    merchant_id: str
    sandbox: bool
    kind: str
    name: str = ""
    key: str = ""

    def as_json(self) -> Json:
        return asdict(self)


def parse_channel(channel: object) -> Channel | None:
    """Return one row of the list of channels; None for one that is none."""
    if not isinstance(channel, dict) or not isinstance(channel.get("sandbox"), bool):
        return None
    provider, kind = _text(channel, "pg_provider"), _text(channel, "type")
    if not provider or not kind:
        return None
    return Channel(
        provider=provider[:80],
        merchant_id=(_text(channel, "pg_id") or "")[:80],
        sandbox=channel["sandbox"],
        kind=kind[:32],
        name=(_text(channel, "channel_name") or "")[:80],
        key=(_text(channel, "channel_key") or "")[:80],
    )


def _parse(payment: Json, asked_at: datetime) -> Snapshot:
    return Snapshot(
        imp_uid=_required(payment, "imp_uid"),
        merchant_uid=_required(payment, "merchant_uid"),
        status=_required(payment, "status"),
        amount=_amount(payment["amount"]),
        cancel_amount=_amount(payment["cancel_amount"]),
        currency=_text(payment, "currency") or "KRW",
        sandbox=payment.get("sandbox") is True,
        asked_at=asked_at,
        pay_method=_text(payment, "pay_method"),
        channel=_text(payment, "channel"),
        pg=_text(payment, "pg_provider"),
        easy_pay=_text(payment, "emb_pg_provider"),
        pg_merchant_id=_text(payment, "pg_id"),
        pg_transaction_id=_text(payment, "pg_tid"),
        started_at=_moment(payment, "started_at"),
        paid_at=_moment(payment, "paid_at"),
        failed_at=_moment(payment, "failed_at"),
        cancelled_at=_moment(payment, "cancelled_at"),
        fail_reason=_text(payment, "fail_reason"),
        receipt_url=_text(payment, "receipt_url"),
        usage=_text(payment, "customer_uid_usage"),
        order_token=_order_token(payment.get("custom_data")),
        card=_card(payment),
        virtual_account=_virtual_account(payment),
        cancellations=tuple(_cancellations(payment)),
    )


def _object(value: object) -> Json:
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def _required(payment: Json, name: str) -> str:
    text = _text(payment, name)
    if not text or len(text) > LONGEST.get(name, len(text)):
        raise ValueError(name)
    return text


def _text(payment: Json, name: str) -> str | None:
    """Return a text field as PostgreSQL and UTF-8 can keep it; None for missing, null and empty."""
    value = payment.get(name)
    if value in (None, ""):
        return None
    return str(value)[:500].replace("\x00", "").encode("utf-8", "replace").decode()


def _amount(value: object) -> Decimal:
    """Return an amount of major units, exactly as sent."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise TypeError("amount")
    amount = Decimal(value)
    if not amount.is_finite() or amount < 0:
        raise ValueError("amount")
    return amount


def _moment(payment: Json, name: str) -> datetime | None:
    """Return epoch seconds as aware UTC; PortOne writes 0 for what has not happened."""
    seconds = payment.get(name)
    return min(datetime.fromtimestamp(whole(seconds), UTC), END_OF_TIME) if seconds else None


def whole(value: Any) -> int:
    """Return a whole number of moderate size: a few characters like 1e999999999 would fill the memory."""
    number = Decimal(value)
    if number.adjusted() > 18:
        raise ValueError("number")
    return int(number)


def _installments(value: Any) -> int:
    """Return a card's months, 0 when they are illegible: they decide nothing, so they hold up no payment."""
    try:
        return whole(value or 0)
    except ILLEGIBLE:
        return 0


def _card(payment: Json) -> Card | None:
    if not any(payment.get(name) for name in ("card_code", "card_name", "card_number")):
        return None
    return Card(
        code=_text(payment, "card_code"),
        name=_text(payment, "card_name"),
        issuer_code=_text(payment, "card_issuer_code"),
        issuer_name=_text(payment, "card_issuer_name"),
        number=mask_card(_text(payment, "card_number")),
        kind=str(payment.get("card_type")) if payment.get("card_type") is not None else "",
        installments=_installments(payment.get("card_quota")),
        approval_number=_text(payment, "apply_num"),
    )


def _virtual_account(payment: Json) -> VirtualAccount | None:
    number = _text(payment, "vbank_num")
    if payment.get("pay_method") != "vbank" or number is None:
        return None
    return VirtualAccount(
        bank_code=_text(payment, "vbank_code"),
        bank_name=_text(payment, "vbank_name"),
        number=number,
        holder=_text(payment, "vbank_holder"),
        issued_at=_moment(payment, "vbank_issued_at"),
        expires_at=_moment(payment, "vbank_date"),
    )


def _cancellations(payment: Json) -> list[Cancellation]:
    history = payment.get("cancel_history") or []
    return [
        Cancellation(
            id=_text(entry, "cancellation_id") or _text(entry, "pg_tid") or f"#{number}",
            amount=_amount(entry["amount"]),
            reason=_text(entry, "reason"),
            pg_transaction_id=_text(entry, "pg_tid"),
            cancelled_at=_moment(entry, "cancelled_at"),
            receipt_url=_text(entry, "receipt_url"),
        )
        for number, entry in enumerate((_object(entry) for entry in history), start=1)
    ]


def _order_token(custom_data: object) -> str | None:
    """Return the order token that the shop put into custom_data; nothing else of it is read."""
    if not isinstance(custom_data, str):
        return None
    try:
        token = json.loads(custom_data).get("pw_order")
    except (ValueError, AttributeError, RecursionError):
        return None
    # The browser wrote this: only what a token can be made of is kept.
    is_token = isinstance(token, str) and token.isascii() and token.isprintable()
    return token[:MAX_TOKEN] if is_token else None
