"""The six things a redirect can mean, and what follows them: from the wire to the shop."""

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


def test_paid_by_landing_and_webhook_is_told_once(bakery: Cast, florist: Cast, run_worker: Work) -> None:
    """Case 1: a landing and a webhook about one paid order make one `payment.paid`."""
    bakery.expects("order-1")
    imp_uid = bakery.opens_window("order-1")
    bakery.portone.approve(imp_uid)

    bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true")
    bakery.portone.outbox.wait_for(1)
    run_worker()

    event = only(bakery, "order-1")
    assert (event["type"], event["sequence"], event["previous"]) == (EventType.PAID, 1, None)
    assert event["data"]["payment"]["verification"]["result"] == "matched"
    assert event["data"]["payment"]["amount"]["captured"] == 64900
    assert florist.published() == []


def test_failed_for_another_reason_is_told_as_failed(bakery: Cast, run_worker: Work) -> None:
    """Case 2: a failure that PortOne confirms is `payment.failed`, verified, although no webhook came."""
    imp_uid = bakery.opens_window("order-2")
    bakery.portone.fail(imp_uid, reason="PG사 시스템 오류", error_code="E999")

    bakery.lands(imp_uid=imp_uid, merchant_uid="order-2", imp_success="false", error_code="E999")
    run_worker()

    event = only(bakery, "order-2")
    assert event["type"] == EventType.FAILED
    assert event["data"]["payment"]["verification"]["result"] == "not_checked"
    assert event["data"]["payment"]["money_moved"] is False


def test_window_that_did_not_open_is_told_for_a_registered_order(bakery: Cast, run_worker: Work) -> None:
    """Case 3: no payment came to be; the redirect's word is told as a claim, after PortOne answered."""
    bakery.expects("order-3")

    bakery.lands(merchant_uid="order-3", error_code="F1002", error_msg="등록되지 않은 PG 설정입니다")
    run_worker(until=lambda: bakery.told("order-3") != [])

    event = only(bakery, "order-3")
    assert event["type"] == EventType.NOT_STARTED
    assert event["data"]["payment"]["verification"]["result"] == "claimed"
    assert event["data"]["payment"]["provider"]["imp_uid"] is None


def test_window_closed_by_the_customer_is_told_as_a_claim(bakery: Cast, run_worker: Work) -> None:
    """Case 4: most PGs leave the payment `ready`; the redirect's word is told as `payment.abandoned`, claimed."""
    bakery.expects("order-4")
    imp_uid = bakery.opens_window("order-4")
    bakery.portone.abandon(imp_uid)

    bakery.lands(
        imp_uid=imp_uid,
        merchant_uid="order-4",
        imp_success="false",
        error_msg="사용자가 결제를 취소하였습니다",
    )
    run_worker(until=lambda: bakery.told("order-4") != [])

    event = only(bakery, "order-4")
    assert event["type"] == EventType.ABANDONED
    assert event["data"]["payment"]["verification"]["result"] == "claimed"
    assert event["data"]["order"]["status"] == "failed"


def test_a_claim_about_an_order_nobody_registered_is_not_told(bakery: Cast, run_worker: Work) -> None:
    """Anybody can write a redirect: without a registered order its word reaches no merchant."""
    imp_uid = bakery.opens_window("order-4")

    bakery.lands(imp_uid=imp_uid, merchant_uid="order-4", imp_success="false", error_msg="사용자가 결제를 취소")
    run_worker()

    assert bakery.published() == []


def test_payment_after_a_told_claim_supersedes_it(bakery: Cast, run_worker: Work, make_due: Any) -> None:
    """A claim never stands against money: the paid event is late and names the event it corrects."""
    bakery.expects("order-5")
    imp_uid = bakery.opens_window("order-5")
    bakery.lands(imp_uid=imp_uid, merchant_uid="order-5", imp_success="false", error_msg="결제를 취소")
    run_worker(until=lambda: bakery.told("order-5") != [])

    bakery.portone.approve(imp_uid)
    bakery.portone.outbox.wait_for(1)
    run_worker(until=lambda: len(bakery.told("order-5")) == 2)

    claim, paid = bakery.events("order-5")
    assert paid["type"] == EventType.PAID
    assert (paid["late"], paid["supersedes"]) == (True, claim["id"])
    assert paid["previous"]["status"] == "failed"
    assert [claim["sequence"], paid["sequence"]] == [1, 2]


def test_declined_card_is_told_with_its_reason(bakery: Cast, run_worker: Work) -> None:
    """Case 5: a card over its limit is `payment.declined` with a normalized code and the raw words."""
    imp_uid = bakery.opens_window("order-6", pg_provider="tosspayments")
    bakery.portone.fail(imp_uid)

    bakery.lands(imp_uid=imp_uid, merchant_uid="order-6", success="false")
    run_worker()

    event = only(bakery, "order-6")
    assert event["type"] == EventType.DECLINED
    assert event["data"]["payment"]["failure"]["code"] == "card_limit_exceeded"


