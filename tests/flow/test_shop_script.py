"""The PC window: what a script on the shop's own page may say and read, and what nobody reads this way."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import connection
from django.test import Client

from deploy.demo.shop import check_return
from results.core.return_link import ReturnKey, verify_result
from results.core.words import EventType
from results.models import Notification
from results.script import INTEGRITY, NAME, SCRIPT, script_snippet
from tenants.models import Duty
from tests.factories import Cast, page_of
from tests.flow.test_hot_path import at_the_wire
from tests.outages import cut_connections, database_down

Work = Callable[..., None]
SHOP = "https://shop.bakery.example"
MADE_UP = "imp_448280090999"
README = Path(__file__).parents[2] / "README.md"
CORS = "access-control-"


@pytest.fixture
def page(bakery: Cast) -> Cast:
    """A bakery whose shop's pages may ask."""
    bakery.chooses(origins=["https://m.bakery.example", SHOP])
    return bakery


def door(cast: Cast) -> str:
    return cast.redirect_url.replace("/complete", "/result")


def origin_of(origin: str | None) -> dict[str, str]:
    return {} if origin is None else {"Origin": origin}


def claims(cast: Cast, *, origin: str | None = SHOP, **said: Any) -> httpx.Response:
    """Let a script on the shop's page hand over what PortOne's window called back."""
    return httpx.post(door(cast), json=said, headers=origin_of(origin), trust_env=False)


def status_of(claimed: httpx.Response) -> str:
    assert claimed.status_code == 202, claimed.text
    return str(claimed.json()["status_url"])


def read(address: str, *, origin: str | None = SHOP, **headers: str) -> httpx.Response:
    return httpx.get(address, headers=origin_of(origin) | headers, trust_env=False)


def paid(cast: Cast, order: str = "order-1") -> str:
    cast.expects(order)
    imp_uid = cast.opens_window(order)
    cast.portone.approve(imp_uid, webhook=False)
    return imp_uid


def signed_by(cast: Cast, result: dict[str, Any], origin: str = SHOP) -> dict[str, str]:
    """Return what the shop's server believes of a result, which two verifiers agree on."""
    at, key = datetime.now(UTC), cast.keys.return_key
    values = verify_result(result["signed"], origin=origin, keys=[ReturnKey("rk_1", key)], at=at)
    assert values is not None
    theirs = check_return(result["signed"], return_url=origin, key=key, at=at)
    assert theirs == values
    return values


def headers_of_cors(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name.startswith(CORS)}


def test_a_paid_result_is_told_to_the_page(page: Cast, run_worker: Work) -> None:
    """What the window called back goes the way of a landing, and the page reads what PortOne answered, signed."""
    imp_uid = paid(page)
    address = status_of(claims(page, imp_uid=imp_uid, merchant_uid="order-1", imp_success=True))
    before = read(address).json()

    run_worker()
    after = read(address).json()

    assert (before["status"], before["state"], before["settled"]) == ("pending", "confirming", False)
    assert signed_by(page, before)["pr_status"] == "pending"
    assert (after["status"], after["state"], after["settled"]) == ("success", "paid", True)
    assert after["amount"] == {"currency": "KRW", "exponent": 0, "total": 64900}
    values = signed_by(page, after)
    assert (values["pr_status"], values["pr_order"], values["pr_amount"]) == ("paid", "order-1", "64900")
    assert page.told() == [EventType.PAID]


def test_an_issued_account_is_no_payment(page: Cast, run_worker: Work) -> None:
    """A virtual account is vbankIssued, with the account that the customer's page shows."""
    page.expects("order-1")
    imp_uid = page.opens_window("order-1", pay_method="vbank")
    account = page.portone.issue_account(imp_uid, webhook=False)
    address = status_of(claims(page, imp_uid=imp_uid, merchant_uid="order-1", imp_success=True))

    run_worker()
    result = read(address).json()

    assert (result["status"], result["settled"]) == ("vbankIssued", True)
    assert result["virtual_account"]["number"] == account.vbank_num
    assert result["virtual_account"]["expires_at"].endswith("Z")
    assert signed_by(page, result)["pr_status"] == "awaiting_deposit"
    assert page.shop.fulfilled() == {}


