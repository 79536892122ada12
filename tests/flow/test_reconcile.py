"""Sweeps: with every webhook dropped and every landing lost, what was paid is still told."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.db import connections

from deploy.demo.mischief import Fault
from deploy.demo.simulator.books import Prepared, View
from results import duties
from results.core.words import EventType
from results.duties import Taken
from results.models import Payment, Reconciliation, Verification
from results.portone import PortOne
from results.reconcile import HOLD_MONEY, ensure_sweeps, sweep
from tenants.models import Credential, Duty, Merchant, TakenPayment
from tenants.routing import Threads, inside
from tests.factories import Cast

Work = Callable[..., None]
GAP = EventType.RECONCILIATION_GAP


@pytest.fixture(autouse=True)
def connected_yesterday(bakery: Cast) -> None:
    """The merchant connected long before the story begins."""
    Credential.objects.update(created_at=datetime.now(UTC) - timedelta(days=1))


def at_portone(cast: Cast, *, minutes_ago: float) -> None:
    """Set PortOne's clock, and with it the times of what happens from now on."""
    cast.portone.now = lambda: datetime.now(UTC) - timedelta(minutes=minutes_ago)


def pays_unheard(cast: Cast, order: str, **fields: Any) -> str:
    """Let an order be paid while its webhook is dropped and its customer's browser never comes back."""
    imp_uid = cast.opens_window(order, **fields)
    cast.portone.approve(imp_uid, webhook=False)
    return imp_uid


def owe_sweep(cast: Cast) -> None:
    route = cast.route
    duties.owe_sweep(merchant=route.merchant_id, mode=route.mode, lane=route.lane, due_at=datetime.now(UTC))


def is_swept(cast: Cast, run_worker: Work) -> None:
    """Let one sweep go from its first page to its end, and what follows from it; pauses are over."""
    Credential.objects.exclude(paused_until=None).update(paused_until="2020-01-01T00:00:00Z")
    owe_sweep(cast)
    run_worker()


def pause_is_over() -> None:
    """Let PortOne be asked again, as after the pause that follows silence and refusals."""
    Credential.objects.exclude(paused_until=None).update(paused_until=datetime.now(UTC))
    Duty.objects.filter(kind="sweep").update(due_at=datetime.now(UTC))


def pages_read(cast: Cast) -> list[str]:
    return [asked.query for asked in cast.portone.journal.asked() if asked.endpoint == "status"]


def reconciliation(cast: Cast) -> Reconciliation:
    return cast.rows(Reconciliation)[0]


def change(cast: Cast, **fields: Any) -> None:
    """Alter how far a merchant's payments have been read."""
    with inside(cast.merchant.schema_name):
        Reconciliation.objects.update(**fields)


def is_swept_in_pages(
    cast: Cast, *, page_size: int, after_page: Callable[[int], None] = lambda page: None, turn: float = 4
) -> int:
    """Do one sweep with small pages; return how many turns it took. `after_page` hears how many pages were read."""
    Credential.objects.exclude(paused_until=None).update(paused_until="2020-01-01T00:00:00Z")
    owe_sweep(cast)
    return asyncio.run(_sweep(cast, page_size, after_page, turn))


class Pacing(PortOne):
    """PortOne as asked by a test that wants to do something between two pages."""

    after_page: Callable[[int], None]
    pages = 0

    async def list_newest(self, *args: Any, **named: Any) -> Any:
        page = await super().list_newest(*args, **named)
        self.pages += 1
        self.after_page(self.pages)
        return page


async def _sweep(cast: Cast, page_size: int, after_page: Callable[[int], None], turn: float) -> int:
    threads, turns = Threads(2), 0
    try:
        async with Pacing(settings.PORTONE_V1_URL, deadline=3) as portone:
            portone.after_page = after_page
            while (duty := await threads.run("public", _due_sweep)) is not None:
                await sweep(portone, threads, cast.route, duty, jitter=0, page_size=page_size, last_start=turn)
                turns += 1
            return turns
    finally:
        await threads.run("public", connections.close_all)
        threads.close()


