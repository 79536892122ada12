"""What an order costs reaches us registered, signed in a token, or announced to PortOne."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deploy.demo.shop import Fault
from deploy.demo.simulator.books import Prepared, View
from deploy.demo.simulator.window import WindowRefused
from results.core.claim import Claim
from results.core.money import Money
from results.hear import hear_tokens
from results.models import Order, Payment
from tenants.models import Duty, MerchantKey
from tenants.onboarding import issue_keys
from tenants.routing import inside
from tests.factories import Cast

Work = Callable[..., None]
CLOSED = "사용자가 결제를 취소하였습니다"


def carried(token: str) -> str:
    """Return custom_data as a shop's page hands it to PortOne."""
    return json.dumps({"cart": "c-981", "pw_order": token})


def pays(cast: Cast, amount: int = 64900, order: str = "order-1", **fields: Any) -> str:
    """Let a customer pay; only PortOne's webhook comes in."""
    imp_uid = cast.opens_window(order, amount, **fields)
    cast.portone.approve(imp_uid, webhook=False)
    assert cast.is_called_about(imp_uid, order).status_code == 200
    return imp_uid


def verified(event: dict[str, Any]) -> str:
    return str(event["data"]["payment"]["verification"]["result"])


def expected(event: dict[str, Any]) -> tuple[int, str] | None:
    said = event["data"]["order"]["expected"]
    return (said["amount"], said["source"]) if said else None


# Order tokens


def test_a_token_in_the_landing_is_compared(bakery: Cast, run_worker: Work) -> None:
    """A signed order in the redirect's address makes the payment `matched`."""
    imp_uid = bakery.opens_window("order-1")
    bakery.portone.approve(imp_uid, webhook=False)

    bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", pw_order=bakery.signs())
    run_worker()

    [event] = bakery.events("order-1")
    assert (event["type"], verified(event), expected(event)) == ("payment.paid", "matched", (64900, "order_token"))


def test_a_token_in_custom_data_covers_webhooks_alone(bakery: Cast, run_worker: Work) -> None:
    """PortOne echoes custom_data, so that no landing is needed."""
    pays(bakery, custom_data=carried(bakery.signs()))

    run_worker()

    [event] = bakery.events("order-1")
    assert (verified(event), expected(event)) == ("matched", (64900, "order_token"))


@pytest.mark.parametrize("amount", [100, 64899])
def test_another_amount_than_the_tokens_goes_to_review(bakery: Cast, run_worker: Work, amount: int) -> None:
    """A token that disagrees with the payment is enough for a review."""
    pays(bakery, amount, custom_data=carried(bakery.signs()))

    run_worker()

    assert bakery.told("order-1") == ["payment.review.amount_mismatch"]


def test_a_token_that_comes_after_the_webhook_is_told(bakery: Cast, run_worker: Work) -> None:
    """What was told as not checked is told again as matched when the landing brings the token."""
    imp_uid = pays(bakery)
    run_worker()

    bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true", pw_order=bakery.signs())
    run_worker()

    assert [verified(event) for event in bakery.events("order-1")] == ["not_checked", "matched"]


def test_a_token_satisfies_a_strict_shop(bakery: Cast, run_worker: Work) -> None:
    """An order that the shop's server signed is not unknown."""
    bakery.chooses(policy="strict")
    pays(bakery, custom_data=carried(bakery.signs()))
    pays(bakery, order="order-2")

    run_worker()

    assert bakery.told("order-1") == ["payment.paid"]
    assert bakery.told("order-2") == ["payment.review.order_unknown"]


def test_a_registered_order_alone_decides(bakery: Cast, run_worker: Work) -> None:
    """A token with another amount changes nothing, and is told as a conflict."""
    bakery.expects("order-1", 64900)
    pays(bakery, custom_data=carried(bakery.signs(money=Money(100, "KRW", 0))))

    run_worker()

    [event] = bakery.events("order-1")
    assert (event["type"], verified(event), expected(event)) == ("payment.paid", "matched", (64900, "orders_api"))
    assert event["data"]["order"]["flags"] == ["expected_conflict"]


