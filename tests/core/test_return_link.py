"""The signed way back to the shop, and where it may lead."""

import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.core.money import Money
from results.core.return_link import (
    BadReturnUrl,
    ReturnClaims,
    ReturnKey,
    matches,
    normalise_return_url,
    sign_result,
    sign_return,
    verify_result,
    verify_return,
)

AT = datetime.fromtimestamp(1795151564, UTC)
KEY = ReturnKey("rk_1", "return-key-for-docs-only-32bytes")
FLORISTS_KEY = ReturnKey("rk_1", "return-key-of-the-florist-32byte")
SHOP = "https://shop.example.com/orders/complete"
PAID = ReturnClaims(
    status="paid",
    livemode=True,
    order="payment-39ecfa97",
    payment="pay_01KB3Z5W8E9M2Q4T6V8X0Z1B3D",
    money=Money(64900, "KRW", 0),
    sequence=2,
)


def link(claims: ReturnClaims = PAID, key: ReturnKey = KEY, url: str = SHOP) -> str:
    return sign_return(url, claims, key=key, at=AT, nonce="9f0c3a7be1d2446f")


def test_worked_example() -> None:
    """The documented return link holds to the last character."""
    assert link() == (
        "https://shop.example.com/orders/complete?pr_amount=64900&pr_currency=KRW&pr_exponent=0&pr_kid=rk_1"
        "&pr_livemode=true&pr_nonce=9f0c3a7be1d2446f&pr_order=payment-39ecfa97"
        "&pr_payment=pay_01KB3Z5W8E9M2Q4T6V8X0Z1B3D&pr_seq=2&pr_status=paid&pr_ts=1795151564"
        "&pr_sig=_EVKULjRNMXI8sh0fea5SGmfm1UY45k-4262prPMC_U"
    )


def result(origin: str = "https://shop.example.com", claims: ReturnClaims = PAID) -> str:
    return sign_result(origin, claims, key=KEY, at=AT, nonce="9f0c3a7be1d2446f")


def test_worked_example_of_a_result() -> None:
    """The same parameters for a script: the URL line is the origin, and nothing else is another."""
    assert result() == (
        "pr_amount=64900&pr_currency=KRW&pr_exponent=0&pr_kid=rk_1"
        "&pr_livemode=true&pr_nonce=9f0c3a7be1d2446f&pr_order=payment-39ecfa97"
        "&pr_payment=pay_01KB3Z5W8E9M2Q4T6V8X0Z1B3D&pr_seq=2&pr_status=paid&pr_ts=1795151564"
        "&pr_sig=iGr7urOBLj77f89TxP4q2BeRQY1JbCNaik7sDWVH-uM"
    )
    assert result().rpartition("&")[0] == link().partition("?")[2].rpartition("&")[0]


def test_a_result_is_no_return_and_a_return_no_result() -> None:
    """Neither signature passes for the other, not even with the shop's front page registered."""
    front = "https://shop.example.com/"

    assert verify_result(result(), origin="https://shop.example.com", keys=[KEY], at=AT) is not None
    assert verify_return(f"{front}?{result()}", url=front, keys=[KEY], at=AT) is None
    signed = link(url=front).partition("?")[2]
    assert verify_result(signed, origin="https://shop.example.com", keys=[KEY], at=AT) is None
    assert verify_result(result(), origin="https://m.shop.example.com", keys=[KEY], at=AT) is None
    assert verify_result(result(), origin="https://shop.example.com", keys=[FLORISTS_KEY], at=AT) is None


def test_a_result_is_for_display_for_five_minutes() -> None:
    """It ages as a return does, and nothing of it can be changed or repeated."""
    origin, late = "https://shop.example.com", AT + timedelta(seconds=301)

    assert verify_result(result(), origin=origin, keys=[KEY], at=late) is None
    for forged in (result().replace("64900", "100"), result() + "&pr_status=paid", ""):
        assert verify_result(forged, origin=origin, keys=[KEY], at=AT) is None


