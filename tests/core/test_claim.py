"""What arrivals say, in every shape that PortOne, its SDKs and strangers have been seen to send."""

import json
from urllib.parse import quote, urlencode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from results.core.claim import IMP_UID, MAX_BYTES, TOO_LONG, Claim, Outcome, read_claim

IMP, ORDER = "imp_448280090638", "order-1"
IDS = f"imp_uid={IMP}&merchant_uid={ORDER}"
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


def in_json(content_type: str = JSON, **fields: object) -> Claim:
    return read_claim(content_type=content_type, body=json.dumps(fields).encode())


def names(claim: Claim) -> tuple[str | None, str | None]:
    return claim.imp_uid, claim.merchant_uid


@pytest.mark.parametrize(
    ("query", "outcome"),
    [
        (f"{IDS}&imp_success=true", Outcome.SUCCEEDED),
        (f"{IDS}&imp_success=false", Outcome.FAILED),
        (f"{IDS}&success=true", Outcome.SUCCEEDED),
        (f"{IDS}&success=FALSE", Outcome.FAILED),
        (f"{IDS}&imp_status=true&kcp_action=quick", Outcome.SUCCEEDED),
        (f"{IDS}&imp_status=false&kcp_action=quick", Outcome.FAILED),
        (IDS, Outcome.SILENT),
        (f"{IDS}&imp_success=yes", Outcome.SILENT),
        (f"{IDS}&imp_success=null&success=true", Outcome.SUCCEEDED),
        (f"{IDS}&error_code=F1002&error_msg=closed", Outcome.FAILED),
        (f"{IDS}&error_code=null&error_msg=undefined", Outcome.SILENT),
        (f"{IDS}&error_msg=closed", Outcome.FAILED),
        (f"{IDS}&imp_success=false&error_msg=closed", Outcome.FAILED),
        (f"{IDS}&imp_success=true&success=false", Outcome.CONTRADICTORY),
        (f"{IDS}&imp_success=true&error_code=F1002", Outcome.CONTRADICTORY),
        ("imp_success=false&error_code=IAMPORT_CORDOVA", Outcome.FAILED),
    ],
)
def test_a_redirects_own_verdict_is_read_from_whichever_name_it_uses(query: str, outcome: Outcome) -> None:
    """imp_success, success, imp_status, error_code or nothing at all say how the window ended."""
    assert read_claim(query=query).outcome == outcome


@pytest.mark.parametrize(
    "query",
    [
        IDS,
        f"merchant_uid={ORDER}&imp_uid={IMP}&imp_success=true",
        f"txId={IMP}&paymentId={ORDER}",
        f"tx_id={IMP}&payment_id={ORDER}&status=Paid",
        f"order_id=77&wc-api=portone&{IDS}",
        f"{IDS}&merchant_uid=order-2&imp_uid=imp_111111",
        f"imp_uid={IMP}%26merchant_uid={ORDER}%26m_redirect_url=https%3A%2F%2Fshop.example%2F",
        f"imp_uid={IMP}%26merchant_uid%3D{ORDER}&merchant_uid=order-2",
        f"order_id=77?{IDS}&success=true",
        f"?{IDS}",
        f"imp_uid=&imp_uid={IMP}&merchant_uid=null&merchant_uid={ORDER}",
        f"imp_uid=null&txId={IMP}&merchant_uid={ORDER}",
        f"imp_uid={quote(quote(IMP).replace('_', '%5F'))}&merchant_uid={ORDER}",
        f"imp_uid=%20{IMP}+&merchant_uid=+{ORDER}",
        f"next=%2Fcart%3Fa%3D1%26merchant_uid%3Dorder-2%26imp_uid%3Dimp_111111&{IDS}",
    ],
)
def test_the_two_ids_are_found_in_every_redirect(query: str) -> None:
    """Both ids are read from V1's names, V2's, repeated, nested, re-encoded, or beside a merchant's own query."""
    assert names(read_claim(query=query)) == (IMP, ORDER)


