"""Every case that a payment can end in, from the wire to the callback that the shop verified, and to the page."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.demo.mischief import Fault
from results.core.words import EventType
from results.models import Endpoint, Verification
from tenants.models import Credential
from tenants.onboarding import set_policy
from tenants.routing import forget_everything, inside
from tests.factories import Cast, state_of

Work = Callable[..., None]
Later = Callable[[Cast], None]
CLOSED = "사용자가 결제를 취소하였습니다"


@dataclass(frozen=True, slots=True)
class Told:
    """One verified callback, by the parts that tell the cases apart."""

    type: str
    status: str
    verified: str
    money_moved: bool
    cause: str
    late: bool = False
    supersedes: str | None = None


def told(cast: Cast, order: str = "order-1") -> list[Told]:
    """Return what the shop heard of an order, in order."""
    heard = []
    for event in cast.events(order):
        payment = event["data"]["payment"]
        heard.append(
            Told(
                event["type"],
                payment["status"],
                payment["verification"]["result"],
                payment["money_moved"],
                event["cause"],
                event["late"],
                event["supersedes"],
            )
        )
    return heard


def payment_in(event: dict[str, Any]) -> dict[str, Any]:
    return dict(event["data"]["payment"])


def opens(cast: Cast, amount: int = 64900, *, order: str = "order-1", **fields: Any) -> str:
    """Register an order of 64,900 won and open its payment window; the payment's id."""
    cast.expects(order)
    return cast.opens_window(order, amount, **fields)


def pays(cast: Cast, amount: int = 64900, *, order: str = "order-1", **fields: Any) -> str:
    """Let a customer pay a registered order; PortOne's webhook has come in."""
    imp_uid = opens(cast, amount, order=order, **fields)
    before = len(cast.portone.outbox.done())
    cast.portone.approve(imp_uid)
    cast.portone.outbox.wait_for(before + 1)
    return imp_uid


def issues_account(cast: Cast, amount: int = 64900) -> str:
    """Let a customer ask for a virtual account; no webhook comes."""
    imp_uid = opens(cast, amount, pay_method="vbank")
    cast.portone.issue_account(imp_uid, webhook=False)
    return imp_uid


def works_later(cast: Cast, run_worker: Work, later: Later) -> None:
    """Let an hour pass, and a worker do what has come due."""
    later(cast)
    run_worker()


def test_case_01_paid_by_landing_and_webhook_is_told_once(bakery: Cast, florist: Cast, run_worker: Work) -> None:
    """A landing and a webhook about one paid order make one `payment.paid`, and the page says paid."""
    imp_uid = pays(bakery)
    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true")

    run_worker()

    assert told(bakery) == [Told(EventType.PAID, "paid", "matched", True, "webhook")]
    (event,) = bakery.events("order-1")
    assert (event["sequence"], event["previous"], event["livemode"]) == (1, None, True)
    assert payment_in(event)["amount"]["captured"] == 64900
    assert state_of(landing) == "paid"
    assert florist.published() == []


def test_case_02_a_failure_of_another_kind_is_told_as_failed(bakery: Cast, run_worker: Work) -> None:
    """A failure that PortOne confirms is `payment.failed`, verified, although no webhook came."""
    imp_uid = opens(bakery)
    bakery.portone.fail(imp_uid, reason="PG사 시스템 오류", error_code="E999")

    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="false", error_code="E999")
    run_worker()

    assert told(bakery) == [Told(EventType.FAILED, "failed", "matched", False, "landing")]
    assert state_of(landing) == "failed"


@pytest.mark.parametrize(
    ("code", "said"), [("F1002", "window_not_opened"), ("INVALID_API_KEY", "merchant_configuration")]
)
def test_case_03_a_window_that_did_not_open_is_told(bakery: Cast, run_worker: Work, code: str, said: str) -> None:
    """No payment came to be: the redirect's word is told as a claim once PortOne knew nothing of the order."""
    bakery.expects("order-1")

    landing = bakery.lands(merchant_uid="order-1", error_code=code, error_msg="등록되지 않은 PG 설정입니다")
    run_worker(until=lambda: bakery.told("order-1") != [])

    assert told(bakery) == [Told(EventType.NOT_STARTED, "failed", "claimed", False, "landing")]
    (event,) = bakery.events("order-1")
    assert (payment_in(event)["failure"]["code"], payment_in(event)["failure"]["category"]) == (said, "merchant")
    assert payment_in(event)["provider"]["imp_uid"] is None
    assert state_of(landing) == "not_opened"


