"""Is everything as it should be? What a merchant's mode comes to today, read in eight queries; nothing here writes.

A day is one of Korea and counts what PortOne says was paid in it, whenever we heard of it. Money counts as verified
once it moved and is not under review. Stand inside the merchant's schema.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models import Sum as Total
from django.db.models.functions import Coalesce

from results.conditions import under_open_review
from results.core.figures import (
    HOUR,
    HOURS,
    Hour,
    Sum,
    Tally,
    day_began,
    hour_began,
    since,
    tally,
    window_began,
)
from results.core.ids import lowest_id
from results.core.words import PaymentStatus
from results.health import host_of
from results.models import Delivery, Endpoint, Payment
from tenants.routing import Route

VERIFIED: Final = [PaymentStatus.PAID.value, PaymentStatus.PARTIALLY_CANCELLED.value, PaymentStatus.CANCELLED.value]
FAILED: Final = [PaymentStatus.FAILED.value, PaymentStatus.EXPIRED.value]
LATELY: Final = timedelta(days=7)
MOST_ENDPOINTS: Final = 20

# The hour is the beginning of the text, which is in UTC.
PAID: Final = """
SELECT left(paid_iso, 13), currency, count(*), coalesce(sum(amount), 0) FROM results_payment
WHERE mode = %(mode)s AND paid_iso >= %(since)s AND money_moved AND status = ANY(%(verified)s) GROUP BY 1, 2
"""
# Whoever cancels is asked about afterwards, so an old payment that lost money lately was observed lately. An answer
# without a history of cancellations is one cancellation.
REFUNDED: Final = """
SELECT left(part.at, 13), payment.currency, count(*), coalesce(sum(
    CASE WHEN part.amount ~ '^[0-9]{1,15}([.][0-9]{1,6})?$' THEN part.amount::numeric END), 0)
FROM results_payment AS payment CROSS JOIN LATERAL (
    SELECT coalesce(entry ->> 'cancelled_at', snapshot ->> 'cancelled_at') AS at, entry ->> 'amount' AS amount
    FROM jsonb_array_elements(CASE WHEN jsonb_array_length(snapshot -> 'cancellations') > 0
        THEN snapshot -> 'cancellations'
        ELSE jsonb_build_array(jsonb_build_object('amount', snapshot ->> 'cancel_amount')) END) AS entry) AS part
WHERE mode = %(mode)s AND most_cancelled <> '0' AND observed_at >= %(began_at)s AND money_moved
    AND status = ANY(%(verified)s) AND part.at >= %(since)s GROUP BY 1, 2
"""
# Of each payment that holds verified money, the oldest news which somebody who subscribes never heard.
UNTOLD: Final = """
SELECT currency, count(*), coalesce(sum(amount), 0), min(since) FROM (
    SELECT payment.currency, payment.amount, min(event.created_at) AS since
    FROM results_delivery AS delivery
    JOIN results_event AS event ON event.id = delivery.event_id AND event.mode = %(mode)s
    JOIN results_payment AS payment ON payment.id = event.payment_id
    WHERE delivery.delivered_at IS NULL AND delivery.given_up_at IS NULL AND delivery.heard_at IS NULL
        AND payment.money_moved AND payment.status = ANY(%(verified)s) GROUP BY payment.id) AS payment
GROUP BY currency
"""
# The first time that a payment was told as paid, to whom subscribed then. What is still owed counts with its age, so
# that the figure gets no better by being silent.
TOLD: Final = """
WITH told AS (
    SELECT DISTINCT ON (payment.id, delivery.endpoint_id) left(payment.paid_iso, 13) AS hour, greatest(0,
        extract(epoch FROM coalesce(delivery.heard_at, %(at)s) - payment.paid_iso::timestamptz))::float AS seconds
    FROM results_payment AS payment
    JOIN results_event AS event ON event.payment_id = payment.id AND event.type = 'payment.paid'
    JOIN results_delivery AS delivery ON delivery.event_id = event.id AND delivery.created_at = event.created_at
    JOIN results_endpoint AS endpoint ON endpoint.id = delivery.endpoint_id
        AND (endpoint.deleted_at IS NULL OR delivery.heard_at IS NOT NULL)
    WHERE payment.mode = %(mode)s AND payment.paid_iso >= %(since)s AND payment.money_moved
    ORDER BY payment.id, delivery.endpoint_id, event.created_at)
