"""Order per order, and what a callback says beside its body."""

import threading
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection, transaction

from results.backlog import lock, owe_backlog
from results.core.replay import Wish
from results.core.verdict import Reply
from results.deliver import Outgoing
from results.models import Delivery, Endpoint
from results.replay import begin_replay, replay_batch
from tenants.models import Duty
from tenants.routing import inside
from tests.factories import Cast
from tests.flow.virtual_endpoint import BEGINNING, BROKEN, OK, Answer, Line, down_until, name

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
DAY = timedelta(days=1)


def refuse(type: str) -> Answer:
    """Play an endpoint that cannot digest one type of event."""
    return lambda outgoing, at: BROKEN if outgoing.event_type == type else OK


def test_an_event_waits_for_an_earlier_one_of_its_order(bakery: Cast) -> None:
    """While the first is tried again, the second is held back; when the first was heard, it follows within seconds."""
    line = Line(bakery, down_until(BEGINNING + 4 * SECOND))
    first = line.publish("order-1")
    line.wait(SECOND)
    second = line.publish("order-1", type="payment.cancelled")
    line.wait(15 * SECOND)

    assert [item.event for item in line.requests] == [first.id, first.id, second.id]
    assert line.requests[2].at - line.requests[1].at <= 5 * SECOND


def test_it_waits_for_a_minute_at_most(bakery: Cast) -> None:
    """An event that the endpoint cannot digest does not silence its order."""
    line = Line(bakery, refuse("payment.paid"))
    line.publish("order-1")
    second = line.publish("order-1", type="payment.cancelled")
    line.wait(MINUTE + 6 * SECOND)

    assert line.heard() == [second.id]
    assert line.requests[-1].at - BEGINNING >= MINUTE


def test_waiting_for_another_is_no_try(bakery: Cast) -> None:
    """What is held back has neither attempts nor a place in the schedule used up."""
    line = Line(bakery, refuse("payment.paid"))
    line.publish("order-1")
    line.publish("order-1", type="payment.cancelled")
    line.wait(MINUTE + 6 * SECOND)

    [delivery] = [one for one in bakery.rows(Delivery) if one.delivered_at]
    assert (delivery.tries, delivery.step) == (1, 1)


def test_events_of_other_orders_wait_for_nothing(bakery: Cast) -> None:
    """Order is kept per order only."""
    line = Line(bakery, lambda outgoing, at: BROKEN if outgoing.event_id == first.id else OK)
    first = line.publish("order-1")
    other = line.publish("order-2")
    line.wait(SECOND)

    assert line.heard() == [other.id]


def resume_with_backlog(line: Line, *, first_due: timedelta) -> None:
    """Let a paused endpoint come back; the first delivery has its turn in the drain that much later."""
    with inside(line.cast.merchant.schema_name):
        Endpoint.objects.update(paused_at=None)
        owe_backlog(line.cast.route, line.endpoint().id, at=line.at)
        delivery = Delivery.objects.earliest("event_id")
    Duty.objects.filter(reference=delivery.id).update(due_at=line.at + first_due)


def test_a_drain_keeps_the_order_however_long_it_takes(bakery: Cast) -> None:
    """An event whose earlier one has not had its turn in the drain yet waits for it, for more than a minute, too."""
    with inside(bakery.merchant.schema_name):
        Endpoint.objects.update(paused_at=BEGINNING)
    line = Line(bakery, lambda outgoing, at: OK)
    first, second = line.publish("order-1"), line.publish("order-1", type="payment.cancelled")

    resume_with_backlog(line, first_due=5 * MINUTE)
    line.wait(6 * MINUTE)

    assert line.heard() == [first.id, second.id]


def test_what_waits_for_a_poisoned_event_of_a_drain_waits_a_minute(bakery: Cast) -> None:
    """In a drain the later one goes after the earlier one was tried, and a minute later when that failed."""
    with inside(bakery.merchant.schema_name):
        Endpoint.objects.update(paused_at=BEGINNING)
    line = Line(bakery, refuse("payment.paid"))
    line.publish("order-1")
    second = line.publish("order-1", type="payment.cancelled")

    resume_with_backlog(line, first_due=5 * MINUTE)
    line.wait(9 * MINUTE)

    [taken] = [item for item in line.requests if item.event == second.id]
    assert 6 * MINUTE <= taken.at - BEGINNING <= 8.2 * MINUTE


def test_news_waits_for_nothing_that_was_heard_and_is_told_again(bakery: Cast) -> None:
    """A replay of what was heard long ago holds up no refund of today, and itself keeps the order."""
    line = Line(bakery, down_until(BEGINNING))
    told = [line.publish("order-1").id, line.publish("order-1", type="payment.cancelled").id]
    line.wait(MINUTE)

    with inside(bakery.merchant.schema_name):
        replay = begin_replay(bakery.route, Wish(order="order-1"), actor="test", at=line.at)
        replay_batch(bakery.route, replay.id, position=None, at=line.at)
    Duty.objects.filter(reference=first_delivery(bakery, told[0])).update(due_at=line.at + 3 * HOUR)
    news = line.publish("order-1", type="payment.cancelled")
    line.wait(4 * HOUR)

    assert line.heard() == [*told, news.id, *told]
    assert line.requests[2].at - BEGINNING == MINUTE


