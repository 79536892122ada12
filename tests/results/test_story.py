"""The story of a payment: whole, in order, of this merchant and mode alone, and without anything secret or personal."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deploy.demo.mischief import Fault
from deploy.demo.simulator import DEMO_BUYER_NAME
from results.core.ids import encode
from results.core.story import Story
from results.models import Endpoint
from results.story import MOST, host_of, tell_story
from tenants.models import Duty
from tenants.routing import inside
from tests.factories import Cast, add_endpoint

Work = Callable[..., None]


def story_of(cast: Cast, id: str) -> Story | None:
    with inside(cast.merchant.schema_name):
        return tell_story(cast.route, id, at=datetime.now(UTC))


def known_story(cast: Cast, id: str) -> Story:
    story = story_of(cast, id)
    assert story is not None
    return story


def pays(cast: Cast, order: str, *, run_worker: Work, amount: int = 64900) -> str:
    """Let an order be paid, and its merchant be told."""
    imp_uid = cast.opens_window(order, amount=amount)
    cast.portone.approve(imp_uid, webhook=False)
    cast.is_called_about(imp_uid, order)
    run_worker()
    return imp_uid


def test_a_story_goes_from_the_arrival_to_the_answer_of_the_shop(bakery: Cast, run_worker: Work) -> None:
    """It holds what arrived, what was asked and answered, what was concluded, and who heard it at which try."""
    bakery.expects("order-1")
    imp_uid = pays(bakery, "order-1", run_worker=run_worker)

    story = known_story(bakery, imp_uid)

    [arrival], [question], [event], [payment] = story.arrivals, story.questions, story.events, story.payments
    assert (arrival.kind, arrival.status, arrival.settled_at is not None) == ("webhook", "paid", True)
    assert (question.question, question.answer, question.said and question.said.status) == ("single", "found", "paid")
    assert (payment.status, payment.verified, payment.checks.amount) == ("paid", "matched", "pass")
    assert (event.sequence, event.type, event.cause) == (1, "payment.paid", "webhook")
    [delivery] = event.deliveries
    assert delivery.delivered_at is not None
    assert [(attempt.number, attempt.status) for attempt in delivery.attempts] == [(1, 200)]
    assert story.duties == ()


def test_every_name_of_a_payment_tells_the_same(bakery: Cast, run_worker: Work) -> None:
    """PortOne's id, ours, an event's and, of an order with one payment, the order's lead to the same story."""
    bakery.expects("order-1")
    imp_uid = pays(bakery, "order-1", run_worker=run_worker)
    ours, event = encode("pay", bakery.payment(imp_uid).id), encode("evt", bakery.published()[0].id)

    stories = [known_story(bakery, id).as_json() for id in (imp_uid, ours, event, "order-1")]

    assert [story | {"at": None} for story in stories] == [stories[0] | {"at": None}] * 4


def test_the_florist_is_told_nothing_of_the_bakerys_payment(bakery: Cast, florist: Cast, run_worker: Work) -> None:
    """No name of another merchant's payment, event or order finds anything."""
    imp_uid = pays(bakery, "order-1", run_worker=run_worker)
    ours, event = encode("pay", bakery.payment(imp_uid).id), encode("evt", bakery.published()[0].id)

    assert [story_of(florist, id) for id in (imp_uid, ours, event, "order-1")] == [None] * 4


def test_the_other_mode_is_another_world(bakery: Cast, test_bakery: Cast, run_worker: Work) -> None:
    """What happened in live mode is unknown to the test mode of the same merchant."""
    imp_uid = pays(bakery, "order-1", run_worker=run_worker)
    ours, event = encode("pay", bakery.payment(imp_uid).id), encode("evt", bakery.published()[0].id)

    assert [story_of(test_bakery, id) for id in (imp_uid, ours, event, "order-1")] == [None] * 4


def test_a_forged_amount_shows_the_check_that_failed(bakery: Cast, run_worker: Work) -> None:
    """A payment under review names the failed check, what was expected and what was found."""
    bakery.expects("order-1", amount=64900)
    imp_uid = pays(bakery, "order-1", amount=100, run_worker=run_worker)

    story = known_story(bakery, imp_uid)

    [payment], [event] = story.payments, story.events
    assert (payment.status, payment.type) == ("review", "payment.review.amount_mismatch")
    assert payment.checks.amount == "fail"
    assert [(one.field, one.expected, one.actual) for one in payment.mismatches] == [("amount", 64900, 100)]
    assert event.failed_checks == ("amount",)


