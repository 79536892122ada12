"""Payments through the API: as their newest event tells them, asked about again, and a review ended."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from django.db.models import F

from deploy.demo.mischief import Fault
from results.core.ids import encode
from results.models import Payment
from tenants.models import AuditEntry, Duty
from tenants.routing import inside
from tests.api.conftest import Server, Serves
from tests.api.flow_stage import Work, has_much, pays, pays_too_little, publishes, queries_of, snapshot
from tests.factories import Cast

BESIDE = {"object", "livemode", "order", "event", "checked_at"}  # what a payment says beside its event
REASON = "The customer paid the rest in the shop."


def as_told(payment: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payment.items() if name not in BESIDE}


def test_a_payment_is_as_its_newest_event_tells_it(server: Server, bakery: Cast, run_worker: Work) -> None:
    """Money, times, verification and checks are those of the event's `data.payment`, field by field."""
    payment = server.gets(f"/payments/{pays(bakery, run_worker)}")

    [event] = bakery.events("order-1")
    assert as_told(payment) == event["data"]["payment"]
    assert (payment["object"], payment["livemode"], payment["order"]) == ("payment", True, "order-1")
    assert payment["event"] == event["id"]


@pytest.mark.parametrize("what", ["refund", "failure", "account", "abandoned"])
def test_every_kind_of_payment_is_as_it_was_told(server: Server, bakery: Cast, run_worker: Work, what: str) -> None:
    """Cancellations, failures, bank accounts and what only a browser said come back as they were told."""
    bakery.expects("order-1")
    imp_uid = "" if what == "abandoned" else bakery.opens_window("order-1")
    match what:
        case "refund":
            bakery.portone.approve(imp_uid)
            run_worker()
            bakery.portone.cancel(imp_uid, amount=900)
        case "failure":
            bakery.portone.fail(imp_uid)
            bakery.is_called_about(imp_uid, "order-1", "failed")
        case "account":
            bakery.portone.issue_account(imp_uid)
        case "abandoned":
            bakery.lands(merchant_uid="order-1", imp_success="false", error_msg="사용자가 결제를 취소하셨습니다")
    run_worker(until=lambda: len(bakery.events("order-1")) == (2 if what == "refund" else 1))

    [payment] = server.gets("/payments", order="order-1")["data"]

    assert as_told(payment) == bakery.events("order-1")[-1]["data"]["payment"]


def test_an_event_links_to_its_payment(server: Server, bakery: Cast, run_worker: Work) -> None:
    """`links.payment` of an event is the payment's address in the API."""
    name = pays(bakery, run_worker)

    [event] = bakery.events("order-1")
    read = httpx.get(event["links"]["payment"], headers={"Authorization": f"Bearer {server.key}"}, trust_env=False)

    assert read.json()["id"] == name


def test_what_was_not_told_has_the_same_shape(server: Server, bakery: Cast, run_worker: Work) -> None:
    """A window that was merely opened is no news, and is shown in the words of events all the same."""
    pays(bakery, run_worker)
    publishes(bakery, snapshot(2, status="ready", paid_at=None))

    opened, paid = server.gets("/payments")["data"]

    assert (opened["status"], opened["event"], opened["version"], opened["money_moved"]) == ("pending", None, 0, False)
    assert opened["amount"] | {"total": 64900, "captured": 0} == opened["amount"]
    assert opened.keys() == paid.keys()
    assert opened["verification"].keys() == paid["verification"].keys()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [5, 4, 3, 2, 1]),
        ({"status": "paid"}, [5, 1]),
        ({"status": "failed"}, [2]),
        ({"order": "order-3"}, [3]),
        ({"order": "order-9"}, []),
        ({"imp_uid": "imp_000000000004"}, [4]),
        ({"method": "easy_pay"}, [2]),
        ({"method": "unknown"}, [5]),
        ({"method": "card", "status": "paid"}, [1]),
        ({"needs_review": "true"}, [3]),
        ({"needs_review": "false"}, [5, 4, 2, 1]),
        ({"created_before": "2026-01-01T00:00:00Z"}, []),
    ],
)
def test_payments_are_found(server: Server, bakery: Cast, query: dict[str, str], found: list[int]) -> None:
    """By state, order, PortOne's id, method, time, and whether a person has to look; newest first."""
    for order in ("order-3", "order-4"):
        bakery.expects(order, 100)
    names = publishes(
        bakery,
        snapshot(1),
        snapshot(2, status="failed", paid_at=None, pay_method="kakaopay", fail_reason="한도 초과"),
        snapshot(3),
        snapshot(4),
        snapshot(5, pay_method="brand_new"),
    )
    ended = server.asks("POST", f"/payments/{names[3]}/resolve", {"decision": "reject", "reason": REASON})
    assert ended.status_code == 200

    payments = server.gets("/payments", **query)["data"]

    assert [payment["id"] for payment in payments] == [names[number - 1] for number in found]


