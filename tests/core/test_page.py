"""What the customer may see: the state of the page, and who may see amount and account."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from results.core.claim import Claim, Outcome
from results.core.money import Money
from results.core.page import (
    KnownPayment,
    Page,
    PageState,
    compose_page,
    may_disclose,
    page_ends_at,
    status_for_script,
)
from results.core.snapshot import VirtualAccount
from results.core.words import EventType, PaymentStatus

STARTED = datetime(2026, 11, 22, 5, 12, tzinfo=UTC)
AT = STARTED + timedelta(minutes=1)
WON = Money(64900, "KRW", 0)
ACCOUNT = VirtualAccount("088", "신한은행", "562-100-984", "브레드", STARTED, STARTED + timedelta(days=2))
BAKERYS = Claim(imp_uid="imp_448280090638", merchant_uid="order-1042", outcome=Outcome.SUCCEEDED)
PAID = KnownPayment(
    imp_uid="imp_448280090638",
    merchant_uid="order-1042",
    status=PaymentStatus.PAID,
    told_type=EventType.PAID,
    verified=True,
    money=WON,
    virtual_account=None,
    fail_reason=None,
    started_at=STARTED,
    money_moved=True,
)
WAITING = replace(PAID, status=PaymentStatus.AWAITING_DEPOSIT, virtual_account=ACCOUNT, money_moved=False)
FAILED = replace(PAID, status=PaymentStatus.FAILED, fail_reason="한도 초과", money_moved=False)
PENDING = replace(PAID, status=PaymentStatus.PENDING, money_moved=False)


def page_of(
    claim: Claim,
    payment: KnownPayment | None,
    *,
    answered: bool = True,
    settled: bool = False,
    at: datetime = AT,
) -> Page:
    return compose_page(claim, payment, answered=answered, settled=settled, at=at)


@pytest.mark.parametrize(
    ("payment", "state"),
    [
        (PAID, PageState.PAID),
        (replace(PAID, status=PaymentStatus.PARTIALLY_CANCELLED), PageState.PAID),
        (WAITING, PageState.AWAITING_DEPOSIT),
        (replace(PAID, status=PaymentStatus.CANCELLED), PageState.CANCELLED),
        (replace(WAITING, status=PaymentStatus.CANCELLED), PageState.CANCELLED_UNPAID),
        (replace(PAID, status=PaymentStatus.EXPIRED), PageState.EXPIRED),
        (PENDING, PageState.CONFIRMING),
        (replace(FAILED, told_type=EventType.FAILED), PageState.FAILED),
        (replace(FAILED, told_type=EventType.DECLINED), PageState.DECLINED),
        (replace(FAILED, told_type=EventType.ABANDONED), PageState.CLOSED),
        (replace(FAILED, told_type=EventType.NOT_STARTED), PageState.NOT_OPENED),
        (replace(FAILED, told_type=""), PageState.FAILED),
    ],
)
def test_a_page_says_what_is_known(payment: KnownPayment, state: PageState) -> None:
    """Every status of a payment has its page."""
    assert page_of(BAKERYS, payment).state == state


@pytest.mark.parametrize("status", [status for status in PaymentStatus if status != PaymentStatus.PENDING])
def test_no_redirect_changes_a_known_state(status: PaymentStatus) -> None:
    """Whatever the redirect says of its success, an outcome that PortOne told stays what it is."""
    payment = replace(PAID, status=status)

    pages = {page_of(replace(BAKERYS, outcome=outcome, error_code="F100"), payment) for outcome in Outcome}

    assert len(pages) == 1


@pytest.mark.parametrize(
    ("told_type", "money_moved", "state"),
    [
        (EventType.REVIEW_AMOUNT, True, PageState.REVIEW),
        (EventType.REVIEW_AMOUNT, False, PageState.REVIEW_UNPAID),
        (EventType.REVIEW_ANOMALY, True, PageState.REVIEW),
        (EventType.REVIEW_DUPLICATE, True, PageState.ALREADY_PAID),
        (EventType.REVIEW_DUPLICATE, False, PageState.ALREADY_PAID),
    ],
)
def test_a_review_says_paid_only_when_money_moved(told_type: str, money_moved: bool, state: PageState) -> None:
    """An account that was issued for a wrong amount is under review and not called paid."""
    payment = replace(PAID, status=PaymentStatus.REVIEW, told_type=told_type, money_moved=money_moved)

    assert page_of(BAKERYS, payment).state == state


REFUSED = replace(BAKERYS, outcome=Outcome.FAILED, error_message="[결제포기] 사용자가 결제를 취소하셨습니다")


@pytest.mark.parametrize(
    ("claim", "payment", "answered", "settled", "state"),
    [
        (BAKERYS, None, False, False, PageState.CONFIRMING),
        (BAKERYS, None, True, False, PageState.CONFIRMING),
        (BAKERYS, None, True, True, PageState.UNKNOWN),
        (BAKERYS, PENDING, True, True, PageState.CONFIRMING),
        (REFUSED, None, False, False, PageState.CONFIRMING),
        (REFUSED, None, True, False, PageState.CLOSED),
        (REFUSED, PENDING, True, True, PageState.CLOSED),
        (Claim(), None, False, False, PageState.UNKNOWN),
        (Claim(merchant_uid=".."), None, False, False, PageState.UNKNOWN),
    ],
)
def test_without_an_outcome_silence_is_never_a_failure(
    claim: Claim, payment: KnownPayment | None, answered: bool, settled: bool, state: PageState
) -> None:
    """A failed redirect is told only after PortOne has answered; until then the page is confirming."""
    assert page_of(claim, payment, answered=answered, settled=settled) == Page(state)


@pytest.mark.parametrize(
    ("claim", "payment", "state"),
    [
        (replace(BAKERYS, imp_uid=None), FAILED, PageState.CONFIRMING),
        (replace(BAKERYS, imp_uid=None), WAITING, PageState.CONFIRMING),
        (replace(BAKERYS, imp_uid=None), PAID, PageState.PAID),
        (BAKERYS, FAILED, PageState.CONFIRMING),
        (BAKERYS, replace(FAILED, status=PaymentStatus.EXPIRED), PageState.CONFIRMING),
        (BAKERYS, WAITING, PageState.AWAITING_DEPOSIT),
    ],
)
def test_an_earlier_failure_is_not_shown_to_a_new_landing(
    claim: Claim, payment: KnownPayment, state: PageState
) -> None:
    """Until PortOne was asked on behalf of a landing, a later try may have paid: nobody is told to pay again."""
    assert page_of(claim, payment, answered=False).state == state


def test_a_landing_that_needs_no_question_shows_the_known_failure() -> None:
    """What was verified a moment ago holds for a landing that is settled by it."""
    assert page_of(BAKERYS, FAILED, answered=False, settled=True).state == PageState.FAILED


def test_whoever_paid_sees_the_amount() -> None:
    """A landing that names both ids of a payment that has just begun sees its amount."""
    assert page_of(BAKERYS, PAID) == Page(PageState.PAID, money=WON, discloses=True)


def test_a_payment_of_another_order_says_nothing_of_this_one() -> None:
    """A paid payment that is named for another order does not make that order look paid."""
    assert page_of(replace(BAKERYS, merchant_uid="order-1043"), PAID) == Page(PageState.UNKNOWN)


STRANGERS = [
    (replace(BAKERYS, imp_uid=None), PAID, AT),
    (replace(BAKERYS, merchant_uid=None), PAID, AT),
    (replace(BAKERYS, imp_uid="imp_000000000000"), PAID, AT),
    (replace(BAKERYS, merchant_uid="order-1043"), PAID, AT),
    (BAKERYS, PAID, STARTED + timedelta(hours=2)),
    (BAKERYS, replace(PAID, verified=False), AT),
    (BAKERYS, replace(PAID, started_at=None), AT),
    (replace(BAKERYS, imp_uid=None), replace(PAID, imp_uid=None), AT),
    (BAKERYS, WAITING, STARTED + timedelta(days=2)),
]


@pytest.mark.parametrize(("claim", "payment", "at"), STRANGERS)
def test_a_stranger_sees_the_state_only(claim: Claim, payment: KnownPayment, at: datetime) -> None:
    """One id alone, a wrong one, an old or an unconfirmed payment: words, no amount, no account."""
    page = page_of(claim, payment, at=at)

    assert page == Page(page.state)


@pytest.mark.parametrize(
    ("payment", "after", "sees"),
    [
        (PAID, timedelta(hours=2) - timedelta(seconds=1), True),
        (PAID, timedelta(hours=2), False),
        (WAITING, timedelta(days=2) - timedelta(seconds=1), True),
        (WAITING, timedelta(days=2), False),
        (replace(WAITING, status=PaymentStatus.PAID), timedelta(hours=2), False),
        (replace(WAITING, virtual_account=replace(ACCOUNT, expires_at=None)), timedelta(hours=2), False),
    ],
)
def test_the_amount_is_shown_for_a_while(payment: KnownPayment, after: timedelta, sees: bool) -> None:
    """Two hours from the payment's beginning, and while an account waits until its deadline."""
    assert may_disclose(BAKERYS, payment, at=STARTED + after) is sees


