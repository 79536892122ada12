"""What members and their customers set out to do, done from beginning to end in a browser, as they would."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.urls import get_resolver, reverse
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect
from standardwebhooks import Webhook

from deploy.demo.shop import Fault
from results.core.ids import encode
from results.models import Attempt, Endpoint
from tenants.models import Invitation
from tests.browser.dashboard.conftest import Visitor
from tests.browser.dashboard.hands import PASSWORD, SENT, button, link_in, proves_who_they_are
from tests.browser.dashboard.test_pages import addresses, is_whole_page, members_pages
from tests.factories import Cast
from tests.postbox import Postbox
from tests.tenants.conftest import newcomers_leave

Work = Callable[..., None]
Visits = Callable[..., Visitor]


# Payments


def payment_page(cast: Cast, imp_uid: str) -> str:
    return reverse("payment", args=[cast.merchant.id, cast.mode, cast.payment(imp_uid).id])


def test_a_deposit_is_seen_on_both_sides(bakery: Cast, run_worker: Work, people: Any, visits: Visits) -> None:
    """The customer's page names the account, and after the deposit it says so; the dashboard does at every step."""
    imp_uid = bakery.opens_window("order-1041", pay_method="vbank", m_redirect_url=bakery.redirect_url)
    account = bakery.portone.issue_account(imp_uid)
    bakery.portone.outbox.wait_for(1)
    customer, member = visits(size="phone").tab, visits(people(bakery.merchant))
    customer.goto(bakery.portone.redirect_url(imp_uid))
    run_worker()

    expect(customer.locator('main[data-state="awaiting_deposit"]')).to_be_visible(timeout=SENT)
    expect(customer.locator("#account-number")).to_contain_text(str(account.vbank_num))
    shown = member.opens(payment_page(bakery, imp_uid))
    expect(shown.locator("main aside .state-waiting").first).to_be_visible()

    bakery.portone.deposit(imp_uid)
    run_worker(until=lambda: "payment.paid" in bakery.told("order-1041"))
    customer.locator(".again a").click()

    expect(customer.locator('main[data-state="paid"]')).to_be_visible()
    shown.reload()
    expect(shown.locator("main aside .state-paid").first).to_be_visible()
    assert bakery.told("order-1041") == ["payment.virtual_account.issued", "payment.paid"]


def test_what_failed_is_sent_again_by_its_button(
    bakery: Cast, run_worker: Work, do_jobs: Work, make_due: Work, people: Any, visits: Visits
) -> None:
    """A delivery that failed shows its answer and is sent again from the payment's page."""
    bakery.expects("order-1042")
    fault = bakery.shop.faults.add(Fault(kind="status", status=500))
    imp_uid = bakery.opens_window("order-1042")
    bakery.portone.approve(imp_uid)
    run_worker(until=lambda: bakery.rows(Attempt))
    tab = visits(people(bakery.merchant, role="developer")).opens(payment_page(bakery, imp_uid))
    expect(tab.locator("main")).to_contain_text("HTTP 500")
    assert bakery.shop.fulfilled() == {}

    bakery.shop.faults.remove(fault)
    with tab.expect_navigation():
        button(tab, "/replay").click()
    do_jobs()
    make_due()  # a try that is due within seconds may be under way, and is waited for
    run_worker()
    tab.reload()

    expect(tab.locator("main")).to_contain_text("HTTP 200")
    assert list(bakery.shop.fulfilled()) == ["order-1042"]
    assert bakery.shop.received()[-1].headers["x-paywitness-replay"] == "true"


# Secrets


def test_a_secret_is_rotated_without_losing_a_callback(
    bakery: Cast, run_worker: Work, people: Any, visits: Visits
) -> None:
    """Who rotates is asked for the password first; the new secret is shown once, and for a while both verify."""
    owner, [endpoint] = people(bakery.merchant), bakery.rows(Endpoint)
    owner.set_password(PASSWORD)
    owner.save()
    [old] = bakery.shop.settings.signing_secrets
    tab = visits(owner).opens(reverse("endpoint", args=[bakery.merchant.id, bakery.mode, endpoint.id]))

    button(tab, "/rotate/").click()
    proves_who_they_are(tab)
    expect(tab.locator("main .facts")).to_contain_text("whsec_")
    new = re.findall(r"whsec_[A-Za-z0-9+/=]+", tab.locator("main").inner_text())[0]
    tab.locator("main a.btn-primary").click()
    assert "whsec_" not in tab.content()

    bakery.portone.approve(bakery.opens_window("order-1042"))
    run_worker()
    [heard] = bakery.shop.received(order="order-1042")
    assert new != old
    assert len(heard.headers["webhook-signature"].split()) == 2
    for secret in (old, new):
        assert Webhook(secret).verify(heard.body, dict(heard.headers))["type"] == "payment.paid"


