"""What is owed: the rows that are the queue, and the only statements that touch them.

A duty is taken with a lease: its `due_at` moves to the lease's end, so that it comes due again if its worker dies.
Taking leaves out the lanes that are full in this worker, which is how one merchant's flood or hanging endpoint slows
only itself. Whoever has a duty re-reads what it refers to and does nothing when nothing is left to do.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
import structlog
from django.db import OperationalError, connection
from psycopg.rows import class_row

from tenants.models import Duty
from tenants.routing import Route
from tenants.statements import HURRY, Statement, is_locked, run_for_each, run_together

log = structlog.get_logger()

LEASE: Final = timedelta(seconds=20)  # longer than any total deadline

TAKE: Final = """
WITH {turns}
UPDATE public.tenants_duty AS duty SET due_at = %(lease_ends)s, tries = LEAST(duty.tries + 1, 1000)
FROM ({union}) AS taken WHERE duty.id = taken.id
RETURNING duty.id, duty.kind, duty.merchant, duty.mode, duty.lane, duty.reference, duty.tries,
    duty.due_at AS leased_until
"""
TURN: Final = """{kind} AS (
    SELECT id FROM public.tenants_duty
    WHERE kind = '{kind}' AND due_at <= %(at)s AND {full} AND id <> ALL(%(held)s::bigint[])
    ORDER BY due_at LIMIT %({kind})s FOR UPDATE SKIP LOCKED)"""
# Of what is sent a turn looks at many and takes a few of each merchant, so that they go together in few round trips.
SHARE: Final = 20
SHARED_TURN: Final = """{kind} AS (
    SELECT id FROM (
        SELECT id, row_number() OVER (PARTITION BY merchant ORDER BY due_at) AS place FROM (
            SELECT id, merchant, due_at FROM public.tenants_duty
            WHERE kind = '{kind}' AND due_at <= %(at)s AND {full} AND id <> ALL(%(held)s::bigint[])
            ORDER BY due_at LIMIT %({kind})s FOR UPDATE SKIP LOCKED) AS oldest) AS placed
    WHERE place <= {share})"""
KINDS: Final = tuple(Duty.Kind.values)
SENDING: Final = (Duty.Kind.DELIVER, Duty.Kind.REDELIVER, Duty.Kind.PROBE)
# What a worker has enough of: lanes, and of what is sent merchants too. Retries have to leave room for first attempts.
FULL: Final = {
    Duty.Kind.DELIVER: "lane <> ALL(%(full)s) AND merchant <> ALL(%(full_merchants)s)",
    Duty.Kind.REDELIVER: "lane <> ALL(%(full_again)s) AND merchant <> ALL(%(full_merchants)s)",
}
TAKE_SQL: Final = TAKE.format(
    turns=", ".join(
        (SHARED_TURN if kind in SENDING else TURN).format(
            kind=kind, full=FULL.get(Duty.Kind(kind), "lane <> ALL(%(full)s)"), share=SHARE
        )
        for kind in KINDS
    ),
    union=" UNION ALL ".join(f"SELECT id FROM {kind}" for kind in KINDS),  # noqa: S608  our own constants
)

OWE_ONCE: Final = """
INSERT INTO public.tenants_duty (kind, merchant, mode, lane, reference, due_at, tries)
VALUES ('{kind}', %s, %s, %s, %s, %s, 0)
ON CONFLICT (reference) WHERE kind = '{kind}' DO UPDATE SET due_at = LEAST(tenants_duty.due_at, EXCLUDED.due_at)
"""

# In one order, as `HOLD_QUESTIONS` does, so that whoever concludes and whoever publishes never wait in a ring.
HELD: Final = """
WITH held AS (
    SELECT duty.id, until.due_at FROM public.tenants_duty AS duty
    JOIN unnest(%(ids)s::bigint[], %(times)s::timestamptz[]) AS until (id, due_at) ON duty.id = until.id
    {unless} ORDER BY duty.reference, duty.id FOR UPDATE OF duty)
