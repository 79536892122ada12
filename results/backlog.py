"""What an endpoint has not heard: deliveries without duties while it is paused, disabled or only probed.

When it is back, a new round begins for all of them at once, in the order of their events. The caller holds the
endpoint's row (`lock`), and whoever publishes to an endpoint that does not listen takes a share of that lock
(`results.tell`): so nothing can be published past the return of an endpoint.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from results.core.words import EventType
from results.models import Delivery, Endpoint
from tenants.routing import Route

# A ping is no backlog: whoever sent it waits for it, and it goes out also to what rests.
PINGS: Final = """
SELECT delivery.id FROM results_delivery AS delivery JOIN results_event AS event ON event.id = delivery.event_id
WHERE delivery.endpoint_id = %(endpoint)s AND delivery.delivered_at IS NULL AND delivery.given_up_at IS NULL
    AND event.type = 'endpoint.ping'
"""
DROPPED: Final = f"""
DELETE FROM public.tenants_duty WHERE lane = %(endpoint)s AND kind IN ('deliver', 'redeliver', 'probe')
    AND reference <> ALL(ARRAY({PINGS}))
"""  # noqa: S608  our own constants
ENDED: Final = """
DELETE FROM public.tenants_duty WHERE lane = %(endpoint)s AND kind IN ('deliver', 'redeliver', 'probe')
"""
# Duties first and deliveries second, here as where attempts are recorded: in another order two of them could wait
# for each other.
OWED: Final = f"""
WITH undelivered AS (
    UPDATE results_delivery SET began_at = %(at)s, step = 0, draining = true
    WHERE endpoint_id = %(endpoint)s AND delivered_at IS NULL AND given_up_at IS NULL
        AND id <> ALL(ARRAY({PINGS}))
    RETURNING id, event_id)
INSERT INTO public.tenants_duty (kind, merchant, mode, lane, reference, due_at, tries)
SELECT 'redeliver', %(merchant)s, %(mode)s, %(endpoint)s, id,
    %(at)s + row_number() OVER (ORDER BY event_id) * interval '1 microsecond', 0
FROM undelivered
"""  # noqa: S608  our own constants
PROBED: Final = """
INSERT INTO public.tenants_duty (kind, merchant, mode, lane, reference, due_at, tries)
VALUES ('probe', %(merchant)s, %(mode)s, %(endpoint)s, %(endpoint)s, %(due_at)s, 0)
ON CONFLICT (reference) WHERE kind = 'probe' DO UPDATE SET due_at = EXCLUDED.due_at
"""


def lock(ids: Iterable[UUID]) -> QuerySet[Endpoint]:
    """Lock endpoints against each other's changes, and against publishing to those that do not listen.

    One that was deleted, meanwhile or long ago, is not among them.
    """
    # Not the key: deliveries that are being inserted refer to it, and need not wait.
    return Endpoint.objects.select_for_update(no_key=True).filter(id__in=list(ids)).order_by("id")


def owe_backlog(route: Route, endpoint: UUID, *, at: datetime) -> int:
    """Begin a new round for everything that an endpoint has not heard; return how much that is."""
    drop_duties(endpoint)
    return _run(OWED, {"merchant": route.merchant_id, "mode": route.mode, "endpoint": endpoint, "at": at})


def give_up_backlog(endpoint: UUID, *, at: datetime) -> int:
    """Give up everything that an endpoint has not heard, so that a replay alone can send it; return how much."""
    drop_duties(endpoint)
    return backlog_of(endpoint).update(given_up_at=at)


def end_for_good(endpoint: UUID, *, at: datetime) -> int:
    """Owe an endpoint nothing any more, pings included, and give up all that it has not heard; return how much."""
    _run(ENDED, {"endpoint": endpoint})
    return Delivery.objects.filter(endpoint=endpoint, delivered_at=None, given_up_at=None).update(given_up_at=at)


def backlog_of(endpoint: UUID) -> QuerySet[Delivery]:
    """Return what an endpoint has not heard, but pings."""
    return undelivered().filter(endpoint=endpoint)


def undelivered() -> QuerySet[Delivery]:
    """Return what endpoints have not heard, but pings."""
    return Delivery.objects.filter(delivered_at=None, given_up_at=None).exclude(event__type=EventType.PING)


def owe_probe(route: Route, endpoint: UUID, *, due_at: datetime) -> None:
    """See to it that an endpoint is probed once, at that moment."""
    _run(PROBED, {"merchant": route.merchant_id, "mode": route.mode, "endpoint": endpoint, "due_at": due_at})


def drop_duties(endpoint: UUID) -> None:
    """Owe an endpoint nothing any more but pings; its deliveries stay, as its backlog."""
    _run(DROPPED, {"endpoint": endpoint})


def _run(statement: str, values: Mapping[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)
