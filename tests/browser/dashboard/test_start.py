"""Getting started in a real browser: each step as it looks before, while and after it is done."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from django.conf import settings
from django.urls import reverse
from playwright.sync_api import expect

from deploy.demo.shop import Shop
from deploy.demo.shop import running as running_shop
from deploy.demo.simulator import Simulator
from results.models import Endpoint, Event, Setup
from tenants.models import Credential, Membership, Merchant
from tenants.routing import inside
from tests.browser.dashboard.conftest import Visitor
from tests.factories import Cast

Work = Callable[..., None]
Visits = Callable[..., Visitor]
ALL = list(product(("phone", "desktop"), ("ko", "en"), ("light", "dark")))
SOME = [("phone", "ko", "dark"), ("desktop", "en", "light")]
LOOKS = ALL if "SCREENS" in os.environ else SOME


class Newcomer:
    """A developer of a shop on the way to the first payment; every page on the way is looked at."""

    def __init__(self, visitor: Visitor, merchant: Merchant) -> None:
        self.visitor, self.tab, self.merchant = visitor, visitor.tab, merchant
        self.faults: dict[str, list[str]] = {}

    def proves_who_they_are(self) -> None:
        session = self.visitor.client.session
        method = {"method": "password", "at": datetime.now(UTC).timestamp(), "reauthenticated": True}
        session["account_authentication_methods"] = [method]
        session.save()
        cookie = self.visitor.client.cookies[settings.SESSION_COOKIE_NAME].value
        self.tab.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": self.visitor.web}])

    def opens(self, name: str = "start", mode: str = "test", query: str = "") -> None:
        self.visitor.opens(reverse(name, args=[self.merchant.id, mode]) + query)

    def looks(self, name: str) -> None:
        self.faults[name] = self.visitor.finds_faults()
        self.visitor.takes_picture(f"start_{name}")

    def enters(self, secret: str) -> None:
        for field, value in {"user_code": "imp12345678", "imp_key": "bakery-key", "imp_secret": secret}.items():
            self.tab.locator(f"#id_{field}").fill(value)
        self.does("start_keys")

    def does(self, name: str, **words: Any) -> None:
        """Press the button of a form."""
        path = reverse(name, kwargs={"merchant": self.merchant.id, "mode": "test"} | words)
        self.tab.locator(f'form[action="{path}"] button').first.click()

    def sees_done(self, step: str) -> None:
        expect(self.tab.locator(f"#title-{step}.done")).to_be_visible()


@pytest.fixture
def shop() -> Iterator[tuple[Shop, str]]:
    shop = Shop()
    with running_shop(shop) as url:
        yield shop, f"{url}/callback"


@pytest.fixture
def newcomer(
    request: pytest.FixtureRequest, database: dict[str, Merchant], web: str, people: Any, visits: Visits
) -> Newcomer:
    size, language, theme = request.param
    found = Newcomer(visits(people(database["bakery"]), size=size, language=language, theme=theme), database["bakery"])
    found.proves_who_they_are()
    return found


@pytest.mark.parametrize("newcomer", LOOKS, indirect=True, ids="-".join)
def test_a_newcomer_goes_all_five_steps(
    newcomer: Newcomer, portone: Simulator, shop: tuple[Shop, str], run_worker: Work, web: str
) -> None:
    """From live mode to test mode, keys, addresses, a heard test, and a payment that moves through the open page."""
    portone.add_account("bakery-key", "bakery-words", user_code="imp12345678")

    newcomer.opens(mode="live")
    newcomer.looks("01_arrived_in_live_mode")
    newcomer.tab.locator(".alert .btn-primary").click()
    newcomer.looks("02_keys")
    newcomer.enters("other-words")
    newcomer.looks("03_keys_refused")
    newcomer.enters("bakery-words")
    newcomer.sees_done("keys")
    newcomer.looks("04_urls")
    newcomer.opens(query="?open=keys")
    newcomer.looks("05_keys_done")
    newcomer.opens()
    newcomer.does("start_urls")
    newcomer.sees_done("urls")
    newcomer.looks("06_callback")
    newcomer.tab.locator("#id_url").fill("ftp://shop.example.com/hook")
    newcomer.does("start_callback")
    newcomer.looks("07_callback_refused")
    newcomer.tab.locator("#id_url").fill(shop[1])
    newcomer.does("start_callback")
    shop[0].configure(signing_secret=newcomer.tab.locator("#secret").inner_text())
    newcomer.looks("08_secret")
    newcomer.tab.locator("main form button").first.click()
    newcomer.looks("09_ping_under_way")
    run_worker()
    newcomer.sees_done("callback")
    newcomer.looks("10_ping_heard")
    newcomer.opens()
    newcomer.looks("11_payment")
    newcomer.does("start_order")
    newcomer.looks("12_payment_ordered")
    with newcomer.tab.expect_popup() as opened:
        newcomer.tab.locator("#payment a[target=_blank]").click()
    opened.value.locator("button[value=paid]").click()
    expect(newcomer.tab.locator('#watched .is[data-step="landing"]')).to_be_visible()
    newcomer.looks("13_payment_landed")
    run_worker()
    newcomer.sees_done("payment")
    newcomer.looks("14_payment_told")
    opened.value.close()
    newcomer.opens()
    newcomer.looks("15_live")
    newcomer.opens(mode="live")
    newcomer.looks("16_live_mode")

    assert {name: found for name, found in newcomer.faults.items() if found} == {}


@pytest.mark.parametrize("newcomer", LOOKS, indirect=True, ids="-".join)
def test_a_refused_callback_is_looked_into(newcomer: Newcomer, test_bakery: Cast, run_worker: Work) -> None:
    """A test that was refused says what to do; the debugger judges what was pasted, and both are fit for everyone."""
    test_bakery.shop.configure(signing_secret="whsec_" + "QUJD" * 11)
    newcomer.opens(query="?open=callback")
    newcomer.tab.locator("#callback form .btn").first.click()
    run_worker()
    expect(newcomer.tab.locator("#ping .state-failed")).to_be_visible()
    newcomer.looks("20_ping_refused")
    request = newcomer.tab.locator("#ping pre").first.inner_text()

    newcomer.opens("debug_signature")
    newcomer.looks("21_debugger")
    newcomer.tab.locator("#id_headers").fill(request)
    newcomer.tab.locator("#id_secret").fill("whsec_" + "QUJD" * 11)
    newcomer.tab.locator("main form .btn").click()
    newcomer.looks("22_right")
    right = newcomer.tab.locator(".checks .state-paid").count()
    with inside(newcomer.merchant.schema_name):
        body = bytes(Event.objects.get(type="endpoint.ping").body).decode()
    newcomer.tab.locator("#id_headers").fill(request.replace("webhook-timestamp: ", "webhook-timestamp: 1"))
    newcomer.tab.locator("#id_body").fill(body.replace(":", ": ") + "\n")
    newcomer.tab.locator("#id_clock").fill(str(int(datetime.now(UTC).timestamp()) + 32400))
    newcomer.tab.locator("main form .btn").click()
    newcomer.looks("23_wrong")

    assert right == 5
    assert newcomer.tab.locator(".checks .state-failed").count() >= 3
    assert {name: found for name, found in newcomer.faults.items() if found} == {}


@pytest.mark.parametrize("newcomer", LOOKS, indirect=True, ids="-".join)
def test_what_went_wrong_on_the_way_is_told(
    newcomer: Newcomer, test_bakery: Cast, people: Any, run_worker: Work
) -> None:
    """Keys that PortOne refuses by now, no channel, nobody to tell, and a viewer, who only looks."""
    schema = newcomer.merchant.schema_name
    with inside(schema):
        Endpoint.objects.all().delete()
        Setup.objects.create(mode="test", user_code="imp12345678", channels=[], channels_read_at=datetime.now(UTC))
    newcomer.opens(query="?open=keys")
    newcomer.looks("30_no_channel")
    Credential.objects.filter(merchant=newcomer.merchant).update(refused_at=datetime.now(UTC))
    newcomer.opens()
    newcomer.looks("31_keys_refused_by_now")
    Credential.objects.filter(merchant=newcomer.merchant).update(refused_at=None)
    newcomer.opens(query="?open=payment")
    newcomer.does("start_order")
    with inside(schema):
        order = Setup.objects.get(mode="test").test_order
    imp_uid = test_bakery.opens_window(order, 100)
    test_bakery.portone.approve(imp_uid)
    test_bakery.is_called_about(imp_uid, order)
    run_worker()
    newcomer.opens(query="?open=payment")
    newcomer.looks("32_nobody_to_tell")
    Membership.objects.filter(merchant=newcomer.merchant).update(role="viewer")
    newcomer.opens(query="?open=urls")
    newcomer.looks("33_viewer")

    assert {name: found for name, found in newcomer.faults.items() if found} == {}
