"""Conclude and write down: payment, event, deliveries and their duties, in one transaction. What is new is told.

The order's row is locked first, then the payment's: lock, then read, then write, for a statement that waited for a
lock would otherwise still see its old snapshot. Snapshots are ordered by when our question was sent, since V1 has no
version of its own; an older one changes nothing, and the same news is told once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from psycopg.errors import UniqueViolation

from results import duties, ownership
from results.core.classify import Judgement, Surroundings, classify, is_sale, roll_up
from results.core.ids import encode
from results.core.money import Money
from results.core.result import (
    Resolution,
    view_judgement,
)
from results.core.schedule import next_question
from results.core.snapshot import Snapshot
from results.core.words import Cause, EventType, Flag, OrderStatus, PaymentStatus, Verified
from results.desk import Desk, lay_out
from results.expect import OrderKeys, expectation_for, expected_of
from results.models import Order, Payment
from results.ownership import Owner, Ownership
from results.tally import count_unmapped
from results.tell import News, freeze_news
from tenants.routing import Route

log = structlog.get_logger()

SETTLED_WELL: Final = (PaymentStatus.PAID, PaymentStatus.PARTIALLY_CANCELLED)
DOUBTS: Final = 2  # answers that are not believed; the third is
DOUBT_WAIT: Final = timedelta(seconds=2)
ACCEPTED, REJECTED = "accepted", "rejected"


class PriceIsSettled(Exception):
    """An order that was paid cannot get another amount."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One answer of PortOne about one payment, with why it was asked and whether a claim named its order."""

    snapshot: Snapshot
    cause: Cause
    named_by_claim: bool


def publish_snapshot(
    route: Route, snapshot: Snapshot, *, cause: Cause, named_by_claim: bool, at: datetime
) -> Payment | None:
    """Apply one answer of PortOne; tell what is new in it. As `publish_all` does for one."""
    [payment] = publish_all(route, [Shown(snapshot, cause, named_by_claim)], at=at)
    return payment


def publish_all(route: Route, shown: Sequence[Shown], *, at: datetime) -> list[Payment | None]:
    """Apply answers of PortOne in this order, all or none; tell what is new in them.

    None for each that is no sale, contradicts its own past, or belongs to another merchant with keys of the same
    account, of which no row is left.
    """
    for last in (False, False, True):
        try:
            with transaction.atomic():
                return _publish(route, shown, at=at)
        except IntegrityError as error:
            # A worker beside us was faster to write what nobody had: now it is there, and is locked.
            if last or not isinstance(error.__cause__, UniqueViolation):
                raise
    raise AssertionError("not reached")


def _publish(route: Route, shown: Sequence[Shown], *, at: datetime) -> list[Payment | None]:
    sales = [one.snapshot for one in shown if is_sale(one.snapshot)]
    if not sales:
        return [None] * len(shown)
    desk = lay_out(route, sales, at=at)
    published = [_publish_one(desk, one) if is_sale(one.snapshot) else None for one in shown]
    desk.write()
    return published


def _publish_one(desk: Desk, shown: Shown) -> Payment | None:
    snapshot, route = shown.snapshot, desk.route
    order = desk.order(snapshot.merchant_uid)
    payment = desk.payment(order, snapshot.imp_uid)
    if payment is None:
        log.error("payment_changed_its_order", imp_uid=snapshot.imp_uid)
        return None
    if payment.observed_at is not None and snapshot.asked_at <= payment.observed_at:
        return payment
    owned = desk.owners.of(payment, at=desk.at)
    if owned.owner is Owner.NEIGHBOUR:
        log.warning(
            "payment_of_a_neighbour", merchant=str(route.merchant_id), mode=route.mode, imp_uid=snapshot.imp_uid
        )
        desk.ask(payment, None)
        return None
    _apply(desk, order, payment, snapshot, owned, cause=shown.cause, named_by_claim=shown.named_by_claim)
    return payment


