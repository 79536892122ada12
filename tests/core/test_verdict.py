"""What follows from an endpoint's answer."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.core.verdict import (
    DELAYS,
    HORIZON,
    JITTER,
    LAST_DELAY,
    AttemptError,
    Delivered,
    EndpointGone,
    GivenUp,
    GiveUpReason,
    Reply,
    RetryAt,
    Verdict,
    judge,
)

AT = datetime(2026, 11, 20, 5, 12, 44, tzinfo=UTC)
BROKEN = Reply(status=500)
REPLIES = st.one_of(
    st.builds(Reply, status=st.integers(100, 599), retry_after=st.none() | st.text(max_size=20)),
    st.builds(Reply, error=st.sampled_from(AttemptError)),
)
JITTERS = st.floats(-1, 1)


def verdict(reply: Reply, attempt: int = 1, jitter: float = 0.0, first_at: datetime = AT) -> Verdict:
    return judge(reply, attempt=attempt, first_at=first_at, at=AT, jitter=jitter)


def delay(reply: Reply, attempt: int = 1, jitter: float = 0.0) -> timedelta:
    decided = verdict(reply, attempt, jitter)
    assert isinstance(decided, RetryAt)
    return decided.at - AT


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_success(status: int) -> None:
    """Every 2xx means that the merchant has heard the event."""
    assert verdict(Reply(status=status)) == Delivered()


@pytest.mark.parametrize("status", [100, 199, 300, 301, 302, 307, 308, 304, 400, 404, 418, 429, 500, 503, 599])
def test_nothing_else_is_success(status: int) -> None:
    """A redirect, a refusal and a fault are all failures, and all are tried again."""
    assert isinstance(verdict(Reply(status=status)), RetryAt)


@pytest.mark.parametrize("error", list(AttemptError))
def test_an_unfinished_answer_is_tried_again(error: AttemptError) -> None:
    """Whatever broke on the way, the event is sent again, even when a good status had arrived before."""
    assert isinstance(verdict(Reply(error=error)), RetryAt)
    assert isinstance(verdict(Reply(status=200, error=error)), RetryAt)


def test_gone_means_gone() -> None:
    """410 disables the endpoint at once, however late in the schedule."""
    assert verdict(Reply(status=410)) == EndpointGone()
    assert verdict(Reply(status=410), attempt=30, first_at=AT - timedelta(days=30)) == EndpointGone()


def test_the_schedule_is_the_promised_one() -> None:
    """Attempts follow 5 s, 30 s, 2, 10 and 30 min, 1, 3, 6 and 12 h after the one before, then every 12 h."""
    minutes = [delay(BROKEN, attempt) / timedelta(minutes=1) for attempt in range(1, 13)]

    assert minutes == [5 / 60, 0.5, 2, 10, 30, 60, 180, 360, 720, 720, 720, 720]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 422, 451])
def test_faults_that_only_a_deployment_mends_are_retried_slowly(status: int) -> None:
    """A 4xx that the same request cannot cure is tried again after ten minutes, then as the others are."""
    delays = [delay(Reply(status=status), attempt) for attempt in range(1, 7)]

    assert delays == [timedelta(minutes=minutes) for minutes in (10, 10, 10, 10, 30, 60)]


@pytest.mark.parametrize("status", [408, 409, 425, 429])
def test_passing_refusals_are_retried_quickly(status: int) -> None:
    """408, 409, 425 and 429 pass by themselves, so the quick part of the schedule holds."""
    assert delay(Reply(status=status)) == timedelta(seconds=5)


def test_a_forbidden_target_is_retried_slowly() -> None:
    """A host that leads to a forbidden address is tried again after ten minutes: DNS may be mended."""
    assert delay(Reply(error=AttemptError.FORBIDDEN_TARGET)) == timedelta(minutes=10)
    assert delay(Reply(error=AttemptError.DNS)) == timedelta(seconds=5)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120),
        (" 120 ", 120),
        ("0", 5),
        ("1", 5),
        ("43200", 43200),
        ("43201", 43200),
        ("9999999999", 43200),
        (format_datetime(AT + timedelta(hours=1), usegmt=True), 3600),
        ("Fri, 20 Nov 2026 15:12:44 +0900", 3600),
        ("Friday, 20-Nov-26 06:12:44 GMT", 3600),
        ("Fri, 20 Nov 2026 06:12:44 -0000", 3600),
        (format_datetime(AT - timedelta(hours=1), usegmt=True), 5),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 43200),
    ],
)
def test_retry_after_is_honoured(status: int, text: str, seconds: int) -> None:
    """429 and 503 may ask for a later retry, in seconds or by date: never sooner than ours, at most 12 h."""
    assert delay(Reply(status=status, retry_after=text)) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "-5",
        "+5",
        "1.5",
        "1e3",
        "１２０",
        "9" * 5000,
        "120, 240",
        "Fri, 99 Foo 2026",
        "Mon, 1 Jan 0000 00:00:00 GMT",
        "Fri, 20 Nov 2026 06:12:44 +9999",
        "Thu, 1 Jan 1 00:00:00 +2359",
        "\x00",
        "Fri" * 1000,
    ],
)
def test_garbage_in_retry_after_is_ignored(text: str) -> None:
    """A Retry-After that cannot be read changes nothing."""
    assert delay(Reply(status=503, retry_after=text)) == timedelta(seconds=5)


@pytest.mark.parametrize("status", [500, 502, 404, 302])
def test_retry_after_counts_with_429_and_503_only(status: int) -> None:
    """With any other status Retry-After changes nothing."""
    assert verdict(Reply(status=status, retry_after="7200")) == verdict(Reply(status=status))


def test_retry_after_of_an_unfinished_answer_is_ignored() -> None:
    """An answer that broke off is not asked when to come back."""
    assert delay(Reply(status=503, retry_after="7200", error=AttemptError.TIMEOUT)) == timedelta(seconds=5)


@pytest.mark.parametrize(("jitter", "seconds"), [(-1.0, 2880), (0.0, 3600), (0.5, 3960), (1.0, 4320)])
def test_chance_moves_a_retry_by_a_fifth(jitter: float, seconds: float) -> None:
    """Jitter is an argument, and moves a retry by twenty per cent to either side."""
    assert delay(BROKEN, attempt=6, jitter=jitter) == timedelta(seconds=seconds)


def test_after_seven_days_nothing_more_is_sent() -> None:
    """A retry that would come later than seven days after the delivery fell due is not made."""
    just_in_time = AT + LAST_DELAY - HORIZON

    assert verdict(BROKEN, attempt=20, first_at=just_in_time) == RetryAt(AT + LAST_DELAY)
    assert verdict(BROKEN, attempt=20, first_at=just_in_time - timedelta(seconds=1)) == GivenUp(GiveUpReason.HORIZON)


@given(st.lists(st.tuples(REPLIES, JITTERS), min_size=60, max_size=60))
def test_every_delivery_ends(answers: list[tuple[Reply, float]]) -> None:
    """Whatever an endpoint answers, attempts only move forward, never past day seven, and end."""
    at = AT
    for attempt, (reply, jitter) in enumerate(answers, start=1):
        decided = judge(reply, attempt=attempt, first_at=AT, at=at, jitter=jitter)
        if not isinstance(decided, RetryAt):
            return
        assert at < decided.at <= AT + HORIZON
        at = decided.at

    pytest.fail("sixty attempts did not end the delivery")


@given(REPLIES, st.integers(1, 40), JITTERS)
def test_a_delay_stays_within_its_bounds(reply: Reply, attempt: int, jitter: float) -> None:
    """No delay is shorter than the shortest step or longer than the longest, give or take their jitter."""
    decided = verdict(reply, attempt, jitter)

    if isinstance(decided, RetryAt):
        assert DELAYS[0] * (1 - JITTER) <= decided.at - AT <= LAST_DELAY * (1 + JITTER)


@given(REPLIES, st.integers(1, 40), JITTERS)
def test_later_attempts_never_hurry(reply: Reply, attempt: int, jitter: float) -> None:
    """The same answer never brings a later attempt sooner than an earlier one."""
    one, next_one = verdict(reply, attempt, jitter), verdict(reply, attempt + 1, jitter)

    assert not isinstance(one, RetryAt) or (isinstance(next_one, RetryAt) and one.at <= next_one.at)


@given(st.integers(1, 40), JITTERS, st.integers(0, 10**9))
def test_patience_is_never_punished(attempt: int, jitter: float, seconds: int) -> None:
    """An endpoint that asks for time is never called sooner than one that does not."""
    asked = verdict(Reply(status=503, retry_after=str(seconds)), attempt, jitter)
    silent = verdict(Reply(status=503), attempt, jitter)

    assert isinstance(asked, RetryAt)
    assert isinstance(silent, RetryAt)
    assert asked.at >= silent.at


@pytest.mark.parametrize(("attempt", "jitter"), [(0, 0.0), (-1, 0.0), (1, 1.01), (1, -1.01), (1, float("nan"))])
def test_impossible_arguments_are_refused(attempt: int, jitter: float) -> None:
    """Attempts count from one and jitter lies within one: anything else is our own mistake."""
    with pytest.raises(ValueError, match="jitter"):
        verdict(BROKEN, attempt, jitter)


def test_a_reply_says_something() -> None:
    """A reply without a status and without an error cannot be made."""
    with pytest.raises(ValueError, match="status"):
        Reply()


def test_a_reply_does_not_print_its_body() -> None:
    """What an endpoint answered does not end up in a log line."""
    assert "secret" not in repr(Reply(status=200, body=b"secret"))
