"""At least once, as a property: workers die at random moments of a stream, and every shop still hears all of it."""

import os
import random
import time
from collections.abc import Callable

import pytest

from deploy.demo.mischief import Fault
from tests.faults.merchants import Merchant
from tests.faults.processes import Installation, wait_until

pytestmark = pytest.mark.xdist_group("faults")

PAYMENTS, KILLS = 40, 5
STREAM_SECONDS = 15.0
LEASE_AND_ROOM = 90
Action = tuple[float, Callable[[], object]]


def test_kills_at_random_moments_lose_nothing(quiet: Installation, bakery: Merchant) -> None:
    """Five kills in a stream of forty payments: in the end the shop knows what PortOne knows, by the same bytes."""
    chance = random.Random(seed := int(os.environ.get("FAULTS_SEED") or random.randrange(10**6)))
    print(f"FAULTS_SEED={seed}")  # noqa: T201  to repeat a failure with
    orders = [f"stream-{number:02}" for number in range(PAYMENTS)]
    slow_down(quiet, bakery)
    quiet.start_web()
    worker = quiet.start_worker()

    def replace_worker() -> None:
        nonlocal worker
        worker.kill()
        worker = quiet.start("worker")

    play([*kills(replace_worker, chance), *(action for order in orders for action in life_of(bakery, order, chance))])
    worker.wait_for_line("worker_started")
    wait_until(lambda: quiet.duties == 0, seconds=LEASE_AND_ROOM, what="an empty queue")

    assert {order: known_to_shop(bakery, order) for order in orders} == {
        order: [row.payment.status for row in bakery.portone.rows_of_order(order)] for order in orders
    }
    for order in orders:
        assert len(bakery.heard(order)) == len(bakery.events(order)), order
        assert len({id_ for id_, _ in bakery.heard(order)}) == len(bakery.heard(order)), order


def slow_down(quiet: Installation, bakery: Merchant) -> None:
    """Let PortOne and the shop take their time, so that a kill finds questions and callbacks under way."""
    quiet.portone.faults.add(Fault(kind="latency", seconds=0.2, where=("payment", "payments")))
    bakery.shop.faults.add(Fault(kind="latency", seconds=0.3, where=("callback",)))


def kills(kill: Callable[[], None], chance: random.Random) -> list[Action]:
    """Return one kill in each part of the stream, at a random moment of it."""
    part = STREAM_SECONDS / KILLS
    return [(part * (number + chance.random()), kill) for number in range(KILLS)]


def life_of(merchant: Merchant, order: str, chance: random.Random) -> list[Action]:
    """Return what happens to one payment and when: it is paid, and every third one is cancelled later."""
    imp_uid, at = merchant.opens_window(order), chance.uniform(0, STREAM_SECONDS)
    actions: list[Action] = [(at, lambda: merchant.portone.approve(imp_uid))]
    if chance.random() < 1 / 3:
        actions.append((at + chance.uniform(0, 3), lambda: merchant.portone.cancel(imp_uid)))
    return actions


def play(actions: list[Action]) -> None:
    """Do each action at its second from now."""
    begun = time.monotonic()
    for at, do in sorted(actions, key=lambda action: action[0]):
        time.sleep(max(0.0, begun + at - time.monotonic()))
        do()


def known_to_shop(merchant: Merchant, order: str) -> list[str]:
    """Return the newest status of each payment of an order that the shop was told, going by its version."""
    payments = sorted((event["data"]["payment"] for event in merchant.shop.events(order=order)), key=version_of)
    return [payment["status"] for payment in payments[-1:]]


def version_of(payment: dict[str, int]) -> int:
    return payment["version"]
