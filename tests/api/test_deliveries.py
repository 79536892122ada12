"""Deliveries through the API: who heard what, what they answered, and sending it again."""

import pytest

from deploy.demo.mischief import Fault
from results.core.ids import decode, encode
from results.endpoints import ping
from results.models import Delivery, Endpoint, Replay
from tenants.models import AuditEntry, Duty
from tenants.routing import inside
from tests.api.conftest import Server, Serves
from tests.api.flow_stage import (
    START,
    Work,
    delivery_of,
    endpoint_of,
    has_much,
    pays,
    publishes,
    queries_of,
    snapshot,
)
from tests.factories import Cast, add_endpoint

NOTHING = "dlv_01KB3Z60D1E2F3G4H5J6K7M8N9"


def told(server: Server, cast: Cast) -> str:
    """Publish one payment; the id of its delivery to the shop, which nobody has tried yet."""
    publishes(cast, snapshot(1))
    [event] = server.gets("/events")["data"]
    return delivery_of(cast, event["id"], "/callback")


def test_a_delivery_says_what_was_answered_each_time(
    server: Server, bakery: Cast, run_worker: Work, make_due: Work
) -> None:
    """Each attempt has its number, trigger, time, status and the answer as text, oldest first."""
    bakery.shop.faults.add(Fault(kind="status", status=500, body="데이터베이스가 쉬고 있어요", times=1))
    pays(bakery, run_worker)
    make_due()
    run_worker(until=lambda: len(bakery.shop.received()) == 2)
    run_worker()

    [listed] = server.gets("/deliveries")["data"]
    delivery = server.gets(f"/deliveries/{listed['id']}")

    [event] = bakery.events("order-1")
    assert {name: value for name, value in delivery.items() if name != "attempts"} == listed
    assert (delivery["event"], delivery["event_type"], delivery["state"]) == (event["id"], "payment.paid", "delivered")
    assert (delivery["endpoint"], delivery["tries"]) == (endpoint_of(bakery), 2)
    assert delivery["delivered_at"] == delivery["heard_at"] is not None
    first, second = delivery["attempts"]
    assert (first["number"], first["status"], first["error"]) == (1, 500, None)
    assert first["answer"] == "데이터베이스가 쉬고 있어요"
    assert (second["number"], second["status"], second["trigger"]) == (2, 200, "schedule")
    assert first["started_at"] < second["started_at"]


def test_a_fault_of_the_line_is_told_coarsely(server: Server, bakery: Cast, run_worker: Work) -> None:
    """Where no answer came there is a word for the fault, and no status; what the operator reads is not told."""
    bakery.shop.faults.add(Fault(kind="close", times=1))
    name = told(server, bakery)
    run_worker(until=lambda: server.gets(f"/deliveries/{name}")["tries"] == 1)

    delivery = server.gets(f"/deliveries/{name}")

    [attempt] = delivery["attempts"]
    assert (attempt["status"], attempt["error"], attempt["answer"]) == (None, "protocol", "")
    assert "detail" not in attempt
    assert (delivery["state"], delivery["next_at"] > attempt["started_at"]) == ("undelivered", True)