def test_case_04_a_window_that_the_customer_closed_is_a_claim(bakery: Cast, run_worker: Work) -> None:
    """Most PGs leave the payment `ready`: the redirect's word is told as `payment.abandoned`, claimed."""
    imp_uid = opens(bakery)
    bakery.portone.abandon(imp_uid)

    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="false", error_msg=CLOSED)
    run_worker(until=lambda: bakery.told("order-1") != [])

    assert told(bakery) == [Told(EventType.ABANDONED, "failed", "claimed", False, "landing")]
    assert bakery.events("order-1")[0]["data"]["order"]["status"] == "failed"
    assert state_of(landing) == "closed"


def test_case_04_a_window_that_the_pg_saw_closed_is_verified(bakery: Cast, run_worker: Work) -> None:
    """Some PGs say `failed` when a customer closes the window: the same news, verified."""
    imp_uid = opens(bakery)
    bakery.portone.fail(imp_uid, reason=CLOSED, error_code="PAY_PROCESS_CANCELED")

    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="false", error_msg=CLOSED)
    run_worker()

    assert told(bakery) == [Told(EventType.ABANDONED, "failed", "matched", False, "landing")]
    assert state_of(landing) == "closed"


def test_case_04_a_window_left_open_expires(bakery: Cast, run_worker: Work, later: Later) -> None:
    """A window of which nothing more is heard waits for half an hour, and is then `payment.expired`."""
    imp_uid = opens(bakery)
    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-1")
    run_worker()
    before = (bakery.told(), state_of(landing))

    began = datetime.now(UTC) - timedelta(minutes=31)
    bakery.portone.amend(imp_uid, started_at=int(began.timestamp()))
    later(bakery)
    run_worker()

    assert before == ([], "confirming")
    assert told(bakery) == [Told(EventType.EXPIRED, "expired", "matched", False, "reconciliation")]
    assert state_of(landing) == "expired"


def test_case_05_a_declined_card_is_told_with_its_reason(bakery: Cast, run_worker: Work) -> None:
    """A card over its limit is `payment.declined` with a normalized code, what to do, and the raw words."""
    imp_uid = opens(bakery, pg_provider="tosspayments")
    bakery.portone.fail(imp_uid)

    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", success="false")
    run_worker()

    assert told(bakery) == [Told(EventType.DECLINED, "failed", "matched", False, "landing")]
    failure = payment_in(bakery.events("order-1")[0])["failure"]
    assert (failure["code"], failure["customer_action"]) == ("card_limit_exceeded", "use_other_method")
    assert failure["raw"]["message"] == "카드 한도를 초과했습니다"
    assert state_of(landing) == "declined"


def test_case_06_an_issued_account_waits_without_money(bakery: Cast, run_worker: Work) -> None:
    """An issued virtual account is news of its own, and no success, whatever the redirect says."""
    bakery.portone.set_account(bakery.imp_key, encoding="form")
    imp_uid = opens(bakery, pay_method="vbank")
    account = bakery.portone.issue_account(imp_uid)
    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true")
    bakery.portone.outbox.wait_for(1)

    run_worker()

    assert told(bakery) == [Told(EventType.ACCOUNT_ISSUED, "awaiting_deposit", "matched", False, "webhook")]
    shown = payment_in(bakery.events("order-1")[0])
    assert shown["method"]["virtual_account"]["number"] == str(account.vbank_num).replace("-", "")
    assert (shown["amount"]["total"], shown["amount"]["captured"]) == (64900, 0)
    assert bakery.shop.fulfilled() == {}
    assert state_of(landing) == "awaiting_deposit"


def test_case_07_a_deposit_is_paid_once(bakery: Cast, run_worker: Work, later: Later) -> None:
    """A deposit is `payment.paid` by its own cause, and there is no second event of which a shop could fulfil."""
    imp_uid = issues_account(bakery)
    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true")
    run_worker()

    later(bakery)
    bakery.portone.deposit(imp_uid)
    bakery.portone.outbox.wait_for(1)
    run_worker()

    issued, paid = told(bakery)
    assert issued.type == EventType.ACCOUNT_ISSUED
    assert paid == Told(EventType.PAID, "paid", "matched", True, "virtual_account_deposit")
    assert bakery.events("order-1")[1]["previous"]["status"] == "awaiting_deposit"
    assert state_of(landing) == "paid"


