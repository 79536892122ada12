"""What became of a payment? The judge: a pure function of PortOne's newest answer and what was expected.

`status` of PortOne is read together with the amounts: V1 has no word for a partial cancellation, and says `ready`
both of an issued virtual account and of a window that was merely opened. A check that fails turns money into
`review`, never into a success. Silence does not come here at all: no answer means no Snapshot.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from results.core.failures import Failure, classify_failure, event_type_for
from results.core.money import InexactAmount, Money, UnknownCurrency, to_minor
from results.core.snapshot import Snapshot
from results.core.words import Check, EventType, Flag, OrderStatus, PaymentStatus, Verified

WINDOW_LIFE = timedelta(minutes=30)  # a window that was opened and never used
HORIZON = timedelta(hours=24)  # after this a failure can no longer turn into a late approval by itself

MONEY_STATES = (PaymentStatus.PAID, PaymentStatus.PARTIALLY_CANCELLED, PaymentStatus.AWAITING_DEPOSIT)


@dataclass(frozen=True, slots=True)
class Expected:
    """What an order is to be paid, and who said so."""

    money: Money
    source: str
    registered_at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the judge must know beside the snapshot."""

    livemode: bool
    strict: bool
    expected: Expected | None
    named_by_claim: bool
    already_paid: bool
    grace: timedelta
    was_paid: bool = False
    conflict: bool = False  # two sources expect different amounts
    names_other: str | None = None  # the order that the payment's own signed token is for, if not this one
    has_shrunk: bool = False  # the cancelled amount is less than PortOne said before, and stays so
    accepted: frozenset[str] = frozenset()  # what a member looked at and let pass
    account_open: bool = False  # another merchant holds keys of the account, and nothing yet says whose it is


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One field that differs, as texts and integers that a merchant can compare."""

    field: str
    expected: Any
    actual: Any


@dataclass(frozen=True, slots=True)
class Checks:
    """The six ways in which a payment is validated."""

    account: Check = Check.SKIPPED
    order: Check = Check.SKIPPED
    amount: Check = Check.SKIPPED
    currency: Check = Check.SKIPPED
    livemode: Check = Check.SKIPPED
    uniqueness: Check = Check.SKIPPED


@dataclass(frozen=True, slots=True)
class Amounts:
    """Minor units. captured - cancelled = balance."""

    currency: str
    exponent: int
    total: int
    captured: int
    cancelled: int

    @property
    def balance(self) -> int:
        return self.captured - self.cancelled


@dataclass(frozen=True, slots=True)
class Judgement:
    """The conclusion from one snapshot. `amounts` is None when PortOne's amount is not exact in its currency."""

    status: PaymentStatus
    event_type: EventType
    verified: Verified
    checks: Checks
    money_moved: bool
    final: bool
    amounts: Amounts | None
    mismatches: tuple[Mismatch, ...] = ()
    failure: Failure | None = None
    flags: frozenset[Flag] = field(default_factory=frozenset)
    cancellation_ids: tuple[str, ...] = ()
    read_as: PaymentStatus = PaymentStatus.PENDING  # the status without any review: what PortOne's answer means
    reviewed: tuple[EventType, ...] = ()  # every reason for a person's eye, also those that a member let pass

    @property
    def cancelled(self) -> int:
        return self.amounts.cancelled if self.amounts else 0

    @property
    def fingerprint(self) -> str:
        """What makes two judgements the same news: status, reason, cancelled amount, cancellation ids.

        Under review it is news, too, that money has moved: an account is deposited.
        """
        moved = ("moved",) if self.status == PaymentStatus.REVIEW and self.money_moved else ()
        said = (self.status, self.event_type, self.verified, str(self.cancelled))
        return "|".join((*said, *self.cancellation_ids, *moved))


def is_sale(snapshot: Snapshot) -> bool:
    """Say whether the payment is a sale: issuing a billing key is recorded as `paid` and is none."""
    return snapshot.usage != "issue"


def classify(snapshot: Snapshot, around: Surroundings, *, at: datetime) -> Judgement:
    """Return what became of the payment, as far as this answer tells."""
    status = read_status(snapshot, grace=around.grace, at=at)
    amounts, checks, mismatches = check_six_ways(snapshot, around, status)
    reviewed = tuple(reviews_of(checks, around, snapshot)) if status in MONEY_STATES else ()
    open_review = next((reason for reason in reviewed if reason not in around.accepted), None)
    # What only a member let pass is never told as paid: that word is for what was verified without a fault.
    passed = EventType.REVIEW_RESOLVED if reviewed and status == PaymentStatus.PAID else None
    failure = failure_of(snapshot) if status == PaymentStatus.FAILED else None
    return Judgement(
        status=PaymentStatus.REVIEW if open_review else status,
        event_type=open_review or passed or event_type_of(status, snapshot, failure, was_paid=around.was_paid),
        verified=verification_of(checks, around.expected),
        checks=checks,
        money_moved=money_has_moved(snapshot, status, livemode=around.livemode),
        final=is_final(snapshot, status, at=at),
        amounts=amounts,
        mismatches=mismatches,
        failure=failure,
        flags=flags_of(checks, around, snapshot, status),
        cancellation_ids=tuple(entry.id for entry in snapshot.cancellations),
        read_as=status,
        reviewed=reviewed,
    )


