"""One PortOne account behind two merchants, or behind two modes: a payment belongs to one of them."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from deploy.demo.shop import Shop
from deploy.demo.shop import running as running_shop
from results.core.money import Money
from results.core.snapshot import Snapshot
from results.core.words import Cause
from results.models import Order, Payment, Verification
from results.publish import publish_snapshot, register_order
from tenants.models import Credential, TakenPayment
from tenants.routing import inside
from tests.factories import Cast, set_up

Work = Callable[..., None]
NOW = datetime.now(UTC)
PAID = Snapshot(
    imp_uid="imp_000000000001",
    merchant_uid="order-1",
    status="paid",
    amount=Decimal(64900),
    cancel_amount=Decimal(0),
    currency="KRW",
    sandbox=False,
    asked_at=NOW,
    paid_at=NOW,
)


@pytest.fixture
def florist(bakery: Cast, database: dict[str, Any]) -> Iterator[Cast]:
    """A florist who holds keys of the bakery's PortOne account."""
    shop = Shop()
    with running_shop(shop) as url:
        yield set_up(
            database["florist"],
            "live",
            portone=bakery.portone,
            shop=shop,
            shop_url=url,
            web=bakery.web,
            imp_key=bakery.imp_key,
        )


@pytest.fixture
def bakery_in_test(bakery: Cast) -> Iterator[Cast]:
    """The bakery's test mode, with the keys of its live mode."""
    shop = Shop()
    with running_shop(shop) as url:
        yield set_up(
            bakery.merchant,
            "test",
            portone=bakery.portone,
            shop=shop,
            shop_url=url,
            web=bakery.web,
            imp_key=bakery.imp_key,
        )


def pays(bakery: Cast, order: str, **window: Any) -> str:
    """Let a customer pay, and no webhook of PortOne's own come."""
    bakery.portone.set_account(bakery.imp_key, webhooks_lost=True)
    imp_uid = bakery.opens_window(order, **window)
    bakery.portone.approve(imp_uid)
    return imp_uid


def publish(cast: Cast, snapshot: Snapshot) -> Payment | None:
    with inside(cast.merchant.schema_name):
        return publish_snapshot(
            cast.route,
            snapshot,
            cause=Cause.WEBHOOK,
            named_by_claim=True,
            at=snapshot.asked_at + timedelta(seconds=1),
        )


def owners() -> list[tuple[str, Any, str]]:
    return list(TakenPayment.objects.order_by("imp_uid").values_list("imp_uid", "merchant", "mode"))


def test_a_payment_belongs_to_whoever_published_it_first(bakery: Cast, florist: Cast, run_worker: Work) -> None:
    """A neighbour with the same keys who names my payment hears nothing and keeps no word of it (T2)."""
    bakery.expects("order-1")
    florist.expects("order-1")
    imp_uid = pays(bakery, "order-1")
    bakery.is_called_about(imp_uid, "order-1")
    run_worker()

    florist.is_called_about(imp_uid, "order-1")
    run_worker()

    assert bakery.told() == ["payment.paid"]
    assert owners() == [(imp_uid, bakery.merchant.id, "live")]
    assert [event.type for event in florist.published()] == ["claim.rejected"]
    assert (florist.told(), florist.rows(Payment)) == ([], [])
    assert [(row.snapshot, row.raw) for row in florist.rows(Verification)] == [(None, None)]
    assert all(note.settled_at for note in florist.notifications())


def test_a_neighbours_payment_leaves_no_order_behind(bakery: Cast, florist: Cast, run_worker: Work) -> None:
    """An order that only a neighbour's payment names is not written down."""
    bakery.expects("order-1")
    imp_uid = pays(bakery, "order-1")
    bakery.is_called_about(imp_uid, "order-1")
    run_worker()

    florist.is_called_about(imp_uid, "order-1")
    run_worker()

    assert florist.rows(Order) == []


def test_in_a_shared_account_only_a_registered_order_gives_a_right(
    bakery: Cast, florist: Cast, run_worker: Work
) -> None:
    """An unregistered order of a shared account is for a person to look at, whatever the policy, and is not taken."""
    imp_uid = pays(bakery, "order-1")

    florist.is_called_about(imp_uid, "order-1")
    run_worker()

    assert florist.told() == ["payment.review.order_unknown"]
    assert florist.payment(imp_uid).taken_at is None
    assert owners() == []


def test_the_account_is_not_checked_before_it_is_decided_whose_it_is(
    bakery: Cast, florist: Cast, run_worker: Work
) -> None:
    """That PortOne answered to my keys says nothing while a neighbour's keys would be answered as well."""
    imp_uid = pays(bakery, "order-1")
    florist.is_called_about(imp_uid, "order-1")
    run_worker()

    florist.expects("order-1")
    run_worker(until=lambda: len(florist.told()) == 2)

    checks = [event["data"]["payment"]["verification"]["checks"]["account"] for event in florist.events()]
    assert checks == ["skipped", "pass"]