def test_two_tokens_that_disagree_are_a_conflict(bakery: Cast, run_worker: Work) -> None:
    """The payment's own token decides; the landing's other amount is noticed."""
    imp_uid = bakery.opens_window("order-1", custom_data=carried(bakery.signs()))
    bakery.portone.approve(imp_uid, webhook=False)

    cheap = bakery.signs(money=Money(100, "KRW", 0))
    bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", pw_order=cheap)
    run_worker()

    [event] = bakery.events("order-1")
    assert (event["type"], event["data"]["order"]["flags"]) == ("payment.paid", ["expected_conflict"])


def test_agreeing_sources_are_no_conflict(bakery: Cast, run_worker: Work) -> None:
    """Registered and signed alike, nothing is to be noticed."""
    bakery.expects("order-1", 64900)
    pays(bakery, custom_data=carried(bakery.signs()))

    run_worker()

    [event] = bakery.events("order-1")
    assert event["data"]["order"]["flags"] == []


@pytest.mark.parametrize("is_registered", [True, False])
def test_a_token_for_another_order_goes_to_review(bakery: Cast, run_worker: Work, is_registered: bool) -> None:
    """A payment that carries the signed token of another order of the same price is not the one it says."""
    if is_registered:
        bakery.expects("order-1", 64900)
    pays(bakery, custom_data=carried(bakery.signs("order-2")))

    run_worker()

    [event] = bakery.events("order-1")
    verification = event["data"]["payment"]["verification"]
    assert (event["type"], verification["checks"]["order"]) == ("payment.review.order_mismatch", "fail")
    assert verification["mismatches"] == [{"field": "order", "expected": "order-2", "actual": "order-1"}]
    assert bakery.told("order-2") == []


def test_a_token_that_had_ended_is_not_compared(bakery: Cast, run_worker: Work) -> None:
    """A payment that began after the token's end is not checked, wherever the token stands."""
    ended = bakery.signs(ends=timedelta(minutes=-5))
    imp_uid = pays(bakery, custom_data=carried(ended))
    bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", pw_order=ended)

    run_worker()

    [event] = bakery.events("order-1")
    assert (verified(event), expected(event)) == ("not_checked", None)


def test_a_deposit_days_later_stays_checked(bakery: Cast, run_worker: Work) -> None:
    """The account was issued while the token held; that its deposit comes days later does not matter."""
    now = datetime.now(UTC)
    token = bakery.signs(ends=timedelta(days=-2))
    imp_uid = bakery.opens_window("order-1", pay_method="vbank", custom_data=carried(token))
    bakery.portone.amend(imp_uid, started_at=int((now - timedelta(days=3)).timestamp()))
    bakery.portone.issue_account(imp_uid, webhook=False)
    bakery.is_called_about(imp_uid, "order-1", "ready")
    run_worker()

    bakery.portone.deposit(imp_uid, webhook=False)
    bakery.is_called_about(imp_uid, "order-1")
    run_worker(until=lambda: len(bakery.told("order-1")) == 2)

    issued, paid = bakery.events("order-1")
    assert [issued["type"], paid["type"]] == ["payment.virtual_account.issued", "payment.paid"]
    assert [verified(issued), verified(paid)] == ["matched", "matched"]
    assert paid["data"]["order"]["flags"] == []


@pytest.mark.parametrize("way", ["landing", "custom_data"])
@pytest.mark.parametrize("forgery", ["made up key", "florist's key", "test mode's key", "test mode's token", "noise"])
def test_a_token_that_is_not_ours_says_nothing(
    bakery: Cast, florist: Cast, test_bakery: Cast, run_worker: Work, way: str, forgery: str
) -> None:
    """Forged, of another merchant, of the other mode or broken: ignored, and the payment is not checked."""
    token = {
        "made up key": bakery.signs(key="order_key_of_a_stranger"),
        "florist's key": bakery.signs(key=florist.keys.order_key),
        "test mode's key": bakery.signs(key=test_bakery.keys.order_key),
        "test mode's token": bakery.signs(mode="test"),
        "noise": "po1.e30.e30",
    }[forgery]
    imp_uid = bakery.opens_window("order-1", 100, custom_data=carried(token) if way == "custom_data" else None)
    bakery.portone.approve(imp_uid, webhook=False)

    more = {"pw_order": token} if way == "landing" else {}
    bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", **more)
    run_worker()

    [event] = bakery.events("order-1")
    assert (event["type"], verified(event), expected(event)) == ("payment.paid", "not_checked", None)
    assert bakery.order("order-1").statements == {}


