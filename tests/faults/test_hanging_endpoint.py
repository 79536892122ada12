"""Whoever hangs slows only itself: what one merchant's broken server costs another merchant."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from statistics import median

import httpx
import pytest

from deploy.demo.mischief import Fault
from tests.faults.merchants import AMOUNT, Merchant, merchant_of
from tests.faults.processes import Installation, wait_until

pytestmark = pytest.mark.xdist_group("faults")

WAITING = 5_000
SAMPLES, A_SECOND = 192, 12  # of each part; the budget of questions is 15 a second
ROUNDS = 3  # a busy machine has stalls of its own; more samples tell them from ours
HANGING = 30  # requests that hang when the measuring begins
FOR_EVER = Fault(kind="hang", seconds=20, where=("callback",))  # longer than the 15 s that we wait
SLOWLY = Fault(kind="latency", seconds=13.5, where=("callback",))  # a success each time, so no circuit opens


@pytest.fixture
def neighbour(quiet: Installation) -> Iterator[Merchant]:
    """A merchant whose server is about to break."""
    with merchant_of(quiet, "neighbour") as neighbour:
        yield neighbour
        quiet.kill_everything()
        neighbour.gives_up()


def test_a_hanging_endpoint_slows_nobody_else(
    quiet: Installation, florist: Merchant, neighbour: Merchant, note: Callable[[str], None]
) -> None:
    """Beside 5,000 events for an endpoint that hangs 15 s, another's time to callback keeps within twice its p99."""
    quiet.start_web()
    worker = quiet.start_worker()
    sample(florist, paid_orders(florist, "warm-up", A_SECOND))
    undisturbed: list[float] = []
    disturbed: list[float] = []

    for number in range(ROUNDS):
        for name, fault in (("for-ever", FOR_EVER), ("slowly", SLOWLY)):
            recover(neighbour)
            undisturbed += sample(florist, paid_orders(florist, f"before-{name}-{number}", SAMPLES))
            break_down(neighbour, fault)
            disturbed += sample(florist, paid_orders(florist, f"beside-{name}-{number}", SAMPLES))
            assert neighbour_owes(neighbour)
        if p99(disturbed) <= 2 * p99(undisturbed):
            break

    note(
        f"hanging endpoint: {WAITING} events wait for it, another merchant's webhook to callback"
        f" p50 {median(undisturbed) * 1000:.0f} -> {median(disturbed) * 1000:.0f} ms,"
        f" p99 {p99(undisturbed) * 1000:.0f} -> {p99(disturbed) * 1000:.0f} ms ({len(disturbed)} samples each)"
    )
    assert worker.faults == []
    assert p99(disturbed) <= 2 * p99(undisturbed)


def paid_orders(merchant: Merchant, name: str, count: int) -> list[tuple[str, str]]:
    """Return so many registered orders with their payments, which PortOne has not yet told of."""
    headers = {"Authorization": f"Bearer {merchant.facts['api_key']}"}
    names = [f"{name}-{number:04}" for number in range(count)]
    with httpx.Client(base_url=merchant.installation.web_url, headers=headers, trust_env=False) as shop:
        for name in names:
            shop.put(f"/api/v1/orders/{name}", json={"amount": AMOUNT, "currency": "KRW"}).raise_for_status()
    return [(name, merchant.is_paid(name)) for name in names]


def sample(merchant: Merchant, orders: Sequence[tuple[str, str]]) -> list[float]:
    """Let webhooks come in at a steady rate; return after how many seconds the shop heard of each."""
    sent_at: dict[str, datetime] = {}
    begun = time.monotonic()
    with httpx.Client(trust_env=False, timeout=20) as portone, ThreadPoolExecutor(8) as senders:

        def send(number: int) -> None:
            order, imp_uid = orders[number]
            time.sleep(max(0.0, begun + number / A_SECOND - time.monotonic()))
            body = {"imp_uid": imp_uid, "merchant_uid": order, "status": "paid"}
            sent_at[order] = datetime.now(UTC)
            portone.post(merchant.facts["webhook_url"], json=body).raise_for_status()

        list(senders.map(send, range(len(orders))))
    merchant.shop.wait_until(lambda: all(merchant.shop.received(order=order) for order in sent_at))
    heard_at = {item.order: item.at for item in reversed(merchant.shop.received())}
    return [(heard_at[order] - at).total_seconds() for order, at in sent_at.items()]


def break_down(neighbour: Merchant, fault: Fault) -> None:
    """Let a shop hang, with thousands of events waiting for it and as many requests under way as we make."""
    neighbour.shop.faults.add(fault)
    before = len(neighbour.shop.received())
    if before:
        neighbour.installation.call("owe_again", neighbour.schema)
    else:
        neighbour.installation.call("announce_many", neighbour.schema, WAITING)
    wait_until(lambda: len(neighbour.shop.received()) >= before + HANGING, what="hanging requests")


def neighbour_owes(neighbour: Merchant) -> bool:
    """Say whether nearly all of the events still wait."""
    undelivered = f"SELECT count(*) FROM {neighbour.schema}.results_delivery WHERE delivered_at IS NULL"
    return bool(neighbour.installation.query(undelivered)[0][0] > WAITING / 2)


def recover(neighbour: Merchant) -> None:
    """End the disturbance, if there is one: nothing is owed any more, and what hung is over."""
    if not neighbour.shop.received():
        return
    neighbour.shop.faults.clear()
    of_lane = f"lane IN (SELECT id FROM {neighbour.schema}.results_endpoint)"
    neighbour.installation.query(f"DELETE FROM tenants_duty WHERE {of_lane} RETURNING id")
    time.sleep(16)  # the deadline of a request that began just now


def p99(seconds: Sequence[float]) -> float:
    return sorted(seconds)[math.ceil(0.99 * len(seconds)) - 1]
