"""Deliveries of many merchants go together; none of them pays for another's fault, or for the length of a backlog."""

import asyncio
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection, connections
from psycopg import sql

from results.deliver import LEFT_TO_SEND, Outgoing, Tried, Wanted, judged, load_many
from results.duties import KINDS, LEASE, SHARE, TAKE_SQL, Taken
from results.models import Attempt, Delivery
from results.worker import Worker, _Done
from tenants.fields import new_id
from tenants.routing import Route, Threads, inside
from tenants.statements import PLAN_ONCE
from tests.factories import Cast
from tests.flow.virtual_endpoint import OK, Line


def take(limit: int) -> list[Taken]:
    at = datetime.now(UTC)
    nothing = {name: [] for name in ("full", "full_again", "full_merchants", "held")}
    with connection.cursor() as cursor:
        cursor.execute(TAKE_SQL, {"at": at, "lease_ends": at + LEASE} | nothing | dict.fromkeys(KINDS, limit))
        return [Taken(*row) for row in cursor.fetchall()]


def publish(cast: Cast, orders: int) -> Line:
    line = Line(cast, lambda outgoing, at: OK, at=datetime.now(UTC))
    for number in range(orders):
        line.publish(f"order-{number}")
    return line


def answered(outgoing: Outgoing) -> Tried:
    at = datetime.now(UTC)
    return judged(outgoing, OK, started_at=at, at=at, jitter=0.0)


def test_a_turn_takes_a_few_of_each_merchant(bakery: Cast, florist: Cast) -> None:
    """Whoever has much waiting gets a share of a turn, and what others wait for is taken in the same one."""
    publish(bakery, SHARE + 10)
    publish(florist, 5)

    taken = [duty.merchant for duty in take(limit=100)]

    assert taken.count(bakery.route.merchant_id) == SHARE
    assert taken.count(florist.route.merchant_id) == 5
    assert len(take(limit=100)) == 10


def test_one_merchants_fault_keeps_nobody_from_being_told(bakery: Cast, florist: Cast) -> None:
    """When one merchant's deliveries cannot be read, those asked for with them can, however often that happens."""
    publish(bakery, 2)
    taken = take(limit=10)
    lost = replace(florist.route, schema="m_lost")

    for _ in range(8):  # by the third a connection prepares what it runs
        fault, found = load_many([Wanted(lost, taken), Wanted(bakery.route, taken)], at=datetime.now(UTC))

        assert isinstance(found, list)
        assert [one.duty.id for one in found] == [duty.id for duty in taken]
        assert isinstance(fault, Exception)
        assert isinstance(fault.__cause__, psycopg.ProgrammingError)


def test_a_probe_that_cannot_be_chosen_is_its_merchants_fault(bakery: Cast, florist: Cast) -> None:
    """When one merchant's probe fails, the deliveries that were asked for with it are read."""
    publish(bakery, 1)
    taken = take(limit=10)
    lost = replace(florist.route, schema="m_lost")

    fault, found = load_many(
        [Wanted(lost, [replace(taken[0], kind="probe")]), Wanted(bakery.route, taken)], at=datetime.now(UTC)
    )

    assert isinstance(fault, Exception)
    assert isinstance(found, list)
    assert len(found) == 1


def test_one_merchants_fault_keeps_no_attempt_from_being_written(bakery: Cast, florist: Cast) -> None:
    """When one merchant's attempts cannot be written, those that came in with them are, once."""
    publish(bakery, 2)
    (found,) = load_many([Wanted(bakery.route, take(limit=10))], at=datetime.now(UTC))
    assert isinstance(found, list)
    tried = [answered(outgoing) for outgoing in found]
    lost = replace(florist.route, schema="m_lost", lane=new_id())

    written, fault = record([(bakery.route, tried[0]), (bakery.route, tried[1])], [(lost, tried[0])])

    assert written == [None, None]
    assert isinstance(fault[0], Exception)
    assert len(bakery.rows(Attempt)) == 2
    assert all(delivery.delivered_at for delivery in bakery.rows(Delivery))


def test_what_one_merchant_has_locked_keeps_nobody_waiting(bakery: Cast, florist: Cast) -> None:
    """While a merchant's deliveries are locked for long, another's attempt is written down."""
    publish(bakery, 1)
    publish(florist, 1)
    taken = take(limit=10)
    mine = {
        cast.route.lane: [one for one in taken if one.merchant == cast.route.merchant_id] for cast in (bakery, florist)
    }
    read = load_many([Wanted(cast.route, mine[cast.route.lane]) for cast in (bakery, florist)], at=datetime.now(UTC))
    baked, flowers = (answered(one[0]) for one in read if isinstance(one, list))
    holder = connection.copy()
    with holder.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"SELECT id FROM {florist.merchant.schema_name}.results_delivery FOR UPDATE")
        waiting = threading.Timer(6, holder.connection.close)
        waiting.start()

        began = time.monotonic()
        ended = record_in_turns([(florist.route, flowers), (bakery.route, baked)])

    assert ended[baked.id] - began < 4 < ended[flowers.id] - began
    assert [delivery.delivered_at is not None for delivery in bakery.rows(Delivery)] == [True]


