"""A member ends a review: what is told, what is kept, and who is refused."""

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from results.core.ids import encode
from results.core.words import PaymentStatus
from tenants.models import AuditEntry, Duty
from tests.factories import Cast

Work = Callable[..., None]


def pays_too_little(bakery: Cast, run_worker: Work, order: str = "order-1") -> str:
    """Let a customer pay 100 for 64,900; the payment's id at PortOne."""
    bakery.expects(order)
    imp_uid = bakery.opens_window(order, 100)
    bakery.portone.approve(imp_uid)
    run_worker(until=lambda: bakery.told(order) == ["payment.review.amount_mismatch"])
    return imp_uid


def resolve(bakery: Cast, imp_uid: str, *options: str, reason: str = "the customer paid the rest in the shop") -> str:
    out = StringIO()
    id_ = encode("pay", bakery.payment(imp_uid).id)
    call_command("resolve", id_, *options, f"--reason={reason}", stdout=out)
    return out.getvalue()


def newest(bakery: Cast, order: str = "order-1") -> dict[str, Any]:
    return bakery.events(order)[-1]


def test_an_accepted_payment_counts(bakery: Cast, run_worker: Work) -> None:
    """Accepted, a payment is paid for the order, told as resolved by a member, and its faults stay visible."""
    imp_uid = pays_too_little(bakery, run_worker)

    printed = resolve(bakery, imp_uid, "--accept")
    run_worker()

    event = newest(bakery)
    assert "counts as paid now" in printed
    assert (event["type"], event["cause"], event["sequence"]) == ("payment.review.resolved", "member", 2)
    assert event["data"]["payment"]["status"] == "paid"
    assert event["data"]["payment"]["resolution"]["decision"] == "accepted"
    assert event["data"]["payment"]["verification"]["result"] == "mismatched"
    assert (event["data"]["order"]["status"], event["data"]["order"]["flags"]) == ("paid", [])


def test_a_rejected_payment_does_not_count(bakery: Cast, run_worker: Work) -> None:
    """Rejected, a payment stays in review and improves nothing, but asks for nobody's eye any more."""
    imp_uid = pays_too_little(bakery, run_worker)

    resolve(bakery, imp_uid, "--reject")
    run_worker()

    event = newest(bakery)
    assert event["data"]["payment"]["status"] == "review"
    assert event["data"]["payment"]["resolution"]["decision"] == "rejected"
    assert (event["data"]["order"]["status"], event["data"]["order"]["flags"]) == ("registered", [])


def test_the_same_answer_after_a_decision_is_no_news(bakery: Cast, run_worker: Work) -> None:
    """What was accepted is not told as paid when PortOne says the same again, nor put under review again."""
    imp_uid = pays_too_little(bakery, run_worker)
    resolve(bakery, imp_uid, "--accept")

    bakery.lands(imp_uid=imp_uid, merchant_uid="order-1")
    run_worker()

    assert bakery.told("order-1") == ["payment.review.amount_mismatch", "payment.review.resolved"]


@pytest.mark.parametrize("decision", ["--accept", "--reject"])
def test_a_refund_after_a_decision_is_told(bakery: Cast, run_worker: Work, decision: str) -> None:
    """Whatever the member decided, money that goes back is told as cancelled."""
    imp_uid = pays_too_little(bakery, run_worker)
    resolve(bakery, imp_uid, decision)

    bakery.portone.cancel(imp_uid)
    run_worker(until=lambda: len(bakery.events("order-1")) == 3)

    assert bakery.told("order-1")[-1] == "payment.cancelled"


def pays_twice(bakery: Cast, run_worker: Work) -> tuple[str, str]:
    """Let an order be paid twice, the second under review; the ids at PortOne."""
    bakery.expects("order-1")
    first, second = bakery.opens_window("order-1"), bakery.opens_window("order-1")
    bakery.portone.approve(first)
    run_worker(until=lambda: bakery.told("order-1") == ["payment.paid"])
    bakery.portone.approve(second)
    run_worker(until=lambda: len(bakery.told("order-1")) == 2)
    return first, second


def test_an_accepted_duplicate_leaves_the_first_where_it_is(bakery: Cast, run_worker: Work, later: Any) -> None:
    """Whoever nudges the payment that was paid first makes nothing of it, although two are paid now."""
    first, second = pays_twice(bakery, run_worker)
    resolve(bakery, second, "--accept")
    run_worker()

    later(bakery)
    bakery.is_called_about(first, "order-1", "failed")
    run_worker()

    assert bakery.told("order-1") == ["payment.paid", "payment.review.duplicate_payment", "payment.review.resolved"]
    assert bakery.payment(first).status == bakery.payment(second).status == PaymentStatus.PAID


def test_an_accepted_duplicate_is_not_paid_again(bakery: Cast, run_worker: Work) -> None:
    """When the first is refunded, the second that a member let count is no news."""
    first, second = pays_twice(bakery, run_worker)
    resolve(bakery, second, "--accept")

    bakery.portone.cancel(first)
    run_worker(until=lambda: bakery.told("order-1")[-1] == "payment.cancelled")
    run_worker()

    assert bakery.told("order-1").count("payment.paid") == 1
    assert bakery.order("order-1").status == "paid"