def read_status(snapshot: Snapshot, *, grace: timedelta, at: datetime) -> PaymentStatus:
    """Return our status: from the amounts first, then from PortOne's word."""
    if snapshot.cancel_amount > 0:
        whole = snapshot.cancel_amount >= snapshot.amount
        return PaymentStatus.CANCELLED if whole else PaymentStatus.PARTIALLY_CANCELLED
    match snapshot.status:
        case "paid":
            return PaymentStatus.PAID
        case "cancelled":
            return PaymentStatus.PAID if contradicts_itself(snapshot) else PaymentStatus.CANCELLED
        case "failed":
            return PaymentStatus.FAILED
        case "ready":
            return _read_ready(snapshot, grace=grace, at=at)
    return PaymentStatus.PENDING  # new words of PortOne may come: not final, ask again


def contradicts_itself(snapshot: Snapshot) -> bool:
    """Say whether a payment is called cancelled, yet was paid and nothing of it came back."""
    was_paid = snapshot.paid_at is not None and snapshot.amount > 0
    return snapshot.status == "cancelled" and was_paid and snapshot.cancel_amount == 0


def _read_ready(snapshot: Snapshot, *, grace: timedelta, at: datetime) -> PaymentStatus:
    account = snapshot.virtual_account
    if account is None:
        opened = snapshot.started_at
        return PaymentStatus.EXPIRED if opened and snapshot.asked_at > opened + WINDOW_LIFE else PaymentStatus.PENDING
    over = account.expires_at is not None and snapshot.asked_at > account.expires_at + grace
    return PaymentStatus.EXPIRED if over else PaymentStatus.AWAITING_DEPOSIT


def check_six_ways(
    snapshot: Snapshot, around: Surroundings, status: PaymentStatus
) -> tuple[Amounts | None, Checks, tuple[Mismatch, ...]]:
    """Return the amounts in minor units, the six checks, and every field that differs."""
    paid = _exact(snapshot.amount, snapshot.currency)
    cancelled = _exact(snapshot.cancel_amount, snapshot.currency)
    expected, mismatches = around.expected, []
    currency = amount = Check.SKIPPED
    if expected:
        currency = Check.PASS if snapshot.currency == expected.money.currency else Check.FAIL
        amount = Check.PASS if paid == expected.money else Check.FAIL
        if currency == Check.FAIL:
            mismatches.append(Mismatch("currency", expected.money.currency, snapshot.currency))
        if amount == Check.FAIL:
            actual = paid.amount if paid else str(snapshot.amount)
            mismatches.append(Mismatch("amount", expected.money.amount, actual))
    elif paid is None:
        amount = Check.FAIL
        mismatches.append(Mismatch("amount", None, str(snapshot.amount)))
    if paid is not None and cancelled is None:
        amount = Check.FAIL
        mismatches.append(Mismatch("cancelled", None, str(snapshot.cancel_amount)))
    if around.names_other is not None:
        mismatches.append(Mismatch("order", around.names_other, snapshot.merchant_uid))
    livemode = Check.PASS if snapshot.sandbox != around.livemode else Check.FAIL
    if livemode == Check.FAIL:
        mismatches.append(Mismatch("livemode", around.livemode, not snapshot.sandbox))
    moved = money_has_moved(snapshot, status, livemode=around.livemode)
    checks = Checks(
        account=Check.SKIPPED if around.account_open else Check.PASS,
        order=_check_order(around),
        amount=amount,
        currency=currency,
        livemode=livemode,
        uniqueness=Check.FAIL if around.already_paid and moved else Check.PASS,
    )
    return _amounts(paid, cancelled, moved=moved), checks, tuple(mismatches)


def _check_order(around: Surroundings) -> Check:
    if around.names_other is not None:
        return Check.FAIL
    return Check.PASS if around.expected or around.named_by_claim else Check.SKIPPED


def _exact(value: Decimal, currency: str) -> Money | None:
    try:
        return to_minor(value, currency)
    except (InexactAmount, UnknownCurrency):
        return None


def amounts_of(snapshot: Snapshot, *, moved: bool) -> Amounts | None:
    """Return an answer's amounts in minor units; None when one of them is not exact in its currency."""
    paid, cancelled = (_exact(value, snapshot.currency) for value in (snapshot.amount, snapshot.cancel_amount))
    return _amounts(paid, cancelled, moved=moved)


def _amounts(paid: Money | None, cancelled: Money | None, *, moved: bool) -> Amounts | None:
    if paid is None or cancelled is None:
        return None
    captured = paid.amount if moved else 0
    return Amounts(paid.currency, paid.exponent, paid.amount, captured, min(cancelled.amount, captured))


