"""Whatever arrives at once about one order is told in one gap-free sequence, by however many workers."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from threading import Barrier
from typing import Any

import psycopg
import pytest
from django.db import connection

from results.claims import Told, publish_claim
from results.core.claim import Claim, read_claim
from results.core.money import Money
from results.core.snapshot import Cancellation, Snapshot
from results.core.words import Cause
from results.management.commands.worker import conninfo
from results.models import Event, Payment
from results.publish import Shown, publish_all, publish_snapshot, register_order
from tenants.routing import Route, find_mode, inside
from tests.faults.merchants import Merchant
from tests.faults.processes import Installation, wait_until

pytestmark = pytest.mark.xdist_group("faults")

NOW = datetime.now(UTC)
PAID = Snapshot(
    imp_uid="imp_a",
    merchant_uid="order-1",
    status="paid",
    amount=Decimal(64900),
    cancel_amount=Decimal(0),
    currency="KRW",
    sandbox=False,
    asked_at=NOW,
    paid_at=NOW,
)
Step = Callable[[], Any]


@pytest.fixture
def route(database: dict[str, Any]) -> Iterator[Route]:
    """The bakery's live mode in this process's own database; no statement may have met a deadlock at the end."""
    before = deadlocks()
    route = find_mode(database["bakery"].id, "live")
    assert route is not None
    yield route
    assert deadlocks() == before


def deadlocks() -> int:
    """Return how many deadlocks this database has seen; other connections tell theirs when they close."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def expects(route: Route, order: str) -> None:
    with inside(route.schema):
        register_order(route, merchant_uid=order, money=Money(64900, "KRW", 0), at=NOW)


def publishes(route: Route, snapshot: Snapshot) -> Step:
    return lambda: publish_snapshot(
        route, snapshot, cause=Cause.WEBHOOK, named_by_claim=True, at=snapshot.asked_at + timedelta(seconds=1)
    )


def tells_claim(route: Route, order: str) -> Step:
    return lambda: publish_claim(route, customer_gave_up(order), at=datetime.now(UTC))


def customer_gave_up(order: str) -> Claim:
    query = f"merchant_uid={order}&imp_success=false&error_code=PAY_PROCESS_CANCELED"
    return read_claim(query=query, content_type="", body=b"")


def all_at_once(route: Route, steps: Sequence[Step]) -> list[Any]:
    """Do the steps in as many threads, each with a connection of its own, all from the same moment on."""
    start = Barrier(len(steps))

    def one(step: Step) -> Any:
        try:
            with inside(route.schema):
                connection.ensure_connection()
                start.wait(20)
                return step()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(steps)) as threads:
        return list(threads.map(one, steps))


def published(route: Route, order: str) -> list[Event]:
    with inside(route.schema):
        return list(Event.objects.filter(order__merchant_uid=order).order_by("sequence"))


def told(route: Route, order: str) -> list[tuple[int | None, str]]:
    return [(event.sequence, event.type) for event in published(route, order)]


def test_fifty_verifications_of_one_order_tell_of_one_payment(route: Route) -> None:
    """Two payments of one order, verified 25 times each at once: one `payment.paid`, one duplicate, no gap."""
    expects(route, "order-1")
    snapshots = [
        replace(PAID, imp_uid=imp_uid, asked_at=NOW + timedelta(milliseconds=number))
        for number in range(25)
        for imp_uid in ("imp_a", "imp_b")
    ]

    all_at_once(route, [publishes(route, snapshot) for snapshot in snapshots])

    assert told(route, "order-1") == [(1, "payment.paid"), (2, "payment.review.duplicate_payment")]


def test_workers_with_the_same_orders_in_other_orders_meet_in_none(route: Route) -> None:
    """Four workers that publish forty payments of twenty orders each from another end: all is told once, without gap.

    Half of the orders are known beforehand, the others are written by whoever is first.
    """
    orders = [f"order-{number:02}" for number in range(20)]
    for order in orders[::2]:
        expects(route, order)
    payments = [replace(PAID, imp_uid=f"imp_{order}_{one}", merchant_uid=order) for order in orders for one in "ab"]
    shown = [Shown(payment, Cause.WEBHOOK, True) for payment in payments]
    some = [shown, shown[::-1], shown[20:] + shown[:20], shown[::3] + shown[1::3] + shown[2::3]]

    all_at_once(route, [partial(publish_all, route, one, at=NOW + timedelta(seconds=1)) for one in some])

    twice = [(1, "payment.paid"), (2, "payment.review.duplicate_payment")]
    assert [told(route, order) for order in orders] == [twice] * 20


