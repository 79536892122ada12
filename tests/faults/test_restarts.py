"""A database that is restarted under it, and a stop that is asked for: what Paywitness holds, it finishes."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from deploy.demo.mischief import Fault
from tests.faults.merchants import Merchant
from tests.faults.processes import Installation, wait_until

pytestmark = pytest.mark.xdist_group("faults")

OVER = 12  # seconds in which everything is told again: less than the lease, so nothing was waiting for one


def are_called_about(merchant: Merchant, orders: list[str]) -> list[int]:
    """Let webhooks about paid orders come in all at once, so that every thread of the web side has one."""
    with ThreadPoolExecutor(len(orders)) as all_at_once:
        return list(all_at_once.map(lambda order: merchant.is_called_about(merchant.is_paid(order), order), orders))


def hears(merchant: Merchant, orders: list[str]) -> None:
    """Wait until a shop has heard of these orders."""
    merchant.shop.wait_until(lambda: all(map(merchant.told, orders)), timeout=OVER)


def test_restart_of_the_database_is_not_noticed_outside(
    quiet: Installation, bakery: Merchant, florist: Merchant
) -> None:
    """When the database crashes and comes back, the first webhook at every thread is answered 200, and told."""
    worker, _ = quiet.start_worker(), quiet.start_web()
    before, after = ([f"{when}-{number}" for number in range(8)] for when in ("before", "after"))
    are_called_about(bakery, before)
    hears(bakery, before)

    quiet.crash_database()
    quiet.start_database()
    answers = are_called_about(bakery, after) + are_called_about(florist, ["first-of-all"])

    assert answers == [200] * 9
    hears(bakery, after)
    hears(florist, ["first-of-all"])
    assert worker.running.poll() is None


def test_outage_of_the_database_refuses_and_recovers(quiet: Installation, bakery: Merchant, florist: Merchant) -> None:
    """Without its database a webhook gets a 503, whether its key is known or not; afterwards all goes on by itself."""
    worker, _ = quiet.start_worker(), quiet.start_web()
    are_called_about(bakery, ["outage-before"])
    hears(bakery, ["outage-before"])
    paid = bakery.is_paid("outage")

    quiet.crash_database()
    known, unknown = bakery.is_called_about(paid, "outage"), florist.is_called_about("imp_1", "outage-florist")
    ready = quiet.is_ready()
    quiet.start_database()

    assert (known, unknown, ready) == (503, 503, False)
    assert bakery.is_called_about(paid, "outage") == 200
    hears(bakery, ["outage"])
    wait_until(quiet.is_ready)
    assert worker.running.poll() is None


def test_callback_during_a_restart_is_recorded(quiet: Installation, bakery: Merchant) -> None:
    """A callback that is answered while the database is away is written down when it is back, not made again."""
    worker, _ = quiet.start_worker(), quiet.start_web()
    bakery.shop.faults.add(Fault(kind="latency", seconds=6, where=("callback",), who="restart-record", times=1))
    bakery.is_called_about(bakery.is_paid("restart-record"), "restart-record")
    bakery.shop.wait_for(1, order="restart-record")

    quiet.crash_database()
    wait_until(lambda: worker.lines("attempts_not_recorded"), what="an attempt that could not be recorded")
    quiet.start_database()

    wait_until(lambda: bakery.deliveries("restart-record") == [(True, 1)], what="the record")
    assert len(bakery.shop.received(order="restart-record")) == 1


def test_worker_finishes_what_it_holds(quiet: Installation, bakery: Merchant, florist: Merchant) -> None:
    """A worker that is asked to stop ends the callbacks and the questions it holds, and takes nothing new."""
    worker, _ = quiet.start_worker(), quiet.start_web()
    slow = Fault(kind="latency", seconds=2, times=1)
    bakery.shop.faults.add(replace(slow, where=("callback",)))
    bakery.is_called_about(bakery.is_paid("stop-callback"), "stop-callback")
    bakery.shop.wait_for(1, order="stop-callback")
    quiet.portone.faults.add(replace(slow, where=("payment",), who=florist.name))
    asked = quiet.portone.journal.questions()
    florist.is_called_about(florist.is_paid("stop-question"), "stop-question")
    wait_until(lambda: quiet.portone.journal.questions() > asked, what="a question")

    worker.ask_to_stop()

    assert worker.wait_for_end(seconds=20) == 0
    assert bakery.deliveries("stop-callback") == [(True, 1)]
    assert len(bakery.shop.received(order="stop-callback")) == 1
    assert florist.events("stop-question") == [(1, "payment.paid")]
    assert florist.told("stop-question") == []
    assert worker.has_left_nothing


def test_web_side_finishes_what_it_answers(quiet: Installation, bakery: Merchant) -> None:
    """A web side that is asked to stop answers the requests it has begun, and leaves no process behind."""
    web = quiet.start_web()
    paid = bakery.is_paid("stop-request")
    with ThreadPoolExecutor(1) as portone:
        with quiet.holding(f"LOCK TABLE {bakery.schema}.results_notification IN EXCLUSIVE MODE"):
            answer = portone.submit(bakery.is_called_about, paid, "stop-request")
            quiet.wait_until_stuck(1)
            web.ask_to_stop()
            wait_until(lambda: not quiet.is_ready(), what="a closed door")
        assert answer.result() == 200

    assert web.wait_for_end(seconds=20) == 0
    assert web.has_left_nothing
    assert bakery.notifications("stop-request") == 1


def test_killed_web_process_is_replaced(quiet: Installation, bakery: Merchant) -> None:
    """When one of the web side's processes is killed, another takes its place by itself."""
    web = quiet.start_web()
    (child,) = web.children

    os.kill(child, signal.SIGKILL)
    wait_until(lambda: web.children not in ([], [child]), what="another process")
    wait_until(quiet.is_ready)

    assert bakery.is_called_about(bakery.is_paid("replaced"), "replaced") == 200


def test_killed_web_side_gives_its_port_back(quiet: Installation, bakery: Merchant) -> None:
    """When only the web side's first process is killed, the others end too, and a new web side can start."""
    web = quiet.start_web()

    os.kill(web.running.pid, signal.SIGKILL)
    web.running.wait(10)
    wait_until(lambda: web.has_left_nothing, what="the end of its processes")
    quiet.start_web()

    assert bakery.is_called_about(bakery.is_paid("port"), "port") == 200