def _due_sweep() -> Taken | None:
    duty = Duty.objects.filter(kind=Duty.Kind.SWEEP, due_at__lte=datetime.now(UTC)).first()
    return (
        Taken(duty.id, duty.kind, duty.merchant, duty.mode, duty.lane, duty.reference, duty.tries + 1, duty.due_at)
        if duty
        else None
    )


def test_a_payment_of_which_nothing_arrived_is_told(bakery: Cast, run_worker: Work) -> None:
    """Webhook suppressed and landing lost: a sweep tells the payment, checked like any other."""
    bakery.expects("order-1")
    pays_unheard(bakery, "order-1")

    is_swept(bakery, run_worker)

    [event] = bakery.events()
    assert (event["type"], event["cause"]) == ("payment.paid", "reconciliation")
    assert event["data"]["payment"]["verification"]["result"] == "matched"
    assert bakery.shop.fulfilled().keys() == {"order-1"}


def prepares_itself(cast: Cast, order: str, amount: int) -> None:
    """Let the shop announce an amount to PortOne by itself, after the window opened, so that nothing is blocked."""
    cast.portone.prepare(View(cast.portone.account(cast.imp_key)), Prepared(order, Decimal(amount), None))


def test_a_sweep_reads_back_what_the_shop_announced(bakery: Cast, run_worker: Work) -> None:
    """A forged amount whose webhook was suppressed is not told as paid first."""
    bakery.chooses(reads_prepared=True)
    pays_unheard(bakery, "order-1", amount=100)
    prepares_itself(bakery, "order-1", 64900)

    is_swept(bakery, run_worker)

    assert bakery.told() == ["payment.review.amount_mismatch"]


def test_a_silent_prepare_holds_a_sweep_up_for_a_while_only(
    bakery: Cast, run_worker: Work, make_due: Callable[[], None]
) -> None:
    """The page is read again a few times; then what it shows is told as it is."""
    bakery.chooses(reads_prepared=True)
    pays_unheard(bakery, "order-1")
    bakery.portone.faults.add(Fault(kind="status", status=503, where=("prepare",)))
    is_swept(bakery, run_worker)
    for _ in range(2):
        assert bakery.told() == []
        make_due()
        run_worker()

    make_due()
    run_worker(until=lambda: bakery.told() != [])

    assert bakery.told() == ["payment.paid"]


def test_every_paid_order_is_told_and_the_gap_once(bakery: Cast, run_worker: Work) -> None:
    """With every webhook dropped and every landing lost all paid orders are told, and the gap is reported once."""
    at_portone(bakery, minutes_ago=11)
    orders = [f"order-{number}" for number in range(40)]
    for order in orders:
        bakery.expects(order)
        pays_unheard(bakery, order)

    for _ in range(3):
        is_swept_in_pages(bakery, page_size=7)
        run_worker()

    told = bakery.events()
    assert sorted(event["data"]["order"]["id"] for event in told if event["type"] == "payment.paid") == sorted(orders)
    [gap] = [event["data"]["account"] for event in told if event["type"] == GAP]
    assert (gap["mode"], gap["payments"], len(gap["examples"])) == ("live", 40, 20)
    assert gap["oldest_paid_at"] is not None
    assert reconciliation(bakery).gaps == 1


def test_a_payment_is_given_ten_minutes_before_it_counts_as_unheard(bakery: Cast, run_worker: Work) -> None:
    """What a sweep finds sooner is told at once, and reported only by a sweep ten minutes later."""
    imp_uid = pays_unheard(bakery, "order-1")
    is_swept(bakery, run_worker)
    assert bakery.told() == ["payment.paid"]

    with inside(bakery.merchant.schema_name):
        Payment.objects.update(unheard_since=datetime.now(UTC) - timedelta(minutes=11))
    is_swept(bakery, run_worker)

    assert sorted(bakery.told()) == sorted([GAP, "payment.paid"])
    assert bakery.payment(imp_uid).unheard_since is None


