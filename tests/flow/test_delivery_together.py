"""Deliveries of many merchants go together; none of them pays for another's fault, or for the length of a backlog."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from psycopg import ProgrammingError, sql

from results.attempts import record_healthy
from results.deliver import LEFT_TO_SEND, Outgoing, Tried, Wanted, judged, load_many
from results.duties import KINDS, LEASE, SHARE, TAKE_SQL, Taken
from results.models import Attempt, Delivery
from tenants.routing import inside
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
    """When one merchant's deliveries cannot be read, those that were asked for with them still can."""
    publish(bakery, 2)
    taken = take(limit=10)
    lost = replace(florist.route, schema="m_lost")

    found, fault = load_many([Wanted(bakery.route, taken), Wanted(lost, taken)], at=datetime.now(UTC))

    assert isinstance(found, list)
    assert [one.duty.id for one in found] == [duty.id for duty in taken]
    assert isinstance(fault, Exception)
    assert isinstance(fault.__cause__, ProgrammingError)


def test_one_merchants_fault_keeps_no_attempt_from_being_written(bakery: Cast, florist: Cast) -> None:
    """When one merchant's attempts cannot be written, those that were written with them stand, once."""
    publish(bakery, 2)
    (found,) = load_many([Wanted(bakery.route, take(limit=10))], at=datetime.now(UTC))
    assert isinstance(found, list)
    tried = [answered(outgoing) for outgoing in found]
    lost = replace(florist.route, schema="m_lost")

    faults = record_healthy([(bakery.route, tried), (lost, tried[:1])], at=datetime.now(UTC))

    assert faults[0] is None
    assert isinstance(faults[1], Exception)
    assert len(bakery.rows(Attempt)) == 2
    assert all(delivery.delivered_at for delivery in bakery.rows(Delivery))


def test_a_delivery_costs_the_same_in_a_long_backlog(bakery: Cast) -> None:
    """Reading one delivery, the second event of its order, reads as little when thousands wait as when few do."""
    line = publish(bakery, 1)
    line.publish("order-0")
    alone = rows_seen_for_second(bakery)
    with inside(bakery.merchant.schema_name), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO results_event (id, mode, type, created_at, body)"
            " SELECT gen_random_uuid(), mode, type, created_at, body"
            " FROM (SELECT * FROM results_event LIMIT 1) AS event, generate_series(1, 3000);"
            " INSERT INTO results_delivery (id, event_id, endpoint_id, created_at, tries, step, draining)"
            " SELECT gen_random_uuid(), event.id, one.endpoint_id, event.created_at, 0, 0, false"
            " FROM results_event AS event, (SELECT endpoint_id FROM results_delivery LIMIT 1) AS one"
            " WHERE event.sequence IS NULL"
        )

    assert rows_seen_for_second(bakery) == alone


def rows_seen_for_second(cast: Cast) -> int:
    """Return how many rows a worker looks at for an order's second event, whatever the planner knows of the tables."""
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
