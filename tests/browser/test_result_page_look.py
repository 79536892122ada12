"""The customer's page in a real browser: every state, both languages, what its script does. No database."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from uuid import UUID

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils import translation
from playwright.sync_api import Browser, ConsoleMessage, expect
from playwright.sync_api import Page as Tab

from results.core.deadline import Language
from results.core.money import Money
from results.core.page import Page, PageState
from results.core.snapshot import VirtualAccount
from results.models import Order, Payment
from results.views.result_page import CSP, Shown, choose_language, context_of, could_not_record
from tenants.encryption import Vault, new_data_key
from tenants.routing import Route
from tests.browser.dashboard.conftest import JUDGE, axe

AT = datetime(2026, 11, 22, 5, 12, tzinfo=UTC)
BAKERY = UUID("01890000-0000-7000-8000-00000000ba8e")
OPAQUE = "the-bakerys-page"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
WON = Money(64900, "KRW", 0)
ACCOUNT = VirtualAccount(
    bank_code="088",
    bank_name="신한은행",
    number="562-100002-98400",
    holder="브레드베이커리",
    issued_at=AT,
    expires_at=datetime(2026, 11, 23, 14, 59, 59, tzinfo=UTC),
)
REASON = 'U531: 한도 초과 <script>alert("xss")</script>'
COUNT_PLANS = """window.planned = 0; const later = window.setTimeout;
window.setTimeout = (does, ...rest) => {
  planned += ["ask", "stopAsking"].includes(does.name);
  return later(does, ...rest);
};"""
DISCLOSED = {
    PageState.PAID: Page(PageState.PAID, money=WON, discloses=True),
    PageState.AWAITING_DEPOSIT: Page(PageState.AWAITING_DEPOSIT, money=WON, virtual_account=ACCOUNT, discloses=True),
    PageState.DECLINED: Page(PageState.DECLINED, money=WON, fail_reason=REASON, discloses=True),
    PageState.REVIEW: Page(PageState.REVIEW, money=Money(100, "KRW", 0), discloses=True),
    PageState.CANCELLED: Page(PageState.CANCELLED, money=WON, discloses=True),
}


def bakerys(
    state: PageState, *, live: bool = True, language: str = "", forwards: bool = False, stays: bool = False
) -> Shown:
    """Return the bakery's page in a state, with all that it may disclose."""
    route = Route(
        merchant_id=BAKERY,
        schema="bakery",
        mode="live" if live else "test",
        lane=BAKERY,
        vault=Vault(BAKERY, new_data_key()),
        name="브레드 베이커리",
        language=language,
        return_urls=("https://shop.bakery.example/orders/complete",),
        forwards=forwards,
    )
    payment = Payment(order=Order(merchant_uid="order-20261122-000000000000000000001042"))
    return Shown(route, DISCLOSED.get(state, Page(state)), payment, stays=stays)


@dataclass
class Shop:
    """Serves the bakery's page on loopback with our policy; its `state` may change while it is open."""

    state: PageState = PageState.PAID
    live: bool = True
    forwards: bool = False
    asked: list[str | None] = field(default_factory=list)
    address: str = ""

    def page(self, language: Language, *, stays: bool = False) -> str:
        shown = bakerys(self.state, live=self.live, forwards=self.forwards, stays=stays)
        with translation.override(language):
            context = context_of(shown, opaque=OPAQUE, language=language, at=AT)
            return render_to_string("results/result_page.html", context)

    def answer(self, handler: BaseHTTPRequestHandler) -> tuple[int, str, bytes]:
        path, _, query = handler.path.partition("?")
        if path == f"/r/{OPAQUE}/status":
            return self.status(handler.headers["If-None-Match"])
        if path == f"/r/{OPAQUE}":
            page = self.page("en" if "lang=en" in query else "ko", stays="stay" in query)
            return 200, "text/html; charset=utf-8", page.encode()
        if path == f"/r/{OPAQUE}/return":
            return 200, "text/html; charset=utf-8", b"<!doctype html><title>shop</title><p>shop"
        file = Path(settings.STATICFILES_DIRS[0]) / path.removeprefix("/static/")
        return (200, TYPES[file.suffix], file.read_bytes()) if file.is_file() else (404, "text/plain", b"")

    def status(self, tag: str | None) -> tuple[int, str, bytes]:
        self.asked.append(tag)
        if tag == f'"{self.state}"':
            return 304, "application/json", b""
        return 200, "application/json", json.dumps({"state": self.state}).encode()


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = shop.answer(self)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", CSP)
            self.send_header("Cache-Control", "no-store")
            self.send_header("ETag", f'"{shop.state}"')
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the tests look at `asked`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    shop.address = f"http://127.0.0.1:{server.server_port}/r/{OPAQUE}"
    yield shop
    server.shutdown()
    thread.join()
    server.server_close()


