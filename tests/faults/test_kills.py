"""What is killed loses nothing: one crash at six different steps, told by what the shops heard afterwards.

All six wait for the same lease, so they are killed at once: the fixture is the given and the when of its tests.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from deploy.demo.mischief import Fault
from tests.faults.merchants import Merchant
from tests.faults.processes import Installation, Process, wait_until

pytestmark = pytest.mark.xdist_group("faults")

TOLD_SECONDS = 90  # the lease of 20 s, a new worker's start, and room for a busy machine
STORIES = ("crash-asleep", "crash-answer", "crash-landing", "crash-unheard", "crash-record", "crash-durable")
ORDER_LOCK = "SELECT FROM {}.results_order WHERE merchant_uid = %s FOR UPDATE"


@pytest.fixture(scope="module")
def crash(installation: Installation, bakery: Merchant, florist: Merchant) -> Iterator[None]:
    """Let the worker and then the web side die, each order at another step; a new worker takes over."""
    bakery.expects("crash-asleep", "crash-answer", "crash-record", "crash-durable")
    florist.expects("crash-landing")
    web, sleeper = installation.start_web(), installation.start_worker()
    fall_asleep_within_publishing(bakery, sleeper)
    worker = installation.start_worker()
    with ExitStack() as locks:
        stop_before_record(bakery, locks)
        stop_before_callback_ends(florist)
        stop_after_answer(bakery, florist, locks)
        worker.kill()
        installation.lose_statements("results_attempt")
    paid = bakery.is_paid("crash-durable")
    assert bakery.is_called_about(paid, "crash-durable") == 200
    web.kill()
    installation.start_worker()
    wait_until(lambda: installation.duties == 0, seconds=TOLD_SECONDS, what="an empty queue")
    sleeper.wake_up()
    sleeper.ask_to_stop()
    assert sleeper.wait_for_end() == 0
    yield
    installation.kill_everything()


def told_of(bakery: Merchant, florist: Merchant) -> list[tuple[Merchant, str]]:
    return [(florist if order in ("crash-landing", "crash-unheard") else bakery, order) for order in STORIES]


def fall_asleep_within_publishing(bakery: Merchant, sleeper: Process) -> None:
    """Let a worker freeze while it holds an order's lock, as on a machine that is suspended."""
    with bakery.installation.holding(ORDER_LOCK.format(bakery.schema), "crash-asleep"):
        bakery.is_called_about(bakery.is_paid("crash-asleep"), "crash-asleep")
        bakery.installation.wait_until_stuck(1)
        sleeper.fall_asleep()


def stop_before_record(bakery: Merchant, locks: ExitStack) -> None:
    """Let a shop answer 200, and the worker stand still before it can write that down."""
    locks.enter_context(bakery.installation.holding(f"LOCK TABLE {bakery.schema}.results_attempt IN EXCLUSIVE MODE"))
    bakery.is_called_about(bakery.is_paid("crash-record"), "crash-record")
    bakery.shop.wait_until(lambda: "crash-record" in bakery.shop.fulfilled())
    bakery.installation.wait_until_stuck(1)


def stop_before_callback_ends(florist: Merchant) -> None:
    """Let a shop have the whole callback, and think about it for longer than the worker has to live."""
    florist.shop.faults.add(Fault(kind="latency", seconds=8, where=("callback",), who="crash-unheard", times=1))
    florist.is_called_about(florist.is_paid("crash-unheard"), "crash-unheard")
    florist.shop.wait_for(1, order="crash-unheard")


def stop_after_answer(bakery: Merchant, florist: Merchant, locks: ExitStack) -> None:
    """Let PortOne answer, and the worker stand still before it can conclude: about a payment, and about an order."""
    for merchant, order in ((bakery, "crash-answer"), (florist, "crash-landing")):
        locks.enter_context(merchant.installation.holding(ORDER_LOCK.format(merchant.schema), order))
    bakery.is_called_about(bakery.is_paid("crash-answer"), "crash-answer")
    florist.is_paid("crash-landing")
    florist.lands(merchant_uid="crash-landing", imp_success="true")
    bakery.installation.wait_until_stuck(3)


def test_answer_of_a_killed_worker_is_told(crash: None, bakery: Merchant) -> None:
    """A worker that dies between PortOne's answer and the event leaves half of nothing: another asks and tells."""
    assert bakery.told("crash-answer") == ["payment.paid"]
    assert bakery.events("crash-answer") == [(1, "payment.paid")]


def test_answer_about_a_landings_order_is_told(crash: None, florist: Merchant) -> None:
    """The same for a landing that names only its order, of which no webhook ever comes."""
    assert florist.told("crash-landing") == ["payment.paid"]
    assert florist.events("crash-landing") == [(1, "payment.paid")]


def test_sleeping_worker_keeps_nothing_locked(crash: None, bakery: Merchant) -> None:
    """A worker that freezes with an order locked loses the lock; another tells, and its waking changes nothing."""
    assert bakery.told("crash-asleep") == ["payment.paid"]
    assert bakery.events("crash-asleep") == [(1, "payment.paid")]
    assert len(bakery.shop.received(order="crash-asleep")) == 1


def test_callback_in_flight_is_made_again(crash: None, florist: Merchant) -> None:
    """A callback whose answer a dying worker never read is made again: the same id, the same bytes, one event."""
    assert len(florist.shop.received(order="crash-unheard")) == 2
    assert len(florist.heard("crash-unheard")) == 1
    assert florist.events("crash-unheard") == [(1, "payment.paid")]
    assert florist.deliveries("crash-unheard") == [(True, 1)]


def test_unrecorded_callback_is_made_again(crash: None, bakery: Merchant) -> None:
    """A callback that was answered but not yet recorded is made again, and the shop, going by its id, acts once."""
    assert len(bakery.shop.received(order="crash-record")) == 2
    assert len(bakery.heard("crash-record")) == 1
    assert bakery.events("crash-record") == [(1, "payment.paid")]
    assert bakery.deliveries("crash-record") == [(True, 1)]


def test_accepted_webhook_outlives_the_web_side(crash: None, bakery: Merchant) -> None:
    """A webhook that was answered 200 is told although the web side was killed right afterwards."""
    assert bakery.told("crash-durable") == ["payment.paid"]
    assert bakery.events("crash-durable") == [(1, "payment.paid")]


def test_nobody_hears_of_a_neighbour(crash: None, bakery: Merchant, florist: Merchant) -> None:
    """Through a crash, too, a shop hears of its own merchant's orders and of no others."""
    callbacks = [(merchant.name, item.order) for merchant in (bakery, florist) for item in merchant.shop.received()]

    heard = {(name, order) for name, order in callbacks if order in STORIES}
    assert heard == {(merchant.name, order) for merchant, order in told_of(bakery, florist)}
