"""What makes the dashboard comfortable wherever it is read: language, theme, phone, no scripts, always fresh."""

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests.browser.dashboard.conftest import Visitor
from tests.browser.dashboard.test_script import turn
from tests.factories import Cast

Work = Callable[..., None]
Visits = Callable[..., Visitor]


@pytest.fixture
def open_bakery(bakery: Cast, run_worker: Work) -> Cast:
    """A bakery that was paid once."""
    bakery.portone.approve(bakery.opens_window("order-1042"))
    run_worker()
    return bakery


def page(cast: Cast, name: str, *more: Any) -> str:
    return reverse(name, args=[cast.merchant.id, cast.mode, *more])


def test_a_language_is_kept(bakery: Cast, people: Any, visits: Visits) -> None:
    """Who chooses English reads English on this page and on every later one, and comes back to Korean the same way."""
    tab = visits(people(bakery.merchant)).opens(page(bakery, "payments"))
    expect(tab.locator("html")).to_have_attribute("lang", "ko")
    expect(tab.locator("main h1")).to_have_text("결제")

    for language, path, words in (("en", "payments", "Payments"), ("ko", "members", "멤버")):
        tab.locator("details.person summary").click()
        tab.locator(f"details.person button[value={language}]").click()
        expect(tab.locator("html")).to_have_attribute("lang", language)
        tab.goto(tab.url.partition("/dashboard/")[0] + page(bakery, path))
        expect(tab.locator("html")).to_have_attribute("lang", language)
        expect(tab.locator("main h1")).to_have_text(words)


def test_the_dark_is_kept(bakery: Cast, people: Any, visits: Visits) -> None:
    """Who chooses dark in a light room keeps it on other pages and in other tabs."""
    visitor = visits(people(bakery.merchant))
    tab = visitor.opens(page(bakery, "home"))
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    light = tab.evaluate(paper)

    tab.locator("details.person summary").click()
    tab.locator("[data-theme-choice=night]").click()
    dark = tab.evaluate(paper)
    visitor.opens(page(bakery, "members"))
    other = tab.context.new_page()
    other.goto(tab.url)

    assert dark != light
    assert [tab.evaluate(paper), other.evaluate(paper)] == [dark, dark]


def test_every_place_is_reached_on_a_phone(bakery: Cast, people: Any, visits: Visits) -> None:
    """On a phone each entry of the navigation is seen without scrolling sideways, and leads to its page."""
    tab = visits(people(bakery.merchant), size="phone").opens(page(bakery, "home"))
    places = tab.locator("nav.places a").evaluate_all("links => links.map(link => link.getAttribute('href'))")

    for place in places:
        entry = tab.locator(f'nav.places a[href="{place}"]')
        entry.click()
        expect(tab.locator(f'nav.places a[href="{place}"]')).to_have_attribute("aria-current", "page")
        expect(tab.locator(f'nav.places a[href="{place}"]')).to_be_in_viewport()
        assert tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")

    assert len(places) == 7


def test_pages_are_read_without_scripts(open_bakery: Cast, people: Any, visits: Visits) -> None:
    """Without JavaScript the main pages say what they say, and what is fetched otherwise is one link away."""
    tab = visits(people(open_bakery.merchant), scripts=False).opens(page(open_bakery, "home"))
    expect(tab.locator(".hero")).to_have_text("₩64,900")

    for name in ("start", "endpoints", "settings", "members", "audit"):
        tab.locator(f'nav.places a[href="{page(open_bakery, name)}"]').click()
        expect(tab.locator("main h1")).to_be_visible()

    tab.locator(f'nav.places a[href="{page(open_bakery, "payments")}"]').click()
    tab.locator("main [name=q]").fill("order-1042")
    tab.locator("main [name=q]").press("Enter")
    tab.get_by_role("link", name="order-1042").click()
    expect(tab.locator("main h1")).to_have_text("order-1042")
    tab.locator("details summary", has_text="HTTP 200").click()
    tab.locator(".attempt a").click()
    expect(tab.locator("main")).to_contain_text("webhook-signature")


def test_home_is_fresh_while_it_is_seen(open_bakery: Cast, run_worker: Work, people: Any, visits: Visits) -> None:
    """Home draws new money by itself while it is seen, and asks nothing while hidden, however long."""
    visitor = visits(people(open_bakery.merchant))
    visitor.tab.clock.install()
    tab, asked = visitor.opens(page(open_bakery, "home")), []
    tab.on("request", lambda request: asked.append(request.url) if request.url.endswith("/today") else None)
    expect(tab.locator(".hero")).to_have_text("₩64,900")
    every = int(tab.locator("#today").get_attribute("data-refresh") or 0)
    assert every > 0

    turn(tab, hidden=True)
    open_bakery.portone.approve(open_bakery.opens_window("order-1043", amount=100))
    run_worker()
    tab.clock.run_for(every * 10_000)
    assert asked == []

    with tab.expect_response("**/today"):
        turn(tab, hidden=False)
        tab.clock.run_for(every * 1000)
    expect(tab.locator(".hero")).to_have_text("₩65,000")