def test_an_answer_is_cut_and_harmless(server: Server, bakery: Cast, run_worker: Work) -> None:
    """Of an answer the first 16 KiB are kept, and characters that turn text around are left out."""
    bakery.shop.faults.add(Fault(kind="status", status=200, body="\u202eabc" + "x" * 20_000, times=1))
    pays(bakery, run_worker)
    [listed] = server.gets("/deliveries")["data"]

    [attempt] = server.gets(f"/deliveries/{listed['id']}")["attempts"]

    assert attempt["answer"].startswith("abcx")
    assert len(attempt["answer"].encode()) <= 16 * 1024
    assert attempt["truncated"] is True


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=undelivered", "3"),
        ("state=delivered", "1"),
        ("state=given_up", "2"),
        ("", "3 2 1"),
        ("event={event}", "2"),
        ("endpoint={endpoint}", "3 2 1"),
        ("endpoint=end_01KB3Z60CA1B2C3D4E5F6G7H8J", ""),
        ("event={event}&state=delivered", ""),
        ("created_before=2026-01-01T00:00:00Z", ""),
    ],
)
def test_deliveries_are_found(server: Server, bakery: Cast, query: str, found: str) -> None:
    """By event, endpoint, how they stand, and time; newest first."""
    publishes(bakery, *(snapshot(number) for number in (1, 2, 3)))
    one, two, three = bakery.rows(Delivery)
    with inside(bakery.merchant.schema_name):
        Delivery.objects.filter(id=one.id).update(delivered_at=START)
        Delivery.objects.filter(id=two.id).update(given_up_at=START)
    query = query.format(event=encode("evt", two.event_id), endpoint=endpoint_of(bakery))

    deliveries = server.gets(f"/deliveries?{query}" if query else "/deliveries")["data"]

    names = {encode("dlv", row.id): number for number, row in zip("123", (one, two, three), strict=True)}
    assert " ".join(names[delivery["id"]] for delivery in deliveries) == found


@pytest.mark.parametrize("query", ["state=lost", "event=order-1", "endpoint=evt_1", "endpoint=%00", "order=order-1"])
def test_a_bad_filter_is_named(server: Server, query: str) -> None:
    """A state that there is not, or an id of another kind, is refused by name."""
    refused = server.asks("GET", f"/deliveries?{query}")

    assert (refused.status_code, refused.json()["field"]) == (422, query.partition("=")[0])


@pytest.mark.parametrize("id_", ["x", NOTHING, "evt_01KB3Z60C7A1B2C3D4E5F6G7H8"])
@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/retry")])
def test_what_is_not_there_is_not_found(server: Server, method: str, path: str, id_: str) -> None:
    """An id of nothing, or of another kind, is a 404."""
    answer = server.asks(method, f"/deliveries/{id_}{path}")

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/delivery_not_found")


def test_nothing_of_another_merchant_or_mode_is_found(
    server: Server, bakery: Cast, florist: Cast, test_bakery: Cast, serves: Serves
) -> None:
    """The florist's key, and the bakery's of test mode, find no delivery of the bakery's and send none."""
    name = told(server, bakery)

    for stranger in (serves(florist), serves(test_bakery)):
        assert stranger.asks("GET", f"/deliveries/{name}").status_code == 404
        assert stranger.asks("POST", f"/deliveries/{name}/retry").status_code == 404
        assert stranger.gets("/deliveries")["data"] == []
        assert stranger.gets("/deliveries", endpoint=endpoint_of(bakery, "/callback"))["data"] == []
    assert bakery.rows(Replay) == []


def test_a_hundred_cost_as_much_as_one(server: Server, bakery: Cast) -> None:
    """A list of a hundred deliveries to three endpoints costs a constant number of queries."""
    has_much(bakery)

    one, few = queries_of(server, "/deliveries?limit=1")
    hundred, many = queries_of(server, "/deliveries?limit=100")

    assert (one, hundred) == (1, 100)
    assert few == many == 2