def test_a_declined_payment_is_failed(page: Cast, run_worker: Work) -> None:
    """What PortOne says failed is failed."""
    page.expects("order-1")
    imp_uid = page.opens_window("order-1")
    page.portone.fail(imp_uid)
    address = status_of(claims(page, imp_uid=imp_uid, merchant_uid="order-1", imp_success=False, error_msg="<b>"))

    run_worker()
    result = read(address).json()

    assert (result["status"], result["settled"]) == ("failed", True)
    assert "<b>" not in read(address).text


def test_a_forged_amount_is_neither_success_nor_failure(page: Cast, run_worker: Work) -> None:
    """Under review the page hears pending: it must neither send goods nor let the customer pay again."""
    page.expects("order-1")
    imp_uid = page.opens_window("order-1", 100)
    page.portone.approve(imp_uid, webhook=False)
    address = status_of(claims(page, imp_uid=imp_uid, merchant_uid="order-1", imp_success=True))

    run_worker()
    result = read(address).json()

    assert (result["status"], result["state"], result["settled"]) == ("pending", "review", True)


def test_the_claim_is_kept_as_a_landings(page: Cast) -> None:
    """The same row as a landing's, its bytes sealed, with one duty; what cannot be read is kept too."""
    said = {"imp_uid": MADE_UP, "merchant_uid": "order-1", "success": False, "error_code": "F400", "error_msg": "x"}
    page.lands(**{name: str(value).lower() if name == "success" else str(value) for name, value in said.items()})
    status_of(claims(page, **said))
    status_of(claims(page, nothing="known"))

    landing, posted, unreadable = page.notifications()

    for one in (landing, posted):
        assert (one.kind, one.imp_uid, one.merchant_uid) == (Notification.Kind.LANDING, MADE_UP, "order-1")
        assert (one.settled_at, one.address) == (None, "127.0.0.1")
        assert b"order-1" not in one.raw
    assert landing.claim == posted.claim
    assert landing.page != posted.page
    assert unreadable.settled_at is not None
    assert Duty.objects.count() == 2


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "",
        "*",
        "https://evil.example",
        "http://shop.bakery.example",
        "https://shop.bakery.example/",
        "https://SHOP.bakery.example",
        "https://shop.bakery.example:8443",
        "https://shop.bakery.example.evil.example",
        "https://evil.shop.bakery.example",
        "https://bakery.example",
        f"{SHOP}, https://evil.example",
    ],
)
def test_another_origin_is_turned_away(page: Cast, run_worker: Work, origin: str | None) -> None:
    """Only an origin that is registered, as it is spelt: others leave nothing, read nothing and get no CORS header."""
    address = status_of(claims(page, imp_uid=MADE_UP, merchant_uid="order-1"))
    ahead = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}

    answers = [
        claims(page, origin=origin, imp_uid=paid(page), merchant_uid="order-1"),
        httpx.options(door(page), headers=origin_of(origin) | ahead, trust_env=False),
        read(address, origin=origin),
        httpx.options(address, headers=origin_of(origin) | ahead, trust_env=False),
    ]

    for answer in answers:
        assert answer.status_code == 403
        assert headers_of_cors(answer) == {}
        assert answer.headers["vary"] == "Origin"
        assert "signed" not in answer.text
    assert len(page.notifications()) == 1


def test_a_merchant_without_origins_has_no_such_door(bakery: Cast) -> None:
    """Who registered none is not asked by pages."""
    assert claims(bakery, imp_uid=MADE_UP).status_code == 403


def test_a_preflight_names_what_is_allowed_and_no_more(page: Cast) -> None:
    """Each door allows its own method and header to the one origin, without credentials."""
    address = status_of(claims(page, imp_uid=MADE_UP, merchant_uid="order-1"))

    for where, method, header in ((door(page), "POST", "content-type"), (address, "GET", "if-none-match")):
        asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": header}
        answer = httpx.options(where, headers=origin_of(SHOP) | asked, trust_env=False)

        assert (answer.status_code, answer.content) == (204, b"")
        assert headers_of_cors(answer) == {
            "access-control-allow-origin": SHOP,
            "access-control-expose-headers": "ETag",
            "access-control-allow-methods": method,
            "access-control-allow-headers": header,
            "access-control-max-age": "600",
        }
        assert answer.headers["vary"] == "Origin"
    assert len(page.notifications()) == 1


