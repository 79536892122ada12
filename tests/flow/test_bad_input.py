"""What strangers, scripts and slips send to our doors, and what becomes of it: over the wire, into a real database."""

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from results.core.claim import TOO_LONG
from results.endpoints import BadCallbackUrl, create_endpoint
from results.models import Attempt, Delivery, Endpoint
from tenants.models import Duty, RouteKey
from tenants.onboarding import retire_route_key, rotate_route_key
from tenants.routing import find_route, inside
from tests.factories import Cast

Work = Callable[..., None]

IMP = "imp_448280090638"
JSON = "application/json"
UNKNOWN_KEY = "wk_00000000000000000000000000"


def calls(cast: Cast, body: bytes, content_type: str = JSON) -> httpx.Response:
    headers = {"content-type": content_type}
    return httpx.post(cast.webhook_url, content=body, headers=headers, trust_env=False)


def browses(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False)


@pytest.mark.parametrize("body", [b"{", b"[" * 4000, b'{"imp_uid": imp_1}', b"\xff\xfe{\x00", b'{"a": "\xff"'])
def test_unparsable_json_is_recorded_and_answered_with_the_mend(bakery: Cast, body: bytes) -> None:
    """A body that is not JSON is a 400 that says what to send; it is written down all the same, and owes nothing."""
    response = calls(bakery, body)

    assert response.status_code == 400
    assert "send a JSON object" in response.json()["error"]
    (notification,) = bakery.notifications()
    assert notification.claim["problems"] == [response.json()["error"]]
    assert notification.settled_at == notification.received_at
    assert not Duty.objects.exists()


def test_nine_kibibytes_are_too_many(bakery: Cast) -> None:
    """A body beyond 8 KiB is a 413, and its beginning is written down."""
    response = calls(bakery, b'{"imp_uid": "imp_448280090638", "padding": "' + b"x" * 9 * 1024 + b'"}')

    assert (response.status_code, response.json()) == (413, {"error": TOO_LONG})
    (notification,) = bakery.notifications()
    raw = bakery.route.open_vault().open(
        notification.raw, table="results_notification", field="raw", row=notification.id
    )
    assert raw.startswith(b'\n{"imp_uid": "imp_448280090638"')
    assert len(raw) == 1 + 8 * 1024


def test_a_form_that_is_too_long_is_still_asked_about(bakery: Cast) -> None:
    """What the beginning of a long form names is looked up: a refusal must not lose a payment."""
    response = calls(bakery, f"imp_uid={IMP}&padding=".encode() + b"x" * 9 * 1024, "application/x-www-form-urlencoded")

    assert response.status_code == 413
    assert bakery.notifications()[0].imp_uid == IMP
    assert Duty.objects.filter(kind="verify").count() == 1


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'{"imp_uid": "imp_448280090638"}', "text/plain", 200),
        (b"imp_uid=imp_448280090638", "application/octet-stream", 200),
        (b"imp_uid=imp_448280090638", "text/xml; charset=nonsense", 200),
        (b"imp_uid=imp_448280090638", JSON, 400),
        (b"<xml/>", "text/xml", 400),
        (b"--x\r\n\r\n\r\n--x--", "multipart/form-data; boundary=x", 400),
        (b"", JSON, 400),
        (b'["imp_448280090638"]', JSON, 400),
    ],
)
def test_a_wrong_content_type_is_forgiven_where_the_body_can_be_read(
    bakery: Cast, body: bytes, content_type: str, status: int
) -> None:
    """The body decides, not what it is called; what names nothing is a 400 that says what is missing."""
    response = calls(bakery, body, content_type)

    assert response.status_code == status
    assert status == 200 or "imp_uid" in response.json()["error"] or "JSON" in response.json()["error"]
    assert [row.imp_uid for row in bakery.notifications()] == [IMP if status == 200 else None]


@pytest.mark.parametrize(
    "body",
    [
        b'{"imp_uid": "imp_123456\\u0000", "merchant_uid": "a\\u0000b", "status": "pa\\u0000id"}',
        b'{"imp_uid": "\\ud800", "merchant_uid": "\\udfff", "status": "\\ud800"}',
        b'{"imp_uid": "imp_' + b"9" * 7000 + b'"}',
        b'{"merchant_uid": "' + b"x" * 7000 + b'"}',
        b'{"imp_uid": "status/paid"}',
        b"imp_uid=imp_123456%00&merchant_uid=%00",
        b"\x00" * 100,
    ],
)
def test_what_a_database_would_refuse_is_recorded_without_it(bakery: Cast, body: bytes) -> None:
    """NUL bytes, lone surrogates and endless ids make a 400 and a row, never an error of ours."""
    response = calls(bakery, body, "application/x-www-form-urlencoded")

    assert response.status_code == 400
    assert len(bakery.notifications()) == 1


