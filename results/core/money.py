"""How much is it? An integer of the currency's smallest unit, never a float.

PortOne V1 writes amounts as decimal numbers of the major unit (14.2 dollars, 64900 won). Two amounts are
the same only when minor units, currency and exponent all agree: 1,000 yen is not 1,000 won, and 10 won is not
10.00 dollars.

    MoneyError
    ├── InexactAmount    the number is no whole count of that currency's smallest unit
    └── UnknownCurrency  the code is no active ISO 4217 currency
"""

from dataclasses import dataclass
from decimal import Decimal

# ISO 4217, list one, as amended to 2026. Codes without a minor unit (gold, SDR, test codes) are left out.
_EXPONENT_0 = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_EXPONENT_2 = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF
    CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL
    HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU
    MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR
    SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED
    VES WST XAD XCD XCG YER ZAR ZMW ZWG
"""
_EXPONENT_3 = "BHD IQD JOD KWD LYD OMR TND"
_EXPONENT_4 = "CLF UYW"

_EXPONENTS: dict[str, int] = {
    code: exponent
    for exponent, codes in ((0, _EXPONENT_0), (2, _EXPONENT_2), (3, _EXPONENT_3), (4, _EXPONENT_4))
    for code in codes.split()
}
_SYMBOLS = {"KRW": "₩", "USD": "$", "JPY": "¥"}

MAX_MINOR = 2**63 - 1  # what a PostgreSQL bigint keeps
_MAX_DIGITS = 60


class MoneyError(ValueError):
    """A number and a currency do not make an amount."""


class InexactAmount(MoneyError):
    """The number is no whole count of the currency's smallest unit, or lies outside of what we keep."""


class UnknownCurrency(MoneyError):
    """The code is no active ISO 4217 currency; codes are upper case."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount: `amount` smallest units of `currency`, of which 10 ** `exponent` make one major unit."""

    amount: int
    currency: str
    exponent: int


def exponent_of(currency: str) -> int | None:
    """Return how many decimals the currency has, or None when it is none that we know."""
    return _EXPONENTS.get(currency)


def to_minor(value: Decimal, currency: str) -> Money:
    """Return a number of major units as Money, exactly, whatever the precision of the decimal context.

    Raises UnknownCurrency, and InexactAmount when the number has a fraction of the smallest unit, is
    negative, not finite or greater than MAX_MINOR units.
    """
    exponent = exponent_of(currency)
    if exponent is None:
        raise UnknownCurrency(f"{currency[:8]!r} is no currency that we know")
    minor = _whole_units(value, exponent)
    if minor is None:
        raise InexactAmount(f"the amount is no whole number of the smallest unit of {currency}")
    return Money(amount=minor, currency=currency, exponent=exponent)


def _whole_units(value: Decimal, exponent: int) -> int | None:
    sign, digits, power = value.as_tuple()
    if not isinstance(power, int) or len(digits) > _MAX_DIGITS:
        return None
    coefficient = int("".join(map(str, digits)) or "0")
    if coefficient == 0:
        return 0
    shift = power + exponent
    # Both bounds come before any power of ten: 1E+999999999 would not fit into memory.
    if sign or value.adjusted() + exponent > 18 or -shift > len(digits):
        return None
    whole, rest = divmod(coefficient * 10 ** max(shift, 0), 10 ** max(-shift, 0))
    return whole if rest == 0 and whole <= MAX_MINOR else None


def major(money: Money) -> Decimal:
    """Return the amount in major units, with the currency's decimals (1420 cents are 14.20)."""
    return Decimal(f"{money.amount}E-{money.exponent}")


def written(money: Money) -> str:
    """Return the amount for a person: ₩64,900, $14.20, ¥1,000, otherwise 1,234.50 EUR."""
    sign = "-" if money.amount < 0 else ""
    number = f"{abs(major(money)):,.{money.exponent}f}"
    symbol = _SYMBOLS.get(money.currency)
    return f"{sign}{symbol}{number}" if symbol else f"{sign}{number} {money.currency}"
