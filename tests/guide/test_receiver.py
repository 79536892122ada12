"""The receiver that the guide shows does the right thing whatever comes, how often, and in which order."""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

from deploy.demo.shop import Received
from results.core.signing import SigningSecret, sign
from results.endpoints import ping
from results.models import Endpoint
from results.resolve import Decision, resolve_review
from tenants.routing import inside
from tests.factories import Cast
from tests.guide.languages import load

Work = Callable[..., None]


class Receiver:
    """A shop that runs the guide's receiver on a database of its own."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.db = module, sqlite3.connect(":memory:")
        self.db.executescript(module.TABLES)

    def hears(self, *received: Received) -> list[int]:
        return [self.module.callback(self.db, one.body, dict(one.headers)) for one in received]

    @property
    def deeds(self) -> list[tuple[str, str]]:
        return list(self.db.execute("SELECT order_id, deed FROM deeds ORDER BY rowid"))


@pytest.fixture
def receiver(bakery: Cast, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    made = Receiver(load("receive", monkeypatch, str(bakery.shop.settings.signing_secrets[0])))
    yield made
    made.db.close()


def pays(cast: Cast, run_worker: Work, order: str, amount: int = 64900) -> str:
    """Let a customer pay an order that costs 64,900; the payment's imp_uid."""
    cast.expects(order)
    imp_uid = cast.opens_window(order, amount)
    cast.portone.approve(imp_uid)
    run_worker(until=lambda: bool(cast.told(order)))
    return imp_uid


def test_goods_go_out_once(bakery: Cast, run_worker: Work, receiver: Receiver) -> None:
    """A paid order is fulfilled, once, however often the callback comes; each time the answer is 200."""
    pays(bakery, run_worker, "order-1")
    [paid] = bakery.shop.received(order="order-1")

    assert receiver.hears(paid, paid, paid) == [200, 200, 200]
    assert receiver.deeds == [("order-1", "fulfil")]


def test_what_is_not_believed_does_nothing(bakery: Cast, run_worker: Work, receiver: Receiver) -> None:
    """A callback that does not verify is answered 400, and is not noted either: the true one still counts."""
    pays(bakery, run_worker, "order-1")
    [paid] = bakery.shop.received(order="order-1")
    headers = dict(paid.headers) | {"webhook-signature": "v1,none"}

    assert receiver.module.callback(receiver.db, paid.body, headers) == 400
    assert receiver.hears(paid) == [200]
    assert receiver.deeds == [("order-1", "fulfil")]


def test_older_news_changes_nothing(bakery: Cast, run_worker: Work, receiver: Receiver) -> None:
    """Whoever hears of the cancellation first does not send goods when the payment's news comes after it."""
    imp_uid = pays(bakery, run_worker, "order-1")
    bakery.portone.cancel(imp_uid)
    run_worker(until=lambda: len(bakery.told("order-1")) == 2)
    paid, cancelled = sorted(bakery.shop.received(order="order-1"), key=lambda one: one.event["sequence"])

    assert receiver.hears(cancelled, paid) == [200, 200]
    assert receiver.deeds == [("order-1", "take back")]


def test_a_wrong_amount_is_for_a_person(bakery: Cast, run_worker: Work, receiver: Receiver) -> None:
    """100 won for 64,900 send nothing; when a member has accepted them, goods go out."""
    imp_uid = pays(bakery, run_worker, "order-1", 100)
    receiver.hears(*bakery.shop.received(order="order-1"))
    before = receiver.deeds
    with inside(bakery.merchant.schema_name):
        payment, at = bakery.payment(imp_uid).id, datetime.now(UTC)
        resolve_review(bakery.route, payment, decision=Decision.ACCEPT, reason="a gift", actor="tests", at=at)
    run_worker(until=lambda: len(bakery.told("order-1")) == 2)

    receiver.hears(*bakery.shop.received(order="order-1"))

    assert before == [("order-1", "let a person look")]
    assert receiver.deeds == [("order-1", "let a person look"), ("order-1", "fulfil")]


def test_a_rejected_payment_sends_nothing(bakery: Cast, run_worker: Work, receiver: Receiver) -> None:
    """When a member has rejected it, no goods go out."""
    imp_uid = pays(bakery, run_worker, "order-1", 100)
    with inside(bakery.merchant.schema_name):
        payment, at = bakery.payment(imp_uid).id, datetime.now(UTC)
        resolve_review(bakery.route, payment, decision=Decision.REJECT, reason="forged", actor="tests", at=at)
    run_worker(until=lambda: len(bakery.told("order-1")) == 2)

    receiver.hears(*bakery.shop.received(order="order-1"))

    assert receiver.deeds == [("order-1", "let a person look")]


def test_an_unchecked_payment_is_for_a_person(bakery: Cast, run_worker: Work, receiver: Receiver) -> None:
    """Nobody said what the order costs: no goods until it is registered and told as matched."""
    imp_uid = bakery.opens_window("order-1")
    bakery.portone.approve(imp_uid)
    run_worker(until=lambda: bool(bakery.told("order-1")))
    receiver.hears(*bakery.shop.received(order="order-1"))
    before = receiver.deeds
    bakery.expects("order-1")
    run_worker(until=lambda: len(bakery.told("order-1")) == 2)

    receiver.hears(*bakery.shop.received(order="order-1"))

    assert before == [("order-1", "let a person look")]
    assert receiver.deeds[-1] == ("order-1", "fulfil")


def test_what_is_about_no_payment_is_taken(bakery: Cast, run_worker: Work, receiver: Receiver) -> None:
    """A ping, and an event of a type that nobody knows yet, are answered 200 and do nothing."""
    with inside(bakery.merchant.schema_name):
        ping(bakery.route, Endpoint.objects.get().id, at=datetime.now(UTC))
    run_worker()
    secret = SigningSecret.from_text(bakery.shop.settings.signing_secrets[0])
    news: dict[str, Any] = {"at": datetime.now(UTC), "event": {}, "verified": True, "duplicate": False}
    body = b'{"id":"evt_new","type":"weather.rain","data":{"weather":{}}}'
    headers = sign(body, message_id="evt_new", at=datetime.now(UTC), secrets=[secret])

    assert receiver.hears(*bakery.shop.received(), Received(headers=headers, body=body, **news)) == [200, 200]
    assert receiver.deeds == []


def test_a_window_that_did_not_open_can_be_tried(
    bakery: Cast, run_worker: Work, make_due: Callable[[], None], receiver: Receiver
) -> None:
    """What the guide says to come back with is told as a window that did not open, and sends nothing."""
    bakery.expects("order-1")
    bakery.lands(merchant_uid="order-1", success="false", error_code="F500")
    run_worker()
    make_due()
    run_worker(until=lambda: bool(bakery.told("order-1")))

    assert bakery.told("order-1") == ["payment.not_started"]
    assert receiver.hears(*bakery.shop.received()) == [200]
    assert receiver.deeds == []