SELECT hour, percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds),
    percentile_disc(0.99) WITHIN GROUP (ORDER BY seconds), count(*) FROM told GROUP BY GROUPING SETS ((), (hour))
"""
REST: Final = """
SELECT reconciliation.watermark, gap.number, gap.newest,
    EXISTS (SELECT FROM results_payment WHERE mode = %(mode)s),
    (SELECT count(DISTINCT event.payment_id)
        FROM results_delivery AS delivery JOIN results_event AS event ON event.id = delivery.event_id
        JOIN results_endpoint AS endpoint ON endpoint.id = delivery.endpoint_id AND endpoint.deleted_at IS NULL
        WHERE delivery.given_up_at >= %(lately)s AND delivery.heard_at IS NULL AND event.mode = %(mode)s),
    credential.id, credential.refused_at, credential.paused_until
FROM (SELECT count(*) AS number, max(created_at) AS newest FROM results_event
    WHERE mode = %(mode)s AND type = 'account.reconciliation_gap' AND created_at >= %(lately)s) AS gap
LEFT JOIN results_reconciliation AS reconciliation ON reconciliation.mode = %(mode)s
LEFT JOIN public.tenants_credential AS credential
    ON credential.merchant_id = %(merchant)s AND credential.mode = %(mode)s
"""


@dataclass(frozen=True, slots=True)
class Untold:
    """Money at risk: verified, and not yet heard by everybody who subscribes. `since` is the oldest such news."""

    tally: Tally
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Tries:
    """Today's verified tries to pay that came to an end, and how many of them succeeded."""

    ended: int
    succeeded: int

    @property
    def permille(self) -> int | None:
        return self.succeeded * 1000 // self.ended if self.ended else None


@dataclass(frozen=True, slots=True)
class Told:
    """Seconds from when a payment was made, which PortOne says to the second, to when its merchant had heard it."""

    p50: float
    p99: float
    count: int


@dataclass(frozen=True, slots=True)
class Listener:
    """An endpoint as a glance needs it: its state, since when that lasts, and how many events wait for it."""

    id: UUID
    host: str
    state: str
    since: datetime | None
    waiting: int


@dataclass(frozen=True, slots=True)
class Keys:
    """How PortOne takes the merchant's keys."""

    refused_at: datetime | None
    silent_until: datetime | None


@dataclass(frozen=True, slots=True)
class Figures:
    """All that home shows. `paid_hours` and `refunded_hours` are of seven days of Korea, `told_hours` of 24 hours."""

    at: datetime
    paid: Tally
    refunded: Tally
    waiting: Tally
    review: Tally
    untold: Untold
    given_up: int
    tries: Tries
    told: Told | None
    told_hours: Mapping[datetime, Told]
    paid_hours: tuple[Hour, ...]
    refunded_hours: tuple[Hour, ...]
    listeners: tuple[Listener, ...]
    reconciled_at: datetime | None
    gaps: int
    gap_at: datetime | None
    keys: Keys | None
    any_payment: bool

    @property
    def is_new(self) -> bool:
        """True while nothing can be reassuring yet: no payment ever, so the way leads to the first one."""
        return not self.any_payment


def read_figures(route: Route, *, at: datetime) -> Figures:
    """Return what home shows of this merchant's mode."""
    hours = tuple(read_hours(PAID, route.mode, at=at))
    refunds = tuple(read_hours(REFUNDED, route.mode, at=at))
    waiting, review = read_unsettled(route.mode)
    told, told_hours = read_told(route.mode, at=at)
    rest = _ask(REST, merchant=route.merchant_id, mode=route.mode, lately=at - LATELY)[0]
    watermark, gaps, gap_at, any_payment, given_up, credential, refused_at, paused_until = rest
    return Figures(
        at=at,
        paid=tally(since(hours, day_began(at))),
        refunded=tally(since(refunds, day_began(at))),
        waiting=waiting,
        review=review,
        untold=read_untold(route.mode),
        given_up=given_up,
        tries=read_tries(route.mode, at=at),
        told=told,
        told_hours=told_hours,
        paid_hours=hours,
        refunded_hours=refunds,
        listeners=tuple(read_listeners(route.mode)),
        reconciled_at=watermark,
        gaps=gaps,
        gap_at=gap_at,
        keys=_keys(refused_at, paused_until, at=at) if credential else None,
        any_payment=any_payment,
    )


