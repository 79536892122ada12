"""What a merchant's server says before the payment window opens."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tenants.models import ApiKey
from tests.factories import Cast

Work = Callable[..., None]


def call(cast: Cast, method: str, path: str, body: object = None, *, key: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key or cast.keys.api_key}"}
    return httpx.request(method, f"{cast.web}/api/v1/orders{path}", json=body, headers=headers, trust_env=False)


def won(amount: int = 64900, **more: Any) -> dict[str, Any]:
    return {"amount": amount, "currency": "KRW"} | more


def test_an_order_is_registered_and_read_back(bakery: Cast) -> None:
    """PUT says what is expected, GET returns it in the words of the events."""
    made = call(bakery, "PUT", "/order-1", won(name="케이크", metadata={"cart": "c-1"}))

    assert made.status_code == 200
    order = call(bakery, "GET", "/order-1").json()
    assert order == made.json()
    assert order["expected"] | {"registered_at": ""} == {
        "amount": 64900,
        "currency": "KRW",
        "exponent": 0,
        "source": "orders_api",
        "registered_at": "",
    }
    assert (order["status"], order["livemode"], order["metadata"]) == ("registered", True, {"cart": "c-1"})


def test_a_registered_order_matches_its_payment(bakery: Cast, run_worker: Work) -> None:
    """What the API registered is what the payment is compared with, and the metadata comes back in the event."""
    call(bakery, "POST", "", won(id="order-1", metadata={"cart": "c-1"}))
    bakery.portone.approve(bakery.opens_window("order-1"))
    bakery.portone.outbox.wait_for(1)

    run_worker()

    (event,) = bakery.events("order-1")
    assert event["data"]["payment"]["verification"]["result"] == "matched"
    assert event["data"]["payment"]["metadata"] == {"cart": "c-1"}


def test_an_order_that_was_only_signed_shows_its_amount(bakery: Cast, run_worker: Work) -> None:
    """GET names what the payment was compared with, as its event does."""
    imp_uid = bakery.opens_window("order-1", custom_data=json.dumps({"pw_order": bakery.signs()}))
    bakery.portone.approve(imp_uid, webhook=False)
    bakery.is_called_about(imp_uid, "order-1")
    run_worker()

    [event] = bakery.events("order-1")
    assert call(bakery, "GET", "/order-1").json()["expected"] == event["data"]["order"]["expected"]
    assert event["data"]["order"]["expected"]["source"] == "order_token"


def test_the_same_again_changes_nothing(bakery: Cast) -> None:
    """A shop that repeats its call gets the same order, registered at the same moment."""
    first = call(bakery, "PUT", "/order-1", won())

    assert call(bakery, "PUT", "/order-1", won()).json() == first.json()


def test_a_paid_order_keeps_its_amount(bakery: Cast, run_worker: Work) -> None:
    """An amount cannot be changed to fit what was paid."""
    call(bakery, "PUT", "/order-1", won(64900))
    bakery.portone.approve(bakery.opens_window("order-1", 100))
    bakery.portone.outbox.wait_for(1)
    run_worker()

    refused = call(bakery, "PUT", "/order-1", won(100))

    assert refused.status_code == 409
    assert refused.json()["type"] == "/problems/order_already_paid"
    assert refused.json()["field"] == "amount"
    assert call(bakery, "GET", "/order-1").json()["expected"]["amount"] == 64900


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"currency": "KRW"}, "amount"),
        (won(0), "amount"),
        (won(-1), "amount"),
        (won(10**20), "amount"),
        ({"amount": 64900.0}, "amount"),
        ({"amount": "64900"}, "amount"),
        ({"amount": True}, "amount"),
        (won() | {"currency": "WON"}, "currency"),
        (won() | {"currency": "krw"}, "currency"),
        (won(expires_at="2026-12-01T00:00:00"), "expires_at"),
        (won(expires_at="tomorrow"), "expires_at"),
        (won(metadata={"a": "x" * 300}), "metadata"),
        (won(metadata={"a": "\x00"}), "metadata"),
        (won(return_url="https://evil.example/"), "return_url"),
        (won(colour="red"), "colour"),
    ],
)
def test_a_bad_field_is_named(bakery: Cast, body: dict[str, Any], field: str) -> None:
    """A refusal is a problem document that names the field, and nothing is written."""
    refused = call(bakery, "PUT", "/order-1", body)

    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["field"] == field
    assert refused.json()["detail"]
    assert call(bakery, "GET", "/order-1").status_code == 404


@pytest.mark.parametrize("order_id", ["x" * 41, "a%00b", "%2E%2E", "a%0Ab"])
def test_a_bad_order_number_is_refused(bakery: Cast, order_id: str) -> None:
    """A number that PortOne cannot hold, or that cannot stand in its URL, is refused at once."""
    assert call(bakery, "PUT", f"/{order_id}", won()).status_code in (404, 422)
    assert call(bakery, "POST", "", won(id="a/b")).status_code == 422


def test_a_body_that_is_no_json_is_refused(bakery: Cast) -> None:
    """Unreadable input is a 4xx problem, never a 500."""
    headers = {"Authorization": f"Bearer {bakery.keys.api_key}", "Content-Type": "application/json"}
    refused = httpx.put(f"{bakery.web}/api/v1/orders/order-1", content=b"{", headers=headers, trust_env=False)

    assert 400 <= refused.status_code < 500
    assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("key", ["nonsense", "pwk_live_", "pwk_live_00000000_" + "0" * 32, "키"])
def test_without_a_key_nothing_opens(bakery: Cast, key: str) -> None:
    """No key, half a key and a made-up key get the same 401."""
    refused = httpx.get(
        f"{bakery.web}/api/v1/orders/order-1",
        headers={"Authorization": f"Bearer {key}".encode()},
        trust_env=False,
    )

    assert refused.status_code == 401
    assert refused.json()["type"] == "/problems/unauthenticated"


def test_a_revoked_key_opens_nothing(bakery: Cast) -> None:
    """Revoking works at once."""
    assert call(bakery, "GET", "/order-1").status_code == 404
    ApiKey.objects.update(revoked_at="2026-11-21T00:00:00Z")

    assert call(bakery, "GET", "/order-1").status_code == 401


def test_nobody_elses_order_is_found(bakery: Cast, florist: Cast, test_bakery: Cast) -> None:
    """An order of another merchant, or of the other mode, does not exist for this key."""
    call(bakery, "PUT", "/order-1", won())

    assert call(florist, "GET", "/order-1").status_code == 404
    assert call(test_bakery, "GET", "/order-1").status_code == 404


def test_a_key_notes_when_it_was_used(bakery: Cast) -> None:
    """The merchant can see which keys are in use."""
    call(bakery, "GET", "/order-1")

    assert ApiKey.objects.get(prefix=bakery.keys.api_key.rpartition("_")[0]).last_used_at is not None


def test_an_order_may_choose_its_return_url(bakery: Cast, run_worker: Work) -> None:
    """A registered return URL can be chosen for one order, and is where its customer is sent."""
    made = call(bakery, "PUT", "/order-1", won(return_url=bakery.return_url))

    assert made.json()["return_url"] == bakery.return_url
