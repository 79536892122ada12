"""PortOne is silent, the database is cut off or down, a sealing key is missing: nothing is lost, nothing invented."""

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from django.db import connection
from django.test import Client

from deploy.demo.mischief import Fault
from results.models import Payment, Verification
from tenants.models import Credential, Duty
from tenants.routing import forget_everything
from tests.factories import Cast
from tests.outages import cut_connections, database_down

Work = Callable[..., None]
Later = Callable[[Cast], None]

IMP = "imp_999999999999"


def waits(cast: Cast) -> float:
    """Return how many seconds after the newest answer the one duty is due."""
    newest = max(row.answered_at for row in cast.rows(Verification))
    return (Duty.objects.get().due_at - newest).total_seconds()


def test_an_unknown_payment_is_asked_about_five_times(bakery: Cast, run_worker: Work, later: Later) -> None:
    """An id that PortOne does not know is asked about after 2 s, 15 s, 60 s and 10 min, and then let go, untold."""
    assert bakery.is_called_about(IMP, "order-1").status_code == 200

    waited = []
    for _ in range(4):
        run_worker()
        waited.append(waits(bakery))
        later(bakery)
    run_worker()

    assert waited == pytest.approx([2, 15, 60, 600], abs=1)
    assert bakery.portone.journal.counts()["payment"] == 5
    assert not Duty.objects.exists()
    assert bakery.notifications()[0].settled_at is not None
    assert [event.type for event in bakery.published()] == ["claim.payment_not_found"]
    assert bakery.told() == []
    assert bakery.rows(Payment) == []


def test_an_unknown_payment_that_appears_is_told(bakery: Cast, run_worker: Work, later: Later) -> None:
    """A webhook that came before PortOne's own API knew the payment is told as soon as it does."""
    bakery.expects("order-1")
    imp_uid = bakery.opens_window("order-1")
    bakery.portone.approve(imp_uid)
    bakery.portone.hide(imp_uid)
    bakery.portone.outbox.wait_for(1)
    run_worker()
    assert bakery.told() == []

    bakery.portone.show(imp_uid)
    later(bakery)
    run_worker()

    assert bakery.told() == ["payment.paid"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="html", status=200),
        Fault(kind="html", status=502),
        Fault(kind="status", status=429, headers={"Retry-After": "1"}),
        Fault(kind="status", status=500),
        Fault(kind="status", status=503),
        Fault(kind="status", status=401),
        Fault(kind="status", status=401, where=("getToken",)),
        Fault(kind="status", status=403),
        Fault(kind="status", status=404, body="not found"),
        Fault(kind="status", status=302, headers={"Location": "/payments/status/paid"}),
        Fault(kind="status", status=200, body='{"code": -1, "message": "no", "response": null}'),
        Fault(kind="status", status=200, body='{"code": 0, "message": null, "response": null}'),
        Fault(kind="status", status=200, body='{"code": 0, "response": {"imp_uid": "imp_1", "status": "failed"}}'),
        Fault(kind="status", status=200, body='{"code": 0, "response": {"status":'),
        Fault(kind="status", status=200, body=""),
        Fault(kind="close"),
        Fault(kind="hang"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}-{(fault.body or '')[:24]}",
)
def test_no_answer_is_no_evidence(bakery: Cast, run_worker: Work, later: Later, fault: Fault) -> None:
    """While PortOne gives no usable answer nothing is told and nothing fails; it is told once PortOne answers again."""
    bakery.expects("order-1")
    imp_uid = bakery.opens_window("order-1")
    bakery.portone.faults.add(fault)
    bakery.portone.approve(imp_uid)
    bakery.portone.outbox.wait_for(1)
    bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true")

    run_worker()
    later(bakery)
    run_worker()

    assert {event.type for event in bakery.published()} <= {"payment.pending", "account.credentials_invalid"}
    assert not set(bakery.told()) & {"payment.pending"}, "a shop hears of waiting only if it asked to"
    assert not any(row.imp_uid for row in bakery.rows(Payment))
    assert {row.answer for row in bakery.rows(Verification)} <= {"unavailable", "refused"}
    assert bakery.order("order-1").status in ("registered", "pending")

    bakery.portone.faults.clear()
    later(bakery)
    run_worker(until=lambda: all(row.settled_at for row in bakery.notifications()))
    run_worker()

    assert bakery.told("order-1") == ["payment.paid"]
    assert all(row.settled_at for row in bakery.notifications())