"""
DELETE_HELD: Final = "DELETE FROM public.tenants_duty AS duty USING held WHERE duty.id = held.id"
UPDATE_HELD: Final = "UPDATE public.tenants_duty AS duty SET {change} FROM held WHERE duty.id = held.id"
# Before several of these: the same order for all of them together.
HOLD: Final = "SELECT id FROM public.tenants_duty WHERE id = ANY(%(ids)s) ORDER BY reference, id FOR UPDATE"
DONE: Final = "DELETE FROM public.tenants_duty WHERE id = ANY(%(ids)s)"
ASKED: Final = HELD.format(unless="WHERE duty.kind <> 'ask' OR duty.due_at >= until.due_at") + DELETE_HELD
PUT_OFF: Final = HELD.format(unless="") + UPDATE_HELD.format(change="due_at = held.due_at")
GIVE_BACK: Final = HELD.format(unless="") + UPDATE_HELD.format(
    change="due_at = held.due_at, tries = GREATEST(duty.tries - 1, 0)"
)

# Not the ORM, so that they can go with all that is published at once.
OWE_DELIVERIES: Final = """
INSERT INTO public.tenants_duty (kind, merchant, mode, lane, reference, due_at, tries)
SELECT 'deliver', %(merchant)s, %(mode)s, owed.lane, owed.reference, %(due_at)s, 0
FROM unnest(%(lanes)s::uuid[], %(deliveries)s::uuid[]) AS owed (lane, reference)
"""
HOLD_QUESTIONS: Final = """
SELECT id FROM public.tenants_duty WHERE kind = 'ask' AND reference = ANY(%(payments)s)
ORDER BY reference FOR UPDATE
"""
DROP_QUESTIONS: Final = "DELETE FROM public.tenants_duty WHERE kind = 'ask' AND reference = ANY(%(payments)s)"
OWE_QUESTIONS: Final = """
INSERT INTO public.tenants_duty (kind, merchant, mode, lane, reference, due_at, tries)
SELECT 'ask', %(merchant)s, %(mode)s, %(lane)s, owed.reference, owed.due_at, 0
FROM unnest(%(payments)s::uuid[], %(times)s::timestamptz[]) AS owed (reference, due_at)
ON CONFLICT (reference) WHERE kind = 'ask' DO UPDATE SET due_at = LEAST(tenants_duty.due_at, EXCLUDED.due_at)
"""

# Asked for each minute, so the ones that are owed already are left out first: a conflict would use up an id each.
OWE_MISSING_SWEEPS: Final = """
INSERT INTO public.tenants_duty (kind, merchant, mode, lane, reference, due_at, tries)
SELECT 'sweep', credential.merchant_id, credential.mode, chosen.id, chosen.id, %s, 0
FROM public.tenants_credential AS credential
JOIN public.tenants_merchant AS merchant ON merchant.id = credential.merchant_id
JOIN public.tenants_merchantmode AS chosen
    ON chosen.merchant_id = credential.merchant_id AND chosen.mode = credential.mode
WHERE merchant.state = 'ready' AND merchant.closed_at IS NULL
AND NOT EXISTS (SELECT 1 FROM public.tenants_duty WHERE kind = 'sweep' AND reference = chosen.id)
ON CONFLICT (reference) WHERE kind = 'sweep' DO NOTHING
"""

# A duty on lease may have its request under way: the new one waits for the lease's end, and is not sent beside it.
OWE_AGAIN: Final = """
WITH dropped AS (
    DELETE FROM public.tenants_duty WHERE kind IN ('deliver', 'redeliver') AND reference = ANY(%(deliveries)s)
    RETURNING reference, due_at),
under_way AS (
    SELECT reference, max(due_at) AS due_at FROM dropped
    WHERE due_at > %(due_at)s AND due_at <= %(lease_ends)s GROUP BY reference)
INSERT INTO public.tenants_duty (kind, merchant, mode, lane, reference, due_at, tries)
SELECT 'redeliver', %(merchant)s, %(mode)s, owed.lane, owed.reference,
    COALESCE(under_way.due_at, %(due_at)s + owed.place * interval '1 microsecond'), 0
FROM unnest(%(lanes)s::uuid[], %(deliveries)s::uuid[]) WITH ORDINALITY AS owed(lane, reference, place)
LEFT JOIN under_way ON under_way.reference = owed.reference ORDER BY owed.place
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """A duty that this worker has on lease. `tries` counts this one."""

    id: int
    kind: str
    merchant: UUID
    mode: str
    lane: UUID
    reference: UUID
    tries: int
    leased_until: datetime