def retire_key(kid: str, *, ago: timedelta) -> None:
    MerchantKey.objects.filter(purpose="order", kid=kid).update(retired_at=datetime.now(UTC) - ago)


def test_what_a_key_vouched_for_outlives_it(bakery: Cast, run_worker: Work) -> None:
    """A payment that began before its token's key was retired stays matched, whatever becomes of it."""
    imp_uid = pays(bakery, custom_data=carried(bakery.signs()))
    bakery.portone.amend(imp_uid, started_at=int(datetime.now(UTC).timestamp()) - 60)
    run_worker()
    retire_key("ok_1", ago=timedelta(seconds=30))

    bakery.portone.cancel(imp_uid, amount=100, webhook=False)
    bakery.is_called_about(imp_uid, "order-1", "cancelled")
    run_worker(until=lambda: len(bakery.told("order-1")) == 2)

    assert [verified(event) for event in bakery.events("order-1")] == ["matched", "matched"]


def test_a_payment_without_a_start_began_when_it_was_seen(bakery: Cast, run_worker: Work) -> None:
    """Its token counts if it held when we first heard of the payment, not when PortOne was last asked."""
    token = bakery.signs(ends=timedelta(minutes=-5))
    imp_uid = bakery.opens_window("order-1", pay_method="vbank", custom_data=carried(token))
    bakery.portone.amend(imp_uid, started_at=0)
    bakery.is_called_about(imp_uid, "order-1", "ready")
    run_worker()
    with inside(bakery.merchant.schema_name):
        Payment.objects.update(first_seen_at=datetime.now(UTC) - timedelta(hours=1))

    bakery.portone.issue_account(imp_uid, webhook=False)
    bakery.is_called_about(imp_uid, "order-1", "ready")
    run_worker(until=lambda: bakery.told("order-1") != [])

    assert [verified(event) for event in bakery.events("order-1")] == ["matched"]


def test_two_order_keys_live_at_once(bakery: Cast, run_worker: Work) -> None:
    """While a shop changes its key, tokens of the old and of the new one count; of a retired one no more."""
    newer = issue_keys(bakery.merchant, bakery.mode, actor="tests", at=datetime.now(UTC)).order_key
    MerchantKey.objects.filter(purpose="order", kid="ok_3").delete()
    pays(bakery, order="order-1", custom_data=carried(bakery.signs("order-1")))
    pays(bakery, order="order-2", custom_data=carried(bakery.signs("order-2", key=newer, kid="ok_2")))
    run_worker()
    retire_key("ok_1", ago=timedelta(seconds=2))
    pays(bakery, order="order-3", custom_data=carried(bakery.signs("order-3")))
    run_worker()

    seen = [verified(event) for order in ("order-1", "order-2", "order-3") for event in bakery.events(order)]
    assert seen == ["matched", "matched", "not_checked"]


def test_an_old_token_does_not_bring_its_price_back(bakery: Cast, run_worker: Work) -> None:
    """Once a later token was heard, showing the earlier, cheaper one again changes nothing."""
    cheap = bakery.signs(money=Money(100, "KRW", 0), ends=timedelta(minutes=30))
    bakery.lands(merchant_uid="order-1", pw_order=bakery.signs())
    bakery.lands(merchant_uid="order-1", pw_order=cheap)
    run_worker()

    pays(bakery, 100)
    run_worker(until=lambda: bakery.told("order-1") != [])

    assert bakery.told("order-1") == ["payment.review.amount_mismatch"]


def test_a_token_that_says_nothing_new_locks_nothing(bakery: Cast) -> None:
    """Whoever lands again and again with one token makes us read it once, and lock its order no more."""
    landings = [Claim(None, "order-1", order_token=bakery.signs())] * 50
    with inside(bakery.merchant.schema_name):
        hear_tokens(bakery.route, landings, at=datetime.now(UTC))

        with CaptureQueriesContext(connection) as queries:
            hear_tokens(bakery.route, landings, at=datetime.now(UTC))

    assert len(queries) <= 3
    assert not any("FOR UPDATE" in query["sql"] for query in queries)


def test_a_landings_token_for_another_order_is_left_alone(bakery: Cast, run_worker: Work) -> None:
    """A browser that puts together what does not belong so writes nothing beside any order."""
    imp_uid = bakery.opens_window("order-1")
    bakery.portone.approve(imp_uid, webhook=False)

    bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", pw_order=bakery.signs("order-2"))
    run_worker()

    assert [order.statements for order in bakery.rows(Order)] == [{}]


