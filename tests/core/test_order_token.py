"""Order tokens: what a merchant's server expects, signed, carried by strangers."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.core.money import MAX_MINOR, Money
from results.core.order_token import (
    BadToken,
    OrderKey,
    OrderToken,
    TokenFault,
    make_token,
    read_token,
    valid_for,
)

BAKERY = "mer_06F8M2Q4T6V8X0Z1B3D5F7H9K1"
FLORIST = "mer_0000000000000000000000F10R"
KEY = OrderKey("ok_1", "order-key-for-docs-only-32-bytes")
OTHER_KEY = OrderKey("ok_2", "order-key-of-the-florist-32bytes")
TOKEN = OrderToken(
    kid="ok_1",
    merchant=BAKERY,
    mode="live",
    order="payment-39ecfa97",
    money=Money(64900, "KRW", 0),
    expires_at=datetime.fromtimestamp(1795154364, UTC),
)
WRITTEN = (
    "po1.eyJraWQiOiJva18xIiwibSI6Im1lcl8wNkY4TTJRNFQ2VjhYMFoxQjNENUY3SDlLMSIsIm1vZGUiOiJsaXZlIiwibyI6InBh"
    "eW1lbnQtMzllY2ZhOTciLCJhIjo2NDkwMCwiYyI6IktSVyIsImUiOjE3OTUxNTQzNjR9.vyvFSDMD32PwypSySxhIh2LYagL9uuSoaENjC-MEieI"
)


def read(text: str, *keys: OrderKey, merchant: str = BAKERY, mode: str = "live") -> OrderToken | BadToken:
    return read_token(text, keys=keys or (KEY,), merchant=merchant, mode=mode)


def sign_anything(payload: bytes) -> str:
    """Write a token as a merchant who holds the key but errs would."""
    body = base64.urlsafe_b64encode(payload).rstrip(b"=").decode()
    digest = hmac.new(KEY.key.encode(), b"po1." + body.encode(), hashlib.sha256).digest()
    return f"po1.{body}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def content(**changes: object) -> bytes:
    usual = {
        "kid": "ok_1",
        "m": BAKERY,
        "mode": "live",
        "o": "order-1",
        "a": 100,
        "c": "KRW",
        "e": 1795154364,
    }
    return json.dumps({name: value for name, value in (usual | changes).items() if value is not ...}).encode()


def test_worked_example() -> None:
    """The documented order token is written and read to the last character."""
    assert make_token(TOKEN, key=KEY) == WRITTEN
    assert read(WRITTEN) == TOKEN


@given(
    st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable()),
    st.integers(0, MAX_MINOR),
    st.datetimes(datetime(1971, 1, 1), datetime(9999, 1, 1)),
)
def test_a_token_survives_its_text(order: str, amount: int, end: datetime) -> None:
    """Every order, amount and end comes back as it was written."""
    token = replace(
        TOKEN, order=order, money=Money(amount, "KRW", 0), expires_at=end.replace(microsecond=0, tzinfo=UTC)
    )

    assert read(make_token(token, key=KEY)) == token


def test_two_keys_live_at_once() -> None:
    """While a merchant rotates, tokens of either key are believed."""
    newer = make_token(TOKEN, key=OTHER_KEY)

    assert isinstance(read(newer, KEY, OTHER_KEY), OrderToken)
    assert isinstance(read(WRITTEN, KEY, OTHER_KEY), OrderToken)


def test_another_key_is_not_believed() -> None:
    """A token of a key that is not this merchant's is not signed at all."""
    assert read(WRITTEN, OTHER_KEY) == BadToken(TokenFault.NOT_SIGNED)


def test_the_named_key_has_signed() -> None:
    """A token that names one key and is signed with another is not believed."""
    renamed = OrderKey("ok_9", KEY.key)

    assert read(WRITTEN, renamed) == BadToken(TokenFault.BAD_CONTENT)


def test_without_keys_nothing_is_believed() -> None:
    """A merchant without order keys has no valid tokens."""
    assert read_token(WRITTEN, keys=[], merchant=BAKERY, mode="live") == BadToken(TokenFault.NOT_SIGNED)


