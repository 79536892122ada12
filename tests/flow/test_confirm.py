"""PortOne asks before it approves a payment."""

from collections.abc import Callable

import httpx
import pytest

from tenants.models import MerchantMode
from tenants.routing import forget_everything
from tests.factories import Cast
from tests.outages import database_down


def asks(cast: Cast, order: str, amount: object, **how: object) -> httpx.Response:
    url = cast.redirect_url.replace("/complete", "/confirm")
    body = {"imp_uid": "imp_448280090001", "merchant_uid": order, "amount": amount}
    return httpx.post(url, json=body, trust_env=False) if not how else httpx.post(url, data=body, trust_env=False)


def make_strict(cast: Cast) -> None:
    MerchantMode.objects.filter(merchant=cast.merchant, mode=cast.mode).update(policy="strict")
    forget_everything()


@pytest.mark.parametrize("amount", [64900, "64900", 64900.0, "64900.00"])
def test_the_registered_amount_is_approved(bakery: Cast, amount: object) -> None:
    """The amount that the shop registered is approved, however it is written."""
    bakery.expects("order-1", 64900)

    assert asks(bakery, "order-1", amount).status_code == 200
    assert asks(bakery, "order-1", amount, as_form=True).status_code == 200


@pytest.mark.parametrize("amount", [100, 64899, "64900.5", "", None, "NaN", "-64900", "1e400", "한"])
def test_any_other_amount_is_refused_with_a_reason(bakery: Cast, amount: object) -> None:
    """A changed amount is stopped before money moves, and the customer reads why."""
    bakery.expects("order-1", 64900)

    reply = asks(bakery, "order-1", amount)

    assert reply.status_code == 422
    assert "금액" in reply.json()["reason"]


def test_dollars_are_compared_exactly(bakery: Cast) -> None:
    """14.20 dollars are 1,420 cents; a hair more is refused."""
    bakery.expects("order-1", 1420, "USD", 2)

    assert asks(bakery, "order-1", 14.2).status_code == 200
    assert asks(bakery, "order-1", "14.201").status_code == 422


def test_an_unknown_order_follows_the_policy(bakery: Cast) -> None:
    """An open shop sells what nobody registered; a strict one does not."""
    assert asks(bakery, "order-1", 100).status_code == 200
    make_strict(bakery)
    assert asks(bakery, "order-1", 100).status_code == 422


def test_a_paid_order_is_not_paid_again(bakery: Cast, run_worker: Callable[..., None]) -> None:
    """A second payment of a paid order is stopped before it happens."""
    bakery.expects("order-1")
    bakery.portone.approve(bakery.opens_window("order-1"))
    bakery.portone.outbox.wait_for(1)
    run_worker()

    assert asks(bakery, "order-1", 64900).status_code == 422


def test_a_forged_question_sets_no_price(bakery: Cast, run_worker: Callable[..., None]) -> None:
    """A confirm call with a small amount changes nothing: the small payment goes to review."""
    bakery.expects("order-1", 64900)
    asks(bakery, "order-1", 100)
    bakery.portone.approve(bakery.opens_window("order-1", 100))
    bakery.portone.outbox.wait_for(1)

    run_worker()

    assert bakery.told("order-1") == ["payment.review.amount_mismatch"]


def test_without_a_database_the_policy_decides(bakery: Cast) -> None:
    """While the database is away an open shop goes on selling and a strict one does not; neither waits."""
    bakery.expects("order-1", 64900)
    assert asks(bakery, "order-1", 64900).status_code == 200
    url = bakery.redirect_url.replace("/complete", "/confirm")

    with database_down():
        assert httpx.post(url, json={"merchant_uid": "order-1", "amount": 1}, trust_env=False).status_code == 200


def test_only_the_browser_key_opens_it(bakery: Cast) -> None:
    """The webhook key and unknown keys get a plain 404."""
    for key in (bakery.key("webhook").key, "bk_nobody"):
        assert httpx.post(f"{bakery.web}/m/{key}/confirm", json={}, trust_env=False).status_code == 404


def test_nothing_is_recorded_and_portone_is_not_asked(bakery: Cast) -> None:
    """Answering costs one question to the database and nothing else."""
    bakery.expects("order-1")
    asks(bakery, "order-1", 64900)

    assert bakery.notifications() == []
    assert bakery.portone.journal.counts() == {}
