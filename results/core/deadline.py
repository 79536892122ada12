"""Until when, in words? A deadline the way one says it in Korea, in Korean or English.

Deadlines of Korean bank accounts are Korean time whatever the reader's clock says, and Korea has no summer
time.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Literal

Language = Literal["ko", "en"]

KOREA = timezone(timedelta(hours=9), "KST")
KOREAN_DAYS = ("오늘", "내일", "모레")
ENGLISH_DAYS = ("today", "tomorrow")
KOREAN_WEEKDAYS = "월화수목금토일"
ENGLISH_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
ENGLISH_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
# From which hour on a part of the day has its name.
KOREAN_PARTS = ((21, "밤"), (18, "저녁"), (13, "오후"), (12, "낮"), (6, "오전"), (0, "새벽"))


@dataclass(frozen=True, slots=True)
class Deadline:
    """A deadline as a sentence, as a date that stays true tomorrow, and for machines.

    `sentence` counts from the moment it was written ("내일 밤 11:59까지"); `full` is the date in Korean time;
    `exact` names the second in KST and UTC; `machine` is the UTC instant of a `<time datetime>`.
    """

    sentence: str
    full: str
    exact: str
    machine: str


def write_deadline(expires_at: datetime, *, at: datetime, language: Language) -> Deadline:
    """Return the deadline for a person who reads it at that moment; ValueError for a time without a zone."""
    if expires_at.tzinfo is None or at.tzinfo is None:
        raise ValueError("a deadline needs a time zone")
    local, utc = expires_at.astimezone(KOREA), expires_at.astimezone(UTC)
    sentence, full = (_korean, _korean_full) if language == "ko" else (_english, _english_full)
    return Deadline(
        sentence=sentence(local, at.astimezone(KOREA)),
        full=full(local),
        exact=f"{local:%Y-%m-%d %H:%M:%S} KST · {utc:%Y-%m-%d %H:%M:%S} UTC",
        machine=f"{utc:%Y-%m-%dT%H:%M:%SZ}",
    )


def _is_midnight(local: datetime) -> bool:
    return (local.hour, local.minute) == (0, 0)


def _day_of(local: datetime) -> date:
    """Return the day whose end or part it is: midnight closes the day before, as people say it."""
    return local.date() - timedelta(days=_is_midnight(local))


def _korean(local: datetime, now: datetime) -> str:
    if local <= now:
        return "입금 기한이 지났습니다"
    day, ahead = _day_of(local), (_day_of(local) - now.date()).days
    if ahead < len(KOREAN_DAYS):
        said = KOREAN_DAYS[max(ahead, 0)]
    else:
        year = f"{day.year}년 " if day.year != now.year else ""
        said = f"{year}{day.month}월 {day.day}일({KOREAN_WEEKDAYS[day.weekday()]})"
    return f"{said} {_korean_time(local)}까지"


def _korean_time(local: datetime) -> str:
    if _is_midnight(local):
        return "밤 12:00"
    part = next(name for hour, name in KOREAN_PARTS if local.hour >= hour)
    hour = local.hour - 12 if local.hour > 12 else local.hour
    return f"{part} {hour}:{local:%M}"


def _korean_full(local: datetime) -> str:
    weekday = KOREAN_WEEKDAYS[local.weekday()]
    return f"{local.year}년 {local.month}월 {local.day}일({weekday}) {local:%H:%M} 한국 시간"


def _english(local: datetime, now: datetime) -> str:
    if local <= now:
        return "The deadline has passed"
    day, ahead = _day_of(local), (_day_of(local) - now.date()).days
    if ahead < len(ENGLISH_DAYS):
        said = ENGLISH_DAYS[max(ahead, 0)]
    else:
        year = f" {day.year}" if day.year != now.year else ""
        said = f"{ENGLISH_WEEKDAYS[day.weekday()]}, {day.day} {ENGLISH_MONTHS[day.month - 1]}{year}"
    if _is_midnight(local):
        return f"by midnight at the end of {said}"
    return f"by {_english_time(local)} {'' if ahead < len(ENGLISH_DAYS) else 'on '}{said}"


def _english_time(local: datetime) -> str:
    if (local.hour, local.minute) == (12, 0):
        return "12:00 noon"
    return f"{local.hour % 12 or 12}:{local:%M} {'am' if local.hour < 12 else 'pm'}"


def _english_full(local: datetime) -> str:
    month = ENGLISH_MONTHS[local.month - 1]
    return f"{ENGLISH_WEEKDAYS[local.weekday()]}, {local.day} {month} {local.year}, {local:%H:%M} Korean time"