def test_ids_of_ten_thousand_characters_get_a_page(bakery: Cast) -> None:
    """A customer is sent to a page whatever the address held; nothing is asked on its behalf."""
    response = bakery.lands(imp_uid="imp_" + "9" * 10_000, merchant_uid="x" * 10_000)

    assert response.status_code == 303
    assert browses(response.headers["location"]).status_code == 200
    assert not Duty.objects.exists()


@pytest.mark.parametrize("imp_uid", ["status/paid", "status%2Fpaid", "find/x", "../users/getToken", ".", "..", ""])
def test_an_id_that_leads_elsewhere_is_never_put_into_a_path(bakery: Cast, run_worker: Work, imp_uid: str) -> None:
    """Another path of PortOne's API, or of anybody's, cannot be reached through an id."""
    bakery.is_called_about(imp_uid, imp_uid)
    bakery.lands(imp_uid=imp_uid, merchant_uid=imp_uid)
    run_worker()

    strange = {"status", "find", "payment", "payments"} & bakery.portone.journal.counts().keys()
    assert not strange
    assert all("getToken" not in asked.path or asked.method == "POST" for asked in bakery.portone.journal.asked())


def test_with_a_bad_payment_id_the_order_is_asked_about(bakery: Cast, run_worker: Work) -> None:
    """A bad imp_uid does not lose the order that stands beside it."""
    bakery.portone.set_account(bakery.imp_key, webhooks_lost=True)
    bakery.portone.approve(bakery.opens_window("order-1"))

    response = bakery.is_called_about("status/paid", "order-1")
    run_worker()

    assert response.status_code == 200
    assert bakery.portone.journal.counts().keys() <= {"getToken", "findAll"}
    assert bakery.told() == ["payment.paid"]


def test_an_order_id_is_encoded_into_the_path(bakery: Cast, run_worker: Work) -> None:
    """An order id with a space, a question mark or Korean reaches PortOne as that id."""
    order = "주문 1?#%2F&a=b"
    bakery.portone.set_account(bakery.imp_key, webhooks_lost=True)
    bakery.portone.approve(bakery.opens_window(order))

    bakery.lands(merchant_uid=order)
    run_worker()

    assert bakery.told(order) == ["payment.paid"]


def test_korean_that_was_not_encoded_is_read(bakery: Cast) -> None:
    """An app's web view sends the query as bare UTF-8."""
    host, port = urlsplit(bakery.web).netloc.split(":")
    request = f"GET {urlsplit(bakery.redirect_url).path}?merchant_uid=주문-1 HTTP/1.0\r\nHost: {host}\r\n\r\n"

    with socket.create_connection((host, int(port)), timeout=10) as browser:
        browser.sendall(request.encode())
        status = browser.recv(65536).split(b" ")[1]

    assert status == b"303"
    assert [row.merchant_uid for row in bakery.notifications()] == ["주문-1"]


@pytest.mark.parametrize("key", [UNKNOWN_KEY, "x", "wk_" + "x" * 5000, "한글", "%00", "wk_%00", "a%2Fb"])
def test_an_unknown_key_is_a_plain_404(bakery: Cast, key: str) -> None:
    """What names no merchant opens nothing, and says nothing."""
    for url in (f"{bakery.web}/webhook/{key}", f"{bakery.web}/m/{key}/complete"):
        assert httpx.post(url, json={"imp_uid": IMP}, trust_env=False).status_code == 404

    assert bakery.notifications() == []


def test_each_key_opens_only_its_own_paths(bakery: Cast) -> None:
    """The browser key is no webhook key, and the reverse, however warm the other path is."""
    browser, webhook = bakery.key("browser").key, bakery.key("webhook").key
    assert bakery.lands(imp_uid=IMP).status_code == 303
    assert bakery.is_called_about(IMP, "order-1").status_code == 200

    crossed = [
        httpx.post(f"{bakery.web}/webhook/{browser}", json={"imp_uid": IMP}, trust_env=False),
        browses(f"{bakery.web}/m/{webhook}/complete?imp_uid={IMP}"),
    ]

    assert [response.status_code for response in crossed] == [404, 404]
    assert len(bakery.notifications()) == 2


@pytest.mark.parametrize("kind", ["webhook", "browser"])
def test_a_rotated_key_still_opens(bakery: Cast, kind: str) -> None:
    """PortOne re-sends old payments to the old address, so a rotated key works beside the new one."""
    old = bakery.key(kind)

    new = rotate_route_key(bakery.merchant, bakery.mode, kind, actor="tests", at=datetime.now(UTC))

    assert [arrives(bakery, key) for key in (old, new)] == [True, True]


@pytest.mark.parametrize("kind", ["webhook", "browser"])
def test_a_retired_key_opens_no_more(bakery: Cast, kind: str) -> None:
    """A rotated key that is retired is a 404 from that moment on."""
    old = bakery.key(kind)
    rotate_route_key(bakery.merchant, bakery.mode, kind, actor="tests", at=datetime.now(UTC))
    assert arrives(bakery, old)

    retire_route_key(RouteKey.objects.get(id=old.id), actor="tests", at=datetime.now(UTC))

    assert not arrives(bakery, old)