@pytest.mark.parametrize(
    "query", ["status=done", "method=cash", "needs_review=maybe", "order=%00", "imp_uid=%00", "payment=1"]
)
def test_a_bad_filter_is_named(server: Server, query: str) -> None:
    """A filter that means nothing is refused by its name."""
    refused = server.asks("GET", f"/payments?{query}")

    assert (refused.status_code, refused.json()["field"]) == (422, query.partition("=")[0])


@pytest.mark.parametrize(
    "id_", ["x", "pay_", "pay_01KB3Z5W8E9M2Q4T6V8X0Z1B3D", "evt_01KB3Z5W8E9M2Q4T6V8X0Z1B3D", "%00"]
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("GET", "/story"), ("POST", "/refresh"), ("POST", "/resolve")]
)
def test_what_is_not_there_is_not_found(server: Server, method: str, path: str, id_: str) -> None:
    """An id of nothing, or of another kind, is a 404 wherever it stands."""
    body = {"decision": "accept", "reason": REASON} if path == "/resolve" else None
    answer = server.asks(method, f"/payments/{id_}{path}", body)

    assert answer.status_code == (422 if id_ == "%00" else 404)


def test_nothing_of_another_merchant_or_mode_is_found(
    server: Server, bakery: Cast, florist: Cast, test_bakery: Cast, serves: Serves, run_worker: Work
) -> None:
    """The florist's key, and the bakery's of test mode, find no payment of the bakery's."""
    name = pays_too_little(bakery, run_worker)
    decision = {"decision": "accept", "reason": REASON}

    for stranger in (serves(florist), serves(test_bakery)):
        answers = [stranger.asks("GET", f"/payments/{name}{path}") for path in ("", "/story")]
        answers += [stranger.asks("POST", f"/payments/{name}/refresh")]
        answers += [stranger.asks("POST", f"/payments/{name}/resolve", decision)]
        assert [answer.status_code for answer in answers] == [404] * 4
        assert {answer.json()["type"] for answer in answers} == {"/problems/payment_not_found"}
        assert stranger.gets("/payments")["data"] == []
        assert stranger.gets("/payments", order="order-1")["data"] == []


def test_a_hundred_cost_as_much_as_one(server: Server, bakery: Cast) -> None:
    """A list of a hundred payments costs a constant number of queries."""
    has_much(bakery)

    one, few = queries_of(server, "/payments?limit=1")
    hundred, many = queries_of(server, "/payments?limit=100")

    assert (one, hundred) == (1, 100)
    assert few == many == 2


class TestRefresh:
    """POST /payments/{id}/refresh: PortOne is asked again."""

    def test_a_refresh_makes_a_question_due(self, server: Server, bakery: Cast, run_worker: Work) -> None:
        """What PortOne says now is heard soon, although no webhook came; the answer says when it was asked before."""
        name = pays(bakery, run_worker)
        [imp_uid] = [row.imp_uid for row in bakery.rows(Payment)]
        before = server.gets(f"/payments/{name}")["checked_at"]
        bakery.portone.cancel(imp_uid, webhook=False)

        answer = server.asks("POST", f"/payments/{name}/refresh")
        run_worker()

        assert (answer.status_code, answer.json()["payment"]) == (202, name)
        assert answer.json()["asked_at"] == before < answer.json()["due_at"]
        payment = server.gets(f"/payments/{name}")
        assert (payment["status"], payment["checked_at"] > before) == ("cancelled", True)

    def test_a_refresh_without_news_moves_checked_at(self, server: Server, bakery: Cast, run_worker: Work) -> None:
        """Whoever waits for the answer sees that it has come, although nothing is new."""
        name = pays(bakery, run_worker)
        before = server.gets(f"/payments/{name}")

        server.asks("POST", f"/payments/{name}/refresh")
        run_worker()

        after = server.gets(f"/payments/{name}")
        assert after["checked_at"] > before["checked_at"]
        assert as_told(after) == as_told(before)

    def test_many_refreshes_are_one_question(self, server: Server, bakery: Cast, run_worker: Work) -> None:
        """Whoever presses again and again asks PortOne once."""
        name = pays(bakery, run_worker)

        for _ in range(5):
            assert server.asks("POST", f"/payments/{name}/refresh").status_code == 202

        assert Duty.objects.filter(kind=Duty.Kind.ASK).count() == 1

    def test_what_only_a_browser_named_cannot_be_asked_about(
        self, server: Server, bakery: Cast, run_worker: Work
    ) -> None:
        """A payment that PortOne has not named is refused with a reason."""
        bakery.expects("order-1")
        bakery.lands(merchant_uid="order-1", imp_success="false", error_msg="사용자가 결제를 취소하셨습니다")
        run_worker(until=lambda: bool(bakery.told("order-1")))
        [payment] = server.gets("/payments")["data"]

        refused = server.asks("POST", f"/payments/{payment['id']}/refresh")

        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/payment_unnamed")