def test_the_apps_sdk_joins_all_it_has_after_a_second_question_mark() -> None:
    """Flutter's unencoded `?success=…` after a query of the merchant's own is the beginning of what is said."""
    everything = f"success=false&imp_uid={IMP}&merchant_uid={ORDER}&buyer_name=김 예시&paid_amount=64900&error_msg=취소"

    claim = read_claim(query=f"order_id=77?{everything}")

    assert names(claim) == (IMP, ORDER)
    assert (claim.outcome, claim.error_message) == (Outcome.FAILED, "취소")


@pytest.mark.parametrize(
    ("query", "imp_uid", "merchant_uid"),
    [
        (f"merchant_uid={ORDER}", None, ORDER),
        (f"imp_uid={IMP}", IMP, None),
        (f"imp_uid=null&merchant_uid={ORDER}&success=false", None, ORDER),
        ("success=false&request_id=req_1&error_code=F1002&error_msg=x", None, None),
        ("", None, None),
    ],
)
def test_an_id_that_is_missing_stays_missing(query: str, imp_uid: str | None, merchant_uid: str | None) -> None:
    """A window that never opened names no payment, and one example of PortOne's names only the order."""
    claim = read_claim(query=query)

    assert names(claim) == (imp_uid, merchant_uid)
    assert claim.problems == ()
    assert claim.names_something == bool(imp_uid or merchant_uid)


def test_v2_names_of_an_error_count_beside_v2_ids() -> None:
    """`code` and `message` are synonyms of error_code and error_msg in V2's company."""
    claim = read_claim(query=f"txId={IMP}&paymentId={ORDER}&code=FAILURE_TYPE_PG&message=declined")

    assert (claim.error_code, claim.error_message) == ("FAILURE_TYPE_PG", "declined")
    assert claim.outcome == Outcome.FAILED


def test_a_merchants_own_code_is_no_error() -> None:
    """A coupon's `code` in the merchant's own query does not make a payment look failed."""
    claim = read_claim(query=f"code=SUMMER&message=hello&{IDS}")

    assert (claim.error_code, claim.error_message, claim.outcome) == (None, None, Outcome.SILENT)


def test_a_message_that_is_still_percent_encoded_is_decoded() -> None:
    """One PG's error_msg arrives encoded twice."""
    claim = read_claim(query=urlencode({"error_msg": quote("한도 초과"), "error_code": "X"}))

    assert claim.error_message == "한도 초과"


def test_a_message_may_hold_anything() -> None:
    """An error_msg with `&` and `=` in it stays whole and names nothing."""
    claim = read_claim(query=urlencode({"error_msg": "a&imp_uid=imp_999999", "imp_uid": IMP}))

    assert (claim.imp_uid, claim.error_message) == (IMP, "a&imp_uid=imp_999999")


@pytest.mark.parametrize(
    "content_type",
    [JSON, "application/json;charset=UTF-8", "application/json; charset=utf-8", "APPLICATION/JSON", "text/plain", ""],
)
def test_a_webhook_in_json_is_read_whatever_its_header_adds(content_type: str) -> None:
    """JSON is JSON with any charset suffix, and with a wrong content type."""
    claim = in_json(content_type, imp_uid=IMP, merchant_uid=ORDER, status="paid")

    assert (*names(claim), claim.status) == (IMP, ORDER, "paid")
    assert claim.problems == ()


@pytest.mark.parametrize("content_type", [FORM, f"{FORM}; charset=UTF-8", "text/plain", ""])
def test_a_webhook_in_a_form_is_read(content_type: str) -> None:
    """The console's other encoding is a form."""
    claim = read_claim(content_type=content_type, body=f"{IDS}&status=ready".encode())

    assert (*names(claim), claim.status) == (IMP, ORDER, "ready")


