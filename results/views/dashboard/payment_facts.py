"""What is known of one payment now? The facts beside its story, and what a review is about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from results.core.classify import Mismatch
from results.core.failure_words import readable
from results.core.method import describe_method
from results.core.money import Money, exponent_of, written
from results.core.receipt import is_receipt, is_web_address
from results.core.snapshot import Snapshot
from results.core.story import OrderPart, PaymentPart, Story
from results.core.words import EventType, PaymentStatus
from results.models import Payment
from results.publish import REJECTED
from results.views.dashboard.payment_rows import method_words, write_amount, write_expected
from results.views.dashboard.payment_story import Mark, draw_checks
from results.views.dashboard.payment_words import (
    ADVICE,
    DECISIONS,
    FIELDS,
    FLAGS,
    MODES,
    NOTHING,
    REVIEWS,
    SOURCES,
    UNDEPOSITED,
    VERIFIED,
    State,
    Text,
    state_of,
    words,
)
from tenants.routing import Route

MOST_OTHERS: Final = 20


@dataclass(frozen=True, slots=True)
class Cancelled:
    """One cancellation, as PortOne tells it."""

    amount: str
    reason: str
    moment: datetime | None


@dataclass(frozen=True, slots=True)
class Account:
    """The bank account that waits, or waited, for a deposit."""

    bank: str
    number: str
    holder: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Other:
    """Another payment of the same order."""

    id: UUID
    state: State
    amount: str
    moment: datetime


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as expected."""

    name: Text
    expected: Text
    actual: Text