def test_a_refund_of_the_first_lets_the_second_count(bakery: Cast, run_worker: Work) -> None:
    """A duplicate that nobody decided about is asked about again, and paid, once the first holds no money."""
    first, second = pays_twice(bakery, run_worker)

    bakery.portone.cancel(first)
    run_worker(until=lambda: len(bakery.told("order-1")) == 4)

    assert bakery.told("order-1")[2:] == ["payment.cancelled", "payment.paid"]
    assert bakery.payment(second).status == PaymentStatus.PAID


def test_a_deposit_into_an_accepted_account_is_not_told_as_paid(bakery: Cast, run_worker: Work) -> None:
    """`payment.paid` is never mismatched: the deposit is told as resolved, and the account is asked about till then."""
    bakery.expects("order-1")
    imp_uid = bakery.opens_window("order-1", 100, pay_method="vbank")
    bakery.portone.issue_account(imp_uid)
    run_worker(until=lambda: bakery.told("order-1") == ["payment.review.amount_mismatch"])
    asked_before = Duty.objects.filter(kind="ask").count()
    resolve(bakery, imp_uid, "--accept")
    asked_after = Duty.objects.filter(kind="ask").count()

    bakery.portone.deposit(imp_uid)
    run_worker(until=lambda: len(bakery.told("order-1")) == 3)

    payment = newest(bakery)["data"]["payment"]
    assert (asked_before, asked_after) == (1, 1)
    assert newest(bakery)["type"] == "payment.review.resolved"
    assert (payment["status"], payment["verification"]["result"]) == ("paid", "mismatched")


def test_another_reason_opens_another_review(bakery: Cast, run_worker: Work) -> None:
    """A member lets pass what they saw; what comes up later needs another look."""
    bakery.expects("order-1")
    first = bakery.opens_window("order-1")
    imp_uid = bakery.opens_window("order-1", 100)
    bakery.portone.approve(imp_uid)
    run_worker(until=lambda: bakery.told("order-1") == ["payment.review.amount_mismatch"])
    resolve(bakery, imp_uid, "--reject")
    bakery.portone.approve(first)
    run_worker(until=lambda: len(bakery.events("order-1")) == 3)

    bakery.portone.amend(imp_uid, amount=64900)
    bakery.is_called_about(imp_uid, "order-1", "failed")
    run_worker(until=lambda: len(bakery.events("order-1")) == 4)

    assert newest(bakery)["type"] == "payment.review.duplicate_payment"
    assert newest(bakery)["data"]["payment"]["resolution"] is None
    assert "review" in newest(bakery)["data"]["order"]["flags"]


def test_who_decided_and_why_is_written_down(bakery: Cast, run_worker: Work) -> None:
    """The decision is audited with its reason, and `explain` shows it."""
    imp_uid = pays_too_little(bakery, run_worker)

    resolve(bakery, imp_uid, "--reject", reason="refunded by bank transfer")

    entry = AuditEntry.objects.get(action="review.resolved")
    assert (entry.actor, entry.detail["reason"]) == ("manage.py resolve", "refunded by bank transfer")
    out = StringIO()
    call_command("explain", imp_uid, stdout=out)
    assert "rejected" in out.getvalue()
    assert "refunded by bank transfer" in out.getvalue()


def test_only_an_open_review_can_be_ended(bakery: Cast, run_worker: Work) -> None:
    """A payment that is not under review, or no longer, is refused with what it is."""
    imp_uid = pays_too_little(bakery, run_worker)
    resolve(bakery, imp_uid, "--reject")

    with pytest.raises(CommandError, match="has been ended"):
        resolve(bakery, imp_uid, "--accept")
    bakery.portone.cancel(imp_uid)
    run_worker(until=lambda: bakery.payment(imp_uid).status == PaymentStatus.CANCELLED)
    with pytest.raises(CommandError, match="not under review, but cancelled"):
        resolve(bakery, imp_uid, "--accept")


@pytest.mark.parametrize("id_", ["imp_123456", "pay_nonsense", "pay_01M7YW71A3E6TRVDZBW5H5S6BD"])
def test_a_wrong_id_is_refused_with_the_mend(database: Any, id_: str) -> None:
    """An id that is none, or nobody's, is refused in a sentence."""
    with pytest.raises(CommandError, match=r"^ID: "):
        call_command("resolve", id_, "--accept", "--reason=seen")


@pytest.mark.parametrize("reason", ["", "   ", "x" * 301])
def test_a_decision_needs_a_reason(database: Any, reason: str) -> None:
    """Nobody ends a review without saying why."""
    with pytest.raises(CommandError, match="--reason"):
        call_command("resolve", "pay_01M7YW71A3E6TRVDZBW5H5S6BD", "--accept", f"--reason={reason}")