def read_hours(statement: str, mode: str, *, at: datetime) -> Iterator[Hour]:
    """Yield what each hour of seven days came to, in each currency."""
    began_at = window_began(at)
    rows = _ask(statement, mode=mode, since=_text(began_at), began_at=began_at, verified=VERIFIED)
    for hour, currency, count, total in rows:
        yield Hour(_hour(hour), Sum(currency, count, total))


def read_unsettled(mode: str) -> tuple[Tally, Tally]:
    """Return what waits for its deposit now, and what waits for a member's eye."""
    # The first condition is what their index is for.
    unsettled = Payment.objects.filter(mode=mode, status__in=[PaymentStatus.AWAITING_DEPOSIT, PaymentStatus.REVIEW])
    asking = unsettled.filter(Q(status=PaymentStatus.AWAITING_DEPOSIT) | under_open_review())
    summed = asking.values("status", "currency").annotate(count=Count("*"), total=Coalesce(Total("amount"), Decimal(0)))
    rows = [(row["status"], Sum(row["currency"], row["count"], row["total"])) for row in summed.order_by()]
    waiting, review = (
        tally(one for status, one in rows if status == wanted)
        for wanted in (PaymentStatus.AWAITING_DEPOSIT, PaymentStatus.REVIEW)
    )
    return waiting, review


def read_untold(mode: str) -> Untold:
    rows = _ask(UNTOLD, mode=mode, verified=VERIFIED)
    return Untold(tally(Sum(*row[:3]) for row in rows), min((row[3] for row in rows), default=None))


def read_tries(mode: str, *, at: datetime) -> Tries:
    """Count today's tries; what a redirect alone said of one is not counted, nor what is still open."""
    today = Payment.objects.filter(id__gte=lowest_id(day_began(at) - HOUR), first_seen_at__gte=day_began(at))
    verified = Q(status__in=VERIFIED, money_moved=True)
    counts = today.filter(mode=mode, snapshot__isnull=False).aggregate(
        succeeded=Count("pk", filter=verified),
        ended=Count("pk", filter=verified | Q(status__in=FAILED) | Q(status=PaymentStatus.CANCELLED)),
    )
    return Tries(**counts)


def read_told(mode: str, *, at: datetime) -> tuple[Told | None, dict[datetime, Told]]:
    """Return how long it took in the last 24 hours, altogether and by the hour of the payment."""
    began_at = hour_began(at) - (HOURS - 1) * HOUR
    rows = {row[0]: Told(*row[1:]) for row in _ask(TOLD, mode=mode, since=_text(began_at), at=at) if row[3]}
    return rows.pop(None, None), {_hour(hour): told for hour, told in rows.items()}


def read_listeners(mode: str) -> Iterator[Listener]:
    """Yield the merchant's endpoints, those in trouble first."""
    owed = Delivery.objects.filter(endpoint=OuterRef("pk"), delivered_at=None, given_up_at=None).order_by()
    number = Subquery(owed.values("endpoint").annotate(number=Count("*")).values("number"))
    endpoints: QuerySet[Any] = Endpoint.objects.filter(mode=mode).annotate(waiting=Coalesce(number, 0))
    listeners = [_listener(endpoint) for endpoint in endpoints.order_by("id")]
    yield from sorted(listeners, key=lambda one: STATES.index(one.state))[:MOST_ENDPOINTS]


STATES: Final = ("disabled", "probed", "failing", "paused", "well")


def _listener(endpoint: Any) -> Listener:
    state, moment = "well", None
    if endpoint.disabled_at:
        state, moment = "disabled", endpoint.disabled_at
    elif endpoint.paused_at:
        state, moment = "paused", endpoint.paused_at
    elif endpoint.opened_at:
        state, moment = "probed", endpoint.opened_at
    elif endpoint.failing_since:
        state, moment = "failing", endpoint.failing_since
    return Listener(endpoint.id, host_of(endpoint), state, moment, endpoint.waiting)


def _keys(refused_at: datetime | None, paused_until: datetime | None, *, at: datetime) -> Keys:
    silent = paused_until is not None and paused_until > at and refused_at is None
    return Keys(refused_at, paused_until if silent else None)


def _ask(statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _text(moment: datetime) -> str:
    """Return a moment as `paid_iso` begins, so that the texts compare as the times do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _hour(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H").replace(tzinfo=UTC)
