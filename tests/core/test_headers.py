"""Headers that a merchant adds to every callback: what they may say, and what stays ours."""

import pytest

from results.core.headers import MOST, MOST_BYTES, BadHeaders, check_headers


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer not-a-secret"},
        {"x-api-key": "k" * 1000},
        {"X_Tenant.Name": "bakery", "x!#$%&'*+-.^`|~9": "odd, but a token"},
        {"webhooks": "1", "contents": "2", "proxyless": "3", "x-paywitnessed": "4"},
        {f"x-{number}": "v" for number in range(MOST)},
        {"x": "v" * (MOST_BYTES - len("x: \r\n"))},
    ],
)
def test_what_a_gateway_may_ask_for_is_allowed(headers: dict[str, str]) -> None:
    """Any header whose name is an HTTP token and which is not ours is kept as it was written."""
    assert check_headers(headers) == headers


@pytest.mark.parametrize(
    "name",
    [
        *("Host", "Content-Type", "content-length", "CONTENT-ENCODING", "content-anything", "Transfer-Encoding"),
        *("Connection", "Keep-Alive", "Upgrade", "TE", "Trailer", "Expect", "Cookie", "HTTP2-Settings", "Date"),
        *("Proxy-Authorization", "proxy-connection", "User-Agent", "Accept-Encoding"),
        *("webhook-id", "Webhook-Signature", "webhook-timestamp", "X-Paywitness-Replay", "x-paywitness-x"),
    ],
)
def test_what_frames_and_signs_a_request_is_ours(name: str) -> None:
    """A header that says how a request is framed, who sends it or who signed it is refused by its name."""
    with pytest.raises(BadHeaders, match=f"^{name} is reserved.*leave it out"):
        check_headers({"x-fine": "1", name: "anything"})


@pytest.mark.parametrize(
    "name",
    ["", " ", "x y", "x:y", "x\r\nhost", "x\x00", "머리글", "ＨＯＳＴ", "x\u0130", ":path", "x/y", "(x)", '"x"', "é"],
)
def test_a_name_is_a_token(name: str) -> None:
    """Whatever HTTP does not allow in a header's name is refused, and shown in ASCII."""
    with pytest.raises(BadHeaders, match="is no header name: use letters") as refusal:
        check_headers({name: "value"})

    assert str(refusal.value).isascii()


@pytest.mark.parametrize(
    "value", ["a\r\nhost: b", "a\n", "\ra", "a\x00", "a\tb", "\x7f", "비밀", "café", "a\u2028b", "\x85", "a\x1fb"]
)
def test_a_value_is_printable_ascii(value: str) -> None:
    """A line break, NUL, control character or letter beyond ASCII is refused, wherever it stands."""
    with pytest.raises(BadHeaders, match=r"^X-Key has a line break or a character beyond ASCII"):
        check_headers({"X-Key": value})


@pytest.mark.parametrize(
    ("headers", "mend"),
    [
        ({"x-empty": "  "}, "x-empty has no value"),
        ({"X-Key": "1", "x-key": "2"}, "x-key is given twice"),
        ({f"x-{number}": "v" for number in range(MOST + 1)}, "21 headers are too many: give at most 20"),
        ({"x-short": "v", "x-long": "v" * MOST_BYTES}, "the longest is x-long: 4096 are allowed"),
        ({"x": "v" * (MOST_BYTES - len("x: \r\n") + 1)}, "4097 bytes in all"),
    ],
)
def test_a_refusal_says_which_and_how_to_mend_it(headers: dict[str, str], mend: str) -> None:
    """Empty values, doubled names, too many headers and too long ones are refused with the mend."""
    with pytest.raises(BadHeaders, match=mend):
        check_headers(headers)


@pytest.mark.parametrize("headers", [{"x-key": "not-a-secret\n"}, {"x-key": "not-a-secret" * 1000}])
def test_a_refusal_repeats_no_value(headers: dict[str, str]) -> None:
    """Values are often passwords, so no refusal shows one."""
    with pytest.raises(BadHeaders) as refusal:
        check_headers(headers)

    assert "not-a-secret" not in str(refusal.value)


def test_spaces_around_a_value_are_dropped() -> None:
    """A receiver strips them anyway, so they are not kept."""
    assert check_headers({"x-key": "  two words "}) == {"x-key": "two words"}