def first_delivery(cast: Cast, event: UUID) -> UUID:
    [delivery] = [one for one in cast.rows(Delivery) if one.event_id == event]
    return UUID(str(delivery.id))


def test_a_late_retry_says_that_the_payment_has_moved(bakery: Cast) -> None:
    """The header names the newest event of the payment; the newest itself says nothing."""
    line = Line(bakery, refuse("payment.paid"))
    line.publish("order-1")
    line.wait(SECOND)
    newer = line.publish("order-1", type="payment.cancelled")
    line.wait(5 * MINUTE)

    said = [(item.event == newer.id, item.headers.get("x-paywitness-superseded-by")) for item in line.requests]
    assert said[0] == (False, None)
    assert (True, None) in said
    assert said[-1] == (False, name(newer))


def test_each_attempt_has_its_number(bakery: Cast) -> None:
    """Numbers count over all rounds, the schedule begins again with each."""
    line = Line(bakery, down_until(BEGINNING + DAY))
    line.publish("order-1")
    line.wait(40 * SECOND)
    with inside(bakery.merchant.schema_name):
        owe_backlog(bakery.route, line.endpoint().id, at=line.at)
    began = line.at
    line.wait(6 * SECOND)

    assert [item.headers["x-paywitness-attempt"] for item in line.requests] == ["1", "2", "3", "4", "5"]
    assert [item.at - began for item in line.requests[3:]] == [
        timedelta(microseconds=1),
        5 * SECOND + timedelta(microseconds=1),
    ]


def test_a_test_ping_is_tried_once_even_when_paused(bakery: Cast) -> None:
    """It goes out at once, says that it is a test, and a failure of it counts for nothing."""
    line = Line(bakery, lambda outgoing, at: BROKEN)
    with inside(bakery.merchant.schema_name):
        ping = line.publish("order-1", type="endpoint.ping")
        Endpoint.objects.update(paused_at=BEGINNING)
    line.wait(DAY)

    assert [item.event for item in line.requests] == [ping.id]
    assert [attempt.trigger for attempt in line.attempts()] == ["test"]
    assert line.endpoint().failures == 0
    assert line.undelivered() == 0


def test_a_ping_that_is_heard_ends_the_wait_for_the_next_probe(bakery: Cast) -> None:
    """Who has mended an endpoint and tests it need not wait for its backlog."""
    line = Line(bakery, lambda outgoing, at: Reply(status=503, retry_after="36000"))
    for number in range(12):
        line.publish(f"order-{number}")
    line.wait(MINUTE)
    line.answer = lambda outgoing, at: OK

    with inside(bakery.merchant.schema_name):
        line.publish("order-ping", type="endpoint.ping")
        Duty.objects.create(
            kind="deliver",
            merchant=bakery.merchant.id,
            mode=bakery.mode,
            lane=line.endpoint().id,
            reference=Delivery.objects.latest("created_at").id,
            due_at=line.at,
        )
    line.wait(SECOND)

    assert line.undelivered() == 0


def test_nothing_is_published_past_the_return_of_an_endpoint(bakery: Cast) -> None:
    """A publish that saw the endpoint paused commits after its return began: its delivery is part of the backlog."""
    line = Line(bakery, lambda outgoing, at: OK)
    with inside(bakery.merchant.schema_name):
        Endpoint.objects.update(paused_at=BEGINNING)
    endpoint, resumed = line.endpoint(), threading.Event()

    def resume() -> None:
        with inside(bakery.merchant.schema_name), transaction.atomic():
            list(lock([endpoint.id]))
            Endpoint.objects.update(paused_at=None)
            owe_backlog(bakery.route, endpoint.id, at=BEGINNING)
        connection.close()
        resumed.set()

    with inside(bakery.merchant.schema_name), transaction.atomic():
        line.publish("order-1")
        other = threading.Thread(target=resume)
        other.start()
        assert not resumed.wait(0.3)
    other.join(10)
    line.wait(SECOND)

    assert len(line.heard()) == 1


@pytest.mark.parametrize("age", [timedelta(0), timedelta(days=8)], ids=["early", "at the end of its schedule"])
def test_an_attempt_of_an_earlier_round_leaves_the_new_round_alone(bakery: Cast, age: timedelta) -> None:
    """What was under way when an endpoint came back counts as an attempt, and not in the new schedule."""
    line = Line(bakery, lambda outgoing, at: restart(outgoing) or BROKEN)

    def restart(outgoing: Outgoing) -> None:
        if outgoing.number == 1:
            owe_backlog(bakery.route, outgoing.endpoint_id, at=line.at + SECOND)

    line.publish("order-1")
    line.at += age
    line.turn()

    [delivery] = bakery.rows(Delivery)
    assert (delivery.tries, delivery.step, delivery.draining, delivery.given_up_at) == (1, 0, True, None)
    assert Duty.objects.filter(kind="redeliver").count() == 1