@dataclass(frozen=True, slots=True)
class Full:
    """What is left out of a turn: lanes, lanes for retries, and merchants for what is sent."""

    lanes: Collection[UUID] = ()
    again: Collection[UUID] = ()
    merchants: Collection[UUID] = ()


async def take(
    queue: "psycopg.AsyncConnection[Any]",
    *,
    limits: Mapping[str, int],
    full: Full,
    at: datetime,
    held: Collection[int] = (),
) -> list[Taken]:
    """Take what is due, oldest first of each kind, up to its limit; leave out what is full and what is held already.

    Of what is sent no merchant gets more than SHARE of a kind.
    """
    values = {
        "at": at,
        "lease_ends": at + LEASE,
        "full": list(full.lanes),
        "full_again": list(full.again),
        "full_merchants": list(full.merchants),
        "held": list(held),
    } | {kind: limits.get(kind, 0) for kind in KINDS}
    async with queue.cursor(row_factory=class_row(Taken)) as cursor:
        await cursor.execute(TAKE_SQL.encode(), values)
        return await cursor.fetchall()


def is_crowded(lane: UUID, *, more_than: int) -> bool:
    """Say whether more notifications than that wait in a lane, whatever speaks for them: it is one order soon made."""
    waiting = Duty.objects.filter(kind__in=(Duty.Kind.VERIFY, Duty.Kind.VOUCHED), lane=lane)
    return len(waiting.values_list("id")[: more_than + 1]) > more_than


def wake(lane: UUID, *, at: datetime) -> None:
    """Make everything due that waits in a lane of questions."""
    Duty.objects.filter(lane=lane, due_at__gt=at).update(due_at=at)


def asked(taken: Iterable[Taken]) -> list[Statement]:
    """Return what removes duties to ask that are fulfilled; one owed anew meanwhile, for something later, stays."""
    leases = {duty.id: duty.leased_until for duty in taken}
    return [Statement(ASKED, {"ids": list(leases), "times": list(leases.values())})] if leases else []


def done(ids: Iterable[int]) -> None:
    """Remove duties that are fulfilled."""
    run(_doing(ids))


def _doing(ids: Iterable[int]) -> list[Statement]:
    ids = list(ids)
    return [Statement(DONE, {"ids": ids})] if ids else []


def let_go(ids: Iterable[int], when: Mapping[int, datetime]) -> None:
    """Do both for the duties of many merchants: those that are fulfilled, and those that are given back.

    What somebody has locked is left to the end of its lease, for nobody else is to wait for that.
    """
    try:
        if statements := [*_doing(ids), *giving_back(when)]:
            run_for_each([HURRY, *(("public", statement) for statement in statements)])
    except OperationalError as error:
        if not is_locked(error):
            raise
        log.warning("duties_left_to_their_lease", fulfilled=len(list(ids)), waiting=len(when))


def put_off(when: Mapping[int, datetime]) -> None:
    """Make duties due later."""
    run(putting_off(when))


def holding(ids: Iterable[int]) -> list[Statement]:
    """Return what locks duties, before statements of which each touches some of them."""
    ids = list(ids)
    return [Statement(HOLD, {"ids": ids})] if ids else []


def putting_off(when: Mapping[int, datetime]) -> list[Statement]:
    return [Statement(PUT_OFF, {"ids": list(when), "times": list(when.values())})] if when else []


def give_back(when: Mapping[int, datetime]) -> None:
    """Make duties due later of which nothing was tried: having been taken for nothing is not held against them."""
    run(giving_back(when))


def giving_back(when: Mapping[int, datetime]) -> list[Statement]:
    return [Statement(GIVE_BACK, {"ids": list(when), "times": list(when.values())})] if when else []


def run(statements: Sequence[Statement]) -> None:
    """Run statements about duties, which are in the public schema, in one round trip."""
    if statements:
        run_together("public", statements)