@pytest.mark.parametrize("how", ["webhook", "landing about the order"])
def test_what_arrives_late_is_no_gap(bakery: Cast, run_worker: Work, how: str) -> None:
    """A webhook, or a landing that names the order, which comes after the sweep closes the gap without a word."""
    imp_uid = pays_unheard(bakery, "order-1")
    is_swept(bakery, run_worker)
    with inside(bakery.merchant.schema_name):
        Payment.objects.update(unheard_since=datetime.now(UTC) - timedelta(minutes=11))

    if how == "webhook":
        bakery.is_called_about(imp_uid, "order-1")
    else:
        bakery.lands(merchant_uid="order-1", imp_success="true")
    run_worker()
    is_swept(bakery, run_worker)

    assert bakery.told() == ["payment.paid"]
    assert bakery.payment(imp_uid).unheard_since is None
    assert reconciliation(bakery).gaps == 0


def test_what_is_known_is_neither_told_nor_stored_again(bakery: Cast, run_worker: Work) -> None:
    """A row that says what is known already leaves no trace."""
    imp_uid = pays_unheard(bakery, "order-1")
    bakery.is_called_about(imp_uid, "order-1")
    run_worker()
    before = (bakery.payment(imp_uid).observed_at, len(bakery.rows(Verification)))

    is_swept(bakery, run_worker)
    is_swept(bakery, run_worker)

    assert len(pages_read(bakery)) == 2
    assert (bakery.payment(imp_uid).observed_at, len(bakery.rows(Verification))) == before
    assert bakery.told() == ["payment.paid"]


def test_what_a_sweep_found_is_kept_sealed(bakery: Cast, run_worker: Work) -> None:
    """The row that was applied is kept as an answer, its raw words sealed."""
    imp_uid = pays_unheard(bakery, "order-1")

    is_swept(bakery, run_worker)

    [kept] = bakery.rows(Verification)
    assert (kept.question, kept.imp_uid, kept.answer) == ("list", imp_uid, "found")
    raw = bakery.route.open_vault().open(bytes(kept.raw), table="results_verification", field="raw", row=kept.id)
    assert imp_uid.encode() in raw
    assert kept.raw_expires_at is not None


def test_test_payments_are_left_to_test_mode(bakery: Cast, run_worker: Work) -> None:
    """A list that shows test payments changes nothing in live mode."""
    bakery.portone.set_account(bakery.imp_key, hides_sandbox=False)
    pays_unheard(bakery, "order-1", sandbox=True)

    is_swept(bakery, run_worker)

    assert len(pages_read(bakery)) == 1
    assert bakery.rows(Payment) == []


def test_history_is_not_told_but_what_happens_to_it_is(bakery: Cast, run_worker: Work) -> None:
    """Payments from before the merchant connected stay untold; a deposit into an account of that time is told."""
    at_portone(bakery, minutes_ago=60)
    pays_unheard(bakery, "order-1")
    waiting = bakery.opens_window("order-2", pay_method="vbank")
    bakery.portone.issue_account(waiting, webhook=False)
    Credential.objects.update(created_at=datetime.now(UTC) - timedelta(minutes=30))
    is_swept(bakery, run_worker)
    assert bakery.published() == []

    at_portone(bakery, minutes_ago=0)
    bakery.portone.deposit(waiting, webhook=False)
    is_swept(bakery, run_worker)

    assert [(event["type"], event["data"]["order"]["id"]) for event in bakery.events()] == [("payment.paid", "order-2")]


def test_a_cancellation_by_the_merchants_own_call_is_told(bakery: Cast, run_worker: Work) -> None:
    """A cancellation through PortOne's API sends no webhook: a sweep tells it, and reports no gap."""
    at_portone(bakery, minutes_ago=20)
    imp_uid = pays_unheard(bakery, "order-1")
    bakery.is_called_about(imp_uid, "order-1")
    run_worker()

    bakery.portone.cancel_by_api(imp_uid)
    is_swept(bakery, run_worker)

    assert bakery.told() == ["payment.paid", "payment.cancelled"]
    assert reconciliation(bakery).gaps == 0


