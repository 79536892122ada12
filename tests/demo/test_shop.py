"""The sample shop believes what is signed, acts once, and sends goods only for a matched payment."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from deploy.demo.mischief import Fault
from deploy.demo.shop import Shop, check_return, order_token, running

SECRET = "whsec_Y2FsbGJhY2sta2V5LWZvci1kb2NzLW9ubHktMzJieXQ="
FLORISTS_SECRET = "whsec_ZmxvcmlzdC1rZXktZm9yLXRlc3RzLW9ubHktMzJieXQ="
RETURN_KEY = "return-key-for-docs-only-32bytes"
RETURN_URL = "https://shop.example.com/orders/complete"
SIGNED_RETURN = (
    "pr_amount=64900&pr_currency=KRW&pr_exponent=0&pr_kid=rk_1&pr_livemode=true&pr_nonce=9f0c3a7be1d2446f"
    "&pr_order=payment-39ecfa97&pr_payment=pay_01KB3Z5W8E9M2Q4T6V8X0Z1B3D&pr_seq=2&pr_status=paid"
    "&pr_ts=1795151564&pr_sig=_EVKULjRNMXI8sh0fea5SGmfm1UY45k-4262prPMC_U"
)
SIGNED_AT = datetime.fromtimestamp(1795151564, UTC)


@dataclass
class Teller:
    """Someone who calls the shop."""

    shop: Shop
    url: str
    http: httpx.Client

    def tells(self, event: dict[str, Any], *, secret: str = SECRET) -> httpx.Response:
        body, at = json.dumps(event), datetime.now(UTC)
        headers = {
            "webhook-id": event["id"],
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret).sign(event["id"], at, body),
        }
        return self.http.post(f"{self.url}/callback", content=body, headers=headers)


def event(number: int, *, kind: str = "payment.paid", result: str = "matched", status: str = "paid") -> dict[str, Any]:
    payment = {"id": "pay_1", "version": number, "status": status, "verification": {"result": result}}
    order = {"id": "order-1", "status": status}
    return {
        "id": f"evt_{number}",
        "type": kind,
        "sequence": number,
        "data": {"order": order, "payment": payment},
    }


@pytest.fixture
def teller() -> Iterator[Teller]:
    shop = Shop(signing_secret=SECRET, return_key=RETURN_KEY)
    with running(shop) as url, httpx.Client(trust_env=False, timeout=5) as http:
        yield Teller(shop, url, http)


def test_a_matched_payment_is_fulfilled_once(teller: Teller) -> None:
    """The same event twice is answered 200 twice and sends the goods once."""
    answers = [teller.tells(event(1)).status_code for _ in range(2)]

    assert answers == [200, 200]
    assert list(teller.shop.fulfilled()) == ["order-1"]
    assert [item.duplicate for item in teller.shop.received()] == [False, True]


def test_an_id_is_acted_on_once(teller: Teller) -> None:
    """What comes again under an id that was acted on is answered 200 and changes nothing."""
    teller.tells(event(1, kind="payment.pending", result="unavailable", status="pending"))

    answer = teller.tells(event(1))

    assert answer.status_code == 200
    assert teller.shop.fulfilled() == {}


def test_a_wrong_signature_is_refused_and_kept(teller: Teller) -> None:
    """What somebody else signed is answered 400, kept for the record, and changes nothing."""
    answer = teller.tells(event(1), secret=FLORISTS_SECRET)

    assert answer.status_code == 400
    assert [item.verified for item in teller.shop.received()] == [False]
    assert teller.shop.fulfilled() == {}


@pytest.mark.parametrize("headers", [{}, {"webhook-id": "a", "webhook-timestamp": "1", "webhook-signature": "x"}])
def test_a_hostile_request_is_refused_calmly(teller: Teller, headers: dict[str, str]) -> None:
    """Missing and malformed signatures are answered 400, never 500."""
    answer = teller.http.post(f"{teller.url}/callback", content=b"\xff", headers=headers)

    assert answer.status_code == 400


@pytest.mark.parametrize(
    "news",
    [
        event(1, result="not_checked"),
        event(1, result="claimed"),
        event(1, kind="payment.review.amount_mismatch", result="mismatched", status="review"),
        event(1, kind="payment.virtual_account.issued", status="awaiting_deposit"),
    ],
)
def test_nothing_else_sends_goods(teller: Teller, news: dict[str, Any]) -> None:
    """Goods go out on payment.paid with a matched verification, and on nothing else."""
    teller.tells(news)

    assert teller.shop.fulfilled() == {}


def test_older_news_of_a_payment_is_not_acted_on(teller: Teller) -> None:
    """A payment.paid that arrives after the cancellation of that payment sends nothing."""
    teller.tells(event(2, kind="payment.cancelled", status="cancelled"))

    teller.tells(event(1))

    assert teller.shop.fulfilled() == {}
    assert teller.shop.standing("order-1") == "cancelled"


def test_a_shop_in_trouble_acts_on_the_retry(teller: Teller) -> None:
    """A callback that was answered 503 is not acted on until it comes again."""
    teller.shop.faults.add(Fault(kind="status", status=503, headers={"Retry-After": "2"}, times=1))

    first = teller.tells(event(1))
    before = teller.shop.fulfilled()
    teller.tells(event(1))

    assert (first.status_code, first.headers["retry-after"]) == (503, "2")
    assert (list(before), list(teller.shop.fulfilled())) == ([], ["order-1"])


def test_a_lost_answer_does_not_undo_the_work(teller: Teller) -> None:
    """A shop may act on a callback and lose the connection before it answers."""
    teller.shop.faults.add(Fault(kind="close", after=True, times=1))

    with pytest.raises(httpx.TransportError):
        teller.tells(event(1))

    assert list(teller.shop.fulfilled()) == ["order-1"]


def test_a_bomb_is_small_and_unpacks_to_very_much(teller: Teller) -> None:
    """A shop may answer with a small gzip body that fills the memory of whoever unpacks it."""
    teller.shop.faults.add(Fault(kind="bomb", times=1))

    answer = teller.tells(event(1))

    assert int(answer.headers["content-length"]) < 100_000
    assert len(answer.content) == 64 << 20


def test_a_fault_ends_and_is_remembered(teller: Teller) -> None:
    """One fault may end while another lasts; how many requests met which is counted."""
    teller.shop.faults.add(busy := Fault(kind="status", status=503))
    teller.shop.faults.add(Fault(kind="status", status=429))
    teller.tells(event(1))

    teller.shop.faults.remove(busy)
    answer = teller.tells(event(1))

    assert answer.status_code == 429
    assert teller.shop.faults.met() == {"503": 1, "429": 1}


def test_the_published_return_verifies() -> None:
    """The worked example of a signed return verifies."""
    good = check_return(SIGNED_RETURN, return_url=RETURN_URL, key=RETURN_KEY, at=SIGNED_AT)

    assert good is not None
    assert good["pr_status"] == "paid"


@pytest.mark.parametrize(
    ("query", "return_url", "key", "seconds"),
    [
        (SIGNED_RETURN.replace("pr_status=paid", "pr_status=failed"), RETURN_URL, RETURN_KEY, 0),
        (SIGNED_RETURN, RETURN_URL + "/", RETURN_KEY, 0),
        (SIGNED_RETURN, RETURN_URL, "somebody else's", 0),
        (SIGNED_RETURN, RETURN_URL, RETURN_KEY, 301),
        ("pr_order=another&" + SIGNED_RETURN, RETURN_URL, RETURN_KEY, 0),
    ],
    ids=["edited", "another page", "another key", "late", "repeated"],
)
def test_a_doubtful_return_does_not_verify(query: str, return_url: str, key: str, seconds: int) -> None:
    """A return that was edited, is for another page, of another key, late or ambiguous is not believed."""
    at = SIGNED_AT + timedelta(seconds=seconds)

    assert check_return(query, return_url=return_url, key=key, at=at) is None


def test_a_shop_without_a_key_believes_no_return() -> None:
    """An empty return key verifies nothing, not even what was signed with an empty key."""
    text = f"pr1\nGET\n{RETURN_URL}\npr_status=paid&pr_ts=1795151564"
    digest = hmac.new(b"", text.encode(), hashlib.sha256).digest()
    signature = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    query = f"pr_status=paid&pr_ts=1795151564&pr_sig={signature}"

    assert check_return(query, return_url=RETURN_URL, key="", at=SIGNED_AT) is None


def test_the_published_order_token_is_made() -> None:
    """The worked example of an order token comes out byte for byte."""
    claims = {
        "kid": "ok_1",
        "m": "mer_06F8M2Q4T6V8X0Z1B3D5F7H9K1",
        "mode": "live",
        "o": "payment-39ecfa97",
        "a": 64900,
        "c": "KRW",
        "e": 1795154364,
    }

    token = order_token(claims, key="order-key-for-docs-only-32-bytes")

    assert token.startswith("po1.eyJraWQiOiJva18xIiwibSI6Im1lcl8")
    assert token.endswith(".vyvFSDMD32PwypSySxhIh2LYagL9uuSoaENjC-MEieI")


def test_an_unsigned_return_says_nothing_of_the_order(teller: Teller) -> None:
    """The page behind the return address repeats nothing that was not signed."""
    page = teller.http.get(f"{teller.url}/orders/complete?pr_order=order-1&pr_status=paid").text

    assert 'data-signed="no"' in page
    assert "order-1" not in page