def complaints_of(tab: Tab) -> list[str]:
    """Collect what the browser complains about from now on: errors, warnings, breaches of the policy."""
    heard: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            heard.append(message.text)

    tab.on("console", hear)
    tab.on("pageerror", lambda error: heard.append(str(error)))
    tab.on("requestfailed", lambda request: heard.append(request.url))
    return heard


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("state", PageState)
def test_every_state_fits_a_small_phone(phone: Tab, shop: Shop, state: PageState, language: str) -> None:
    """Each state, in both languages, has a title, a shape, a sentence and the way back, in 320 pixels."""
    shop.state, shop.live = state, False
    complaints = complaints_of(phone)
    phone.set_viewport_size({"width": 320, "height": 640})

    phone.goto(f"{shop.address}?lang={language}")

    assert phone.evaluate("document.documentElement.lang") == language
    assert phone.evaluate("document.documentElement.scrollWidth") <= 320
    expect(phone.locator("h1")).to_be_visible()
    expect(phone.locator("svg.mark")).to_be_visible()
    expect(phone.locator(".story p").last).to_be_visible()
    expect(phone.locator("a.button")).to_have_attribute("href", f"/r/{OPAQUE}/return")
    expect(phone.locator(".host")).to_have_text("shop.bakery.example")
    expect(phone.locator(".band")).to_be_visible()
    assert complaints == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_state_is_fit_for_everyone(browser: Browser, shop: Shop, theme: Literal["light", "dark"]) -> None:
    """axe-core finds nothing serious in any state, in either theme."""
    context = browser.new_context(color_scheme=theme, locale="ko-KR", viewport={"width": 360, "height": 740})
    tab, faults = context.new_page(), {}

    for shop.state in PageState:
        tab.goto(shop.address)
        tab.evaluate(axe())
        faults[shop.state] = tab.evaluate(JUDGE)

    assert {state: found for state, found in faults.items() if found} == {}
    context.close()


def test_every_state_is_said_in_korean_and_in_english(shop: Shop) -> None:
    """No two states share their words, no Korean page has an English sentence left, no English one Korean."""
    english, korean = [], []
    for shop.state in PageState:
        english.append(shop.page("en").partition("<h1")[2].partition("</div>")[0])
        korean.append(shop.page("ko").partition("<h1")[2].partition("</div>")[0])

    for stories in (english, korean):
        assert len({story.partition("</h1>")[0] for story in stories}) == len(PageState)
    assert not [story for story in english if any("가" <= letter <= "힣" for letter in story)]
    assert not [story for story in korean if "Please" in story or "payment" in story]


def test_a_reason_is_text(shop: Shop) -> None:
    """What the payment company said stands on the page as text, never as markup."""
    shop.state = PageState.DECLINED

    assert "U531: 한도 초과 &lt;script&gt;" in shop.page("ko")


def test_a_live_page_says_nothing_of_a_test(shop: Shop) -> None:
    """The band of a test payment is on test pages only."""
    assert "band" not in shop.page("ko")

    shop.live = False
    assert "테스트 결제" in shop.page("ko")


