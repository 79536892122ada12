"""The stranger's journey: from nothing to a first payment that is told, on real processes."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from deploy.demo.shop import Shop
from deploy.demo.shop import running as running_shop
from tests.browser.dashboard.conftest import Visitor
from tests.browser.dashboard.hands import PASSWORD, SENT, button, link_in, proves_who_they_are, signs_in
from tests.faults.processes import Installation, installed
from tests.postbox import Postbox, running_postbox

Visits = Callable[..., Visitor]


@pytest.fixture
def mailed(tmp_path: Path) -> Iterator[tuple[Installation, Postbox]]:
    """Web side, worker, database and PortOne as processes and servers of their own, and a mailbox at the wire."""
    with (
        running_postbox() as postbox,
        installed(tmp_path, EMAIL_URL=f"smtp://127.0.0.1:{postbox.port}") as installation,
    ):
        installation.portone.add_account("a-key", "a-secret", user_code="imp24681357")
        installation.start_web()
        installation.start_worker()
        yield installation, postbox


def test_a_stranger_sees_the_first_payment_told(
    mailed: tuple[Installation, Postbox], visits: Visits, note: Callable[[str], None]
) -> None:
    """A stranger signs up, verifies the mail, makes a shop, enters keys, pings the callback and sees a payment told."""
    installation, postbox = mailed
    shop, tab = Shop(), visits(site=installation.web_url).tab
    began = time.monotonic()

    tab.goto(f"{installation.web_url}/dashboard/")
    signs_up(tab, "mina@stranger.example", postbox)
    makes_a_shop(tab, "새벽 빵집")
    enters_keys(tab)
    with running_shop(shop) as shop_url:
        makes_an_endpoint(tab, shop, f"{shop_url}/callback")
        window = pays(tab)
        sees_it_told(tab)
        took = time.monotonic() - began

    expect(window.locator('main[data-state="paid"]')).to_be_visible(timeout=SENT)
    paid = [event for event in shop.events() if event["type"] == "payment.paid"]
    assert [event["livemode"] for event in paid] == [False]
    assert [item.verified for item in shop.received()] == [True, True]  # the ping and the payment
    note(f"stranger's journey, from the first page to a payment that is told: {took:.1f} s")


def signs_up(tab: Tab, email: str, postbox: Postbox) -> None:
    tab.locator('main a[href*="/accounts/signup/"]').first.click()
    tab.locator("[name=email]").fill(email)
    tab.locator("[name=password1]").fill(PASSWORD)
    tab.locator("[name=password1]").press("Enter")
    tab.wait_for_url("**/accounts/confirm-email/")
    tab.goto(link_in(postbox, 0))
    tab.locator("main form[method=post] button").first.click()
    tab.wait_for_url("**/accounts/login/")
    signs_in(tab, email)


def makes_a_shop(tab: Tab, name: str) -> None:
    """Name the shop, and be led on by the page itself as soon as a worker has made it."""
    tab.wait_for_url("**/dashboard/new/")
    tab.locator("[name=name]").fill(name)
    tab.locator("[name=name]").press("Enter")
    tab.wait_for_url("**/test/", timeout=SENT)
    tab.locator('main a[href$="/test/start"]').click()


def enters_keys(tab: Tab) -> None:
    for field, value in (("user_code", "imp24681357"), ("imp_key", "a-key"), ("imp_secret", "a-secret")):
        tab.locator(f"[name={field}]").fill(value)
    button(tab, "/start/keys").click()
    expect(tab.locator("#title-keys.done")).to_be_visible(timeout=SENT)
    expect(tab.locator('#urls pre[aria-label="IMP.request_pay"]')).to_contain_text("imp24681357")
    button(tab, "/start/urls").click()
    expect(tab.locator("#title-urls.done")).to_be_visible()


def makes_an_endpoint(tab: Tab, shop: Shop, url: str) -> None:
    """Give the callback's address, keep its secret in the shop, and see a ping with its signature and answer."""
    tab.locator("#callback [name=url]").fill(url)
    button(tab, "/start/callback").click()
    proves_who_they_are(tab)
    shop.configure(signing_secret=tab.locator("#secret").inner_text())
    tab.locator('main form[action*="/start/ping/"] button').click()
    ping = tab.locator("#ping")
    expect(ping).to_contain_text("HTTP 200", timeout=SENT)
    expect(tab.locator("#title-callback.done")).to_be_visible()
    [heard] = shop.received()
    expect(ping).to_contain_text(heard.headers["webhook-signature"])
    expect(ping).to_contain_text('{"ok": true}')


def pays(tab: Tab) -> Tab:
    """Make the order to try with, and pay it in the window that opens; return where the customer ends up."""
    tab.locator('#ping a[href$="/start"]').click()
    button(tab, "/start/order").click()
    with tab.context.expect_page() as opened:
        tab.locator("#payment a[target=_blank]").click()
    opened.value.locator('button[value="paid"]').click()
    return opened.value


def sees_it_told(tab: Tab) -> None:
    """Watch the steps light up; the page is not loaded again for that."""
    tab.evaluate("window.watching = true")
    expect(tab.locator("#watched .trail li.is")).to_have_count(5, timeout=SENT)
    expect(tab.locator("#watched")).to_contain_text("payment.paid")
    expect(tab.locator("#title-payment.done")).to_be_visible()
    assert tab.evaluate("window.watching") is True
