"""When was it, in words? A moment as a shop owner in Korea says it, in Korean or English.

Everybody who reads a merchant's pages thinks in Korean time, and Korea has no summer time. The full moment in KST
and UTC always stands beside the short one (`Written.exact`).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from results.core.deadline import ENGLISH_MONTHS, KOREA, Language

DAYS = {"ko": {0: "오늘", -1: "어제", 1: "내일"}, "en": {0: "today", -1: "yesterday", 1: "tomorrow"}}
# From how many seconds on an age is counted in which unit.
UNITS = ((86400, "일", "d"), (3600, "시간", "h"), (60, "분", "min"))
JUST_NOW = {"ko": "방금", "en": "just now"}


@dataclass(frozen=True, slots=True)
class Written:
    """A moment in words: short, in full in KST and UTC, and for a `<time datetime>`."""

    short: str
    exact: str
    machine: str


def write_moment(moment: datetime, *, at: datetime, language: Language) -> Written:
    """Return the moment for whoever reads it at `at`: 오늘 14:12; ValueError for a time without a zone."""
    return _write(moment, _day(moment, at, language) + f" {moment.astimezone(KOREA):%H:%M}")


def write_age(moment: datetime, *, at: datetime, language: Language) -> Written:
    """Return how long ago the moment was: 3분 전; what lies ahead, by a clock that is off, was just now."""
    age = age_of(at - moment, language=language)
    ago = f"{age} 전" if language == "ko" else f"{age} ago"
    return _write(moment, ago if age else JUST_NOW[language])


def age_of(span: timedelta, *, language: Language) -> str:
    """Return a length of time in its largest unit, rounded down: 3분, 2시간, 5일; empty below a minute."""
    seconds = int(span.total_seconds())
    for size, korean, english in UNITS:
        if seconds >= size:
            return f"{seconds // size}{korean}" if language == "ko" else f"{seconds // size} {english}"
    return ""


def _write(moment: datetime, short: str) -> Written:
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    local, utc = moment.astimezone(KOREA), moment.astimezone(UTC)
    return Written(
        short=short,
        exact=f"{local:%Y-%m-%d %H:%M:%S} KST · {utc:%Y-%m-%d %H:%M:%S} UTC",
        machine=f"{utc:%Y-%m-%dT%H:%M:%SZ}",
    )


def _day(moment: datetime, at: datetime, language: Language) -> str:
    day, today = moment.astimezone(KOREA).date(), at.astimezone(KOREA).date()
    if said := DAYS[language].get((day - today).days):
        return said
    if language == "ko":
        return f"{day.year}년 {day.month}월 {day.day}일" if day.year != today.year else f"{day.month}월 {day.day}일"
    year = f" {day.year}" if day.year != today.year else ""
    return f"{day.day} {ENGLISH_MONTHS[day.month - 1][:3]}{year}"
