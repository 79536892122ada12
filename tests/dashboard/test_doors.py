"""What nobody gets past, tried on every page for people: forged forms, frames, other sites, stolen sessions."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from config.pages import PAGES
from tenants.invite import make_token
from tenants.models import Invitation, Merchant
from tests.factories import Cast
from tests.people import NOON, PASSWORD, People
from tests.second_factor import current_code

NEVER: Final = NOON.replace(year=9999)
SOMEBODY: Final = UUID("01a1ff15-a12b-7448-9e71-5b0de98c2ff3")
# Pages whose addresses are patterns of allauth's own.
MORE: Final = ("/accounts/confirm-email/some-key/", "/accounts/password/reset/key/1-set-password/")


def pages(merchant: Merchant) -> list[str]:
    """Return an address of every page for people, of whatever app, with a merchant that is there and ids of nothing."""
    found = [path for path in walk(get_resolver(), "/", merchant) if path.startswith(PAGES)]
    assert len(found) > 60
    return [*found, *MORE]


def walk(resolver: URLResolver, above: str, merchant: Merchant) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        if not isinstance(pattern.pattern, RoutePattern):
            continue
        path = above + fill(pattern, merchant)
        if isinstance(pattern, URLResolver):
            yield from walk(pattern, path, merchant)
        else:
            yield path


def fill(pattern: URLPattern | URLResolver, merchant: Merchant) -> str:
    converters = pattern.pattern.converters

    def word(found: re.Match[str]) -> str:
        name = found[1]
        value: Any = {"merchant": merchant.id, "mode": "test"}.get(name, SOMEBODY)
        try:
            return str(converters[name].to_url(value))
        except (ValueError, TypeError, AttributeError):
            return "1"

    return re.sub(r"<(?:\w+:)?(\w+)>", word, str(pattern.pattern))


def test_every_form_from_elsewhere_is_refused(people: People, bakery: Cast) -> None:
    """A POST to any page without our token does nothing: not one page is an exception."""
    mina = people("mina", bakery.merchant)
    mina.handler.enforce_csrf_checks = True

    answers = {path: mina.post(path, {"name": "forged"}).status_code for path in pages(bakery.merchant)}

    assert {path: status for path, status in answers.items() if status not in (403, 405)} == {}
    assert sum(status == 403 for status in answers.values()) > len(answers) / 2


def test_no_page_can_be_framed_or_kept(people: People, bakery: Cast) -> None:
    """Every answer of every page, errors too, forbids frames, other sites' scripts, guessing types, and being kept."""
    mina = people("mina", bakery.merchant)
    weak = {}

    for path in pages(bakery.merchant):
        answer = mina.get(path)
        policy = answer.get("Content-Security-Policy", "")
        held = (
            answer.get("X-Frame-Options") == "DENY"
            and "frame-ancestors 'none'" in policy
            and "script-src 'self'" in policy
            and "unsafe" not in policy
            and answer.get("X-Content-Type-Options") == "nosniff"
            and "no-store" in answer.get("Cache-Control", "")
        )
        if not held or answer.status_code >= 500:
            weak[path] = (answer.status_code, dict(answer.headers))

    assert weak == {}


ELSEWHERE = (
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "http:evil.example",
    "javascript:alert(1)",
    "http://testserver/dashboard/",
    "https://127.0.0.1:8000@evil.example/",
    "\thttps://evil.example/",
)


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_no_door_leads_elsewhere(people: People, elsewhere: str) -> None:
    """Signing up, in and out, a second look at the password, and the language lead on to our own pages only."""
    mina, sora = people("mina"), people("sora")
    stranger = Client(headers={"host": "testserver"})

    answers = {
        "language": stranger.post("/language/", {"language": "en", "next": elsewhere}),
        "sign in": Client().post("/accounts/login/", {"login": mina.email, "password": PASSWORD, "next": elsewhere}),
        "signed in": mina.get("/accounts/login/", {"next": elsewhere}),
        "password": mina.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": elsewhere}),
        "sign out": sora.post("/accounts/logout/", {"next": elsewhere}),
        "sign up": stranger.post(
            "/accounts/signup/", {"email": "new@shop.example", "password1": PASSWORD, "next": elsewhere}
        ),
    }

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 302)
    assert {name: answer.url for name, answer in answers.items() if not is_ours(answer.url)} == {}