@pytest.mark.parametrize(("choice", "offered"), [("", True), ("ko", False)])
def test_a_merchants_language_leaves_no_choice(choice: str, offered: bool) -> None:
    """The page offers its other language unless the merchant has chosen one."""
    shown = bakerys(PageState.PAID, language=choice)

    context = context_of(shown, opaque=OPAQUE, language="ko", at=AT)

    assert (context["switch_to"] == {"code": "en", "name": "English"}) is offered


@pytest.mark.parametrize(
    ("merchants", "asked", "browsers", "language"),
    [
        ("", "", "", "ko"),
        ("", "", "en-US,en;q=0.9,ko;q=0.8", "en"),
        ("", "", "ja,fr;q=0.9", "ko"),
        ("", "ko", "en", "ko"),
        ("", "xx", "en", "en"),
        ("en", "ko", "ko", "en"),
    ],
)
def test_whose_language_it_is(merchants: str, asked: str, browsers: str, language: str) -> None:
    """The merchant's choice, then the address, then the browser, then Korean; a cookie has no say."""
    request = RequestFactory().get("/r/x", {"lang": asked}, headers={"Accept-Language": browsers})
    request.COOKIES[settings.LANGUAGE_COOKIE_NAME] = "en" if language == "ko" else "ko"

    assert choose_language(request, bakerys(PageState.PAID, language=merchants).route) == language


def test_an_account_says_until_when(phone: Tab, shop: Shop) -> None:
    """The account's page shows number, bank, amount, and the deadline as a sentence with its instant."""
    shop.state = PageState.AWAITING_DEPOSIT

    phone.goto(shop.address)

    expect(phone.locator(".account")).to_contain_text("562-100002-98400")
    expect(phone.locator(".account")).to_contain_text("신한은행")
    expect(phone.locator(".account")).to_contain_text("₩64,900")
    expect(phone.locator("time")).to_contain_text("내일 밤 11:59까지")
    expect(phone.locator("time")).to_have_attribute("datetime", "2026-11-23T14:59:59Z")


def test_the_copy_button_says_copied(phone: Tab, shop: Shop) -> None:
    """Copying puts the number into the clipboard, says so on the button and to screen readers."""
    shop.state = PageState.AWAITING_DEPOSIT
    phone.context.grant_permissions(["clipboard-read", "clipboard-write"])
    phone.goto(shop.address)

    phone.get_by_role("button", name="계좌번호 복사").click()

    expect(phone.locator("#said")).to_have_text("복사됨")
    expect(phone.get_by_role("button", name="복사됨")).to_be_visible()
    assert phone.evaluate("navigator.clipboard.readText()") == "562-100002-98400"


def test_an_app_without_a_clipboard_can_copy(phone: Tab, shop: Shop) -> None:
    """Where a browser inside an app has no clipboard, the number is selected and copied the old way."""
    shop.state = PageState.AWAITING_DEPOSIT
    phone.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    phone.goto(shop.address)

    phone.get_by_role("button", name="계좌번호 복사").click()

    expect(phone.locator("#said")).to_have_text("복사됨")
    assert phone.evaluate("getSelection().toString()") == "562-100002-98400"


def test_the_page_changes_by_itself(phone: Tab, shop: Shop) -> None:
    """While it is confirming the page asks, and shows the new state at once, marked and in focus."""
    shop.state = PageState.CONFIRMING
    stop_the_clock(phone)
    phone.goto(shop.address)
    shop.state = PageState.PAID

    phone.clock.run_for(1000)

    expect(phone.locator("h1")).to_have_text("결제가 확인되었습니다")
    expect(phone.locator("h1")).to_be_focused()
    expect(phone.locator("main")).to_have_class("fresh")


