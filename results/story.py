"""What became of one payment, and why? All that is known of it, gathered to be read; nothing here decides or writes.

What a story may hold, and what not, is said in results/core/story.py.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from django.db.models import BooleanField, ExpressionWrapper, Q

from results.core.claim import IMP_UID, UNPRINTABLE, Claim
from results.core.classify import Amounts, Checks, Mismatch
from results.core.ids import decode, encode
from results.core.result import Previous, Resolution
from results.core.snapshot import Snapshot
from results.core.story import (
    ArrivalPart,
    AttemptPart,
    DeliveryPart,
    DutyPart,
    EventPart,
    OrderPart,
    PaymentPart,
    QuestionPart,
    Said,
    Story,
)
from results.core.words import Check, PaymentStatus
from results.expect import price_of
from results.models import Attempt, Delivery, Endpoint, Event, Notification, Order, Payment, Verification
from tenants.models import Duty
from tenants.routing import Route

MOST: Final = 50  # entries of each list
SEALED: Final = ExpressionWrapper(~Q(raw=None), output_field=BooleanField())  # whether, not what
MOST_ATTEMPTS: Final = 200  # of all deliveries together; a schedule of seven days has about twenty


@dataclass(frozen=True, slots=True)
class Subject:
    """What a story is about: one payment, or an order with all of its payments, or an event of neither."""

    order: Order | None = None
    payments: tuple[Payment, ...] = ()
    imp_uids: tuple[str, ...] = ()
    merchant_uid: str | None = None
    whole_order: bool = False
    event: UUID | None = None

    def mentions(self) -> Q:
        """Return the condition for arrivals and questions that are about it."""
        about = Q(imp_uid__in=self.imp_uids)
        if self.merchant_uid is None:
            return about
        of_order = Q(merchant_uid=self.merchant_uid)
        return about | (of_order if self.whole_order else of_order & Q(imp_uid=None))

    def events(self) -> Q:
        if self.event:
            return Q(id=self.event)
        if self.whole_order:
            return Q(order=self.order) if self.order else Q(pk__in=[])
        return Q(payment__in=[payment.id for payment in self.payments])


def tell_story(route: Route, id: str, *, at: datetime) -> Story | None:
    """Return the story of what is named, or None when nothing is known of it in this merchant's mode.

    `id` is imp_…, pay_… or evt_… for one payment, or an order's own number for all of its payments. Stand inside the
    merchant's schema. At most ten queries.
    """
    subject = find_subject(route.mode, id)
    found = read_rows(route.mode, subject)
    if not (subject.order or any(found.values())):
        return None
    rows = {name: some[:MOST][::-1] for name, some in found.items()}
    deliveries, attempts = read_deliveries(rows["events"])
    owed = read_duties(route, [*subject.payments, *rows["arrivals"], *deliveries])
    next_tries = {duty.reference: duty.due_at for duty in owed}
    return Story(
        at=at,
        merchant=encode("mer", route.merchant_id),
        merchant_name=route.name,
        mode=route.mode,
        order=_order(route, subject.order, subject.payments) if subject.order else None,
        payments=tuple(map(_payment, subject.payments)),
        arrivals=tuple(map(_arrival, rows["arrivals"])),
        questions=tuple(map(_question, rows["questions"])),
        events=tuple(_event(event, deliveries, attempts, next_tries) for event in rows["events"]),
        duties=tuple(_duty(duty, subject, rows["arrivals"], deliveries) for duty in owed),
        left_out=tuple(name for name, some in found.items() if len(some) > MOST),
    )


def find_subject(mode: str, id: str) -> Subject:
    """Return what is named; an id that names no row still names what arrived about it."""
    payments = Payment.objects.select_related("order").filter(mode=mode)
    if (event_id := decode(id, prefix="evt")) and (
        event := Event.objects.select_related("payment__order", "order").filter(mode=mode, id=event_id).first()
    ):
        return _subject(event.payment, event.order) if event.order else Subject(event=event.id)
    if (payment_id := decode(id, prefix="pay")) and (payment := payments.filter(id=payment_id).first()):
        return _subject(payment, payment.order)
    if IMP_UID.fullmatch(id):
        payment = payments.filter(imp_uid=id).first()
        return _subject(payment, payment.order) if payment else Subject(imp_uids=(id,))
    if UNPRINTABLE.search(id):  # no order's number, and PostgreSQL does not take some of them
        return Subject()
    order = Order.objects.filter(mode=mode, merchant_uid=id).first()
    return _subject(None, order) if order else Subject(merchant_uid=id, whole_order=True)


def _subject(payment: Payment | None, order: Order) -> Subject:
    """A payment that is known from a claim only has no number of its own: its story is its order's."""
    whole = payment is None or payment.imp_uid is None
    payments = tuple(order.payments.order_by("first_seen_at", "id")[:MOST]) if whole else (payment,)
    imp_uids = tuple(one.imp_uid for one in payments if one and one.imp_uid)
    return Subject(order, tuple(filter(None, payments)), imp_uids, order.merchant_uid, whole)