def is_ours(url: str) -> bool:
    """Say whether a browser that is sent there stays with us."""
    return re.match(r"/(?![/\\])", url) is not None


def test_an_invitation_leads_nowhere_else(people: People, bakery: Cast) -> None:
    """What an invitation's page leads on to is itself, whatever its address is made to say besides."""
    invitation = Invitation.objects.create(
        merchant=bakery.merchant,
        email="new@shop.example",
        role="viewer",
        created_at=NOON,
        expires_at=NEVER,
    )
    people("mina")

    text = Client().get(f"/dashboard/invited/{make_token(invitation)}/?next=https://evil.example/").content.decode()

    ways = re.findall(r'(?:href|action|name="next" value)="([^"]+)"', text)
    assert "/accounts/login/?next=/dashboard/invited/" in text
    assert [way for way in ways if not is_ours(way) and way != "#main"] == []


def test_signing_in_changes_the_session_and_the_token(people: People) -> None:
    """Neither a session nor a form's token that somebody planted before works after signing in."""
    mina, client = people("mina"), Client(enforce_csrf_checks=True)
    page = client.get("/accounts/login/")
    token = client.cookies["csrf"].value
    client.get("/language/")
    before = client.session.session_key

    form = {"login": mina.email, "password": PASSWORD, "csrfmiddlewaretoken": str(page.context["csrf_token"])}
    assert client.post("/accounts/login/", form).status_code == 302

    assert client.cookies["session"].value != before
    assert client.cookies["csrf"].value != token


def wrong_codes(client: Client, path: str, count: int = 5) -> Any:
    """Enter wrong codes; return the answer to one more."""
    for number in range(count):
        client.post(path, {"code": f"{number:06}"})
    return client.post(path, {"code": "999999"})


def test_wrong_codes_are_counted(people: People) -> None:
    """After five wrong codes not even the right one opens the door, in whatever browser, and one is told how long."""
    mina = people("mina")
    mina.post("/accounts/reauthenticate/", {"password": PASSWORD})
    secret = mina.get("/accounts/2fa/totp/activate/").context["form"].secret
    mina.post("/accounts/2fa/totp/activate/", {"code": current_code(secret)})
    cache.clear()
    first, second = Client(), Client()
    half = [client.post("/accounts/login/", {"login": mina.email, "password": PASSWORD}) for client in (first, second)]

    refused = wrong_codes(first, half[0].url).content.decode()
    elsewhere = second.post(half[1].url, {"code": current_code(secret)})

    assert "5분 뒤에 다시 시도해 주세요" in refused
    assert elsewhere.status_code == 200
    assert "5분 뒤에 다시 시도해 주세요" in elsewhere.content.decode()


def test_an_account_is_guessed_at_five_times(people: People) -> None:
    """Wrong passwords are counted for the account, from wherever they come, and one is told how long to wait."""
    mina = people("mina")

    answers = [
        Client(REMOTE_ADDR=f"192.0.2.{number}").post("/accounts/login/", {"login": mina.email, "password": "wrong"})
        for number in range(6)
    ]

    texts = [answer.content.decode() for answer in answers]
    assert [("5분 뒤에" in text) for text in texts] == [False] * 5 + [True]


def test_an_address_guesses_ten_times_a_minute(people: People) -> None:
    """Wrong passwords are counted for the address, whoever's account they are for, known or not."""
    people("mina")

    answers = [
        Client(REMOTE_ADDR="192.0.2.9").post("/accounts/login/", {"login": f"p{number}@x.example", "password": "wrong"})
        for number in range(11)
    ]

    assert [("5분 뒤에" in one.content.decode()) for one in answers] == [False] * 10 + [True]