def money_has_moved(snapshot: Snapshot, status: PaymentStatus, *, livemode: bool) -> bool:
    """Say whether money reached the PG.

    A virtual account that is closed before its deposit moved none, nor did a test payment that is met in live mode.
    """
    if livemode and snapshot.sandbox:
        return False
    match status:
        case PaymentStatus.PAID | PaymentStatus.PARTIALLY_CANCELLED:
            return True
        case PaymentStatus.CANCELLED:
            return snapshot.paid_at is not None or snapshot.cancel_amount > 0
    return False


def reviews_of(checks: Checks, around: Surroundings, snapshot: Snapshot) -> Iterator[EventType]:
    """Yield why money needs a person's eye, the gravest reason first."""
    if checks.livemode == Check.FAIL:
        yield EventType.REVIEW_LIVEMODE
    if checks.order == Check.FAIL:
        yield EventType.REVIEW_ORDER
    if checks.currency == Check.FAIL:
        yield EventType.REVIEW_CURRENCY
    if checks.amount == Check.FAIL:
        yield EventType.REVIEW_AMOUNT
    if around.has_shrunk or contradicts_itself(snapshot):
        yield EventType.REVIEW_ANOMALY
    if around.expected is None and around.strict:
        yield EventType.REVIEW_UNKNOWN_ORDER
    if checks.uniqueness == Check.FAIL:
        yield EventType.REVIEW_DUPLICATE


def failure_of(snapshot: Snapshot) -> Failure:
    return classify_failure(pg=snapshot.pg, code=None, message=snapshot.fail_reason, source="portone")


def event_type_of(status: PaymentStatus, snapshot: Snapshot, failure: Failure | None, *, was_paid: bool) -> EventType:
    """Return the name of the news that this status is."""
    match status:
        case PaymentStatus.PAID:
            return EventType.PAID
        case PaymentStatus.PARTIALLY_CANCELLED:
            return EventType.PARTIALLY_CANCELLED
        case PaymentStatus.CANCELLED:
            return EventType.CANCELLED
        case PaymentStatus.AWAITING_DEPOSIT:
            return EventType.DEPOSIT_REVERSED if was_paid else EventType.ACCOUNT_ISSUED
        case PaymentStatus.EXPIRED:
            return EventType.ACCOUNT_EXPIRED if snapshot.virtual_account else EventType.EXPIRED
        case PaymentStatus.FAILED:
            return EventType(event_type_for(failure)) if failure else EventType.FAILED
        case PaymentStatus.PENDING | PaymentStatus.REVIEW:
            return EventType.PENDING


def verification_of(checks: Checks, expected: Expected | None) -> Verified:
    """Nothing expected means nothing compared: `not_checked`, which must never look like a match."""
    if Check.FAIL in (checks.amount, checks.currency, checks.livemode, checks.uniqueness, checks.order):
        return Verified.MISMATCHED
    return Verified.MATCHED if expected else Verified.NOT_CHECKED


def is_final(snapshot: Snapshot, status: PaymentStatus, *, at: datetime) -> bool:
    """Say whether nothing can change by itself any more. `paid` is not final: it can be cancelled."""
    if status == PaymentStatus.CANCELLED:
        return True
    began = snapshot.failed_at or snapshot.started_at or snapshot.asked_at
    if snapshot.virtual_account and snapshot.virtual_account.expires_at:
        began = max(began, snapshot.virtual_account.expires_at)
    return status in (PaymentStatus.FAILED, PaymentStatus.EXPIRED) and at > began + HORIZON


def flags_of(checks: Checks, around: Surroundings, snapshot: Snapshot, status: PaymentStatus) -> frozenset[Flag]:
    flags = set()
    if checks.uniqueness == Check.FAIL:
        flags.add(Flag.DUPLICATE_PAYMENT)
    if around.conflict:
        flags.add(Flag.EXPECTED_CONFLICT)
    ends = around.expected.expires_at if around.expected else None
    if status == PaymentStatus.PAID and ends and snapshot.paid_at and snapshot.paid_at > ends:
        flags.add(Flag.ORDER_EXPIRED)
    return frozenset(flags)


# The best news of any payment is the order's: a late failure of one try must not hide the success of another.
ROLL_UP = (
    (PaymentStatus.PAID, OrderStatus.PAID),
    (PaymentStatus.PARTIALLY_CANCELLED, OrderStatus.PARTIALLY_CANCELLED),
    (PaymentStatus.AWAITING_DEPOSIT, OrderStatus.AWAITING_DEPOSIT),
    (PaymentStatus.PENDING, OrderStatus.PENDING),
    (PaymentStatus.CANCELLED, OrderStatus.CANCELLED),
    (PaymentStatus.EXPIRED, OrderStatus.EXPIRED),
    (PaymentStatus.FAILED, OrderStatus.FAILED),
)


def roll_up(statuses: Iterable[PaymentStatus]) -> OrderStatus:
    """Return an order's status from those of its payments; a payment under review improves nothing."""
    present = set(statuses)
    return next((order for payment, order in ROLL_UP if payment in present), OrderStatus.REGISTERED)
