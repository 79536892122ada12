"""A moment in words: Korean time, said the way a shop owner says it."""

from datetime import UTC, datetime, timedelta

import pytest

from results.core.deadline import Language
from results.core.moment import age_of, write_age, write_moment

AT = datetime(2026, 11, 22, 5, 12, tzinfo=UTC)  # 14:12 in Korea


@pytest.mark.parametrize(
    ("moment", "korean", "english"),
    [
        (AT, "오늘 14:12", "today 14:12"),
        (datetime(2026, 11, 21, 15, 0, tzinfo=UTC), "오늘 00:00", "today 00:00"),
        (datetime(2026, 11, 21, 14, 59, 59, tzinfo=UTC), "어제 23:59", "yesterday 23:59"),
        (datetime(2026, 11, 22, 15, 0, tzinfo=UTC), "내일 00:00", "tomorrow 00:00"),
        (datetime(2026, 11, 19, 5, 0, tzinfo=UTC), "11월 19일 14:00", "19 Nov 14:00"),
        (datetime(2025, 12, 31, 15, 0, tzinfo=UTC), "1월 1일 00:00", "1 Jan 00:00"),
        (datetime(2025, 12, 31, 14, 59, tzinfo=UTC), "2025년 12월 31일 23:59", "31 Dec 2025 23:59"),
    ],
)
def test_a_moment_is_said_in_korean_time(moment: datetime, korean: str, english: str) -> None:
    """Days change at midnight in Korea; near ones have names, and another year is said."""
    assert write_moment(moment, at=AT, language="ko").short == korean
    assert write_moment(moment, at=AT, language="en").short == english


def test_a_moment_stands_in_full_beside_its_short_form() -> None:
    """The full moment names the second in KST and UTC, and the machine's is UTC."""
    written = write_moment(AT, at=AT, language="ko")

    assert written.exact == "2026-11-22 14:12:00 KST · 2026-11-22 05:12:00 UTC"
    assert written.machine == "2026-11-22T05:12:00Z"


@pytest.mark.parametrize(
    ("seconds", "korean", "english"),
    [
        (-5, "방금", "just now"),
        (59, "방금", "just now"),
        (60, "1분 전", "1 min ago"),
        (3599, "59분 전", "59 min ago"),
        (3600, "1시간 전", "1 h ago"),
        (86399, "23시간 전", "23 h ago"),
        (86400 * 5, "5일 전", "5 d ago"),
    ],
)
def test_an_age_is_said_in_its_largest_unit(seconds: int, korean: str, english: str) -> None:
    """How long ago something was is rounded down; what lies ahead was just now."""
    moment = AT - timedelta(seconds=seconds)

    assert write_age(moment, at=AT, language="ko").short == korean
    assert write_age(moment, at=AT, language="en").short == english


@pytest.mark.parametrize("language", ["ko", "en"])
def test_less_than_a_minute_has_no_length(language: Language) -> None:
    """A span below a minute is no number of units."""
    assert age_of(timedelta(seconds=59), language=language) == ""


def test_a_moment_without_a_zone_is_refused() -> None:
    """A moment that does not say its zone could be either day."""
    with pytest.raises(ValueError, match="time zone"):
        write_moment(datetime(2026, 11, 22), at=AT, language="ko")