def test_a_payment_found_cancelled_is_no_gap(bakery: Cast, run_worker: Work) -> None:
    """What is cancelled already when a sweep first finds it is told as that, and raises no gap."""
    at_portone(bakery, minutes_ago=20)
    bakery.portone.cancel_by_api(pays_unheard(bakery, "order-1"))

    is_swept(bakery, run_worker)

    assert bakery.told() == ["payment.cancelled"]


def test_a_deposit_into_an_announced_account_is_no_gap(bakery: Cast, run_worker: Work) -> None:
    """An account whose issuing reached us may be paid into without a webhook: told, and no gap."""
    at_portone(bakery, minutes_ago=20)
    imp_uid = bakery.opens_window("order-1", pay_method="vbank")
    bakery.portone.issue_account(imp_uid, webhook=False)
    bakery.is_called_about(imp_uid, "order-1", status="ready")
    run_worker()

    bakery.portone.deposit(imp_uid, webhook=False)
    is_swept(bakery, run_worker)

    assert bakery.told() == ["payment.virtual_account.issued", "payment.paid"]
    assert reconciliation(bakery).gaps == 0


def test_a_sweep_that_breaks_off_is_read_to_its_end(bakery: Cast, run_worker: Work, make_due: Work) -> None:
    """When a page fails the watermark stays; the sweep goes on at that page, and the next begins behind nothing."""
    for number in range(6):
        pays_unheard(bakery, f"order-{number}")

    def break_after(page: int) -> None:
        bakery.portone.faults.add(Fault(kind="status", status=500, where=("status",), times=1))

    is_swept_in_pages(bakery, page_size=2, after_page=lambda page: break_after(page) if page == 1 else None)
    stopped = reconciliation(bakery)
    pause_is_over()
    is_swept_in_pages(bakery, page_size=2)
    run_worker()

    assert (stopped.watermark, stopped.page) == (None, 2)
    assert bakery.told() == ["payment.paid"] * 6
    assert reconciliation(bakery).watermark == stopped.began_at
    assert reconciliation(bakery).page == 0


def test_a_long_sweep_takes_turns(bakery: Cast, run_worker: Work) -> None:
    """A sweep that takes longer than a duty's lease goes on at its next page in another turn, at once."""
    for number in range(6):
        pays_unheard(bakery, f"order-{number}")

    turns = is_swept_in_pages(bakery, page_size=2, turn=0)
    run_worker()

    assert turns == len(pages_read(bakery)) == 3
    assert bakery.told() == ["payment.paid"] * 6


def test_what_changes_while_pages_are_read_is_not_lost(bakery: Cast, run_worker: Work) -> None:
    """A payment that moves to the front behind our back is found by the next sweep."""
    at_portone(bakery, minutes_ago=5)
    windows = [bakery.opens_window(f"order-{number}") for number in range(6)]
    oldest = windows[0]
    at_portone(bakery, minutes_ago=0)

    is_swept_in_pages(
        bakery,
        page_size=2,
        after_page=lambda page: bakery.portone.approve(oldest, webhook=False) if page == 1 else None,
    )
    run_worker()
    assert bakery.told() == []
    is_swept(bakery, run_worker)

    assert [event["data"]["order"]["id"] for event in bakery.events()] == ["order-0"]


def test_a_sweep_stops_at_what_it_knows(bakery: Cast, run_worker: Work) -> None:
    """Once nothing is new, one page is enough."""
    at_portone(bakery, minutes_ago=60)
    for number in range(6):
        pays_unheard(bakery, f"order-{number}")
    is_swept_in_pages(bakery, page_size=2)
    with inside(bakery.merchant.schema_name):
        for payment in Payment.objects.all():
            assert payment.snapshot is not None
            payment.snapshot["asked_at"] = (datetime.now(UTC) - timedelta(minutes=30)).isoformat()
            payment.save()
    bakery.portone.journal.clear()

    is_swept_in_pages(bakery, page_size=2)

    assert len(pages_read(bakery)) == 1


