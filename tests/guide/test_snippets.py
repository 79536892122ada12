"""What the guide tells shops to write does what it says, in Python, JavaScript and PHP."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from results.core.money import Money
from results.core.return_link import ReturnClaims, ReturnKey, sign_return
from results.core.signing import SigningSecret, sign
from tests.guide.languages import CheckReturn, Verify

SECRET, OTHER = SigningSecret(b"a secret of the bakery's server."), SigningSecret(b"a secret of somebody else's.....")
BODY = '{"id":"evt_1","type":"payment.paid","name":"딸기 케이크 🍰"}'.encode()
EVENT = json.loads(BODY)
SHOP = "https://shop.example/orders/complete"
KEY = ReturnKey("rk_1", "return-key-for-docs-only-32bytes")
MINUTE = timedelta(minutes=1)


def signed(*secrets: SigningSecret, ago: timedelta = timedelta(0)) -> dict[str, str]:
    return sign(BODY, message_id="evt_1", at=datetime.now(UTC) - ago, secrets=secrets)


def test_a_callback_verifies(verify: Verify) -> None:
    """What we signed is read; with another secret, or another byte, it is nothing."""
    headers = signed(SECRET)

    assert verify(BODY, headers, SECRET.to_text()) == EVENT
    assert verify(BODY, headers, OTHER.to_text()) is None
    assert verify(BODY + b" ", headers, SECRET.to_text()) is None


def test_either_secret_verifies_during_a_rotation(verify: Verify) -> None:
    """While a secret is replaced, a shop that has either of the two believes the callback."""
    headers = signed(OTHER, SECRET)

    assert verify(BODY, headers, SECRET.to_text()) == EVENT
    assert verify(BODY, headers, OTHER.to_text()) == EVENT


def test_an_old_callback_is_not_believed(verify: Verify) -> None:
    """A captured callback is good for five minutes, before and after."""
    assert verify(BODY, signed(SECRET, ago=4 * MINUTE), SECRET.to_text()) == EVENT
    assert verify(BODY, signed(SECRET, ago=6 * MINUTE), SECRET.to_text()) is None
    assert verify(BODY, signed(SECRET, ago=-6 * MINUTE), SECRET.to_text()) is None


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [None, "", ",", "v1", "v1,é", "1e9", "-"])
def test_hostile_headers_are_refused(verify: Verify, name: str, value: str | None) -> None:
    """Whatever stands in the headers, the answer is no, and no fault."""
    headers = signed(SECRET) | {name: value or ""}
    if value is None:
        del headers[name]

    assert verify(BODY, headers, SECRET.to_text()) is None


def returned(ago: timedelta = timedelta(0), **claims: object) -> str:
    """Return the query with which a customer comes back."""
    said = {"status": "paid", "livemode": True, "order": "주문 1042 (빵!)*'~", "money": Money(64900, "KRW", 0)} | claims
    link = sign_return(SHOP, ReturnClaims(**said), key=KEY, at=datetime.now(UTC) - ago, nonce="9f0c")  # type: ignore[arg-type]
    return urlsplit(link).query


def test_a_signed_return_is_read(check_return: CheckReturn) -> None:
    """Order, amount and state come out as they were signed, whatever characters they are made of."""
    values = check_return(returned(), SHOP, KEY.key)

    assert values is not None
    assert (values["pr_order"], values["pr_status"], values["pr_amount"]) == ("주문 1042 (빵!)*'~", "paid", "64900")


def test_what_is_not_signed_does_not_disturb_it(check_return: CheckReturn) -> None:
    """Parameters of the shop's own, or of advertisers, stand beside the signed ones and are not returned."""
    values = check_return(f"utm_source=a&{returned()}&utm_source=b", SHOP, KEY.key)

    assert values is not None
    assert "utm_source" not in values


@pytest.mark.parametrize(
    ("query", "url", "key"),
    [
        (returned().replace("64900", "100"), SHOP, KEY.key),
        (returned() + "&pr_status=paid", SHOP, KEY.key),
        (returned() + "&pr_extra=1", SHOP, KEY.key),
        (returned(), "https://evil.example/orders/complete", KEY.key),
        (returned(), SHOP, "another-key-for-docs-only-32byte"),
        (returned(ago=6 * MINUTE), SHOP, KEY.key),
        ("pr_status=paid&pr_order=order-1", SHOP, KEY.key),
        ("", SHOP, KEY.key),
    ],
    ids=["altered", "repeated", "added", "address", "key", "old", "unsigned", "empty"],
)
def test_a_forged_return_is_nothing(check_return: CheckReturn, query: str, url: str, key: str) -> None:
    """Altered, repeated, added to, for another address, by another key, too old, or not signed at all."""
    assert check_return(query, url, key) is None