class TestReading:
    """GET /payments/{id} of what waits for money."""

    def waits(self, bakery: Cast, run_worker: Work) -> str:
        """Let a customer be given an account, long enough ago; the payment's id in the API."""
        bakery.expects("order-1")
        imp_uid = bakery.opens_window("order-1", pay_method="vbank")
        bakery.portone.issue_account(imp_uid)
        run_worker(until=lambda: bool(bakery.told("order-1")))
        with inside(bakery.merchant.schema_name):
            Payment.objects.update(observed_at=F("observed_at") - timedelta(seconds=11))
        Duty.objects.all().delete()
        bakery.portone.deposit(imp_uid, webhook=False)
        return encode("pay", bakery.payment(imp_uid).id)

    def test_reading_asks_about_what_waits_for_money(self, server: Server, bakery: Cast, run_worker: Work) -> None:
        """Whoever looks for a deposit whose webhook was lost finds it soon."""
        name = self.waits(bakery, run_worker)

        assert server.gets(f"/payments/{name}")["status"] == "awaiting_deposit"
        run_worker()

        assert server.gets(f"/payments/{name}")["status"] == "paid"

    def test_what_was_just_asked_or_is_paid_is_not_asked_again(
        self, server: Server, bakery: Cast, run_worker: Work
    ) -> None:
        """Reading again and again costs no question of PortOne's."""
        name = self.waits(bakery, run_worker)
        with inside(bakery.merchant.schema_name):
            Payment.objects.update(observed_at=datetime.now(UTC))
        server.gets(f"/payments/{name}")
        with inside(bakery.merchant.schema_name):
            Payment.objects.update(observed_at=datetime(2026, 1, 1, tzinfo=UTC), status="paid")
        server.gets(f"/payments/{name}")

        assert not Duty.objects.filter(kind=Duty.Kind.ASK).exists()


