"""What waits and what was answered is read in bulk, however much somebody made up."""

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import connection
from django.test.utils import CaptureQueriesContext

from results.choose import tell_waiting
from results.core.claim import Claim
from results.duties import Taken
from results.models import Event, Notification, Verification
from results.questions import Question, Reason, count_answers
from tenants.fields import new_id
from tenants.routing import inside
from tests.factories import Cast

NOW = datetime(2026, 11, 20, 5, 12, 44, tzinfo=UTC)
NOBODY = UUID(int=0)


def arrives(cast: Cast, number: int, order: str, *, at: datetime) -> Reason:
    """Return the reason that a webhook makes which names an order alone."""
    duty = Taken(number, "vouched", cast.merchant.id, cast.mode, cast.merchant.id, NOBODY, 1, at)
    note = Notification(id=new_id(), mode=cast.mode, kind="webhook", received_at=at, merchant_uid=order, claim={})
    return Reason(duty, claim=Claim(None, order), notification=note)


def answers(order: str, amount: int, *, since: datetime) -> None:
    """Keep that PortOne said so often, a second apart, that it knows no payment of an order."""
    Verification.objects.bulk_create(
        Verification(
            id=new_id(),
            mode="live",
            question="find_all",
            merchant_uid=order,
            asked_at=since + timedelta(seconds=number),
            answered_at=since + timedelta(seconds=number),
            answer="unknown",
        )
        for number in range(amount)
    )


def test_answers_are_counted_since_each_arrival(bakery: Cast) -> None:
    """Of the answers about an order those count that were asked for after the arrival."""
    reasons = [arrives(bakery, number, "order-1", at=NOW + timedelta(seconds=number)) for number in range(4)]

    with inside(bakery.merchant.schema_name):
        answers("order-1", 3, since=NOW)
        counted = count_answers("live", reasons)

    assert counted == {0: 3, 1: 2, 2: 1, 3: 0}


def test_a_day_of_landings_costs_nothing_to_count(bakery: Cast) -> None:
    """An order that somebody lands on all day is as cheap to judge as any other."""
    reasons = [arrives(bakery, number, "order-1", at=NOW) for number in range(200)]
    with inside(bakery.merchant.schema_name):
        answers("order-1", 10_000, since=NOW - timedelta(days=1))
        answers("order-1", 2, since=NOW)

        begun = time.thread_time()
        counted = count_answers("live", reasons)
        took = time.thread_time() - begun

    assert set(counted.values()) == {2}
    assert took < 0.03


def test_who_was_told_to_wait_costs_nothing_more(bakery: Cast) -> None:
    """While PortOne is silent, ten orders a minute are told to wait; passing over the others is a few statements."""
    names = [f"order-{number}" for number in range(40)]
    for name in names:
        bakery.expects(name)
    questions = [Question(None, name, [arrives(bakery, number, name, at=NOW)]) for number, name in enumerate(names)]
    later = NOW + timedelta(minutes=2)

    with inside(bakery.merchant.schema_name):
        tell_waiting(bakery.route, questions, at=later)
        with CaptureQueriesContext(connection) as queries:
            tell_waiting(bakery.route, questions, at=later)
        told = Event.objects.filter(type="payment.pending").count()

    assert told == 10
    assert len(queries) <= 10