# People


@pytest.fixture
def guests(database: Any) -> Iterator[None]:
    """Let those who sign up leave again."""
    cache.clear()
    with newcomers_leave():
        yield
    Invitation.objects.all().delete()
    cache.clear()


def test_a_viewer_is_invited_and_changes_nothing(
    bakery: Cast,
    run_worker: Work,
    guests: None,
    people: Any,
    visits: Visits,
    postbox: Postbox,
    do_jobs: Work,
) -> None:
    """A viewer joins by the letter, reads every page, meets no button that changes anything, and may post nothing."""
    bakery.portone.approve(bakery.opens_window("order-1042"))
    run_worker()
    owner = visits(people(bakery.merchant)).opens(reverse("members", args=[bakery.merchant.id, bakery.mode]))
    owner.locator("main [name=email]").fill("jun@guest.example")
    owner.locator("main form[action$=invite] [name=role]").select_option("viewer")
    button(owner, "/members/invite").click()
    expect(owner.locator("main")).to_contain_text("jun@guest.example")
    do_jobs()

    viewer = visits()
    joins(viewer.tab, link_in(postbox, 0))
    viewer.tab.wait_for_url("**/live/")

    take_cookies(viewer)
    read = {name: path for name, path in addresses(bakery).items() if is_whole_page(viewer.client, path)}
    for name, path in read.items():
        viewer.opens(path)
        assert buttons_that_change(viewer.tab) <= {"/members/leave"}, name
        assert not dead_ends(viewer), name
    assert {"home", "payments", "payment", "endpoint", "settings", "members", "audit", "start"} <= set(read)
    assert posts_that_pass(bakery, viewer) == []


def joins(tab: Tab, link: str) -> None:
    tab.goto(link)
    tab.locator('main a[href*="/accounts/signup/"]').click()
    tab.locator("[name=email]").fill("jun@guest.example")
    tab.locator("[name=password1]").fill(PASSWORD)
    tab.locator("[name=password1]").press("Enter")
    tab.locator("main form[method=post] button.btn-primary").click()


def take_cookies(visitor: Visitor) -> None:
    """Let the visitor's client be who the browser is."""
    for cookie in visitor.tab.context.cookies():
        visitor.client.cookies[cookie["name"]] = cookie["value"]


def buttons_that_change(tab: Tab) -> set[str]:
    """Return where the forms of a page lead that are not for reading."""
    actions = tab.locator("main form[method=post] button:enabled, main [hx-post]").evaluate_all(
        "found => found.map(one => new URL((one.form ?? one).action || location.href).pathname)"
    )
    return {re.sub(r"^/dashboard/[^/]+/[^/]+", "", action) for action in actions}


def dead_ends(visitor: Visitor) -> list[str]:
    """Return the links of a page that lead to one that is refused or not there."""
    links = visitor.tab.locator("main a[href]").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    inside_ours = {link.partition("#")[0] for link in links if link.startswith("/dashboard/")}
    return [link for link in inside_ours if visitor.client.get(link).status_code not in (200, 302)]


def posts_that_pass(cast: Cast, visitor: Visitor) -> list[str]:
    """Return the names of the merchant's addresses where a POST is not refused, other than that of leaving."""
    words_of = {"kind": "browser", "purpose": "order"}
    passed = []
    for name, needed in members_pages(get_resolver().url_patterns, {}):
        words = {word: words_of.get(word) or uuid4() for word, _ in needed}
        path = reverse(name, kwargs={"merchant": cast.merchant.id, "mode": cast.mode} | words)
        if name != "member_leave" and visitor.client.post(path).status_code not in (403, 405):
            passed.append(name)
    return passed


def test_one_person_goes_from_shop_to_shop(bakery: Cast, florist: Cast, people: Any, visits: Visits) -> None:
    """A member of two shops switches in the menu, and each shows its own."""
    tab = visits(people(bakery.merchant, florist.merchant)).opens("/dashboard/")
    name = tab.locator("details.switch summary .name")
    expect(name).to_have_text("bakery")

    tab.locator("details.switch summary").click()
    tab.get_by_role("link", name="florist", exact=True).click()

    tab.wait_for_url(f"**/{encode('mer', florist.merchant.id)}/live/")
    expect(name).to_have_text("florist")
