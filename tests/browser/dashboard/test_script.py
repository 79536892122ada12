"""What app.js adds to people's pages, and that they work without it. No database: one page is drawn from its parts."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from django.conf import settings
from django.template import engines
from django.utils import translation
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from config.pages import CSP

TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
NOW = "2026-11-22T05:12:00Z"
PAGE = """{% extends "base.html" %}{% load paywitness %}{% block body %}
<main id="main"><h1>장부</h1>
  {% include "_messages.html" %}
  {% copy "imp_448280" %}
  {% include "_choices.html" %}
  <details class="pop"><summary>메뉴</summary><ul><li><a href="/elsewhere">다른 곳</a></li></ul></details>
  <div id="part" data-refresh="15" hx-get="/part" hx-trigger="refresh"><b data-fresh="sum">₩1</b>
    <details class="fold"><summary>숫자로</summary>₩1</details></div>
  <div id="polled" hx-get="/polled" hx-trigger="every 1s"></div>
  <form method="post" action="/sent" hx-post="/sent" hx-target="#answer"><button>보내기</button></form>
  <form method="post" action="/plain" data-confirm="정말입니까?"><button>지우기</button></form>
  <p id="answer"></p>
</main>{% endblock %}"""


@dataclass
class Message:
    text: str
    level_tag: str

    def __str__(self) -> str:
        return self.text


@dataclass
class Site:
    """Serves one page of parts on loopback, with the policy of people's pages."""

    messages: list[Message] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    part: str = "₩1"
    refuses: bool = False
    address: str = ""

    def answer(self, method: str, path: str, tag: str | None) -> tuple[int, str, bytes]:
        if path.startswith("/static/"):
            file = Path(settings.STATICFILES_DIRS[0]) / path.removeprefix("/static/")
            return (200, TYPES[file.suffix], file.read_bytes()) if file.is_file() else (404, "text/plain", b"")
        if path != "/":
            self.asked.append((path, tag))
        if path == "/part":
            fresh = tag != f'"{self.part}"'.encode("ascii", "replace").decode()
            return (200 if fresh else 304), "text/html", f'<b data-fresh="sum">{self.part}</b>'.encode() * fresh
        if path in ("/sent", "/polled", "/plain"):
            return (500 if self.refuses else 422), "text/html", "이름을 적어 주세요".encode()
        with translation.override("ko"):
            page = engines["django"].from_string(PAGE).render({"messages": self.messages})
        return 200, "text/html; charset=utf-8", page.encode()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"] or 0))
            status, kind, body = site.answer(self.command, self.path, self.headers["If-None-Match"])
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", CSP)
            self.send_header("Cache-Control", "no-store")
            if self.path == "/part":
                self.send_header("ETag", f'"{site.part}"'.encode("ascii", "replace").decode())
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the tests look at `asked`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_port}/"
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def open_page(phone: Tab, site: Site) -> Iterator[Callable[[], Tab]]:
    """Open the page with a clock that stands still; a breach of the policy fails the test."""
    complaints: list[str] = []
    phone.on("pageerror", lambda error: complaints.append(str(error)))
    phone.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)

    def opened() -> Tab:
        phone.clock.install(time=NOW)
        phone.goto(site.address)
        return phone

    yield opened
    assert complaints == []


def turn(tab: Tab, *, hidden: bool) -> None:
    """Turn a tab to the background or back, as the browser reports it to the page."""
    tab.evaluate(
        "hidden => { Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        hidden,
    )


def test_a_code_is_copied(open_page: Callable[[], Tab], phone: Tab) -> None:
    """A copy button says 복사됨, to the eye and to screen readers, and is itself again two seconds later."""
    phone.context.grant_permissions(["clipboard-read", "clipboard-write"])
    tab = open_page()

    tab.get_by_role("button", name="imp_448280 복사").click()

    expect(tab.get_by_role("button", name="복사됨")).to_be_visible()
    assert tab.evaluate("navigator.clipboard.readText()") == "imp_448280"
    tab.clock.run_for(100)
    expect(tab.locator("#voice")).to_have_text("복사됨")
    tab.clock.run_for(2000)
    expect(tab.get_by_role("button", name="imp_448280 복사")).to_be_visible()


def test_good_news_goes_and_an_error_stays(open_page: Callable[[], Tab], site: Site) -> None:
    """A message of success goes by itself after six seconds; an error stays until it is closed."""
    site.messages = [Message("저장했습니다", "success"), Message("저장하지 못했습니다", "error")]
    tab = open_page()

    tab.clock.run_for(7000)
    expect(tab.locator(".toast-line")).to_have_count(1)
    tab.get_by_role("button", name="닫기").click()
    tab.clock.run_for(200)

    expect(tab.locator(".toast-line")).to_have_count(0)


