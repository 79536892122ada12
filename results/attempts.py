"""What an attempt leaves behind: its row, what became of its delivery, its duty, and what it says of its endpoint.

All or nothing, and many of one merchant together when they come in fast.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import structlog
from django.db import transaction
from psycopg.types.json import Jsonb

from results import health
from results.backlog import lock
from results.core.verdict import Delivered, EndpointGone, RetryAt, asked_delay
from results.deliver import Tried
from results.health import Outcome
from tenants.routing import Route
from tenants.statements import HURRY, Statement, run_for_each, run_hot

log = structlog.get_logger()

# Not the ORM: five round trips become one. The ids are said apart, for no plan knows how many a set of JSON holds.
# A delivery that was delivered meanwhile, by a worker whose lease ran out, stays so; the attempt's own id keeps it
# one row when it is recorded twice. What was ended meanwhile by a cancelled replay stays given up, unless it was heard
# after all. An attempt of an earlier round says nothing about the schedule of this one.
RECORDED: Final = """
WITH tried AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(tried)s) AS tried(
        id uuid, delivery uuid, duty bigint, number int, step smallint, began_at timestamptz, trigger text,
        started_at timestamptz, duration_ms int, status smallint, error text, detail text, body bytea,
        truncated boolean, verdict text, due_at timestamptz)),
noted AS (
    INSERT INTO {schema}.results_attempt
        (id, delivery_id, number, trigger, started_at, duration_ms, status, error, detail, body, truncated)
    SELECT id, delivery, number, trigger, started_at, duration_ms, status, error, detail, body, truncated
    FROM tried ON CONFLICT (id) DO NOTHING),
moved AS (
    UPDATE {schema}.results_delivery AS delivery SET tries = GREATEST(delivery.tries, tried.number),
        step = CASE WHEN COALESCE(delivery.began_at, delivery.created_at) = tried.began_at
            THEN GREATEST(delivery.step, tried.step) ELSE delivery.step END,
        draining = delivery.draining AND COALESCE(delivery.began_at, delivery.created_at) <> tried.began_at,
        tried_at = %(at)s,
        delivered_at = COALESCE(delivery.delivered_at, CASE WHEN tried.verdict = 'Delivered' THEN %(at)s END),
        heard_at = COALESCE(delivery.heard_at, CASE WHEN tried.verdict = 'Delivered' THEN %(at)s END),
        given_up_at = CASE WHEN delivery.delivered_at IS NULL AND tried.verdict <> 'Delivered'
            THEN COALESCE(delivery.given_up_at, CASE WHEN tried.verdict = 'GivenUp'
                AND COALESCE(delivery.began_at, delivery.created_at) = tried.began_at THEN %(at)s END) END
    FROM tried WHERE delivery.id = tried.delivery AND delivery.id = ANY(%(deliveries)s)),
later AS (
    UPDATE public.tenants_duty AS duty SET due_at = tried.due_at, kind = 'redeliver'
    FROM tried WHERE duty.id = tried.duty AND tried.verdict = 'RetryAt')
DELETE FROM public.tenants_duty AS duty USING tried WHERE duty.id = tried.duty AND tried.verdict <> 'RetryAt'
"""


def record(route: Route, tried: Sequence[Tried], *, at: datetime) -> None:
    """Write down the attempts of one merchant, what became of their deliveries, and their duties: all or nothing."""
    concerned = {one.outgoing.endpoint_id for one in tried if one.tells_of_health}
    if not concerned:
        _write(route, tried, at=at)
        return
    with transaction.atomic():
        # Locked first, because a backlog that becomes due touches the same deliveries.
        endpoints = list(lock(concerned))
        urls = {endpoint.id: endpoint.url for endpoint in endpoints}
        moved = {one.id for one in tried if one.outgoing.url != urls.get(one.outgoing.endpoint_id, one.outgoing.url)}
        _write(route, [_again_now(one, at=at) if one.id in moved else one for one in tried], at=at)
        telling = [one for one in tried if one.tells_of_health and one.id not in moved]
        health.note(route, endpoints, [_outcome(one) for one in telling], at=at)


def record_healthy(batches: Sequence[tuple[Route, Sequence[Tried]]], *, at: datetime) -> None:
    """Write down, for several merchants in one round trip, attempts that say nothing new of their endpoints.

    All or none. Raises django.db.Error for one merchant's fault, and when rows are locked for half a second: then each
    is to be recorded for itself.
    """
    runs = [(route.schema, Statement(RECORDED, _values(tried, at=at), prepared=True)) for route, tried in batches]
    run_for_each([HURRY, *runs])


def _values(tried: Sequence[Tried], *, at: datetime) -> dict[str, Any]:
    deliveries = [one.outgoing.delivery_id for one in tried]
    return {"tried": Jsonb([_row(one) for one in tried]), "deliveries": deliveries, "at": at}


def _again_now(tried: Tried, *, at: datetime) -> Tried:
    """Return what follows from an attempt during which its endpoint got another URL: that is tried now."""
    failed = isinstance(tried.verdict, RetryAt | EndpointGone)
    return replace(tried, verdict=RetryAt(at)) if failed else tried


def _write(route: Route, tried: Sequence[Tried], *, at: datetime) -> None:
    run_hot(RECORDED, route.schema, _values(tried, at=at), prepared=True)


def _outcome(tried: Tried) -> Outcome:
    waits = asked_delay(tried.reply, at=tried.ended_at)
    return Outcome(
        endpoint=tried.outgoing.endpoint_id,
        heard=isinstance(tried.verdict, Delivered),
        gone=isinstance(tried.verdict, EndpointGone),
        probe=tried.outgoing.is_probe,
        test=tried.outgoing.is_test,
        jitter=tried.jitter,
        asked_until=tried.ended_at + waits if waits else None,
    )


def _row(tried: Tried) -> dict[str, Any]:
    outgoing, reply, verdict = tried.outgoing, tried.reply, tried.verdict
    return {
        "id": str(tried.id),
        "delivery": str(outgoing.delivery_id),
        # A probe's own duty is its endpoint's; what becomes of it is a matter of the endpoint's health.
        "duty": None if outgoing.is_probe else outgoing.duty.id,
        "number": outgoing.number,
        "step": outgoing.step,
        "began_at": outgoing.began_at.isoformat(),
        "trigger": outgoing.trigger,
        "started_at": tried.started_at.isoformat(),
        "duration_ms": reply.duration_ms,
        "status": reply.status,
        "error": reply.error or "",
        "detail": reply.detail[:300],
        "body": f"\\x{reply.body.hex()}",
        "truncated": reply.truncated,
        "verdict": type(verdict).__name__,
        "due_at": verdict.at.isoformat() if isinstance(verdict, RetryAt) else None,
    }
