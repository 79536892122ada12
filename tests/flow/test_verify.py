"""Asking PortOne whether it is true: as often as needed, never more, and with nothing personal left behind."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from deploy.demo.mischief import Fault
from results.models import Notification, Payment, Verification
from tenants.models import Duty
from tenants.routing import inside
from tests.factories import Cast

Work = Callable[..., None]
MakeDue = Callable[[], None]


def let_time_pass(cast: Cast, **time: float) -> None:
    """Move what happened so far into the past, in place of waiting, and let what is owed come due."""
    gone = timedelta(**time)
    with inside(cast.merchant.schema_name):
        Notification.objects.update(received_at=F("received_at") - gone)
        Verification.objects.update(asked_at=F("asked_at") - gone, answered_at=F("answered_at") - gone)
        Payment.objects.update(observed_at=F("observed_at") - gone)
    Duty.objects.update(due_at=F("due_at") - gone)


def refetch(cast: Cast, run_worker: Work, times: int) -> None:
    """Let the worker ask, and ask again each time that it owes it, as the schedule of unknown payments has it."""
    for _ in range(times):
        run_worker()
        let_time_pass(cast, minutes=10)


def questions(cast: Cast) -> dict[str, int]:
    """Return how often PortOne was asked, by endpoint, tokens left out."""
    return {name: count for name, count in cast.portone.journal.counts().items() if name != "getToken"}


def looks_at_test_payments(cast: Cast) -> list[str]:
    asked = cast.portone.journal.asked()
    return [one.path.rpartition("/")[2] for one in asked if "include_sandbox=true" in one.query]


def pays(cast: Cast, order: str, **fields: Any) -> str:
    imp_uid = cast.opens_window(order, **fields)
    cast.portone.approve(imp_uid, webhook=False)
    return imp_uid


def test_two_webhooks_are_one_question(bakery: Cast, run_worker: Work) -> None:
    """Two webhooks about one payment that wait together are settled by one question."""
    imp_uid = pays(bakery, "order-1")
    bakery.is_called_about(imp_uid, "order-1")
    bakery.is_called_about(imp_uid, "order-1")

    run_worker()

    assert questions(bakery) == {"payment": 1}
    assert all(note.settled_at for note in bakery.notifications())
    assert not Duty.objects.exists()


def test_landing_and_webhook_are_one_question(bakery: Cast, run_worker: Work) -> None:
    """A landing and a webhook about one payment share a question, and its cause is the webhook."""
    imp_uid = pays(bakery, "order-1")
    bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true")
    bakery.is_called_about(imp_uid, "order-1")

    run_worker()

    assert questions(bakery) == {"payment": 1}
    assert [event["cause"] for event in bakery.events()] == ["webhook"]


def test_what_is_known_already_is_not_asked(bakery: Cast, run_worker: Work) -> None:
    """A webhook that says what was verified before is settled without a question."""
    imp_uid = pays(bakery, "order-1")
    bakery.is_called_about(imp_uid, "order-1")
    run_worker()

    bakery.is_called_about(imp_uid, "order-1")
    run_worker()

    assert questions(bakery) == {"payment": 1}
    assert all(note.settled_at for note in bakery.notifications())


def test_arrivals_after_a_question_share_the_next(bakery: Cast, run_worker: Work) -> None:
    """Arrivals within two seconds of a question wait, and share the question at their end."""
    imp_uid = bakery.opens_window("order-1")
    bakery.is_called_about(imp_uid, "order-1", status="ready")
    run_worker()
    for _ in range(3):
        bakery.is_called_about(imp_uid, "order-1", status="cancelled", cancellation_id="c-9")

    run_worker()
    assert questions(bakery) == {"payment": 1}
    let_time_pass(bakery, seconds=2)
    run_worker()

    assert questions(bakery) == {"payment": 2}


def test_an_arrival_during_a_question_leads_to_one_more(bakery: Cast, run_worker: Work) -> None:
    """A webhook that comes while PortOne is still answering an earlier question gets a question of its own."""
    imp_uid = pays(bakery, "order-1")
    bakery.portone.faults.add(Fault(kind="latency", seconds=0.5, where=("payment",), times=1))
    bakery.is_called_about(imp_uid, "order-1")

    def asked_again() -> bool:
        if len(bakery.notifications()) == 1 and questions(bakery) == {"payment": 1}:
            bakery.is_called_about(imp_uid, "order-1", status="cancelled", cancellation_id="c-9")
        return questions(bakery) == {"payment": 2} and bakery.told() != []

    run_worker(until=asked_again)

    assert len(bakery.notifications()) == 2
    assert bakery.told() == ["payment.paid"]


def test_thirty_payments_are_one_question_in_live(bakery: Cast, run_worker: Work) -> None:
    """What is due together in live mode is asked in one call, without test payments."""
    for number in range(30):
        bakery.is_called_about(pays(bakery, f"order-{number}"), f"order-{number}")

    run_worker()

    assert bakery.portone.journal.counts() == {"getToken": 1, "payments": 1}
    assert bakery.portone.journal.batches() == [30]
    assert looks_at_test_payments(bakery) == []
    assert sorted(bakery.told()) == ["payment.paid"] * 30


def test_thirty_payments_are_asked_singly_in_test(test_bakery: Cast, run_worker: Work) -> None:
    """Only the single look-up sees test payments, so test mode asks one by one; one token does for all."""
    imp_uids = [pays(test_bakery, f"order-{number}") for number in range(30)]
    for number, imp_uid in enumerate(imp_uids):
        test_bakery.is_called_about(imp_uid, f"order-{number}")

    run_worker(until=lambda: len(test_bakery.told()) == 30)

    assert test_bakery.portone.journal.counts() == {"getToken": 1, "payment": 30}
    assert sorted(looks_at_test_payments(test_bakery)) == sorted(imp_uids)
    assert sorted(test_bakery.told()) == ["payment.paid"] * 30


def test_a_payment_missing_from_a_batch_is_not_followed_up(bakery: Cast, run_worker: Work) -> None:
    """What a batch does not hold is unknown: no single call follows at once, it is asked again later."""
    known, tested = pays(bakery, "order-1"), pays(bakery, "order-2", sandbox=True)
    bakery.is_called_about(known, "order-1")
    bakery.is_called_about(tested, "order-2")

    run_worker()

    assert questions(bakery) == {"payments": 1}
    assert bakery.told() == ["payment.paid"]
    assert Duty.objects.filter(kind=Duty.Kind.VERIFY).count() == 1


def test_an_illegible_payment_does_not_hold_up_its_batch(bakery: Cast, run_worker: Work) -> None:
    """A payment that cannot be read is no evidence and stays due; the others of its batch are told."""
    good, spoilt = pays(bakery, "order-1"), pays(bakery, "order-2")
    bakery.portone.amend(spoilt, status="")
    bakery.is_called_about(good, "order-1")
    bakery.is_called_about(spoilt, "order-2")

    run_worker()

    answers = {row.imp_uid: row.answer for row in bakery.rows(Verification)}
    assert answers == {good: "found", spoilt: "unavailable"}
    assert bakery.told() == ["payment.paid"]
    assert Duty.objects.filter(kind=Duty.Kind.VERIFY).count() == 1


def test_the_last_look_finds_a_test_payment(bakery: Cast, run_worker: Work) -> None:
    """A payment still unknown after its second refetch is looked for once among test payments: a review."""
    bakery.expects("order-1")
    imp_uid = pays(bakery, "order-1", sandbox=True)
    bakery.is_called_about(imp_uid, "order-1")

    refetch(bakery, run_worker, 2)
    assert looks_at_test_payments(bakery) == []
    refetch(bakery, run_worker, 1)

    assert questions(bakery) == {"payment": 4}
    assert looks_at_test_payments(bakery) == [imp_uid]
    assert bakery.told() == ["payment.review.livemode_mismatch"]
    assert bakery.order("order-1").status == "registered"


@pytest.mark.parametrize("story", ["failed", "cancelled", "opened"])
def test_the_last_look_tells_nothing_else(bakery: Cast, run_worker: Work, story: str) -> None:
    """A test payment without money is nothing to a live order: it fails, cancels and expires in its own world."""
    bakery.expects("order-1")
    imp_uid = bakery.opens_window("order-1", sandbox=True)
    match story:
        case "failed":
            bakery.portone.fail(imp_uid)
        case "cancelled":
            bakery.portone.approve(imp_uid, webhook=False)
            bakery.portone.cancel(imp_uid, webhook=False)
    bakery.is_called_about(imp_uid, "order-1")

    refetch(bakery, run_worker, 6)

    assert looks_at_test_payments(bakery) == [imp_uid]
    assert bakery.told() == []
    assert bakery.order("order-1").status == "registered"


@pytest.mark.parametrize("heard_of", [False, True], ids=["unheard of", "heard of"])
def test_no_last_look_for_an_order_that_nobody_registered(bakery: Cast, run_worker: Work, heard_of: bool) -> None:
    """Whoever invents ids of unregistered orders makes us look at no test payment."""
    if heard_of:
        bakery.is_called_about(pays(bakery, "order-1"), "order-1")
        run_worker()
        bakery.portone.journal.clear()
    bakery.is_called_about("imp_000000000001", "order-1")

    refetch(bakery, run_worker, 7)

    assert looks_at_test_payments(bakery) == []
    assert questions(bakery) == {"payment": 5}
    assert not Duty.objects.exists()


def test_every_id_of_a_registered_order_gets_its_last_look(bakery: Cast, run_worker: Work) -> None:
    """An invented id for a registered order does not take the last look away from the real one."""
    bakery.expects("order-1")
    imp_uid = pays(bakery, "order-1", sandbox=True)
    for claimed in ("imp_000000000001", imp_uid, "imp_000000000002"):
        bakery.is_called_about(claimed, "order-1")

    refetch(bakery, run_worker, 5)

    assert bakery.told() == ["payment.review.livemode_mismatch"]


def test_an_order_without_a_payment_id_is_searched(bakery: Cast, run_worker: Work) -> None:
    """A landing that names the order only is verified by all of its payments, oldest first."""
    failed = bakery.opens_window("order 1/가?".replace("/", "-"))
    order = bakery.portone.payment(failed).merchant_uid
    bakery.portone.fail(failed)
    paid = pays(bakery, order)
    pays(bakery, "order-2")

    bakery.lands(merchant_uid=order, imp_success="true")
    run_worker(until=lambda: len(bakery.told()) == 2)

    assert questions(bakery) == {"findAll": 1}
    assert bakery.told() == ["payment.declined", "payment.paid"]
    assert (bakery.payment(failed).status, bakery.payment(paid).status) == ("failed", "paid")
    assert bakery.order(order).status == "paid"


def test_two_landings_of_an_order_are_one_search(bakery: Cast, run_worker: Work) -> None:
    """A customer who reloads the page does not make us search twice."""
    pays(bakery, "order-1")
    bakery.lands(merchant_uid="order-1")
    bakery.lands(merchant_uid="order-1")

    run_worker()

    assert questions(bakery) == {"findAll": 1}
    assert all(note.settled_at for note in bakery.notifications())


def test_a_second_worker_uses_the_same_token(bakery: Cast, run_worker: Work) -> None:
    """A token that one worker bought is used by the others."""
    bakery.is_called_about(pays(bakery, "order-1"), "order-1")
    run_worker()
    bakery.is_called_about(pays(bakery, "order-2"), "order-2")

    run_worker()

    assert bakery.portone.journal.counts() == {"getToken": 1, "payment": 2}
    assert bakery.told() == ["payment.paid"] * 2


def test_two_merchants_use_tokens_of_their_own(bakery: Cast, florist: Cast, run_worker: Work) -> None:
    """Each merchant's questions are asked with that merchant's keys."""
    bakery.is_called_about(pays(bakery, "order-1"), "order-1")
    florist.is_called_about(pays(florist, "order-1"), "order-1")

    run_worker()

    asked = [one.imp_key for one in bakery.portone.journal.asked() if one.endpoint == "payment"]
    assert sorted(asked) == ["bakery-live", "florist-live"]
    assert bakery.portone.journal.counts()["getToken"] == 2


BUYER = {"buyer_name": "구매자이름", "buyer_tel": "010-0000-1234", "buyer_email": "private@example.com"}


@pytest.mark.parametrize("together", [False, True], ids=["single", "batch"])
def test_what_portone_said_is_kept_without_personal_data(bakery: Cast, run_worker: Work, together: bool) -> None:
    """A verification shows question and answer; PortOne's own words, with the buyer, are sealed and expire."""
    imp_uid = pays(bakery, "order-1", **BUYER)
    bakery.is_called_about(imp_uid, "order-1")
    if together:
        bakery.is_called_about(pays(bakery, "order-2", **BUYER), "order-2")

    run_worker()

    row = next(row for row in bakery.rows(Verification) if row.imp_uid == imp_uid)
    assert (row.answer, row.question) == ("found", "batch" if together else "single")
    assert (row.merchant_uid, row.snapshot["status"]) == ("order-1", "paid")
    assert row.asked_at <= row.answered_at
    assert row.raw_expires_at == row.answered_at + bakery.route.keeps_arrivals
    opened = bakery.route.open_vault().open(row.raw, table="results_verification", field="raw", row=row.id)
    assert json.loads(opened)["buyer_name"] == "구매자이름"
    clear = f"{row.snapshot} {row.detail}".encode() + bytes(row.raw)
    assert not any(text.encode() in clear for text in BUYER.values())


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (Fault(kind="status", status=500, where=("payment",)), "unavailable"),
        (Fault(kind="html", where=("payment",)), "unavailable"),
        (Fault(kind="status", status=401, where=("payment",)), "refused"),
        (Fault(kind="status", status=404, where=("getToken",)), "unavailable"),
        (Fault(kind="status", status=404, where=("payment",)), "unknown"),
    ],
    ids=str,
)
def test_no_answer_is_kept_as_such(bakery: Cast, run_worker: Work, fault: Fault, answer: str) -> None:
    """What is no evidence is written down, tells nobody anything, and is asked again."""
    bakery.portone.faults.add(fault)
    bakery.is_called_about(pays(bakery, "order-1", **BUYER), "order-1")

    run_worker()

    (row,) = bakery.rows(Verification)
    assert (row.answer, row.snapshot, row.raw) == (answer, None, None)
    assert {event.type for event in bakery.published()} <= {"account.credentials_invalid"}
    assert bakery.rows(Payment) == []
    assert Duty.objects.filter(kind=Duty.Kind.VERIFY).count() == 1