def test_too_many_requests_are_told_how_long(people: People) -> None:
    """Where a limit ends at a page, it says to wait one minute, to people and to programs."""
    people("mina")

    for _ in range(21):
        answer = Client().post("/accounts/password/reset/", {"email": "x@nowhere.example"})

    assert answer.status_code == 429
    assert answer["Retry-After"] == "60"
    assert "1분 뒤에 다시 시도해 주세요" in answer.content.decode()
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]


def test_a_new_password_ends_every_session(people: People) -> None:
    """Whoever knew the old password, or holds a session that it opened, is out when it is changed."""
    mina, thief = people("mina"), Client()
    thief.post("/accounts/login/", {"login": mina.email, "password": PASSWORD})
    was_in = thief.get("/dashboard/new/").status_code
    new = "barley bread 9"

    mina.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})

    assert was_in == 200
    assert thief.get("/dashboard/new/").url.startswith("/accounts/login/")
    assert mina.get("/dashboard/new/").url.startswith("/accounts/login/")
    assert Client().post("/accounts/login/", {"login": mina.email, "password": new}).url == "/dashboard/"


COOKIES = """
import json, django; django.setup()
from django.conf import settings
names = ("SESSION_COOKIE", "CSRF_COOKIE")
flags = ("NAME", "SECURE", "HTTPONLY", "SAMESITE", "DOMAIN", "PATH")
print(json.dumps({name: {flag: getattr(settings, f"{name}_{flag}") for flag in flags} for name in names}))
"""


def test_cookies_of_production_stay_with_us() -> None:
    """Cookies go over https only, to this host only, to no script and with no other site's form."""
    secret = {"SECRET_KEY": "x" * 50, "SEALING_KEYS": "a:" + "A" * 43 + "=", "DATABASE_URL": "postgresql://u:p@h/d"}
    production = {"ENVIRONMENT": "production", "PUBLIC_URL": "https://pay.example.com"}
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}

    told = subprocess.run(
        [sys.executable, "-c", COOKIES],
        env=environment | secret | production | {"DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        check=True,
    )

    flags = {"SECURE": True, "HTTPONLY": True, "SAMESITE": "Lax", "DOMAIN": None, "PATH": "/"}
    assert json.loads(told.stdout) == {
        "SESSION_COOKIE": flags | {"NAME": "__Host-session"},
        "CSRF_COOKIE": flags | {"NAME": "__Host-csrf"},
    }


def test_the_session_cookie_is_for_us_alone(people: People) -> None:
    """What a browser is given at sign-in is hidden from scripts, bound to this host and path, and ends."""
    mina, client = people("mina"), Client()
    client.post("/accounts/login/", {"login": mina.email, "password": PASSWORD})

    cookie = client.cookies["session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["domain"], cookie["path"]) == (True, "Lax", "", "/")
    assert 0 < int(cookie["max-age"]) <= 14 * 24 * 3600


@pytest.mark.parametrize("host", ["pay.example", "PAY.example", "pay.example.", "pay.example:443"])
def test_the_customers_host_shows_no_page_however_it_is_spelt(settings: Any, database: Any, host: str) -> None:
    """A last dot, a usual port or capitals make no other host of the customer's page's."""
    settings.PUBLIC_URL, settings.RESULT_URL = "https://we.example", "https://pay.example"

    answer = Client(headers={"host": host}).get("/accounts/login/")

    assert answer.status_code == 404
    assert not answer.cookies


def test_limits_survive_many_visitors(people: People) -> None:
    """An account that may not be tried any more stays closed, however many counters others make."""
    mina = people("mina")
    for number in range(6):
        Client(REMOTE_ADDR=f"10.0.0.{number}").post("/accounts/login/", {"login": mina.email, "password": "wrong"})

    for number in range(1_000):
        cache.set(f"allauth:rl:of-somebody-{number}", [1.0], 300)
    answer = Client(REMOTE_ADDR="10.0.1.1").post("/accounts/login/", {"login": mina.email, "password": PASSWORD})

    assert answer.status_code == 200
    assert "_auth_user_id" not in answer.wsgi_request.session