def test_the_page_asks_less_and_less_and_stops(phone: Tab, shop: Shop) -> None:
    """It asks eight times in 13 s, then every 15 s, with the last answer's tag; after 2 min it says so."""
    shop.state = PageState.CONFIRMING
    stop_the_clock(phone)
    phone.add_init_script(COUNT_PLANS)
    phone.goto(shop.address)
    moments = [0.3, 0.7, 1, 2, 3, 5, 8, 13, 28, 43, 58, 73, 88, 103, 118]

    for number, (before, moment) in enumerate(zip([0, *moments], moments, strict=False), start=1):
        phone.clock.run_for(round((moment - before) * 1000))
        wait_for_plan(phone, number + 1)
        assert len(shop.asked) == number
    expect(phone.locator("[data-when-stopped]")).to_be_hidden()
    phone.clock.run_for(60_000)

    expect(phone.locator("[data-when-stopped]")).to_be_visible()
    expect(phone.locator("[data-while-asking]")).to_be_hidden()
    assert shop.asked == [None] + ['"confirming"'] * 14


def test_a_hidden_page_does_not_ask(phone: Tab, shop: Shop) -> None:
    """A tab in the background asks nothing, and asks at once when it is looked at again, settled or not."""
    shop.state = PageState.CONFIRMING
    stop_the_clock(phone)
    phone.goto(shop.address)

    turn(phone, hidden=True)
    phone.clock.run_for(60_000)
    assert shop.asked == []

    with phone.expect_response("**/status"):
        turn(phone, hidden=False)


def test_a_page_that_opens_in_the_background_does_not_ask(phone: Tab, shop: Shop) -> None:
    """A page that nobody has looked at yet does not ask."""
    shop.state = PageState.CONFIRMING
    stop_the_clock(phone)
    phone.add_init_script("Object.defineProperty(document, 'hidden', {value: true})")
    phone.goto(shop.address)

    phone.clock.run_for(60_000)

    assert shop.asked == []


def stop_the_clock(tab: Tab) -> None:
    """Let time pass on a page only when the test says so."""
    tab.clock.install(time=AT)
    tab.clock.pause_at(AT + timedelta(seconds=1))


def wait_for_plan(tab: Tab, number: int) -> None:
    """Wait until the page has read an answer and planned its next question: a clock that ran before would skip one."""
    patience = time.monotonic() + 60
    while tab.evaluate("planned") < number:
        assert time.monotonic() < patience, f"the page never came to plan {number}"


def turn(tab: Tab, *, hidden: bool) -> None:
    """Turn a tab to the background or back, as the browser reports it to the page."""
    tab.evaluate(
        "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        hidden,
    )


def test_a_settled_page_looks_again_when_it_is_looked_at(phone: Tab, shop: Shop) -> None:
    """A customer who comes back from the bank's app sees the deposit without reloading."""
    shop.state = PageState.AWAITING_DEPOSIT
    phone.goto(shop.address)
    shop.state = PageState.PAID

    turn(phone, hidden=True)
    turn(phone, hidden=False)

    expect(phone.locator("h1")).to_have_text("결제가 확인되었습니다")


@pytest.mark.parametrize(("state", "refreshes"), [(PageState.CONFIRMING, True), (PageState.PAID, False)])
def test_without_scripts_only_a_confirming_page_refreshes(
    browser: Browser, shop: Shop, state: PageState, refreshes: bool
) -> None:
    """Without scripts a confirming page reloads itself every three seconds."""
    shop.state = state
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()

    tab.goto(shop.address)

    assert tab.locator("meta[http-equiv=refresh][content='3']").count() == refreshes
    context.close()


def test_a_customer_goes_back_by_themselves_if_the_shop_chose_so(phone: Tab, shop: Shop) -> None:
    """Three seconds after a confirmed payment is shown the customer is sent back; whoever returns may read on."""
    shop.forwards = True
    phone.clock.install(time=AT)
    phone.goto(shop.address)
    phone.clock.pause_at(AT + timedelta(seconds=1))

    expect(phone.locator("[data-leaves]")).to_contain_text("3초 뒤 상점으로 돌아갑니다")
    phone.clock.run_for(1_900)
    expect(phone).to_have_url(shop.address)
    with phone.expect_navigation(url="**/return"):
        phone.clock.run_for(1_000)
    phone.go_back()

    expect(phone.locator("[data-leaves]")).to_be_hidden()
    phone.clock.run_for(10_000)
    expect(phone).to_have_url(shop.address)


