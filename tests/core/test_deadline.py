"""Until when, in words: Korean time, in Korean and English."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.core.deadline import KOREA, write_deadline

NOW = datetime(2026, 11, 22, 14, 12, tzinfo=KOREA)  # a Sunday


def korea(month: int, day: int, hour: int, minute: int = 0, *, year: int = 2026, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=KOREA).astimezone(UTC)


@pytest.mark.parametrize(
    ("expires_at", "korean", "english"),
    [
        (korea(11, 22, 15), "오늘 오후 3:00까지", "by 3:00 pm today"),
        (korea(11, 23, 13), "내일 오후 1:00까지", "by 1:00 pm tomorrow"),
        (korea(11, 22, 19, 30), "오늘 저녁 7:30까지", "by 7:30 pm today"),
        (korea(11, 22, 23, 59, second=59), "오늘 밤 11:59까지", "by 11:59 pm today"),
        (korea(11, 23, 0), "오늘 밤 12:00까지", "by midnight at the end of today"),
        (korea(11, 23, 0, 1), "내일 새벽 0:01까지", "by 12:01 am tomorrow"),
        (korea(11, 23, 5, 59), "내일 새벽 5:59까지", "by 5:59 am tomorrow"),
        (korea(11, 23, 9), "내일 오전 9:00까지", "by 9:00 am tomorrow"),
        (korea(11, 23, 12), "내일 낮 12:00까지", "by 12:00 noon tomorrow"),
        (korea(11, 23, 12, 30), "내일 낮 12:30까지", "by 12:30 pm tomorrow"),
        (korea(11, 23, 23, 59), "내일 밤 11:59까지", "by 11:59 pm tomorrow"),
        (korea(11, 24, 0), "내일 밤 12:00까지", "by midnight at the end of tomorrow"),
        (korea(11, 24, 18), "모레 저녁 6:00까지", "by 6:00 pm on Tuesday, 24 November"),
        (korea(11, 25, 21), "11월 25일(수) 밤 9:00까지", "by 9:00 pm on Wednesday, 25 November"),
        (korea(11, 29, 0), "11월 28일(토) 밤 12:00까지", "by midnight at the end of Saturday, 28 November"),
        (
            korea(1, 3, 10, year=2027),
            "2027년 1월 3일(일) 오전 10:00까지",
            "by 10:00 am on Sunday, 3 January 2027",
        ),
    ],
)
def test_a_deadline_is_said_as_people_say_it(expires_at: datetime, korean: str, english: str) -> None:
    """Near days have names, midnight closes the day before, and another year is told."""
    assert write_deadline(expires_at, at=NOW, language="ko").sentence == korean
    assert write_deadline(expires_at, at=NOW, language="en").sentence == english


@pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=1), timedelta(days=40)])
def test_a_deadline_that_has_passed_says_so(late: timedelta) -> None:
    """From the very second of the deadline nobody is told to pay until then."""
    expires_at = NOW.astimezone(UTC)

    assert write_deadline(expires_at, at=NOW + late, language="ko").sentence == "입금 기한이 지났습니다"
    assert write_deadline(expires_at, at=NOW + late, language="en").sentence == "The deadline has passed"


def test_the_date_stays_true_when_the_page_stays_open() -> None:
    """Beside "tomorrow" stands the date in Korean time, and the second in both zones."""
    expires_at = korea(11, 23, 23, 59, second=59)

    korean = write_deadline(expires_at, at=NOW, language="ko")
    english = write_deadline(expires_at, at=NOW, language="en")

    assert korean.full == "2026년 11월 23일(월) 23:59 한국 시간"
    assert english.full == "Monday, 23 November 2026, 23:59 Korean time"
    assert korean.exact == english.exact == "2026-11-23 23:59:59 KST · 2026-11-23 14:59:59 UTC"
    assert korean.machine == english.machine == "2026-11-23T14:59:59Z"


def test_the_day_is_koreas() -> None:
    """Late in the evening of UTC it is tomorrow in Korea already."""
    at = datetime(2026, 11, 22, 15, 30, tzinfo=UTC)

    assert write_deadline(korea(11, 23, 23, 59), at=at, language="ko").sentence == "오늘 밤 11:59까지"


@given(
    st.timedeltas(timedelta(0), timedelta(days=800)).map(lambda passed: NOW + passed),
    st.timedeltas(timedelta(seconds=1), timedelta(days=400)),
)
def test_every_deadline_to_come_has_words(at: datetime, ahead: timedelta) -> None:
    """Whatever the moments, a deadline to come reads as one: "…까지", "by …"."""
    assert write_deadline(at + ahead, at=at, language="ko").sentence.endswith("까지")
    assert write_deadline(at + ahead, at=at, language="en").sentence.startswith("by ")


def test_a_naive_moment_has_no_words() -> None:
    """A moment without a zone is our own mistake."""
    with pytest.raises(ValueError, match="time zone"):
        write_deadline(NOW.replace(tzinfo=None), at=NOW, language="ko")
    with pytest.raises(ValueError, match="time zone"):
        write_deadline(NOW, at=NOW.replace(tzinfo=None), language="ko")
