"""Which events does a wish mean, and for which endpoints? Questions to the database only; results/replay.py acts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from results.core.replay import NEVER_FILLED, Standing, Wish
from results.core.words import EventType
from results.models import Delivery, Endpoint, Event, Order

LISTENING: Final = Q(
    endpoint__paused_at=None, endpoint__disabled_at=None, endpoint__opened_at=None, endpoint__deleted_at=None
)
UNDELIVERED: Final = Q(delivered_at=None, given_up_at=None)
STANDINGS: Final = {
    Standing.UNDELIVERED: UNDELIVERED,
    Standing.DELIVERED: ~Q(delivered_at=None),
    Standing.GIVEN_UP: ~Q(given_up_at=None),
}


class Place(NamedTuple):
    """An event on the way of a replay."""

    id: UUID
    type: str


def standing_of(delivery: Delivery | None) -> Standing | None:
    """Return where a delivery stands; None when there is none."""
    if delivery is None:
        return None
    if delivery.delivered_at:
        return Standing.DELIVERED
    return Standing.GIVEN_UP if delivery.given_up_at else Standing.UNDELIVERED


def find_endpoints(mode: str, wish: Wish) -> list[Endpoint]:
    """Return the endpoints that a wish is about, whether or not they listen."""
    endpoints = Endpoint.objects.filter(mode=mode).order_by("id")
    return list(endpoints.filter(id=wish.endpoint) if wish.endpoint else endpoints)


def find_events(mode: str, wish: Wish, *, at: datetime) -> QuerySet[Event]:
    """Return the events that a wish is about, but pings, which were for one moment."""
    events = Event.objects.filter(mode=mode, created_at__lte=at).exclude(type=EventType.PING)
    if wish.event:
        events = events.filter(id=wish.event)
    if wish.types:
        events = events.filter(_named(wish.types))
    if wish.order:
        events = events.filter(order__in=Order.objects.filter(mode=mode, merchant_uid=wish.order))
    if wish.since:
        events = events.filter(created_at__gte=wish.since)
    return events.filter(created_at__lt=wish.until) if wish.until else events


def next_events(events: QuerySet[Event], position: UUID | None, size: int) -> list[Place]:
    """Return the next of these events in order of time, after the one at `position`."""
    if position:
        reached = Event.objects.filter(id=position).values("created_at")[:1]
        later = Q(created_at__gt=reached) | Q(created_at=reached, id__gt=position)
        events = events.filter(later, created_at__gte=reached)
    return [Place(*row) for row in events.order_by("created_at", "id").values_list("id", "type")[:size]]


def meant_for(endpoint: Endpoint, wish: Wish) -> Q:
    """Return the condition for events that an endpoint is to hear: `Wish.wants`, asked of the database."""
    there = Delivery.objects.filter(event=OuterRef("pk"), endpoint=endpoint)
    meant = _named(endpoint.events) & (~Q(type__in=NEVER_FILLED) | Q(Exists(there)))
    if wish.undelivered:
        return meant & Q(~Exists(there.filter(STANDINGS[Standing.DELIVERED])))
    return meant & Q(Exists(there.filter(STANDINGS[wish.status]))) if wish.status else meant


def _named(patterns: Sequence[str]) -> Q:
    """Return the condition for types that these patterns name: `hears`, asked of the database."""
    condition = Q(type__in=[pattern for pattern in patterns if not pattern.endswith("*")])
    for pattern in patterns:
        if pattern.endswith("*"):
            condition |= Q(type__startswith=pattern[:-1])
    return condition