def test_case_08_an_account_expires_when_its_deadline_and_the_grace_are_over(
    bakery: Cast, run_worker: Work, later: Later
) -> None:
    """Nothing arrives of it: asked once more after the deadline and the bank's grace, the account has expired."""
    imp_uid = issues_account(bakery)
    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true")
    run_worker()

    bakery.portone.expire_account(imp_uid, seconds_ago=9 * 60)
    later(bakery)
    run_worker()
    in_grace = (len(bakery.told()), state_of(landing))
    bakery.portone.amend(imp_uid, vbank_date=int((datetime.now(UTC) - timedelta(minutes=11)).timestamp()))
    later(bakery)
    run_worker()

    assert in_grace == (1, "awaiting_deposit")
    assert told(bakery)[1:] == [Told(EventType.ACCOUNT_EXPIRED, "expired", "matched", False, "reconciliation")]
    assert state_of(landing) == "expired"


def test_case_09_a_deposit_that_was_undone_is_told_once(bakery: Cast, run_worker: Work, later: Later) -> None:
    """After a deposit was undone the account waits again, though money had moved; looking once more is no news."""
    imp_uid = issues_account(bakery)
    for step in (None, bakery.portone.deposit, bakery.portone.undo_deposit):
        step(imp_uid) if step else None
        bakery.is_called_about(imp_uid, "order-1", status=bakery.portone.payment(imp_uid).status)
        run_worker()
        later(bakery)
    run_worker()

    assert bakery.told()[:2] == [EventType.ACCOUNT_ISSUED, EventType.PAID]
    assert told(bakery)[2:] == [Told(EventType.DEPOSIT_REVERSED, "awaiting_deposit", "matched", True, "webhook")]
    assert bakery.order("order-1").status == "awaiting_deposit"


def test_cases_10_and_11_a_partial_and_then_a_full_cancellation(bakery: Cast, run_worker: Work, later: Later) -> None:
    """What is cancelled is read from the amounts, with the ids of its parts and a running balance."""
    imp_uid = pays(bakery)
    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true")
    run_worker()

    states = []
    for amount in (10000, None):
        later(bakery)
        before = len(bakery.portone.outbox.done())
        bakery.portone.cancel(imp_uid, amount=amount)
        bakery.portone.outbox.wait_for(before + 1)
        run_worker()
        states.append(state_of(landing))

    assert told(bakery)[1:] == [
        Told(EventType.PARTIALLY_CANCELLED, "partially_cancelled", "matched", True, "webhook"),
        Told(EventType.CANCELLED, "cancelled", "matched", True, "webhook"),
    ]
    _, part, whole = bakery.events("order-1")
    assert [payment_in(event)["amount"]["balance"] for event in (part, whole)] == [54900, 0]
    assert [entry["amount"] for entry in payment_in(whole)["cancellations"]] == [10000, 54900]
    assert [part["previous"]["cancelled"], whole["previous"]["cancelled"]] == [0, 10000]
    assert [payment_in(event)["final"] for event in (part, whole)] == [False, True]
    assert states == ["paid", "cancelled"]


def test_case_12_the_customer_pays_100_for_64900(bakery: Cast, run_worker: Work) -> None:
    """A forged amount is money under review, with what was expected and what came, and never a sale."""
    imp_uid = pays(bakery, 100)
    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true")

    run_worker()

    assert told(bakery) == [Told(EventType.REVIEW_AMOUNT, "review", "mismatched", True, "webhook")]
    (event,) = bakery.events("order-1")
    assert payment_in(event)["verification"]["mismatches"] == [{"field": "amount", "expected": 64900, "actual": 100}]
    assert (event["data"]["order"]["status"], event["data"]["order"]["flags"]) == ("registered", ["review"])
    assert bakery.shop.fulfilled() == {}
    assert state_of(landing) == "review"


