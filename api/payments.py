"""Payments: each try to pay an order, in the words of its newest event, and what a server may do about it."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from django.db import transaction
from django.db.models import Max, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from ninja import Path, Query, Router, Schema, Status
from pydantic import Field, StringConstraints

from api.auth import caller_of, needs
from api.errors import Problem
from api.idempotency import idempotent
from api.matching import check_match, tagged
from api.paging import PageOf, read_id, read_page, show_list
from api.payment_shapes import PaymentId, PaymentOut
from api.schemas import ListOf, Moment, Strict, Text
from api.story_shapes import StoryOut
from results import duties
from results.conditions import paid_by, under_open_review
from results.core.classify import Mismatch, amounts_of, failure_of
from results.core.ids import encode
from results.core.result import OrderView, PaymentView, describe_payment, written_time
from results.core.snapshot import Snapshot
from results.core.words import MethodType, OrderStatus, PaymentStatus, Verified
from results.models import Event, Order, Payment, Verification
from results.publish import resolution_of
from results.resolve import LONGEST_REASON, Decision, NotUnderReview, resolve_review
from results.story import read_checks, tell_story
from tenants.routing import Route, inside

router = Router(tags=["payments"])

WAITING: Final = (PaymentStatus.PENDING, PaymentStatus.AWAITING_DEPOSIT)
ASKED_JUST_NOW: Final = timedelta(seconds=10)
DECISIONS = {"accept": Decision.ACCEPT, "reject": Decision.REJECT}
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_REASON, pattern=r"^[^\x00]*$"),
    Field(description="kept, and told in the event", examples=["The customer paid the rest in the shop."]),
]


class PaymentsWished(PageOf):
    """Which payments are meant."""

    status: PaymentStatus | None = None
    order: Annotated[Text | None, Field(description="of this order", examples=["order-1042"])] = None
    imp_uid: Annotated[Text | None, Field(description="PortOne's own id", examples=["imp_123456789012"])] = None
    method: MethodType | None = None
    needs_review: Annotated[bool | None, Field(description="true: under a review that nobody has ended")] = None


class ReviewEnded(Strict):
    """What a person decided about a payment under review, and why."""

    decision: Annotated[
        Literal["accept", "reject"],
        Field(description="accept: its money counts for the order. reject: it does not, and stays in review."),
    ]
    reason: Reason


class Refresh(Schema):
    """A question to PortOne that is due. The payment's `checked_at` moves when it was answered."""

    object: Literal["payment_refresh"]
    payment: PaymentId
    due_at: Moment
    asked_at: Annotated[Moment | None, Field(description="when PortOne was last asked about it, however it answered")]


@router.get(
    "",
    response=ListOf[PaymentOut],
    auth=needs("payments:read"),
    operation_id="listPayments",
    summary="List payments",
    exclude_unset=True,
)
def find(request: HttpRequest, wish: Query[PaymentsWished]) -> dict[str, Any]:
    """List payments, newest first: each try to pay, as its newest event tells it."""
    route = caller_of(request).route
    with inside(route.schema):
        shown, cursor = read_page(request, find_payments(route.mode, wish), wish)
        told = read_told(shown)
        return show_list(shown, cursor, lambda payment: show(route, payment, told))


@router.get(
    "/{payment_id}",
    response=PaymentOut,
    auth=needs("payments:read"),
    operation_id="getPayment",
    summary="Read a payment",
    exclude_unset=True,
)
def get(request: HttpRequest, payment_id: Annotated[Text, Path()]) -> dict[str, Any]:
    """Return a payment as its newest event tells it. Every event links to it as `links.payment`.

    While it waits for money PortOne is asked again soon, within the budget; what is new then comes as an event.
    """
    route, at = caller_of(request).route, datetime.now(UTC)
    with inside(route.schema):
        payment = find_payment(route, payment_id)
        if payment.status in WAITING and payment.imp_uid and (payment.observed_at or at) <= at - ASKED_JUST_NOW:
            owe_question(route, payment, at=at)
        return tagged(request, show_now(route, payment))


@router.post(
    "/{payment_id}/refresh",
    response={202: Refresh},
    auth=needs("payments:write"),
    operation_id="refreshPayment",
    summary="Ask PortOne again",
)
@idempotent
def refresh(request: HttpRequest, payment_id: Annotated[Text, Path()]) -> Status[dict[str, Any]]:
    """Have PortOne asked about a payment now, within the budget. What is new is told as an event, as always."""
    route, at = caller_of(request).route, datetime.now(UTC)
    with inside(route.schema):
        payment = find_payment(route, payment_id)
        if payment.imp_uid is None:
            detail = _("PortOne has not named this payment: it is known only from what a customer's browser said.")
            raise Problem(409, "payment_unnamed", detail)
        asked = Verification.objects.filter(mode=route.mode, imp_uid=payment.imp_uid).aggregate(at=Max("asked_at"))
        owe_question(route, payment, at=at)
    document = {"object": "payment_refresh", "payment": encode("pay", payment.id)}
    return Status(202, document | {"due_at": written_time(at), "asked_at": written_time(asked["at"])})