class TestResolve:
    """POST /payments/{id}/resolve: a review ends."""

    @pytest.mark.parametrize(
        ("decision", "status", "said", "order"),
        [("accept", "paid", "accepted", "paid"), ("reject", "review", "rejected", "registered")],
    )
    def test_a_review_ends(
        self, server: Server, bakery: Cast, run_worker: Work, decision: str, status: str, said: str, order: str
    ) -> None:
        """Accepted it counts, rejected it does not; both are told, and the audit says which key decided."""
        name = pays_too_little(bakery, run_worker)

        ended = server.asks("POST", f"/payments/{name}/resolve", {"decision": decision, "reason": f" {REASON} "})
        run_worker()

        assert ended.status_code == 200, ended.text
        assert (ended.json()["status"], ended.json()["resolution"]["decision"]) == (status, said)
        event = bakery.events("order-1")[-1]
        assert event["type"] == "payment.review.resolved"
        assert event["data"]["payment"] == as_told(ended.json())
        assert event["data"]["payment"]["resolution"]["reason"] == REASON
        assert server.gets("/orders/order-1")["status"] == order
        entry = AuditEntry.objects.get(action="review.resolved")
        assert (entry.actor, entry.subject) == (f"API key {server.row.prefix}", name)

    def test_a_review_ends_once(self, server: Server, bakery: Cast, run_worker: Work) -> None:
        """Whoever is second, or decides about a payment without a review, is told so, in their language."""
        name = pays_too_little(bakery, run_worker)
        server.asks("POST", f"/payments/{name}/resolve", {"decision": "reject", "reason": REASON})

        decision = {"decision": "accept", "reason": REASON}
        again = server.asks("POST", f"/payments/{name}/resolve", decision, Accept_Language="ko")

        assert (again.status_code, again.json()["type"]) == (409, "/problems/not_under_review")
        assert "검토" in again.json()["detail"]

    def test_whoever_saw_something_else_decides_nothing(self, server: Server, bakery: Cast, run_worker: Work) -> None:
        """With If-Match a decision holds for what was seen only."""
        name = pays_too_little(bakery, run_worker)
        seen = server.asks("GET", f"/payments/{name}").headers["etag"]
        decision = {"decision": "accept", "reason": REASON}

        stale = server.asks("POST", f"/payments/{name}/resolve", decision, If_Match='"something-else"')
        fresh = server.asks("POST", f"/payments/{name}/resolve", decision, If_Match=seen)

        assert (stale.status_code, fresh.status_code) == (412, 200)
        assert fresh.headers["etag"] == server.asks("GET", f"/payments/{name}").headers["etag"]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"decision": "accept"}, "reason"),
            ({"decision": "accept", "reason": "  "}, "reason"),
            ({"decision": "accept", "reason": "x" * 301}, "reason"),
            ({"decision": "accept", "reason": "\x00"}, "reason"),
            ({"decision": "accepted", "reason": REASON}, "decision"),
            ({"decision": "accept", "reason": REASON, "colour": "red"}, "colour"),
        ],
    )
    def test_a_bad_field_is_named(self, server: Server, bakery: Cast, body: dict[str, str], field: str) -> None:
        """A refusal names the field, and nothing is decided."""
        [name] = publishes(bakery, snapshot(1, sandbox=True))

        refused = server.asks("POST", f"/payments/{name}/resolve", body)

        assert (refused.status_code, refused.json()["field"]) == (422, field)
        assert server.gets(f"/payments/{name}")["resolution"] is None

    def test_a_key_that_may_only_read_decides_nothing(self, bakery: Cast, serves: Serves, run_worker: Work) -> None:
        """Ending a review and asking again need payments:write."""
        name, reader = pays_too_little(bakery, run_worker), serves(bakery, "payments:read")

        answers = [reader.asks("POST", f"/payments/{name}/{deed}", {}) for deed in ("resolve", "refresh")]

        assert [answer.status_code for answer in answers] == [403, 403]


class TestStory:
    """GET /payments/{id}/story: what `explain` says, as data."""

    def test_a_story_tells_all(self, server: Server, bakery: Cast, run_worker: Work, make_due: Work) -> None:
        """Arrivals, questions, events with their tries, and what is expected, each in its order."""
        bakery.shop.faults.add(Fault(kind="status", status=500, times=1))
        name = pays(bakery, run_worker)
        make_due()
        run_worker(until=lambda: len(bakery.shop.received()) == 2)

        story = server.gets(f"/payments/{name}/story")

        assert (story["object"], story["payment"], story["livemode"]) == ("story", name, True)
        assert story["order"]["expected"] == {"amount": 64900, "currency": "KRW", "exponent": 0}
        assert [payment["id"] for payment in story["payments"]] == [name]
        assert [arrival["kind"] for arrival in story["arrivals"]] == ["webhook"]
        assert story["questions"][0]["said"] | {"status": "paid", "amount": "64900"} == story["questions"][0]["said"]
        [event] = story["events"]
        assert (event["type"], event["checks"]["amount"]) == ("payment.paid", "pass")
        [delivery] = event["deliveries"]
        assert [attempt["status"] for attempt in delivery["attempts"]] == [500, 200]
        assert story["left_out"] == []

    def test_a_story_keeps_secrets(self, server: Server, bakery: Cast, run_worker: Work) -> None:
        """Of an endpoint only its host is told, of arrivals nothing sealed, of rows no key."""
        story = server.gets(f"/payments/{pays(bakery, run_worker)}/story")

        text = json.dumps(story)
        assert "/callback" not in text
        assert "sealed" not in text
        assert {"id", "merchant_name"} & story["arrivals"][0].keys() == set()

    def test_a_story_tells_what_is_still_to_be_done(self, server: Server, bakery: Cast, run_worker: Work) -> None:
        """A question that is due stands in the story."""
        name = pays(bakery, run_worker)
        server.asks("POST", f"/payments/{name}/refresh")

        duties = server.gets(f"/payments/{name}/story")["duties"]

        assert [duty["kind"] for duty in duties] == ["ask"]
