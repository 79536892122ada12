"""Is every POST done once? Each of the document's is sent twice with one Idempotency-Key."""

import json
from typing import Any

import pytest

from api.pages import FILE
from results.models import Attempt, Delivery, Endpoint, Event, Order, Replay
from tenants.models import AuditEntry, Duty, RouteKey
from tests.api.conftest import Server
from tests.api.stock import Stock, stock_up
from tests.factories import Cast

DOCUMENT: dict[str, Any] = json.loads(FILE.read_bytes())
POSTS = {methods["post"]["operationId"]: path for path, methods in DOCUMENT["paths"].items() if "post" in methods}
# What each says; whoever is not named here says what the document shows for an example, or nothing.
SAID: dict[str, Any] = {
    "createOrder": {"id": "order-2", "amount": 100},
    "createReplay": {"filter": {"types": ["payment.*"]}},
}
# What has to be so before it can be done.
FIRST = {"resumeEndpoint": "pauseEndpoint", "expireOrder": "createOrder"}
ABOUT = {"expireOrder": {"order_id": "order-2"}}  # not the one that is paid


@pytest.fixture
def stock(bakery: Cast) -> Stock:
    """One of everything of the bakery's that an address can name."""
    return stock_up(bakery)


def posts(server: Server, stock: Stock, name: str, **headers: str) -> Any:
    path = POSTS[name].removeprefix("/api/v1").format(**stock.ids | ABOUT.get(name, {}))
    shown = DOCUMENT["paths"][POSTS[name]]["post"].get("requestBody", {}).get("content", {}).get("application/json", {})
    body = SAID.get(name) or (shown["examples"]["usual"]["value"] if shown else None)
    return server.asks("POST", path, body, **headers)


@pytest.mark.parametrize("name", POSTS)
def test_every_post_is_done_once(server: Server, stock: Stock, name: str) -> None:
    """The second time the answer is the first one, to the letter and with its tag, and nothing more has happened."""
    if name in FIRST:
        assert posts(server, stock, FIRST[name]).status_code == 200

    first = posts(server, stock, name, Idempotency_Key="k-1")
    done = deeds(stock.cast)
    again = posts(server, stock, name, Idempotency_Key="k-1")

    assert first.status_code in (200, 201, 202), first.text
    assert "idempotent-replayed" not in first.headers
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers.get("etag") == first.headers.get("etag")
    assert deeds(stock.cast) == done


def deeds(cast: Cast) -> list[int]:
    """Count what deeds leave behind."""
    mine = [len(cast.rows(model)) for model in (Order, Event, Delivery, Attempt, Replay, Endpoint)]
    return mine + [model.objects.count() for model in (AuditEntry, Duty, RouteKey)]