@pytest.mark.parametrize(("orders", "pauses"), [(["' or 1=1"], False), (["' or 1=1", "<script>"], True)])
def test_one_claim_that_makes_portone_stumble_pauses_nothing(
    bakery: Cast, run_worker: Work, orders: list[str], pauses: bool
) -> None:
    """A proxy's page in answer to one stranger's question says nothing of PortOne; in answer to two it does."""
    bakery.portone.faults.add(Fault(kind="html", status=403, where=("findAll",)))
    for order in orders:
        bakery.lands(merchant_uid=order, imp_success="true")

    run_worker()

    assert (Credential.objects.get(merchant=bakery.merchant, mode="live").paused_until is not None) == pauses
    assert {row.answer for row in bakery.rows(Verification)} == {"unavailable"}


def test_a_token_answered_by_a_proxy_pauses(bakery: Cast, run_worker: Work) -> None:
    """Without a token there is no question at all, so this is about none of them."""
    bakery.portone.faults.add(Fault(kind="html", status=502, where=("getToken",)))
    bakery.lands(merchant_uid="order-1", imp_success="true")

    run_worker()

    assert Credential.objects.get(merchant=bakery.merchant, mode="live").paused_until is not None


def test_a_question_that_portone_rejects_is_let_go(bakery: Cast, run_worker: Work, later: Later) -> None:
    """HTTP 400 about one order is an answer: it is asked about four times more, and then no more."""
    rejected = Fault(kind="status", status=400, body='{"code": -1, "message": "no", "response": null}')
    bakery.portone.faults.add(replace(rejected, where=("findAll",)))
    bakery.lands(merchant_uid="' or 1=1", imp_success="true")

    for _ in range(6):
        run_worker()
        later(bakery)

    assert [row.answer for row in bakery.rows(Verification)] == ["unknown"] * 5
    assert bakery.told() == []
    assert bakery.notifications()[0].settled_at is not None


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
def test_the_first_webhook_after_a_restart_of_the_database_is_taken(bakery: Cast, warm: bool) -> None:
    """A webhook that finds its server's connection cut is written on a fresh one: V1 sends once."""
    url, body = bakery.webhook_url, {"imp_uid": IMP, "merchant_uid": "order-1"}
    with httpx.Client(trust_env=False) as caller:  # one connection, so one thread and its database connection
        assert caller.post(url, json=body).status_code == 200
        cut_connections()
        if not warm:
            forget_everything()
        answers = [caller.post(url, json=body).status_code for _ in range(2)]
    connection.close()

    assert answers == [200, 200]
    assert len(bakery.notifications()) == Duty.objects.count() == 3


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
def test_a_thread_whose_connection_was_cut_takes_webhook_and_landing(bakery: Cast, warm: bool) -> None:
    """The same in the very thread of the request, for both doors."""
    doors = {bakery.webhook_url: 200, bakery.redirect_url: 303}
    client = Client()

    for url, status in doors.items():
        assert client.post(url, {"imp_uid": IMP}, "application/json").status_code == status
        cut_connections()
        if not warm:
            forget_everything()
        assert client.post(url, {"imp_uid": IMP}, "application/json").status_code == status

    assert len(bakery.notifications()) == 4


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
def test_without_a_database_a_webhook_is_to_be_sent_again(bakery: Cast, warm: bool) -> None:
    """What cannot be written down is a 503 that asks for it again, and is taken when the database is back."""
    url, body = bakery.webhook_url, {"imp_uid": IMP, "merchant_uid": "order-1"}
    bakery.is_called_about(IMP, "order-1")

    with database_down():
        if not warm:
            forget_everything()
        refused = httpx.post(url, json=body, trust_env=False)

    assert refused.status_code == 503
    assert "send it again" in refused.json()["error"]
    assert httpx.post(url, json=body, trust_env=False).status_code == 200
    assert len(bakery.notifications()) == 2


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "cold"])
@pytest.mark.parametrize(("language", "words"), [("ko-KR,ko", "결제"), ("en-GB,en;q=0.9", "payment")])
def test_without_a_database_a_customer_gets_a_page(bakery: Cast, warm: bool, language: str, words: str) -> None:
    """A customer whose return cannot be written down reads so, in their own language, and learns nothing else."""
    url = f"{bakery.redirect_url}?imp_uid={IMP}&merchant_uid=order-1&imp_success=true"
    bakery.lands(imp_uid=IMP)

    with database_down():
        if not warm:
            forget_everything()
        response = httpx.get(url, headers={"accept-language": language}, trust_env=False)

    assert response.status_code == 503
    assert f'<html lang="{language[:2]}">' in response.text
    assert 'data-state="not_recorded"' in response.text
    assert words in response.text
    assert "order-1" not in response.text
    assert response.headers["cache-control"] == "no-store"
    assert httpx.get(url, trust_env=False).status_code == 303