@pytest.mark.parametrize(("days", "finds"), [(0, False), (9, True)], ids=["read just now", "read last week"])
def test_the_weekly_sweep_reads_on_behind_what_is_known(bakery: Cast, days: int, finds: bool) -> None:
    """A change that a sweep once overlooked is found by one that does not stop at what is known."""
    at_portone(bakery, minutes_ago=60)
    lost = pays_unheard(bakery, "order-1")
    for number in range(2, 5):
        pays_unheard(bakery, f"order-{number}")
    is_swept_in_pages(bakery, page_size=2)
    now = datetime.now(UTC)
    with inside(bakery.merchant.schema_name):
        Payment.objects.get(imp_uid=lost).delete()
        for payment in Payment.objects.all():
            assert payment.snapshot is not None
            payment.snapshot["asked_at"] = (now - timedelta(minutes=30)).isoformat()
            payment.save()
    change(bakery, since=now - timedelta(days=20), quarter_read_at=now - timedelta(days=days))

    is_swept_in_pages(bakery, page_size=2)

    known = {payment.imp_uid for payment in bakery.rows(Payment)}
    assert (lost in known) is finds
    assert (reconciliation(bakery).quarter_read_at > now) is finds


@pytest.mark.parametrize(("days", "size"), [(0, 100), (9, 500)], ids=["recent", "far"])
def test_a_sweep_that_reads_far_reads_larger_pages(bakery: Cast, run_worker: Work, days: int, size: int) -> None:
    """Ninety days are read in few questions; what happened lately needs few rows."""
    is_swept(bakery, run_worker)
    read_at = datetime.now(UTC) - timedelta(days=days)
    change(bakery, since=datetime.now(UTC) - timedelta(days=20), days_read_at=read_at, quarter_read_at=read_at)
    bakery.portone.journal.clear()

    is_swept(bakery, run_worker)

    assert [f"limit={size}" in query for query in pages_read(bakery)] == [True]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="status", status=500, where=("status",)),
        Fault(kind="status", status=401, where=("status",)),
        Fault(kind="status", status=429, where=("status",)),
        Fault(kind="html", status=200, where=("status",)),
        Fault(kind="html", status=404, where=("status",)),
        Fault(kind="close", where=("status",)),
    ],
    ids=["500", "401", "429", "html", "404", "hangs up"],
)
def test_no_answer_changes_nothing(bakery: Cast, run_worker: Work, fault: Fault) -> None:
    """Silence or a refusal tells nothing, moves no watermark, and the sweep is tried again later."""
    pays_unheard(bakery, "order-1")
    bakery.portone.faults.add(fault)
    is_swept(bakery, run_worker)
    waiting = Duty.objects.get(kind="sweep")

    assert bakery.rows(Payment) == []
    assert reconciliation(bakery).watermark is None

    bakery.portone.faults.clear()
    pause_is_over()
    is_swept(bakery, run_worker)

    assert datetime.now(UTC) - timedelta(minutes=1) < waiting.due_at < datetime.now(UTC) + timedelta(minutes=10)
    assert [told for told in bakery.told() if not told.startswith("account.")] == ["payment.paid"]


def test_silence_puts_a_sweep_off_by_an_interval_at_most(bakery: Cast, run_worker: Work) -> None:
    """However often PortOne gave no answer, a sweep is not put off for longer than until the next would begin."""
    bakery.portone.faults.add(Fault(kind="status", status=503, where=("status",)))
    owe_sweep(bakery)
    Duty.objects.filter(kind="sweep").update(tries=9)

    run_worker()

    wait = Duty.objects.get(kind="sweep").due_at - datetime.now(UTC)
    assert settings.SWEEP_INTERVAL * 0.8 < wait <= settings.SWEEP_INTERVAL