@router.post(
    "/{payment_id}/resolve",
    response={200: PaymentOut},
    auth=needs("payments:write"),
    operation_id="resolvePayment",
    summary="End a review",
    exclude_unset=True,
)
@idempotent
def resolve(request: HttpRequest, payment_id: Annotated[Text, Path()], payload: ReviewEnded) -> dict[str, Any]:
    """Let a payment under review count, or not. It is told as `payment.review.resolved`; the audit says which key."""
    caller = caller_of(request)
    route, at = caller.route, datetime.now(UTC)
    with inside(route.schema), transaction.atomic():
        payment = find_payment(route, payment_id)
        if "If-Match" in request.headers:
            Order.objects.select_for_update().get(id=payment.order_id)  # which whoever changes a payment locks first
            check_match(request, show_now(route, find_payment(route, payment_id)))
        decision = DECISIONS[payload.decision]
        try:
            resolve_review(route, payment.id, decision=decision, reason=payload.reason, actor=caller.actor, at=at)
        except NotUnderReview as error:
            detail = _("There is no open review of this payment: it has none, or somebody has ended it.")
            raise Problem(409, "not_under_review", detail) from error
        return tagged(request, show_now(route, find_payment(route, payment_id)))


@router.get(
    "/{payment_id}/story",
    response=StoryOut,
    auth=needs("payments:read"),
    operation_id="getPaymentStory",
    summary="Read all that happened to a payment",
)
def story(request: HttpRequest, payment_id: Annotated[Text, Path()]) -> dict[str, Any]:
    """Return what arrived, what PortOne was asked and said, what you were told, and what is still to be done."""
    route = caller_of(request).route
    with inside(route.schema):
        name = encode("pay", find_payment(route, payment_id).id)
        told = tell_story(route, name, at=datetime.now(UTC))
    if told is None:
        raise missing()
    return told.as_json() | {"object": "story", "payment": name, "livemode": route.livemode}


def missing() -> Problem:
    return Problem(404, "payment_not_found", _("There is no such payment in this mode."))


def owe_question(route: Route, payment: Payment, *, at: datetime) -> None:
    duties.owe_question(merchant=route.merchant_id, mode=route.mode, lane=route.lane, payment=payment.id, due_at=at)


def find_payment(route: Route, payment_id: str) -> Payment:
    """Return a payment with its order; raise Problem. Stand inside the schema, here and below."""
    id_ = read_id(payment_id, prefix="pay", missing=missing())
    payment = Payment.objects.select_related("order").filter(mode=route.mode, id=id_).first()
    if payment is None:
        raise missing()
    return payment


def find_payments(mode: str, wish: PaymentsWished) -> QuerySet[Payment]:
    """Return the payments that a filter means."""
    rows = Payment.objects.select_related("order").filter(mode=mode)
    if wish.status:
        rows = rows.filter(status=wish.status)
    if wish.order is not None:
        rows = rows.filter(order__in=Order.objects.filter(mode=mode, merchant_uid=wish.order))
    if wish.imp_uid is not None:
        rows = rows.filter(imp_uid=wish.imp_uid)
    if wish.method:
        rows = rows.filter(paid_by(wish.method))
    if wish.needs_review is not None:
        waits = under_open_review()
        rows = rows.filter(waits) if wish.needs_review else rows.exclude(waits)
    return rows


def read_told(payments: Sequence[Payment]) -> dict[UUID, bytes]:
    """Return the bytes of each payment's newest event, by the event's id; one query."""
    events = Event.objects.filter(id__in=[payment.told_event for payment in payments if payment.told_event])
    return {id_: bytes(body) for id_, body in events.values_list("id", "body")}


def show_now(route: Route, payment: Payment) -> dict[str, Any]:
    return show(route, payment, read_told([payment]))


def show(route: Route, payment: Payment, told: dict[UUID, bytes]) -> dict[str, Any]:
    """Return a payment as its newest event tells it, or in the same words when nothing was told yet."""
    body = told.get(payment.told_event) if payment.told_event else None
    said = json.loads(body)["data"]["payment"] if body else describe_untold(payment)
    return said | {
        "object": "payment",
        "livemode": route.livemode,
        "order": payment.order.merchant_uid,
        "event": encode("evt", payment.told_event) if payment.told_event and body else None,
        "checked_at": written_time(payment.observed_at),
    }


def describe_untold(payment: Payment) -> dict[str, Any]:
    """Return what is known of a payment of which there is no news: a window that was opened, as a rule."""
    order, judged = payment.order, payment.judgement
    snapshot = Snapshot.from_json(payment.snapshot) if payment.snapshot else None
    view = PaymentView(
        id=encode("pay", payment.id),
        version=payment.version,
        status=PaymentStatus(payment.status),
        verified=Verified(judged.get("verified", Verified.NOT_CHECKED)),
        checks=read_checks(judged.get("checks")),
        mismatches=tuple(Mismatch(**mismatch) for mismatch in judged.get("mismatches", ())),
        money_moved=payment.money_moved,
        final=bool(judged.get("final")),
        amounts=amounts_of(snapshot, moved=payment.money_moved) if snapshot else None,
        failure=failure_of(snapshot) if snapshot and payment.status == PaymentStatus.FAILED else None,
        snapshot=snapshot,
        first_seen_at=payment.first_seen_at,
        resolution=resolution_of(payment),
    )
    return describe_payment(view, OrderView(order.merchant_uid, OrderStatus(order.status), (), None, order.metadata))
