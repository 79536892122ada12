"""Is anything owed that no row owes? Belt and braces: nothing known of leads here, so each finding is loud.

Deliveries and their duties are written and removed together. Should they part all the same, a merchant would never
hear of a payment, and nothing else would ever notice.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from django.db import DatabaseError, connection, transaction
from django.db.models import QuerySet

from results.backlog import lock
from results.models import Delivery, Endpoint
from tenants.models import Duty, Merchant
from tenants.routing import inside
from tenants.statements import remove

log = structlog.get_logger()

MISSED_AFTER: Final = timedelta(minutes=10)
SECONDS_A_RUN: Final = 5.0
CLOSED_LATELY: Final = timedelta(days=1)

# One statement, so that a delivery and its duty are seen at the same moment. The lanes leave most duties aside.
OWED: Final = """
INSERT INTO public.tenants_duty (kind, merchant, mode, lane, reference, due_at, tries)
SELECT 'redeliver', %(merchant)s, endpoint.mode, endpoint.id, delivery.id, %(at)s, 0
FROM results_delivery AS delivery
JOIN results_endpoint AS endpoint ON endpoint.id = delivery.endpoint_id
WHERE endpoint.id = ANY(%(endpoints)s)
    AND endpoint.paused_at IS NULL AND endpoint.disabled_at IS NULL AND endpoint.opened_at IS NULL
    AND endpoint.deleted_at IS NULL
    AND delivery.delivered_at IS NULL AND delivery.given_up_at IS NULL
    AND COALESCE(delivery.began_at, delivery.created_at) < %(before)s AND delivery.created_at < %(before)s
    AND NOT EXISTS (
        SELECT FROM public.tenants_duty AS duty WHERE duty.kind IN ('deliver', 'redeliver')
            AND duty.lane = ANY(%(endpoints)s) AND duty.reference = delivery.id)
ORDER BY delivery.event_id LIMIT 1000
"""


def recover_everywhere() -> None:
    """Owe again what was lost for every merchant, for a few seconds, in no order. For the public schema."""
    ends = time.monotonic() + SECONDS_A_RUN
    drop_duties_of_closed(at=datetime.now(UTC))
    for merchant in Merchant.objects.ready().filter(closed_at=None).order_by("?"):
        if time.monotonic() > ends:
            return
        try:
            with inside(merchant.schema_name):
                owe_missing_deliveries(merchant, at=datetime.now(UTC))
                give_up_for_deleted(at=datetime.now(UTC))
        except DatabaseError as error:
            log.error("recovering_failed", merchant=str(merchant.id), error=type(error).__name__)


def owe_missing_deliveries(merchant: Merchant, *, at: datetime) -> int:
    """Owe deliveries that an endpoint which listens has not heard for ten minutes, and of which no duty exists.

    Return how many. Inside the merchant's schema.
    """
    before = at - MISSED_AFTER
    late = Delivery.objects.filter(
        delivered_at=None, given_up_at=None, created_at__lt=before, endpoint__in=listening_endpoints()
    )
    endpoints = sorted(set(late.order_by().values_list("endpoint", flat=True).distinct()))
    if not endpoints:
        return 0
    with transaction.atomic(), connection.cursor() as cursor:
        # Whoever stops listening removes its duties under this lock, and none may come after that.
        list(lock(endpoints))
        values: dict[str, Any] = {"merchant": merchant.id, "endpoints": endpoints, "before": before, "at": at}
        cursor.execute(OWED, values)
        missing: int = cursor.rowcount
    if missing:
        log.error("deliveries_without_duty", merchant=str(merchant.id), deliveries=missing, endpoints=len(endpoints))
    return missing


def give_up_for_deleted(*, at: datetime) -> int:
    """Give up what was published to an endpoint while it was being deleted; return how much that was.

    Inside the merchant's schema. Its duties are dropped when their turn comes.
    """
    deleted = list(Endpoint.ever.exclude(deleted_at=None).values_list("id", flat=True))
    owed = Delivery.objects.filter(endpoint__in=deleted, delivered_at=None, given_up_at=None)
    return owed.update(given_up_at=at) if deleted else 0


def listening_endpoints() -> QuerySet[Endpoint]:
    return Endpoint.objects.filter(paused_at=None, disabled_at=None, opened_at=None)


def drop_duties_of_closed(*, at: datetime) -> int:
    """Remove what a worker still owed on behalf of merchants that were closed meanwhile; return how much that was.

    A process remembers a merchant for half a minute, and what it wrote in that time nobody can do any more.
    """
    closed = list(Merchant.objects.filter(closed_at__gt=at - CLOSED_LATELY).values_list("id", flat=True))
    return remove(Duty.objects.filter(merchant__in=closed)) if closed else 0