def register_order(
    route: Route,
    *,
    merchant_uid: str,
    money: Money,
    at: datetime,
    expires_at: datetime | None = None,
    name: str = "",
    return_url: str = "",
    metadata: dict[str, Any] | None = None,
) -> Order:
    """Write down what the merchant expects, and judge again what already came for this order.

    The same again changes nothing. Raises PriceIsSettled when another amount comes after the first was paid.
    """
    with transaction.atomic():
        order = lock_order(route.mode, merchant_uid, at=at)
        known = expected_of(order)
        if known is not None and known.money != money and order.payments.filter(money_moved=True).exists():
            raise PriceIsSettled("the order has been paid; its amount cannot change any more")
        order.expected_amount, order.expected_currency = money.amount, money.currency
        order.expected_exponent, order.expected_source = money.exponent, "orders_api"
        order.registered_at, order.expires_at = order.registered_at or at, expires_at
        order.name, order.return_url, order.metadata = name, return_url, metadata or {}
        if route.livemode and route.prepares and (known is None or known.money != money):
            order.prepared_at = None
            owe_preparation(route, order, due_at=at)
        order.save()
        judge_again(route, order, at=at)
    return order


def owe_preparation(route: Route, order: Order, *, due_at: datetime) -> None:
    """See to it that PortOne is told the amount. In a lane of its own, so that questions never wait behind it."""
    duties.owe_preparation(
        merchant=route.merchant_id, mode=route.mode, lane=route.merchant_id, order=order.id, due_at=due_at
    )


def judge_again(route: Route, order: Order, *, at: datetime) -> None:
    """Judge what already came for an order that is now registered; what nobody had taken becomes its merchant's."""
    rows = list(order.payments.select_for_update().order_by("first_seen_at", "id"))
    payments = [(payment, Snapshot.from_json(payment.snapshot)) for payment in rows if payment.snapshot]
    if not payments:
        return
    owners = ownership.take(route, [snapshot for _, snapshot in payments], at=at)
    desk = Desk(route, at, owners, orders={order.merchant_uid: order}, payments={order.id: rows})
    for payment, snapshot in payments:
        owned = owners.of(payment, at=at)
        if owned.owner is not Owner.NEIGHBOUR:
            _apply(desk, order, payment, snapshot, owned, cause=Cause.ORDER_REGISTERED, named_by_claim=True)
    desk.write()


def lock_order(mode: str, merchant_uid: str, *, at: datetime) -> Order:
    """Return the order's row, made if missing, locked."""
    Order.objects.bulk_create([Order(mode=mode, merchant_uid=merchant_uid, created_at=at)], ignore_conflicts=True)
    return Order.objects.select_for_update().get(mode=mode, merchant_uid=merchant_uid)


def _apply(
    desk: Desk,
    order: Order,
    payment: Payment,
    snapshot: Snapshot,
    owned: Ownership,
    *,
    cause: Cause,
    named_by_claim: bool,
) -> None:
    """Judge, change the payment, and tell what is new. Both rows are locked, or are written for the first time."""
    route, at = desk.route, desk.at
    if is_doubtful(payment, snapshot):
        if not is_doubted(payment, snapshot):
            payment.doubts += 1
            payment.judgement["doubted_at"] = snapshot.asked_at.isoformat()
            desk.save(payment)
        desk.ask(payment, at + DOUBT_WAIT)
        return
    others = desk.others(payment)
    around = surroundings(route, order, payment, snapshot, others, owned, named_by_claim, keys=desk.keys)
    judgement = classify(snapshot, around, at=at)
    payment.snapshot, payment.observed_at = snapshot.as_json(), snapshot.asked_at
    if not has_shrunk(payment, snapshot):
        payment.most_cancelled, payment.doubts = str(snapshot.cancel_amount), 0
    if is_other_matter(payment, judgement):
        payment.resolution = None
    told_as = payment.judgement.get("verified")
    if not (told_as == Verified.CLAIMED and judgement.status == PaymentStatus.PENDING):
        write(order, payment, judgement, others)
        if news := _news(payment, judgement, snapshot, others, cause, told_as=told_as):
            payment.fingerprint = judgement.fingerprint
            if judgement.failure and (payment.told_status != PaymentStatus.FAILED or told_as == Verified.CLAIMED):
                count_unmapped(snapshot.pg, judgement.failure, at=at)
            desk.events.append(freeze_news(route, order, payment, news, at=at, keys=desk.keys))
            _look_after(desk, judgement, others)
    desk.save(order, payment)
    desk.ask(payment, next_question_at(snapshot, judgement, at=at))