def test_answers_are_for_one_page_and_no_cache(page: Cast) -> None:
    """Every answer names the origin that asked, varies by it, is kept by nobody, and sets no cookie."""
    claimed = claims(page, imp_uid=MADE_UP, merchant_uid="order-1")
    first = read(status_of(claimed), Cookie="session=stranger")
    again = read(status_of(claimed), **{"If-None-Match": first.headers["etag"]})

    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    for answer in (claimed, first, again):
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert "access-control-allow-credentials" not in answer.headers
        assert (answer.headers["vary"], answer.headers["cache-control"]) == ("Origin", "no-store")
        assert "set-cookie" not in answer.headers


def test_the_tag_changes_with_the_result(page: Cast, run_worker: Work) -> None:
    """A page that shows its tag hears of the change."""
    imp_uid = paid(page)
    address = status_of(claims(page, imp_uid=imp_uid, merchant_uid="order-1"))
    tag = read(address).headers["etag"]

    run_worker()

    assert read(address, **{"If-None-Match": tag}).json()["status"] == "success"


@pytest.mark.parametrize(
    "said",
    [
        {"merchant_uid": "order-1"},
        {"imp_uid": "PAYMENT"},
        {"imp_uid": MADE_UP, "merchant_uid": "order-1"},
        {"imp_uid": "PAYMENT", "merchant_uid": "order-2"},
    ],
    ids=["order alone", "payment alone", "made-up payment", "another order"],
)
def test_it_is_no_oracle(page: Cast, run_worker: Work, said: dict[str, str]) -> None:
    """Who does not name both ids of one payment hears what the customer's page says: no amount, no account."""
    imp_uid = paid(page)
    page.expects("order-2")
    said = {name: value.replace("PAYMENT", imp_uid) for name, value in said.items()}
    run_worker()

    address, landing = status_of(claims(page, **said)), page_of(page.lands(**said))
    run_worker()
    result, shown = read(address).json(), httpx.get(f"{landing}/status", trust_env=False).json()

    assert (result["amount"], result["virtual_account"]) == (None, None)
    assert result["signed"] is None or "pr_order" not in result["signed"]
    assert result["state"] == shown["state"]
    assert "64900" not in read(address).text
    assert ("pr_sig" in httpx.get(f"{landing}/return", trust_env=False).headers["location"]) is bool(result["signed"])


def test_an_old_payment_is_not_shown(page: Cast, run_worker: Work) -> None:
    """More than two hours after a payment began, both its ids show a word only."""
    imp_uid = paid(page)
    page.portone.amend(imp_uid, started_at=int((datetime.now(UTC) - timedelta(hours=3)).timestamp()))
    address = status_of(claims(page, imp_uid=imp_uid, merchant_uid="order-1"))

    run_worker()
    result = read(address).json()

    assert result["status"] == "success"
    assert (result["amount"], result["signed"]) == (None, None)


def test_another_shops_page_reads_nothing(page: Cast, florist: Cast, run_worker: Work) -> None:
    """An opaque address does not open to the florist's page, nor the bakery's payment at the florist's door."""
    florist.chooses(origins=["https://florist.example"])
    imp_uid = paid(page)
    address = status_of(claims(page, imp_uid=imp_uid, merchant_uid="order-1"))
    theirs = status_of(claims(florist, origin="https://florist.example", imp_uid=imp_uid, merchant_uid="order-1"))
    run_worker()

    assert read(address, origin="https://florist.example").status_code == 403
    assert claims(page, origin="https://florist.example", imp_uid=imp_uid).status_code == 403
    result = read(theirs, origin="https://florist.example").json()
    assert (result["status"], result["amount"]) == ("pending", None)
    assert "pr_order" not in result["signed"]
    assert read(address[:-20] + "A" * 13 + "/result").status_code == 404


def test_a_page_of_test_mode_does_not_read_live_results(page: Cast, test_bakery: Cast) -> None:
    """Each mode has its own origins."""
    test_bakery.chooses(origins=["https://test.bakery.example"])
    address = status_of(claims(page, imp_uid=MADE_UP, merchant_uid="order-1"))

    assert read(address, origin="https://test.bakery.example").status_code == 403
    assert claims(test_bakery, imp_uid=MADE_UP, merchant_uid="order-1").status_code == 403


