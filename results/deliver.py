"""Tell the merchant: one signed POST, its reply, the verdict, and the attempt written down with it.

The delivery's row decides whether anything is left to do, so a duty that comes twice sends nothing twice that was
recorded. Bytes and id are the same on every attempt; only the timestamp and the signatures over it are new.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, Final
from uuid import UUID

import structlog
from cachetools import TTLCache
from django.db import Error, transaction

from config import metrics
from results import duties, health
from results.backlog import lock
from results.core.ids import encode
from results.core.signing import SigningSecret, sign
from results.core.verdict import (
    Delivered,
    GivenUp,
    GiveUpReason,
    Reply,
    RetryAt,
    Verdict,
    judge,
)
from results.core.words import EventType
from results.duties import Taken
from results.models import Attempt
from results.outbound import GuardedClient
from tenants.encryption import Vault
from tenants.fields import new_id
from tenants.models import Duty
from tenants.routing import CUT_OFF, Route, inside
from tenants.statements import HURRY, Statement, is_locked, run_for_each, run_hot

log = structlog.get_logger()

CONTENT_TYPE: Final = "application/json; charset=utf-8"
DEADLINE: Final = 15.0  # seconds in all; the lease of a duty is longer
SECRET_TABLE: Final = "results_endpointsecret"
HEADERS_TABLE: Final = "results_endpoint"
# How long an event waits for an earlier one of its order: an eighth of its age, so that it follows soon at first.
ORDER_WAITS: Final = timedelta(seconds=60)
LEAST_WAIT, MOST_WAIT = timedelta(seconds=0.2), timedelta(seconds=5)

# Not the ORM: making models of rows that are read once took a third of a delivery's time.
# `held` is the soft guard of an order: an earlier event of it is still owed to this endpoint. It holds for a minute;
# in a drain until the earlier one was tried, and for a minute from then. News waits for nothing that was heard once and
# is only told again: that may be the last of a hundred thousand. COALESCE, DISTINCT and OFFSET keep the planner from
# the indexes of what an endpoint waits for: that is little on most days, and a backlog would be read for each delivery.
LEFT_TO_SEND: Final = """
SELECT delivery.id, delivery.event_id, event.type, event.created_at, delivery.endpoint_id, endpoint.url, event.body,
    delivery.tries, delivery.step, COALESCE(delivery.began_at, delivery.created_at), delivery.replay_id IS NOT NULL,
    endpoint.headers, endpoint.failing_since IS NOT NULL OR endpoint.opened_at IS NOT NULL,
    NULLIF(payment.told_event, event.id),
    ARRAY(SELECT secret.id FROM {schema}.results_endpointsecret AS secret
        WHERE secret.endpoint_id = delivery.endpoint_id AND (secret.retires_at IS NULL OR secret.retires_at > %(at)s)
        ORDER BY secret.created_at DESC),
    COALESCE(event.sequence, 1) > 1 AND EXISTS (
        SELECT FROM {schema}.results_event AS earlier
        WHERE earlier.order_id = event.order_id AND earlier.sequence < event.sequence AND EXISTS (
            SELECT FROM {schema}.results_delivery AS owed
            WHERE owed.event_id = earlier.id AND owed.endpoint_id IS NOT DISTINCT FROM delivery.endpoint_id
                AND COALESCE(owed.delivered_at, owed.given_up_at) IS NULL
                AND (owed.heard_at IS NULL OR delivery.draining)
                AND (owed.draining OR %(guarded_since)s < GREATEST(COALESCE(delivery.began_at, delivery.created_at),
                    CASE WHEN delivery.draining THEN owed.tried_at END)) OFFSET 0))
FROM {schema}.results_delivery AS delivery
JOIN {schema}.results_event AS event ON event.id = delivery.event_id
JOIN {schema}.results_endpoint AS endpoint ON endpoint.id = delivery.endpoint_id
LEFT JOIN {schema}.results_payment AS payment ON payment.id = event.payment_id
WHERE delivery.id = ANY(%(ids)s) AND COALESCE(delivery.delivered_at, delivery.given_up_at) IS NULL
    AND endpoint.deleted_at IS NULL
    AND (event.type = 'endpoint.ping' OR (endpoint.paused_at IS NULL AND endpoint.disabled_at IS NULL
        AND (endpoint.opened_at IS NULL OR delivery.id = ANY(%(probes)s))))