@pytest.mark.parametrize("carried", [True, False])
def test_in_a_shared_account_a_token_gives_no_right(
    bakery: Cast, florist: Cast, run_worker: Work, carried: bool
) -> None:
    """A token tells what an order costs, not whose the payment is: one's own order may have the neighbour's number."""
    imp_uid = pays(bakery, "order-1", custom_data=json.dumps({"pw_order": florist.signs()}) if carried else None)

    florist.lands(imp_uid=imp_uid, merchant_uid="order-1", pw_order=florist.signs())
    run_worker()

    [event] = florist.events()
    assert (event["type"], event["data"]["payment"]["verification"]["result"]) == (
        "payment.review.order_unknown",
        "not_checked",
    )
    assert owners() == []


def test_prepare_is_not_read_for_a_neighbours_payment(bakery: Cast, florist: Cast, run_worker: Work) -> None:
    """What a neighbour's payment names is not asked about, and leaves no order behind."""
    bakery.expects("order-1")
    florist.chooses(reads_prepared=True)
    imp_uid = pays(bakery, "order-1")
    bakery.is_called_about(imp_uid, "order-1")
    run_worker()

    florist.is_called_about(imp_uid, "order-1")
    run_worker()

    assert "prepare" not in bakery.portone.journal.counts()
    assert florist.rows(Order) == []


def test_the_rightful_merchant_takes_it_by_its_webhook(bakery: Cast, florist: Cast, run_worker: Work) -> None:
    """What a neighbour could not take is still paid at the merchant whose order it is."""
    imp_uid = pays(bakery, "order-1")
    florist.is_called_about(imp_uid, "order-1")
    run_worker()
    bakery.expects("order-1")

    bakery.is_called_about(imp_uid, "order-1")
    run_worker()

    assert bakery.told() == ["payment.paid"]
    assert owners() == [(imp_uid, bakery.merchant.id, "live")]


def test_late_registration_takes_what_came_before(bakery: Cast, florist: Cast, run_worker: Work) -> None:
    """A payment that nobody had taken becomes its merchant's as the order is registered."""
    imp_uid = pays(bakery, "order-1")
    bakery.is_called_about(imp_uid, "order-1")
    run_worker()

    bakery.expects("order-1")
    run_worker()

    assert bakery.told() == ["payment.review.order_unknown", "payment.paid"]
    assert bakery.payment(imp_uid).taken_at is not None
    assert owners() == [(imp_uid, bakery.merchant.id, "live")]


def test_registering_late_does_not_take_a_neighbours(bakery: Cast, florist: Cast, run_worker: Work) -> None:
    """Whoever registers an order after a neighbour took its payment gets no `payment.paid` of it."""
    imp_uid = pays(bakery, "order-1")
    florist.is_called_about(imp_uid, "order-1")
    run_worker()
    bakery.expects("order-1")
    bakery.is_called_about(imp_uid, "order-1")
    run_worker()

    florist.expects("order-1")
    run_worker()

    assert florist.told() == ["payment.review.order_unknown"]
    assert florist.shop.fulfilled() == {}


def test_what_was_mine_before_the_account_was_shared_stays_mine(bakery: Cast, request: pytest.FixtureRequest) -> None:
    """A payment that was taken goes on as before when a second merchant connects, registered or not."""
    publish(bakery, PAID)

    request.getfixturevalue("florist")
    less = replace(PAID, cancel_amount=Decimal(900), asked_at=NOW + timedelta(seconds=2))
    publish(bakery, less)

    assert [event.type for event in bakery.published()] == ["payment.paid", "payment.partially_cancelled"]


def test_a_claim_of_ours_on_what_became_a_neighbours_rests(bakery: Cast, florist: Cast) -> None:
    """Once a neighbour took a payment that we still asked about, we ask no more and our row stays as it was."""
    waiting = replace(PAID, status="failed", paid_at=None)
    assert publish(florist, waiting) is not None
    bakery.expects("order-1")
    assert publish(bakery, replace(PAID, asked_at=NOW + timedelta(seconds=2))) is not None

    again = publish(florist, replace(PAID, asked_at=NOW + timedelta(seconds=4)))

    assert again is None
    assert florist.payment(PAID.imp_uid).status == "failed"
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM public.tenants_duty WHERE kind = 'ask'")
        assert cursor.fetchone() == (0,)


