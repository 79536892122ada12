"""Events through the API: the bytes that were signed and sent."""

from datetime import UTC, datetime

import pytest

from results.core.ids import encode
from results.core.words import EventType
from results.models import Event
from results.tell import announce
from tenants.routing import inside
from tests.api.conftest import Server, Serves
from tests.api.flow_stage import Work, has_much, pays, publishes, queries_of, snapshot
from tests.factories import Cast


def test_an_event_is_the_bytes_that_were_sent(server: Server, bakery: Cast, run_worker: Work) -> None:
    """GET /events/{id} answers exactly what the shop received and verified, as application/json."""
    pays(bakery, run_worker, "주문-1")
    [received] = bakery.shop.received()

    answer = server.asks("GET", f"/events/{received.headers['webhook-id']}")

    assert answer.content == received.body
    assert answer.headers["content-type"] == "application/json"
    assert "주문-1".encode() in answer.content


def test_a_list_keeps_the_bytes_of_each(server: Server, bakery: Cast) -> None:
    """In `data` each event stands as it was sent, newest first, and the whole is JSON."""
    publishes(bakery, snapshot(1, order="주문-1"), snapshot(2))

    answer = server.asks("GET", "/events")

    bodies = [bytes(event.body) for event in reversed(bakery.published())]
    assert answer.content == b'{"object":"list","data":[' + b",".join(bodies) + b'],"next_cursor":null}'
    assert [event["data"]["order"]["id"] for event in answer.json()["data"]] == ["order-2", "주문-1"]


def test_a_list_of_none_is_a_list(server: Server) -> None:
    """Without any event the list is empty."""
    assert server.gets("/events") == {"object": "list", "data": [], "next_cursor": None}


def test_events_are_read_page_by_page(server: Server, bakery: Cast) -> None:
    """The cursor leads behind the last one, to the end."""
    publishes(bakery, *(snapshot(number) for number in range(5)))

    first = server.gets("/events", limit=3)
    second = server.gets("/events", limit=3, cursor=first["next_cursor"])

    listed = [event["id"] for page in (first, second) for event in page["data"]]
    assert listed == [encode("evt", event.id) for event in reversed(bakery.published())]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "failed-3 cancelled-1 review-2 paid-1"),
        ({"type": "*"}, "failed-3 cancelled-1 review-2 paid-1"),
        ({"type": "payment.paid"}, "paid-1"),
        ({"type": "payment.review.*"}, "review-2"),
        ({"type": "payment.*"}, "failed-3 cancelled-1 review-2 paid-1"),
        ({"type": "claim.*"}, ""),
        ({"order": "order-1"}, "cancelled-1 paid-1"),
        ({"order": "order-1", "type": "payment.cancelled"}, "cancelled-1"),
        ({"order": "order-9"}, ""),
        ({"payment": "the second"}, "review-2"),
        ({"payment": "pay_01KB3Z5W8E9M2Q4T6V8X0Z1B3D"}, ""),
        ({"created_from": "2026-01-01T00:00:00Z"}, "failed-3 cancelled-1 review-2 paid-1"),
        ({"created_before": "2026-01-01T00:00:00Z"}, ""),
    ],
)
def test_events_are_found(server: Server, bakery: Cast, query: dict[str, str], found: str) -> None:
    """By type or the beginning of types, order, payment and time."""
    bakery.expects("order-2", 100)
    one = snapshot(1)
    _paid, second = publishes(bakery, one, snapshot(2))
    publishes(bakery, snapshot(1, status="cancelled", cancel_amount=one.amount))
    publishes(bakery, snapshot(3, status="failed", paid_at=None, fail_reason="한도 초과"))
    names = {
        EventType.PAID: "paid",
        EventType.CANCELLED: "cancelled",
        EventType.REVIEW_AMOUNT: "review",
        EventType.DECLINED: "failed",
    }
    if query.get("payment") == "the second":
        query = {"payment": second}

    events = server.gets("/events", **query)["data"]

    told = [f"{names[event['type']]}-{event['data']['order']['id'].removeprefix('order-')}" for event in events]
    assert " ".join(told) == found


@pytest.mark.parametrize(
    "query",
    ["type=payment.payd", "type=payment.pai*", "type=", "type=%00", "payment=order-1", "payment=evt_1", "event=evt_1"],
)
def test_a_bad_filter_is_named(server: Server, query: str) -> None:
    """A type with a slip of the pen, or an id of another kind, is refused by name instead of finding nothing."""
    refused = server.asks("GET", f"/events?{query}")

    assert (refused.status_code, refused.json()["field"]) == (422, query.partition("=")[0])


def test_a_refusal_is_told_in_korean(server: Server) -> None:
    """What is wrong with a filter is said in the caller's language."""
    refused = server.asks("GET", "/events?type=payment.payd", Accept_Language="ko")

    assert "그런 이벤트는 없습니다" in refused.json()["detail"]


@pytest.mark.parametrize("id_", ["x", "evt_", "evt_01KB3Z60C7A1B2C3D4E5F6G7H8", "pay_01KB3Z5W8E9M2Q4T6V8X0Z1B3D"])
def test_what_is_not_there_is_not_found(server: Server, id_: str) -> None:
    """An id of nothing, or of another kind, is a 404."""
    answer = server.asks("GET", f"/events/{id_}")

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/event_not_found")


def test_nothing_of_another_merchant_or_mode_is_found(
    server: Server, bakery: Cast, florist: Cast, test_bakery: Cast, serves: Serves
) -> None:
    """The florist's key, and the bakery's of test mode, find no event of the bakery's."""
    [payment] = publishes(bakery, snapshot(1))
    [event] = bakery.rows(Event)
    name = encode("evt", event.id)

    for stranger in (serves(florist), serves(test_bakery)):
        assert stranger.asks("GET", f"/events/{name}").status_code == 404
        assert stranger.gets("/events")["data"] == []
        assert stranger.gets("/events", payment=payment)["data"] == []
        assert stranger.gets("/events", order="order-1")["data"] == []


def test_a_key_without_the_scope_reads_none(bakery: Cast, serves: Serves) -> None:
    """Reading events needs events:read."""
    assert serves(bakery, "payments:read").asks("GET", "/events").status_code == 403


def test_news_of_no_order_is_an_event_too(server: Server, bakery: Cast) -> None:
    """Events of an account or endpoint have no order, and are read like all others."""
    with inside(bakery.merchant.schema_name):
        announce(bakery.route, EventType.CREDENTIALS_INVALID, {"account": {"mode": "live"}}, at=datetime.now(UTC))

    [event] = server.gets("/events", type="account.*")["data"]

    assert (event["sequence"], event["data"]) == (None, {"account": {"mode": "live"}})
    assert server.gets(f"/events/{event['id']}") == event


def test_a_hundred_cost_as_much_as_one(server: Server, bakery: Cast) -> None:
    """A list of a hundred events costs a constant number of queries."""
    has_much(bakery)

    one, few = queries_of(server, "/events?limit=1")
    hundred, many = queries_of(server, "/events?limit=100")

    assert (one, hundred) == (1, 100)
    assert few == many == 1