def test_case_12_an_account_for_a_forged_amount_holds_no_money_yet(
    bakery: Cast, run_worker: Work, later: Later
) -> None:
    """An account that was issued for another amount is reviewed before its deposit, and again when money came."""
    imp_uid = issues_account(bakery, 100)
    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true")
    run_worker()
    before = state_of(landing)

    later(bakery)
    bakery.portone.deposit(imp_uid)
    bakery.portone.outbox.wait_for(1)
    run_worker()

    assert told(bakery) == [
        Told(EventType.REVIEW_AMOUNT, "review", "mismatched", False, "landing"),
        Told(EventType.REVIEW_AMOUNT, "review", "mismatched", True, "webhook"),
    ]
    assert (before, state_of(landing)) == ("review_unpaid", "review")


def test_case_13_the_customer_pays_in_another_currency(bakery: Cast, run_worker: Work) -> None:
    """The same number in another currency is a review of the currency."""
    imp_uid = pays(bakery, currency="JPY")
    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true")

    run_worker()

    assert told(bakery) == [Told(EventType.REVIEW_CURRENCY, "review", "mismatched", True, "webhook")]
    assert bakery.shop.fulfilled() == {}
    assert state_of(landing) == "review"


def test_case_14_somebody_elses_payment_does_not_pay_an_order(bakery: Cast, run_worker: Work) -> None:
    """A payment of order A that is claimed for order B is told for A; the claim is kept as rejected, B is untouched."""
    imp_uid = opens(bakery, order="order-a")
    bakery.expects("order-b")
    bakery.portone.approve(imp_uid, webhook=False)

    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-b", imp_success="true")
    run_worker()

    assert told(bakery, "order-a") == [Told(EventType.PAID, "paid", "matched", True, "landing")]
    assert bakery.told() == [EventType.PAID]
    assert sorted(event.type for event in bakery.published()) == ["claim.rejected", "payment.paid"]
    assert bakery.order("order-b").status == "registered"
    assert state_of(landing) == "unknown"


def test_case_14_a_payment_whose_own_token_is_for_another_order_is_reviewed(bakery: Cast, run_worker: Work) -> None:
    """Where the payment itself carries what was signed for another order, money waits for a person's eye."""
    custom = f'{{"pw_order": "{bakery.signs("order-2")}"}}'
    imp_uid = pays(bakery, custom_data=custom)
    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true")

    run_worker()

    assert told(bakery) == [Told(EventType.REVIEW_ORDER, "review", "mismatched", True, "webhook")]
    assert bakery.shop.fulfilled() == {}
    assert state_of(landing) == "review"


@pytest.mark.parametrize(
    ("policy", "expected", "state"),
    [
        ("open", Told(EventType.PAID, "paid", "not_checked", True, "webhook"), "paid"),
        ("strict", Told(EventType.REVIEW_UNKNOWN_ORDER, "review", "not_checked", True, "webhook"), "review"),
    ],
)
def test_case_15_an_unregistered_order_is_never_called_checked(
    bakery: Cast, run_worker: Work, policy: str, expected: Told, state: str
) -> None:
    """Nothing was expected, so nothing was compared: `not_checked`, or a review where the merchant is strict."""
    set_policy(bakery.merchant, bakery.mode, policy=policy, return_urls=[bakery.return_url], origins=[])
    forget_everything()
    bakery.expects("order-2")  # registering a first order changes no policy
    imp_uid = bakery.opens_window("order-1")
    bakery.portone.approve(imp_uid)
    bakery.portone.outbox.wait_for(1)
    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true")

    run_worker()

    assert told(bakery) == [expected]
    assert bakery.shop.fulfilled() == {}
    assert state_of(landing) == state


def test_case_16_a_payment_that_portone_does_not_know(bakery: Cast, run_worker: Work, later: Later) -> None:
    """An id that stays unknown is kept for the dashboard once, and no callback is made; its page comes to say so."""
    bakery.expects("order-1")
    landing = bakery.lands(imp_uid="imp_999999999999", merchant_uid="order-1", imp_success="true")
    run_worker()
    before = state_of(landing)

    for _ in range(5):
        works_later(bakery, run_worker, later)

    assert [event.type for event in bakery.published()] == [EventType.CLAIM_NOT_FOUND]
    assert bakery.shop.received() == []
    assert bakery.order("order-1").status == "registered"
    assert (before, state_of(landing)) == ("confirming", "unknown")


