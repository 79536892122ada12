"""Money: whole smallest units of a currency, never a float."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.core.money import (
    MAX_MINOR,
    InexactAmount,
    Money,
    UnknownCurrency,
    exponent_of,
    major,
    to_minor,
    written,
)

CURRENCIES = st.sampled_from(["KRW", "JPY", "USD", "EUR", "KWD", "CLF"])


@pytest.mark.parametrize(
    ("value", "currency", "amount", "exponent"),
    [
        ("64900", "KRW", 64900, 0),
        ("64900.0", "KRW", 64900, 0),
        ("6.49E+4", "KRW", 64900, 0),
        ("14.2", "USD", 1420, 2),
        ("0.01", "USD", 1, 2),
        ("1.5", "KWD", 1500, 3),
        ("0", "KRW", 0, 0),
        ("-0.00", "USD", 0, 2),
        ("0E+999999999", "KRW", 0, 0),
        (str(MAX_MINOR), "KRW", MAX_MINOR, 0),
    ],
)
def test_major_units_become_smallest_units(value: str, currency: str, amount: int, exponent: int) -> None:
    """A decimal number of major units becomes the exact integer of the currency's smallest unit."""
    assert to_minor(Decimal(value), currency) == Money(amount, currency, exponent)


@pytest.mark.parametrize(
    ("value", "currency"),
    [
        ("64900.5", "KRW"),
        ("10.001", "USD"),
        ("1E-999999999", "USD"),
        ("1E+999999999", "KRW"),
        (str(MAX_MINOR + 1), "KRW"),
        ("-1", "KRW"),
        ("NaN", "KRW"),
        ("sNaN", "KRW"),
        ("Infinity", "USD"),
        ("-Infinity", "USD"),
        ("1." + "0" * 100, "USD"),
    ],
)
def test_inexact_numbers_are_refused(value: str, currency: str) -> None:
    """A number that is no whole count of the smallest unit, negative or beyond all bounds is no amount."""
    with pytest.raises(InexactAmount):
        to_minor(Decimal(value), currency)


@pytest.mark.parametrize("currency", ["", "krw", "WON", "XXX", "KR", "KRWW", "KRW "])
def test_unknown_currencies_are_refused(currency: str) -> None:
    """A currency that is not active in ISO 4217 makes no amount, whatever the number."""
    with pytest.raises(UnknownCurrency):
        to_minor(Decimal(1), currency)


def test_exponents_follow_iso_4217() -> None:
    """Won and yen have no decimals, dollars two, dinars three, and an unknown code has no exponent at all."""
    assert [exponent_of(code) for code in ("KRW", "JPY", "USD", "BHD", "UYW", "DEM")] == [0, 0, 2, 3, 4, None]


@given(st.integers(0, MAX_MINOR), CURRENCIES, st.integers(1, 40))
def test_no_digit_is_lost_on_the_way_there_and_back(amount: int, currency: str, precision: int) -> None:
    """Smallest units survive the way to major units and back under any precision of the decimal context."""
    money = Money(amount, currency, exponent_of(currency) or 0)

    with localcontext() as context:
        context.prec = precision
        back = to_minor(major(money), currency)

    assert back == money


@given(st.decimals(allow_nan=True, allow_infinity=True), CURRENCIES)
def test_an_accepted_number_is_never_rounded(value: Decimal, currency: str) -> None:
    """An accepted number equals the amount that it became; every other is refused as inexact."""
    try:
        money = to_minor(value, currency)
    except InexactAmount:
        return

    assert major(money) == value


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(64900, "KRW", 0), "₩64,900"),
        (Money(1420, "USD", 2), "$14.20"),
        (Money(1000, "JPY", 0), "¥1,000"),
        (Money(123450, "EUR", 2), "1,234.50 EUR"),
        (Money(1500, "KWD", 3), "1.500 KWD"),
        (Money(0, "KRW", 0), "₩0"),
        (Money(5, "USD", 2), "$0.05"),
        (Money(-1420, "USD", 2), "-$14.20"),
        (Money(MAX_MINOR, "KRW", 0), "₩9,223,372,036,854,775,807"),
    ],
)
def test_amounts_are_written_for_people(money: Money, text: str) -> None:
    """An amount is written with its currency, thousands apart and with the currency's decimals."""
    assert written(money) == text
