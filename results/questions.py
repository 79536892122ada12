"""What is to be asked? From duties to questions: each payment once, and nothing that is settled already."""

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Max, Q

from results import duties, rows
from results.budget import credential_of
from results.claims import may_tell_claim, report_claim
from results.core.claim import Claim, Outcome
from results.core.freshness import AskAt, AskNow, Settled, is_outcome, needs_question
from results.core.snapshot import Snapshot
from results.core.words import Cause, EventType
from results.duties import Taken
from results.models import Notification, Order, Payment, Verification
from tenants.models import Credential, Duty
from tenants.routing import Route
from tenants.statements import Statement, run_together

FOUND, UNKNOWN = Verification.Answer.FOUND, Verification.Answer.UNKNOWN
LAST_LOOK: Final = 2  # times unknown: the second refetch is at hand, and if that finds nothing, the last look follows
FEW_IDS: Final = 5  # payments that one customer may try to make for an order
LATELY: Final = timedelta(hours=1)
# Not the ORM, which asks for one thing at a time. Payments and answers are read that the arrivals name.
SEALED: Final = ("raw",)
ARRIVED: Final = "FROM {schema}.results_notification WHERE id = ANY(%(ids)s) AND settled_at IS NULL"
NOTIFICATIONS: Final = f"SELECT {rows.names(Notification, but=SEALED)} {ARRIVED}"
KNOWN: Final = f"""
SELECT imp_uid, snapshot FROM {{schema}}.results_payment
WHERE mode = %(mode)s AND snapshot IS NOT NULL AND imp_uid IN (SELECT imp_uid {ARRIVED})
"""  # noqa: S608  our own constant
ASKED: Final = f"""
SELECT imp_uid, max(asked_at) FROM {{schema}}.results_verification
WHERE mode = %(mode)s AND imp_uid IN (SELECT imp_uid {ARRIVED}) GROUP BY imp_uid
"""  # noqa: S608  our own constant
PAYMENTS: Final = f"""
SELECT {rows.names(Payment)} FROM {{schema}}.results_payment WHERE id = ANY(%(ids)s) AND imp_uid IS NOT NULL
"""  # noqa: S608  our own names
SETTLED: Final = "UPDATE {schema}.results_notification SET settled_at = %(at)s WHERE id = ANY(%(ids)s)"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a question is asked: the duty, and the notification or payment it refers to."""

    duty: Taken
    claim: Claim | None = None
    notification: Notification | None = None
    payment: Payment | None = None

    @property
    def wants_telling(self) -> bool:
        """True for a landing that says itself that nothing was paid, of which PortOne sends no webhook."""
        return self.is_landing and self.claim is not None and self.claim.outcome == Outcome.FAILED

    @property
    def is_landing(self) -> bool:
        return self.notification is not None and self.notification.kind == Notification.Kind.LANDING

    @property
    def is_vouched(self) -> bool:
        return self.payment is not None or self.duty.kind == Duty.Kind.VOUCHED

    def has_waited(self, *, at: datetime) -> bool:
        """True when what a landing says of itself has waited as long as it must before it is told."""
        return self.notification is not None and at >= self.notification.received_at + settings.CLAIM_DELAY


@dataclass(slots=True)
class Question:
    """One payment, or one order, that PortOne is to be asked about, for all the reasons at hand."""

    imp_uid: str | None
    merchant_uid: str | None
    reasons: list[Reason] = field(default_factory=list)
    last_look: bool = False
    asked_before: bool = False

    @property
    def is_vouched(self) -> bool:
        """True when more than an arrival speaks for it: a known payment, a registered order, PortOne's own address."""
        return any(reason.is_vouched for reason in self.reasons)

    @property
    def rank(self) -> tuple[bool, bool, bool]:
        """What goes first has the least: the vouched, what names its payment, what was never asked.

        Landings that name an order alone cost a call each, and anybody can make them up for orders with easy numbers.
        """
        return not self.is_vouched, self.imp_uid is None, self.asked_before

    @property
    def cause(self) -> Cause:
        kinds = {reason.notification.kind for reason in self.reasons if reason.notification}
        if Notification.Kind.WEBHOOK in kinds:
            return Cause.WEBHOOK
        return Cause.LANDING if kinds else Cause.RECONCILIATION


