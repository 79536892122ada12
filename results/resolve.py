"""End a review: a member looked at a payment, and either lets its money count or does not.

What the checks found stays visible; it is never told as `payment.paid`, which is for what was verified without a
fault. Whoever accepts has looked with their own eyes: `payment.review.resolved` with the payment's own status says so.
"""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from results import duties, ownership
from results.core.classify import classify
from results.core.ids import encode
from results.core.result import view_judgement
from results.core.snapshot import Snapshot
from results.core.words import Cause, Check, EventType, PaymentStatus
from results.models import Order, Payment
from results.publish import ACCEPTED, REJECTED, next_question_at, resolution_of, surroundings, write
from results.tell import News, tell
from tenants.models import AuditEntry
from tenants.routing import Route
from tenants.statements import run_together

LONGEST_REASON: Final = 300


class Decision(StrEnum):
    ACCEPT = ACCEPTED
    REJECT = REJECTED


class NotUnderReview(Exception):
    """There is no open review of this payment to end."""


def resolve_review(
    route: Route, payment_id: UUID, *, decision: Decision, reason: str, actor: str, at: datetime
) -> Payment:
    """End the review of a payment, tell it as `payment.review.resolved`, and write down who did it and why.

    Raises NotUnderReview when there is no such payment, nothing to look at, or somebody was faster.
    """
    with transaction.atomic():
        order, payment = _lock(route, payment_id)
        resolution = {"decision": decision, "reason": reason[:LONGEST_REASON], "at": at.isoformat()}
        _tell(route, order, payment, resolution, at=at)
        AuditEntry.objects.create(
            merchant_id=route.merchant_id,
            at=at,
            actor=actor,
            action="review.resolved",
            subject=encode("pay", payment.id),
            detail={"mode": route.mode, "decision": decision, "reason": reason[:LONGEST_REASON]},
        )
    return payment


def _lock(route: Route, payment_id: UUID) -> tuple[Order, Payment]:
    """Lock the order's row, then the payment's; raise NotUnderReview."""
    order = Order.objects.select_for_update().filter(mode=route.mode, payments__id=payment_id).first()
    if order is None:
        raise NotUnderReview("there is no such payment in this mode")
    payment = Payment.objects.select_for_update().get(id=payment_id)
    if payment.status != PaymentStatus.REVIEW:
        raise NotUnderReview(f"it is not under review, but {payment.status}")
    if payment.resolution and payment.resolution["decision"] == REJECTED:
        raise NotUnderReview("its review has been ended")
    return order, payment


def _tell(route: Route, order: Order, payment: Payment, resolution: dict[str, Any], *, at: datetime) -> None:
    snapshot = Snapshot.from_json(payment.snapshot or {})
    accepted = list(payment.judgement.get("reviewed", ())) if resolution["decision"] == ACCEPTED else []
    payment.resolution = resolution | {"accepted": accepted}
    if accepted:
        payment.most_cancelled, payment.doubts = str(snapshot.cancel_amount), 0
    others = list(order.payments.exclude(id=payment.id))
    named = payment.judgement["checks"]["order"] == Check.PASS
    owned = ownership.take(route, [snapshot], at=at).of(payment, at=at)
    judgement = classify(snapshot, surroundings(route, order, payment, snapshot, others, owned, named), at=at)
    write(order, payment, judgement, others)
    payment.fingerprint = judgement.fingerprint
    view = view_judgement(
        judgement,
        snapshot,
        id=encode("pay", payment.id),
        version=payment.version + 1,
        first_seen_at=payment.first_seen_at,
    )
    view = replace(view, money_moved=payment.money_moved, resolution=resolution_of(payment))
    tell(route, order, payment, News(EventType.REVIEW_RESOLVED, view, Cause.MEMBER), at=at)
    payment.save()
    order.save()
    run_together(route.schema, duties.questions(route, {payment.id: next_question_at(snapshot, judgement, at=at)}))