def test_json_that_calls_itself_a_form_is_read() -> None:
    """A JSON object under a form's content type is still a JSON object."""
    assert names(in_json(FORM, imp_uid=IMP, merchant_uid=ORDER)) == (IMP, ORDER)


def test_a_byte_order_mark_is_no_obstacle() -> None:
    """JSON behind a byte order mark is JSON."""
    body = b"\xef\xbb\xbf" + json.dumps({"imp_uid": IMP}).encode()

    assert read_claim(content_type=JSON, body=body).imp_uid == IMP


def test_a_post_may_say_all_in_its_query() -> None:
    """One iOS flow posts an empty body; what a body leaves out, the query supplies."""
    empty = read_claim(query=IDS, content_type=FORM, body=b" \r\n")
    partly = read_claim(query=IDS, content_type=JSON, body=b'{"imp_uid": null, "merchant_uid": "order-9"}')

    assert names(empty) == (IMP, ORDER)
    assert names(partly) == (IMP, "order-9")


def test_a_cancellation_names_itself() -> None:
    """A cancellation's webhook carries its cancellation_id."""
    claim = in_json(imp_uid=IMP, merchant_uid=ORDER, status="cancelled", cancellation_id="cancel-1")

    assert (claim.status, claim.cancellation_id) == ("cancelled", "cancel-1")


def test_escrow_news_are_known_by_their_event() -> None:
    """The escrow notice says `paid` again; its event tells it from a sale."""
    extra = {"escrow_status": 2, "changed_at": 1795151564, "denied_reason": None}
    claim = in_json(event="Inicis.Escrow.Changed", imp_uid=IMP, merchant_uid=ORDER, status="paid", extra=extra)

    assert (claim.event, claim.status, *names(claim)) == ("Inicis.Escrow.Changed", "paid", IMP, ORDER)


def test_what_we_have_no_word_for_stays_out_of_the_claim() -> None:
    """Unknown parameters, a buyer's name among them, are no part of a Claim."""
    claim = in_json(imp_uid=IMP, buyer_name="김 예시", custom_data={"a": 1}, status="paid")

    assert claim == Claim(imp_uid=IMP, status="paid")
    assert claim.as_json() == {"outcome": "silent", "status": "paid"}


def test_whole_numbers_are_ids_too() -> None:
    """An order id that is a JSON number is read as its digits; a fraction, a list or a truth value is no id."""
    assert in_json(merchant_uid=12345).merchant_uid == "12345"
    for nothing in (1.5, [1], {"a": 1}, True, None):
        assert in_json(merchant_uid=nothing).merchant_uid is None


def test_the_order_token_is_kept() -> None:
    """`pw_order` carries the merchant's signed order."""
    assert read_claim(query=f"{IDS}&pw_order=po1.a.b").order_token == "po1.a.b"


def test_an_unknown_status_is_kept() -> None:
    """A status PortOne invents tomorrow is kept, not refused."""
    assert in_json(imp_uid=IMP, status="Paused").status == "Paused"


@pytest.mark.parametrize(
    "bad",
    [
        "status/paid",
        "find/x",
        "../users/getToken",
        "imp_12345",
        "imp_" + "1" * 29,
        "imp_" + "9" * 7_000,
        "imp_123456\x00",
        "imp_123456\n9",
        "imp_١٢٣٤٥٦",
        "IMP_123456",
        "imp_123456?",
        "imp_123456%2F..",
        "\ud800",
    ],
)
@pytest.mark.parametrize("shape", ["query", "json"])
def test_only_a_payment_id_passes_as_imp_uid(bad: str, shape: str) -> None:
    """imp_uid is `imp_` and 6 to 28 digits, since it goes into the path of a PortOne URL; else the mend is named."""
    if shape == "query":
        claim = read_claim(query="imp_uid=" + quote(bad, errors="surrogatepass"))
    else:
        claim = in_json(imp_uid=bad)

    assert claim.imp_uid is None
    assert any("imp_uid is not a PortOne payment id" in problem for problem in claim.problems)


