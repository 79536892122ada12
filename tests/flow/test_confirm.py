"""PortOne asks before it approves a payment."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from django.test import Client

from results.core.money import Money
from tests.factories import Cast, let_routes_expire
from tests.flow.test_hot_path import at_the_wire
from tests.outages import database_down


def confirm_url(cast: Cast, token: str = "") -> str:
    url = cast.redirect_url.replace("/complete", "/confirm")
    return f"{url}?pw_order={token}" if token else url


def asks(cast: Cast, order: str, amount: object, *, as_form: bool = False, token: str = "") -> httpx.Response:
    url, body = confirm_url(cast, token), {"imp_uid": "imp_448280090001", "merchant_uid": order, "amount": amount}
    return httpx.post(url, trust_env=False, **({"data": body} if as_form else {"json": body}))  # type: ignore[arg-type]


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


def test_an_unknown_order_follows_the_confirm_policy(bakery: Cast) -> None:
    """Open, what nobody registered is approved; closed, it is not. What else the merchant is strict about is apart."""
    bakery.chooses(policy="strict", confirm_policy="open")
    assert asks(bakery, "order-1", 100).status_code == 200
    bakery.chooses(policy="open", confirm_policy="closed")
    assert asks(bakery, "order-1", 100).status_code == 422


@pytest.mark.parametrize("policy", ["open", "closed"])
def test_a_signed_order_is_compared(bakery: Cast, policy: str) -> None:
    """Where nothing is registered the token in the address tells the amount, whatever the policy for the unknown is."""
    bakery.chooses(confirm_policy=policy)
    token = bakery.signs()

    assert asks(bakery, "order-1", 64900, token=token).status_code == 200
    assert asks(bakery, "order-1", 100, token=token).status_code == 422


def test_what_is_registered_decides_before_a_token(bakery: Cast) -> None:
    """A token with another amount opens nothing that the registered order keeps closed."""
    bakery.expects("order-1", 64900)
    cheap = bakery.signs(money=Money(100, "KRW", 0))

    assert asks(bakery, "order-1", 64900, token=cheap).status_code == 200
    assert asks(bakery, "order-1", 100, token=cheap).status_code == 422


@pytest.mark.parametrize("fault", ["ended", "of another order", "forged", "of the other mode", "noise"])
def test_a_token_that_does_not_hold_says_nothing(bakery: Cast, fault: str) -> None:
    """The order is then unknown: a closed shop refuses, an open one sells."""
    token = {
        "ended": bakery.signs(ends=timedelta(seconds=-1)),
        "of another order": bakery.signs("order-2"),
        "forged": bakery.signs(key="order_key_of_a_stranger"),
        "of the other mode": bakery.signs(mode="test"),
        "noise": "po1.e30.e30",
    }[fault]

    assert asks(bakery, "order-1", 64900, token=token).status_code == 200
    bakery.chooses(confirm_policy="closed")
    assert asks(bakery, "order-1", 64900, token=token).status_code == 422


def test_what_a_landing_brought_sets_no_price_here(bakery: Cast, run_worker: Callable[..., None]) -> None:
    """A token that an earlier landing carried is not asked: only what is registered, or stands in the address."""
    bakery.lands(merchant_uid="order-1", pw_order=bakery.signs())
    run_worker()
    assert "order_token" in bakery.order("order-1").statements
    bakery.chooses(confirm_policy="closed")

    assert asks(bakery, "order-1", 64900).status_code == 422


@pytest.mark.parametrize(("order", "round_trips"), [("order-1", 1), ("order-2", 1), ("order-3", 2)])
def test_the_answer_costs_one_round_trip(bakery: Cast, tmp_path: Path, order: str, round_trips: int) -> None:
    """Registered, with a token or without, and unknown; one more, for the keys, where only a token can tell."""
    bakery.expects("order-1")
    client, url = Client(), confirm_url(bakery, "" if order == "order-2" else bakery.signs(order))
    body = {"merchant_uid": order, "amount": 64900}
    for _ in range(6):  # remembered, and prepared by the server
        assert client.post(url, body, "application/json").status_code == 200

    with at_the_wire(tmp_path / "trace") as counted:
        assert client.post(url, body, "application/json").status_code == 200
        needed = counted()

    assert needed == round_trips


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


@pytest.mark.parametrize(("policy", "status"), [("open", 200), ("closed", 422)])
@pytest.mark.parametrize("is_fresh", [True, False])
def test_without_a_database_the_policy_decides(bakery: Cast, policy: str, status: int, is_fresh: bool) -> None:
    """While the database is away the merchant's choice answers, also once the route is remembered no longer."""
    bakery.chooses(confirm_policy=policy)
    bakery.expects("order-1", 64900)
    url = confirm_url(bakery, bakery.signs())
    assert httpx.post(url, json={"merchant_uid": "order-1", "amount": 64900}, trust_env=False).status_code == 200
    if not is_fresh:
        let_routes_expire()

    with database_down():
        reply = httpx.post(url, json={"merchant_uid": "order-1", "amount": 1}, trust_env=False)

    assert reply.status_code == status
    assert ("reason" in reply.json()) is (policy == "closed")


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