def test_whoever_wants_to_stay_stays(phone: Tab, shop: Shop) -> None:
    """One click keeps the page, in the language that it has."""
    shop.forwards = True
    phone.clock.install(time=AT)
    phone.goto(f"{shop.address}?lang=en")

    phone.get_by_role("link", name="Stay here").click()

    expect(phone.locator("[data-leaves]")).to_have_count(0)
    expect(phone.locator("h1")).to_have_text("Your payment is confirmed")
    phone.clock.run_for(10_000)
    expect(phone.locator("h1")).to_be_visible()


def test_a_hidden_page_sends_nobody_back(phone: Tab, shop: Shop) -> None:
    """A page in the background waits until it is looked at."""
    shop.forwards = True
    phone.clock.install(time=AT)
    phone.goto(shop.address)

    turn(phone, hidden=True)
    phone.clock.run_for(10_000)
    expect(phone).to_have_url(shop.address)

    with phone.expect_navigation(url="**/return"):
        turn(phone, hidden=False)


def test_without_scripts_a_customer_goes_back_too(browser: Browser, shop: Shop) -> None:
    """Without scripts the page itself says where the browser goes after three seconds."""
    shop.forwards = True
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()

    tab.goto(shop.address)

    leaving = tab.locator("meta[http-equiv=refresh]")
    expect(leaving).to_have_attribute("content", f"3;url=/r/{OPAQUE}/return")
    tab.wait_for_url("**/return", timeout=10_000)
    context.close()


@pytest.mark.parametrize("state", [state for state in PageState if state != PageState.PAID])
def test_nobody_is_sent_away_who_has_to_read(shop: Shop, state: PageState) -> None:
    """Only a confirmed payment sends customers back: an account number or a refusal is read first."""
    shop.state, shop.forwards = state, True

    page = shop.page("ko")

    assert "data-leaves" not in page
    assert "/return" not in page.partition("</head>")[0]


def test_nobody_is_sent_away_unless_the_shop_chose_so(shop: Shop) -> None:
    """Without the merchant's choice a customer goes back by a click."""
    assert "data-leaves" not in shop.page("ko")


def test_without_scripts_no_button_is_dead(browser: Browser, shop: Shop) -> None:
    """Without scripts there are no copy buttons, and the account number is there all the same."""
    shop.state = PageState.AWAITING_DEPOSIT
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()

    tab.goto(shop.address)

    expect(tab.locator(".number")).to_have_text("562-100002-98400")
    assert tab.get_by_role("button").count() == 0
    context.close()


def test_two_minutes_without_an_answer_end_the_waiting() -> None:
    """A page that is opened two minutes after the landing no longer reloads itself, and says who is told."""
    late = Shown(bakerys(PageState.CONFIRMING).route, Page(PageState.CONFIRMING), None, waited_long=True)

    context = context_of(late, opaque=OPAQUE, language="ko", at=AT)

    assert context["refresh_seconds"] is None
    page = render_to_string("results/result_page.html", context)
    assert "data-while-asking hidden" in page
    assert "data-when-stopped>" in page


def test_a_landing_that_was_not_written_down_asks_nothing() -> None:
    """Our own fault has no page to ask about: it offers the shop's own address and does not refresh."""
    request = RequestFactory().get("/m/bakerys-key/complete")

    response = could_not_record(request, bakerys(PageState.NOT_RECORDED).route)

    page = response.content.decode()
    assert (response.status_code, response["Content-Language"], response["Cache-Control"]) == (
        503,
        "ko",
        "no-store",
    )
    assert 'href="https://shop.bakery.example/orders/complete"' in page
    assert not [part for part in ("data-status", "http-equiv", "?lang=") if part in page]


@pytest.mark.parametrize("name", ["400.html", "404.html", "500.html"])
def test_error_pages_need_no_context(name: str) -> None:
    """The pages of errors draw themselves from nothing, in Korean and English."""
    page = render_to_string(name)

    assert '<html lang="ko">' in page
    assert 'lang="en"' in page
