"""Tell a redirect's own words, where nothing better is known: for a registered, open order, once, and not many.

PortOne sends no webhook for a failure, so this is how a merchant hears of a customer who gave up. Anyone can write a
redirect; a claim therefore never stands against a verified state, and the first verified one replaces it.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from results.core.claim import Claim
from results.core.expectation import Source
from results.core.failures import Failure, classify_failure, event_type_for
from results.core.ids import encode
from results.core.result import view_claim, view_waiting, written_time
from results.core.words import Cause, EventType, PaymentStatus, Verified
from results.expect import statement_of
from results.models import Event, Notification, Order, Payment
from results.report import report_closed_window
from results.tell import News, announce, tell
from tenants.routing import Route

CLAIMS_A_MINUTE: Final = 10
MINUTE: Final = timedelta(minutes=1)
BETWEEN_LETTERS: Final = timedelta(minutes=10)


class Told(StrEnum):
    """What became of a claim."""

    YES = "told"
    NO = "not to be told"
    LATER = "too many this minute"


def publish_claim(route: Route, claim: Claim, *, at: datetime) -> Told:
    """Tell a redirect's own words, for a registered, open order that nothing verified is known of: once."""
    if claim.merchant_uid is None:
        return Told.NO
    failure = classify_failure(pg=None, code=claim.error_code, message=claim.error_message, source="redirect")
    with transaction.atomic():
        order = _lock_order(route, claim)
        if order is None or not may_tell_claim(order, at=at):
            return Told.NO
        if _told_in_last_minute(route, at=at) >= CLAIMS_A_MINUTE:
            return Told.LATER
        _tell_claim(route, order, claim, failure, at=at)
    return Told.YES


def read_waiting(route: Route, names: Collection[str], *, at: datetime) -> list[str]:
    """Return the orders among these that were not yet told to wait and may be, in the order given."""
    if not names:
        return []
    seen = Payment.objects.filter(order=OuterRef("pk")).exclude(status=PaymentStatus.PENDING)
    quiet = Order.objects.filter(~Exists(seen), mode=route.mode, waited_at=None, claimed_at=None)
    expected = {one.merchant_uid for one in quiet.filter(merchant_uid__in=names) if is_expected(one, at=at)}
    return [name for name in names if name in expected]


def publish_waiting(route: Route, claim: Claim, *, cause: Cause, at: datetime) -> Told:
    """Tell that PortOne gives no answer about a registered, open order: once, and as few as claims."""
    with transaction.atomic():
        order = _lock_order(route, claim)
        if order is None or order.waited_at is not None or not may_tell_claim(order, at=at):
            return Told.NO
        if _told_in_last_minute(route, at=at) >= CLAIMS_A_MINUTE:
            return Told.LATER
        payment = _payment_of(order, claim, at=at)
        view = view_waiting(
            id=encode("pay", payment.id), version=payment.version + 1, first_seen_at=payment.first_seen_at
        )
        payment.status, payment.judgement = PaymentStatus.PENDING, {"verified": Verified.UNAVAILABLE}
        order.waited_at = at
        payment.save()
        tell(route, order, payment, News(EventType.PENDING, view, cause), at=at)
        payment.save()
        order.save()
    return Told.YES


def report_claim(route: Route, note: Notification, type: EventType, reason: str, *, at: datetime) -> None:
    """Keep that a claim was refused, for the dashboard and for endpoints that subscribe to `claim.*`.

    Anyone can make claims: the same one is kept once, and no more of them a minute than are told of orders.
    """
    same = Notification.objects.filter(mode=route.mode, imp_uid=note.imp_uid, merchant_uid=note.merchant_uid)
    if same.filter(received_at__lt=note.received_at).exists():
        return
    with transaction.atomic():
        _take_turns(route)
        recent = Event.objects.filter(mode=route.mode, type__startswith="claim.", created_at__gt=at - MINUTE)
        if recent.count() < CLAIMS_A_MINUTE:
            announce(route, type, {"claim": _described(note, reason)}, at=at)


def _described(note: Notification, reason: str) -> dict[str, str | None]:
    return {
        "kind": note.kind,
        "received_at": written_time(note.received_at),
        "imp_uid": note.imp_uid,
        "merchant_uid": note.merchant_uid,
        "reason": reason,
    }


def may_tell_claim(order: Order, *, at: datetime) -> bool:
    """Say whether a claim about this order may reach the merchant at all.

    The payments are asked, not the roll-up: one under review leaves an order as if nothing had come.
    """
    if not is_expected(order, at=at) or order.claimed_at is not None:
        return False
    return not order.payments.exclude(status=PaymentStatus.PENDING).exists()


def is_expected(order: Order, *, at: datetime) -> bool:
    """Say whether the merchant's server still waits for this order: registered or signed, and not over."""
    if order.registered_at is not None:
        return order.expires_at is None or at < order.expires_at
    said = statement_of(order, Source.ORDER_TOKEN)
    return said is not None and said.until is not None and at < said.until


def _lock_order(route: Route, claim: Claim) -> Order | None:
    orders = Order.objects.select_for_update().filter(mode=route.mode, merchant_uid=claim.merchant_uid or "")
    return orders.first()


def _payment_of(order: Order, claim: Claim, *, at: datetime) -> Payment:
    """Return the payment that is spoken of if it is known, else the one that stands for all claims of its order."""
    rows = Payment.objects.select_for_update().filter(order=order)
    known = rows.filter(imp_uid=claim.imp_uid).first() if claim.imp_uid else None
    fresh = Payment(mode=order.mode, order=order, imp_uid=None, first_seen_at=at)
    return known or rows.filter(imp_uid=None).first() or fresh


def _take_turns(route: Route) -> None:
    """Wait until nobody else counts this merchant's claims: the limit is exact although each order has its own lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [f"{route.merchant_id}{route.mode}"])


def _told_in_last_minute(route: Route, *, at: datetime) -> int:
    """Count what was told of orders without anything verified."""
    _take_turns(route)
    of_mode = Order.objects.filter(mode=route.mode)
    claimed, waited = of_mode.filter(claimed_at__gt=at - MINUTE), of_mode.filter(waited_at__gt=at - MINUTE)
    return claimed.count() + waited.count()


def _was_closed_lately(route: Route, *, at: datetime) -> bool:
    """Say whether a window that did not open was told in the last ten minutes: then its owners know.

    To be asked in one's turn at this merchant's claims.
    """
    told = Event.objects.filter(mode=route.mode, type=EventType.NOT_STARTED)
    return told.filter(order__claimed_at__gt=at - BETWEEN_LETTERS).exists()


def _tell_claim(route: Route, order: Order, claim: Claim, failure: Failure, *, at: datetime) -> None:
    payment, type = _payment_of(order, claim, at=at), EventType(event_type_for(failure))
    if type is EventType.NOT_STARTED and not _was_closed_lately(route, at=at):
        report_closed_window(route, at=at)
    view = view_claim(
        failure,
        id=encode("pay", payment.id),
        version=payment.version + 1,
        first_seen_at=payment.first_seen_at,
    )
    payment.status, payment.judgement = PaymentStatus.FAILED, {"verified": Verified.CLAIMED}
    payment.fingerprint = f"claimed|{failure.code}"
    order.claimed_at = at
    payment.save()
    tell(route, order, payment, News(type, view, Cause.LANDING), at=at)
    payment.save()
    order.save()