"""
# What an endpoint is probed with: of the oldest deliveries that it has not heard, each the first of its order, the one
# that was tried least, so that a single event which it cannot digest does not keep it shut.
PROBED_WITH: Final = """
SELECT id FROM (
    SELECT delivery.id, delivery.tries, delivery.event_id,
        row_number() OVER (PARTITION BY COALESCE(event.order_id, event.id) ORDER BY event.sequence) AS place
    FROM (
        SELECT * FROM {schema}.results_delivery
        WHERE endpoint_id = %(endpoint)s AND delivered_at IS NULL AND given_up_at IS NULL
        ORDER BY created_at LIMIT 500) AS delivery
    JOIN {schema}.results_event AS event ON event.id = delivery.event_id
    WHERE event.type <> 'endpoint.ping') AS waiting
WHERE place = 1 ORDER BY tries, event_id LIMIT 1
"""
SECRETS: Final = "SELECT id, sealed FROM {schema}.results_endpointsecret WHERE id = ANY(%(ids)s)"
LIVE_SECRETS: Final = """
SELECT id, endpoint_id, sealed FROM {schema}.results_endpointsecret
WHERE endpoint_id = ANY(%(endpoints)s) AND (retires_at IS NULL OR retires_at > %(at)s) ORDER BY created_at DESC
"""

REMEMBERED_SECRETS: Final = 10_000
REMEMBERED_SECONDS: Final = 60
_lock = Lock()
_opened: TTLCache[UUID, SigningSecret] = TTLCache(REMEMBERED_SECRETS, REMEMBERED_SECONDS)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request that is to be made. `number` counts over all rounds, `step` in this one; both begin with 1."""

    duty: Taken
    delivery_id: UUID
    event_id: UUID
    event_type: str
    event_at: datetime
    endpoint_id: UUID
    url: str
    body: bytes = field(repr=False)
    secrets: tuple[SigningSecret, ...] = field(repr=False)
    number: int
    step: int
    began_at: datetime
    trigger: Attempt.Trigger = Attempt.Trigger.SCHEDULE
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    was_failing: bool = False
    superseded_by: UUID | None = None

    @property
    def is_probe(self) -> bool:
        return self.duty.kind == Duty.Kind.PROBE

    @property
    def is_test(self) -> bool:
        return self.trigger == Attempt.Trigger.TEST


@dataclass(frozen=True, slots=True)
class Tried:
    """A request that was made, what came of it, and what follows."""

    outgoing: Outgoing
    reply: Reply
    verdict: Verdict
    started_at: datetime
    ended_at: datetime
    jitter: float
    # Of its own from the start: recorded twice, because a cut connection kept back the first answer, it is one row.
    id: UUID = field(default_factory=new_id)

    @property
    def tells_of_health(self) -> bool:
        """True when the endpoint's row has to know: it failed, or is back. A test that fails says nothing of it."""
        heard = isinstance(self.verdict, Delivered)
        return self.outgoing.was_failing if heard else not self.outgoing.is_test


@dataclass(frozen=True, slots=True)
class Wanted:
    """Duties to deliver of one merchant and mode, as they were taken."""

    route: Route
    taken: Sequence[Taken]


def load(route: Route, taken: Sequence[Taken], *, at: datetime) -> list[Outgoing]:
    """Return what is to be sent now of one merchant and mode."""
    (found,) = load_many([Wanted(route, taken)], at=at)
    if isinstance(found, Exception):
        raise found
    return found


def load_many(wanted: Sequence[Wanted], *, at: datetime) -> list[list[Outgoing] | Exception]:
    """Return what is to be sent now of each, by one question for all; or what kept one merchant's from being read.

    Drops the duties of which nothing is left; gives back those that have to wait.
    """
    probes = [_probes_of(one, at=at) for one in wanted]
    readable = [(one, chosen) for one, chosen in zip(wanted, probes, strict=True) if not isinstance(chosen, Exception)]
    read = iter(_read([(one.route.schema, _values(one, chosen, at=at)) for one, chosen in readable]))
    done: list[int] = []
    waiting: dict[int, datetime] = {}
    found: list[list[Outgoing] | Exception] = []
    for one, chosen in zip(wanted, probes, strict=True):
        if isinstance(chosen, Exception):
            found.append(chosen)
            continue
        rows = next(read)
        try:
            found.append(rows if isinstance(rows, Exception) else _sort(one, chosen, rows, done, waiting, at=at))
        except Exception as error:  # one merchant's secrets do not open: the others' deliveries go on
            found.append(error)
    duties.let_go(done, waiting)
    return found


def _probes_of(wanted: Wanted, *, at: datetime) -> dict[UUID, Taken] | Exception:
    taken = [duty for duty in wanted.taken if duty.kind == Duty.Kind.PROBE]
    if not taken:
        return {}
    try:
        with inside(wanted.route.schema):
            return choose_probes(wanted.route, taken, at=at)
    except Error as error:
        if isinstance(error, CUT_OFF) and not is_locked(error):
            raise
        return error