def test_case_17_test_money_is_no_success_in_live_mode(bakery: Cast, run_worker: Work, later: Later) -> None:
    """A test payment of a registered live order is seen by the last look only, reviewed, and moved no money."""
    imp_uid = opens(bakery, sandbox=True)
    bakery.portone.approve(imp_uid, webhook=False)
    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true")

    for _ in range(5):
        works_later(bakery, run_worker, later)

    assert told(bakery) == [Told(EventType.REVIEW_LIVEMODE, "review", "mismatched", False, "landing")]
    assert bakery.shop.fulfilled() == {}
    assert bakery.order("order-1").status == "registered"
    assert state_of(landing) == "review_unpaid"


def test_case_17_real_money_is_no_success_in_test_mode(test_bakery: Cast, run_worker: Work) -> None:
    """A live payment that test mode meets is reviewed there, for money did move."""
    imp_uid = opens(test_bakery, sandbox=False)
    test_bakery.portone.approve(imp_uid, webhook=False)

    landing = test_bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true")
    run_worker()

    assert told(test_bakery) == [Told(EventType.REVIEW_LIVEMODE, "review", "mismatched", True, "landing")]
    assert test_bakery.shop.fulfilled() == {}
    assert state_of(landing) == "review"


def test_case_18_a_second_payment_of_a_paid_order(bakery: Cast, run_worker: Work) -> None:
    """Who pays an order twice is told for the second payment by a review, and the order stays paid."""
    first, second = opens(bakery), bakery.opens_window("order-1")
    bakery.portone.approve(first)
    bakery.portone.outbox.wait_for(1)
    run_worker()

    bakery.portone.approve(second)
    bakery.portone.outbox.wait_for(2)
    landing = bakery.lands(imp_uid=second, merchant_uid="order-1", imp_success="true")
    run_worker()

    paid, again = told(bakery)
    assert paid.type == EventType.PAID
    assert again == Told(EventType.REVIEW_DUPLICATE, "review", "mismatched", True, "webhook")
    event = bakery.events("order-1")[1]
    assert payment_in(event)["provider"]["imp_uid"] == second
    assert event["data"]["order"]["status"] == "paid"
    assert "duplicate_payment" in event["data"]["order"]["flags"]
    assert state_of(landing) == "already_paid"


def test_case_19_a_failure_that_was_approved_after_all(bakery: Cast, run_worker: Work, later: Later) -> None:
    """Paid after a failure was told is `payment.paid`, late, and names the event that it corrects."""
    imp_uid = opens(bakery)
    bakery.portone.fail(imp_uid)
    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="false")
    run_worker()

    later(bakery)
    bakery.portone.approve_late(imp_uid)
    bakery.portone.outbox.wait_for(1)
    run_worker()

    declined, paid = bakery.events("order-1")
    assert told(bakery)[1] == Told(EventType.PAID, "paid", "matched", True, "late_approval", True, declined["id"])
    assert paid["previous"]["status"] == "failed"
    assert state_of(landing) == "paid"


def test_case_19_a_deposit_after_the_deadline(bakery: Cast, run_worker: Work, later: Later) -> None:
    """A deposit into an account that was told as expired is paid, late, and corrects that."""
    imp_uid = issues_account(bakery)
    bakery.portone.expire_account(imp_uid)
    bakery.is_called_about(imp_uid, "order-1", status="ready")
    run_worker()

    later(bakery)
    bakery.portone.deposit(imp_uid)
    bakery.portone.outbox.wait_for(1)
    run_worker()

    expired = bakery.events("order-1")[0]
    assert expired["type"] == EventType.ACCOUNT_EXPIRED
    assert told(bakery)[1:] == [Told(EventType.PAID, "paid", "matched", True, "late_approval", True, expired["id"])]


def test_case_20_old_news_after_newer_is_kept_and_not_told(bakery: Cast, run_worker: Work, later: Later) -> None:
    """A webhook that still says paid when the payment was cancelled tells nothing, and is kept as evidence."""
    imp_uid = pays(bakery)
    run_worker()
    later(bakery)
    bakery.portone.cancel(imp_uid)
    bakery.portone.outbox.wait_for(2)
    run_worker()

    later(bakery)
    bakery.portone.resend(imp_uid, status="paid")
    bakery.portone.outbox.wait_for(3)
    run_worker()

    assert bakery.told() == [EventType.PAID, EventType.CANCELLED]
    assert bakery.payment(imp_uid).status == "cancelled"
    assert [note.claim["status"] for note in bakery.notifications()] == ["paid", "cancelled", "paid"]
    assert all(note.settled_at for note in bakery.notifications())


