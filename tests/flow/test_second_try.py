"""An order that is paid at the second try, seen by a customer whose redirect names the order only."""

from collections.abc import Callable
from typing import Any

from tests.factories import Cast, state_of

Work = Callable[..., None]


def pays_at_the_second_try(cast: Cast, order: str) -> None:
    """Let a card be declined and another one be approved, with every webhook lost."""
    cast.portone.fail(cast.opens_window(order))
    cast.portone.approve(cast.opens_window(order), webhook=False)


def test_the_first_failure_is_not_shown_for_the_second_try(bakery: Cast, run_worker: Work) -> None:
    """Whoever has just paid is never told, from what was known before, that the payment was not approved."""
    bakery.expects("order-1")
    first = bakery.opens_window("order-1")
    bakery.portone.fail(first)
    bakery.lands(imp_uid=first, merchant_uid="order-1", imp_success="false")
    run_worker()
    bakery.portone.approve(bakery.opens_window("order-1"), webhook=False)

    landing = bakery.lands(merchant_uid="order-1", imp_success="true")
    before = state_of(landing)
    run_worker(until=lambda: state_of(landing) != "confirming")

    assert (before, state_of(landing)) == ("confirming", "paid")


def test_tries_that_are_found_together_are_told_as_they_happened(bakery: Cast, run_worker: Work) -> None:
    """PortOne lists the newest try first; its merchant hears of the failure before the success."""
    bakery.expects("order-1")
    pays_at_the_second_try(bakery, "order-1")

    landing = bakery.lands(merchant_uid="order-1", imp_success="true")
    run_worker(until=lambda: len(bakery.told()) == 2)

    told: list[dict[str, Any]] = bakery.events("order-1")
    assert [(event["sequence"], event["type"]) for event in told] == [(1, "payment.declined"), (2, "payment.paid")]
    assert state_of(landing) == "paid"


def test_the_try_that_paid_is_shown(bakery: Cast, run_worker: Work) -> None:
    """Of several tries a redirect without a payment id shows the one that paid, although another came later."""
    bakery.expects("order-1")
    paid, failed = bakery.opens_window("order-1"), bakery.opens_window("order-1")
    bakery.portone.fail(failed)
    bakery.portone.approve(paid, webhook=False)

    landing = bakery.lands(merchant_uid="order-1", imp_success="true")
    run_worker()

    assert state_of(landing) == "paid"