def hasten(lane: UUID, *, waiting_until: datetime, at: datetime) -> None:
    """Make due what a lane has put off until exactly that moment."""
    _run(
        "UPDATE public.tenants_duty SET due_at = %s WHERE kind = ANY(%s) AND due_at = %s AND lane = %s",
        [at, list(KINDS), waiting_until, lane],
    )


def questions(route: Route, when: Mapping[UUID, datetime | None]) -> list[Statement]:
    """Return the statements that see to it when payments are asked about: at the earlier time if one already is.

    None means no more. By payment, so that two who owe the same ones never wait for each other in a ring.
    """
    owed = {payment: due_at for payment, due_at in sorted(when.items()) if due_at is not None}
    dropped = [payment for payment in when if payment not in owed]
    values = {"merchant": route.merchant_id, "mode": route.mode, "lane": route.lane}
    return [
        Statement(HOLD_QUESTIONS, {"payments": list(when)}),
        *([Statement(DROP_QUESTIONS, {"payments": dropped})] if dropped else []),
        *([Statement(OWE_QUESTIONS, values | {"payments": list(owed), "times": list(owed.values())})] if owed else []),
    ]


def owe_question(*, merchant: UUID, mode: str, lane: UUID, payment: UUID, due_at: datetime) -> None:
    """See to it that a payment is asked about; one that already is keeps the earlier time."""
    _owe_once("ask", merchant, mode, lane, payment, due_at)


def owe_sweep(*, merchant: UUID, mode: str, lane: UUID, due_at: datetime) -> None:
    """See to it that a mode is swept; one that already is keeps the earlier time."""
    _owe_once("sweep", merchant, mode, lane, lane, due_at)


def owe_missing_sweeps(*, at: datetime) -> None:
    """Owe a sweep for every mode that has PortOne keys and none: those of merchants that are ready and open."""
    _run(OWE_MISSING_SWEEPS, [at])


def owe_preparation(*, merchant: UUID, mode: str, lane: UUID, order: UUID, due_at: datetime) -> None:
    """See to it that PortOne is told an order's amount; one that already is keeps the earlier time."""
    _owe_once("prepare", merchant, mode, lane, order, due_at)


def _owe_once(kind: str, merchant: UUID, mode: str, lane: UUID, reference: UUID, due_at: datetime) -> None:
    _run(OWE_ONCE.format(kind=kind), [merchant, mode, lane, reference, due_at])


def owe_deliveries(*, merchant: UUID, mode: str, deliveries: Sequence[tuple[UUID, UUID]], due_at: datetime) -> None:
    """Owe each (endpoint, delivery) its first attempt."""
    Duty.objects.bulk_create(
        Duty(
            kind=Duty.Kind.DELIVER,
            merchant=merchant,
            mode=mode,
            lane=lane,
            reference=reference,
            due_at=due_at,
        )
        for lane, reference in deliveries
    )


def deliveries(route: Route, owed: Sequence[tuple[UUID, UUID]], *, due_at: datetime) -> Statement:
    """Return the statement that owes each (endpoint, delivery) its first attempt."""
    values = {"merchant": route.merchant_id, "mode": route.mode, "due_at": due_at}
    lanes = {"lanes": [lane for lane, _ in owed], "deliveries": [delivery for _, delivery in owed]}
    return Statement(OWE_DELIVERIES, values | lanes, prepared=True)


def hold(deliveries: Sequence[UUID]) -> None:
    """Lock what is owed of these deliveries until the transaction ends; no worker takes it meanwhile."""
    _run(
        "SELECT id FROM public.tenants_duty WHERE kind IN ('deliver', 'redeliver') AND reference = ANY(%s)"
        " ORDER BY id FOR UPDATE",
        [list(deliveries)],
    )


def owe_again(*, merchant: UUID, mode: str, deliveries: Sequence[tuple[UUID, UUID]], due_at: datetime) -> None:
    """Owe each (endpoint, delivery) another attempt, in this order, in place of whatever was owed of it before."""
    values = {
        "merchant": merchant,
        "mode": mode,
        "lanes": [lane for lane, _ in deliveries],
        "deliveries": [delivery for _, delivery in deliveries],
        "due_at": due_at,
        "lease_ends": due_at + LEASE,
    }
    _run(OWE_AGAIN, values)


def _run(statement: str, values: Sequence[Any] | Mapping[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
