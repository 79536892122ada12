"""What became of a payment: the judge's rules, one by one and then all at once."""

from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from results.core.classify import (
    HORIZON,
    MONEY_STATES,
    WINDOW_LIFE,
    Amounts,
    Checks,
    Expected,
    Judgement,
    Mismatch,
    Surroundings,
    classify,
    is_sale,
    roll_up,
)
from results.core.money import Money
from results.core.snapshot import Cancellation, Snapshot, VirtualAccount
from results.core.words import Check, EventType, Flag, OrderStatus, PaymentStatus, Verified
from tests.core.payments import BY_PORTONE, END_OF_TIME, PLAIN, parsed

AT = datetime(2026, 11, 20, 5, 12, 44, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
GRACE = 10 * MINUTE
WON = Money(64900, "KRW", 0)
EXPECTED = Expected(WON, "orders_api", AT - HOUR)
ACCOUNT = VirtualAccount("088", "신한은행", "562-100-984", "브레드", AT - MINUTE, AT + 24 * HOUR)
PAID = Snapshot(
    imp_uid="imp_448280090638",
    merchant_uid="order-1",
    status="paid",
    amount=Decimal(64900),
    cancel_amount=Decimal(0),
    currency="KRW",
    sandbox=False,
    asked_at=AT,
    pay_method="card",
    started_at=AT - 5 * MINUTE,
    paid_at=AT - MINUTE,
)
OPENED = replace(PAID, status="ready", paid_at=None)
ISSUED = replace(OPENED, pay_method="vbank", virtual_account=ACCOUNT)
FAILED = replace(OPENED, status="failed", failed_at=AT - MINUTE, fail_reason="점검 중")
AROUND = Surroundings(
    livemode=True,
    strict=False,
    expected=EXPECTED,
    named_by_claim=True,
    already_paid=False,
    grace=GRACE,
)
OPEN_UNREGISTERED = replace(AROUND, expected=None)


def cancelled(amount: int, *ids: str, status: str = "cancelled") -> Snapshot:
    history = tuple(Cancellation(id_, Decimal(1), None, None, AT, None) for id_ in ids)
    return replace(PAID, status=status, cancel_amount=Decimal(amount), cancellations=history)


def judge(snapshot: Snapshot, at: datetime = AT, **around: Any) -> Judgement:
    return classify(snapshot, replace(AROUND, **around), at=at)


def expecting(amount: int, currency: str = "KRW", exponent: int = 0, **more: Any) -> Expected:
    return replace(EXPECTED, money=Money(amount, currency, exponent), **more)


@pytest.mark.parametrize(
    ("snapshot", "status", "type_"),
    [
        (PAID, PaymentStatus.PAID, EventType.PAID),
        (OPENED, PaymentStatus.PENDING, EventType.PENDING),
        (ISSUED, PaymentStatus.AWAITING_DEPOSIT, EventType.ACCOUNT_ISSUED),
        (FAILED, PaymentStatus.FAILED, EventType.FAILED),
        (replace(FAILED, fail_reason="한도 초과"), PaymentStatus.FAILED, EventType.DECLINED),
        (cancelled(64900), PaymentStatus.CANCELLED, EventType.CANCELLED),
        (cancelled(0), PaymentStatus.REVIEW, EventType.REVIEW_ANOMALY),
        (replace(ISSUED, status="cancelled"), PaymentStatus.CANCELLED, EventType.CANCELLED),
        (replace(PAID, status="pending"), PaymentStatus.PENDING, EventType.PENDING),
        (replace(PAID, status="PAID"), PaymentStatus.PENDING, EventType.PENDING),
    ],
)
def test_each_word_of_portone_has_one_meaning(snapshot: Snapshot, status: PaymentStatus, type_: EventType) -> None:
    """PortOne's word decides while nothing is cancelled; a word that we do not know is not final: ask again."""
    judgement = judge(snapshot)

    assert (judgement.status, judgement.event_type) == (status, type_)


@pytest.mark.parametrize("status", ["paid", "cancelled", "failed", "ready", "brand_new"])
@pytest.mark.parametrize(
    ("amount", "expected", "type_"),
    [
        (1, PaymentStatus.PARTIALLY_CANCELLED, EventType.PARTIALLY_CANCELLED),
        (64899, PaymentStatus.PARTIALLY_CANCELLED, EventType.PARTIALLY_CANCELLED),
        (64900, PaymentStatus.CANCELLED, EventType.CANCELLED),
        (70000, PaymentStatus.CANCELLED, EventType.CANCELLED),
    ],
)
def test_cancelled_amount_outweighs_the_word(
    status: str, amount: int, expected: PaymentStatus, type_: EventType
) -> None:
    """A cancelled amount says partial or full, whatever `status` says: V1 has no word for a partial one."""
    judgement = judge(cancelled(amount, status=status))

    assert (judgement.status, judgement.event_type) == (expected, type_)
    assert judgement.money_moved


@pytest.mark.parametrize(
    ("after", "status"),
    [
        (timedelta(0), PaymentStatus.PENDING),
        (WINDOW_LIFE, PaymentStatus.PENDING),
        (WINDOW_LIFE + timedelta(seconds=1), PaymentStatus.EXPIRED),
    ],
)
def test_an_unused_window_expires(after: timedelta, status: PaymentStatus) -> None:
    """An opened window that nobody used is pending for 30 minutes and expired afterwards, never failed."""
    judgement = judge(replace(OPENED, started_at=AT - after))

    assert judgement.status == status
    assert judgement.event_type in (EventType.PENDING, EventType.EXPIRED)
    assert not judgement.money_moved


def test_a_window_without_a_beginning_stays_pending() -> None:
    """Without a time of opening nothing is concluded from waiting."""
    later = AT + 100 * HOUR

    assert judge(replace(OPENED, started_at=None, asked_at=later), at=later).status == PaymentStatus.PENDING


@pytest.mark.parametrize(
    ("asked_after", "status"),
    [
        (timedelta(0), PaymentStatus.AWAITING_DEPOSIT),
        (GRACE, PaymentStatus.AWAITING_DEPOSIT),
        (GRACE + timedelta(seconds=1), PaymentStatus.EXPIRED),
    ],
)
def test_an_account_expires_after_deadline_and_grace(asked_after: timedelta, status: PaymentStatus) -> None:
    """An account is expired once PortOne still said `ready` when asked after deadline and grace."""
    deadline = AT - 2 * HOUR
    snapshot = replace(ISSUED, virtual_account=replace(ACCOUNT, expires_at=deadline), asked_at=deadline + asked_after)

    judgement = judge(snapshot, at=AT)

    assert judgement.status == status
    assert judgement.event_type in (EventType.ACCOUNT_ISSUED, EventType.ACCOUNT_EXPIRED)


def test_an_account_without_deadline_never_expires() -> None:
    """An account that PortOne names no deadline of waits for ever."""
    later = AT + 9000 * HOUR
    snapshot = replace(ISSUED, virtual_account=replace(ACCOUNT, expires_at=None), asked_at=later)

    assert judge(snapshot, at=later).status == PaymentStatus.AWAITING_DEPOSIT


def test_a_deposit_that_was_undone_is_told_as_such() -> None:
    """A paid account that is `ready` again is `deposit_reversed`, not a second issue."""
    judgement = judge(ISSUED, was_paid=True)

    assert judgement.status == PaymentStatus.AWAITING_DEPOSIT
    assert judgement.event_type == EventType.DEPOSIT_REVERSED


def test_an_account_closed_before_its_deposit_moved_no_money() -> None:
    """Cancelling an account that nobody paid into captures nothing and cancels nothing."""
    judgement = judge(replace(ISSUED, status="cancelled"))

    assert judgement.status == PaymentStatus.CANCELLED
    assert not judgement.money_moved
    assert judgement.amounts == Amounts("KRW", 0, total=64900, captured=0, cancelled=0)


@pytest.mark.parametrize(("usage", "sale"), [("issue", False), ("payment", True), (None, True)])
def test_issuing_a_billing_key_is_no_sale(usage: str | None, sale: bool) -> None:
    """PortOne records the issue of a billing key as `paid`; only what is sold is a sale."""
    assert is_sale(replace(PAID, usage=usage)) is sale


@pytest.mark.parametrize(
    ("snapshot", "captured", "cancelled_", "balance"),
    [
        (PAID, 64900, 0, 64900),
        (cancelled(900), 64900, 900, 64000),
        (cancelled(64900), 64900, 64900, 0),
        (cancelled(70000), 64900, 64900, 0),
        (ISSUED, 0, 0, 0),
        (FAILED, 0, 0, 0),
    ],
)
def test_amounts_follow_the_money(snapshot: Snapshot, captured: int, cancelled_: int, balance: int) -> None:
    """Captured is what reached the PG; never more is cancelled than was captured."""
    amounts = judge(snapshot).amounts

    assert amounts is not None
    assert (amounts.total, amounts.captured, amounts.cancelled) == (64900, captured, cancelled_)
    assert amounts.balance == balance


ALL_PASS = Checks(*[Check.PASS] * 6)


@pytest.mark.parametrize(
    ("snapshot", "around", "checks"),
    [
        (PAID, {}, ALL_PASS),
        (PAID, {"named_by_claim": False}, ALL_PASS),
        (
            PAID,
            {"expected": None},
            replace(ALL_PASS, amount=Check.SKIPPED, currency=Check.SKIPPED),
        ),
        (
            PAID,
            {"expected": None, "named_by_claim": False},
            replace(ALL_PASS, amount=Check.SKIPPED, currency=Check.SKIPPED, order=Check.SKIPPED),
        ),
        (replace(PAID, amount=Decimal(100)), {}, replace(ALL_PASS, amount=Check.FAIL)),
        (replace(PAID, currency="JPY"), {}, replace(ALL_PASS, amount=Check.FAIL, currency=Check.FAIL)),
        (replace(PAID, sandbox=True), {}, replace(ALL_PASS, livemode=Check.FAIL)),
        (replace(PAID, sandbox=True), {"livemode": False}, ALL_PASS),
        (PAID, {"livemode": False}, replace(ALL_PASS, livemode=Check.FAIL)),
        (PAID, {"already_paid": True}, replace(ALL_PASS, uniqueness=Check.FAIL)),
        (ISSUED, {"already_paid": True}, ALL_PASS),
        (FAILED, {"already_paid": True}, ALL_PASS),
    ],
)
def test_six_checks(snapshot: Snapshot, around: dict[str, Any], checks: Checks) -> None:
    """Each check passes, fails or is skipped, by itself; what cannot be compared is skipped, never passed."""
    assert judge(snapshot, **around).checks == checks


@pytest.mark.parametrize(
    ("snapshot", "mismatches"),
    [
        (PAID, ()),
        (replace(PAID, amount=Decimal(100)), (Mismatch("amount", 64900, 100),)),
        (replace(PAID, amount=Decimal("64900.5")), (Mismatch("amount", 64900, "64900.5"),)),
        (
            replace(PAID, currency="JPY"),
            (Mismatch("currency", "KRW", "JPY"), Mismatch("amount", 64900, 64900)),
        ),
        (replace(PAID, sandbox=True), (Mismatch("livemode", True, False),)),
    ],
)
def test_every_difference_is_named(snapshot: Snapshot, mismatches: tuple[Mismatch, ...]) -> None:
    """A merchant sees each field that differs, what was expected and what is so."""
    assert judge(snapshot).mismatches == mismatches


GRAVEST_FIRST: tuple[tuple[EventType, dict[str, Any], dict[str, Any]], ...] = (
    (EventType.REVIEW_LIVEMODE, {"sandbox": True}, {}),
    (EventType.REVIEW_CURRENCY, {"currency": "JPY"}, {}),
    (EventType.REVIEW_AMOUNT, {"amount": Decimal(64800)}, {}),
    (EventType.REVIEW_DUPLICATE, {}, {"already_paid": True}),
)


@pytest.mark.parametrize(("type_", "fields", "around"), GRAVEST_FIRST)
@pytest.mark.parametrize("snapshot", [PAID, cancelled(900)])
def test_a_failed_check_turns_money_into_review(
    type_: EventType, fields: dict[str, Any], around: dict[str, Any], snapshot: Snapshot
) -> None:
    """Money whose check fails is under review, says that it moved, and is mismatched."""
    judgement = judge(replace(snapshot, **fields), **around)

    assert (judgement.status, judgement.event_type) == (PaymentStatus.REVIEW, type_)
    assert judgement.verified == Verified.MISMATCHED
    assert judgement.money_moved == (judgement.checks.livemode == Check.PASS)


@pytest.mark.parametrize(("graver", "other"), list(combinations(GRAVEST_FIRST, 2)))
def test_the_gravest_reason_is_named(graver: Any, other: Any) -> None:
    """Of several reasons for a review the gravest names it: livemode, currency, amount, duplicate."""
    fields, around = other[1] | graver[1], other[2] | graver[2]

    assert judge(replace(PAID, **fields), **around).event_type == graver[0]


@pytest.mark.parametrize(
    ("snapshot", "around", "type_"),
    [
        (PAID, {}, EventType.REVIEW_UNKNOWN_ORDER),
        (ISSUED, {}, EventType.REVIEW_UNKNOWN_ORDER),
        (PAID, {"already_paid": True}, EventType.REVIEW_UNKNOWN_ORDER),
        (replace(PAID, amount=Decimal("0.5")), {}, EventType.REVIEW_AMOUNT),
        (replace(PAID, sandbox=True), {}, EventType.REVIEW_LIVEMODE),
        (FAILED, {}, EventType.FAILED),
        (cancelled(64900), {}, EventType.CANCELLED),
    ],
)
def test_strict_merchants_review_unregistered_orders(
    snapshot: Snapshot, around: dict[str, Any], type_: EventType
) -> None:
    """Under the strict policy money of an order that nobody registered is under review."""
    assert judge(snapshot, expected=None, strict=True, **around).event_type == type_


def test_open_merchants_are_told_that_nothing_was_compared() -> None:
    """Under the open policy an unregistered order's payment is told, as `not_checked`, never as a match."""
    judgement = classify(PAID, OPEN_UNREGISTERED, at=AT)

    assert judgement.event_type == EventType.PAID
    assert judgement.verified == Verified.NOT_CHECKED


def test_registered_and_equal_is_matched() -> None:
    """Only what was compared with a registered order is `matched`."""
    assert judge(PAID).verified == Verified.MATCHED
    assert judge(PAID, strict=True).event_type == EventType.PAID


@pytest.mark.parametrize(
    "fields", [{"amount": Decimal(100)}, {"sandbox": True}, {"currency": "JPY"}], ids=lambda one: next(iter(one))
)
@pytest.mark.parametrize(
    ("snapshot", "status"),
    [
        (cancelled(64900), PaymentStatus.CANCELLED),
        (FAILED, PaymentStatus.FAILED),
        (OPENED, PaymentStatus.PENDING),
        (replace(OPENED, started_at=AT - HOUR), PaymentStatus.EXPIRED),
    ],
)
def test_what_holds_no_money_keeps_its_name(snapshot: Snapshot, status: PaymentStatus, fields: dict[str, Any]) -> None:
    """Failed, expired and wholly cancelled keep their names; the failed check stays visible."""
    judgement = judge(replace(snapshot, **fields))

    assert judgement.status == status
    assert judgement.verified == Verified.MISMATCHED


@pytest.mark.parametrize(
    ("expected", "amount", "currency", "type_"),
    [
        (expecting(1000, "KRW"), "1000", "KRW", EventType.PAID),
        (expecting(1000, "KRW"), "1000.00", "KRW", EventType.PAID),
        (expecting(1000, "KRW"), "1000", "JPY", EventType.REVIEW_CURRENCY),
        (expecting(1000, "JPY"), "1000", "KRW", EventType.REVIEW_CURRENCY),
        (expecting(10, "KRW"), "10.00", "USD", EventType.REVIEW_CURRENCY),
        (expecting(1000, "USD", 2), "10", "KRW", EventType.REVIEW_CURRENCY),
        (expecting(1000, "USD", 2), "1000", "KRW", EventType.REVIEW_CURRENCY),
        (expecting(1000, "USD", 2), "10.00", "EUR", EventType.REVIEW_CURRENCY),
        (expecting(1000, "USD", 2), "10.00", "USD", EventType.PAID),
        (expecting(1000, "USD", 2), "10", "USD", EventType.PAID),
        (expecting(1000, "USD", 2), "1000", "USD", EventType.REVIEW_AMOUNT),
        (expecting(1420, "USD", 2), "14.2", "USD", EventType.PAID),
        (expecting(10, "USD", 2), "0.1", "USD", EventType.PAID),
        (expecting(1000, "KWD", 3), "1", "KWD", EventType.PAID),
        (expecting(1000, "KRW", 2), "1000", "KRW", EventType.REVIEW_AMOUNT),
        (expecting(1000, "KRW"), "1000", "krw", EventType.REVIEW_CURRENCY),
        (expecting(1000, "KRW"), "1000", "XYZ", EventType.REVIEW_CURRENCY),
    ],
)
def test_equal_numbers_of_two_currencies_never_match(
    expected: Expected, amount: str, currency: str, type_: EventType
) -> None:
    """An amount matches only in minor units, currency and exponent: 1,000 yen are not 1,000 won."""
    snapshot = replace(PAID, amount=Decimal(amount), currency=currency)

    assert judge(snapshot, expected=expected).event_type == type_


@pytest.mark.parametrize("expected", [EXPECTED, None], ids=["registered", "unregistered"])
@pytest.mark.parametrize(
    "fields",
    [
        {"amount": Decimal("64900.4")},
        {"amount": Decimal("64899.9999999999999999999999999")},
        {"amount": Decimal("1E+400")},
        {"cancel_amount": Decimal("0.4")},
        {"cancel_amount": Decimal("64899.999")},
    ],
    ids=str,
)
def test_an_inexact_amount_is_reviewed_and_never_rounded(fields: dict[str, Any], expected: Expected | None) -> None:
    """A number that is no whole count of the smallest unit is under review, and no amount is told."""
    judgement = judge(replace(PAID, **fields), expected=expected)

    assert judgement.event_type == EventType.REVIEW_AMOUNT
    assert judgement.checks.amount == Check.FAIL
    assert judgement.amounts is None
    assert [mismatch.actual for mismatch in judgement.mismatches] == [str(next(iter(fields.values())))]


def test_an_unknown_currency_is_reviewed() -> None:
    """Money of a currency that we do not know is under review even when nothing was expected."""
    judgement = judge(replace(PAID, currency="DGB"), expected=None)

    assert judgement.event_type == EventType.REVIEW_AMOUNT
    assert judgement.mismatches == (Mismatch("amount", None, "64900"),)


@pytest.mark.parametrize(
    ("snapshot", "around", "flags"),
    [
        (PAID, {}, set()),
        (PAID, {"already_paid": True}, {Flag.DUPLICATE_PAYMENT}),
        (PAID, {"expected": replace(EXPECTED, expires_at=AT)}, set()),
        (PAID, {"expected": replace(EXPECTED, expires_at=AT - HOUR)}, {Flag.ORDER_EXPIRED}),
        (ISSUED, {"expected": replace(EXPECTED, expires_at=AT - HOUR)}, set()),
    ],
)
def test_flags(snapshot: Snapshot, around: dict[str, Any], flags: set[Flag]) -> None:
    """A second payment and a payment after the order's expiry leave a flag."""
    assert judge(snapshot, **around).flags == flags


def test_paid_after_the_orders_expiry_is_still_paid() -> None:
    """Money that comes late is money."""
    late = judge(PAID, expected=replace(EXPECTED, expires_at=AT - HOUR))

    assert late.event_type == EventType.PAID


@pytest.mark.parametrize(
    ("snapshot", "after", "final"),
    [
        (PAID, 900 * HOUR, False),
        (cancelled(900), 900 * HOUR, False),
        (cancelled(64900), timedelta(0), True),
        (ISSUED, 900 * HOUR, False),
        (OPENED, timedelta(0), False),
        (FAILED, HORIZON - 2 * MINUTE, False),
        (FAILED, HORIZON + MINUTE, True),
        (OPENED, HORIZON - 6 * MINUTE, False),
        (OPENED, HORIZON + MINUTE, False),
        (replace(OPENED, asked_at=AT + HORIZON), HORIZON + MINUTE, True),
        (replace(PAID, sandbox=True), 900 * HOUR, False),
    ],
)
def test_finality(snapshot: Snapshot, after: timedelta, final: bool) -> None:
    """Only what cannot change by itself is final: fully cancelled, or failed and expired after a day."""
    assert judge(snapshot, at=AT + after).final is final


@pytest.mark.parametrize(("after", "final"), [(HORIZON - HOUR, False), (HORIZON + HOUR, True)])
def test_an_expired_account_is_final_a_day_after_its_deadline(after: timedelta, final: bool) -> None:
    """A late deposit is looked for until a day after the account's deadline."""
    snapshot = replace(
        ISSUED, started_at=AT - 900 * HOUR, virtual_account=replace(ACCOUNT, expires_at=AT), asked_at=AT + HOUR
    )

    judgement = judge(snapshot, at=AT + after)

    assert (judgement.status, judgement.final) == (PaymentStatus.EXPIRED, final)


@pytest.mark.parametrize(
    "other",
    [
        replace(PAID, asked_at=AT + HOUR),
        replace(PAID, receipt_url="https://receipt.example.com/1"),
        replace(PAID, pg_transaction_id="t-1"),
    ],
)
def test_same_news_has_the_same_fingerprint(other: Snapshot) -> None:
    """Asking again, or a receipt that came later, is no news."""
    assert judge(other).fingerprint == judge(PAID).fingerprint


NEWS = {
    "paid": judge(PAID),
    "not checked": judge(PAID, expected=None),
    "wrong amount": judge(replace(PAID, amount=Decimal(1))),
    "duplicate": judge(PAID, already_paid=True),
    "partly cancelled": judge(cancelled(900, "c-1")),
    "cancelled further": judge(cancelled(1800, "c-1", "c-2")),
    "another cancellation of the same sum": judge(cancelled(900, "c-2")),
    "cancelled": judge(cancelled(64900, "c-1")),
    "issued": judge(ISSUED),
    "reversed": judge(ISSUED, was_paid=True),
    "failed": judge(FAILED),
    "declined": judge(replace(FAILED, fail_reason="한도 초과")),
}


@pytest.mark.parametrize(("one", "other"), list(combinations(NEWS, 2)))
def test_different_news_has_different_fingerprints(one: str, other: str) -> None:
    """Another status, reason, cancelled amount or cancellation is news."""
    assert NEWS[one].fingerprint != NEWS[other].fingerprint


BEST_FIRST = [
    PaymentStatus.PAID,
    PaymentStatus.PARTIALLY_CANCELLED,
    PaymentStatus.AWAITING_DEPOSIT,
    PaymentStatus.PENDING,
    PaymentStatus.CANCELLED,
    PaymentStatus.EXPIRED,
    PaymentStatus.FAILED,
]


@pytest.mark.parametrize(("better", "worse"), list(combinations(BEST_FIRST, 2)))
def test_an_order_has_the_best_status_of_its_payments(better: PaymentStatus, worse: PaymentStatus) -> None:
    """A late failure of one try hides no success of another, in whatever order they come."""
    assert roll_up([better, worse]) == roll_up([worse, better]) == OrderStatus(better.value)


def test_a_review_improves_no_order() -> None:
    """A payment under review neither pays an order nor hides what its other payments are."""
    assert roll_up([PaymentStatus.REVIEW]) == OrderStatus.REGISTERED
    assert roll_up([PaymentStatus.REVIEW, PaymentStatus.FAILED]) == OrderStatus.FAILED
    assert roll_up([]) == OrderStatus.REGISTERED


SURROUNDINGS = st.builds(
    Surroundings,
    livemode=st.booleans(),
    strict=st.booleans(),
    expected=st.sampled_from([None, EXPECTED, expecting(1420, "USD", 2), expecting(0)]),
    named_by_claim=st.booleans(),
    already_paid=st.booleans(),
    grace=st.sampled_from([timedelta(0), GRACE]),
    was_paid=st.booleans(),
)
MOMENTS = st.sampled_from([AT, AT + HOUR, AT + 900 * HOUR])
SUCCESSES = (EventType.PAID, EventType.PARTIALLY_CANCELLED, EventType.ACCOUNT_ISSUED, EventType.DEPOSIT_REVERSED)


@pytest.mark.parametrize("status", ["ready", "failed"])
@pytest.mark.parametrize("name", ["started_at", "failed_at", "vbank_date"])
def test_a_moment_at_the_end_of_time_is_judged(name: str, status: str) -> None:
    """A PG that writes 9999-12-31 for "no deadline" does not stop the judge."""
    account = {"pay_method": "vbank", "vbank_num": "562100984"} if name == "vbank_date" else {}
    payment = PLAIN | account | {"status": status, name: END_OF_TIME}

    snapshot = parsed(payment, asked_at=AT)

    assert snapshot is not None
    assert not judge(snapshot, at=AT + 900 * HOUR).final


@settings(max_examples=400)
@given(BY_PORTONE, SURROUNDINGS, MOMENTS)
def test_the_judge_keeps_its_promises_whatever_portone_says(
    payment: dict[str, Any], around: Surroundings, at: datetime
) -> None:
    """Any payment that can be read is judged: amounts add up, a failed check is no success, 0 is no cancel."""
    snapshot = parsed(payment, asked_at=AT)
    assume(snapshot is not None)
    assert snapshot is not None

    judgement = classify(snapshot, around, at=at)

    if amounts := judgement.amounts:
        assert 0 <= amounts.cancelled <= amounts.captured <= amounts.total
        assert amounts.captured - amounts.cancelled == amounts.balance
    else:
        assert judgement.status not in MONEY_STATES
    if Check.FAIL in astuple(judgement.checks):
        assert judgement.status not in MONEY_STATES
        assert judgement.event_type not in SUCCESSES
        assert judgement.verified == Verified.MISMATCHED
    if judgement.verified == Verified.MATCHED:
        assert around.expected is not None
    if snapshot.cancel_amount == 0 and snapshot.status != "cancelled":
        assert judgement.status not in (PaymentStatus.CANCELLED, PaymentStatus.PARTIALLY_CANCELLED)
    if judgement.status == PaymentStatus.REVIEW:
        assert judgement.event_type.startswith("payment.review.")