def test_waiting_for_a_pause_is_no_try(bakery: Cast, run_worker: Work) -> None:
    """A sweep that finds PortOne's questions paused waits for the pause's end, with no try held against it."""
    until = datetime.now(UTC) + timedelta(minutes=1)
    Credential.objects.update(paused_until=until, pauses=1)
    owe_sweep(bakery)

    run_worker()

    [waiting] = Duty.objects.filter(kind="sweep")
    assert (waiting.due_at, waiting.tries) == (until, 0)


def test_an_empty_list_moves_no_watermark(bakery: Cast, run_worker: Work) -> None:
    """A list without a single row proves nothing, whether PortOne says so or answers 400."""
    is_swept(bakery, run_worker)
    bakery.portone.faults.add(Fault(kind="status", status=400, where=("status",), times=1))
    pays_unheard(bakery, "order-1")
    is_swept(bakery, run_worker)
    assert reconciliation(bakery).watermark is None

    is_swept(bakery, run_worker)

    assert bakery.told() == ["payment.paid"]
    assert reconciliation(bakery).watermark is not None


def test_the_next_sweep_comes_after_the_interval(bakery: Cast, run_worker: Work) -> None:
    """After a sweep the mode owes one more, an interval later, with no tries held against it."""
    is_swept(bakery, run_worker)

    [owed] = Duty.objects.filter(kind="sweep")
    wait = owed.due_at - datetime.now(UTC)
    assert settings.SWEEP_INTERVAL * 0.8 < wait < settings.SWEEP_INTERVAL * 1.2
    assert owed.tries == 0


def test_of_a_shared_account_only_registered_orders_are_told(bakery: Cast, florist: Cast, run_worker: Work) -> None:
    """When another merchant's keys open the same account, orders that were not registered here are not ours."""
    Credential.objects.update(account=b"one account".ljust(32))
    bakery.expects("order-1")
    pays_unheard(bakery, "order-1")
    pays_unheard(bakery, "order-2")

    is_swept(bakery, run_worker)

    assert [event["data"]["order"]["id"] for event in bakery.events()] == ["order-1"]
    assert florist.published() == []


def test_a_sweep_names_the_account_of_older_keys(bakery: Cast, florist: Cast, run_worker: Work) -> None:
    """Keys from before accounts were told apart get theirs from the first sweep, which then sees who shares it."""
    bakery_keys = Credential.objects.filter(merchant=bakery.merchant)
    account = bakery_keys.get().account
    Credential.objects.update(account=account)
    bakery_keys.update(account=None)
    pays_unheard(bakery, "order-1")

    is_swept(bakery, run_worker)

    assert bakery_keys.get().account == account
    assert bakery.told() == []


ACCOUNT = b"one account".ljust(32)


def belongs_to(neighbour: Cast, imp_uid: str) -> None:
    """Let both merchants hold keys of one account, and the neighbour have taken a payment of it."""
    Credential.objects.update(account=ACCOUNT)
    TakenPayment.objects.create(
        account=ACCOUNT, imp_uid=imp_uid, merchant=neighbour.merchant.id, mode="live", taken_at=datetime.now(UTC)
    )


@pytest.mark.parametrize("has_keys", [True, False], ids=["still a neighbour", "a neighbour no more"])
def test_a_neighbours_payment_leaves_no_trace(bakery: Cast, florist: Cast, run_worker: Work, has_keys: bool) -> None:
    """What another merchant of the account took first is neither told nor kept, even for an order registered here."""
    belongs_to(florist, pays_unheard(bakery, "order-1"))
    bakery.expects("order-1")
    if not has_keys:
        Credential.objects.filter(merchant=florist.merchant).delete()

    is_swept(bakery, run_worker)

    assert bakery.told() == []
    assert bakery.rows(Payment) == bakery.rows(Verification) == []


def test_a_neighbours_payment_keeps_no_sweep_going(bakery: Cast, florist: Cast, run_worker: Work) -> None:
    """A row that is a neighbour's is nothing to wait for: a sweep stops at it as at what it knows."""
    at_portone(bakery, minutes_ago=60)
    pays_unheard(bakery, "order-1")
    at_portone(bakery, minutes_ago=30)
    bakery.expects("order-2")
    belongs_to(florist, pays_unheard(bakery, "order-2"))
    is_swept_in_pages(bakery, page_size=1)
    bakery.portone.journal.clear()

    is_swept_in_pages(bakery, page_size=1)

    assert len(pages_read(bakery)) == 1


