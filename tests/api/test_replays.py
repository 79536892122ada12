"""Replays through the API: what would be told to whom, telling it, watching it, and stopping it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from results.core.ids import decode, encode
from results.endpoints import ping
from results.models import Delivery, Endpoint, Event, Replay
from tenants.models import AuditEntry, Duty
from tenants.routing import inside
from tests.api.conftest import Server, Serves
from tests.api.flow_stage import START, Work, endpoint_of, publishes, queries_of, snapshot
from tests.factories import Cast, add_endpoint

NOTHING = "rep_01KB3Z60EA1B2C3D4E5F6G7H8J"
TAKEN = {"delivered_at": START, "heard_at": START}


def written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def ago(**span: int) -> str:
    return written(datetime.now(UTC) - timedelta(**span))


@pytest.fixture
def told(bakery: Cast) -> Cast:
    """Three payments: the first was heard, the second given up, the third is still owed."""
    publishes(bakery, *(snapshot(number) for number in (1, 2, 3)))
    one, two, _three = (row.id for row in bakery.rows(Delivery))
    with inside(bakery.merchant.schema_name):
        Delivery.objects.filter(id=one).update(**TAKEN)
        Delivery.objects.filter(id=two).update(given_up_at=START)
    Duty.objects.filter(reference__in=(one, two)).delete()
    return bakery


def begins(server: Server, **filter: Any) -> dict[str, Any]:
    answer = server.asks("POST", "/replays", {"filter": filter})
    assert answer.status_code == 202, answer.text
    document: dict[str, Any] = answer.json()
    return document


class TestDryRun:
    """`dry_run`: the plan, and nothing else."""

    def test_a_plan_counts_and_changes_nothing(self, server: Server, told: Cast) -> None:
        """It says how many events, how many deliveries, and to whom; nothing is written, owed or enqueued."""
        add_endpoint(told, "https://warehouse.example/in?token=secret", paused_at=START)
        before = [(row.id, row.began_at) for row in told.rows(Delivery)]

        plan = server.asks("POST", "/replays", {"filter": {"undelivered_since": ago(hours=2)}, "dry_run": True})

        assert plan.status_code == 200
        shop, warehouse = plan.json()["shares"]
        assert (plan.json()["object"], plan.json()["events"], plan.json()["deliveries"]) == ("replay_plan", 3, 5)
        assert (shop["endpoint"], shop["deliveries"], shop["held"]) == (endpoint_of(told, "/callback"), 2, None)
        assert (warehouse["host"], warehouse["deliveries"], warehouse["held"]) == ("warehouse.example", 3, "paused")
        assert "secret" not in plan.text
        assert told.rows(Replay) == []
        assert [(row.id, row.began_at) for row in told.rows(Delivery)] == before
        assert not AuditEntry.objects.filter(action="replay.begun").exists()

    @pytest.mark.parametrize(
        ("filter", "counted"),
        [
            ({"types": ["payment.*"]}, 3),
            ({"types": ["payment.cancelled", "payment.review.*"]}, 0),
            ({"types": ["payment.paid"], "order": "order-2"}, 1),
            ({"order": "order-3"}, 1),
            ({"status": "delivered"}, 1),
            ({"status": "given_up"}, 1),
            ({"status": "undelivered"}, 1),
            ({"undelivered_since": "2026-01-01T00:00:00+09:00"}, 2),
            ({"undelivered_since": "0001-01-01T00:00:00+14:00"}, 2),
            ({"created_from": "2026-01-01T00:00:00Z"}, 3),
            ({"created_before": "2026-01-01T00:00:00Z"}, 0),
            ({"created_before": "9999-12-31T23:59:59-14:00"}, 3),
            ({"event": "the second"}, 1),
            ({"endpoint": "the shop's"}, 3),
        ],
    )
    def test_a_filter_means_what_it_says(
        self, server: Server, told: Cast, filter: dict[str, Any], counted: int
    ) -> None:
        """By types, order, how deliveries stand, time, event and endpoint."""
        if "event" in filter:
            filter = {"event": encode("evt", told.published()[1].id)}
        if "endpoint" in filter:
            filter = {"endpoint": endpoint_of(told)}

        plan = server.asks("POST", "/replays", {"filter": filter, "dry_run": True})

        assert (plan.status_code, plan.json()["deliveries"]) == (200, counted)

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "filter"),
            ({"filter": {}}, "filter"),
            ({"filter": {"types": ["payment.payd"]}}, "filter.types.0"),
            ({"filter": {"types": ["payment.paid", "\x00"]}}, "filter.types.1"),
            ({"filter": {"types": "payment.paid"}}, "filter.types"),
            ({"filter": {"types": ["payment.paid"] * 41}}, "filter.types"),
            ({"filter": {"order": "\x00"}}, "filter.order"),
            ({"filter": {"status": "lost"}}, "filter.status"),
            ({"filter": {"event": "order-1"}}, "filter.event"),
            ({"filter": {"endpoint": "evt_1"}}, "filter.endpoint"),
            ({"filter": {"created_from": "2026-11-21T09:00:00"}}, "filter.created_from"),
            ({"filter": {"created_from": "9999-12-31T23:59:59-14:00"}}, "filter.created_from"),
            ({"filter": {"undelivered_since": "2100-01-01T00:00:00Z"}}, "filter.undelivered_since"),
            ({"filter": {"undelivered_since": written(START), "status": "given_up"}}, "filter.undelivered_since"),
            (
                {"filter": {"undelivered_since": written(START), "created_from": written(START)}},
                "filter.undelivered_since",
            ),
            ({"filter": {"created_from": written(START), "created_before": written(START)}}, "filter.created_before"),
            ({"filter": {"order": "order-1", "endpoints": []}}, "filter.endpoints"),
            ({"filter": {"order": "order-1"}, "dry_run": "yes"}, "dry_run"),
            ({"filter": {"order": "order-1"}, "dryrun": True}, "dryrun"),
        ],
    )
    def test_a_bad_filter_is_named(self, server: Server, told: Cast, body: dict[str, Any], field: str) -> None:
        """A wish that means nothing, everything or two things is refused by the name of its field."""
        refused = server.asks("POST", "/replays", body)

        assert (refused.status_code, refused.json()["field"]) == (422, field)
        assert told.rows(Replay) == []

    @pytest.mark.parametrize(
        ("filter", "kind"),
        [
            ({"event": "evt_01KB3Z60C7A1B2C3D4E5F6G7H8"}, "event"),
            ({"endpoint": "end_01KB3Z60CA1B2C3D4E5F6G7H8J"}, "endpoint"),
            ({"order": "order-9"}, "order"),
        ],
    )
    def test_what_is_named_has_to_be_there(self, server: Server, told: Cast, filter: dict[str, str], kind: str) -> None:
        """An event, endpoint or order that this mode does not have is a 404 that names the field."""
        refused = server.asks("POST", "/replays", {"filter": filter, "dry_run": True})

        assert (refused.status_code, refused.json()["type"]) == (404, f"/problems/{kind}_not_found")
        assert refused.json()["field"] == f"filter.{kind}"

    def test_a_ping_is_not_told_again(self, server: Server, bakery: Cast) -> None:
        """A ping was for one moment."""
        with inside(bakery.merchant.schema_name):
            endpoint = decode(endpoint_of(bakery), prefix="end")
            assert endpoint
            event = ping(bakery.route, endpoint, at=START)

        refused = server.asks("POST", "/replays", {"filter": {"event": encode("evt", event.id)}})

        assert (refused.status_code, refused.json()["field"]) == (422, "filter.event")


def test_what_was_missed_is_told_again(server: Server, told: Cast, run_worker: Work, do_jobs: Work) -> None:
    """The replay is begun by its key, a worker does it, and its progress is read until all was told."""
    wish = {"undelivered_since": ago(hours=2)}
    begun = begins(server, **wish)

    assert (begun["state"], begun["expected"], begun["made"]) == ("running", 2, 0)
    do_jobs()
    run_worker()

    done = server.gets(f"/replays/{begun['id']}")
    assert (done["state"], done["made"], done["delivered"], done["undelivered"]) == ("finished", 2, 2, 0)
    assert done["ended_at"] is not None
    assert done["filter"] | {"types": [], "order": None, "event": None, "created_from": None} == done["filter"]
    assert datetime.fromisoformat(done["filter"]["undelivered_since"]) <= datetime.fromisoformat(
        wish["undelivered_since"]
    )
    assert sorted(told.told()) == ["payment.paid"] * 2
    assert {received.headers["x-paywitness-replay"] for received in told.shop.received()} == {"true"}
    entry = AuditEntry.objects.get(action="replay.begun")
    assert (entry.actor, entry.subject) == (f"API key {server.row.prefix}", begun["id"])


def test_a_replay_to_one_endpoint_leaves_the_others_alone(server: Server, told: Cast, do_jobs: Work) -> None:
    """An endpoint that was made later hears what was told before its time, and nobody else hears it again."""
    add_endpoint(told, "https://warehouse.example/in")
    begun = begins(server, types=["payment.*"], endpoint=endpoint_of(told, "warehouse"))

    do_jobs()

    assert server.gets(f"/replays/{begun['id']}")["made"] == 3
    made = [row for row in told.rows(Delivery) if row.replay_id]
    assert {encode("end", row.endpoint_id) for row in made} == {endpoint_of(told, "warehouse")}
    assert server.gets(f"/replays/{begun['id']}")["filter"]["endpoint"] == endpoint_of(told, "warehouse")


def test_the_same_replay_again_is_one(server: Server, told: Cast) -> None:
    """With an Idempotency-Key a replay that is asked for twice is one."""
    body = {"filter": {"order": "order-1"}}

    answers = [server.asks("POST", "/replays", body, Idempotency_Key="k-1") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert len(told.rows(Replay)) == 1


def test_a_replay_is_stopped(server: Server, told: Cast, do_jobs: Work) -> None:
    """What had ended before ends again, what was owed stays owed, and stopping twice is refused."""
    begun = begins(server, types=["payment.*"])
    do_jobs()

    stopped = server.asks("POST", f"/replays/{begun['id']}/cancel")
    again = server.asks("POST", f"/replays/{begun['id']}/cancel", Accept_Language="ko")

    assert (stopped.status_code, stopped.json()["state"]) == (200, "cancelled")
    assert (stopped.json()["delivered"], stopped.json()["given_up"], stopped.json()["undelivered"]) == (1, 1, 1)
    assert (again.status_code, again.json()["type"]) == (409, "/problems/nothing_to_cancel")
    assert "재전송" in again.json()["detail"]
    assert AuditEntry.objects.get(action="replay.cancelled").actor == f"API key {server.row.prefix}"


def test_replays_are_listed_by_how_far_they_are(server: Server, told: Cast, do_jobs: Work) -> None:
    """Newest first, all or those in one state; a state that there is not is refused."""
    first = begins(server, order="order-1")
    do_jobs()
    second = begins(server, order="order-2")

    assert [replay["id"] for replay in server.gets("/replays")["data"]] == [second["id"], first["id"]]
    assert [replay["id"] for replay in server.gets("/replays", state="running")["data"]] == [second["id"]]
    assert [replay["id"] for replay in server.gets("/replays", state="finished")["data"]] == [first["id"]]
    assert server.asks("GET", "/replays?state=lost").json()["field"] == "state"


@pytest.mark.parametrize("id_", ["x", NOTHING, "evt_01KB3Z60C7A1B2C3D4E5F6G7H8"])
@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/cancel")])
def test_what_is_not_there_is_not_found(server: Server, method: str, path: str, id_: str) -> None:
    """An id of nothing, or of another kind, is a 404."""
    answer = server.asks(method, f"/replays/{id_}{path}")

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/replay_not_found")


def test_nothing_of_another_merchant_or_mode_is_found(
    server: Server, told: Cast, florist: Cast, test_bakery: Cast, serves: Serves
) -> None:
    """The florist's key, and the bakery's of test mode, see, stop and begin nothing of the bakery's."""
    replay = begins(server, order="order-1")["id"]
    named = [
        {"order": "order-1"},
        {"event": encode("evt", told.rows(Event)[0].id)},
        {"endpoint": encode("end", next(row.id for row in told.rows(Endpoint) if row.mode == "live"))},
    ]

    for stranger in (serves(florist), serves(test_bakery)):
        assert stranger.asks("GET", f"/replays/{replay}").status_code == 404
        assert stranger.asks("POST", f"/replays/{replay}/cancel").status_code == 404
        assert stranger.gets("/replays")["data"] == []
        assert [stranger.asks("POST", "/replays", {"filter": one}).status_code for one in named] == [404] * 3
        plan = stranger.asks("POST", "/replays", {"filter": {"types": ["*"]}, "dry_run": True})
        assert (plan.status_code, plan.json()["events"]) == (200, 0)
    assert server.gets(f"/replays/{replay}")["state"] == "running"


def test_a_key_that_may_only_read_tells_nothing(bakery: Cast, serves: Serves) -> None:
    """Telling again needs deliveries:write, for the plan as well."""
    reader = serves(bakery, "events:read")

    assert reader.asks("POST", "/replays", {"filter": {"order": "order-1"}, "dry_run": True}).status_code == 403
    assert reader.asks("POST", f"/replays/{NOTHING}/cancel").status_code == 403


def test_a_hundred_cost_as_much_as_one(server: Server, told: Cast) -> None:
    """A list of a hundred replays costs a constant number of queries."""
    with inside(told.merchant.schema_name):
        fields = {"mode": "live", "wish": {"order": "order-1"}, "actor": "a test", "expected": 1, "created_at": START}
        Replay.objects.bulk_create(Replay(**fields) for _ in range(100))

    one, few = queries_of(server, "/replays?limit=1")
    hundred, many = queries_of(server, "/replays?limit=100")

    assert (one, hundred) == (1, 100)
    assert few == many == 2