@dataclass(frozen=True, slots=True)
class Standing:
    """What duties still stand for, and what is known of it already."""

    reasons: Sequence[Reason]
    newest: Mapping[str, Snapshot]  # by payment
    asked: Mapping[str, datetime]  # when each payment was asked about last
    credential: Credential | None


def read_standing(route: Route, taken: Sequence[Taken]) -> Standing:
    """Read the reasons that still stand, and what must be known to ask."""
    asks = [duty.reference for duty in taken if duty.kind == Duty.Kind.ASK]
    arrived = [duty.reference for duty in taken if duty.kind != Duty.Kind.ASK]
    about = {"mode": route.mode, "ids": arrived}
    statements = [
        Statement(NOTIFICATIONS, about),
        Statement(KNOWN, about),
        Statement(ASKED, about),
        Statement(PAYMENTS, {"ids": asks}),
        credential_of(route),
    ]
    notes, newest, asked, payments, credentials = run_together(route.schema, statements)
    found: dict[UUID, Notification | Payment] = {}
    for note in (rows.read(Notification, row, but=SEALED) for row in notes):
        found[note.id] = note
    for payment in (rows.read(Payment, row) for row in payments):
        found[payment.id] = payment
    return Standing(
        reasons=[_reason(duty, found[duty.reference]) for duty in taken if duty.reference in found],
        newest={imp_uid: Snapshot.from_json(json.loads(snapshot)) for imp_uid, snapshot in newest},
        asked=dict(asked),
        credential=rows.read(Credential, credentials[0]) if credentials else None,
    )


def _reason(duty: Taken, row: Notification | Payment) -> Reason:
    if isinstance(row, Payment):
        return Reason(duty, payment=row)
    return Reason(duty, claim=Claim.from_json(row.imp_uid, row.merchant_uid, row.claim), notification=row)


def gather(route: Route, standing: Standing, *, at: datetime) -> list[Question]:
    """Put the reasons for the same payment together, after settling and putting off what freshness allows.

    What matters most comes first.
    """
    past = read_past(route.mode, standing, at=at)
    questions: dict[str, Question] = {}
    settled: list[Reason] = []
    later: dict[int, datetime] = {}
    for reason in standing.reasons:
        imp_uid, merchant_uid = past.about(reason, at=at)
        match past.need(reason, at=at):
            case Settled():
                settled.append(reason)
                if past.refutes(reason) and reason.notification:
                    why = "belongs_to_another_order"
                    report_claim(route, reason.notification, EventType.CLAIM_REJECTED, why, at=at)
            case AskAt(moment):
                later[reason.duty.id] = moment
            case AskNow():
                key = imp_uid or f"order {merchant_uid}"
                known = past.asked_at(imp_uid, merchant_uid)
                question = questions.setdefault(key, Question(imp_uid, merchant_uid, asked_before=known is not None))
                question.reasons.append(reason)
    settle(route, settled, at=at)
    duties.put_off(later)
    if route.livemode:
        mark_last_looks(route.mode, questions.values(), at=at)
    return sorted(questions.values(), key=lambda question: question.rank)