def test_a_merchants_language_goes_before_the_customers(bakery: Cast) -> None:
    """The page of a merchant who chose a language is in that language, also when nothing can be written down."""
    url, merchant = bakery.redirect_url, bakery.merchant
    type(merchant).objects.filter(id=merchant.id).update(language="en")
    forget_everything()
    try:
        bakery.lands(imp_uid=IMP)
        with database_down():
            response = httpx.get(url, headers={"accept-language": "ko"}, trust_env=False)
    finally:
        type(merchant).objects.filter(id=merchant.id).update(language="")

    assert '<html lang="en">' in response.text


def test_without_its_sealing_key_a_webhook_is_taken_and_waits(
    bakery: Cast, florist: Cast, run_worker: Work, make_due: Callable[[], None], settings: Any
) -> None:
    """While the ring lacks the merchant's key, webhooks are taken without their raw text and wait to be verified."""
    ring = settings.SEALING_KEYS
    bakery.expects("order-1")
    imp_uid = bakery.opens_window("order-1")
    settings.SEALING_KEYS = "other:" + base64.b64encode(b"o" * 32).decode()
    forget_everything()

    bakery.portone.approve(imp_uid)
    assert [webhook.answer for webhook in bakery.portone.outbox.wait_for(1)] == [200]
    assert bakery.lands(imp_uid=imp_uid, merchant_uid="order-1").status_code == 303
    run_worker()

    assert [(row.raw, row.raw_expires_at, row.settled_at) for row in bakery.notifications()] == [(None,) * 3] * 2
    assert bakery.rows(Verification) == []
    assert bakery.portone.journal.counts() == {}

    settings.SEALING_KEYS = ring
    forget_everything()  # as a process does that starts with the mended ring
    make_due()
    run_worker()

    assert bakery.told() == ["payment.paid"]
    assert florist.published() == []


def test_what_came_is_kept_sealed_for_thirty_days(bakery: Cast) -> None:
    """The raw text of an arrival expires 30 days after it came."""
    before = datetime.now(UTC)
    bakery.is_called_about(IMP, "order-1")

    (row,) = bakery.notifications()

    assert row.raw_expires_at == row.received_at + bakery.route.keeps_arrivals
    assert bakery.route.keeps_arrivals == timedelta(days=30)
    assert before <= row.received_at <= datetime.now(UTC)