@pytest.mark.parametrize(("ends", "told"), [(60, ["payment.abandoned"]), (-60, [])])
def test_a_claim_is_told_for_a_signed_order(bakery: Cast, run_worker: Work, ends: int, told: list[str]) -> None:
    """A token that holds counts as registering: the merchant hears of a customer who gave up; an ended one does not."""
    token = bakery.signs(ends=timedelta(minutes=ends))

    imp_uid = bakery.opens_window("order-1")
    bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="false", error_msg=CLOSED, pw_order=token)
    run_worker(until=lambda: bakery.notifications()[0].settled_at is not None)
    run_worker()

    assert bakery.told() == told
    assert [expected(event) for event in bakery.events()] == [(64900, "order_token")][: len(told)]


# Prepare


def announced(cast: Cast) -> list[str]:
    return [asked.method for asked in cast.portone.journal.asked() if asked.endpoint == "prepare"]


def test_a_registered_amount_is_announced(bakery: Cast, run_worker: Work) -> None:
    """PortOne does not even open a window with another amount or another currency."""
    bakery.chooses(prepares=True)
    bakery.expects("order-1", 64900)

    run_worker()

    for forged in ({"amount": 100}, {"amount": 64900, "currency": "JPY"}):
        with pytest.raises(WindowRefused):
            bakery.opens_window("order-1", **forged)
    assert bakery.opens_window("order-1", 64900)
    assert bakery.order("order-1").prepared_at is not None
    assert not Duty.objects.filter(kind="prepare").exists()


def test_dollars_are_announced_exactly(bakery: Cast, run_worker: Work) -> None:
    """1,420 cents are announced as 14.20 dollars."""
    bakery.chooses(prepares=True)
    bakery.expects("order-1", 1420, "USD", 2)

    run_worker()

    assert bakery.opens_window("order-1", amount="14.2", currency="USD")  # type: ignore[arg-type]
    with pytest.raises(WindowRefused):
        bakery.opens_window("order-1", amount="14.21", currency="USD")  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["test", "live"])
def test_nothing_is_announced_unasked(bakery: Cast, test_bakery: Cast, run_worker: Work, mode: str) -> None:
    """Never in test mode, where it would block the live order of the same number, and not unless switched on."""
    cast = test_bakery if mode == "test" else bakery
    cast.chooses(prepares=mode == "test")
    cast.expects("order-1")
    owed = Duty.objects.count()

    run_worker()

    assert (owed, announced(cast)) == (0, [])
    assert not Duty.objects.filter(kind="prepare").exists()


def test_a_changed_amount_is_announced_again(bakery: Cast, run_worker: Work) -> None:
    """An amount that is announced already is changed in its place; the same again is not announced."""
    bakery.chooses(prepares=True)
    for amount in (64900, 64900, 59900):
        bakery.expects("order-1", amount)
        run_worker()

    assert announced(bakery) == ["POST", "POST", "PUT"]
    with pytest.raises(WindowRefused):
        bakery.opens_window("order-1", 64900)
    assert bakery.opens_window("order-1", 59900)


@pytest.mark.parametrize("silence", [503, 401])
def test_an_amount_is_announced_when_portone_is_back(
    bakery: Cast, run_worker: Work, make_due: Callable[[], None], silence: int
) -> None:
    """While PortOne is silent or refuses the keys it stays owed."""
    bakery.chooses(prepares=True)
    bakery.portone.faults.add(Fault(kind="status", status=silence, where=("prepare",)))
    bakery.expects("order-1")
    run_worker()
    assert bakery.order("order-1").prepared_at is None
    assert Duty.objects.filter(kind="prepare").exists()

    bakery.portone.faults.clear()
    make_due()
    run_worker()

    assert bakery.order("order-1").prepared_at is not None


def test_what_portone_declines_is_given_up(bakery: Cast, run_worker: Work) -> None:
    """An announcement that PortOne understood and does not take is not made for ever."""
    bakery.chooses(prepares=True)
    bakery.portone.faults.add(Fault(kind="status", status=400, where=("prepare",)))
    bakery.expects("order-1")

    run_worker()

    assert announced(bakery) == ["POST", "PUT"]
    assert not Duty.objects.filter(kind="prepare").exists()