@pytest.mark.parametrize("bad", ["x" * 41, "x" * 7_000, "a\x00b", "a\x1fb", "a\ud800b"])
def test_an_order_id_that_cannot_be_kept_is_a_problem(bad: str) -> None:
    """merchant_uid has at most 40 characters, and none that a database refuses."""
    claim = in_json(merchant_uid=bad)

    assert claim.merchant_uid is None
    assert len(claim.problems) == 1
    assert "merchant_uid" in claim.problems[0]


@pytest.mark.parametrize("order", [".", "..", "a/b", "/"])
def test_an_order_that_would_lead_elsewhere_is_kept_but_not_asked(order: str) -> None:
    """PortOne is asked by order id only if percent-encoding tames it in a path."""
    claim = in_json(merchant_uid=order)

    assert claim.merchant_uid == order
    assert claim.askable_order is None
    assert not claim.names_something


@pytest.mark.parametrize("order", ["x" * 40, "주문-1 #?%", "한" * 40, "a%2Fb", "…", "a&b=c"])
def test_any_printable_order_id_of_40_characters_is_kept(order: str) -> None:
    """A merchant names orders as it likes."""
    assert in_json(merchant_uid=order).askable_order == order
    assert read_claim(query=urlencode({"merchant_uid": order})).askable_order == order


def test_control_characters_are_cut_from_what_is_only_kept() -> None:
    """Texts that decide nothing are kept without what PostgreSQL refuses, and not at any length."""
    claim = in_json(imp_uid=IMP, status="pa\x00id\ud800", error_msg="m" * 7_000, error_code="c" * 100)

    assert claim.status == "paid"
    assert (len(claim.error_message or ""), len(claim.error_code or "")) == (900, 64)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"imp_uid": imp_1}',
        b"[" * 5000,
        b'{"a":' * 1500,
        b'{"success": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"imp_uid": ' + b"9" * 5000 + b"}",
        b"\xff\xfe\x00{",
    ],
)
def test_what_is_not_json_says_how_to_mend_it(body: bytes) -> None:
    """A broken, deep or binary body is a problem that names its mend, never an exception."""
    claim = read_claim(content_type=JSON, body=body)

    assert names(claim) == (None, None)
    assert not claim.problems or "send a JSON object" in claim.problems[0]


@pytest.mark.parametrize("body", [b"[]", b'[{"imp_uid": "imp_448280090638"}]', b'"imp_448280090638"', b"17", b"null"])
def test_json_that_is_no_object_says_how_to_mend_it(body: bytes) -> None:
    """A list, a text or a number is not a webhook."""
    claim = read_claim(content_type=JSON, body=body)

    assert names(claim) == (None, None)
    assert claim.problems == ("The body is JSON but not an object; send an object with imp_uid and merchant_uid.",)


@pytest.mark.parametrize(
    "charset",
    [
        "nonsense",
        "x" * 5000,
        "hex",
        "idna",
        "undefined",
        "a\0b",
        "\udc80",
        '"',
        "utf-8; charset=utf-16",
        "=?utf-8?q?x?=",
    ],
)
def test_a_charset_nobody_knows_means_utf_8(charset: str) -> None:
    """The name of a charset comes from outside as well, and cannot break the reading."""
    body = json.dumps({"imp_uid": IMP, "merchant_uid": "주문-1"}, ensure_ascii=False).encode()

    assert names(read_claim(content_type=f"{JSON}; charset={charset}", body=body)) == (IMP, "주문-1")


def test_a_charset_in_extended_notation_cannot_break_the_reading() -> None:
    """`charset*=…` may hold a NUL in the name of its own charset."""
    content_type = f"{JSON}; charset*=%00a\0b''utf%2D8"

    assert read_claim(content_type=content_type, body=b'{"imp_uid":"imp_448280090638"}').imp_uid == IMP