@dataclass(frozen=True, slots=True)
class Past:
    """What was asked and answered before about the payments and orders at hand."""

    newest: Mapping[str, Snapshot]
    asked: Mapping[str, datetime]
    found_orders: dict[str, datetime]
    asked_orders: dict[str, datetime]
    tellable: frozenset[str]

    def about(self, reason: Reason, *, at: datetime) -> tuple[str | None, str | None]:
        """Return the payment's id, or the order's when there is no payment's.

        Before a landing's own word is told its *order* is asked about, whatever payment it names: the id may be made
        up, and another try may have paid.
        """
        if reason.payment:
            return reason.payment.imp_uid, None
        assert reason.claim is not None  # a reason has a payment or a claim
        order = reason.claim.askable_order
        if reason.claim.imp_uid is None or self.is_to_be_told(reason, at=at):
            return None, order
        return reason.claim.imp_uid, None

    def refutes(self, reason: Reason) -> bool:
        """Say whether the payment that is claimed for an order is known to be another order's."""
        claim = reason.claim
        known = self.newest.get(claim.imp_uid or "") if claim else None
        return bool(claim and claim.merchant_uid and known and known.merchant_uid != claim.merchant_uid)

    def asked_at(self, imp_uid: str | None, order: str | None) -> datetime | None:
        """Return when the newest question was sent; None before the first."""
        return self.asked.get(imp_uid) if imp_uid else self.asked_orders.get(order or "")

    def is_to_be_told(self, reason: Reason, *, at: datetime) -> bool:
        """True when the next answer decides whether a landing's own word is told."""
        order = reason.claim.askable_order if reason.claim else None
        return reason.wants_telling and order in self.tellable and reason.has_waited(at=at)

    def need(self, reason: Reason, *, at: datetime) -> AskNow | AskAt | Settled:
        """Say what a reason needs. A landing that is to be told needs an answer from after its waiting time."""
        if reason.notification is None or reason.claim is None:
            return AskNow()
        newest = self.newest.get(reason.claim.imp_uid or "")
        if self.is_to_be_told(reason, at=at):
            known = newest is not None and newest.merchant_uid == reason.claim.merchant_uid and is_outcome(newest)
            return Settled() if known else AskNow()
        imp_uid, order = self.about(reason, at=at)
        return needs_question(
            reason.claim,
            is_landing=reason.is_landing,
            received_at=reason.notification.received_at,
            newest=newest,
            answered_at=newest.asked_at if newest else self.found_orders.get(order or ""),
            asked_at=self.asked_at(imp_uid, order),
            at=at,
        )


def read_past(mode: str, standing: Standing, *, at: datetime) -> Past:
    claims = [reason.claim for reason in standing.reasons if reason.claim]
    orders = {claim.askable_order for claim in claims if claim.askable_order and not claim.imp_uid}
    found = Q(answer=Verification.Answer.FOUND)
    about_orders = Verification.objects.filter(
        mode=mode, merchant_uid__in=orders, question=Verification.Question.FIND_ALL
    )
    return Past(
        newest=standing.newest,
        asked=standing.asked,
        found_orders=_newest_of(about_orders.filter(found), "merchant_uid") if orders else {},
        asked_orders=_newest_of(about_orders, "merchant_uid") if orders else {},
        tellable=read_tellable(mode, standing.reasons, at=at),
    )


def read_tellable(mode: str, reasons: Sequence[Reason], *, at: datetime) -> frozenset[str]:
    """Return the orders about which a landing's own word may reach the merchant."""
    names = {reason.claim.askable_order for reason in reasons if reason.claim and reason.wants_telling}
    orders = Order.objects.filter(mode=mode, merchant_uid__in=names) if names else ()
    return frozenset(order.merchant_uid for order in orders if may_tell_claim(order, at=at))


def _newest_of(rows: "Iterable[Verification]", name: str) -> dict[str, datetime]:
    grouped = rows.values_list(name).annotate(newest=Max("asked_at"))  # type: ignore[attr-defined]
    return dict(grouped)


