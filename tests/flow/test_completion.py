"""What follows from arrivals beside the cases of test_cases.py: from the wire to the shop."""

from collections.abc import Callable
from typing import Any

import httpx

from deploy.demo.shop import Fault
from results.core.words import EventType
from tests.factories import Cast

Work = Callable[..., None]
Event = dict[str, Any]


def only(cast: Cast, order: str) -> Event:
    """Return the one event of an order."""
    (event,) = cast.events(order)
    return event


def test_a_claim_about_an_order_nobody_registered_is_not_told(
    bakery: Cast, run_worker: Work, later: Callable[[Cast], None]
) -> None:
    """Anybody can write a redirect: without a registered order its word reaches no merchant."""
    imp_uid = bakery.opens_window("order-4")

    bakery.lands(imp_uid=imp_uid, merchant_uid="order-4", imp_success="false", error_msg="사용자가 결제를 취소")
    for _ in range(3):
        run_worker()
        later(bakery)

    assert bakery.published() == []


def test_second_try_without_an_id_is_found_through_its_order(bakery: Cast, run_worker: Work) -> None:
    """A redirect with only `merchant_uid` is verified by all payments of that order."""
    bakery.expects("order-9")
    first = bakery.opens_window("order-9")
    bakery.portone.fail(first)
    bakery.lands(imp_uid=first, merchant_uid="order-9", imp_success="false")
    run_worker(until=lambda: len(bakery.told("order-9")) == 1)
    bakery.portone.set_account(bakery.imp_key, webhooks_lost=True)
    second = bakery.opens_window("order-9")
    bakery.portone.approve(second)

    bakery.lands(merchant_uid="order-9")
    run_worker(until=lambda: len(bakery.told("order-9")) == 2)

    failed, paid = bakery.events("order-9")
    assert [failed["type"], paid["type"]] == [EventType.DECLINED, EventType.PAID]
    assert paid["data"]["payment"]["provider"]["imp_uid"] == second
    assert [failed["sequence"], paid["sequence"]] == [1, 2]
    assert bakery.order("order-9").status == "paid"


def test_webhook_before_portone_can_answer(bakery: Cast, run_worker: Work) -> None:
    """A webhook that says `paid` while the API still says `ready` tells nothing yet, and the truth soon after."""
    bakery.portone.set_account(bakery.imp_key, visible_after=1.0)
    bakery.expects("order-10")
    imp_uid = bakery.opens_window("order-10")
    bakery.portone.approve(imp_uid)
    bakery.portone.outbox.wait_for(1)

    run_worker()
    assert bakery.published() == []

    run_worker(until=lambda: bakery.told("order-10") == ["payment.paid"])


def test_escrow_news_is_no_second_sale(bakery: Cast, run_worker: Work) -> None:
    """An escrow notice says `paid` of an order that was told already: nothing new is told."""
    imp_uid = bakery.opens_window("order-11")
    bakery.portone.approve(imp_uid)
    bakery.portone.send_escrow_event(imp_uid)
    bakery.portone.outbox.wait_for(2)
    run_worker()

    assert bakery.told("order-11") == [EventType.PAID]


def test_two_merchants_with_the_same_order_number_never_meet(bakery: Cast, florist: Cast, run_worker: Work) -> None:
    """Both use `order-1`; each hears of its own payment only, with its own amount."""
    for cast, amount in ((bakery, 1000), (florist, 2000)):
        cast.expects("order-1", amount)
        cast.portone.approve(cast.opens_window("order-1", amount))
    bakery.portone.outbox.wait_for(2)

    run_worker()

    assert only(bakery, "order-1")["data"]["payment"]["amount"]["total"] == 1000
    assert only(florist, "order-1")["data"]["payment"]["amount"]["total"] == 2000
    assert len(bakery.published()) == len(florist.published()) == 1


def test_test_mode_is_a_world_of_its_own(bakery: Cast, test_bakery: Cast, run_worker: Work) -> None:
    """A sandbox payment is verified in test mode and told to the test endpoint only."""
    test_bakery.expects("order-1")
    imp_uid = test_bakery.opens_window("order-1")
    test_bakery.portone.approve(imp_uid)
    test_bakery.portone.outbox.wait_for(1)

    run_worker()

    event = only(test_bakery, "order-1")
    assert (event["type"], event["livemode"]) == (EventType.PAID, False)
    assert bakery.events() == []


def test_late_registration_judges_again(bakery: Cast, run_worker: Work) -> None:
    """A payment that was `not_checked` becomes `matched` when the shop registers its order afterwards."""
    imp_uid = bakery.opens_window("order-14")
    bakery.portone.approve(imp_uid)
    bakery.portone.outbox.wait_for(1)
    run_worker()

    bakery.expects("order-14")
    run_worker()

    first, second = bakery.events("order-14")
    assert first["data"]["payment"]["verification"]["result"] == "not_checked"
    assert second["data"]["payment"]["verification"]["result"] == "matched"
    assert second["cause"] == "order_registered"


def test_the_same_body_and_id_on_every_attempt(bakery: Cast, run_worker: Work, make_due: Any) -> None:
    """A shop that first answers 500 hears the same bytes under the same id, newly signed."""
    bakery.shop.faults.add(Fault(kind="status", status=500, times=1))
    imp_uid = bakery.opens_window("order-15")
    bakery.portone.approve(imp_uid)
    bakery.portone.outbox.wait_for(1)
    run_worker()
    make_due()
    run_worker()

    bodies = {item.body for item in bakery.shop.received()}
    ids = {item.headers["webhook-id"] for item in bakery.shop.received()}
    assert (len(bodies), len(ids)) == (1, 1)
    assert bakery.told("order-15") == [EventType.PAID]


def test_the_page_is_sent_as_a_see_other(bakery: Cast) -> None:
    """A landing answers 303 to a page whose address names nothing, and sets no cookie."""
    reply = httpx.get(bakery.redirect_url, params={"imp_uid": "imp_123456789", "merchant_uid": "order-16"})

    assert reply.status_code == 303
    assert "order-16" not in reply.headers["location"]
    assert "imp_" not in reply.headers["location"]
    assert "set-cookie" not in reply.headers
    assert reply.headers["cache-control"] == "no-store"
