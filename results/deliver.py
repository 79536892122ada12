"""Tell the merchant: one signed POST, its reply, the verdict, and the attempt written down with it.

The delivery's row decides whether anything is left to do, so a duty that comes twice sends nothing twice that was
recorded. Bytes and id are the same on every attempt; only the timestamp and the signatures over it are new.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.db.models import Q

from results import duties
from results.core.ids import encode
from results.core.signing import SigningSecret, sign
from results.core.verdict import Delivered, EndpointGone, GivenUp, Reply, RetryAt, Verdict, judge
from results.duties import Taken
from results.models import Attempt, Delivery, Endpoint, EndpointSecret
from results.outbound import GuardedClient
from tenants.encryption import Vault
from tenants.fields import new_id
from tenants.routing import Route

log = structlog.get_logger()

DEADLINE: Final = 15.0  # seconds in all; the lease of a duty is longer
SECRET_TABLE: Final = "results_endpointsecret"


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
    rows = Delivery.objects.undelivered().select_related("event", "endpoint")
    listening = Q(endpoint__paused_at=None, endpoint__disabled_at=None)
    deliveries = {row.id: row for row in rows.filter(listening, id__in=[duty.reference for duty in taken])}
    duties.done(duty.id for duty in taken if duty.reference not in deliveries)
    secrets = open_secrets({row.endpoint_id for row in deliveries.values()}, route.open_vault(), at=at)
    return [_outgoing(duty, deliveries[duty.reference], secrets) for duty in taken if duty.reference in deliveries]


def _outgoing(duty: Taken, delivery: Delivery, secrets: dict[UUID, tuple[SigningSecret, ...]]) -> Outgoing:
    return Outgoing(
        duty=duty,
        delivery_id=delivery.id,
        event_id=delivery.event_id,
        event_type=delivery.event.type,
        endpoint_id=delivery.endpoint_id,
        url=delivery.endpoint.url,
        body=bytes(delivery.event.body),
        secrets=secrets[delivery.endpoint_id],
        number=delivery.tries + 1,
        first_at=delivery.created_at,
    )


def open_secrets(endpoints: set[UUID], vault: Vault, *, at: datetime) -> dict[UUID, tuple[SigningSecret, ...]]:
    """Open the live signing secrets of these endpoints, newest first. The only place that opens them."""
    live = EndpointSecret.objects.filter(endpoint__in=endpoints).filter(Q(retires_at=None) | Q(retires_at__gt=at))
    opened: dict[UUID, tuple[SigningSecret, ...]] = dict.fromkeys(endpoints, ())
    for row in live.order_by("-created_at"):
        text = vault.open(bytes(row.sealed), table=SECRET_TABLE, field="sealed", row=row.id).decode()
        opened[row.endpoint_id] += (SigningSecret.from_text(text),)
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
    return tried


def record(tried: Sequence[Tried], *, at: datetime) -> None:
    """Write down the attempts of one merchant, what became of their deliveries, and their duties: all or nothing."""
    with transaction.atomic():
        Attempt.objects.bulk_create(map(_attempt, tried), ignore_conflicts=True)
        _update_deliveries(tried, at=at)
        gone = {one.outgoing.endpoint_id for one in tried if isinstance(one.verdict, EndpointGone)}
        if gone:
            Endpoint.objects.filter(id__in=gone, disabled_at=None).update(disabled_at=at)
        later = {one.outgoing.duty.id: one.verdict.at for one in tried if isinstance(one.verdict, RetryAt)}
        duties.retry(later)
        duties.done(one.outgoing.duty.id for one in tried if one.outgoing.duty.id not in later)


def _attempt(tried: Tried) -> Attempt:
    reply = tried.reply
    return Attempt(
        id=tried.id,
        delivery_id=tried.outgoing.delivery_id,
        number=tried.outgoing.number,
        started_at=tried.started_at,
        duration_ms=reply.duration_ms,
        status=reply.status,
        error=reply.error or "",
        detail=reply.detail[:300],
        body=reply.body,
        truncated=reply.truncated,
    )


def _update_deliveries(tried: Sequence[Tried], *, at: datetime) -> None:
    """Move each delivery on. One that was delivered meanwhile, by a worker whose lease ran out, stays so."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE results_delivery AS delivery SET tries = GREATEST(delivery.tries, news.tries),"
            " delivered_at = COALESCE(delivery.delivered_at, news.delivered_at),"
            " given_up_at = CASE WHEN delivery.delivered_at IS NULL THEN news.given_up_at END"
            " FROM unnest(%s::uuid[], %s::int[], %s::timestamptz[], %s::timestamptz[])"
            " AS news(id, tries, delivered_at, given_up_at) WHERE delivery.id = news.id",
            [
                [one.outgoing.delivery_id for one in tried],
                [one.outgoing.number for one in tried],
                [at if isinstance(one.verdict, Delivered) else None for one in tried],
                [at if isinstance(one.verdict, GivenUp) else None for one in tried],
            ],
        )


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
