"""What the customer's page costs a phone, and whom it speaks to: counted by the browser, on our real web side."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext
from playwright.sync_api import Page as Tab

from tenants.branding import KEPT_BYTES, MOST_BYTES, BadBrand, redraw, set_brand
from tenants.models import MerchantBrand
from tests.factories import Cast, page_of

Work = Callable[..., None]
WHOLE = 30 * 1024  # bytes in all, heads included, nothing compressed


def heaviest_logo() -> bytes:
    """Return the file whose picture weighs most of all that we keep."""
    heaviest, weight = b"", 0
    for side in range(40, 80):
        image = Image.frombytes("RGBA", (side, side), random.Random(side).randbytes(side * side * 4))
        into = BytesIO()
        image.save(into, "PNG")
        try:
            drawn = len(redraw(into.getvalue())) if into.tell() <= MOST_BYTES else 0
        except BadBrand:
            continue
        if drawn > weight:
            heaviest, weight = into.getvalue(), drawn
    assert weight > KEPT_BYTES * 0.95
    return heaviest


@pytest.fixture
def branded(bakery: Cast) -> Iterator[Cast]:
    """A bakery that shows itself as heavily as it may."""
    look: dict[str, Any] = {"name": "브레드" * 26, "colour": "#fee500", "logo": heaviest_logo()}
    set_brand(bakery.merchant, **look, actor="tests", at=datetime.now(UTC))
    bakery.chooses(forwards=True)
    yield bakery
    MerchantBrand.objects.all().delete()
    bakery.chooses(forwards=False)


@pytest.fixture
def phone_context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 360, "height": 780}, locale="ko-KR")
    yield context
    context.close()


class Counted:
    """What a tab loads: each address with its bytes on the wire."""

    def __init__(self, tab: Tab) -> None:
        self.addresses: dict[str, str] = {}
        self.bytes: dict[str, int] = {}
        self.sent: list[dict[str, str]] = []
        wire = tab.context.new_cdp_session(tab)
        wire.send("Network.enable")
        wire.on("Network.requestWillBeSent", self.note)
        wire.on("Network.requestWillBeSentExtraInfo", lambda event: self.sent.append(event["headers"]))
        wire.on("Network.loadingFinished", self.weigh)

    def note(self, event: dict[str, Any]) -> None:
        self.addresses[event["requestId"]] = event["request"]["url"]

    def weigh(self, event: dict[str, Any]) -> None:
        self.bytes[event["requestId"]] = int(event["encodedDataLength"])

    @property
    def whole(self) -> int:
        return sum(self.bytes.values())


def account_page(cast: Cast, run_worker: Work) -> str:
    """Return the page with most on it: an account that waits for a deposit."""
    cast.expects("order-1")
    imp_uid = cast.opens_window("order-1", pay_method="vbank")
    cast.portone.issue_account(imp_uid)
    page = page_of(cast.lands(imp_uid=imp_uid, merchant_uid="order-1", imp_success="true"))
    run_worker()
    return page


def paid_page(cast: Cast, run_worker: Work) -> str:
    """Return the page of a confirmed payment."""
    cast.expects("order-2")
    imp_uid = cast.opens_window("order-2")
    cast.portone.approve(imp_uid)
    page = page_of(cast.lands(imp_uid=imp_uid, merchant_uid="order-2", imp_success="true"))
    run_worker()
    return page


@pytest.mark.parametrize("kind", [account_page, paid_page])
def test_a_page_weighs_less_than_30_kb(
    branded: Cast,
    run_worker: Work,
    phone_context: BrowserContext,
    note: Callable[[str], None],
    kind: Callable[[Cast, Work], str],
) -> None:
    """Page, style, script, icon, colour and the heaviest logo: the browser counts less than 30 KB, from us alone."""
    page = kind(branded, run_worker)
    tab = phone_context.new_page()
    counted = Counted(tab)

    tab.goto(page, wait_until="networkidle")

    hosts = {urlsplit(address).netloc for address in counted.addresses.values()}
    loaded = {urlsplit(address).path.rpartition(".")[2] for address in counted.addresses.values()}
    note(f"{kind.__name__} with the heaviest logo: {counted.whole} bytes in {len(counted.bytes)} requests")
    assert hosts == {urlsplit(branded.web).netloc}
    assert {"css", "js", "webp"} <= loaded
    assert len(counted.bytes) == len(counted.addresses)
    assert 10_000 < counted.whole < WHOLE
    assert tab.evaluate("document.querySelector('.shop img').naturalWidth") > 0


def test_t18_no_cookie_of_people_reaches_a_host_of_customers(
    branded: Cast, run_worker: Work, phone_context: BrowserContext, settings: Any
) -> None:
    """Whoever is signed in to the dashboard sends no cookie to the customers' host, and gets none there."""
    page = account_page(branded, run_worker)
    port = urlsplit(branded.web).port
    customers = page.replace("127.0.0.1", "localhost")
    settings.RESULT_URL = f"http://localhost:{port}"
    phone_context.new_page().goto(f"{branded.web}/accounts/login/", wait_until="networkidle")
    before = phone_context.cookies()
    tab = phone_context.new_page()  # of its own, so that nothing which the first still asks for is counted
    counted = Counted(tab)

    tab.goto(customers, wait_until="networkidle")
    headers = [{name.lower() for name in sent} for sent in counted.sent]
    login = tab.request.get(f"http://localhost:{port}/accounts/login/")

    assert before
    assert {cookie["domain"] for cookie in before} == {"127.0.0.1"}
    assert headers
    assert not [names for names in headers if "cookie" in names]
    assert phone_context.cookies() == before
    assert login.status == 404