@pytest.mark.parametrize(
    "origin",
    [
        "https://shop.example.com/",
        "https://shop.example.com/pay",
        "https://SHOP.example.com",
        "https://shop.example.com:443",
        "https://a@shop.example.com",
        "shop.example.com",
        "null",
        "",
    ],
)
def test_only_an_origin_is_signed_for_a_script(origin: str) -> None:
    """Scheme, host and port as a browser writes them."""
    with pytest.raises(BadReturnUrl):
        result(origin)


def test_a_shop_reads_what_was_signed() -> None:
    """A shop that verifies the link gets the values without the signature."""
    values = verify_return(link(), url=SHOP, keys=[KEY], at=AT)

    assert values is not None
    assert (values["pr_status"], values["pr_order"], values["pr_amount"]) == (
        "paid",
        "payment-39ecfa97",
        "64900",
    )
    assert "pr_sig" not in values


def test_what_is_not_known_is_left_out() -> None:
    """While a payment is unresolved the link says pending, and neither amount nor payment."""
    values = verify_return(link(ReturnClaims(status="pending", livemode=False)), url=SHOP, keys=[KEY], at=AT)

    assert values == {
        "pr_kid": "rk_1",
        "pr_livemode": "false",
        "pr_nonce": "9f0c3a7be1d2446f",
        "pr_status": "pending",
        "pr_ts": "1795151564",
    }


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_any_order_number_survives_the_way(order: str) -> None:
    """An order number with spaces, Korean letters or delimiters arrives as it was, in any parser."""
    address = link(ReturnClaims(status="paid", livemode=True, order=order))

    values = verify_return(address, url=SHOP, keys=[KEY], at=AT)

    assert values is not None
    assert values["pr_order"] == order
    assert parse_qs(urlsplit(address).query, keep_blank_values=True)["pr_order"] == [order]
    assert address.isascii()
    assert "+" not in address


@pytest.mark.parametrize(("late", "valid"), [(-301, False), (0, True), (300, True), (301, False)])
def test_a_link_is_valid_for_five_minutes(late: int, valid: bool) -> None:
    """A return link holds for five minutes from the click."""
    values = verify_return(link(), url=SHOP, keys=[KEY], at=AT + timedelta(seconds=late))

    assert (values is not None) is valid


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pr_status=paid", "pr_status=cancelled"),
        ("pr_amount=64900", "pr_amount=6490"),
        ("pr_seq=2", "pr_seq=3"),
        ("&pr_exponent=0", ""),
        ("&pr_sig=", "&pr_extra=1&pr_sig="),
        ("&pr_sig=", "&pr_status=failed&pr_sig="),
        ("?pr_amount", "?pr_status=failed&pr_amount"),
        ("&pr_sig=_", "&pr_sig=-"),
        ("&pr_sig=", "&pr_none="),
        ("pr_ts=1795151564", "pr_ts=17951515640"),
        ("pr_ts=1795151564", "pr_ts=nan"),
    ],
)
def test_a_changed_link_is_not_believed(old: str, new: str) -> None:
    """No value of a link can be changed, added, repeated or taken away."""
    forged = link().replace(old, new, 1)

    assert verify_return(forged, url=SHOP, keys=[KEY], at=AT) is None


def test_only_unreserved_characters_stay_as_they_are() -> None:
    """Values are percent-encoded by RFC 3986: a slash is %2F, a space %20, a tilde stays."""
    address = link(ReturnClaims(status="paid", livemode=True, order="a b/c&d~빵"))

    assert "&pr_order=a%20b%2Fc%26d~%EB%B9%B5&" in address


def test_the_order_of_the_parameters_does_not_matter() -> None:
    """A link whose parameters were put into another order still holds: the signed text is sorted."""
    address, _, query = link().partition("?")
    turned = "&".join(reversed(query.split("&")))

    assert verify_return(f"{address}?{turned}", url=SHOP, keys=[KEY], at=AT) is not None


def test_a_shops_own_parameters_do_no_harm() -> None:
    """A parameter that a shop's tracker appends does not spoil the link."""
    assert verify_return(link() + "&utm_source=pay", url=SHOP, keys=[KEY], at=AT) is not None


