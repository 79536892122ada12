"""What a merchant's day comes to, counted by hand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from results.core.figures import (
    Hour,
    Span,
    Sum,
    Tally,
    by_day,
    by_hour,
    day_began,
    main_currency,
    money_of,
    since,
    tally,
    window_began,
)
from results.core.money import Money, major

NOON = datetime(2026, 11, 21, 3, 20, tzinfo=UTC)  # 12:20 in Korea


def hour(text: str, total: str, currency: str = "KRW", count: int = 1) -> Hour:
    return Hour(datetime.fromisoformat(text + "+00:00"), Sum(currency, count, Decimal(total)))


def test_a_day_begins_at_midnight_in_korea() -> None:
    """15:00 UTC is the midnight between two days of Korea."""
    before = datetime(2026, 11, 20, 14, 59, 59, tzinfo=UTC)

    assert day_began(NOON) == datetime(2026, 11, 20, 15, tzinfo=UTC)
    assert day_began(before) == datetime(2026, 11, 19, 15, tzinfo=UTC)
    assert day_began(before + timedelta(seconds=1)) == datetime(2026, 11, 20, 15, tzinfo=UTC)


def test_currencies_are_never_added_up() -> None:
    """Won stands by itself, and each other currency beside it, in its own smallest unit."""
    sums = [Sum("KRW", 2, Decimal(1000)), Sum("USD", 1, Decimal("14.20")), Sum("JPY", 3, Decimal(500))]

    assert tally([*sums, Sum("USD", 1, Decimal("0.05"))]) == Tally(
        7, Money(1000, "KRW", 0), (Money(500, "JPY", 0), Money(1425, "USD", 2))
    )


def test_nothing_is_nothing_in_won() -> None:
    """Without any payment there are no payments, and zero won."""
    assert tally([]) == Tally(0, Money(0, "KRW", 0))


def test_a_total_keeps_what_its_currency_cannot_write() -> None:
    """A fraction of a won that a member let pass stays in the sum instead of being rounded away."""
    assert money_of(Decimal("64900.500000"), "KRW") == Money(649005, "KRW", 1)
    assert money_of(Decimal("64900.000000"), "KRW") == Money(64900, "KRW", 0)
    assert money_of(Decimal("1E+3"), "USD") == Money(100000, "USD", 2)


@given(st.decimals(min_value=0, max_value=10**15, places=6), st.sampled_from(["KRW", "USD", "KWD", "XYZ"]))
def test_money_is_exact(total: Decimal, currency: str) -> None:
    """Whatever the currency, the amount in major units is the total that was summed."""
    assert major(money_of(total, currency)) == total


def test_hours_come_to_today() -> None:
    """Only hours since the last midnight count as today's."""
    hours = [hour("2026-11-20T14:00", "1"), hour("2026-11-20T15:00", "10"), hour("2026-11-21T03:00", "100")]

    assert tally(since(hours, day_began(NOON))).won.amount == 110


def test_the_last_24_hours_end_with_this_one() -> None:
    """The present hour stands last, and 23 full ones before it; what is older or in another currency is left out."""
    hours = [
        hour("2026-11-20T03:00", "7"),
        hour("2026-11-20T04:00", "10"),
        hour("2026-11-21T03:00", "30", count=2),
        hour("2026-11-21T03:00", "5", "USD"),
    ]

    spans = by_hour(hours, "KRW", at=NOON)

    assert len(spans) == 24
    assert spans[0] == Span(datetime(2026, 11, 20, 4, tzinfo=UTC), 1, Decimal(10))
    assert spans[-1] == Span(datetime(2026, 11, 21, 3, tzinfo=UTC), 2, Decimal(30))
    assert sum(span.count for span in spans) == 3


def test_seven_days_are_days_of_korea() -> None:
    """An hour before midnight belongs to the old day, the hour after it to the new one; today stands last."""
    hours = [
        hour("2026-11-14T14:00", "7"),
        hour("2026-11-14T15:00", "10"),
        hour("2026-11-20T14:00", "20"),
        hour("2026-11-20T15:00", "40"),
    ]

    spans = by_day(hours, "KRW", at=NOON)

    assert window_began(NOON) == spans[0].began_at == datetime(2026, 11, 14, 15, tzinfo=UTC)
    assert [int(span.total) for span in spans] == [10, 0, 0, 0, 0, 20, 40]


def test_won_is_drawn_unless_there_is_none() -> None:
    """A shop that sells in dollars alone sees dollars."""
    dollars = [hour("2026-11-21T03:00", "5", "USD", 3), hour("2026-11-21T03:00", "5", "JPY", 2)]

    assert main_currency(dollars) == "USD"
    assert main_currency([*dollars, hour("2026-11-21T03:00", "5")]) == main_currency([]) == "KRW"
