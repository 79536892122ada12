"""Tell the merchant: one signed POST, its reply, the verdict, and the attempt written down with it.

The delivery's row decides whether anything is left to do, so a duty that comes twice sends nothing twice that was
recorded. Bytes and id are the same on every attempt; only the timestamp and the signatures over it are new.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import structlog
from psycopg.types.json import Jsonb

from results import duties
from results.core.ids import encode
from results.core.signing import SigningSecret, sign
from results.core.verdict import EndpointGone, Reply, RetryAt, Verdict, judge
from results.duties import Taken
from results.outbound import GuardedClient
from tenants.encryption import Vault
from tenants.fields import new_id
from tenants.routing import Route
from tenants.statements import run_hot

log = structlog.get_logger()

DEADLINE: Final = 15.0  # seconds in all; the lease of a duty is longer
SECRET_TABLE: Final = "results_endpointsecret"

# Not the ORM: making models of rows that are read once took a third of a delivery's time.
LEFT_TO_SEND: Final = """
SELECT delivery.id, delivery.event_id, event.type, delivery.endpoint_id, endpoint.url, event.body,
    delivery.tries, delivery.created_at
FROM {schema}.results_delivery AS delivery
JOIN {schema}.results_event AS event ON event.id = delivery.event_id
JOIN {schema}.results_endpoint AS endpoint ON endpoint.id = delivery.endpoint_id
WHERE delivery.id = ANY(%(ids)s) AND delivery.delivered_at IS NULL AND delivery.given_up_at IS NULL
    AND endpoint.paused_at IS NULL AND endpoint.disabled_at IS NULL
"""
LIVE_SECRETS: Final = """
SELECT id, endpoint_id, sealed FROM {schema}.results_endpointsecret
WHERE endpoint_id = ANY(%(endpoints)s) AND (retires_at IS NULL OR retires_at > %(at)s) ORDER BY created_at DESC
"""
# Not the ORM: five round trips become one. Not prepared: a plan made for an empty queue would read a long one through.
# A delivery that was delivered meanwhile, by a worker whose lease ran out, stays so; the attempt's own id keeps it
# one row when it is recorded twice.
RECORDED: Final = """
WITH tried AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(tried)s) AS tried(
        id uuid, delivery uuid, endpoint uuid, duty bigint, number int, started_at timestamptz, duration_ms int,
        status smallint, error text, detail text, body bytea, truncated boolean, verdict text, due_at timestamptz)),
noted AS (
    INSERT INTO {schema}.results_attempt
        (id, delivery_id, number, trigger, started_at, duration_ms, status, error, detail, body, truncated)
    SELECT id, delivery, number, 'schedule', started_at, duration_ms, status, error, detail, body, truncated
    FROM tried ON CONFLICT (id) DO NOTHING),
moved AS (
    UPDATE {schema}.results_delivery AS delivery SET tries = GREATEST(delivery.tries, tried.number),
        delivered_at = COALESCE(delivery.delivered_at, CASE WHEN tried.verdict = 'Delivered' THEN %(at)s END),
        given_up_at = CASE WHEN delivery.delivered_at IS NULL AND tried.verdict = 'GivenUp' THEN %(at)s END
    FROM tried WHERE delivery.id = tried.delivery),
closed AS (
    UPDATE {schema}.results_endpoint AS endpoint SET disabled_at = %(at)s
    FROM tried WHERE endpoint.id = tried.endpoint AND tried.verdict = 'EndpointGone' AND endpoint.disabled_at IS NULL),
later AS (
    UPDATE public.tenants_duty AS duty SET due_at = tried.due_at, kind = 'redeliver'
    FROM tried WHERE duty.id = tried.duty AND tried.verdict = 'RetryAt')
DELETE FROM public.tenants_duty AS duty USING tried WHERE duty.id = tried.duty AND tried.verdict <> 'RetryAt'
"""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request that is to be made."""

    duty: Taken
    delivery_id: UUID
    event_id: UUID
    event_type: str
    endpoint_id: UUID
    url: str
    body: bytes = field(repr=False)
    secrets: tuple[SigningSecret, ...] = field(repr=False)
    number: int
    first_at: datetime


@dataclass(frozen=True, slots=True)
class Tried:
    """A request that was made, what came of it, and what follows."""

    outgoing: Outgoing
    reply: Reply
    verdict: Verdict
    started_at: datetime
    # Of its own from the start: recorded twice, because a cut connection kept back the first answer, it is one row.
    id: UUID = field(default_factory=new_id)