def is_other_matter(payment: Payment, judgement: Judgement) -> bool:
    """Say whether what a member rejected is no longer what is to be looked at."""
    resolution = resolution_of(payment)
    return (
        resolution is not None
        and resolution.decision == REJECTED
        and judgement.event_type != payment.judgement.get("type")
    )


def resolution_of(payment: Payment) -> Resolution | None:
    return Resolution.from_json(payment.resolution) if payment.resolution else None


def is_doubtful(payment: Payment, snapshot: Snapshot) -> bool:
    """Say whether an answer takes a cancellation back, which PortOne has to repeat before it is believed."""
    return has_shrunk(payment, snapshot) and (payment.doubts < DOUBTS or is_doubted(payment, snapshot))


def is_doubted(payment: Payment, snapshot: Snapshot) -> bool:
    """Say whether this answer, or a later one, was doubted already: applied once more, it is no repetition."""
    doubted_at = payment.judgement.get("doubted_at")
    return doubted_at is not None and snapshot.asked_at <= datetime.fromisoformat(doubted_at)


def has_shrunk(payment: Payment, snapshot: Snapshot) -> bool:
    return snapshot.cancel_amount < Decimal(payment.most_cancelled)


def is_asked_twice_more(payment: Payment) -> bool:
    """Say whether the newest answer was doubted, so that the payment is to be asked about again."""
    return payment.doubts > 0 and not has_shrunk(payment, Snapshot.from_json(payment.snapshot or {}))


def _look_after(desk: Desk, judgement: Judgement, others: list[Payment]) -> None:
    """Ask again about those that were duplicates of a payment which holds no money any more."""
    if judgement.status in SETTLED_WELL:
        return
    for other in others:
        if other.imp_uid and EventType.REVIEW_DUPLICATE in other.judgement.get("reviewed", ()):
            desk.ask(other, desk.at)


def surroundings(
    route: Route,
    order: Order,
    payment: Payment,
    snapshot: Snapshot,
    others: list[Payment],
    owned: Ownership,
    named_by_claim: bool,
    keys: OrderKeys | None = None,
) -> Surroundings:
    expectation = expectation_for(route, order, snapshot, seen_at=payment.first_seen_at, keys=keys)
    return Surroundings(
        livemode=route.livemode,
        strict=route.strict or owned.is_open,
        # While several merchants could say that it is theirs, a token or prepare says nothing of whose it is.
        expected=None if owned.is_open else expectation.expected,
        named_by_claim=named_by_claim,
        already_paid=is_second(payment, others),
        grace=settings.DEPOSIT_GRACE,
        conflict=expectation.conflict,
        names_other=expectation.names_other,
        was_paid=payment.told_status == PaymentStatus.PAID or payment.told_type == EventType.DEPOSIT_REVERSED,
        has_shrunk=has_shrunk(payment, snapshot),
        accepted=frozenset((payment.resolution or {}).get("accepted", ())),
        account_open=owned.is_open,
    )


def is_second(payment: Payment, others: list[Payment]) -> bool:
    """Say whether the order is paid by another payment. One that was told as its payment stays so."""
    if payment.told_status in SETTLED_WELL:
        return False
    return any(other.status in SETTLED_WELL for other in others)


