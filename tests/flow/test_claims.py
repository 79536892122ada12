"""A redirect's own words: told only when the claimed order itself was asked about, once, and not many a minute."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from deploy.demo.shop import Fault
from results.models import Order
from tenants.routing import inside
from tests.factories import Cast
from tests.postbox import Postbox

Work = Callable[..., None]
CLOSED = "사용자가 결제를 취소하였습니다"
NOT_OPENED = "결제창 호출에 실패하였습니다"


def orders_asked(cast: Cast) -> int:
    return cast.portone.journal.counts().get("findAll", 0)


def test_a_made_up_payment_id_does_not_silence_a_paid_order(bakery: Cast, run_worker: Work) -> None:
    """Whoever claims a failure under an invented id makes us ask about the order, which was paid."""
    bakery.expects("order-1")
    bakery.portone.approve(bakery.opens_window("order-1"), webhook=False)

    bakery.lands(imp_uid="imp_999999999999", merchant_uid="order-1", imp_success="false", error_msg=CLOSED)
    run_worker(until=lambda: bakery.told("order-1") != [])

    assert bakery.told("order-1") == ["payment.paid"]
    assert bakery.order("order-1").status == "paid"


def test_an_attackers_own_window_does_not_silence_a_paid_order(bakery: Cast, run_worker: Work) -> None:
    """A pending payment of another order says nothing about the claimed one."""
    bakery.expects("order-1")
    bakery.portone.approve(bakery.opens_window("order-1"), webhook=False)
    own = bakery.opens_window("order-2")

    bakery.lands(imp_uid=own, merchant_uid="order-1", imp_success="false", error_msg=CLOSED)
    run_worker(until=lambda: bakery.notifications()[0].settled_at is not None)

    assert "payment.abandoned" not in bakery.told("order-1")
    assert bakery.order("order-1").status != "failed"


def test_a_claim_is_told_once_for_an_order(bakery: Cast, run_worker: Work) -> None:
    """Many landings about one order make one event."""
    bakery.expects("order-1")
    imp_uid = bakery.opens_window("order-1")
    for _ in range(5):
        bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="false", error_msg=CLOSED)

    run_worker(until=lambda: all(note.settled_at for note in bakery.notifications()))

    assert [event.type for event in bakery.published()] == ["payment.abandoned"]


def test_ten_claims_a_minute_at_most(bakery: Cast, run_worker: Work) -> None:
    """A flood of claims over many registered orders reaches the merchant at ten a minute."""
    for number in range(14):
        bakery.expects(f"order-{number}")
        bakery.lands(merchant_uid=f"order-{number}", imp_success="false", error_msg=CLOSED)

    run_worker(until=lambda: len(bakery.published()) == 10 and orders_asked(bakery) >= 14)
    run_worker()

    assert len(bakery.published()) == 10
    with inside(bakery.merchant.schema_name):
        assert Order.objects.exclude(claimed_at=None).count() == 10


def gives_up(cast: Cast, run_worker: Work, order: str, words: str) -> None:
    """Let a customer come back from a registered order with an error, and the shop hear of it."""
    cast.expects(order)
    cast.lands(merchant_uid=order, imp_success="false", error_msg=words)
    run_worker(until=lambda: cast.told(order) != [])


def test_owners_read_of_a_window_that_does_not_open(
    bakery: Cast, run_worker: Work, do_jobs: Callable[[], None], postbox: Postbox
) -> None:
    """The shop's own settings are for its owners to mend: one letter, and another when ten minutes have gone by."""
    gives_up(bakery, run_worker, "order-1", NOT_OPENED)
    gives_up(bakery, run_worker, "order-2", NOT_OPENED)
    do_jobs()
    at_first = len(postbox.letters)
    with inside(bakery.merchant.schema_name):
        Order.objects.update(claimed_at=datetime.now(UTC) - timedelta(minutes=11))
    gives_up(bakery, run_worker, "order-3", NOT_OPENED)
    do_jobs()

    assert bakery.told() == ["payment.not_started"] * 3
    assert (at_first, len(postbox.letters)) == (1, 2)
    assert {letter["To"] for letter in postbox.letters} == {"owner@bakery.example"}


def test_owners_read_nothing_of_a_customer_who_gave_up(
    bakery: Cast, run_worker: Work, do_jobs: Callable[[], None], postbox: Postbox
) -> None:
    """Whoever closed the window or had no money left is no fault of the shop's settings."""
    gives_up(bakery, run_worker, "order-1", CLOSED)
    gives_up(bakery, run_worker, "order-2", "잔액부족")
    do_jobs()

    assert bakery.told() == ["payment.abandoned", "payment.declined"]
    assert postbox.letters == []


@pytest.mark.parametrize("silence", [503, 401])
def test_silence_tells_no_claim(bakery: Cast, run_worker: Work, silence: int) -> None:
    """While PortOne does not answer, a redirect's word is not told either."""
    bakery.expects("order-1")
    bakery.portone.faults.add(Fault(kind="status", status=silence))

    bakery.lands(merchant_uid="order-1", imp_success="false", error_msg=CLOSED)
    run_worker()

    assert not [event for event in bakery.published() if event.payment_id]
    assert bakery.order("order-1").claimed_at is None


def test_a_verified_failure_supersedes_its_claim(bakery: Cast, run_worker: Work) -> None:
    """When PortOne confirms the failure later, the second event names the one that it replaces."""
    bakery.expects("order-1")
    imp_uid = bakery.opens_window("order-1")
    bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="false", error_msg=CLOSED)
    run_worker(until=lambda: len(bakery.told("order-1")) == 1)

    bakery.portone.fail(imp_uid)
    run_worker(until=lambda: len(bakery.told("order-1")) == 2)

    claimed, verified = bakery.events("order-1")
    assert [claimed["type"], verified["type"]] == ["payment.abandoned", "payment.declined"]
    assert verified["supersedes"] == claimed["id"]