def test_fifty_changes_in_any_order_leave_no_gap(route: Route) -> None:
    """However fifty answers of different age overtake each other, sequences are 1…n and the newest answer stands."""
    expects(route, "order-1")
    history = [
        replace(cancelled_in_part(number), imp_uid=imp_uid) for number in range(25) for imp_uid in ("imp_a", "imp_b")
    ]

    all_at_once(route, [publishes(route, snapshot) for snapshot in history])

    sequences = [event.sequence for event in published(route, "order-1")]
    assert sequences == list(range(1, len(sequences) + 1))
    with inside(route.schema):
        newest = set(Payment.objects.values_list("observed_at", "told_cancelled"))
    assert newest == {(history[-1].asked_at, 2400)}


def cancelled_in_part(times: int) -> Snapshot:
    """Return the payment after so many cancellations of 100 won, asked about so many seconds later."""
    at = NOW + timedelta(seconds=times)
    entries = tuple(Cancellation(f"c{number}", Decimal(100), None, f"tid{number}", at, None) for number in range(times))
    status = "cancelled" if times else "paid"
    return replace(PAID, status=status, cancel_amount=Decimal(100 * times), cancellations=entries, asked_at=at)


@pytest.mark.parametrize("claim_first", [True, False], ids=["claim first", "snapshot first"])
def test_claim_and_snapshot_at_once_never_contradict(route: Route, claim_first: bool) -> None:
    """A claim and a verified answer that meet: the claim is either corrected by the answer or never told."""
    expects(route, "order-1")
    steps = [tells_claim(route, "order-1"), publishes(route, PAID)]

    one_after_the_other(route, "order-1", steps if claim_first else steps[::-1])

    events = published(route, "order-1")
    types = [event.type for event in events]
    assert types == (["payment.abandoned", "payment.paid"] if claim_first else ["payment.paid"])
    assert events[-1].supersedes == (events[0].id if claim_first else None)


def one_after_the_other(route: Route, order: str, steps: Sequence[Step]) -> None:
    """Let the steps queue for the order's lock in this order, then let go of it."""

    def enter(step: Step) -> None:
        try:
            with inside(route.schema):
                step()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(steps)) as threads, psycopg.connect(conninfo()) as holder:
        lock = f"SELECT FROM {route.schema}.results_order WHERE merchant_uid = %s FOR UPDATE"
        holder.execute(lock.encode(), [order])
        entered = []
        for number, step in enumerate(steps, 1):
            entered.append(threads.submit(enter, step))
            wait_until(lambda: stuck() == number, what="a place in the queue")  # noqa: B023  called at once
        holder.rollback()
        for future in entered:
            future.result()


def stuck() -> int:
    """Return how many statements stand before a lock in this database."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with connection.cursor() as cursor:
        cursor.execute(waiting)
        return int(cursor.fetchone()[0])


def test_no_more_claims_are_told_than_allowed(route: Route) -> None:
    """Of twenty claims of twenty orders in the same moment ten are told, and the others wait for the next minute."""
    orders = [f"claim-{number}" for number in range(20)]
    for order in orders:
        expects(route, order)

    answers = all_at_once(route, [tells_claim(route, order) for order in orders])

    assert (answers.count(Told.YES), answers.count(Told.LATER)) == (10, 10)


def test_two_workers_tell_one_story(quiet: Installation, bakery: Merchant) -> None:
    """Fifty webhooks at once about two payments of one order, and two workers: one story, gap-free, told once each."""
    bakery.expects("twice")
    workers, _ = [quiet.start_worker(), quiet.start_worker()], quiet.start_web()
    payments = [bakery.opens_window("twice"), bakery.opens_window("twice")]
    for imp_uid in payments:
        bakery.portone.approve(imp_uid, webhook=False)

    with ThreadPoolExecutor(16) as portone:
        answers = set(portone.map(lambda imp_uid: bakery.is_called_about(imp_uid, "twice"), payments * 25))
        list(portone.map(partial(bakery.portone.cancel, amount=100), payments * 5))
    wait_until(lambda: quiet.duties == 0, what="an empty queue")

    assert answers == {200}
    events = bakery.events("twice")
    assert [sequence for sequence, _ in events] == list(range(1, len(events) + 1))
    assert [type_ for _, type_ in events].count("payment.paid") == 1
    assert sorted(bakery.told("twice")) == sorted(type_ for _, type_ in events)
    assert len(bakery.shop.received(order="twice")) == len(events)
    assert [worker.faults for worker in workers] == [[], []]
    assert quiet.query("SELECT sum(deadlocks) FROM pg_stat_database WHERE datname = current_database()") == [(0,)]