def test_a_token_is_for_one_merchant() -> None:
    """The florist is not bound by the bakery's token, even under the same key."""
    assert read(WRITTEN, merchant=FLORIST) == BadToken(TokenFault.OTHER_MERCHANT)


def test_a_token_is_for_one_mode() -> None:
    """A live token says nothing in test mode."""
    assert read(WRITTEN, mode="test") == BadToken(TokenFault.OTHER_MODE)


@given(st.integers(4, len(WRITTEN) - 1), st.sampled_from("Aa0-_.=%"))
def test_one_changed_character_breaks_a_token(place: int, character: str) -> None:
    """No character of a token can be exchanged."""
    forged = WRITTEN[:place] + character + WRITTEN[place + 1 :]

    assert forged == WRITTEN or isinstance(read(forged), BadToken)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", TokenFault.MALFORMED),
        ("po1.", TokenFault.MALFORMED),
        ("po1..", TokenFault.MALFORMED),
        ("po2." + WRITTEN[4:], TokenFault.MALFORMED),
        (WRITTEN[4:], TokenFault.MALFORMED),
        (WRITTEN.rpartition(".")[0], TokenFault.MALFORMED),
        ("po1.가.나", TokenFault.MALFORMED),
        ("po1.\ud800.x", TokenFault.MALFORMED),
        (WRITTEN + "=", TokenFault.NOT_SIGNED),
        (WRITTEN + ".x", TokenFault.NOT_SIGNED),
        (WRITTEN + "\n", TokenFault.NOT_SIGNED),
        ("po1.e30.", TokenFault.NOT_SIGNED),
        ("po1." + "A" * 1100 + ".A", TokenFault.TOO_LONG),
    ],
)
def test_odd_texts_are_disbelieved(text: str, reason: TokenFault) -> None:
    """A text that is no signed token gives a reason, never an error."""
    assert read(text) == BadToken(reason)


@given(st.text(max_size=1200))
def test_no_text_raises(text: str) -> None:
    """Whatever a browser sends in the token's place, reading it does not raise and is not believed."""
    assert isinstance(read(text), BadToken)
    assert isinstance(read("po1." + text), BadToken)


@pytest.mark.parametrize(
    "payload",
    [
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 500,
        content(a=-1),
        content(a=64900.0),
        content(a="64900"),
        content(a=True),
        content(a=None),
        content(a=MAX_MINOR + 1),
        content(a=float("nan")),
        content(a=...),
        content(c="WON"),
        content(c="krw"),
        content(c=None),
        content(c=["KRW"]),
        content(e="1795154364"),
        content(e=1795154364.5),
        content(e=-1),
        content(e=10**12),
        content(e=False),
        content(e=...),
        content(o=""),
        content(o=7),
        content(o="x" * 41),
        content(o="order-\x00"),
        content(o="order-\ud800"),
        content(m=...),
        content(kid=["ok_1"]),
        content(kid="ok_2"),
    ],
)
def test_a_signed_mistake_is_no_expectation(payload: bytes) -> None:
    """A merchant's own signature does not make a wrong amount, currency or time an expectation."""
    assert read(sign_anything(payload)) == BadToken(TokenFault.BAD_CONTENT)


def test_later_fields_are_ignored() -> None:
    """A field that we do not know does not spoil a token."""
    token = read(sign_anything(content(x="new")))

    assert isinstance(token, OrderToken)


@pytest.mark.parametrize(("late", "valid"), [(-1, True), (0, True), (1, False)])
def test_a_token_covers_payments_that_began_in_time(late: int, valid: bool) -> None:
    """A token holds for payments begun until its end; when the money arrives does not matter."""
    assert valid_for(TOKEN, TOKEN.expires_at + timedelta(seconds=late)) is valid


def test_a_key_does_not_print_itself() -> None:
    """An order key in a log line shows its name only."""
    assert KEY.key not in repr(KEY)
    assert "ok_1" in repr(KEY)