def test_a_paid_order_is_announced_no_more(bakery: Cast, run_worker: Work, make_due: Callable[[], None]) -> None:
    """Once money has come, no further window is to be guarded."""
    bakery.chooses(prepares=True)
    bakery.portone.faults.add(Fault(kind="status", status=503, where=("prepare",), times=1))
    bakery.expects("order-1")
    run_worker()

    pays(bakery)
    run_worker()
    make_due()
    run_worker()

    assert announced(bakery) == ["POST"]
    assert not Duty.objects.filter(kind="prepare").exists()


# Prepare, read back


def prepares_itself(cast: Cast, amount: str = "64900", currency: str | None = None) -> None:
    """Let the shop announce an amount to PortOne by itself, after the window opened, so that nothing is blocked."""
    view = View(cast.portone.account(cast.imp_key))
    cast.portone.prepare(view, Prepared("order-1", Decimal(amount), currency))


@pytest.mark.parametrize(
    ("amount", "currency", "told"),
    [
        ("64900", None, "payment.paid"),
        ("64900", "KRW", "payment.paid"),
        ("100", None, "payment.review.amount_mismatch"),
        ("64900", "JPY", "payment.review.currency_mismatch"),
    ],
)
def test_what_the_shop_announced_is_compared(
    bakery: Cast, run_worker: Work, amount: str, currency: str | None, told: str
) -> None:
    """Read back where the merchant switched it on; without a currency it is won."""
    bakery.chooses(reads_prepared=True)
    pays(bakery)
    prepares_itself(bakery, amount, currency)

    run_worker()

    [event] = bakery.events("order-1")
    assert (event["type"], expected(event)) == (told, (int(amount), "prepare"))
    assert announced(bakery) == ["GET"]


def test_nothing_announced_is_nothing_expected(bakery: Cast, run_worker: Work) -> None:
    """An order that nobody announced is not checked, and asked about once."""
    bakery.chooses(reads_prepared=True)
    imp_uid = pays(bakery)
    run_worker()
    bakery.portone.cancel(imp_uid, amount=100, webhook=False)
    bakery.is_called_about(imp_uid, "order-1", "cancelled")
    run_worker(until=lambda: len(bakery.told("order-1")) == 2)

    assert [verified(event) for event in bakery.events("order-1")] == ["not_checked", "not_checked"]
    assert announced(bakery) == ["GET"]


@pytest.mark.parametrize("known", ["registered", "signed", "switched off", "pending"])
def test_prepare_is_not_read_without_need(bakery: Cast, run_worker: Work, known: str) -> None:
    """Where a better source speaks, where nothing holds money, and unless switched on, PortOne is not asked."""
    bakery.chooses(reads_prepared=known != "switched off")
    if known == "registered":
        bakery.expects("order-1")
    if known == "pending":
        bakery.is_called_about(bakery.opens_window("order-1"), "order-1", "ready")
    else:
        pays(bakery, custom_data=carried(bakery.signs()) if known == "signed" else None)

    run_worker()

    assert announced(bakery) == []


def test_a_silent_prepare_holds_the_news_up_for_a_while_only(
    bakery: Cast, run_worker: Work, make_due: Callable[[], None]
) -> None:
    """PortOne is asked again a few times; then the payment is told as it is."""
    bakery.chooses(reads_prepared=True)
    bakery.portone.faults.add(Fault(kind="status", status=503, where=("prepare",)))
    pays(bakery)
    for _ in range(3):
        run_worker()
        assert bakery.told("order-1") == []
        make_due()

    run_worker(until=lambda: bakery.told("order-1") != [])

    [event] = bakery.events("order-1")
    assert (event["type"], verified(event)) == ("payment.paid", "not_checked")


def test_a_forged_confirm_and_a_forged_amount_end_in_review(bakery: Cast, run_worker: Work) -> None:
    """What an unsigned question to confirm names sets no price, for a signed order neither (T4)."""
    token = bakery.signs()
    url = bakery.redirect_url.replace("/complete", "/confirm")
    httpx.post(url, json={"merchant_uid": "order-1", "amount": 100}, trust_env=False)
    pays(bakery, 100, custom_data=carried(token))

    run_worker()

    assert bakery.told("order-1") == ["payment.review.amount_mismatch"]
    with inside(bakery.merchant.schema_name):
        assert Order.objects.get().expected_amount is None
