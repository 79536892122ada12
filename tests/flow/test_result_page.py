"""What the customer sees after paying, through the real doors."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from django.test import Client

from results.models import Notification
from tenants.routing import inside
from tests.factories import Cast, page_of
from tests.outages import cut_connections

Work = Callable[..., None]
ENGLISH = {"Accept-Language": "en"}


def read(address: str, **headers: str) -> httpx.Response:
    return httpx.get(address, headers=ENGLISH | headers, trust_env=False)


def paid(cast: Cast, order: str = "order-1", *, registered: bool = True) -> str:
    """Let a customer pay; the payment's id."""
    if registered:
        cast.expects(order)
    imp_uid = cast.opens_window(order)
    cast.portone.approve(imp_uid)
    cast.portone.outbox.wait_for(1)
    return imp_uid


def test_the_page_goes_from_confirming_to_paid(bakery: Cast, run_worker: Work) -> None:
    """A page shows what PortOne answered, not what the landing said, and knows when it has changed."""
    imp_uid = paid(bakery)
    page = page_of(bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true"))
    before = read(f"{page}/status")

    run_worker()
    after = read(f"{page}/status", **{"If-None-Match": before.headers["etag"]})

    assert before.json() == {"state": "confirming", "settled": False}
    assert after.json() == {"state": "paid", "settled": True}
    assert "₩64,900" in read(page).text


def test_an_unchanged_page_answers_304(bakery: Cast) -> None:
    """Polling costs next to nothing while nothing changes."""
    page = page_of(bakery.lands(imp_uid="imp_448280090999", merchant_uid="order-1"))
    tag = read(f"{page}/status").headers["etag"]

    again = read(f"{page}/status", **{"If-None-Match": tag})

    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "said", [{"merchant_uid": "order-1"}, {"imp_uid": "PAYMENT"}, {"imp_uid": "PAYMENT", "merchant_uid": "order-2"}]
)
def test_who_does_not_name_both_ids_sees_no_amount(bakery: Cast, run_worker: Work, said: dict[str, str]) -> None:
    """Neither id is secret: without both, and both right, the page shows words only, its return unsigned (T8)."""
    imp_uid = paid(bakery)
    run_worker()

    page = page_of(bakery.lands(**{name: value.replace("PAYMENT", imp_uid) for name, value in said.items()}))
    run_worker()

    assert "64,900" not in read(page).text
    assert (
        "pr_sig" not in read(f"{page}/return").headers["location"]
        or "pr_amount" not in read(f"{page}/return").headers["location"]
    )
    assert "pr_status=paid" not in read(f"{page}/return").headers["location"]


def test_the_amount_is_shown_for_two_hours(bakery: Cast, run_worker: Work) -> None:
    """A landing that comes later than two hours after the payment began shows words only."""
    imp_uid = paid(bakery)
    started = int((datetime.now(UTC) - timedelta(hours=3)).timestamp())
    bakery.portone.amend(imp_uid, started_at=started)
    page = page_of(bakery.lands(imp_uid=imp_uid, merchant_uid="order-1"))

    run_worker()

    assert read(f"{page}/status").json()["state"] == "paid"
    assert "64,900" not in read(page).text


def test_the_return_is_signed_at_the_click(bakery: Cast, run_worker: Work) -> None:
    """The shop's own verifier believes the return of a paid order, with its amount."""
    imp_uid = paid(bakery)
    page = page_of(bakery.lands(imp_uid=imp_uid, merchant_uid="order-1"))
    run_worker()

    link = read(f"{page}/return")

    assert link.status_code == 303
    assert link.headers["location"].startswith(bakery.return_url + "?")
    told = httpx.get(link.headers["location"], trust_env=False).text
    assert 'data-signed="yes"' in told
    assert 'data-status="paid"' in told


def test_an_unresolved_return_says_pending_and_no_more(bakery: Cast) -> None:
    """Before PortOne has answered the return is signed too, and names neither order nor amount."""
    page = page_of(bakery.lands(imp_uid="imp_448280090999", merchant_uid="order-1"))

    address = read(f"{page}/return").headers["location"]

    assert "pr_status=pending" in address
    assert "order-1" not in address
    assert "pr_amount" not in address


