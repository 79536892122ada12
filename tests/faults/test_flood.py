"""What a flood of made-up webhooks costs, and that no real payment waits for it."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from deploy.demo.mischief import Fault
from deploy.demo.simulator.journal import Asked
from tests.faults.flood import Flood, begin, outcome_of
from tests.faults.merchants import Merchant
from tests.faults.processes import Installation, wait_until

pytestmark = pytest.mark.xdist_group("faults")

FORGED, SECONDS = 10_000, 10.0
MOST_CALLS = 200
WATCHED = 25.0  # seconds from the flood's begin
SHOWN_AFTER = 6.0
ORDERS = ("real-registered", "real-unregistered", "ahead-registered", "ahead-unregistered")


def test_a_flood_of_forged_ids_costs_little_and_delays_nobody(
    quiet: Installation, bakery: Merchant, note: Callable[[str], None]
) -> None:
    """10,000 forged ids in 10 s cost at most 200 calls; real payments among them are told within 5 s.

    A webhook that arrives before PortOne can answer for its payment is told within 20 s all the same.
    """
    bakery.expects("real-registered", "ahead-registered")
    ahead = [pays_ahead(bakery, order) for order in ORDERS if order.startswith("ahead")]
    quiet.start_web()
    worker = quiet.start_worker()
    quiet.portone.faults.add(Fault(kind="latency", seconds=0.2))
    begun, began_at = time.monotonic(), datetime.now(UTC)

    sender = begin(Flood(bakery.facts["webhook_url"], FORGED, SECONDS))
    sleep_until(begun + 4)
    sent_at = {order: arrives(bakery, order, imp_uid) for order, imp_uid in ahead}
    sent_at |= {order: arrives(bakery, order, bakery.is_paid(order)) for order in ORDERS if order.startswith("real")}
    sleep_until(begun + 4 + SHOWN_AFTER)
    for _, imp_uid in ahead:
        bakery.portone.show(imp_uid)
    flood = outcome_of(sender)
    wait_until(lambda: all(bakery.told(order) for order in ORDERS), seconds=60, what="four real payments")
    sleep_until(begun + WATCHED)

    calls = calls_of(bakery, since=began_at)
    after = {order: told_after(bakery, order, sent_at[order]) for order in ORDERS}
    note(
        f"flood: {FORGED} forged in {flood.seconds:.1f} s, {len(calls)} PortOne calls"
        f" ({len(calls) / FORGED:.4f} for each forged POST), "
        + ", ".join(f"{order} told after {seconds:.1f} s" for order, seconds in after.items())
    )
    assert flood.answers == {"200": FORGED}
    assert notifications(quiet, bakery) == FORGED + len(ORDERS)
    assert len(calls) <= MOST_CALLS
    assert after["real-registered"] < 5
    assert after["real-unregistered"] < 5
    assert after["ahead-registered"] < 20
    assert after["ahead-unregistered"] < 20
    assert sorted(item.order for item in bakery.shop.received()) == sorted(ORDERS)
    assert worker.faults == []


def pays_ahead(merchant: Merchant, order: str) -> tuple[str, str]:
    """Let a customer pay what PortOne's API does not show yet."""
    imp_uid = merchant.is_paid(order)
    merchant.portone.hide(imp_uid)
    return order, imp_uid


def arrives(merchant: Merchant, order: str, imp_uid: str) -> datetime:
    """Let its webhook come in; return when."""
    at = datetime.now(UTC)
    assert merchant.is_called_about(imp_uid, order) == 200
    return at


def told_after(merchant: Merchant, order: str, sent_at: datetime) -> float:
    """Return how many seconds later the shop heard that it is paid."""
    heard = min(item.at for item in merchant.shop.received(order=order) if item.event["type"] == "payment.paid")
    return (heard - sent_at).total_seconds()


def calls_of(merchant: Merchant, *, since: datetime) -> Sequence[Asked]:
    """Return what PortOne was asked with a merchant's keys, tokens included."""
    others = {"florist", "bakery"} - {merchant.name}
    return [asked for asked in merchant.portone.journal.asked() if asked.at >= since and asked.imp_key not in others]


def notifications(installation: Installation, merchant: Merchant) -> int:
    return int(installation.query(f"SELECT count(*) FROM {merchant.schema}.results_notification")[0][0])


def sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