def read_rows(mode: str, subject: Subject) -> dict[str, list[Any]]:
    """Return the newest arrivals, questions and events, newest first and one more than are told."""
    # Not the sealed columns, which nobody opens here.
    arrivals = Notification.objects.filter(subject.mentions(), mode=mode).defer("raw").annotate(sealed=SEALED)
    questions = Verification.objects.filter(subject.mentions(), mode=mode).defer("raw").annotate(sealed=SEALED)
    arrivals, questions = arrivals.order_by("-received_at", "-id"), questions.order_by("-asked_at", "-id")
    events = Event.objects.filter(subject.events(), mode=mode).select_related("payment").order_by("-sequence", "-id")
    rows = {"arrivals": arrivals, "questions": questions, "events": events}
    return {name: list(some[: MOST + 1]) for name, some in rows.items()}


def read_deliveries(events: Sequence[Event]) -> tuple[list[Delivery], list[Attempt]]:
    about = Delivery.objects.filter(event__in=[event.id for event in events])
    deliveries = list(about.select_related("endpoint", "event").defer("event__body").order_by("created_at", "id"))
    made = Attempt.objects.filter(delivery__in=[delivery.id for delivery in deliveries]).defer("body", "detail")
    return deliveries, list(made.order_by("-started_at", "-id")[:MOST_ATTEMPTS])[::-1]


def read_duties(route: Route, rows: Sequence[Payment | Notification | Delivery]) -> list[Duty]:
    """Return what is owed about these rows, soonest first."""
    duties = Duty.objects.filter(merchant=route.merchant_id, mode=route.mode, reference__in=[row.id for row in rows])
    return list(duties.order_by("due_at", "id"))


def _order(route: Route, order: Order, payments: Sequence[Payment]) -> OrderPart:
    expected = price_of(route, order, payments[-1] if payments else None)
    return OrderPart(
        id=order.merchant_uid,
        status=order.status,
        flags=tuple(order.flags),
        expected=expected.money if expected else None,
        source=expected.source if expected else "",
        registered_at=order.registered_at,
        expires_at=order.expires_at,
        events=order.sequence,
        payments=order.payments.count(),
    )


def _payment(payment: Payment) -> PaymentPart:
    judged = payment.judgement
    return PaymentPart(
        id=encode("pay", payment.id),
        imp_uid=payment.imp_uid,
        status=payment.status,
        type=judged.get("type") or payment.told_type,
        version=payment.version,
        verified=judged.get("verified", ""),
        checks=read_checks(judged.get("checks")),
        mismatches=tuple(Mismatch(**mismatch) for mismatch in judged.get("mismatches", ())),
        money_moved=payment.money_moved,
        final=bool(judged.get("final")),
        said=_said(payment.snapshot),
        observed_at=payment.observed_at,
        first_seen_at=payment.first_seen_at,
        resolution=Resolution.from_json(payment.resolution) if payment.resolution else None,
    )


def read_checks(kept: Mapping[str, str] | None) -> Checks:
    """A check that was not kept was not made."""
    return Checks(**{field.name: Check((kept or {}).get(field.name, Check.SKIPPED)) for field in fields(Checks)})


def _said(kept: dict[str, Any] | None) -> Said | None:
    if not kept:
        return None
    snapshot = Snapshot.from_json(kept)
    return Said(
        order=snapshot.merchant_uid,
        status=snapshot.status,
        amount=snapshot.amount,
        cancelled=snapshot.cancel_amount,
        currency=snapshot.currency,
        sandbox=snapshot.sandbox,
    )


