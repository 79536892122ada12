"""How does a payment stand in a list, and in a file? One row each, from what its row and its newest event say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from results.core.figures import KST
from results.core.ids import encode
from results.core.method import describe_method, method_type
from results.core.money import Money, MoneyError, exponent_of, to_minor, written
from results.core.result import written_time
from results.core.snapshot import Snapshot
from results.core.spreadsheet import BYTE_ORDER_MARK, line
from results.core.words import PaymentStatus
from results.models import Delivery, Payment
from results.views.dashboard.payment_list import Page
from results.views.dashboard.payment_words import METHODS, REVIEWS, State, Text, state_of, words

COLUMNS: Final = (
    *("payment", "imp_uid", "order", "mode", "status", "news", "verified", "amount", "cancelled", "currency"),
    *("money_moved", "method", "method_detail", "pg", "pg_transaction_id", "test", "first_seen_at", "paid_at"),
    *("cancelled_at", "fail_reason", "told", "receipt_url", "first_seen_kst", "paid_kst", "cancelled_kst"),
)


@dataclass(frozen=True, slots=True)
class Told:
    """Whether the shop has heard a payment's newest news: a word, and the shape that goes with it."""

    word: Text
    shape: str
    code: str


HEARD: Final = Told(_("Told"), "paid", "delivered")
WAITING: Final = Told(_("Not told yet"), "waiting", "undelivered")
LOST: Final = Told(_("Could not be told"), "failed", "given_up")
NOBODY: Final = Told(_("Nobody to tell"), "pending", "nobody")


@dataclass(frozen=True, slots=True)
class Row:
    """One payment in a list."""

    id: UUID
    order: str
    imp_uid: str | None
    state: State
    status: str
    review: Text
    method: Text
    amount: str
    cancelled: str
    moment: datetime
    told: Told


def draw_rows(page: Page) -> list[Row]:
    """Return the rows of a page, as a member reads them."""
    return [_row(payment, told_of(payment, page.told)) for payment in page.payments]


def _row(payment: Payment, told: Told) -> Row:
    snapshot = Snapshot.from_json(payment.snapshot) if payment.snapshot else None
    return Row(
        id=payment.id,
        order=payment.order.merchant_uid,
        imp_uid=payment.imp_uid,
        state=state_of(payment.status),
        status=payment.status,
        review=words(REVIEWS, payment.judgement.get("type")) if payment.status == PaymentStatus.REVIEW else "",
        method=method_words(snapshot) if snapshot else "",
        amount=write_amount(snapshot.amount, snapshot.currency) if snapshot else write_expected(payment),
        cancelled=write_cancelled(payment, snapshot),
        moment=payment.first_seen_at,
        told=told,
    )


def told_of(payment: Payment, told: dict[UUID, list[Delivery]]) -> Told:
    """Say whether every endpoint that is to hear the newest event has heard it."""
    deliveries = told.get(payment.told_event, []) if payment.told_event else []
    if not deliveries:
        return NOBODY
    if all(one.delivered_at for one in deliveries):
        return HEARD
    return LOST if any(one.given_up_at for one in deliveries) else WAITING


def method_words(snapshot: Snapshot) -> Text:
    """Return how it was paid, as in 카드 국민 ••••0002 or 신한 562•••8400."""
    kind, detail = METHODS[method_type(snapshot.pay_method)], method_detail(snapshot)
    return f"{kind} {detail}" if detail else kind


def method_detail(snapshot: Snapshot) -> str:
    """Return what tells one card or account from another, masked."""
    method = describe_method(snapshot)
    if account := method.get("virtual_account"):
        return " ".join(filter(None, (account["bank_name"], shorten(account["number"]))))
    if card := method.get("card"):
        return " ".join(filter(None, (card["issuer_name"], card["last4"] and f"••••{card['last4']}")))
    return snapshot.easy_pay or ""


def shorten(number: str) -> str:
    """Return an account's number so that its owner knows it again."""
    return f"{number[:3]}…{number[-4:]}" if len(number) > 8 else number


def write_amount(amount: Decimal, currency: str) -> str:
    """Return an amount of PortOne's for a person; one that is not exact in its currency as PortOne wrote it."""
    try:
        return written(to_minor(amount, currency))
    except MoneyError:
        return f"{amount:f} {currency}"[:60]


def write_cancelled(payment: Payment, snapshot: Snapshot | None) -> str:
    """Return what went back where that is less than all; where it is all, the state says so."""
    if snapshot is None or payment.status != PaymentStatus.PARTIALLY_CANCELLED:
        return ""
    return write_amount(snapshot.cancel_amount, snapshot.currency)


def write_expected(payment: Payment) -> str:
    order = payment.order
    if order.expected_amount is None:
        return ""
    exponent = order.expected_exponent or exponent_of(order.expected_currency) or 0
    return written(Money(order.expected_amount, order.expected_currency, exponent))


def write_file(pages: Iterator[Page]) -> Iterator[str]:
    """Yield a CSV file: the names of its columns, then one line for each payment. `_kst` is Korea's time."""
    yield BYTE_ORDER_MARK + line(COLUMNS)
    for page in pages:
        yield "".join(line(_cells(payment, told_of(payment, page.told))) for payment in page.payments)


def _cells(payment: Payment, told: Told) -> Sequence[object]:
    snapshot = Snapshot.from_json(payment.snapshot) if payment.snapshot else None
    judged = payment.judgement
    return (
        encode("pay", payment.id),
        payment.imp_uid,
        payment.order.merchant_uid,
        payment.mode,
        payment.status,
        judged.get("type") or payment.told_type,
        judged.get("verified", ""),
        snapshot.amount if snapshot else None,
        snapshot.cancel_amount if snapshot else None,
        snapshot.currency if snapshot else None,
        "yes" if payment.money_moved else "no",
        snapshot.pay_method if snapshot else None,
        method_detail(snapshot) if snapshot else None,
        snapshot.pg if snapshot else None,
        snapshot.pg_transaction_id if snapshot else None,
        ("yes" if snapshot.sandbox else "no") if snapshot else None,
        written_time(payment.first_seen_at),
        written_time(snapshot.paid_at) if snapshot else None,
        written_time(snapshot.cancelled_at) if snapshot else None,
        snapshot.fail_reason if snapshot else None,
        told.code,
        snapshot.receipt_url if snapshot else None,
        _in_korea(payment.first_seen_at),
        _in_korea(snapshot.paid_at) if snapshot else None,
        _in_korea(snapshot.cancelled_at) if snapshot else None,
    )


def _in_korea(moment: datetime | None) -> str | None:
    """Return a moment as a spreadsheet reads it by itself, by the clock of the shop."""
    return f"{moment.astimezone(KST):%Y-%m-%d %H:%M:%S}" if moment else None
