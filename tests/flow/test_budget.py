"""Questions have a budget: what becomes of arrivals while PortOne refuses the keys, is silent, or has enough of us."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from django.db import connection
from django.db.models import F

from deploy.demo.mischief import Fault
from deploy.demo.simulator.journal import Asked
from results.connect import connect_account
from results.core.claim import Claim
from results.models import Event, Notification, Verification
from results.receive import Arrival, Kind, record
from tenants.models import Credential, Duty
from tenants.routing import inside
from tests.factories import Cast
from tests.postbox import Postbox

Work = Callable[..., None]
Note = Callable[[str], None]

REFUSED = "account.credentials_invalid"
FIRST_FORGED = 700_000_000_000


def calls(cast: Cast) -> list[Asked]:
    """Return what PortOne was asked with a merchant's keys."""
    return [asked for asked in cast.portone.journal.asked() if asked.imp_key == cast.imp_key]


def keys_of(cast: Cast) -> Credential:
    return Credential.objects.get(merchant=cast.merchant, mode=cast.mode)


def pause_ends(cast: Cast) -> float:
    """Let the time go by until asking may be probed; return how many seconds the pause was to last from now."""
    until, now = keys_of(cast).paused_until, datetime.now(UTC)
    assert until is not None
    Credential.objects.filter(id=keys_of(cast).id).update(paused_until=now)
    Duty.objects.filter(due_at=until).update(due_at=now)
    with inside(cast.merchant.schema_name):
        Verification.objects.update(asked_at=F("asked_at") - (until - now))
    return (until - now).total_seconds()


def is_refused(cast: Cast) -> Fault:
    return cast.portone.faults.add(Fault(kind="status", status=401, who=cast.imp_key))


def pays(cast: Cast, order: str) -> None:
    """Let a customer pay a registered order, and its webhook come in."""
    cast.expects(order)
    imp_uid = cast.opens_window(order)
    cast.portone.approve(imp_uid, webhook=False)
    assert cast.is_called_about(imp_uid, order).status_code == 200


def is_flooded(cast: Cast, amount: int, *, first: int = FIRST_FORGED, order: str = "") -> None:
    """Write down as many webhooks, as the web side does, about payments that nobody ever made, each its own order."""
    route = replace(cast.route, key_id=cast.key("webhook").id)
    for number in range(first, first + amount):
        claim = Claim(f"imp_{number}", order or f"order_{number}", status="paid")
        assert record(route, Arrival(Kind.WEBHOOK, claim, b""), at=datetime.now(UTC))


def told_after(cast: Cast, sent_at: datetime) -> float:
    """Return how many seconds later the shop heard of a payment."""
    heard = next(item.at for item in cast.shop.received() if item.event["type"] == "payment.paid")
    return (heard - sent_at).total_seconds()


def all_told(cast: Cast, *orders: str) -> Callable[[], bool]:
    """Say whether the shop heard of these orders, each once. It is asked within a loop, so it asks the shop alone."""
    return lambda: all(
        [event["type"] for event in cast.shop.events(order=order)] == ["payment.paid"] for order in orders
    )


@pytest.fixture
def bakery_is_refused(bakery: Cast, run_worker: Work) -> Cast:
    """The bakery whose keys PortOne refuses, which was noticed with the first order."""
    is_refused(bakery)
    pays(bakery, "order-0")
    run_worker()
    return bakery


def test_refused_keys_are_told_once(bakery_is_refused: Cast, run_worker: Work, do_jobs: Work, postbox: Postbox) -> None:
    """However many payments and probes meet a refusal, the owners hear of it once, by event and by mail."""
    bakery = bakery_is_refused
    for number in range(1, 4):
        pays(bakery, f"order-{number}")
        pause_ends(bakery)
        run_worker()
    assert probed(bakery) == 4
    do_jobs()

    assert [event.type for event in bakery.published()] == [REFUSED]
    assert bakery.told() == [REFUSED]
    assert len(postbox.letters) == 1