def test_a_late_approval_shows_what_it_corrects(bakery: Cast, run_worker: Work) -> None:
    """An event that corrects another names it, the state before, and that it came late."""
    bakery.expects("order-1")
    imp_uid = bakery.opens_window("order-1")
    bakery.portone.fail(imp_uid)
    bakery.is_called_about(imp_uid, "order-1", "failed")
    run_worker()
    bakery.portone.approve_late(imp_uid, webhook=False)
    bakery.is_called_about(imp_uid, "order-1", "paid")
    run_worker(until=lambda: len(bakery.told()) == 2)

    declined, paid = known_story(bakery, imp_uid).events

    assert (paid.late, paid.supersedes, paid.cause) == (True, declined.id, "late_approval")
    assert paid.previous is not None
    assert (paid.previous.status, paid.previous.version) == ("failed", 1)


def test_an_order_tells_of_all_its_payments(bakery: Cast, run_worker: Work) -> None:
    """An order's number tells of every try to pay it, a payment's of that one only."""
    bakery.expects("order-1")
    failed = bakery.opens_window("order-1")
    bakery.portone.fail(failed)
    bakery.is_called_about(failed, "order-1", "failed")
    run_worker()
    paid = pays(bakery, "order-1", run_worker=run_worker)

    whole, one = known_story(bakery, "order-1"), known_story(bakery, paid)

    assert [payment.imp_uid for payment in whole.payments] == [failed, paid]
    assert [event.type for event in whole.events] == ["payment.declined", "payment.paid"]
    assert [payment.imp_uid for payment in one.payments] == [paid]
    assert [event.type for event in one.events] == ["payment.paid"]
    assert {arrival.imp_uid for arrival in one.arrivals} == {paid}
    assert one.order is not None
    assert (one.order.payments, one.order.events) == (2, 2)


def test_a_delivery_that_failed_shows_when_it_is_tried_again(bakery: Cast, run_worker: Work) -> None:
    """Until the shop has heard an event, its delivery shows each try and when the next is due."""
    bakery.shop.faults.add(Fault(kind="status", status=503, times=1))

    pays(bakery, "order-1", run_worker=run_worker)

    story = known_story(bakery, "order-1")
    [delivery], [duty] = story.events[0].deliveries, story.duties
    assert [(attempt.number, attempt.status) for attempt in delivery.attempts] == [(1, 503)]
    assert delivery.delivered_at is None
    assert delivery.next_at == duty.due_at
    assert duty.due_at > delivery.attempts[0].started_at
    assert duty.kind == "redeliver"
    assert duty.about.startswith("payment.paid to 127.0.0.1:")


@pytest.mark.parametrize(
    ("field", "held"), [("paused_at", "paused"), ("disabled_at", "disabled"), ("opened_at", "failing")]
)
def test_a_silent_endpoint_is_what_holds_a_delivery_back(bakery: Cast, run_worker: Work, field: str, held: str) -> None:
    """A delivery that waits for its endpoint says so, and owes no try."""
    with inside(bakery.merchant.schema_name):
        Endpoint.objects.update(**{field: datetime.now(UTC)})

    pays(bakery, "order-1", run_worker=run_worker)

    [delivery] = known_story(bakery, "order-1").events[0].deliveries
    assert (delivery.held, delivery.next_at, delivery.attempts) == (held, None, ())


def test_an_id_that_portone_does_not_know_has_a_story_too(bakery: Cast, run_worker: Work) -> None:
    """Of a made-up payment it tells what arrived, what PortOne answered and when it is asked again."""
    bakery.is_called_about("imp_999999999999", "order-9")
    run_worker()

    story = known_story(bakery, "imp_999999999999")

    assert (story.order, story.payments, story.events) == (None, (), ())
    assert [(arrival.order, arrival.settled_at) for arrival in story.arrivals] == [("order-9", None)]
    assert [question.answer for question in story.questions] == ["unknown"]
    assert [duty.kind for duty in story.duties] == ["verify"]


def test_a_payment_known_from_a_claim_tells_its_orders_story(bakery: Cast, run_worker: Work) -> None:
    """A redirect's own word, told after PortOne knew of nothing, is shown as claimed and with no check made."""
    bakery.expects("order-1")
    made_up = "imp_999999999999"
    bakery.lands(
        imp_uid=made_up, merchant_uid="order-1", imp_success="false", error_msg="사용자가 결제를 취소하였습니다"
    )
    run_worker(until=lambda: bakery.told() != [])

    story = known_story(bakery, encode("pay", bakery.payment(None).id))

    [payment], [arrival] = story.payments, story.arrivals
    assert (payment.imp_uid, payment.verified, payment.type) == (None, "claimed", "payment.abandoned")
    assert set(vars_of(payment.checks)) == {"skipped"}
    assert (arrival.outcome, {question.answer for question in story.questions}) == ("failed", {"unknown"})