def test_the_page_of_a_virtual_account(bakery: Cast, run_worker: Work) -> None:
    """Whoever asked for a virtual account sees its number and deadline."""
    bakery.expects("order-1")
    imp_uid = bakery.opens_window("order-1", pay_method="vbank")
    account = bakery.portone.issue_account(imp_uid)
    page = page_of(bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true"))

    run_worker()

    shown = read(page).text
    assert str(account.vbank_num).replace("-", "") in shown.replace("-", "").replace(" ", "")
    assert read(f"{page}/status").json()["state"] == "awaiting_deposit"


def test_an_attackers_words_are_never_shown(bakery: Cast, run_worker: Work) -> None:
    """error_msg is written by whoever made the link: the page has words of its own (T12)."""
    page = page_of(
        bakery.lands(merchant_uid="order-1", imp_success="false", error_msg="<b>Call 010</b> to get a refund")
    )
    run_worker()

    assert "010" not in read(page).text
    assert "refund" not in read(page).text


def test_a_closed_window_is_called_that_after_portone_answered(bakery: Cast, run_worker: Work) -> None:
    """A customer who closed the window hears so once PortOne knows of no money, though nobody registered the order."""
    imp_uid = bakery.opens_window("order-1")
    page = page_of(
        bakery.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="false", error_msg="사용자가 결제를 취소")
    )
    before = read(f"{page}/status").json()["state"]

    run_worker()

    assert (before, read(f"{page}/status").json()["state"]) == ("confirming", "closed")


def test_a_page_keeps_out_of_caches_frames_and_indexes(bakery: Cast) -> None:
    """A page sets no cookie and closes every door that it does not need."""
    reply = read(page_of(bakery.lands(imp_uid="imp_448280090999", merchant_uid="order-1")))

    assert "set-cookie" not in reply.headers
    assert reply.headers["cache-control"] == "no-store"
    assert "noindex" in reply.headers["x-robots-tag"]
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
    assert "unsafe" not in reply.headers["content-security-policy"]


def test_a_page_dies_after_a_day(bakery: Cast) -> None:
    """An old address says that it has ended, and nothing else."""
    page = page_of(bakery.lands(imp_uid="imp_448280090999", merchant_uid="order-1"))
    with inside(bakery.merchant.schema_name):
        Notification.objects.update(received_at=datetime.now(UTC) - timedelta(hours=25))

    assert read(page).status_code == 410


@pytest.mark.parametrize("opaque", ["x", "A" * 43, "%00", "..", "A" * 5000, "한글"])
def test_an_address_we_never_made_is_not_found(bakery: Cast, opaque: str) -> None:
    """Guessing leads to a plain 404."""
    assert read(f"{bakery.web}/r/{opaque}").status_code == 404


def test_an_unreadable_landing_gets_a_neutral_page(bakery: Cast) -> None:
    """What cannot be read is written down too; the customer sees a page, never an error."""
    page = page_of(bakery.lands(imp_uid="status/paid"))

    assert read(page).status_code == 200
    assert read(f"{page}/status").json()["state"] == "unknown"
    assert len(bakery.notifications()) == 1


def test_korean_first_and_english_complete(bakery: Cast) -> None:
    """The page speaks the customer's language; the merchant's choice goes before it."""
    page = page_of(bakery.lands(imp_uid="imp_448280090999", merchant_uid="order-1"))
    korean = httpx.get(page, headers={"Accept-Language": "ko"}, trust_env=False)
    english = httpx.get(page, params={"lang": "en"}, headers={"Accept-Language": "ko"}, trust_env=False)

    assert 'lang="ko"' in korean.text
    assert 'lang="en"' in english.text
    assert korean.headers["content-language"] == "ko"


def test_a_strangers_merchant_does_not_open_a_page(bakery: Cast, florist: Cast) -> None:
    """A page of the bakery is nobody else's: the florist's schema holds no such landing."""
    bakery.lands(imp_uid="imp_448280090999", merchant_uid="order-1")

    assert florist.notifications() == []


def test_a_check_of_the_return_refuses_a_changed_amount(bakery: Cast, run_worker: Work) -> None:
    """One digit changed in the address, and the shop's verifier says no."""
    imp_uid = paid(bakery)
    page = page_of(bakery.lands(imp_uid=imp_uid, merchant_uid="order-1"))
    run_worker()
    address = read(f"{page}/return").headers["location"].replace("64900", "64901")

    assert 'data-signed="yes"' not in httpx.get(address, trust_env=False).text


def test_a_page_survives_a_cut_connection(bakery: Cast) -> None:
    """The first page after the database was restarted is shown, on a fresh connection."""
    path = urlsplit(page_of(bakery.lands(imp_uid="imp_448280090999", merchant_uid="order-1"))).path
    client = Client()
    assert client.get(path).status_code == 200

    cut_connections()

    assert client.get(path).status_code == 200