def probed(cast: Cast) -> int:
    """Return how many questions there were: refused already at the token, each is one call."""
    return len(cast.portone.journal.asked())


def test_a_refused_merchant_is_left_alone_but_for_probes(bakery_is_refused: Cast, run_worker: Work) -> None:
    """Arrivals while the keys are refused cost nothing; one call each after 1, 5, 10 and 10 min probes them."""
    bakery, pauses = bakery_is_refused, []
    for number in range(1, 5):
        for again in range(5):
            pays(bakery, f"order-{number}-{again}")
        run_worker()
        assert probed(bakery) == number
        pauses.append(pause_ends(bakery))
        run_worker()

    assert probed(bakery) == 5
    assert pauses == pytest.approx([60, 300, 600, 600], abs=10)


def test_mended_keys_are_noticed_and_all_that_waited_is_told(bakery_is_refused: Cast, run_worker: Work) -> None:
    """The probe after the keys were mended ends the pause: everything that waited is told, and told once."""
    bakery = bakery_is_refused
    orders = [f"order-{number}" for number in range(6)]
    for order in orders[1:]:
        pays(bakery, order)
    run_worker()

    bakery.portone.faults.clear()
    pause_ends(bakery)
    run_worker(until=all_told(bakery, *orders), seconds=15)
    run_worker()

    assert bakery.told() == [REFUSED, *["payment.paid"] * 6]
    assert keys_of(bakery).refused_at is None


def test_a_second_refusal_is_told_again(
    bakery_is_refused: Cast, run_worker: Work, do_jobs: Work, postbox: Postbox
) -> None:
    """Keys that were mended and are refused on another day are reported anew, once."""
    bakery = bakery_is_refused
    bakery.portone.faults.clear()
    pause_ends(bakery)
    run_worker(until=all_told(bakery, "order-0"))

    with inside(bakery.merchant.schema_name):
        Event.objects.update(created_at=F("created_at") - timedelta(days=1))
    is_refused(bakery)
    for order in ("order-1", "order-2"):
        pays(bakery, order)
    run_worker()
    do_jobs()

    assert [event.type for event in bakery.published()] == [REFUSED, "payment.paid", REFUSED]
    assert len(postbox.letters) == 2


def test_keys_that_flap_are_told_once_a_day(
    bakery_is_refused: Cast, run_worker: Work, do_jobs: Work, postbox: Postbox
) -> None:
    """PortOne takes the keys for one question and refuses them for the next: the owners hear of it once a day."""
    bakery = bakery_is_refused
    for number in range(3):
        bakery.portone.faults.clear()
        pause_ends(bakery)
        run_worker(until=all_told(bakery, f"order-{number}"))
        is_refused(bakery)
        pays(bakery, f"order-{number + 1}")
        run_worker()
    do_jobs()

    assert keys_of(bakery).refused_at is not None
    assert bakery.told() == [REFUSED, *["payment.paid"] * 3]
    assert len(postbox.letters) == 1


def test_other_keys_that_are_refused_too_are_told(bakery_is_refused: Cast, run_worker: Work) -> None:
    """Keys that were entered after a refusal are reported when they are refused, on the same day too."""
    bakery = bakery_is_refused
    connect_account(bakery.route, imp_key=bakery.imp_key, imp_secret="mistyped", actor="tests", at=datetime.now(UTC))
    run_worker(until=lambda: len(bakery.told()) == 2, seconds=10)

    assert bakery.told() == [REFUSED, REFUSED]


def test_what_met_silence_is_told_when_it_ends(bakery: Cast, run_worker: Work) -> None:
    """However often a payment was asked about in vain, it waits for the next probe and no longer."""
    bakery.portone.faults.add(Fault(kind="close", who=bakery.imp_key))
    pays(bakery, "order-0")
    run_worker()
    pauses = []
    for _ in range(6):
        pauses.append(pause_ends(bakery))
        run_worker()

    bakery.portone.faults.clear()
    pause_ends(bakery)
    run_worker()

    assert max(pauses) < 16
    assert bakery.told() == ["payment.paid"]