def test_the_account_is_shown_while_it_waits() -> None:
    """Bank account and amount are there to deposit into, and gone with the deposit."""
    waiting = page_of(BAKERYS, WAITING)
    paid = page_of(BAKERYS, replace(WAITING, status=PaymentStatus.PAID))

    assert (waiting.virtual_account, waiting.money) == (ACCOUNT, WON)
    assert paid.virtual_account is None


def test_an_account_under_review_is_not_shown() -> None:
    """Nobody is asked to deposit into an account that was issued for a wrong amount."""
    payment = replace(WAITING, status=PaymentStatus.REVIEW, told_type=EventType.REVIEW_AMOUNT)

    assert page_of(BAKERYS, payment).virtual_account is None


def test_only_a_confirmed_reason_is_shown() -> None:
    """The page repeats why a payment failed in PortOne's words, never in those of the redirect."""
    forged = replace(BAKERYS, outcome=Outcome.FAILED, error_message="이 번호로 전화하세요")

    assert page_of(forged, FAILED).fail_reason == "한도 초과"
    assert page_of(forged, None).fail_reason is None


@pytest.mark.parametrize(
    ("payment", "life"),
    [
        (None, timedelta(hours=24)),
        (PAID, timedelta(hours=24)),
        (WAITING, timedelta(days=2)),
        (replace(WAITING, status=PaymentStatus.PAID), timedelta(hours=24)),
        (replace(WAITING, virtual_account=replace(ACCOUNT, expires_at=AT)), timedelta(hours=24)),
        (replace(WAITING, virtual_account=replace(ACCOUNT, expires_at=None)), timedelta(hours=24)),
    ],
)
def test_a_page_lives_for_a_day(payment: KnownPayment | None, life: timedelta) -> None:
    """A page ends after a day, or with the later deadline of the deposit it waits for."""
    assert page_ends_at(STARTED, payment) == STARTED + life


def test_only_a_confirming_page_asks_by_itself() -> None:
    """Every state but one is settled."""
    assert [state for state in PageState if not state.is_settled] == [PageState.CONFIRMING]


def test_a_script_hears_failed_only_of_what_the_page_calls_unpaid() -> None:
    """Whoever hears failed pays again: what is under review, paid by another payment or unknown is pending."""
    words = {state: str(status_for_script(state)) for state in PageState}

    assert {state for state, word in words.items() if word == "success"} == {PageState.PAID}
    assert {state for state, word in words.items() if word == "vbankIssued"} == {PageState.AWAITING_DEPOSIT}
    assert {state for state, word in words.items() if word == "pending"} == {
        PageState.CONFIRMING,
        PageState.REVIEW,
        PageState.REVIEW_UNPAID,
        PageState.ALREADY_PAID,
        PageState.UNKNOWN,
        PageState.ENDED,
        PageState.NOT_RECORDED,
    }