def load(route: Route, taken: Sequence[Taken], *, at: datetime) -> list[Outgoing]:
    """Return what is left to send, and drop the duties of which nothing is left."""
    duty_of = {duty.reference: duty for duty in taken}
    rows = run_hot(LEFT_TO_SEND, route.schema, {"ids": list(duty_of)}, prepared=True).fetchall()
    left = {row[0] for row in rows}
    duties.done(duty.id for duty in taken if duty.reference not in left)
    secrets = open_secrets(route, {row[3] for row in rows}, at=at)
    return [_outgoing(duty_of[row[0]], row, secrets[row[3]]) for row in rows]


def _outgoing(duty: Taken, row: tuple[Any, ...], secrets: tuple[SigningSecret, ...]) -> Outgoing:
    delivery, event, type_, endpoint, url, body, tries, created_at = row
    return Outgoing(
        duty=duty,
        delivery_id=delivery,
        event_id=event,
        event_type=type_,
        endpoint_id=endpoint,
        url=url,
        body=bytes(body),
        secrets=secrets,
        number=tries + 1,
        first_at=created_at,
    )


def open_secrets(route: Route, endpoints: set[UUID], *, at: datetime) -> dict[UUID, tuple[SigningSecret, ...]]:
    """Open the live signing secrets of these endpoints, newest first. The only place that opens them."""
    vault = route.open_vault()
    opened: dict[UUID, tuple[SigningSecret, ...]] = dict.fromkeys(endpoints, ())
    live = run_hot(LIVE_SECRETS, route.schema, {"endpoints": list(endpoints), "at": at}, prepared=True)
    for id_, endpoint, sealed in live:
        text = vault.open(bytes(sealed), table=SECRET_TABLE, field="sealed", row=id_).decode()
        opened[endpoint] += (SigningSecret.from_text(text),)
    return opened


def seal_secret(secret: SigningSecret, vault: Vault, *, row: UUID) -> bytes:
    return vault.seal(secret.to_text().encode(), table=SECRET_TABLE, field="sealed", row=row)


async def send(client: GuardedClient, outgoing: Outgoing, *, jitter: float) -> Tried:
    """Make the request and judge the reply."""
    started_at = datetime.now(UTC)
    signed = sign(outgoing.body, message_id=encode("evt", outgoing.event_id), at=started_at, secrets=outgoing.secrets)
    headers = signed | {
        "content-type": "application/json; charset=utf-8",
        "x-paywitness-attempt": str(outgoing.number),
    }
    reply = await client.post(outgoing.url, headers=headers, body=outgoing.body, deadline=DEADLINE)
    verdict = judge(reply, attempt=outgoing.number, first_at=outgoing.first_at, at=datetime.now(UTC), jitter=jitter)
    tried = Tried(outgoing, reply, verdict, started_at)
    log_attempt(tried)
    if isinstance(verdict, EndpointGone):
        log_gone(tried)
    return tried


def record(route: Route, tried: Sequence[Tried], *, at: datetime) -> None:
    """Write down the attempts of one merchant, what became of their deliveries, and their duties: all or nothing."""
    rows = Jsonb([_row(one) for one in tried])
    run_hot(RECORDED, route.schema, {"tried": rows, "at": at}, prepared=False)


def _row(tried: Tried) -> dict[str, Any]:
    outgoing, reply, verdict = tried.outgoing, tried.reply, tried.verdict
    return {
        "id": str(tried.id),
        "delivery": str(outgoing.delivery_id),
        "endpoint": str(outgoing.endpoint_id),
        "duty": outgoing.duty.id,
        "number": outgoing.number,
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


def log_gone(tried: Tried) -> None:
    """Say loudly that an endpoint asked never to be called again: its merchant hears nothing until it is mended."""
    log.warning("endpoint_disabled", endpoint=str(tried.outgoing.endpoint_id), because="it answered 410 Gone")


def log_attempt(tried: Tried) -> None:
    """Write one wide line for each attempt: no bodies, no keys, no address beyond the endpoint's id."""
    outgoing, reply, verdict = tried.outgoing, tried.reply, tried.verdict
    log.info(
        "attempt",
        event_id=encode("evt", outgoing.event_id),
        type=outgoing.event_type,
        delivery=str(outgoing.delivery_id),
        endpoint=str(outgoing.endpoint_id),
        number=outgoing.number,
        status=reply.status,
        error=reply.error,
        ms=reply.duration_ms,
        verdict=type(verdict).__name__,
        retry_at=verdict.at.isoformat() if isinstance(verdict, RetryAt) else None,
        detail=reply.detail,
    )