def test_a_part_refreshes_itself_while_it_is_seen(open_page: Callable[[], Tab], site: Site) -> None:
    """A part asks every 15 s with its last tag, marks what changed, and asks nothing while hidden."""
    tab = open_page()
    with tab.expect_response("**/part"):
        tab.clock.run_for(16_000)
    site.part = "₩2"
    with tab.expect_response("**/part"):
        tab.clock.run_for(16_000)
    expect(tab.locator("[data-fresh]")).to_have_text("₩2")

    turn(tab, hidden=True)
    before = len([path for path, _ in site.asked])
    tab.clock.run_for(60_000)
    assert len([path for path, _ in site.asked]) == before

    with tab.expect_response("**/part"):
        turn(tab, hidden=False)
    tags = [tag for path, tag in site.asked if path == "/part"]
    assert tags[0] is None
    assert tags[-1] is not None


def test_a_fold_that_is_read_is_not_closed(open_page: Callable[[], Tab], site: Site) -> None:
    """A part waits with its question while somebody reads a fold of it, and asks again once that is closed."""
    tab = open_page()
    tab.locator(".fold summary").click()
    tab.clock.run_for(40_000)
    assert [path for path, _ in site.asked if path == "/part"] == []

    tab.locator(".fold summary").click()
    with tab.expect_response("**/part"):
        tab.clock.run_for(16_000)


def test_what_changed_is_marked_for_two_seconds(open_page: Callable[[], Tab], site: Site) -> None:
    """A value that changes while one watches is marked, and after two seconds no more."""
    tab = open_page()
    site.part = "₩64,900"

    with tab.expect_response("**/part"):
        tab.clock.run_for(16_000)

    tab.clock.run_for(100)
    expect(tab.locator("[data-fresh]")).to_have_class("fresh")
    tab.clock.run_for(2100)
    expect(tab.locator("[data-fresh]")).not_to_have_class("fresh")


def test_a_forms_errors_are_shown(open_page: Callable[[], Tab]) -> None:
    """What a form answers with 422 is shown where its answer belongs."""
    tab = open_page()

    tab.get_by_role("button", name="보내기").click()

    tab.clock.run_for(100)
    expect(tab.locator("#answer")).to_have_text("이름을 적어 주세요")


def test_a_fault_is_said(open_page: Callable[[], Tab], site: Site) -> None:
    """A request that fails says so, and leaves the page as it was."""
    site.refuses = True
    tab = open_page()

    tab.get_by_role("button", name="보내기").click()

    expect(tab.locator(".toast-line.error")).to_contain_text("처리하지 못했습니다")
    expect(tab.locator("#answer")).to_be_empty()


def test_what_cannot_be_undone_is_asked_first(open_page: Callable[[], Tab], site: Site) -> None:
    """A form that asks to be confirmed sends nothing when one declines."""
    tab = open_page()
    tab.on("dialog", lambda dialog: dialog.dismiss())

    tab.get_by_role("button", name="지우기").click()

    assert "/plain" not in [path for path, _ in site.asked]


def test_a_theme_is_kept(open_page: Callable[[], Tab], site: Site) -> None:
    """The chosen theme is drawn at once, and again on the next page before anything is seen."""
    tab = open_page()
    paper = tab.evaluate("getComputedStyle(document.documentElement).backgroundColor")

    tab.get_by_role("button", name="어둡게").click()
    tab.goto(site.address)

    expect(tab.get_by_role("button", name="어둡게")).to_have_attribute("aria-pressed", "true")
    assert tab.evaluate("getComputedStyle(document.documentElement).backgroundColor") != paper


def test_a_menu_closes_by_escape_and_by_a_click_elsewhere(open_page: Callable[[], Tab]) -> None:
    """An open menu closes when one goes elsewhere, and by Escape gives the focus back."""
    tab = open_page()
    menu = tab.get_by_text("메뉴", exact=True)

    menu.click()
    expect(tab.get_by_role("link", name="다른 곳")).to_be_visible()
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("link", name="다른 곳")).to_be_hidden()
    expect(menu).to_be_focused()

    menu.click()
    tab.get_by_role("heading", name="장부").click()
    expect(tab.get_by_role("link", name="다른 곳")).to_be_hidden()


def test_without_a_script_nothing_is_dead(browser: Browser, site: Site) -> None:
    """Without scripts there are no buttons that only a script serves; messages and menus are there."""
    site.messages = [Message("저장했습니다", "success")]
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()

    tab.goto(site.address)

    names = [button.inner_text() for button in tab.get_by_role("button").all()]
    assert names == ["한국어", "English", "보내기", "지우기"]
    expect(tab.get_by_text("저장했습니다")).to_be_visible()
    tab.get_by_text("메뉴", exact=True).click()
    expect(tab.get_by_role("link", name="다른 곳")).to_be_visible()
    context.close()


def test_motion_stops_for_whoever_asked(browser: Browser, site: Site) -> None:
    """Who asked for less motion gets none."""
    site.messages = [Message("저장했습니다", "success")]
    context = browser.new_context(reduced_motion="reduce")
    tab = context.new_page()

    tab.goto(site.address)

    duration = tab.evaluate("parseFloat(getComputedStyle(document.querySelector('.toast-line')).animationDuration)")
    assert duration < 0.001
    context.close()