def test_test_mode_asks_again_about_what_it_knows(test_bakery: Cast, run_worker: Work) -> None:
    """Test mode has no list: known payments that hold money are asked about again, and a cancellation is told."""
    imp_uid = pays_unheard(test_bakery, "order-1")
    test_bakery.is_called_about(imp_uid, "order-1")
    run_worker()
    test_bakery.portone.cancel_by_api(imp_uid)
    is_swept(test_bakery, run_worker)
    assert test_bakery.told() == ["payment.paid"]

    with inside(test_bakery.merchant.schema_name):
        Payment.objects.update(observed_at=datetime.now(UTC) - timedelta(minutes=61))
    is_swept(test_bakery, run_worker)

    assert test_bakery.told() == ["payment.paid", "payment.cancelled"]
    assert pages_read(test_bakery) == []


@pytest.mark.parametrize(
    ("fields", "asks"),
    [
        ({}, True),
        ({"status": "partially_cancelled"}, True),
        ({"status": "review"}, True),
        ({"status": "failed"}, False),
        ({"first_seen_at": timedelta(days=4)}, False),
        ({"observed_at": timedelta(minutes=59)}, False),
    ],
)
def test_test_mode_asks_about_few(test_bakery: Cast, run_worker: Work, fields: dict[str, Any], asks: bool) -> None:
    """Only what holds money or is under review, is younger than three days and was not seen for an hour is asked."""
    imp_uid = pays_unheard(test_bakery, "order-1")
    test_bakery.is_called_about(imp_uid, "order-1")
    run_worker()
    now, aged = datetime.now(UTC), {"observed_at": timedelta(hours=2)} | fields
    values = {name: now - value if isinstance(value, timedelta) else value for name, value in aged.items()}
    with inside(test_bakery.merchant.schema_name):
        Payment.objects.update(**values)
    test_bakery.portone.journal.clear()

    is_swept(test_bakery, run_worker)

    assert test_bakery.portone.journal.counts().get("payment", 0) == asks
    assert set(HOLD_MONEY) == {"paid", "partially_cancelled", "review"}


def test_every_mode_with_keys_is_swept(bakery: Cast, merchants: dict[str, Merchant]) -> None:
    """The clock owes a sweep at once for each mode that has keys and none; one that is owed keeps its time."""
    ensure_sweeps()
    [owed] = Duty.objects.all()
    Duty.objects.update(due_at=owed.due_at + timedelta(minutes=3))

    ensure_sweeps()

    [kept] = Duty.objects.all()
    assert (owed.kind, owed.mode, owed.lane, owed.reference) == ("sweep", "live", bakery.route.lane, bakery.route.lane)
    assert owed.due_at <= datetime.now(UTC)
    assert (kept.id, kept.due_at) == (owed.id, owed.due_at + timedelta(minutes=3))


@pytest.mark.parametrize("fields", [{"closed_at": datetime(2026, 1, 1, tzinfo=UTC)}, {"state": "new"}])
def test_merchants_that_are_closed_or_unfinished_are_not_swept(bakery: Cast, fields: dict[str, Any]) -> None:
    """No sweep is owed for a merchant that is closed, or whose schema is not ready."""
    mine = Merchant.objects.filter(id=bakery.merchant.id)
    before = mine.values(*fields).get()
    mine.update(**fields)
    try:
        ensure_sweeps()
    finally:
        mine.update(**before)

    assert not Duty.objects.exists()


def test_a_mode_that_lost_its_keys_is_swept_no_more(bakery: Cast, run_worker: Work) -> None:
    """Without keys there is nothing to ask with; the clock owes a sweep again when they come back."""
    Credential.objects.all().delete()

    is_swept(bakery, run_worker)

    assert not Duty.objects.exists()