def record(*groups: list[tuple[Route, Tried]]) -> list[list[BaseException | None]]:
    """Let a worker write attempts down that came in together; return what each waited for, or its fault."""

    async def run() -> list[list[BaseException | None]]:
        worker, done = hire(), [[wait_for(*one) for one in group] for group in groups]
        await worker._record_healthy([one for group in done for one in group])
        ends = [await asyncio.gather(*(one.written for one in group), return_exceptions=True) for group in done]
        await dismiss(worker)
        return ends

    return asyncio.run(run())


def record_in_turns(attempts: list[tuple[Route, Tried]]) -> dict[UUID, float]:
    """The same; return when each was written."""
    ended: dict[UUID, float] = {}

    async def run() -> None:
        worker, done = hire(), [wait_for(*one) for one in attempts]
        for one in done:
            one.written.add_done_callback(lambda _, one=one: ended.setdefault(one.tried.id, time.monotonic()))
        await worker._record_healthy(done)
        await asyncio.gather(*(one.written for one in done))
        await dismiss(worker)

    asyncio.run(run())
    return ended


def hire() -> Worker:
    return Worker(database_url="", portone=None, client=None, threads=Threads(2))  # type: ignore[arg-type]


def wait_for(route: Route, tried: Tried) -> _Done:
    return _Done(route, tried, asyncio.get_running_loop().create_future())


async def dismiss(worker: Worker) -> None:
    await asyncio.gather(*worker.tasks, return_exceptions=True)
    await asyncio.gather(*(worker.threads.run("public", connections.close_all) for _ in range(2)))
    worker.threads.close()


def test_a_delivery_costs_the_same_in_a_long_backlog(bakery: Cast) -> None:
    """Reading one delivery, the second event of its order, reads as little when thousands wait as when few do."""
    line = publish(bakery, 1)
    line.publish("order-0")
    alone = rows_seen_for_second(bakery)
    with inside(bakery.merchant.schema_name), connection.cursor() as cursor:
        for table in ("results_event", "results_delivery"):
            cursor.execute(f"VACUUM FULL ANALYZE {table}")  # what the planner knows: they are short
        cursor.execute(
            "INSERT INTO results_event (id, mode, type, created_at, body)"
            " SELECT gen_random_uuid(), mode, type, created_at, body"
            " FROM (SELECT * FROM results_event LIMIT 1) AS event, generate_series(1, 3000);"
            " INSERT INTO results_delivery (id, event_id, endpoint_id, created_at, tries, step, draining)"
            " SELECT gen_random_uuid(), event.id, one.endpoint_id, event.created_at, 0, 0, false"
            " FROM results_event AS event, (SELECT endpoint_id FROM results_delivery LIMIT 1) AS one"
            " WHERE event.sequence IS NULL"
        )

    assert rows_seen_for_second(bakery) < alone + 5


def rows_seen_for_second(cast: Cast) -> int:
    """Return how many rows a worker looks at for an order's second event."""
    at = datetime.now(UTC)
    with inside(cast.merchant.schema_name), connection.cursor() as cursor:
        cursor.execute(
            "SELECT delivery.id FROM results_delivery AS delivery JOIN results_event AS event ON event.id = event_id"
            " WHERE sequence = 2"
        )
        values = {"ids": [cursor.fetchone()[0]], "probes": [], "guarded_since": at, "at": at}
        for setting in PLAN_ONCE.replace("-c", "").split():
            cursor.execute(sql.SQL("SELECT set_config({}, {}, true)").format(*setting.split("=")))
        explained = "EXPLAIN (ANALYZE, FORMAT JSON) " + LEFT_TO_SEND.format(schema=cast.merchant.schema_name)
        cursor.execute(explained, values)
        return rows_seen(cursor.fetchone()[0][0]["Plan"])


def rows_seen(node: dict[str, Any]) -> int:
    """Return how many rows the scans of a plan met, with those that they left out."""
    seen = node["Actual Rows"] + sum(count for name, count in node.items() if name.startswith("Rows Removed by"))
    here = seen * node["Actual Loops"] if "Scan" in node["Node Type"] else 0
    return int(here) + sum(rows_seen(below) for below in node.get("Plans", []))