def _arrival(note: Any) -> ArrivalPart:
    claim = Claim.from_json(note.imp_uid, note.merchant_uid, note.claim)
    return ArrivalPart(
        id=note.id,
        received_at=note.received_at,
        kind=note.kind,
        imp_uid=claim.imp_uid,
        order=claim.merchant_uid,
        outcome=claim.outcome,
        status=claim.status,
        event=claim.event,
        cancellation_id=claim.cancellation_id,
        error_code=claim.error_code,
        problems=claim.problems,
        settled_at=note.settled_at,
        sealed=note.sealed,
    )


def _question(row: Any) -> QuestionPart:
    return QuestionPart(
        id=row.id,
        asked_at=row.asked_at,
        question=row.question,
        imp_uid=row.imp_uid,
        order=row.merchant_uid,
        answer=row.answer,
        detail=row.detail,
        ms=round((row.answered_at - row.asked_at).total_seconds() * 1000),
        said=_said(row.snapshot),
        sealed=row.sealed,
    )


def _event(
    event: Event, deliveries: Sequence[Delivery], attempts: Sequence[Attempt], next_tries: Mapping[UUID, datetime]
) -> EventPart:
    envelope = json.loads(bytes(event.body))
    payment = envelope["data"].get("payment") or {}
    verification = payment.get("verification") or {}
    amount, previous = payment.get("amount"), envelope.get("previous")
    return EventPart(
        id=envelope["id"],
        sequence=event.sequence,
        type=event.type,
        created_at=event.created_at,
        payment=(event.payment.imp_uid or payment.get("id")) if event.payment else None,
        status=payment.get("status"),
        verified=verification.get("result"),
        failed_checks=tuple(name for name, mark in verification.get("checks", {}).items() if mark == Check.FAIL),
        checks=read_checks(verification["checks"]) if "checks" in verification else None,
        amounts=Amounts(**{field.name: amount[field.name] for field in fields(Amounts)}) if amount else None,
        cause=envelope.get("cause"),
        late=bool(envelope.get("late")),
        supersedes=envelope.get("supersedes"),
        previous=Previous(**previous | {"status": PaymentStatus(previous["status"])}) if previous else None,
        deliveries=tuple(
            _delivery(one, attempts, next_tries.get(one.id)) for one in deliveries if one.event_id == event.id
        ),
    )


def _delivery(delivery: Delivery, attempts: Sequence[Attempt], next_at: datetime | None) -> DeliveryPart:
    endpoint = delivery.endpoint
    return DeliveryPart(
        endpoint=host_of(endpoint.url),
        delivered_at=delivery.delivered_at,
        given_up_at=delivery.given_up_at,
        next_at=next_at,
        held=_held(endpoint),
        attempts=tuple(_attempt(one) for one in attempts if one.delivery_id == delivery.id),
        endpoint_id=endpoint.id,
    )


def _held(endpoint: Endpoint) -> str:
    if endpoint.deleted_at:
        return "deleted"
    if endpoint.disabled_at:
        return "disabled"
    if endpoint.paused_at:
        return "paused"
    return "failing" if endpoint.opened_at else ""


def host_of(url: str) -> str:
    """Return where an endpoint is, without the path and query in which merchants keep secrets."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _attempt(attempt: Attempt) -> AttemptPart:
    return AttemptPart(
        id=attempt.id,
        number=attempt.number,
        trigger=attempt.trigger,
        started_at=attempt.started_at,
        ms=attempt.duration_ms,
        status=attempt.status,
        error=attempt.error,
    )


def _duty(duty: Duty, subject: Subject, arrivals: Sequence[Notification], deliveries: Sequence[Delivery]) -> DutyPart:
    about = {note.id: str(note) for note in arrivals}
    about |= {payment.id: payment.imp_uid or encode("pay", payment.id) for payment in subject.payments}
    about |= {one.id: f"{one.event.type} to {host_of(one.endpoint.url)}" for one in deliveries}
    return DutyPart(kind=duty.kind, about=about[duty.reference], due_at=duty.due_at, tries=duty.tries)