def test_virtual_account_is_issued_and_then_paid(bakery: Cast, run_worker: Work) -> None:
    """Cases 6 and 7: an issued account waits without money; its deposit is `payment.paid`, once."""
    bakery.portone.set_account(bakery.imp_key, encoding="form")
    bakery.expects("order-7")
    imp_uid = bakery.opens_window("order-7", pay_method="vbank")
    bakery.portone.issue_account(imp_uid)
    bakery.lands(imp_uid=imp_uid, merchant_uid="order-7", imp_success="true")
    bakery.portone.outbox.wait_for(1)
    run_worker(until=lambda: bakery.told("order-7") != [])

    bakery.portone.deposit(imp_uid)
    bakery.portone.outbox.wait_for(2)
    run_worker(until=lambda: len(bakery.told("order-7")) == 2)

    issued, paid = bakery.events("order-7")
    assert [issued["type"], paid["type"]] == [EventType.ACCOUNT_ISSUED, EventType.PAID]
    assert issued["data"]["payment"]["money_moved"] is False
    assert (paid["cause"], paid["previous"]["status"]) == ("virtual_account_deposit", "awaiting_deposit")
    assert paid["data"]["payment"]["amount"]["captured"] == 64900


def test_partial_then_full_cancellation(bakery: Cast, run_worker: Work) -> None:
    """Cases 10 and 11: what is cancelled is read from the amounts, with ids and a running balance."""
    bakery.expects("order-8")
    imp_uid = bakery.opens_window("order-8")
    bakery.portone.approve(imp_uid)
    bakery.portone.outbox.wait_for(1)
    run_worker(until=lambda: bakery.told("order-8") == ["payment.paid"])

    for amount in (10000, None):
        heard = len(bakery.told("order-8"))
        bakery.portone.cancel(imp_uid, amount=amount)
        bakery.portone.outbox.wait_for(heard + 1)
        run_worker(until=lambda heard=heard: len(bakery.told("order-8")) == heard + 1)

    _, part, whole = bakery.events("order-8")
    assert [part["type"], whole["type"]] == [EventType.PARTIALLY_CANCELLED, EventType.CANCELLED]
    assert part["data"]["payment"]["amount"]["balance"] == 54900
    assert whole["data"]["payment"]["amount"]["balance"] == 0
    assert [entry["amount"] for entry in whole["data"]["payment"]["cancellations"]] == [10000, 54900]
    assert [part["previous"]["cancelled"], whole["previous"]["cancelled"]] == [0, 10000]


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


def test_an_unregistered_order_is_never_called_checked(bakery: Cast, run_worker: Work) -> None:
    """Case 15: nothing was expected, so nothing was compared, and the shop does not fulfil."""
    imp_uid = bakery.opens_window("order-12")
    bakery.portone.approve(imp_uid)
    bakery.portone.outbox.wait_for(1)

    run_worker()

    assert only(bakery, "order-12")["data"]["payment"]["verification"]["result"] == "not_checked"
    assert bakery.shop.fulfilled() == {}


def test_a_forged_amount_goes_to_review(bakery: Cast, run_worker: Work) -> None:
    """Case 12: 100 won for an order of 64,900 is money under review, never a sale."""
    bakery.expects("order-13", 64900)
    imp_uid = bakery.opens_window("order-13", 100)
    bakery.portone.approve(imp_uid)
    bakery.portone.outbox.wait_for(1)

    run_worker()

    event = only(bakery, "order-13")
    assert event["type"] == EventType.REVIEW_AMOUNT
    assert event["data"]["payment"]["money_moved"] is True
    assert event["data"]["payment"]["verification"]["mismatches"] == [
        {"field": "amount", "expected": 64900, "actual": 100}
    ]
    assert bakery.shop.fulfilled() == {}


def test_somebody_elses_payment_does_not_pay_an_order(bakery: Cast, run_worker: Work) -> None:
    """A paid payment of order A that is claimed for order B is told for A only, and B is untouched."""
    bakery.expects("order-a")
    bakery.expects("order-b")
    imp_uid = bakery.opens_window("order-a")
    bakery.portone.approve(imp_uid, webhook=False)

    bakery.lands(imp_uid=imp_uid, merchant_uid="order-b", imp_success="true")
    run_worker()

    assert bakery.told("order-a") == [EventType.PAID]
    assert bakery.told("order-b") == []
    assert bakery.order("order-b").status == "registered"


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