def vars_of(checks: Any) -> list[str]:
    return [getattr(checks, name) for name in checks.__slots__]


def test_a_registered_order_that_nobody_paid_has_a_short_story(bakery: Cast) -> None:
    """An order is known as soon as it is registered."""
    bakery.expects("order-1", amount=1420, currency="USD", exponent=2)

    story = known_story(bakery, "order-1")

    assert story.order is not None
    assert story.order.expected is not None
    assert (story.order.expected.amount, story.order.source, story.arrivals) == (1420, "orders_api", ())


@pytest.mark.parametrize("id", ["order-2", "imp_1", "imp_123456", "pay_1", "evt_1", "", "a\x00b", "\udcff", "x" * 999])
def test_what_is_unknown_has_no_story(bakery: Cast, id: str) -> None:
    """Whatever is asked for, an unknown id is answered with nothing and not with an error."""
    bakery.expects("order-1")

    assert story_of(bakery, id) is None


def test_a_story_holds_nothing_secret_or_personal(bakery: Cast, run_worker: Work) -> None:
    """No buyer's name, address, message, key or path of an endpoint is in it, whatever came in."""
    add_endpoint(bakery, "http://127.0.0.1:9/callback/of-the-path?token=of-the-query")
    bakery.expects("order-1")
    imp_uid = bakery.opens_window("order-1")
    bakery.portone.issue_account(imp_uid, webhook=False)
    bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="false", error_msg="of-the-message")
    bakery.is_called_about(imp_uid, "order-1", "ready", buyer_name="of-the-buyer", card_number="of-the-card")
    run_worker()

    story = known_story(bakery, "order-1")

    told = json.dumps(story.as_json(), ensure_ascii=False)
    account = bakery.portone.row(imp_uid).payment.as_json()
    assert story.events != ()
    secrets = ("whsec_", "not-a-secret", bakery.key("webhook").key)
    for secret in ("of-the-", DEMO_BUYER_NAME, account["vbank_num"], *secrets):
        assert secret not in told
    assert '"127.0.0.1"' not in told  # where the landing came from


def test_an_endpoint_is_named_by_its_host() -> None:
    """Of an endpoint's URL only host and port are told."""
    assert host_of("https://user:word@shop.example.com:8443/secret?token=1") == "shop.example.com:8443"


def test_a_flood_leaves_the_newest(bakery: Cast) -> None:
    """Of very many arrivals the newest are told, oldest first, and it is said that there were more."""
    for number in range(MOST + 2):
        bakery.is_called_about("imp_000000000001", "order-1", f"status-{number}")

    story = known_story(bakery, "order-1")

    assert [arrival.status for arrival in story.arrivals] == [f"status-{number}" for number in range(2, MOST + 2)]
    assert story.left_out == ("arrivals",)


def test_telling_changes_nothing_and_asks_little(bakery: Cast, run_worker: Work) -> None:
    """A story takes at most ten queries, all of them reads, however much there is to tell."""
    bakery.expects("order-1")
    for _ in range(3):
        imp_uid = bakery.opens_window("order-1")
        bakery.portone.fail(imp_uid)
        bakery.is_called_about(imp_uid, "order-1", "failed")
    run_worker()

    with inside(bakery.merchant.schema_name), CaptureQueriesContext(connection) as asked:
        tell_story(bakery.route, "order-1", at=datetime.now(UTC))

    assert len(bakery.published()) == 3
    statements = [query["sql"] for query in asked if not query["sql"].startswith("SET ")]
    assert len(statements) <= 10
    assert {statement.split()[0] for statement in statements} == {"SELECT"}


def test_duties_of_other_payments_are_not_told(bakery: Cast, run_worker: Work) -> None:
    """What is owed about another order is no part of the story."""
    bakery.expects("order-1")
    pays(bakery, "order-1", run_worker=run_worker)
    bakery.is_called_about("imp_999999999999", "order-2")

    assert Duty.objects.count() == 1
    assert known_story(bakery, "order-1").duties == ()


def test_as_json_is_plain(bakery: Cast, run_worker: Work) -> None:
    """As JSON, times are UTC with milliseconds and Z, and amounts of PortOne are exact decimal text."""
    bakery.expects("order-1")
    pays(bakery, "order-1", run_worker=run_worker)

    told = json.loads(json.dumps(known_story(bakery, "order-1").as_json()))

    assert told["questions"][0]["said"]["amount"] == "64900"
    assert told["order"]["expected"] == {"amount": 64900, "currency": "KRW", "exponent": 0}
    moment = told["arrivals"][0]["received_at"]
    assert moment.endswith("Z")
    assert datetime.now(UTC) - datetime.fromisoformat(moment) < timedelta(minutes=5)
