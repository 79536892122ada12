"""Say it: freeze an event as bytes, and owe it to every endpoint that subscribes, in the transaction of its cause."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from config import metrics
from results import duties
from results.core.ids import encode
from results.core.result import Notice, OrderView, PaymentView, Previous, Result, freeze
from results.core.words import Cause, EventType, Flag, OrderStatus, PaymentStatus, Verified, hears
from results.expect import OrderKeys, expectation_for
from results.models import Delivery, Endpoint, Event, Order, Payment
from results.rows import insert
from tenants.fields import new_id
from tenants.routing import Route
from tenants.statements import Statement

HOLD_SILENT: Final = """
SELECT id FROM {schema}.results_endpoint WHERE mode = %(mode)s AND deleted_at IS NULL
    AND (paused_at IS NOT NULL OR disabled_at IS NOT NULL OR opened_at IS NOT NULL)
ORDER BY id FOR SHARE
"""
LISTENERS: Final = """
SELECT id, events, paused_at IS NULL AND disabled_at IS NULL AND opened_at IS NULL
FROM {schema}.results_endpoint WHERE mode = %(mode)s AND deleted_at IS NULL ORDER BY id
"""


@dataclass(frozen=True, slots=True)
class News:
    """One change of one payment, ready to be frozen."""

    type: EventType
    view: PaymentView
    cause: Cause
    late: bool = False
    supersedes: UUID | None = None


def tell(route: Route, order: Order, payment: Payment, news: News, *, at: datetime) -> None:
    """Freeze the event, owe its deliveries, and note on the rows, which the caller saves, what has been said."""
    event = freeze_news(route, order, payment, news, at=at)
    event.save(force_insert=True)
    owe_deliveries(route, event, at=at)


def freeze_news(
    route: Route, order: Order, payment: Payment, news: News, *, at: datetime, keys: OrderKeys | None = None
) -> Event:
    """Return the frozen event, and note on the rows what has been said; the caller saves all of them."""
    event = _freeze(route, order, payment, news, at=at, keys=keys)
    payment.version, payment.told_status = news.view.version, news.view.status
    payment.told_type, payment.told_event = news.type, event.id
    payment.told_cancelled = news.view.amounts.cancelled if news.view.amounts else 0
    return event


def _freeze(route: Route, order: Order, payment: Payment, news: News, *, at: datetime, keys: OrderKeys | None) -> Event:
    id_, seen_at = new_id(), news.view.first_seen_at
    order.sequence += 1
    previous = None
    if payment.told_status:
        previous = Previous(PaymentStatus(payment.told_status), payment.version, payment.told_cancelled)
    if news.view.verified == Verified.CLAIMED:
        order.status = OrderStatus.FAILED
    result = Result(
        id=encode("evt", id_),
        type=news.type,
        created_at=at,
        livemode=route.livemode,
        merchant=encode("mer", route.merchant_id),
        sequence=order.sequence,
        previous=previous,
        cause=news.cause,
        late=news.late,
        supersedes=encode("evt", news.supersedes) if news.supersedes else None,
        order=OrderView(
            id=order.merchant_uid,
            status=OrderStatus(order.status),
            flags=tuple(Flag(flag) for flag in order.flags),
            expected=expectation_for(route, order, news.view.snapshot, seen_at=seen_at, keys=keys).expected,
            metadata=order.metadata,
        ),
        payment=news.view,
        link=f"{settings.PUBLIC_URL}/api/v1/payments/{news.view.id}",
    )
    return Event(
        id=id_,
        mode=order.mode,
        order=order,
        payment=payment,
        sequence=order.sequence,
        type=news.type,
        created_at=at,
        supersedes=news.supersedes,
        body=freeze(result.envelope()),
    )


def announce(route: Route, type: EventType, data: dict[str, Any], *, at: datetime, but: UUID | None = None) -> Event:
    """Tell news that concern no order, such as `{"account": {...}}`, to the endpoints that subscribe, `but` one."""
    event = freeze_notice(route, type, data, at=at)
    with transaction.atomic():
        event.save(force_insert=True)
        owe_deliveries(route, event, at=at, but=but)
    return event


def freeze_notice(route: Route, type: EventType, data: dict[str, Any], *, at: datetime) -> Event:
    """Return news that concern no order, frozen; the caller saves them and says who is to hear them."""
    id_ = new_id()
    notice = Notice(
        id=encode("evt", id_),
        type=type,
        created_at=at,
        livemode=route.livemode,
        merchant=encode("mer", route.merchant_id),
        data=data,
    )
    return Event(id=id_, mode=route.mode, type=type, created_at=at, body=freeze(notice.envelope()))


class Listener(NamedTuple):
    """An endpoint as whoever publishes sees it."""

    id: UUID
    events: list[str]
    listens: bool


def listening(route: Route) -> list[Statement]:
    """Return the statements that read a mode's endpoints, to be run in the transaction that publishes.

    Of those that are paused, disabled or only probed it is made sure, until its end, that none comes back without
    seeing what is published to it now.
    """
    return [Statement(text, {"mode": route.mode}, prepared=True) for text in (HOLD_SILENT, LISTENERS)]


def read_listeners(found: Sequence[Sequence[tuple[Any, ...]]]) -> list[Listener]:
    """Read what those statements found; what has fallen silent between the two is not locked, and gets its duty."""
    silent = {id_ for (id_,) in found[-2]}
    return [Listener(id_, events, listens or id_ not in silent) for id_, events, listens in found[-1]]


def publish(route: Route, events: Sequence[Event], listeners: Sequence[Listener], *, at: datetime) -> list[Statement]:
    """Return the statements that write events, and record that every endpoint which subscribes is to hear them.

    Endpoints that listen now get a duty.
    """
    for event in events:
        transaction.on_commit(metrics.EVENTS.labels(event.type).inc)
    heard = [(event, one) for event in events for one in listeners if hears(one.events, event.type)]
    rows = [Delivery(event_id=event.id, endpoint_id=one.id, created_at=at) for event, one in heard]
    owed = [(one.id, row.id) for (_, one), row in zip(heard, rows, strict=True) if one.listens]
    return [
        insert(Event, events),
        *([insert(Delivery, rows)] if rows else []),
        *([duties.deliveries(route, owed, due_at=at)] if owed else []),
    ]


def owe_deliveries(route: Route, event: Event, *, at: datetime, but: UUID | None = None) -> None:
    """Record that every endpoint which subscribes is to hear the event; those that listen now get a duty."""
    transaction.on_commit(metrics.EVENTS.labels(event.type).inc)
    endpoints = [one for one in Endpoint.objects.filter(mode=event.mode) if hears(one.events, event.type)]
    deliveries = Delivery.objects.bulk_create(
        Delivery(event=event, endpoint=endpoint, created_at=at) for endpoint in endpoints if endpoint.id != but
    )
    listening = find_listening(endpoints)
    duties.owe_deliveries(
        merchant=route.merchant_id,
        mode=event.mode,
        deliveries=[(one.endpoint_id, one.id) for one in deliveries if one.endpoint_id in listening],
        due_at=at,
    )


def find_listening(endpoints: Sequence[Endpoint]) -> set[UUID]:
    """Return which endpoints are called now: neither paused nor disabled, and not only probed.

    Of the others it is made sure, until the end of the transaction, that none comes back without seeing what is
    published to it now.
    """
    silent = [one.id for one in endpoints if not one.listens]
    if not silent:
        return {one.id for one in endpoints}
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM results_endpoint WHERE id = ANY(%s) ORDER BY id FOR SHARE", [silent])
    back = [one.id for one in Endpoint.objects.filter(id__in=silent) if one.listens]
    return {one.id for one in endpoints if one.listens} | set(back)