def test_a_link_is_for_one_address() -> None:
    """A link to one page of the shop does not verify on another."""
    assert verify_return(link(), url="https://shop.example.com/orders/vip", keys=[KEY], at=AT) is None


def test_a_link_is_from_one_merchants_key() -> None:
    """The bakery's shop does not believe what the florist's key signed."""
    assert verify_return(link(key=FLORISTS_KEY), url=SHOP, keys=[KEY], at=AT) is None


def test_an_address_that_is_not_in_normal_form_is_not_signed() -> None:
    """Only the one spelling of a registered URL is ever signed."""
    with pytest.raises(BadReturnUrl):
        link(url="https://shop.example.com/orders/complete?next=/")
    with pytest.raises(BadReturnUrl):
        link(url="https://SHOP.example.com/orders/complete")


def test_a_naive_moment_is_not_signed() -> None:
    """A moment without a zone is our own mistake."""
    with pytest.raises(ValueError, match="time zone"):
        sign_return(SHOP, PAID, key=KEY, at=AT.replace(tzinfo=None), nonce=secrets.token_hex(8))


def test_a_key_does_not_print_itself() -> None:
    """A return key in a log line shows its name only."""
    assert KEY.key not in repr(KEY)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (SHOP, SHOP),
        ("HTTPS://Shop.Example.COM/Orders", "https://shop.example.com/Orders"),
        ("https://shop.example.com", "https://shop.example.com/"),
        ("https://shop.example.com:443/a", "https://shop.example.com/a"),
        ("https://shop.example.com:8443/a", "https://shop.example.com:8443/a"),
        ("https://xn--9d0b.example/%ed%95%9c", "https://xn--9d0b.example/%ED%95%9C"),
        ("https://shop.example.com/a//b;c=1", "https://shop.example.com/a//b;c=1"),
        ("https://shop.example.com/a@b:c", "https://shop.example.com/a@b:c"),
        ("https://203.0.113.7/a", "https://203.0.113.7/a"),
        ("https://[2001:DB8:0::1]:8443/a", "https://[2001:db8::1]:8443/a"),
    ],
)
def test_a_return_url_has_one_spelling(text: str, normal: str) -> None:
    """Scheme and host are lower case, the usual port and an empty path have one spelling, the path stays."""
    assert normalise_return_url(text, allow_http=False) == normal
    assert normalise_return_url(normal, allow_http=False) == normal


BYPASSES = [
    "",
    "/orders/complete",
    "//evil.example",
    "//evil.example/orders/complete",
    "///evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https:/\\evil.example",
    "https:\\\\evil.example",
    "\\\\evil.example",
    "https://good.example@evil.example/",
    "https://good.example:443@evil.example/",
    "https://good.example%40evil.example/",
    "https://good.example\\@evil.example/",
    "https://good.example\\.evil.example/",
    "https://evil.example\\good.example/",
    "https://good.example#@evil.example/",
    "https://good.example?@evil.example/",
    "https://good.example/?next=//evil.example",
    "https://good.example/#",
    "https://good.example/?",
    "https://good.example/\tevil",
    "\thttps://good.example/",
    "https://good.example/ ",
    " https://good.example/",
    "https://good.example/\r\nSet-Cookie: a=b",
    "https://good.example/\n",
    "https://good.example/\x00",
    "https://good.example/%0d%0aLocation:evil",
    "https://good.example/%5c..%5c",
    "https://good.example/%00",
    "https://good.example/%2e%2e/evil",
    "https://good.example/a/../evil",
    "https://good.example/./a",
    "https://good.example/a%zz",
    "https://good.example/<script>",
    "https://good.example/한글",
    "https://göod.example/",
    "https://good。example/",
    "https://ｇood.example/",
    "https://good.example./",
    "https://.good.example/",
    "https://good..example/",
    "https://-good.example/",
    "https://good_shop.example/",
    "https://good.example:0/",
    "https://good.example:/",
    "https://good.example:65536/",
    "https://good.example:0443/",
    "https://good.example:443:443/",
    "https://good.example:４４３/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://127.1/",
    "https://0177.0.0.1/",
    "https://①②⑦.0.0.1/",
    "https://[::1%25eth0]/",
    "https://[::1/",
    "https://::1/",
    "https://[good.example]/",
    "javascript:alert(1)",
    "javascript://good.example/%0aalert(1)",
    "data:text/html,x",
    "ftp://good.example/",
    "wss://good.example/",
    "https://" + "a." * 130 + "example/",
    "https://good.example/" + "a" * 2048,
]