@pytest.mark.parametrize(
    "fault",
    [Fault(kind="status", status=503), Fault(kind="status", status=429), Fault(kind="close")],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
def test_case_21_silence_is_waiting_and_never_a_failure(
    bakery: Cast, run_worker: Work, later: Later, fault: Fault
) -> None:
    """After a minute without an answer whoever asked to hears `payment.pending`, once; then the truth."""
    hears(bakery, "payment.*")
    imp_uid = opens(bakery)
    bakery.portone.faults.add(fault)
    bakery.portone.approve(imp_uid, webhook=False)
    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="false", error_msg=CLOSED)
    run_worker()
    first = bakery.told()
    for _ in range(3):
        works_later(bakery, run_worker, later)
    states = [state_of(landing)]

    bakery.portone.faults.clear()
    works_later(bakery, run_worker, later)

    assert first == []
    waiting = bakery.events("order-1")[0]
    assert told(bakery) == [
        Told(EventType.PENDING, "pending", "unavailable", False, "landing"),
        Told(EventType.PAID, "paid", "matched", True, "landing", supersedes=waiting["id"]),
    ]
    assert [*states, state_of(landing)] == ["confirming", "paid"]


def hears(cast: Cast, *patterns: str) -> None:
    with inside(cast.merchant.schema_name):
        Endpoint.objects.update(events=list(patterns))


def test_case_21_who_did_not_ask_hears_nothing_of_waiting(bakery: Cast, run_worker: Work, later: Later) -> None:
    """Waiting is news to few: an endpoint hears of it only if it subscribed."""
    imp_uid = opens(bakery)
    bakery.portone.faults.add(Fault(kind="status", status=503))
    bakery.is_called_about(imp_uid, "order-1")

    works_later(bakery, run_worker, later)

    assert [event.type for event in bakery.published()] == [EventType.PENDING]
    assert bakery.shop.received() == []


def test_case_22_refused_keys_are_the_owners_matter(bakery: Cast, run_worker: Work, later: Later) -> None:
    """Wrong keys are told to the owners once, not for each payment; asking rests, and resumes when they are mended."""
    bakery.portone.set_account(bakery.imp_key, imp_secret="another")
    landings = []
    for number in range(3):
        imp_uid = pays(bakery, order=f"order-{number}")
        landings.append(bakery.lands(imp_uid=imp_uid, merchant_uid=f"order-{number}", imp_success="true"))

    rests = []
    for _ in range(4):
        later(bakery)
        run_worker()
        rests.append(pause_of(bakery))
    refused = (bakery.told(), [state_of(landing) for landing in landings])
    bakery.portone.set_account(bakery.imp_key, imp_secret="not-a-secret")
    later(bakery)
    run_worker()
    later(bakery)
    run_worker()

    assert refused == ([EventType.CREDENTIALS_INVALID], ["confirming"] * 3)
    assert rests == pytest.approx([60, 300, 600, 600], abs=5)
    assert bakery.told()[1:] == [EventType.PAID] * 3
    assert Credential.objects.get().refused_at is None
    assert [state_of(landing) for landing in landings] == ["paid"] * 3


def pause_of(cast: Cast) -> float:
    """Return how many seconds PortOne is left alone after its last answer."""
    newest = max(row.answered_at for row in cast.rows(Verification))
    until = Credential.objects.get().paused_until
    assert until is not None
    return (until - newest).total_seconds()


def test_case_23_an_approval_that_the_pg_still_thinks_about(bakery: Cast, run_worker: Work, later: Later) -> None:
    """A wallet that says failed and then paid, without a webhook, is a failure and then a late success."""
    imp_uid = opens(bakery, pg_provider="paypal")
    bakery.portone.fail(imp_uid, reason="PENDING", error_code="PAYMENT_PENDING")
    landing = bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="false", error_code="PAYMENT_PENDING")
    run_worker()
    before = state_of(landing)

    bakery.portone.approve_late(imp_uid, webhook=False)
    works_later(bakery, run_worker, later)

    failed = bakery.events("order-1")[0]
    assert told(bakery) == [
        Told(EventType.FAILED, "failed", "matched", False, "landing"),
        Told(EventType.PAID, "paid", "matched", True, "late_approval", True, failed["id"]),
    ]
    assert (before, state_of(landing)) == ("failed", "paid")