def test_each_origin_gets_a_signature_of_its_own(page: Cast, run_worker: Work) -> None:
    """A result that one page read does not verify for another, nor as a return."""
    imp_uid = paid(page)
    address = status_of(claims(page, imp_uid=imp_uid, merchant_uid="order-1"))
    run_worker()
    signed, at = read(address).json()["signed"], datetime.now(UTC)
    keys = [ReturnKey("rk_1", page.keys.return_key)]

    assert verify_result(signed, origin=SHOP, keys=keys, at=at)
    for other in ("https://m.bakery.example", f"{SHOP}/", page.return_url):
        assert verify_result(signed, origin=other, keys=keys, at=at) is None


def test_a_warm_claim_is_one_round_trip(page: Cast, tmp_path: Path) -> None:
    """A script's claim costs the database one statement, as a landing does, and its preflight nothing."""
    url, client, said = door(page), Client(), {"imp_uid": MADE_UP, "merchant_uid": "order-1"}
    headers = {"headers": {"Origin": SHOP}}
    for _ in range(6):
        assert client.post(url, said, "application/json", **headers).status_code == 202

    with at_the_wire(tmp_path / "trace") as round_trips:
        assert client.options(url, **headers).status_code == 204
        assert client.post(url, said, "application/json", headers={"Origin": "null"}).status_code == 403
        none = round_trips()
        assert client.post(url, said, "application/json", **headers).status_code == 202
        once = round_trips()

    assert (none, once) == (0, 1)
    assert len(page.notifications()) == Duty.objects.count() == 7


def test_a_retired_key_opens_nothing(page: Cast) -> None:
    """Where no route key opens there is no such door, whatever the origin; also for one that this process remembers."""
    assert claims(page, imp_uid=MADE_UP).status_code == 202
    key = page.key("browser")
    address = door(page)
    type(key).objects.filter(id=key.id).update(works_until=datetime.now(UTC))
    try:
        answer = httpx.post(address, json={"imp_uid": MADE_UP}, headers=origin_of(SHOP), trust_env=False)
    finally:
        type(key).objects.filter(id=key.id).update(works_until=None)

    assert answer.status_code == 404
    assert len(page.notifications()) == 1


def test_a_cut_connection_loses_no_claim(page: Cast) -> None:
    """After PostgreSQL dropped our connections the claim is taken; while it is away the page is told to try again."""
    url, said = door(page), {"imp_uid": MADE_UP, "merchant_uid": "order-1"}
    assert httpx.post(url, json=said, headers=origin_of(SHOP), trust_env=False).status_code == 202
    cut_connections()
    taken = httpx.post(url, json=said, headers=origin_of(SHOP), trust_env=False)
    with database_down():
        refused = httpx.post(url, json=said, headers=origin_of(SHOP), trust_env=False)
    connection.close()

    assert (taken.status_code, refused.status_code) == (202, 503)
    assert refused.headers["access-control-allow-origin"] == SHOP
    assert len(page.notifications()) == 2


@pytest.mark.parametrize("by_script", [False, True], ids=["landing", "script"])
def test_forged_claims_cost_no_more_than_forged_landings(page: Cast, run_worker: Work, by_script: bool) -> None:
    """Two hundred made-up ids cost PortOne a few questions, in batches, by whichever door; the real payment is told."""
    for number in range(200):
        said = {"imp_uid": f"imp_{900000000000 + number}", "merchant_uid": f"order-x{number}"}
        claims(page, **said) if by_script else page.lands(**said)
    imp_uid = paid(page, "order-real")
    page.is_called_about(imp_uid, "order-real")

    run_worker(until=lambda: page.told() == [EventType.PAID])
    run_worker()

    assert page.portone.journal.questions() <= 5


def test_the_script_is_served_to_every_site_with_the_hash_that_is_printed(bakery: Cast) -> None:
    """The committed bytes, whole, to any origin, without a cookie; guide and snippet name their hash."""
    answer = httpx.get(f"{bakery.web}/m/{NAME}", headers=origin_of("https://any.example"), trust_env=False)

    assert (answer.status_code, answer.content) == (200, SCRIPT)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "set-cookie" not in answer.headers
    assert INTEGRITY in README.read_text()
    assert INTEGRITY in script_snippet(bakery.web, "key")
    assert b"cookie" not in SCRIPT.replace(b"reads no cookie", b"").lower()
    assert len(SCRIPT) < 5000