class TestRetry:
    """POST /deliveries/{id}/retry: one delivery begins a new round."""

    def test_what_was_heard_is_sent_again(self, server: Server, bakery: Cast, run_worker: Work) -> None:
        """The same bytes come again, marked as a replay, and the delivery says so at once."""
        pays(bakery, run_worker)
        [listed] = server.gets("/deliveries")["data"]

        again = server.asks("POST", f"/deliveries/{listed['id']}/retry")

        assert again.status_code == 202, again.text
        assert (again.json()["state"], again.json()["heard_at"]) == ("undelivered", listed["heard_at"])
        assert again.json()["next_at"] is not None
        run_worker(until=lambda: len(bakery.shop.received()) == 2)
        run_worker()
        first, second = bakery.shop.received()
        assert (second.body, second.headers["x-paywitness-replay"]) == (first.body, "true")
        delivery = server.gets(f"/deliveries/{listed['id']}")
        assert (delivery["state"], delivery["tries"]) == ("delivered", 2)
        assert [attempt["trigger"] for attempt in delivery["attempts"]] == ["schedule", "replay"]

    def test_a_retry_is_a_replay_that_is_done(
        self, server: Server, bakery: Cast, run_worker: Work, do_jobs: Work
    ) -> None:
        """It stands among the replays, made whole at once, is audited, and its job does nothing more."""
        name = told(server, bakery)
        retried = server.asks("POST", f"/deliveries/{name}/retry").json()

        do_jobs()

        replay = server.gets(f"/replays/{retried['replay']}")
        assert (replay["state"], replay["expected"], replay["made"]) == ("finished", 1, 1)
        assert Duty.objects.filter(kind__in=(Duty.Kind.DELIVER, Duty.Kind.REDELIVER)).count() == 1
        entry = AuditEntry.objects.get(action="replay.begun")
        assert (entry.actor, entry.subject) == (f"API key {server.row.prefix}", retried["replay"])

    def test_only_the_one_that_is_named_is_sent(self, server: Server, bakery: Cast, run_worker: Work) -> None:
        """Other endpoints that hear the event are left alone."""
        add_endpoint(bakery, "https://warehouse.example/in")
        name = told(server, bakery)
        server.asks("POST", f"/deliveries/{name}/retry")

        begun = [encode("dlv", row.id) for row in bakery.rows(Delivery) if row.began_at]

        assert begun == [name]

    @pytest.mark.parametrize(("column", "held"), [("paused_at", "paused"), ("opened_at", "probed")])
    def test_an_endpoint_that_does_not_listen_is_waited_for(
        self, server: Server, bakery: Cast, column: str, held: str
    ) -> None:
        """While its endpoint is paused or probed, a delivery is noted and waits, and says why."""
        with inside(bakery.merchant.schema_name):
            Endpoint.objects.update(**{column: START})
        name = told(server, bakery)

        again = server.asks("POST", f"/deliveries/{name}/retry")

        assert (again.status_code, again.json()["held"], again.json()["next_at"]) == (202, held, None)

    def test_what_would_not_be_heard_is_refused(self, server: Server, bakery: Cast) -> None:
        """An endpoint that no longer subscribes is told nothing; whoever retries hears why, and nothing is left."""
        name = told(server, bakery)
        with inside(bakery.merchant.schema_name):
            Endpoint.objects.update(events=["payment.cancelled"])

        refused = server.asks("POST", f"/deliveries/{name}/retry", Accept_Language="ko")

        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/not_subscribed")
        assert "payment.paid" in refused.json()["detail"]
        assert bakery.rows(Replay) == []

    def test_a_ping_is_not_repeated(self, server: Server, bakery: Cast) -> None:
        """A ping was for one moment."""
        with inside(bakery.merchant.schema_name):
            endpoint = decode(endpoint_of(bakery), prefix="end")
            assert endpoint
            event = ping(bakery.route, endpoint, at=START)
        name = delivery_of(bakery, encode("evt", event.id))

        refused = server.asks("POST", f"/deliveries/{name}/retry")

        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/ping_not_repeated")

    def test_the_same_retry_again_is_one(self, server: Server, bakery: Cast) -> None:
        """With an Idempotency-Key a retry that is asked for twice is one."""
        name = told(server, bakery)

        answers = [server.asks("POST", f"/deliveries/{name}/retry", Idempotency_Key="k-1") for _ in range(2)]

        assert [answer.status_code for answer in answers] == [202, 202]
        assert answers[0].json() == answers[1].json()
        assert len(bakery.rows(Replay)) == 1

    def test_a_key_that_may_only_read_sends_nothing(self, bakery: Cast, serves: Serves) -> None:
        """Sending again needs deliveries:write."""
        assert serves(bakery, "events:read").asks("POST", f"/deliveries/{NOTHING}/retry").status_code == 403