def _values(wanted: Wanted, probes: Mapping[UUID, Taken], *, at: datetime) -> dict[str, Any]:
    ids = [duty.reference for duty in wanted.taken if duty.kind != Duty.Kind.PROBE]
    return {"ids": [*ids, *probes], "probes": list(probes), "guarded_since": at - ORDER_WAITS, "at": at}


def _read(runs: Sequence[tuple[str, Mapping[str, Any]]]) -> Sequence[list[tuple[Any, ...]] | Exception]:
    """Read the rows of all in one round trip; if that fails, each merchant's for itself."""
    if len(runs) > 1:
        try:
            return run_for_each([(schema, Statement(LEFT_TO_SEND, each, prepared=True)) for schema, each in runs])
        except Error as error:
            log.warning("deliveries_read_one_by_one", error=type(error).__name__)
    return [_read_one(*run) for run in runs]


def _read_one(schema: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]] | Exception:
    try:
        return run_hot(LEFT_TO_SEND, schema, values, prepared=True).fetchall()
    except CUT_OFF:
        raise
    except Error as error:
        return error


def _sort(
    wanted: Wanted,
    probes: Mapping[UUID, Taken],
    rows: Sequence[tuple[Any, ...]],
    done: list[int],
    waiting: dict[int, datetime],
    *,
    at: datetime,
) -> list[Outgoing]:
    """Return what can be sent, and note of the other duties whether they are done or have to wait."""
    duty_of = {duty.reference: duty for duty in wanted.taken if duty.kind != Duty.Kind.PROBE}
    ready = [row for row in rows if not row[15] or row[0] in probes]
    secrets = _secrets(wanted.route, {id_ for row in ready for id_ in row[14]}) if ready else {}
    outgoing = [
        _outgoing(wanted.route, probes.get(row[0]) or duty_of[row[0]], row, tuple(secrets[id_] for id_ in row[14]))
        for row in ready
    ]
    left = {row[0] for row in rows}
    done += [duty.id for reference, duty in duty_of.items() if reference not in left]
    waiting |= {duty_of[row[0]].id: _after_order(row, at=at) for row in rows if row[15] and row[0] in duty_of}
    return outgoing


def _after_order(row: tuple[Any, ...], *, at: datetime) -> datetime:
    """Return when to look again whether the earlier event of the order was heard."""
    waited: timedelta = at - row[9]
    return at + min(max(waited / 8, LEAST_WAIT), MOST_WAIT)


def choose_probes(route: Route, taken: Sequence[Taken], *, at: datetime) -> dict[UUID, Taken]:
    """Return what each endpoint that is only probed is probed with: delivery and duty."""
    chosen: dict[UUID, Taken] = {}
    for duty in taken:
        row = run_hot(PROBED_WITH, route.schema, {"endpoint": duty.reference}, prepared=False).fetchone()
        if row:
            chosen[row[0]] = duty
        else:
            _probe_no_more(duty, at=at)
    return chosen


def _probe_no_more(duty: Taken, *, at: datetime) -> None:
    with transaction.atomic():
        run_for_each([HURRY])
        for endpoint in lock([duty.reference]):
            if not endpoint.opened_at:
                duties.done([duty.id])  # it is back, or called no more, since the probe was taken
            health.give_up_probing(endpoint, at=at)


def _outgoing(route: Route, duty: Taken, row: tuple[Any, ...], secrets: tuple[SigningSecret, ...]) -> Outgoing:
    delivery, event, type_, event_at, endpoint, url, body, tries, step, began_at, replayed = row[:11]
    headers, was_failing, newer, _secrets, _waits = row[11:]
    trigger = Attempt.Trigger.REPLAY if replayed else Attempt.Trigger.SCHEDULE
    return Outgoing(
        duty=duty,
        delivery_id=delivery,
        event_id=event,
        event_type=type_,
        event_at=event_at,
        endpoint_id=endpoint,
        url=url,
        body=bytes(body),
        secrets=secrets,
        number=tries + 1,
        step=step + 1,
        began_at=began_at,
        trigger=Attempt.Trigger.TEST if type_ == EventType.PING else trigger,
        headers=open_headers(bytes(headers), route.open_vault(), row=endpoint) if headers else {},
        was_failing=was_failing,
        superseded_by=newer,
    )


def _secrets(route: Route, ids: Collection[UUID]) -> dict[UUID, SigningSecret]:
    """Return signing secrets by the ids of their rows. Opened ones are remembered for a while.

    That needs no word from other processes: which secrets are live is read anew for each request, and one never
    changes under its id.
    """
    with _lock:
        known = {id_: _opened[id_] for id_ in ids if id_ in _opened}
    if missing := [id_ for id_ in ids if id_ not in known]:
        rows = run_hot(SECRETS, route.schema, {"ids": missing}, prepared=True).fetchall()
        fresh = {id_: _open_secret(route, id_, sealed) for id_, sealed in rows}
        with _lock:
            _opened.update(fresh)
        known |= fresh
    return known


