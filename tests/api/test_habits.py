"""What every operation of the API has in common: keys, scopes, limits, repeats, lists, tags, languages."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import httpx
import pytest
from structlog.contextvars import get_contextvars

from api import auth
from results.models import Order
from tenants.keys import forget_answers
from tenants.models import IdempotentAnswer
from tenants.routing import inside
from tests.api.conftest import Server, Serves
from tests.factories import Cast

AT_ONCE = 32
CAKE = {"id": "order-1", "amount": 64900}


def test_a_key_says_what_it_may_do(bakery: Cast, serves: Serves) -> None:
    """GET /me names the key, its merchant, its mode and its scopes."""
    me = serves(bakery, "orders:read").gets("/me")

    assert (me["merchant_name"], me["livemode"], me["scopes"]) == ("bakery", True, ["orders:read"])
    assert me["key"].startswith("pwk_live_")


def test_a_key_without_the_scope_is_told_which(bakery: Cast, serves: Serves) -> None:
    """403 names the scope that is missing, and nothing happened."""
    refused = serves(bakery, "orders:read").asks("POST", "/orders", CAKE)

    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/scope_missing")
    assert "orders:write" in refused.json()["detail"]


def test_a_key_that_has_expired_opens_nothing(bakery: Cast, serves: Serves) -> None:
    """From its last moment on a key is as good as none."""
    expired = serves(bakery, expires_at=datetime(2026, 1, 2, tzinfo=UTC))

    assert expired.asks("GET", "/me").status_code == 401


def test_what_could_lead_results_elsewhere_is_asked_for(bakery: Cast) -> None:
    """A usual key writes no endpoints, keys, addresses or settings."""
    usual = Server(bakery, bakery.keys.api_key).gets("/me")["scopes"]

    assert "orders:write" in usual
    assert not {"endpoints:write", "credentials:write", "route_keys:write", "settings:write"} & set(usual)


@pytest.mark.parametrize(
    ("language", "word"), [("ko-KR,en;q=0.5", "주문"), ("en", "order"), ("", "order"), ("fr", "order")]
)
def test_a_problem_is_told_in_the_callers_language(server: Server, language: str, word: str) -> None:
    """Korean or English by Accept-Language, English for whoever does not say."""
    missing = server.asks("GET", "/orders/nothing", Accept_Language=language)

    assert (missing.status_code, word in missing.json()["detail"]) == (404, True)
    assert missing.headers["content-language"] == ("ko" if word == "주문" else "en")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/me", 200), ("GET", "/nothing", 404), ("DELETE", "/orders", 405)]
)
def test_every_answer_has_a_number_that_is_in_the_log(
    server: Server, monkeypatch: pytest.MonkeyPatch, method: str, path: str, status: int
) -> None:
    """The request id of an answer finds its log line, whatever the answer."""
    lines: list[dict[str, object]] = []
    log = SimpleNamespace(info=lambda event, **said: lines.append(get_contextvars() | said))
    monkeypatch.setattr("config.middleware.log", log)

    answered = server.asks(method, path)

    assert answered.status_code == status
    assert [(line["request_id"], line["status"]) for line in lines] == [(answered.headers["request-id"], status)]


def test_what_is_refused_before_an_operation_is_a_problem_too(server: Server) -> None:
    """An unknown address and a wrong method get problem documents."""
    answers = [server.asks("GET", "/nothing"), server.asks("DELETE", "/orders")]

    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert [answer.json()["type"] for answer in answers] == [
        "/problems/no_such_address",
        "/problems/method_not_allowed",
    ]


def test_an_unknown_filter_is_refused_by_name(server: Server) -> None:
    """A filter with a slip of the pen must not return everything."""
    refused = server.asks("GET", "/orders?statsu=paid")

    assert (refused.status_code, refused.json()["field"]) == (422, "statsu")


@pytest.mark.parametrize(
    ("body", "status", "field"), [({"dry_run": True}, 422, "dry_run"), ([], 400, None), ({}, 404, None)]
)
@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "k-1"}])
def test_what_nobody_would_read_is_refused(
    server: Server, body: object, status: int, field: str | None, headers: dict[str, str]
) -> None:
    """An operation that reads no body refuses the fields of one, rather than do what was not meant."""
    refused = server.asks("POST", "/orders/order-1/expire", body, **headers)

    assert (refused.status_code, refused.json().get("field")) == (status, field)


@pytest.mark.parametrize("path", ["/orders", "/orders/order-1/expire"])
@pytest.mark.parametrize(
    ("body", "status"), [(b"nonsense", 400), (b"\xff", 400), (b'{"id":"' + b"x" * 70_000 + b'"}', 413)]
)
def test_a_body_that_cannot_be_read_is_no_fault_of_ours(server: Server, path: str, body: bytes, status: int) -> None:
    """What is no JSON is a 400, and what is too long a 413, with and without an Idempotency-Key."""
    headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
    address = f"{server.cast.web}/api/v1{path}"
    answers = [
        httpx.post(address, content=body, headers=headers | more, trust_env=False)
        for more in ({}, {"Idempotency-Key": "k-1"})
    ]

    assert [answer.status_code for answer in answers] == [status, status]
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}


@pytest.mark.parametrize(
    "type_", ["application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
@pytest.mark.parametrize(
    "body",
    [
        b'{"\\ud800": 1}',
        b'{"id": "\\ud800", "amount": 1}',
        b'{"id": "a", "amount": 1, "metadata": {"\\udfff": "x"}}',
        b'{"id": "a\\u0000", "amount": 1, "name": "\\u0000"}',
        b'{"id": "a", "amount": NaN}',
        b'{"id": "a", "amount": ' + b"9" * 5000 + b"}",
        b'{"id": "a", "amount": 1e999}',
        b'{"id": "a", "amount": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b"null",
        b'"text"',
        b"[1]",
        b"\x00",
    ],
    ids=range(12),
)
@pytest.mark.parametrize("path", ["/orders", "/orders/order-1/expire"])
def test_odd_bodies_are_refused(server: Server, path: str, body: bytes, type_: str) -> None:
    """Half characters, endless numbers, deep nests, no objects, other types: a problem, whatever was sent."""
    headers = {"Authorization": f"Bearer {server.key}", "Content-Type": type_, "Idempotency-Key": "k-1"}
    answer = httpx.post(f"{server.cast.web}/api/v1{path}", content=body, headers=headers, trust_env=False)

    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["type"] in ("/problems/unreadable", "/problems/invalid_field", "/problems/unknown_field")


class TestRepeats:
    """Idempotency-Key: one deed, however often it is asked for."""

    def test_the_same_again_gets_the_same_answer(self, server: Server) -> None:
        """The second answer is the first one, although the order has another price by now."""
        first = server.asks("POST", "/orders", CAKE, Idempotency_Key="k-1")
        server.asks("PUT", "/orders/order-1", {"amount": 100})
        again = server.asks("POST", "/orders", CAKE, Idempotency_Key="k-1")

        assert again.json() == first.json()
        assert again.headers["idempotent-replayed"] == "true"
        assert server.gets("/orders/order-1")["expected"]["amount"] == 100

    def test_the_same_body_written_otherwise_is_the_same(self, server: Server) -> None:
        """The order of fields does not make another request."""
        server.asks("POST", "/orders", CAKE, Idempotency_Key="k-1")
        again = server.asks("POST", "/orders", dict(reversed(CAKE.items())), Idempotency_Key="k-1")

        assert again.headers["idempotent-replayed"] == "true"

    def test_another_request_with_the_key_is_refused(self, server: Server) -> None:
        """One key names one request."""
        server.asks("POST", "/orders", CAKE, Idempotency_Key="k-1")
        other = server.asks("POST", "/orders", CAKE | {"amount": 1}, Idempotency_Key="k-1")

        assert (other.status_code, other.json()["field"]) == (422, "Idempotency-Key")
        assert server.gets("/orders/order-1")["expected"]["amount"] == 64900

    def test_a_refusal_is_kept_as_well(self, server: Server) -> None:
        """What was refused stays refused under its key."""
        first = server.asks("POST", "/orders/order-1/expire", Idempotency_Key="k-1")
        server.asks("POST", "/orders", CAKE)
        again = server.asks("POST", "/orders/order-1/expire", Idempotency_Key="k-1")

        assert first.status_code == again.status_code == 404
        assert again.json() == first.json()

    def test_a_day_later_the_key_is_new(self, server: Server) -> None:
        """An answer is kept for 24 hours."""
        server.asks("POST", "/orders", CAKE, Idempotency_Key="k-1")
        IdempotentAnswer.objects.update(created_at=datetime.now(UTC) - timedelta(hours=24, seconds=1))
        again = server.asks("POST", "/orders", CAKE | {"amount": 1}, Idempotency_Key="k-1")

        assert again.status_code == 200

    def test_what_nobody_may_ask_for_is_forgotten(self, server: Server) -> None:
        """After its day an answer is removed, and no other."""
        server.asks("POST", "/orders", CAKE, Idempotency_Key="k-1")
        IdempotentAnswer.objects.update(created_at=datetime.now(UTC) - timedelta(hours=24, seconds=1))
        server.asks("POST", "/orders", CAKE, Idempotency_Key="k-2")
        forget_answers()

        assert IdempotentAnswer.objects.count() == 1

    def test_a_fault_of_ours_is_not_kept(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """After our own 500 the same request may be made again, and is done."""
        with monkeypatch.context() as broken:
            broken.setattr("api.orders.register_order", None)
            failed = server.asks("POST", "/orders", CAKE, Idempotency_Key="k-1")
        again = server.asks("POST", "/orders", CAKE, Idempotency_Key="k-1")

        assert (failed.status_code, again.status_code) == (500, 200)

    def test_many_at_once_do_it_once(self, server: Server, bakery: Cast) -> None:
        """Of 32 at once with one key one is done; each other hears its answer, or that it is under way."""

        def ask(_number: int) -> int:
            return server.asks("POST", "/orders", CAKE, Idempotency_Key="k-1").status_code

        with ThreadPoolExecutor(AT_ONCE) as crowd:
            counted = Counter(crowd.map(ask, range(AT_ONCE)))

        assert set(counted) <= {200, 409}
        assert counted[200] >= 1
        assert IdempotentAnswer.objects.count() == 1
        with inside(bakery.merchant.schema_name):
            assert Order.objects.filter(merchant_uid="order-1").count() == 1

    @pytest.mark.parametrize("key", ["", "k" * 256])
    def test_a_key_that_is_none_is_named(self, server: Server, key: str) -> None:
        """An empty or endless key is refused, not ignored."""
        refused = server.asks("POST", "/orders", CAKE, Idempotency_Key=key)

        assert (refused.status_code, refused.json()["field"]) == (400, "Idempotency-Key")

    def test_what_was_answered_is_sealed(self, server: Server) -> None:
        """Some answers hold a secret that is shown once: none lies open in the database."""
        server.asks("POST", "/orders", CAKE, Idempotency_Key="k-1")

        assert b"order" not in bytes(IdempotentAnswer.objects.get().sealed)


class TestLimits:
    """How often a key may ask."""

    def test_a_limit_is_exact_under_concurrency(
        self, server: Server, serves: Serves, bakery: Cast, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of 32 at once exactly as many pass as the budget holds; another key has a budget of its own."""
        monkeypatch.setattr(auth, "PER_SECOND", 0.001)
        monkeypatch.setattr(auth, "AT_ONCE", 10)
        with ThreadPoolExecutor(AT_ONCE) as crowd:
            answers = list(crowd.map(lambda _number: server.asks("GET", "/me"), range(AT_ONCE)))

        assert Counter(answer.status_code for answer in answers) == {200: 10, 429: AT_ONCE - 10}
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert (refused.headers["ratelimit-limit"], refused.headers["ratelimit-remaining"]) == ("10", "0")
        assert int(refused.headers["retry-after"]) > 0
        assert {int(answer.headers["ratelimit-remaining"]) for answer in answers} == set(range(10))
        assert serves(bakery).asks("GET", "/me").status_code == 200

    def test_a_key_that_has_rested_may_ask_again(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        """The budget fills up again at the steady rate."""
        monkeypatch.setattr(auth, "AT_ONCE", 1)
        assert server.asks("GET", "/me").status_code == 200

        server.row.__class__.objects.update(spent_until=datetime.now(UTC) - timedelta(seconds=1))

        assert server.asks("GET", "/me").status_code == 200

    def test_a_stranger_cannot_use_up_a_keys_budget(self, server: Server) -> None:
        """Who knows the visible prefix only takes nothing from the budget."""
        stranger = Server(server.cast, f"{server.row.prefix}_{'0' * 32}")

        assert stranger.asks("GET", "/me").status_code == 401
        assert server.row.spent_until is None


class TestLists:
    """Pages of a list."""

    def fill(self, server: Server, *names: str) -> None:
        for name in names:
            server.asks("POST", "/orders", {"id": name, "amount": 100})

    def test_a_list_is_read_page_by_page(self, server: Server) -> None:
        """Newest first, each once, and what arrives meanwhile shifts nothing."""
        self.fill(server, *"abcde")
        first = server.gets("/orders", limit=2)
        self.fill(server, "f")
        second = server.gets("/orders", limit=2, cursor=first["next_cursor"])
        third = server.gets("/orders", limit=2, cursor=second["next_cursor"])

        assert [order["id"] for page in (first, second, third) for order in page["data"]] == list("edcba")
        assert third["next_cursor"] is None

    @pytest.mark.parametrize("cursor", ["x", "cur_", "cur_" + "Z" * 26, "evt_01M7ZCRC0000000000000000000", "%00", "키"])
    def test_a_cursor_that_is_none_is_refused(self, server: Server, cursor: str) -> None:
        """A changed cursor is a 400, never a 500."""
        refused = server.asks("GET", f"/orders?cursor={cursor}")

        assert (refused.status_code, refused.json()["field"]) == (400, "cursor")

    @pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "created_from=yesterday", "status=none"])
    def test_a_bad_filter_is_named(self, server: Server, query: str) -> None:
        """A hundred items at most, and each filter says what it wants."""
        refused = server.asks("GET", f"/orders?{query}")

        assert (refused.status_code, refused.json()["field"]) == (422, query.partition("=")[0])

    @pytest.mark.parametrize("time", ["0", "0.5", "1790000000", "2026-11-21", "2026-11-21T09:00:00"])
    def test_a_time_is_written_with_its_offset(self, server: Server, time: str) -> None:
        """A number is no time, whatever pydantic makes of it, nor is a day or a time of nowhere."""
        asked = server.asks("GET", f"/orders?created_from={time}")
        said = server.asks("POST", "/orders", CAKE | {"expires_at": float(time) if "-" not in time else time})

        assert (asked.status_code, asked.json()["field"]) == (422, "created_from")
        assert (said.status_code, said.json()["field"]) == (422, "expires_at")

    def test_times_of_any_year_are_answered(self, server: Server) -> None:
        """A time before all ids, or long after, is a filter like any other."""
        self.fill(server, "a")

        assert len(server.gets("/orders", created_from="0001-01-01T00:00:00Z")["data"]) == 1
        assert server.gets("/orders", created_before="0001-01-01T00:00:00Z")["data"] == []
        assert server.gets("/orders", created_from="9999-12-31T23:59:59Z")["data"] == []


class TestTags:
    """Two who change the same thing."""

    def test_who_saw_the_newest_may_change_it(self, server: Server) -> None:
        """If-Match with the ETag that was read lets a change through; the answer has the next tag."""
        server.asks("POST", "/orders", CAKE)
        seen = server.asks("GET", "/orders/order-1").headers["etag"]
        changed = server.asks("PATCH", "/orders/order-1", {"amount": 100}, If_Match=seen)

        assert changed.status_code == 200
        assert changed.headers["etag"] == server.asks("GET", "/orders/order-1").headers["etag"] != seen

    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    def test_who_saw_an_older_one_may_not(self, server: Server, method: str) -> None:
        """412, and nothing changed."""
        server.asks("POST", "/orders", CAKE)
        seen = server.asks("GET", "/orders/order-1").headers["etag"]
        server.asks("PUT", "/orders/order-1", {"amount": 100})
        refused = server.asks(method, "/orders/order-1", {"amount": 200}, If_Match=seen)

        assert (refused.status_code, refused.json()["type"]) == (412, "/problems/changed_meanwhile")
        assert server.gets("/orders/order-1")["expected"]["amount"] == 100