def test_a_known_charset_is_honoured() -> None:
    """A body in the charset that it names is read in that charset."""
    body = '{"merchant_uid": "주문-1"}'.encode("euc-kr")

    assert read_claim(content_type=f"{JSON}; charset=EUC-KR", body=body).merchant_uid == "주문-1"


def test_a_long_request_is_read_from_its_beginning() -> None:
    """Beyond 8 KiB nothing is read, and the Claim says so."""
    body = f"{IDS}&padding=".encode() + b"x" * MAX_BYTES

    claim = read_claim(content_type=FORM, body=body)

    assert names(claim) == (IMP, ORDER)
    assert claim.problems == (TOO_LONG,)
    assert TOO_LONG in read_claim(query="a" * (MAX_BYTES + 1)).problems
    assert read_claim(body=b"a=" + b"x" * (MAX_BYTES - 2)).problems == ()


def test_ids_of_ten_thousand_characters_are_none() -> None:
    """An id that is longer than all that is read names nothing, in either shape."""
    in_query = read_claim(query=f"imp_uid=imp_{'9' * 10_000}")
    in_body = in_json(imp_uid=f"imp_{'9' * 10_000}", merchant_uid="x" * 10_000)

    assert names(in_query) == names(in_body) == (None, None)
    assert TOO_LONG in in_query.problems
    assert in_body.problems == (TOO_LONG,)


def test_a_claim_survives_its_row() -> None:
    """What as_json leaves out of the columns, from_json brings back."""
    query = f"imp_uid=status/paid&merchant_uid={ORDER}&imp_success=false&error_code=F1&error_msg=m&pw_order=po1.a.b"
    claim = read_claim(query=query, content_type=JSON, body=b'{"status":"paid","cancellation_id":"c","event":"e"}')

    kept = json.loads(json.dumps(claim.as_json()))

    assert Claim.from_json(claim.imp_uid, claim.merchant_uid, kept) == claim


PARTS = st.sampled_from(
    ["imp_uid", "merchant_uid", "success", "txId", "status", "=", "&", "?", "%26", "%00", "%ED%A0%80", IMP, "null"]
)
QUERIES = st.text(max_size=60) | st.lists(PARTS | st.text(max_size=4), max_size=20).map("".join)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=60) | st.just(IMP),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.dictionaries(st.sampled_from(["imp_uid", "merchant_uid", "success", "status", "pw_order", "event"]), VALUES)
BODIES = (
    st.binary(max_size=80)
    | FIELDS.map(lambda fields: json.dumps(fields).encode())
    | QUERIES.map(lambda text: text.encode("utf-8", "surrogatepass"))
)
TYPES = st.sampled_from([JSON, FORM, "", f"{JSON}; charset=utf-16"]) | st.text(max_size=40).map(
    lambda text: f"{JSON}; charset={text}"
)


@given(query=QUERIES, content_type=TYPES, body=BODIES)
@example(query="", content_type=f"{JSON}; charset=\0", body=b"{}")
@example(query="", content_type=JSON, body=b'{"status":"\\u001b"}')
@example(query="", content_type=JSON, body=b'{"success":' + b"[" * 990 + b"]" * 990 + b"}")
@settings(max_examples=600, deadline=None)
def test_nothing_that_arrives_can_raise_or_get_past_the_whitelist(query: str, content_type: str, body: bytes) -> None:
    """Whatever arrives, reading it never raises, and all that a Claim holds may go to PostgreSQL and into a path."""
    claim = read_claim(query=query, content_type=content_type, body=body)

    assert claim.imp_uid is None or IMP_UID.fullmatch(claim.imp_uid)
    assert claim.merchant_uid is None or 0 < len(claim.merchant_uid) <= 40
    kept = json.dumps([*names(claim), claim.as_json()], ensure_ascii=False)
    assert "\\u0000" not in kept
    assert kept.encode()  # no lone surrogate, which UTF-8 cannot hold
    assert Claim.from_json(*names(claim), claim.as_json()) == claim
