"""When PortOne is asked again: short waits first, and an end where nothing more is to be learned."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.core.schedule import (
    PROBE,
    REFUSED,
    UNAVAILABLE,
    UNKNOWN,
    UNSETTLED,
    after_refusal,
    after_silence,
    after_unknown,
    next_question,
)
from results.core.words import PaymentStatus

AT = datetime(2026, 11, 20, 5, 12, 44, tzinfo=UTC)
GRACE = timedelta(minutes=10)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
MOVING = [PaymentStatus.PENDING, PaymentStatus.FAILED, PaymentStatus.EXPIRED]


def ask_at(
    status: PaymentStatus, *, tries: int = 0, final: bool = False, deadline: datetime | None = None
) -> datetime | None:
    return next_question(status, final=final, tries=tries, deadline=deadline, grace=GRACE, at=AT)


@pytest.mark.parametrize("status", MOVING)
@pytest.mark.parametrize(
    ("tries", "wait"),
    [
        (0, 2 * SECOND),
        (1, 5 * SECOND),
        (2, 15 * SECOND),
        (3, MINUTE),
        (4, 5 * MINUTE),
        (5, 15 * MINUTE),
        (6, HOUR),
        (7, 6 * HOUR),
        (8, 24 * HOUR),
        (9, 24 * HOUR),
        (99, 24 * HOUR),
    ],
)
def test_what_may_still_move_is_asked_about(status: PaymentStatus, tries: int, wait: timedelta) -> None:
    """Pending, failed and expired payments are asked about ever more seldom, down to once a day."""
    assert ask_at(status, tries=tries) == AT + wait


@pytest.mark.parametrize(
    "status", [PaymentStatus.PAID, PaymentStatus.PARTIALLY_CANCELLED, PaymentStatus.CANCELLED, PaymentStatus.REVIEW]
)
def test_settled_money_is_left_to_webhooks_and_sweeps(status: PaymentStatus) -> None:
    """What is paid or under review is not asked about by itself."""
    assert ask_at(status) is None


@pytest.mark.parametrize("status", list(PaymentStatus))
def test_what_is_final_is_asked_about_no_more(status: PaymentStatus) -> None:
    """A final payment is asked about no more, whatever its status."""
    assert ask_at(status, final=True, deadline=AT + HOUR) is None


@pytest.mark.parametrize(
    ("deadline", "expected"),
    [
        (None, AT + PROBE),
        (AT + 24 * HOUR, AT + PROBE),
        (AT + 20 * MINUTE, AT + 20 * MINUTE + GRACE + SECOND),
        (AT, AT + GRACE + SECOND),
        (AT - GRACE, AT + SECOND),
        (AT - GRACE - SECOND, AT + PROBE),
    ],
)
def test_an_account_is_asked_about_hourly_and_at_its_end(deadline: datetime | None, expected: datetime) -> None:
    """A virtual account is asked about every hour, and once just after deadline and grace are over."""
    assert ask_at(PaymentStatus.AWAITING_DEPOSIT, deadline=deadline) == expected


@given(st.sampled_from(PaymentStatus), st.integers(0, 10**6), st.none() | st.timedeltas(-1000 * HOUR, 1000 * HOUR))
def test_the_next_question_lies_ahead(status: PaymentStatus, tries: int, ends_in: timedelta | None) -> None:
    """A next question is never due at once, so no payment can be asked about in a circle."""
    moment = ask_at(status, tries=tries, deadline=AT + ends_in if ends_in is not None else None)

    assert moment is None or AT < moment <= AT + 24 * HOUR


@pytest.mark.parametrize(
    ("tries", "wait"),
    [(1, 2 * SECOND), (2, 15 * SECOND), (3, MINUTE), (4, 10 * MINUTE), (5, None), (99, None)],
)
def test_an_unknown_payment_is_looked_for_four_times(tries: int, wait: timedelta | None) -> None:
    """An id that PortOne does not know is asked about four times more, then left to sweeps."""
    assert after_unknown(tries) == wait


@pytest.mark.parametrize(("tries", "wait"), [(1, 2 * SECOND), (4, MINUTE), (6, 10 * MINUTE), (99, 10 * MINUTE)])
def test_silence_is_never_an_answer(tries: int, wait: timedelta) -> None:
    """While PortOne gives no usable answer it is asked for as long as it takes, at most ten minutes apart."""
    assert after_silence(tries) == wait


@pytest.mark.parametrize(("tries", "wait"), [(1, MINUTE), (2, 5 * MINUTE), (3, 10 * MINUTE), (99, 10 * MINUTE)])
def test_refused_keys_are_probed(tries: int, wait: timedelta) -> None:
    """Refused keys are tried again every ten minutes at last, so that mended ones are noticed."""
    assert after_refusal(tries) == wait


@pytest.mark.parametrize("schedule", [UNSETTLED, UNKNOWN, UNAVAILABLE, REFUSED])
def test_waits_only_grow(schedule: tuple[timedelta, ...]) -> None:
    """Each wait is longer than the one before."""
    assert all(shorter < longer for shorter, longer in pairwise(schedule))
