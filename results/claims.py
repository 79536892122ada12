"""Tell a redirect's own words, where nothing better is known: for a registered, open order, once, and not many.

PortOne sends no webhook for a failure, so this is how a merchant hears of a customer who gave up. Anyone can write a
redirect; a claim therefore never stands against a verified state, and the first verified one replaces it.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.db import connection, transaction

from results.core.claim import Claim
from results.core.failures import Failure, classify_failure, event_type_for
from results.core.ids import encode
from results.core.result import view_claim
from results.core.words import Cause, EventType, PaymentStatus, Verified
from results.models import Order, Payment
from results.publish import News, tell
from tenants.routing import Route

CLAIMS_A_MINUTE: Final = 10


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
        order = Order.objects.select_for_update().filter(mode=route.mode, merchant_uid=claim.merchant_uid).first()
        if order is None or not may_tell_claim(order, at=at):
            return Told.NO
        if _claims_of_last_minute(route, at=at) >= CLAIMS_A_MINUTE:
            return Told.LATER
        _tell_claim(route, order, claim, failure, at=at)
    return Told.YES


def may_tell_claim(order: Order, *, at: datetime) -> bool:
    """Say whether a claim about this order may reach the merchant at all.

    The payments are asked, not the roll-up: one under review leaves an order as if nothing had come.
    """
    is_open = order.expires_at is None or at < order.expires_at
    if order.registered_at is None or not is_open or order.claimed_at is not None:
        return False
    return not order.payments.exclude(status=PaymentStatus.PENDING).exists()


def _claims_of_last_minute(route: Route, *, at: datetime) -> int:
    """Count the told claims; the lock makes the limit exact although each order has its own."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", [f"{route.merchant_id}{route.mode}"])
    return Order.objects.filter(mode=route.mode, claimed_at__gt=at - timedelta(minutes=1)).count()


def _tell_claim(route: Route, order: Order, claim: Claim, failure: Failure, *, at: datetime) -> None:
    payment = Payment.objects.select_for_update().filter(order=order, imp_uid=claim.imp_uid).first() or Payment(
        mode=order.mode, order=order, imp_uid=None, first_seen_at=at
    )
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
    tell(route, order, payment, News(EventType(event_type_for(failure)), view, Cause.LANDING), at=at)
    payment.save()
    order.save()
