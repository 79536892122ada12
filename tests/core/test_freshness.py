"""When a question is needed at all: asked at once, shared, or not asked."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from results.core.claim import Claim, Outcome
from results.core.freshness import CLOCKS_APART, RECENT, AskAt, AskNow, Need, Settled, is_ahead, needs_question
from results.core.schedule import SHARED_WINDOW
from results.core.snapshot import Cancellation, Snapshot, VirtualAccount

AT = datetime(2026, 11, 20, 5, 12, 44, tzinfo=UTC)
TICK, SECOND = timedelta(microseconds=1), timedelta(seconds=1)
PAID = Snapshot(
    imp_uid="imp_448280090638",
    merchant_uid="order-1",
    status="paid",
    amount=Decimal(64900),
    cancel_amount=Decimal(0),
    currency="KRW",
    sandbox=False,
    asked_at=AT - 10 * SECOND,
)
OPENED = replace(PAID, status="ready")
ISSUED = replace(OPENED, virtual_account=VirtualAccount("088", None, "562100984", None, None, None))
CANCELLED = replace(PAID, status="cancelled", cancellations=(Cancellation("c-1", Decimal(1), None, None, None, None),))


FAILED = replace(PAID, status="failed")
PART = replace(PAID, cancel_amount=Decimal(100), cancellations=CANCELLED.cancellations)


@dataclass(frozen=True)
class Arrival:
    """A webhook or landing, received at AT."""

    claim: Claim
    is_landing: bool = False


def webhook(status: str | None, cancellation_id: str | None = None) -> Arrival:
    return Arrival(Claim(imp_uid=PAID.imp_uid, status=status, cancellation_id=cancellation_id))


REFUSED_LANDING = Arrival(Claim(imp_uid=PAID.imp_uid, outcome=Outcome.FAILED), is_landing=True)
LANDING = Arrival(Claim(imp_uid=PAID.imp_uid, merchant_uid="order-1"), is_landing=True)


def need(
    arrival: Arrival,
    *,
    newest: Snapshot | None = None,
    answered_at: datetime | None = None,
    asked_at: datetime | None = None,
    at: datetime = AT + TICK,
) -> Need:
    return needs_question(
        arrival.claim,
        is_landing=arrival.is_landing,
        received_at=AT,
        newest=newest,
        answered_at=answered_at or (newest.asked_at if newest else None),
        asked_at=asked_at,
        at=at,
    )


@pytest.mark.parametrize("arrival", [webhook("paid"), LANDING])
def test_the_first_is_asked_at_once(arrival: Arrival) -> None:
    """The first arrival about a payment is asked about without waiting."""
    assert need(arrival) == AskNow()


@pytest.mark.parametrize("arrival", [webhook("ready"), LANDING])
@pytest.mark.parametrize("after", [CLOCKS_APART, CLOCKS_APART + TICK, 10 * SECOND])
def test_a_question_sent_after_the_arrival_settles_it(arrival: Arrival, after: timedelta) -> None:
    """An answer to a question that was sent once the arrival was recorded settles it."""
    assert need(arrival, newest=replace(OPENED, asked_at=AT + after)) == Settled()


@pytest.mark.parametrize("ahead", [webhook("paid"), webhook("cancelled", "c-9")])
def test_what_is_ahead_of_the_api_is_not_settled_by_time(ahead: Arrival) -> None:
    """A webhook whose news PortOne does not show yet is asked about again, however new the answer is."""
    assert need(ahead, newest=replace(OPENED, asked_at=AT + 10 * SECOND)) != Settled()


@pytest.mark.parametrize("after", [-TICK, timedelta(0), CLOCKS_APART - TICK])
def test_a_question_of_the_same_moment_does_not_settle_it(after: timedelta) -> None:
    """Arrivals and questions are timed by different machines: within two seconds nobody knows which came first."""
    assert need(webhook("paid"), newest=replace(OPENED, asked_at=AT + after), asked_at=AT + after) != Settled()


def test_an_order_that_was_answered_after_the_arrival_settles_it() -> None:
    """The same holds where only the order is named and no snapshot is at hand."""
    assert need(LANDING, answered_at=AT + CLOCKS_APART) == Settled()


@pytest.mark.parametrize("arrival", [webhook("paid"), LANDING])
def test_a_question_sent_before_the_arrival_does_not_settle_it(arrival: Arrival) -> None:
    """A question that was under way when the arrival came may have been answered too early: one more."""
    before = AT - TICK

    assert need(arrival, newest=replace(OPENED, asked_at=before), asked_at=before) == AskAt(before + SHARED_WINDOW)


@pytest.mark.parametrize(
    ("arrival", "newest", "settled"),
    [
        (webhook("paid"), PAID, True),
        (webhook("ready"), ISSUED, True),
        (webhook("paid"), ISSUED, False),
        (webhook("ready"), PAID, False),
        (webhook(None), PAID, False),
        (webhook("cancelled", "c-1"), CANCELLED, True),
        (webhook("cancelled", "c-2"), CANCELLED, False),
        (webhook("cancelled"), CANCELLED, False),
        (webhook("cancelled", "c-1"), PAID, False),
        (LANDING, PAID, True),
        (LANDING, ISSUED, True),
        (LANDING, replace(PAID, status="failed"), False),
        (REFUSED_LANDING, replace(PAID, status="failed"), True),
        (webhook("ready"), OPENED, False),
        (LANDING, OPENED, False),
    ],
)
def test_a_state_that_says_it_already_settles_it(arrival: Arrival, newest: Snapshot, settled: bool) -> None:
    """A verified state with the hinted status, or with that cancellation, or with an outcome, settles."""
    expected = Settled() if settled else AskNow()

    assert need(arrival, newest=newest, asked_at=newest.asked_at) == expected


@pytest.mark.parametrize(("age", "settled"), [(RECENT - TICK, True), (RECENT, False)])
def test_a_landing_does_not_trust_an_old_outcome(age: timedelta, settled: bool) -> None:
    """A landing hints at no status, so an outcome settles it for a minute only."""
    newest = replace(PAID, asked_at=AT - age)

    assert need(LANDING, newest=newest, at=AT) == (Settled() if settled else AskNow())


@pytest.mark.parametrize("since", [timedelta(0), SECOND, SHARED_WINDOW - TICK])
def test_arrivals_share_the_second_question(since: timedelta) -> None:
    """Whatever comes within two seconds of a question waits for their end, and shares one question there."""
    asked_at = AT - since

    assert need(webhook("paid"), asked_at=asked_at, at=AT) == AskAt(asked_at + SHARED_WINDOW)


def test_the_shared_question_is_sent_when_its_moment_comes() -> None:
    """At the end of the two seconds the question is sent, not put off again."""
    asked_at = AT - SECOND

    assert need(webhook("paid"), asked_at=asked_at, at=asked_at + SHARED_WINDOW) == AskNow()


@pytest.mark.parametrize(
    ("status", "cancellation_id", "found", "ahead"),
    [
        ("paid", None, OPENED, True),
        ("paid", None, ISSUED, True),
        ("paid", None, FAILED, True),
        ("paid", None, PAID, False),
        ("paid", None, CANCELLED, False),
        ("failed", None, OPENED, True),
        ("failed", None, PAID, False),
        ("cancelled", "c-1", PAID, True),
        ("cancelled", "c-1", PART, False),
        ("cancelled", "c-2", PART, True),
        ("cancelled", None, PAID, True),
        ("cancelled", None, PART, False),
        ("ready", None, OPENED, False),
        (None, None, OPENED, False),
    ],
)
def test_what_a_webhook_says_before_the_api(
    status: str | None, cancellation_id: str | None, found: Snapshot, ahead: bool
) -> None:
    """Money or a cancellation that the API does not show yet is asked about again; old news is not."""
    assert is_ahead(Claim(status=status, cancellation_id=cancellation_id), found) is ahead