def _open_secret(route: Route, id_: UUID, sealed: bytes) -> SigningSecret:
    return SigningSecret.from_text(
        route.open_vault().open(bytes(sealed), table=SECRET_TABLE, field="sealed", row=id_).decode()
    )


def open_secrets(route: Route, endpoints: set[UUID], *, at: datetime) -> dict[UUID, tuple[SigningSecret, ...]]:
    """Open the live signing secrets of these endpoints, newest first."""
    opened: dict[UUID, tuple[SigningSecret, ...]] = dict.fromkeys(endpoints, ())
    live = run_hot(LIVE_SECRETS, route.schema, {"endpoints": list(endpoints), "at": at}, prepared=True)
    for id_, endpoint, sealed in live:
        opened[endpoint] += (_open_secret(route, id_, sealed),)
    return opened


def seal_secret(secret: SigningSecret, vault: Vault, *, row: UUID) -> bytes:
    return vault.seal(secret.to_text().encode(), table=SECRET_TABLE, field="sealed", row=row)


def seal_headers(headers: Mapping[str, str], vault: Vault, *, row: UUID) -> bytes:
    """Seal the fixed headers of an endpoint's row: what a merchant adds to every callback is often a password."""
    return vault.seal(json.dumps(dict(headers)).encode(), table=HEADERS_TABLE, field="headers", row=row)


def open_headers(sealed: bytes, vault: Vault, *, row: UUID) -> dict[str, str]:
    opened: dict[str, str] = json.loads(vault.open(sealed, table=HEADERS_TABLE, field="headers", row=row))
    return opened


async def send(client: GuardedClient, outgoing: Outgoing, *, jitter: float) -> Tried:
    """Make the request and judge the reply."""
    started_at = datetime.now(UTC)
    headers = {**outgoing.headers, **own_headers(outgoing, at=started_at)}
    reply = await client.post(outgoing.url, headers=headers, body=outgoing.body, deadline=DEADLINE)
    tried = judged(outgoing, reply, started_at=started_at, at=datetime.now(UTC), jitter=jitter)
    log_attempt(tried)
    return tried


def own_headers(outgoing: Outgoing, *, at: datetime) -> dict[str, str]:
    """Return the headers that are ours: signatures over this moment, and what the receiver may go by."""
    signed = sign(outgoing.body, message_id=encode("evt", outgoing.event_id), at=at, secrets=outgoing.secrets)
    headers = signed | {
        "content-type": CONTENT_TYPE,
        "x-paywitness-attempt": str(outgoing.number),
    }
    if outgoing.trigger == Attempt.Trigger.REPLAY:
        headers["x-paywitness-replay"] = "true"
    if outgoing.superseded_by:
        headers["x-paywitness-superseded-by"] = encode("evt", outgoing.superseded_by)
    return headers


def judged(outgoing: Outgoing, reply: Reply, *, started_at: datetime, at: datetime, jitter: float) -> Tried:
    """Say what follows from a reply that ended at that moment. A test is tried once; a probe gives nothing up."""
    verdict = judge(reply, attempt=outgoing.step, first_at=outgoing.began_at, at=at, jitter=jitter)
    if outgoing.is_test and not isinstance(verdict, Delivered):
        verdict = GivenUp(GiveUpReason.TEST)
    if outgoing.is_probe and isinstance(verdict, GivenUp):
        verdict = RetryAt(at)
    return Tried(outgoing, reply, verdict, started_at, at, jitter)


def log_attempt(tried: Tried) -> None:
    """Write one wide line for each attempt: no bodies, no keys, no address beyond the endpoint's id."""
    outgoing, reply, verdict = tried.outgoing, tried.reply, tried.verdict
    log.info(
        "attempt",
        merchant=str(outgoing.duty.merchant),
        mode=outgoing.duty.mode,
        event_id=encode("evt", outgoing.event_id),
        type=outgoing.event_type,
        delivery=str(outgoing.delivery_id),
        endpoint=encode("end", outgoing.endpoint_id),
        number=outgoing.number,
        step=outgoing.step,
        trigger=outgoing.trigger,
        probe=outgoing.is_probe,
        status=reply.status,
        error=reply.error,
        ms=reply.duration_ms,
        age_ms=round((tried.ended_at - outgoing.event_at).total_seconds() * 1000),
        verdict=type(verdict).__name__,
        given_up_because=verdict.reason if isinstance(verdict, GivenUp) else None,
        retry_at=verdict.at.isoformat() if isinstance(verdict, RetryAt) else None,
        detail=reply.detail,
    )
    metrics.note_attempt(type(verdict).__name__, reply.error, reply.duration_ms, outgoing.trigger)
