"""T18: what a malicious merchant could harvest of other merchants' customers, or of people who are signed in here."""

from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse

from tests.dashboard.settings_stage import PASSWORD, member
from tests.factories import Cast, page_of

CUSTOMERS = "https://pay.customers.example"
OURS = "https://app.paywitness.example"
MEMBERS_PAGES = ("/dashboard/", "/accounts/login/", "/accounts/signup/", "/staff/", "/language/")


@pytest.fixture
def apart(bakery: Cast, settings: Any) -> Cast:
    """A bakery whose customers see their result on a host of its own."""
    settings.PUBLIC_URL, settings.RESULT_URL = OURS, CUSTOMERS
    settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME = "__Host-session", "__Host-csrf"
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    return bakery


def at(url: str, client: Client | None = None) -> Client:
    """Return a client that asks a host as a proxy with TLS passes it on."""
    client = client or Client()
    client.defaults |= {"HTTP_HOST": urlsplit(url).netloc, "wsgi.url_scheme": "https"}
    return client


def test_t18_cookies_of_people_stay_on_their_host(apart: Cast) -> None:
    """Session and form cookies have no domain, so that no other host, a subdomain's neither, gets them."""
    with member(apart.merchant, "owner"):
        client = at(OURS)
        client.get("/accounts/login/")
        client.post("/accounts/login/", {"login": "owner@people.bakery.example", "password": PASSWORD})
        client.post("/language/", {"language": "en"})
        cookies = list(client.cookies.values())

    assert {cookie.key for cookie in cookies} == {"__Host-csrf", "__Host-session", "messages", "django_language"}
    assert {(cookie["domain"], cookie["path"]) for cookie in cookies} == {("", "/")}
    assert django_settings.SESSION_COOKIE_DOMAIN is None
    assert django_settings.CSRF_COOKIE_DOMAIN is None


@pytest.mark.parametrize("path", MEMBERS_PAGES)
def test_t18_the_customers_host_has_no_page_of_people(apart: Cast, path: str) -> None:
    """Where customers read their result nobody can sign in, and no cookie begins."""
    answer = at(CUSTOMERS).get(path)

    assert answer.status_code == 404
    assert not answer.cookies
    assert at(OURS).get(path).status_code != 404 or path == "/staff/"


def test_t18_not_even_whoever_is_signed_in_finds_one_there(apart: Cast) -> None:
    """A session's cookie, carried there by hand, opens nothing."""
    home = reverse("home", args=[apart.merchant.id, "live"])

    with member(apart.merchant, "owner") as owner:
        ours = at(OURS, owner).get(home).status_code
        theirs = at(CUSTOMERS, owner).get(home).status_code

    assert (ours, theirs) == (200, 404)


def test_t18_one_host_for_both_shows_both(bakery: Cast) -> None:
    """Who runs everything on one host finds everything there."""
    assert at(bakery.web).get("/accounts/login/").status_code == 200


def test_t18_a_customers_page_reads_and_sets_no_cookie(bakery: Cast) -> None:
    """With whatever cookies it is asked, the page, its state, its way back and its parts are the same, and set none."""
    bakery.chooses(forwards=True)
    page = page_of(bakery.lands(imp_uid="imp_448280090999", merchant_uid="order-1"))
    cookie = {"cookie": "session=x; csrf=x; messages=x; django_language=en; __Host-session=x; paywitness=x"}

    for path in ("", "/status", "?lang=en", "?stay"):
        plain, other = (httpx.get(page + path, headers=headers, trust_env=False) for headers in ({}, cookie))
        assert plain.text == other.text
        assert not [one for one in (plain, other) if "set-cookie" in one.headers]
        assert "cookie" not in plain.headers.get("vary", "").lower()
    back = httpx.get(f"{page}/return", headers=cookie, trust_env=False)
    assert "set-cookie" not in back.headers


def test_t18_a_page_holds_nothing_of_another_origin(bakery: Cast) -> None:
    """Every address on the page is a path of its own host: no picture, style or program loads from elsewhere."""
    text = httpx.get(page_of(bakery.lands(merchant_uid="order-1")), trust_env=False).text

    assert "http://" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "https://" not in text
    assert 'src="//' not in text


def test_t18_no_neighbours_asset_can_be_guessed(bakery: Cast, florist: Cast) -> None:
    """Names of merchants, their ids and the addresses of their pages lead to no asset of theirs."""
    names = [str(florist.merchant.id), florist.merchant.name, florist.merchant.id.hex, florist.merchant.schema_name]

    found = [
        httpx.get(f"{bakery.web}/r-assets/{name}{kind}", trust_env=False).status_code
        for name in names
        for kind in (".webp", ".css", "", ".png", ".svg")
    ]

    assert set(found) == {404}