def test_sandbox_decides_between_two_modes_with_one_key(bakery: Cast, bakery_in_test: Cast, run_worker: Work) -> None:
    """Live and test mode of one merchant may hold the same keys: each takes the payments of its own kind."""
    real, trial = pays(bakery, "order-1"), pays(bakery, "order-2", sandbox=True)
    bakery.is_called_about(real, "order-1")
    bakery_in_test.is_called_about(trial, "order-2")
    run_worker()

    assert bakery.told() == ["payment.paid"]
    assert bakery_in_test.told() == ["payment.paid"]
    assert {(imp_uid, mode) for imp_uid, _, mode in owners()} == {(real, "live"), (trial, "test")}


def test_the_other_mode_never_takes(bakery: Cast, bakery_in_test: Cast) -> None:
    """A live payment seen with the keys of test mode is reviewed there, and stays free for live mode."""
    seen = publish(bakery_in_test, PAID)

    taken = publish(bakery, replace(PAID, asked_at=NOW + timedelta(seconds=1)))

    assert seen is not None
    assert seen.judgement["type"] == "payment.review.livemode_mismatch"
    assert taken is not None
    assert taken.judgement["type"] == "payment.paid"
    assert owners() == [(PAID.imp_uid, bakery.merchant.id, "live")]


def test_my_other_mode_is_no_neighbour(bakery: Cast, bakery_in_test: Cast) -> None:
    """A live payment that live mode has taken is still reviewed where test mode meets it."""
    publish(bakery, PAID)

    seen = publish(bakery_in_test, PAID)

    assert seen is not None
    assert seen.judgement["type"] == "payment.review.livemode_mismatch"


def test_what_was_taken_stays_taken_when_the_keys_change(bakery: Cast, florist: Cast) -> None:
    """A payment remembers that it is its merchant's, whatever account the keys lead to by now."""
    bakery.expects("order-1")
    publish(bakery, PAID)
    Credential.objects.update(account=b"another account, shared as well ")

    less = replace(PAID, cancel_amount=Decimal(900), asked_at=NOW + timedelta(seconds=2))
    publish(bakery, less)

    assert [row.imp_uid for row in TakenPayment.objects.all()] == [PAID.imp_uid]


def test_twenty_publishers_at_once_leave_one_owner(bakery: Cast, florist: Cast) -> None:
    """Two merchants who publish the same payment at once, many times over, end with one owner and no deadlock."""
    bakery.expects("order-1")
    florist.expects("order-1")
    before, start = deadlocks(), Barrier(20)

    def one(number: int) -> bool:
        try:
            connection.ensure_connection()
            start.wait(20)
            asked_at = NOW + timedelta(milliseconds=number)
            return publish((bakery, florist)[number % 2], replace(PAID, asked_at=asked_at)) is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(one, range(20)))

    [(_, owner, _)] = owners()
    told = {cast.merchant.id: [event.type for event in cast.published()] for cast in (bakery, florist)}
    assert told.pop(owner) == ["payment.paid"]
    assert list(told.values()) == [[]]
    assert deadlocks() == before


def test_two_who_register_for_the_same_payments_at_once_do_not_block_each_other(bakery: Cast, florist: Cast) -> None:
    """Payments are taken in one order by everybody, however differently the merchants came to know them."""
    ids = [f"imp_{number:012}" for number in range(12)]
    for number, imp_uid in enumerate(ids):
        publish(bakery, replace(PAID, imp_uid=imp_uid, asked_at=NOW + timedelta(seconds=number)))
    for number, imp_uid in enumerate(reversed(ids)):
        publish(florist, replace(PAID, imp_uid=imp_uid, asked_at=NOW + timedelta(seconds=number)))
    before, start = deadlocks(), Barrier(2)

    def register(cast: Cast) -> None:
        try:
            with inside(cast.merchant.schema_name):
                connection.ensure_connection()
                start.wait(20)
                register_order(cast.route, merchant_uid="order-1", money=Money(64900, "KRW", 0), at=datetime.now(UTC))
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(register, (bakery, florist)))

    assert len({owner for _, owner, _ in owners()}) == 1
    assert deadlocks() == before


def test_keys_from_before_accounts_were_told_apart_are_named_when_used(bakery: Cast, run_worker: Work) -> None:
    """A credential without its account gets it the next time PortOne is asked."""
    named = bytes(Credential.objects.get().account or b"")
    Credential.objects.update(account=None)
    imp_uid = pays(bakery, "order-1")

    bakery.is_called_about(imp_uid, "order-1")
    run_worker()

    assert len(named) == 32
    assert bytes(Credential.objects.get().account or b"") == named
    assert owners() == [(imp_uid, bakery.merchant.id, "live")]


def deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])
