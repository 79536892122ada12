"""What does a merchant's day come to? Sums kept apart by currency, and hours put together to days of Korea.

Paid and refunded money are two sums, never one: a refund of today may be of a payment of last week. Won is never
added to anything else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Final

from results.core.money import Money, exponent_of

KST: Final = timezone(timedelta(hours=9), "KST")  # without summer time since 1988
WON: Final = "KRW"
HOURS: Final = 24
DAYS: Final = 7
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Sum:
    """Some payments of one currency: how many, and their exact total in major units."""

    currency: str
    count: int
    total: Decimal


@dataclass(frozen=True, slots=True)
class Hour:
    """What one hour came to in one currency. `began_at` is UTC, whose hours begin when Korea's do."""

    began_at: datetime
    sum: Sum


@dataclass(frozen=True, slots=True)
class Tally:
    """How many payments, and how much in won; other currencies stand beside it."""

    count: int
    won: Money
    others: tuple[Money, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """An hour or a day, in the order of time, with what it came to."""

    began_at: datetime
    count: int
    total: Decimal


def money_of(total: Decimal, currency: str) -> Money:
    """Return a total as Money, exactly: with further decimals where one is no whole count of the smallest unit."""
    digits = total.normalize().as_tuple().exponent
    assert isinstance(digits, int)  # a sum of finite numbers is one
    exponent = max(exponent_of(currency) or 0, -digits)
    return Money(int(total.scaleb(exponent)), currency, exponent)


def tally(sums: Iterable[Sum]) -> Tally:
    """Return what some sums come to, each currency by itself."""
    count, totals = 0, {WON: Decimal(0)}
    for one in sums:
        count += one.count
        totals[one.currency] = totals.get(one.currency, Decimal(0)) + one.total
    won = money_of(totals.pop(WON), WON)
    return Tally(count, won, tuple(money_of(total, currency) for currency, total in sorted(totals.items())))


def day_began(at: datetime) -> datetime:
    """Return the last midnight in Korea, as UTC."""
    return at.astimezone(KST).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def hour_began(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def window_began(at: datetime) -> datetime:
    """Return since when hours are needed: seven days of Korea, the present one included."""
    return day_began(at) - (DAYS - 1) * DAY


def since(hours: Iterable[Hour], moment: datetime) -> list[Sum]:
    """Return the sums of the hours that began at that moment or later."""
    return [hour.sum for hour in hours if hour.began_at >= moment]


def by_hour(hours: Iterable[Hour], currency: str, *, at: datetime) -> list[Span]:
    """Return the last 24 hours one by one, the present one last."""
    return _spread(hours, currency, first=hour_began(at) - (HOURS - 1) * HOUR, step=HOUR, number=HOURS)


def by_day(hours: Iterable[Hour], currency: str, *, at: datetime) -> list[Span]:
    """Return the last seven days of Korea one by one, today last."""
    return _spread(hours, currency, first=window_began(at), step=DAY, number=DAYS)


def _spread(hours: Iterable[Hour], currency: str, *, first: datetime, step: timedelta, number: int) -> list[Span]:
    sums: list[list[Sum]] = [[] for _ in range(number)]
    for hour in hours:
        place = (hour.began_at - first) // step
        if 0 <= place < number and hour.sum.currency == currency:
            sums[place].append(hour.sum)
    return [
        Span(first + place * step, sum(one.count for one in some), sum((one.total for one in some), Decimal(0)))
        for place, some in enumerate(sums)
    ]


def main_currency(hours: Sequence[Hour]) -> str:
    """Return the currency that is drawn: won, unless there is none and others are."""
    counts: dict[str, int] = {}
    for hour in hours:
        counts[hour.sum.currency] = counts.get(hour.sum.currency, 0) + hour.sum.count
    return WON if WON in counts or not counts else max(sorted(counts), key=lambda currency: counts[currency])
