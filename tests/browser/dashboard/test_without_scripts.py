"""Reading, and what people do most, work with scripts switched off."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.browser.dashboard.conftest import Visitor
from tests.browser.dashboard.test_pages import addresses, busy_bakery, is_whole_page  # noqa: F401  a fixture
from tests.factories import Cast

Visits = Callable[..., Visitor]
# Served by scripts alone, so to be seen with them alone.
DEAD = "[data-copy], [data-copy-from], [data-themes], [data-theme-choice]"


def test_every_page_reads_without_scripts(busy_bakery: Cast, people: Any, visits: Visits) -> None:  # noqa: F811
    """Each page shows its heading and its text, the way to the others, and no button that only a script serves."""
    visitor = visits(people(busy_bakery.merchant), size="phone", scripts=False)
    faults = {}

    for name, path in addresses(busy_bakery).items():
        if is_whole_page(visitor.client, path):
            tab = visitor.opens(path)
            said = tab.locator("main").inner_text()
            dead = [button for button in tab.locator(DEAD).all() if button.is_visible()]
            ways = tab.get_by_role("navigation", name="주 메뉴").get_by_role("link").count()
            if not tab.locator("main h1").is_visible() or len(said) < 20 or dead or ways < 5:
                faults[name] = said[:80]

    assert faults == {}


def test_a_payment_is_found_and_read_without_scripts(busy_bakery: Cast, people: Any, visits: Visits) -> None:  # noqa: F811
    """Search, filter, a payment's story and what was sent to the shop: forms and links alone."""
    visitor = visits(people(busy_bakery.merchant), scripts=False)
    tab = visitor.opens(addresses(busy_bakery)["payments"])

    tab.get_by_role("searchbox").fill("order-1042")
    tab.get_by_role("button", name="찾기").click()
    tab.get_by_role("row").get_by_role("link", name="order-1042").click()
    tab.locator(".telling summary").first.click()
    tab.get_by_role("link", name="요청과 응답 보기").first.click()

    expect(tab.get_by_text("HTTP 200")).to_be_visible()
    expect(tab.get_by_text("payment.paid").first).to_be_visible()


def test_a_language_is_chosen_without_scripts(busy_bakery: Cast, people: Any, visits: Visits) -> None:  # noqa: F811
    """The menu opens by itself, and the choice of a language is a form."""
    visitor = visits(people(busy_bakery.merchant), size="phone", scripts=False)
    tab = visitor.opens(addresses(busy_bakery)["home"])

    tab.locator(".person summary").click()
    tab.get_by_role("button", name="English").click()

    expect(tab.get_by_role("heading", level=1)).to_have_text("Today")


def test_the_guide_reads_without_scripts(web: str, visits: Visits) -> None:
    """Its contents open by themselves and lead to each chapter; nothing is there that only a script serves."""
    visitor = visits(size="phone", scripts=False)
    tab = visitor.opens("/guide/")

    tab.get_by_role("navigation").locator("summary").click()
    tab.get_by_role("link", name="콜백 검증하기").first.click()

    expect(tab.get_by_role("heading", name="콜백 검증하기")).to_be_in_viewport()
    expect(tab.get_by_label("verify.php", exact=True)).to_contain_text("hash_hmac")
    assert [button for button in tab.locator(DEAD).all() if button.is_visible()] == []


def test_a_problem_leads_to_its_line(web: str, visits: Visits) -> None:
    """Whoever opens the `type` of a problem sees the mend."""
    tab = visits().opens("/problems/order_already_paid")

    expect(tab.get_by_role("cell", name="order_already_paid")).to_be_in_viewport()
    expect(tab.get_by_text("새 주문번호를 쓰세요")).to_be_in_viewport()
