"""What is concluded about many payments at once: as by one, in few round trips, and none in another's way."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from django.db import IntegrityError, connection

from results import duties
from results.ask import Answer, Answered, Round
from results.core.snapshot import Snapshot
from results.core.words import Cause
from results.duties import Full, Taken
from results.management.commands.worker import conninfo
from results.models import Order, Payment, Verification
from results.portone import Found
from results.publish import Shown, publish_all
from results.questions import Question
from results.rows import insert
from results.verify import conclude, prepare
from tenants.routing import inside
from tenants.statements import run_together
from tests.factories import Cast
from tests.flow.test_hot_path import at_the_wire

MOST_ROUND_TRIPS = 8
WITH_TOKENS = 10  # the keys that they are signed with are read once, and the merchant's schema is named for that
PAID = Snapshot(
    imp_uid="imp_a",
    merchant_uid="order-1",
    status="paid",
    amount=Decimal(64900),
    cancel_amount=Decimal(0),
    currency="KRW",
    sandbox=False,
    asked_at=datetime.now(UTC),
    paid_at=datetime.now(UTC),
)


def answers(numbers: range, **said: str) -> list[Answered]:
    """Return PortOne's answers about payments that were never heard of, each of an order of its own."""
    snapshots = [replace(PAID, imp_uid=f"imp_{one}", merchant_uid=f"order-{one}", **said) for one in numbers]
    return [answer(snapshot) for snapshot in snapshots]


def answer(snapshot: Snapshot) -> Answered:
    question = Question(snapshot.imp_uid, None)
    found = (Found(snapshot, b"{}"),)
    return Answered(question, Verification.Question.BATCH, Answer.FOUND, snapshot.asked_at, snapshot.asked_at, found)


@pytest.mark.parametrize(("token", "most"), [({}, MOST_ROUND_TRIPS), ({"order_token": "none of ours"}, WITH_TOKENS)])
def test_fifty_payments_cost_no_more_round_trips_than_one(
    bakery: Cast, token: dict[str, str], most: int, tmp_path: Path
) -> None:
    """Concluding about fifty payments asks the database as often as about one, with tokens or without."""
    at, counted = datetime.now(UTC), []
    with inside(bakery.merchant.schema_name):
        for numbers in (range(9), range(10, 11), range(11, 61)):
            with at_the_wire(tmp_path / "trace") as round_trips:
                conclude(bakery.route, answers(numbers, **token), at=at)
                counted.append(round_trips())

    assert counted[1] == counted[2] <= most
    assert len(bakery.published()) == 60


def test_fifty_arrivals_cost_no_more_round_trips_than_one(bakery: Cast, tmp_path: Path) -> None:
    """What must be known to ask about fifty new payments is read in one round trip, and noted in another."""
    counted = []
    for numbers in (range(1), range(1, 2), range(2, 52)):
        for number in numbers:
            bakery.is_called_about(f"imp_{number:012}", f"order-{number}")
        taken = asyncio.run(take_all())
        with inside(bakery.merchant.schema_name):
            connection.ensure_connection()
            with at_the_wire(tmp_path / "trace") as round_trips:
                step = prepare(bakery.route, taken, at=datetime.now(UTC))
                counted.append(round_trips())
        assert isinstance(step, Round)
        assert len(step.questions) == len(numbers)

    assert counted == [2, 2, 2]


async def take_all() -> list[Taken]:
    async with await psycopg.AsyncConnection.connect(conninfo(), autocommit=True) as queue:
        return await duties.take(queue, limits={"verify": 99}, full=Full(), at=datetime.now(UTC))


def test_a_faulty_payment_keeps_none_of_its_neighbours(bakery: Cast) -> None:
    """What cannot be written of one payment costs only that one, however many are concluded together."""
    faulty = answer(replace(PAID, imp_uid="imp_x", merchant_uid="order-x", pay_method="\0"))
    three = answers(range(3))

    with inside(bakery.merchant.schema_name):
        conclude(bakery.route, [*three[:1], faulty, *three[1:]], at=datetime.now(UTC))

    paid = ["order-0", "order-1", "order-2"]
    assert sorted(order.merchant_uid for order in bakery.rows(Order)) == paid
    assert sorted(row.merchant_uid for row in bakery.rows(Verification)) == paid
    assert [event.type for event in bakery.published()] == ["payment.paid"] * 3


def test_payments_of_one_order_see_each_other(bakery: Cast) -> None:
    """Of two payments of one order that are published together the second is told as a duplicate of the first."""
    first, second = (Shown(replace(PAID, imp_uid=imp_uid), Cause.WEBHOOK, True) for imp_uid in ("imp_b", "imp_a"))

    with inside(bakery.merchant.schema_name):
        publish_all(bakery.route, [first, second], at=datetime.now(UTC))

    events = bakery.published()
    assert [(event.sequence, event.type) for event in events] == [
        (1, "payment.paid"),
        (2, "payment.review.duplicate_payment"),
    ]
    assert [bakery.payment(one).id for one in ("imp_b", "imp_a")] == [event.payment_id for event in events]


def test_answers_about_one_payment_apply_in_their_order(bakery: Cast) -> None:
    """Two answers about one payment that are published together are two changes; an older one changes nothing."""
    asked_at = PAID.asked_at + timedelta(seconds=1)
    back = replace(PAID, status="cancelled", cancel_amount=PAID.amount, asked_at=asked_at)
    shown = [Shown(snapshot, Cause.WEBHOOK, True) for snapshot in (PAID, back, PAID)]

    with inside(bakery.merchant.schema_name):
        publish_all(bakery.route, shown, at=asked_at)

    assert [event.type for event in bakery.published()] == ["payment.paid", "payment.cancelled"]
    [payment] = bakery.rows(Payment)
    assert (payment.version, payment.observed_at) == (2, asked_at)


def test_what_was_known_is_written_over(bakery: Cast) -> None:
    """Payments that are known and payments that are new are published together, each once."""
    later = PAID.asked_at + timedelta(seconds=1)
    known = [Shown(replace(PAID, imp_uid=f"imp_{one}", merchant_uid=f"o-{one}"), Cause.WEBHOOK, True) for one in "abc"]
    again = [replace(one, snapshot=replace(one.snapshot, asked_at=later)) for one in known]
    back = replace(again[0].snapshot, status="cancelled", cancel_amount=PAID.amount)

    with inside(bakery.merchant.schema_name):
        publish_all(bakery.route, known[:2], at=later)
        publish_all(bakery.route, [replace(again[0], snapshot=back), *again[1:]], at=later)

    assert [event.type for event in bakery.published()] == ["payment.paid"] * 2 + ["payment.cancelled", "payment.paid"]
    assert {payment.observed_at for payment in bakery.rows(Payment)} == {later}
    assert {order.merchant_uid: order.status for order in bakery.rows(Order)} == {
        "o-a": "cancelled",
        "o-b": "paid",
        "o-c": "paid",
    }


def test_what_goes_together_is_all_or_none(bakery: Cast) -> None:
    """Of statements that go in one round trip without a transaction none stands when one fails."""
    twice = [Order(mode="live", merchant_uid="order-1", created_at=PAID.asked_at) for _ in range(2)]

    with inside(bakery.merchant.schema_name), pytest.raises(IntegrityError):
        run_together(bakery.route.schema, [insert(Order, [one]) for one in twice])

    assert bakery.rows(Order) == []
