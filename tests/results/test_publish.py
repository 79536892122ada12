"""Answers that contradict what was verified before, and how often they have to be repeated."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from results.core.snapshot import Snapshot
from results.core.words import Cause
from results.publish import publish_snapshot
from tenants.routing import inside
from tests.factories import Cast

SHRUNK = "payment.review.provider_anomaly"


def test_an_answer_does_not_repeat_itself(bakery: Cast, run_worker: Callable[..., None]) -> None:
    """A cancelled amount that shrank is believed when PortOne said so three times, not when one answer came thrice."""
    imp_uid = bakery.opens_window("order-1")
    bakery.portone.approve(imp_uid, webhook=False)
    bakery.portone.cancel(imp_uid, amount=30000)
    bakery.portone.outbox.wait_for(1)
    run_worker()
    snapshot = Snapshot.from_json(bakery.payment(imp_uid).snapshot or {})
    first, second, third = (
        replace(snapshot, cancel_amount=Decimal(100), asked_at=snapshot.asked_at + timedelta(seconds=number))
        for number in (1, 2, 3)
    )

    applied = []
    for answer in (first, first, second, first, second, third):
        with inside(bakery.merchant.schema_name):
            publish_snapshot(bakery.route, answer, cause=Cause.WEBHOOK, named_by_claim=False, at=answer.asked_at)
        applied.append(bakery.published()[-1].type == SHRUNK)

    assert applied == [False] * 5 + [True]