def count_answers(mode: str, reasons: Iterable[Reason], *, among: Sequence[str] = (FOUND, UNKNOWN)) -> dict[int, int]:
    """Return, by duty, how often PortOne has answered since that arrival about what it names.

    Tries are no measure of that: they also count the times when PortOne did not answer at all, or was not asked.
    """
    notes = {reason.duty.id: reason.notification for reason in reasons if reason.notification}
    if not notes:
        return {}
    imp_uids = {note.imp_uid for note in notes.values() if note.imp_uid}
    orders = {note.merchant_uid for note in notes.values() if note.merchant_uid}
    about = Q(imp_uid__in=imp_uids) | Q(imp_uid=None, merchant_uid__in=orders)
    # Not everything that was ever said of an order: whoever lands on it all day makes that endless.
    since = min(note.received_at for note in notes.values())
    said = Verification.objects.filter(about, mode=mode, answer__in=among, asked_at__gte=since).order_by("asked_at")
    moments: defaultdict[tuple[str | None, str | None], list[datetime]] = defaultdict(list)
    for imp_uid, order, asked_at in said.values_list("imp_uid", "merchant_uid", "asked_at"):
        moments[imp_uid, None if imp_uid else order].append(asked_at)
    return {
        duty: sum(
            len(asked) - bisect_left(asked, note.received_at)
            for asked in (moments[note.imp_uid, None], moments[None, note.merchant_uid])
        )
        for duty, note in notes.items()
    }


def mark_last_looks(mode: str, questions: Iterable[Question], *, at: datetime) -> None:
    """Mark the questions that may look once among test payments: long unknown, and for a registered order.

    Each look is two calls, so no order gets them for which more ids were named than a customer's few tries.
    """
    about = [question for question in questions if question.imp_uid]
    if not any(question.asked_before or reason.duty.tries > 1 for question in about for reason in question.reasons):
        return  # all have just come in
    unknown = count_answers(mode, (reason for question in about for reason in question.reasons), among=(UNKNOWN,))
    tired = [
        (reason.claim.merchant_uid, question)
        for question in about
        for reason in question.reasons
        if reason.claim and reason.claim.merchant_uid and unknown.get(reason.duty.id, 0) >= LAST_LOOK
    ]
    if tired:
        orders = Order.objects.filter(mode=mode, merchant_uid__in={order for order, _ in tired})
        registered = set(orders.exclude(registered_at=None).values_list("merchant_uid", flat=True))
        worth_it = registered - read_crowded_orders(mode, registered, since=at - LATELY)
        for order, question in tired:
            question.last_look = question.last_look or order in worth_it


def read_crowded_orders(mode: str, orders: Collection[str], *, since: datetime) -> set[str]:
    """Return the orders for which more payments were named since then than a customer tries to make."""
    named = Notification.objects.filter(mode=mode, merchant_uid__in=orders, received_at__gt=since).order_by()
    counts = named.values("merchant_uid").annotate(ids=Count("imp_uid", distinct=True))
    return {row["merchant_uid"] or "" for row in counts.filter(ids__gt=FEW_IDS)}


def read_unknown(mode: str, imp_uids: Collection[str]) -> set[str]:
    """Return the payments of which PortOne said that it knows none, and never anything else."""
    said = Verification.objects.filter(mode=mode, imp_uid__in=imp_uids, answer__in=(FOUND, UNKNOWN))
    answers = set(said.values_list("imp_uid", "answer").distinct())
    return {imp_uid for imp_uid in imp_uids if answers & {(imp_uid, FOUND), (imp_uid, UNKNOWN)} == {(imp_uid, UNKNOWN)}}


def settle(route: Route, reasons: Sequence[Reason], *, at: datetime) -> None:
    """Note that nothing more is to be asked on behalf of these."""
    if reasons:
        run_together(route.schema, settling(reasons, at=at))


def settling(reasons: Sequence[Reason], *, at: datetime) -> list[Statement]:
    ids = [reason.notification.id for reason in reasons if reason.notification]
    settled = [Statement(SETTLED, {"ids": ids, "at": at})] if ids else []
    return [*settled, *duties.asked(reason.duty for reason in reasons)]