def test_waiting_is_not_trying(bakery_is_refused: Cast, run_worker: Work) -> None:
    """What only waits while asking pauses is as new as before: its own schedule begins with its first question."""
    bakery = bakery_is_refused
    pays(bakery, "order-1")
    for _ in range(3):
        run_worker()
        Duty.objects.filter(tries=0).update(due_at=datetime.now(UTC))
    run_worker()

    assert sorted(Duty.objects.exclude(kind=Duty.Kind.SWEEP).values_list("tries", flat=True)) == [0, 1]


def test_orders_are_not_announced_while_asking_pauses(bakery_is_refused: Cast, run_worker: Work) -> None:
    """Orders that are registered while the keys are refused wait, and are then announced within the budget."""
    bakery = bakery_is_refused
    bakery.chooses(prepares=True)
    for number in range(60):
        bakery.expects(f"new-{number}")
    run_worker()
    assert probed(bakery) == 1

    bakery.portone.faults.clear()
    pause_ends(bakery)
    run_worker(until=lambda: bakery.portone.journal.counts().get("prepare", 0) == 60)

    assert busiest(calls(bakery), seconds=1) <= 15 * (1 + 1)


@pytest.mark.parametrize(
    "trouble",
    [Fault(kind="hang"), Fault(kind="status", status=401), Fault(kind="status", status=429)],
    ids=["silent", "refused", "busy"],
)
def test_a_merchant_in_trouble_delays_no_other(
    bakery: Cast, florist: Cast, run_worker: Work, note: Note, trouble: Fault
) -> None:
    """While the bakery's PortOne hangs, refuses or is busy under 500 arrivals, the florist is told within 2 s."""
    bakery.portone.faults.add(Fault(kind=trouble.kind, status=trouble.status, who=bakery.imp_key))
    is_flooded(bakery, 500)
    sent_at: list[datetime] = []

    def pays_meanwhile() -> None:
        time.sleep(1)  # the worker is in the middle of it
        sent_at.append(datetime.now(UTC))
        pays(florist, "order-1")

    with beside(pays_meanwhile):
        run_worker(until=all_told(florist, "order-1"))
    took = told_after(florist, sent_at[0])

    note(f"beside 500 arrivals with {trouble.kind} {trouble.status}: told after {took:.2f} s")
    assert took < 2
    assert florist.told() == ["payment.paid"]
    assert bakery.told() in ([], [REFUSED])


def test_after_a_429_three_calls_a_second_are_made(bakery: Cast, run_worker: Work) -> None:
    """PortOne says that it is asked too much: for a minute no second holds more than the slower rate allows."""
    bakery.portone.faults.add(
        Fault(kind="status", status=429, who=bakery.imp_key, where=("payment", "findAll"), times=1)
    )
    pays(bakery, "order-0")
    run_worker()
    assert keys_of(bakery).slowed_until is not None
    begun, asked_before = time.monotonic(), len(calls(bakery))

    orders = [f"slow-{number}" for number in range(60)]
    with httpx.Client(trust_env=False) as caller:
        for order in orders:  # without an imp_uid: each is a call of its own
            caller.post(bakery.webhook_url, json={"merchant_uid": order, "status": "paid"})
    run_worker(until=lambda: time.monotonic() > begun + 6)

    asked = calls(bakery)[asked_before:]
    assert len(asked) >= 6
    assert busiest(asked, seconds=3) <= 3 * (3 + 1)


def busiest(asked: list[Asked], *, seconds: float) -> int:
    """Return the most calls that any stretch of so many seconds held."""
    times = [call.at for call in asked]
    return max(sum(since <= at < since + timedelta(seconds=seconds) for at in times) for since in times)