@dataclass(frozen=True, slots=True)
class Review:
    """Why a payment waits for a person, and what that person is to do."""

    reason: Text
    differences: tuple[Difference, ...]
    money_moved: bool
    is_about_others: bool
    advice: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a member ended a review."""

    decision: Text
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """What stands beside the story."""

    state: State
    status: str
    amount: str
    cancelled: str
    expected: str
    source: Text
    order: str
    name: str
    flags: tuple[Text, ...]
    imp_uid: str | None
    id: str
    method: Text
    pg: str
    pg_transaction_id: str
    approval_number: str
    installments: int
    account: Account | None
    failure: str
    receipt: str
    may_open_receipt: bool
    is_test: bool
    cancellations: tuple[Cancelled, ...]
    verified: Text
    checks: tuple[Mark, ...]
    money_moved: bool
    first_seen_at: datetime
    paid_at: datetime | None
    failed_at: datetime | None
    cancelled_at: datetime | None
    observed_at: datetime | None
    ending: Ending | None
    others: tuple[Other, ...]


def read_payment(route: Route, id: UUID) -> Payment | None:
    return Payment.objects.select_related("order").filter(mode=route.mode, id=id).first()


def part_of(story: Story, id: str) -> PaymentPart | None:
    """Return the payment's own part of a story, which may be its order's."""
    return next((part for part in story.payments if part.id == id), None)


def draw_facts(payment: Payment, part: PaymentPart, order: OrderPart | None) -> Facts:
    """Return what is known of a payment; one query, for the other payments of its order."""
    snapshot = Snapshot.from_json(payment.snapshot) if payment.snapshot else None
    method = describe_method(snapshot) if snapshot else {}
    card = method.get("card") or {}
    receipt = (snapshot.receipt_url or "") if snapshot else ""
    return Facts(
        state=state_of(payment.status),
        status=payment.status,
        amount=write_amount(snapshot.amount, snapshot.currency) if snapshot else write_expected(payment),
        cancelled=write_amount(snapshot.cancel_amount, snapshot.currency)
        if snapshot and snapshot.cancel_amount
        else "",
        expected=written(order.expected) if order and order.expected else "",
        source=words(SOURCES, order.source) if order and order.source else "",
        order=payment.order.merchant_uid,
        name=payment.order.name,
        flags=tuple(words(FLAGS, flag) for flag in payment.order.flags),
        imp_uid=payment.imp_uid,
        id=part.id,
        method=method_words(snapshot) if snapshot else "",
        pg=(snapshot.pg or "") if snapshot else "",
        pg_transaction_id=(snapshot.pg_transaction_id or "") if snapshot else "",
        approval_number=card.get("approval_number") or "",
        installments=card.get("installments") or 0,
        account=_account(snapshot),
        failure=readable(snapshot.fail_reason or "")[:400] if snapshot else "",
        receipt=receipt if is_web_address(receipt) else "",
        may_open_receipt=is_receipt(receipt),
        is_test=bool(snapshot and snapshot.sandbox),
        cancellations=tuple(_cancellations(snapshot)) if snapshot else (),
        verified=words(VERIFIED, part.verified),
        checks=draw_checks(part.checks),
        money_moved=payment.money_moved,
        first_seen_at=payment.first_seen_at,
        paid_at=snapshot.paid_at if snapshot else None,
        failed_at=snapshot.failed_at if snapshot else None,
        cancelled_at=snapshot.cancelled_at if snapshot else None,
        observed_at=payment.observed_at,
        ending=_ending(part),
        others=tuple(map(_other, _others(payment))),
    )


def draw_review(payment: Payment, part: PaymentPart, order: OrderPart | None) -> Review | None:
    """Return what a person is to look at; None when there is no open review."""
    if part.status != PaymentStatus.REVIEW or (part.resolution and part.resolution.decision == REJECTED):
        return None
    snapshot = Snapshot.from_json(payment.snapshot or {})
    is_empty = bool(snapshot.virtual_account) and not part.money_moved and part.type != EventType.REVIEW_LIVEMODE
    return Review(
        reason=words(REVIEWS, part.type),
        differences=tuple(_difference(one, snapshot, order) for one in part.mismatches),
        money_moved=part.money_moved,
        is_about_others=part.type == EventType.REVIEW_DUPLICATE,
        advice=UNDEPOSITED if is_empty else ADVICE.get(part.type, ADVICE[EventType.REVIEW_ANOMALY]),
    )


def _difference(found: Mismatch, snapshot: Snapshot, order: OrderPart | None) -> Difference:
    expected = order.expected if order else None
    return Difference(
        name=words(FIELDS, found.field),
        expected=_value(found.expected, expected.currency if expected else snapshot.currency),
        actual=_value(found.actual, snapshot.currency),
    )


def _value(value: object, currency: str) -> Text:
    """Return a differing value for a person: minor units as money, a mode as a word."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return MODES[value]
    if isinstance(value, int) and (exponent := exponent_of(currency)) is not None:
        return written(Money(value, currency, exponent))
    return str(value)


def _account(snapshot: Snapshot | None) -> Account | None:
    if snapshot is None or snapshot.virtual_account is None:
        return None
    account = snapshot.virtual_account
    return Account(account.bank_name or "", account.number, account.holder or "", account.expires_at)


def _cancellations(snapshot: Snapshot) -> Sequence[Cancelled]:
    return [
        Cancelled(write_amount(one.amount, snapshot.currency), one.reason or "", one.cancelled_at)
        for one in snapshot.cancellations
    ]


def _ending(part: PaymentPart) -> Ending | None:
    ended = part.resolution
    return Ending(words(DECISIONS, ended.decision), ended.reason, ended.at) if ended else None


def _others(payment: Payment) -> list[Payment]:
    others = Payment.objects.select_related("order").filter(order=payment.order_id).exclude(id=payment.id)
    return list(others.order_by("-first_seen_at", "-id")[:MOST_OTHERS])


def _other(payment: Payment) -> Other:
    snapshot = Snapshot.from_json(payment.snapshot) if payment.snapshot else None
    amount = write_amount(snapshot.amount, snapshot.currency) if snapshot else write_expected(payment)
    return Other(payment.id, state_of(payment.status), amount, payment.first_seen_at)