def is_known_by_member(payment: Payment, judgement: Judgement) -> bool:
    """Say whether a member's decision was the last word, and says already what is concluded now."""
    said = (payment.told_status, payment.told_cancelled)
    return payment.told_type == EventType.REVIEW_RESOLVED and said == (judgement.status, judgement.cancelled)


def write(order: Order, payment: Payment, judgement: Judgement, others: list[Payment]) -> None:
    payment.status = judgement.status
    payment.money_moved = payment.money_moved or judgement.money_moved
    payment.judgement = as_json(judgement)
    order.status, order.flags = summarise([payment, *others])


def as_json(judgement: Judgement) -> dict[str, Any]:
    """Return what of a judgement is kept beside the snapshot."""
    return {
        "verified": judgement.verified,
        "type": judgement.event_type,
        "checks": asdict(judgement.checks),
        "mismatches": [asdict(mismatch) for mismatch in judgement.mismatches],
        "final": judgement.final,
        "flags": sorted(judgement.flags),
        "reviewed": list(judgement.reviewed),
    }


def summarise(payments: Iterable[Payment]) -> tuple[OrderStatus, list[str]]:
    """Return an order's roll-up and flags. Claims count only while nothing is verified, mere waiting never."""
    rows = [row for row in payments if row.judgement.get("verified") != Verified.UNAVAILABLE]
    verified = [row for row in rows if row.snapshot]
    flags = {flag for row in rows for flag in row.judgement.get("flags", ())}
    if any(row.status == PaymentStatus.REVIEW and not row.resolution for row in rows):
        flags.add(Flag.REVIEW)
    return roll_up(PaymentStatus(row.status) for row in verified or rows), sorted(flags)


def _news(
    payment: Payment,
    judgement: Judgement,
    snapshot: Snapshot,
    others: list[Payment],
    cause: Cause,
    *,
    told_as: str | None,
) -> News | None:
    """Return what the merchant does not know yet; None for the same news, and for mere waiting."""
    if judgement.fingerprint == payment.fingerprint or judgement.status == PaymentStatus.PENDING:
        return None
    if is_known_by_member(payment, judgement) and payment.status != PaymentStatus.REVIEW:
        return None
    claimed = next((other for other in others if other.imp_uid is None and other.told_event), None)
    earlier = payment if payment.told_event else claimed if payment.version == 0 else None
    late = (
        judgement.status == PaymentStatus.PAID
        and earlier is not None
        and earlier.told_status in (PaymentStatus.FAILED, PaymentStatus.EXPIRED)
    )
    corrects = late or cause == Cause.ORDER_REGISTERED or told_as == Verified.CLAIMED or earlier is claimed
    view = view_judgement(
        judgement,
        snapshot,
        id=encode("pay", payment.id),
        version=payment.version + 1,
        first_seen_at=payment.first_seen_at,
    )
    return News(
        type=judgement.event_type,
        view=replace(view, money_moved=payment.money_moved, resolution=resolution_of(payment)),
        cause=_cause(payment, judgement, cause, late=late),
        late=late,
        supersedes=earlier.told_event if earlier and corrects else None,
    )


def _cause(payment: Payment, judgement: Judgement, cause: Cause, *, late: bool) -> Cause:
    if judgement.status == PaymentStatus.PAID and payment.told_status == PaymentStatus.AWAITING_DEPOSIT:
        return Cause.DEPOSIT
    return Cause.LATE_APPROVAL if late else cause


def next_question_at(snapshot: Snapshot, judgement: Judgement, *, at: datetime) -> datetime | None:
    """Return when a payment is asked about again after this answer; None for never."""
    account = snapshot.virtual_account
    return next_question(
        judgement.read_as,
        final=judgement.final,
        tries=0,
        deadline=account.expires_at if account else None,
        grace=settings.DEPOSIT_GRACE,
        at=at,
    )