def test_a_flood_in_test_mode_keeps_to_the_budget(test_bakery: Cast, run_worker: Work, note: Note) -> None:
    """Where each question is a call of its own, 500 forged ids keep to the budget, and a real one overtakes them."""
    ends, sent_at = time.monotonic() + 10, []

    def floods() -> None:
        is_flooded(test_bakery, 250)
        sent_at.append(datetime.now(UTC))
        pays(test_bakery, "order-1")
        is_flooded(test_bakery, 250, first=FIRST_FORGED + 250)

    with beside(floods):
        run_worker(until=lambda: time.monotonic() > ends)
    took = told_after(test_bakery, sent_at[0])

    asked = calls(test_bakery)
    note(
        f"test mode: told after {took:.2f} s, {len(asked)} calls,"
        f" at most {busiest(asked, seconds=1)} in a second and {busiest(asked, seconds=5)} in five"
    )
    assert took < 5
    assert len(test_bakery.rows(Notification)) == 501
    assert test_bakery.told() == ["payment.paid"]
    for seconds in (1, 2, 5):
        assert busiest(asked, seconds=seconds) <= 15 * (seconds + 1)


def test_a_flood_that_names_a_registered_order_costs_little(bakery: Cast, run_worker: Work, note: Note) -> None:
    """600 forged ids for one registered order cost few calls and no looks at test payments; a real one is told."""
    bakery.expects("order-0")
    ends, sent_at = time.monotonic() + 12, []

    def floods() -> None:
        is_flooded(bakery, 300, order="order-0")
        sent_at.append(datetime.now(UTC))
        pays(bakery, "order-1")
        is_flooded(bakery, 300, first=FIRST_FORGED + 300, order="order-0")

    with beside(floods):
        run_worker(until=lambda: time.monotonic() > ends)
    let_refetches_pass(bakery, run_worker)
    took = told_after(bakery, sent_at[0])

    asked = calls(bakery)
    note(f"600 forged for a registered order: told after {took:.2f} s, {len(asked)} calls")
    assert took < 5
    assert bakery.told() == ["payment.paid"]
    assert len(asked) <= 120
    assert not any("include_sandbox=true" in one.query for one in asked)


def test_a_crowd_is_not_asked_about_again_one_by_one(bakery: Cast, run_worker: Work) -> None:
    """Whatever speaks for them: more than 300 ids that PortOne does not know wait for a sweep to show what is real."""
    bakery.expects("order-0")
    is_flooded(bakery, 320, order="order-0")
    run_worker()
    before = bakery.portone.journal.counts()["payments"]

    with inside(bakery.merchant.schema_name):
        Verification.objects.update(asked_at=F("asked_at") - timedelta(seconds=5))
    Duty.objects.exclude(kind=Duty.Kind.SWEEP).update(due_at=datetime.now(UTC))
    run_worker()

    assert bakery.portone.journal.counts()["payments"] == before
    assert Duty.objects.filter(kind=Duty.Kind.SWEEP).exists()


def let_refetches_pass(cast: Cast, run_worker: Work) -> None:
    """Let the worker ask again as often as it asks about an unknown payment."""
    for _ in range(5):
        Duty.objects.exclude(kind=Duty.Kind.SWEEP).update(due_at=datetime.now(UTC))
        with inside(cast.merchant.schema_name):
            Verification.objects.update(asked_at=F("asked_at") - timedelta(seconds=2))
            Notification.objects.update(received_at=F("received_at") - timedelta(seconds=2))
        run_worker()


@contextmanager
def beside(do: Callable[[], None]) -> Iterator[None]:
    """Do something in a thread of its own while the body runs."""
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(_and_close, do)
        yield
        future.result(30)


def _and_close(do: Callable[[], None]) -> None:
    try:
        do()
    finally:
        connection.close()
