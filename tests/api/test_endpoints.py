"""A merchant's server looks after its endpoints: made, read, changed, at rest, back, tried, with new secrets, gone."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from results.core.ids import encode
from results.deliver import open_headers, open_secrets
from results.endpoints import MOST_ENDPOINTS, pause_endpoint
from results.models import Attempt, Delivery, Endpoint, EndpointSecret
from tenants.fields import new_id
from tenants.models import AuditEntry
from tenants.routing import inside
from tests.api.conftest import Server, Serves
from tests.factories import Cast
from tests.postbox import Postbox

Work = Callable[..., None]
URL = "https://shop.example.com/paywitness"
DEEDS = (
    ("GET", "", None),
    ("PATCH", "", {"description": "x"}),
    ("POST", "/pause", None),
    ("POST", "/resume", {}),
    ("POST", "/ping", None),
    ("POST", "/rotate-secret", {}),
    ("DELETE", "", None),
)


def made(server: Server, **more: Any) -> dict[str, Any]:
    answer = server.asks("POST", "/endpoints", {"url": URL} | more)
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def first_of(server: Server) -> dict[str, Any]:
    """Return the endpoint that every merchant of a story has."""
    document: dict[str, Any] = server.gets("/endpoints")["data"][-1]
    return document


def rows(server: Server) -> dict[str, Endpoint]:
    return {encode("end", row.id): row for row in server.cast.rows(Endpoint)}


def pays(cast: Cast, order: str) -> None:
    imp_uid = cast.opens_window(order)
    cast.portone.approve(imp_uid, webhook=False)
    cast.is_called_about(imp_uid, order)


def test_a_new_endpoint_is_shown_with_its_secret_once(server: Server) -> None:
    """201 has what was given, the names of headers, and the secret that signs; nothing shows that again."""
    headers = {"x-gateway-key": "not-a-secret"}
    new = made(server, events=["payment.*"], description="warehouse", headers=headers)

    row = rows(server)[new["id"]]
    with inside(server.cast.merchant.schema_name):
        [secret] = open_secrets(server.cast.route, {row.id}, at=datetime.now(UTC))[row.id]
    assert new["signing_secret"] == secret.to_text()
    assert open_headers(bytes(row.headers or b""), server.cast.route.open_vault(), row=row.id) == headers
    assert (new["url"], new["events"], new["description"], new["headers"], new["state"]) == (
        URL,
        ["payment.*"],
        "warehouse",
        ["x-gateway-key"],
        "listening",
    )
    read = server.gets(f"/endpoints/{new['id']}")
    assert read == {name: value for name, value in new.items() if name != "signing_secret"}
    assert AuditEntry.objects.filter(action="endpoint.created").latest("at").actor == f"API key {server.row.prefix}"


def test_the_same_endpoint_is_made_once(server: Server) -> None:
    """A repeated POST makes no second endpoint, and shows the secret of the first again for a day."""
    first = server.asks("POST", "/endpoints", {"url": URL}, Idempotency_Key="k-1")
    again = server.asks("POST", "/endpoints", {"url": URL}, Idempotency_Key="k-1")

    assert again.json() == first.json()
    assert len(rows(server)) == 2


@pytest.mark.parametrize(
    ("given", "field", "word"),
    [
        ({"url": "https://169.254.169.254/"}, "url", "사설"),
        ({"events": ["payment.payed"]}, "events", "payment.paid"),
        ({"events": ["zzz"]}, "events", "payment.review.*"),
        ({"events": []}, "events", ""),
        ({"description": "two\nlines"}, "description", ""),
        ({"headers": {"webhook-id": "evt_1"}}, "headers", "webhook-id"),
        ({"headers": {"x-key": "one\r\ntwo: three"}}, "headers", "x-key"),
        ({"secret": "whsec_mine"}, "secret", ""),
    ],
)
def test_a_slip_names_the_field(server: Server, given: dict[str, Any], field: str, word: str) -> None:
    """422 with the field and the mend, for a new endpoint and for a change, and nothing is made or changed."""
    before = first_of(server)
    refused = [
        server.asks("POST", "/endpoints", {"url": URL} | given, Accept_Language="ko"),
        server.asks("PATCH", f"/endpoints/{before['id']}", given, Accept_Language="ko"),
    ]

    for answer in refused:
        assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
        assert word in answer.json()["detail"]
    assert server.gets("/endpoints")["data"] == [before]


def test_a_refusal_is_told_in_both_languages(server: Server) -> None:
    """What our modules say of a bad value is Korean for whoever reads Korean."""
    said = {
        language: server.asks("POST", "/endpoints", {"url": URL, "events": ["zzz"]}, Accept_Language=language).json()
        for language in ("en", "ko")
    }

    assert "is no event type" in said["en"]["detail"]
    assert "이벤트" in said["ko"]["detail"]
    assert "event type" not in said["ko"]["detail"]


def test_a_mode_has_twenty_endpoints(server: Server) -> None:
    """The twenty-first is refused, also when 32 come at once, and a deletion makes room."""
    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(lambda _: server.asks("POST", "/endpoints", {"url": URL}), range(32)))

    refused = [answer for answer in answers if answer.status_code != 201]
    assert len(rows(server)) == MOST_ENDPOINTS
    assert {(answer.status_code, answer.json()["type"]) for answer in refused} == {
        (409, "/problems/too_many_endpoints")
    }
    assert server.asks("DELETE", f"/endpoints/{first_of(server)['id']}").status_code == 204
    made(server)


def test_a_change_keeps_what_is_not_named(server: Server) -> None:
    """PATCH changes what is given; headers take the place of all there were, and {} of none."""
    new = made(server, events=["payment.*"], headers={"x-key": "not-a-secret"})
    address = f"/endpoints/{new['id']}"
    changed = server.asks("PATCH", address, {"description": "warehouse", "url": None}).json()
    emptied = server.asks("PATCH", address, {"headers": {}}).json()

    assert (changed["url"], changed["events"], changed["headers"]) == (URL, ["payment.*"], ["x-key"])
    assert (changed["description"], emptied["description"], emptied["headers"]) == ("warehouse", "warehouse", [])


def test_another_url_is_told_to_the_owners(server: Server, postbox: Postbox, do_jobs: Callable[[], None]) -> None:
    """A callback URL that a key changed is a letter to every owner, by host."""
    server.asks("PATCH", f"/endpoints/{first_of(server)['id']}", {"url": URL})
    do_jobs()

    [letter] = postbox.letters
    assert "shop.example.com" in letter.get_content()


class TestTags:
    """If-Match: who saw what the merchant set last may change it."""

    def test_who_saw_an_older_one_may_not_change_or_delete_it(self, server: Server) -> None:
        """412, and nothing is changed."""
        address = f"/endpoints/{first_of(server)['id']}"
        seen = server.asks("GET", address).headers["etag"]
        newer = server.asks("PATCH", address, {"headers": {"x-key": "one"}}, If_Match=seen)
        late = [server.asks("PATCH", address, {"url": URL}, If_Match=seen)]
        late += [server.asks("DELETE", address, If_Match=seen)]

        assert [answer.status_code for answer in late] == [412, 412]
        assert server.asks("GET", address).headers["etag"] == newer.headers["etag"] != seen

    def test_a_busy_endpoint_can_be_changed(self, server: Server) -> None:
        """How an endpoint is doing is not what its tag stands for."""
        address = f"/endpoints/{first_of(server)['id']}"
        seen = server.asks("GET", address).headers["etag"]
        with inside(server.cast.merchant.schema_name):
            Endpoint.objects.update(failures=3, failing_since=datetime.now(UTC))

        assert server.asks("PATCH", address, {"description": "x"}, If_Match=seen).status_code == 200


def test_an_endpoint_rests_and_comes_back_with_its_backlog(server: Server, run_worker: Work) -> None:
    """While paused nothing is sent and the backlog is counted; it comes with the return."""
    address = f"/endpoints/{first_of(server)['id']}"
    paused = server.asks("POST", f"{address}/pause").json()
    pays(server.cast, "order-1")
    run_worker()
    waiting = server.gets(address)
    resumed = server.asks("POST", f"{address}/resume", {"with_backlog": True}).json()
    run_worker()

    assert (paused["state"], waiting["backlog"], resumed["state"]) == ("paused", 1, "listening")
    assert server.cast.told() == ["payment.paid"]
    assert server.gets(address)["backlog"] == 0


def test_an_endpoint_comes_back_without_its_backlog(server: Server, run_worker: Work) -> None:
    """What it missed is given up when that is asked for, and nothing is resumed twice."""
    address = f"/endpoints/{first_of(server)['id']}"
    server.asks("POST", f"{address}/pause")
    pays(server.cast, "order-1")
    run_worker()
    resumed = server.asks("POST", f"{address}/resume", {"with_backlog": False})
    again = server.asks("POST", f"{address}/resume", {})
    run_worker()

    assert (resumed.json()["backlog"], server.cast.told()) == (0, [])
    assert (again.status_code, again.json()["type"]) == (409, "/problems/nothing_to_resume")


def test_a_ping_is_heard(server: Server, run_worker: Work) -> None:
    """202 names the event that the endpoint then hears; a ping is no backlog."""
    address = f"/endpoints/{first_of(server)['id']}"
    sent = server.asks("POST", f"{address}/ping")
    backlog = server.gets(address)["backlog"]
    run_worker()

    assert (sent.status_code, backlog) == (202, 0)
    assert [event["id"] for event in server.cast.shop.events() if event["type"] == "endpoint.ping"] == [
        sent.json()["event"]
    ]


def test_old_and_new_secret_sign_for_the_overlap(server: Server) -> None:
    """The new secret is shown once; both are listed by id with their end, and both sign until then."""
    address = f"/endpoints/{first_of(server)['id']}"
    answer = server.asks("POST", f"{address}/rotate-secret", {"overlap_seconds": 3600})
    new, old = server.gets(address)["secrets"]

    assert (answer.status_code, new["retires_at"]) == (201, None)
    assert answer.json()["signing_secret"].startswith("whsec_")
    ends = datetime.fromisoformat(old["retires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < ends <= timedelta(hours=1)
    assert new["id"] != old["id"]


def test_a_leaked_secret_ends_at_once(server: Server) -> None:
    """Without an overlap one secret is left."""
    address = f"/endpoints/{first_of(server)['id']}"
    before = server.gets(address)["secrets"]
    server.asks("POST", f"{address}/rotate-secret", {"overlap_seconds": 0})
    [left] = server.gets(address)["secrets"]

    assert left["id"] != before[0]["id"]
    assert len(server.cast.rows(EndpointSecret)) == 1


@pytest.mark.parametrize("overlap", [-1, 604801, 1.5, "60", True])
def test_an_overlap_has_limits(server: Server, overlap: object) -> None:
    """Zero to seven days, in whole seconds."""
    address = f"/endpoints/{first_of(server)['id']}/rotate-secret"
    refused = server.asks("POST", address, {"overlap_seconds": overlap})

    assert (refused.status_code, refused.json()["field"]) == (422, "overlap_seconds")


def test_ten_secrets_are_the_most(server: Server) -> None:
    """The eleventh is refused with what can be done."""
    address = f"/endpoints/{first_of(server)['id']}/rotate-secret"
    answers = [server.asks("POST", address, {}) for _number in range(10)]

    assert [answer.status_code for answer in answers] == [201] * 9 + [409]
    assert answers[-1].json()["type"] == "/problems/too_many_secrets"


def test_a_deleted_endpoint_is_gone_and_its_past_is_not(server: Server, run_worker: Work) -> None:
    """204; then nothing finds it and nothing is sent, and what it heard is still written down."""
    pays(server.cast, "order-1")
    run_worker()
    id_ = first_of(server)["id"]
    deleted = server.asks("DELETE", f"/endpoints/{id_}")
    pays(server.cast, "order-2")
    run_worker()

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert server.gets("/endpoints")["data"] == []
    answers = [server.asks(method, f"/endpoints/{id_}{path}", body) for method, path, body in DEEDS]
    assert {(answer.status_code, answer.json()["type"]) for answer in answers} == {
        (404, "/problems/endpoint_not_found")
    }
    assert (len(server.cast.rows(Delivery)), len(server.cast.rows(Attempt))) == (1, 1)
    assert server.cast.told() == ["payment.paid"]


def test_a_deletion_is_told_to_the_owners(server: Server, postbox: Postbox, do_jobs: Callable[[], None]) -> None:
    """A letter names the server that hears nothing any more."""
    server.asks("DELETE", f"/endpoints/{first_of(server)['id']}")
    do_jobs()

    [letter] = postbox.letters
    assert "삭제" in letter["Subject"]


@pytest.mark.parametrize(("method", "path", "body"), DEEDS)
def test_another_merchants_endpoint_is_not_there(
    bakery: Cast, florist: Cast, test_bakery: Cast, serves: Serves, method: str, path: str, body: object
) -> None:
    """The florist's key, and the key of the other mode, find nothing of the bakery's; nor does a made-up id."""
    theirs = first_of(serves(bakery))
    strangers = [serves(florist), serves(test_bakery)]
    answers = [stranger.asks(method, f"/endpoints/{theirs['id']}{path}", body) for stranger in strangers]
    made_up = [encode("end", new_id()), "end_", "evt_" + theirs["id"][4:], "nothing"]
    answers += [serves(bakery).asks(method, f"/endpoints/{id_}{path}", body) for id_ in made_up]

    assert {(answer.status_code, answer.json()["type"]) for answer in answers} == {
        (404, "/problems/endpoint_not_found")
    }
    assert first_of(serves(bakery)) == theirs


@pytest.mark.parametrize(("method", "path", "body"), [("POST", "", {"url": URL}), *DEEDS[1:]])
def test_a_reading_key_changes_nothing(bakery: Cast, serves: Serves, method: str, path: str, body: object) -> None:
    """What writes needs endpoints:write."""
    reader = serves(bakery, "endpoints:read")
    before = first_of(reader)
    id_ = f"/{before['id']}" if (method, path) != ("POST", "") else ""
    refused = reader.asks(method, f"/endpoints{id_}{path}", body)

    assert (refused.status_code, "endpoints:write" in refused.json()["detail"]) == (403, True)
    assert server_sees(reader) == [before]


def server_sees(server: Server) -> list[dict[str, Any]]:
    documents: list[dict[str, Any]] = server.gets("/endpoints")["data"]
    return documents


def test_a_list_of_many_asks_as_often_as_a_list_of_one(server: Server) -> None:
    """The number of queries does not grow with the list."""
    client = Client(headers={"Authorization": f"Bearer {server.key}"})

    def counted() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/api/v1/endpoints").status_code == 200
        return len(queries)

    counted()
    few = counted()
    for _number in range(MOST_ENDPOINTS - 1):
        made(server, headers={"x-key": "not-a-secret"})
    [row, *_] = server.cast.rows(Endpoint)
    with inside(server.cast.merchant.schema_name):
        pause_endpoint(server.cast.route, row.id, actor="tests", at=datetime.now(UTC))

    assert counted() == few
    assert len(server.gets("/endpoints", limit=100)["data"]) == MOST_ENDPOINTS