@pytest.mark.parametrize("text", BYPASSES, ids=repr)
def test_addresses_that_read_in_two_ways_are_refused(text: str) -> None:
    """Every known way around a list of return URLs is refused, with a sentence that says why (T7)."""
    with pytest.raises(BadReturnUrl) as refused:
        normalise_return_url(text, allow_http=True)

    assert str(refused.value).endswith(".")
    assert matches(text, ["https://good.example/", text]) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://good.example@evil.example/", "user name"),
        ("https://good.example/a\\b", "backslash"),
        ("https://good.example/a b", "space"),
        ("https://good.example/?a=b", "query"),
        ("https://good.example/#a", "fragment"),
        ("https://good.example:99999/", "port"),
        ("https://127.1/", "four numbers"),
        ("javascript://good.example/", "https"),
        ("/orders/complete", "whole address"),
    ],
)
def test_a_refusal_says_why(text: str, reason: str) -> None:
    """A merchant who registers an odd address reads what is odd about it."""
    with pytest.raises(BadReturnUrl, match=reason):
        normalise_return_url(text, allow_http=False)


def test_http_is_for_development_only() -> None:
    """http is refused in production and keeps its own default port in development."""
    with pytest.raises(BadReturnUrl, match="https"):
        normalise_return_url("http://localhost:8000/done", allow_http=False)

    assert normalise_return_url("http://localhost:80/done", allow_http=True) == "http://localhost/done"


def test_foreign_letters_are_sent_to_punycode() -> None:
    """A host with Korean letters is refused with the way to write it."""
    with pytest.raises(BadReturnUrl, match="punycode"):
        normalise_return_url("https://빵집.example/", allow_http=False)


@pytest.mark.parametrize("candidate", [SHOP, "HTTPS://SHOP.EXAMPLE.COM:443/orders/complete"])
def test_a_registered_address_is_found(candidate: str) -> None:
    """Another spelling of a registered URL is that URL, and its normal form is what is used."""
    assert matches(candidate, ["https://bakery.example/", "https://shop.example.com/orders/complete"]) == SHOP


@pytest.mark.parametrize(
    "candidate",
    [
        "https://shop.example.com/orders",
        "https://shop.example.com/orders/complete/",
        "https://shop.example.com/orders/complete/x",
        "https://shop.example.com/orders/Complete",
        "https://shop.example.com/",
        "https://shop.example.com.evil.example/orders/complete",
        "https://evil.shop.example.com/orders/complete",
        "https://evilshop.example.com/orders/complete",
        "https://shop.example.com:8443/orders/complete",
        "http://shop.example.com/orders/complete",
    ],
)
def test_a_similar_address_is_another_address(candidate: str) -> None:
    """Prefix, sub-domain, look-alike, port, scheme and case of the path all make another address."""
    assert matches(candidate, [SHOP]) is None


def test_nothing_matches_an_empty_list() -> None:
    """A merchant who registered nothing is returned to nowhere, and a broken entry opens nothing."""
    assert matches(SHOP, []) is None
    assert matches(SHOP, ["https://", "", "*"]) is None


@given(st.text(max_size=60))
def test_what_is_accepted_is_final(text: str) -> None:
    """An accepted address reads the same a second time, and its host is what other parsers see."""
    try:
        normal = normalise_return_url("https://" + text, allow_http=False)
    except BadReturnUrl:
        return

    assert normalise_return_url(normal, allow_http=False) == normal
    assert normal.startswith(f"https://{urlsplit(normal).netloc}/")
