"""A shop that was down hears what it missed: the same bytes under the same id, in order per order, and marked."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from deploy.demo.mischief import Fault
from results.attempts import record
from results.core.ids import encode
from results.core.replay import Wish
from results.deliver import judged, load
from results.models import Attempt, Delivery, Endpoint, Replay
from results.replay import begin_replay, cancel_replay, replay_batch
from tenants.models import Duty
from tenants.routing import inside
from tests.factories import Cast
from tests.flow.virtual_endpoint import BEGINNING, BROKEN, OK, Line

Work = Callable[..., None]
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def replay(*options: str) -> str:
    out = StringIO()
    call_command("replay", *options, stdout=out)
    return out.getvalue()


def buys(cast: Cast, order: str, run_worker: Work) -> str:
    cast.expects(order)
    imp_uid = cast.opens_window(order)
    cast.portone.approve(imp_uid, webhook=False)
    cast.is_called_about(imp_uid, order)
    run_worker()
    return imp_uid


def changes_mind(cast: Cast, imp_uid: str, order: str, run_worker: Work) -> None:
    cast.portone.cancel(imp_uid, webhook=False)
    cast.is_called_about(imp_uid, order, "cancelled")
    run_worker()


def give_up(cast: Cast) -> None:
    """Let seven days pass over what is owed."""
    with inside(cast.merchant.schema_name):
        Delivery.objects.filter(delivered_at=None).update(given_up_at="2026-01-01T00:00:00Z", draining=False)
    Duty.objects.all().delete()


def test_a_shop_that_was_down_hears_what_it_missed(
    bakery: Cast, run_worker: Work, do_jobs: Callable[[], None], later: Callable[[Cast], None]
) -> None:
    """After `replay --undelivered-since` all arrives: bytes and id as ever, in order, and said to be a replay."""
    buys(bakery, "order-0", run_worker)
    bakery.shop.faults.add(Fault(kind="status", status=500))
    imp_uid = buys(bakery, "order-1", run_worker)
    later(bakery)
    changes_mind(bakery, imp_uid, "order-1", run_worker)
    buys(bakery, "order-2", run_worker)
    give_up(bakery)
    bakery.shop.faults.clear()
    bakery.shop.forget()

    replay("--undelivered-since=1h")
    do_jobs()
    run_worker(until=lambda: len(bakery.shop.received()) >= 3)

    received = bakery.shop.received()
    bodies = {encode("evt", event.id): bytes(event.body) for event in bakery.published()}
    assert all(bodies[item.headers["webhook-id"]] == item.body for item in received)
    assert all(item.headers["x-paywitness-replay"] == "true" for item in received)
    assert [item.event["type"] for item in received if item.order == "order-1"] == [
        "payment.paid",
        "payment.cancelled",
    ]
    assert sorted(item.order for item in received) == ["order-1", "order-1", "order-2"]
    assert {row.trigger for row in bakery.rows(Attempt) if row.status == 200} == {"schedule", "replay"}


def test_what_was_heard_is_heard_again_the_same(bakery: Cast, run_worker: Work, do_jobs: Callable[[], None]) -> None:
    """A replay of what the shop took is the same message: a shop that goes by `webhook-id` does nothing twice."""
    buys(bakery, "order-1", run_worker)

    replay("--order=order-1")
    do_jobs()
    run_worker()

    first, second = bakery.shop.received()
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert (first.duplicate, second.duplicate, second.verified) == (False, True, True)
    assert [item.headers.get("x-paywitness-replay") for item in (first, second)] == [None, "true"]
    assert bakery.rows(Delivery)[0].heard_at < bakery.rows(Delivery)[0].delivered_at


@pytest.fixture
def line(bakery: Cast) -> Line:
    """An endpoint in virtual time."""
    return Line(bakery, lambda _, at: BROKEN)


def replays(line: Line, wish: Wish, *, size: int = 500) -> Replay:
    """Do a replay to its end at this moment of virtual time."""
    with inside(line.cast.merchant.schema_name):
        row = begin_replay(line.cast.route, wish, actor="tests", at=line.at)
        while row.state == Replay.State.RUNNING:
            replay_batch(line.cast.route, row.id, position=row.position, at=line.at, size=size)
            row.refresh_from_db()
    return row


def test_a_shop_that_was_down_for_eight_days_hears_all_in_order(line: Line) -> None:
    """An endpoint that was called no more, and is enabled again, hears its eight days order by order, in sequence."""
    told: dict[str, list[object]] = {f"order-{number}": [] for number in range(5)}
    for _ in range(4):
        for order in told:
            told[order].append(line.publish(order).id)
        line.wait(2 * DAY)
    assert line.endpoint().disabled_at is not None
    assert line.heard() == []

    with inside(line.cast.merchant.schema_name):
        Endpoint.objects.update(disabled_at=None, disabled_because="", opened_at=None, failures=0, failing_since=None)
    line.answer = lambda _, at: OK
    row = replays(line, Wish(undelivered=True, since=BEGINNING), size=3)
    line.wait(2 * MINUTE)

    assert (row.expected, row.made, line.undelivered()) == (20, 20, 0)
    for order, events in told.items():
        assert [item.event for item in line.requests if item.order == order and item.answered == 200] == events


def test_a_backlog_that_is_replayed_meanwhile_is_sent_when_the_endpoint_is_back(line: Line) -> None:
    """A replay to an endpoint that is only probed waits with its backlog and follows the probe that succeeds."""
    events = [line.publish("order-1").id for _ in range(12)]
    line.wait(30 * MINUTE)
    assert line.endpoint().opened_at is not None
    sent = len(line.requests)

    replays(line, Wish(undelivered=True, since=BEGINNING))
    assert Duty.objects.filter(kind="redeliver").count() == 0
    line.answer = lambda _, at: OK
    line.wait(11 * MINUTE)

    assert [item.event for item in line.requests[sent:]] == events
    assert all(item.headers["x-paywitness-replay"] == "true" for item in line.requests[sent:])


def test_a_request_that_fails_after_the_cancel_changes_nothing(line: Line) -> None:
    """What a cancelled replay had under way, and fails, stays given up: it is not tried again."""
    line.publish("order-1")
    Duty.objects.all().delete()
    with inside(line.cast.merchant.schema_name):
        Delivery.objects.update(given_up_at=line.at)
    row = replays(line, Wish(order="order-1"))
    line.at += timedelta(seconds=1)

    with inside(line.cast.merchant.schema_name):
        route = line.cast.route
        outgoing = load(route, line.take(), at=line.at)
        cancel_replay(route, row.id, actor="tests", at=line.at)
        record(route, [judged(one, BROKEN, started_at=line.at, at=line.at, jitter=0.0) for one in outgoing], at=line.at)
    line.wait(DAY)

    delivery = line.cast.rows(Delivery)[0]
    assert (len(outgoing), delivery.given_up_at) == (1, BEGINNING + timedelta(seconds=1))
    assert line.requests == []


def test_a_request_of_the_old_round_that_fails_puts_nothing_off(line: Line) -> None:
    """A replay that begins while a request is under way goes by its own schedule when that request fails."""
    line.publish("order-1")
    with inside(line.cast.merchant.schema_name):
        outgoing = load(line.cast.route, line.take(), at=line.at)
        replays(line, Wish(undelivered=True, since=BEGINNING))
        tried = [judged(one, BROKEN, started_at=line.at, at=line.at, jitter=0.0) for one in outgoing]
        record(line.cast.route, tried, at=line.at + timedelta(seconds=15))

    line.answer = lambda _, at: OK
    line.wait(timedelta(seconds=21))

    assert [item.at - BEGINNING for item in line.requests] == [timedelta(seconds=20)]
