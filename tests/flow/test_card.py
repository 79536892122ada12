"""A card payment, from the wire to the verified callback."""

from collections.abc import Callable

from tests.factories import Cast

Work = Callable[..., None]


def test_webhook_becomes_a_verified_callback(bakery: Cast, florist: Cast, run_worker: Work) -> None:
    """A paid order that PortOne's webhook names is told to its merchant once, and to nobody else."""
    bakery.expects("order-1")
    imp_uid = bakery.opens_window("order-1")

    bakery.portone.approve(imp_uid)
    bakery.portone.outbox.wait_for(1)
    run_worker()

    assert bakery.told() == ["payment.paid"]
    assert bakery.shop.fulfilled().keys() == {"order-1"}
    assert florist.told() == []
    assert florist.published() == []