@pytest.mark.parametrize("kind", ["webhook", "browser"])
def test_a_key_retired_elsewhere_opens_no_more_here(bakery: Cast, kind: str) -> None:
    """What this process remembers of a key cannot outlive its retirement in another: the statement itself refuses."""
    old = bakery.key(kind)
    rotate_route_key(bakery.merchant, bakery.mode, kind, actor="tests", at=datetime.now(UTC))
    assert arrives(bakery, old)

    RouteKey.objects.filter(id=old.id).update(works_until=datetime.now(UTC))

    assert find_route(old.key, kind=kind, at=datetime.now(UTC)) is not None  # still remembered
    assert not arrives(bakery, old)
    assert find_route(old.key, kind=kind, at=datetime.now(UTC)) is None
    assert len(bakery.notifications()) == 1


def test_a_rotated_key_ends_by_itself(bakery: Cast) -> None:
    """After its 180 days a rotated key opens no more, in a process that has known it all along."""
    old = bakery.key("webhook")
    long_ago = datetime.now(UTC) - timedelta(days=181)
    assert arrives(bakery, old)

    rotate_route_key(bakery.merchant, bakery.mode, "webhook", actor="tests", at=long_ago)

    assert not arrives(bakery, old)


def arrives(cast: Cast, key: RouteKey) -> bool:
    """Let something arrive by this key; say whether it was taken, which is a 200 or 303, or refused with 404."""
    if key.kind == RouteKey.Kind.WEBHOOK:
        url = f"{cast.web}/webhook/{key.key}"
        status = httpx.post(url, json={"imp_uid": IMP, "merchant_uid": "order-1"}, trust_env=False).status_code
    else:
        status = browses(f"{cast.web}/m/{key.key}/complete?imp_uid={IMP}").status_code
    assert status in (200, 303, 404)
    return status != 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_a_webhook_is_a_post(bakery: Cast, method: str) -> None:
    """Any other method on the webhook's address is a 405 that names POST, and no row."""
    response = httpx.request(method, bakery.webhook_url, trust_env=False)

    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert bakery.notifications() == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_a_landing_is_a_get_or_a_post(bakery: Cast, method: str) -> None:
    """A browser comes back by GET or POST; the rest is a 405."""
    response = httpx.request(method, f"{bakery.redirect_url}?imp_uid={IMP}", trust_env=False)

    assert response.status_code == 405
    assert bakery.notifications() == []


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.8/callback",
        "https://127.0.0.1/callback",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/callback",
        "https://[::ffff:10.0.0.8]/callback",
        "http://shop.example/callback",
        "https://shop.example:8080/callback",
        "https://user:word@shop.example/callback",
    ],
)
def test_a_callback_to_a_private_address_is_refused_when_it_is_registered(
    bakery: Cast, settings: Any, url: str
) -> None:
    """An endpoint on an address inside our networks, without TLS or on an odd port is not made."""
    settings.CALLBACK_ALLOWED_NETWORKS = ()

    with inside(bakery.merchant.schema_name), pytest.raises(BadCallbackUrl):
        create_endpoint(bakery.route, url=url, actor="tests", at=datetime.now(UTC))

    assert len(bakery.rows(Endpoint)) == 1


@pytest.mark.parametrize("url", ["https://10.0.0.8/callback", "https://localhost/callback", "https://0x7f.1/callback"])
def test_a_callback_to_a_private_address_is_refused_when_it_is_made(
    bakery: Cast, run_worker: Work, settings: Any, url: str
) -> None:
    """An address that turns out to be private is not called, and the attempt says `forbidden_target`."""
    settings.CALLBACK_ALLOWED_NETWORKS = ()
    with inside(bakery.merchant.schema_name):
        Endpoint.objects.update(url=url)
    bakery.portone.approve(bakery.opens_window("order-1"))
    bakery.portone.outbox.wait_for(1)

    run_worker()

    (attempt,) = bakery.rows(Attempt)
    assert (attempt.error, attempt.status, bytes(attempt.body)) == ("forbidden_target", None, b"")
    assert bakery.told() == []
    assert [delivery.delivered_at for delivery in bakery.rows(Delivery)] == [None]


def test_a_stranger_learns_nothing_from_what_he_is_answered(bakery: Cast) -> None:
    """No answer repeats what was sent."""
    marks = "<script>stranger</script>"

    answers = [
        calls(bakery, json_text(marks)),
        calls(bakery, marks.encode(), "text/plain"),
        browses(f"{bakery.web}/webhook/{quote(marks)}"),
        browses(browses(f"{bakery.redirect_url}?error_msg={quote(marks)}&success=false").headers["location"]),
    ]

    assert not [answer for answer in answers if "stranger" in answer.text]


def json_text(text: str) -> bytes:
    return f'{{"imp_uid": "{text}", "merchant_uid": "{text * 3}"}}'.encode()
