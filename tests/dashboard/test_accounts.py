"""One's own account: signing up, in and out, letters about it, the second factor, and who tries to get in."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection
from django.test import Client

from tenants.accounts import forget_sessions
from tenants.encryption import key_id_of
from tenants.factors import open_seed, reseal_factors
from tenants.models import User
from tests.people import PASSWORD, People
from tests.postbox import Postbox
from tests.second_factor import current_code

Do = Callable[[], None]


def payloads() -> list[dict[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT payload FROM public.pgqueuer ORDER BY id")
        return [json.loads(bytes(payload)) for (payload,) in cursor.fetchall()]


def link_in(letter: Any) -> str:
    """The path of the link in a letter, without the site it leads to."""
    found = re.search(r"^https?://[^/]+(/\S+?)\s*$", letter.get_content(), re.M)
    assert found
    return found[1]


def sign_up(client: Client, email: str) -> Any:
    return client.post("/accounts/signup/", {"email": email, "password1": PASSWORD})


def sign_in(client: Client, email: str, password: str = PASSWORD, **more: str) -> Any:
    return client.post("/accounts/login/", {"login": email, "password": password} | more)


def test_a_stranger_signs_up_by_a_letter(people: People, postbox: Postbox, do_jobs: Do) -> None:
    """Who signs up gets a letter in Korean and English, confirms the address by a form and can sign in."""
    client = Client()
    sign_up(client, "Sora@New.example")
    do_jobs()
    [letter] = postbox.letters
    text = letter.get_content()
    before = sign_in(client, "sora@new.example")

    path = link_in(letter)
    assert client.get(path).status_code == 200
    assert not EmailAddress.objects.get(email="sora@new.example").verified
    client.post(path)
    after = sign_in(Client(), "sora@new.example")

    assert letter["To"] == "sora@new.example"
    assert "확인을 눌러 주세요" in text
    assert "press Confirm" in text
    assert before.url == "/accounts/confirm-email/"
    assert after.url == "/dashboard/"


def test_no_key_and_no_address_lies_in_the_queue(people: People) -> None:
    """What is owed to an address names it by ids, or carries it sealed when no row holds it."""
    mina = people("mina")
    client = Client()

    sign_up(client, "sora@new.example")
    client.post("/accounts/password/reset/", {"email": mina.email})
    client.post("/accounts/password/reset/", {"email": "nobody@nowhere.example"})

    owed = payloads()
    assert [one["letter"] for one in owed] == ["confirm_address", "reset_password", "unknown_address"]
    assert "@" not in json.dumps(owed)
    assert [set(one) - {"id", "letter", "language"} for one in owed] == [
        {"user", "address"},
        {"user", "address"},
        {"to"},
    ]


def test_letters_lead_to_our_own_site_whatever_host_was_asked(
    people: People,
    postbox: Postbox,
    do_jobs: Do,
    settings: Any,
) -> None:
    """A Host header never reaches a letter."""
    mina = people("mina")

    Client().post("/accounts/password/reset/", {"email": mina.email}, headers={"host": "evil.example"})
    do_jobs()

    text = postbox.letters[0].get_content()
    assert "evil.example" not in text
    assert f"{settings.PUBLIC_URL}/accounts/password/reset/key/" in text


def test_a_password_is_reset_once(people: People, postbox: Postbox, do_jobs: Do) -> None:
    """The link in the letter sets a new password, tells of it, and does not work again."""
    mina, client = people("mina"), Client()
    client.post("/accounts/password/reset/", {"email": mina.email})
    do_jobs()
    path = link_in(postbox.letters[0])

    form = client.get(path).url
    client.post(form, {"password1": "barley bread 9", "password2": "barley bread 9"})
    do_jobs()

    assert sign_in(Client(), mina.email, "barley bread 9").url == "/dashboard/"
    assert "링크를 이미 썼거나" in Client().get(path).content.decode()
    assert "비밀번호가 바뀌었습니다" in postbox.letters[1]["Subject"]


def test_the_owner_of_a_merchant_made_by_hand_gets_in(people: People, postbox: Postbox, do_jobs: Do) -> None:
    """`manage.py create_merchant --owner-email` makes a user without a password, who gets in by a reset."""
    people("mina")
    User.objects.create_user("made@by-hand.example", created_at="2026-11-21T00:00:00Z")
    client = Client()

    client.post("/accounts/password/reset/", {"email": "made@by-hand.example"})
    do_jobs()
    form = client.get(link_in(postbox.letters[0])).url
    client.post(form, {"password1": PASSWORD, "password2": PASSWORD})
    first = sign_in(client, "made@by-hand.example")
    do_jobs()
    if first.url != "/dashboard/":  # the address is confirmed by a letter of its own
        client.post(link_in(postbox.letters[-1]))
        first = sign_in(Client(), "made@by-hand.example")

    assert first.url == "/dashboard/"


def test_a_new_address_takes_the_old_ones_place(people: People, postbox: Postbox, do_jobs: Do) -> None:
    """The change needs the password and a click in the new mailbox; the old mailbox is told."""
    mina = people("mina")
    asked = mina.post("/accounts/email/", {"email": "mina@new.example", "action_add": ""})
    mina.post(asked.url, {"password": PASSWORD})
    do_jobs()

    mina.post(link_in(postbox.letters[0]))
    do_jobs()

    assert "/accounts/reauthenticate/" in asked.url
    mina.user.refresh_from_db()
    assert mina.user.email == "mina@new.example"
    assert [letter["To"] for letter in postbox.letters] == ["mina@new.example", "mina@people.example"]
    assert "로그인 주소가 바뀌었습니다" in postbox.letters[1]["Subject"]


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"])
def test_entrance_pages_are_one_family(people: People, path: str) -> None:
    """Each page of the entrance has our frame and obeys our policy: nothing inline, no other page may frame it."""
    response = Client().get(path)

    text = response.content.decode()
    assert response.status_code == 200
    assert "app.css" in text
    assert " style=" not in text
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
    assert "no-store" in response["Cache-Control"]


ACCOUNT_PAGES = (
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/2fa/",
    "/accounts/sessions/",
    "/accounts/logout/",
)


@pytest.mark.parametrize("path", ACCOUNT_PAGES)
def test_account_pages_are_one_family(people: People, path: str) -> None:
    """So has each page of one's own account, which leads to the others."""
    response = people("mina").get(path)

    text = response.content.decode()
    assert response.status_code == 200
    assert all(f'href="{other}"' in text for other in ACCOUNT_PAGES[:-1])  # signing out is in the person's menu
    assert " style=" not in text


@pytest.mark.parametrize(
    ("path", "field"),
    [("/accounts/signup/", "email"), ("/accounts/password/reset/", "email"), ("/accounts/login/", "login")],
)
def test_known_and_unknown_addresses_get_one_answer(people: People, path: str, field: str) -> None:
    """Neither sign-up, reset nor a wrong password tells whether an address has an account."""
    mina = people("mina")

    def answer(email: str) -> tuple[int, str | None, str]:
        client = Client()
        response = client.post(path, {field: email, "password": "wrong", "password1": PASSWORD})
        text = re.sub(r'value="[^"]{64}"|x-csrftoken": "[^"]*"', "", response.content.decode())
        after = client.get(response["Location"]).content.decode() if response.status_code == 302 else ""
        after = re.sub(r'value="[^"]{64}"|x-csrftoken": "[^"]*"', "", after)
        return response.status_code, response.get("Location"), (text + after).replace(email, "")

    assert answer(mina.email) == answer("nobody@nowhere.example")


def test_a_session_that_was_given_is_not_the_one_that_is_used(people: People) -> None:
    """Signing in makes a new session, so that nobody can hand out one and wait (session fixation)."""
    mina, client = people("mina"), Client()
    client.get("/accounts/login/")
    session = client.session
    session["planted"] = "yes"
    session.save()
    client.cookies["session"] = planted = session.session_key

    sign_in(client, mina.email)

    assert client.cookies["session"].value != planted
    assert Client(headers={"cookie": f"session={planted}"}).get("/dashboard/").url.startswith("/accounts/login/")


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/logout/", "/dashboard/new/"])
def test_a_form_from_elsewhere_does_nothing(people: People, path: str) -> None:
    """A POST without our token is refused."""
    mina = people("mina")
    mina.handler.enforce_csrf_checks = True

    response = mina.post(path, {"name": "forged"})

    assert response.status_code == 403
    mina.handler.enforce_csrf_checks = False
    assert mina.get("/dashboard/new/").status_code == 200


@pytest.mark.parametrize(
    "next_",
    ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "http://testserver/x"],
)
def test_signing_in_leads_nowhere_else(people: People, next_: str) -> None:
    """`next` leads to our own pages only (open redirect); the Host header counts for nothing."""
    mina = people("mina")

    assert sign_in(Client(), mina.email, next=next_).url == "/dashboard/"
    assert sign_in(Client(), mina.email, next="/dashboard/new/").url == "/dashboard/new/"


IN_ANOTHER_PROCESS = """
import django; django.setup()
from django.test import Client
import sys
answer = Client().post("/accounts/login/", {"login": sys.argv[1], "password": sys.argv[2]})
print(answer.status_code)
"""


def test_wrong_passwords_are_counted_over_all_processes(people: People) -> None:
    """After five wrong passwords the right one does not help either, in whatever process it is tried."""
    mina = people("mina")
    for _ in range(5):
        sign_in(Client(), mina.email, "wrong")

    here = sign_in(Client(), mina.email)
    there = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS, mina.email, PASSWORD],
        env=os.environ | {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    cache.clear()

    assert here.status_code == 200
    assert there.stdout.strip() == "200"
    assert sign_in(Client(), mina.email).status_code == 302


def database_url() -> str:
    """The address of this test's own database, for another process."""
    at = connection.settings_dict
    host = at["HOST"].replace("/", "%2F")
    return f"postgresql://{at['USER']}:{at['PASSWORD'] or ''}@{host}:{at['PORT'] or 5432}/{at['NAME']}"


def test_seeds_of_second_factors_are_sealed(people: People) -> None:
    """What the database holds of a TOTP seed or of recovery codes is sealed, and a new key of the ring takes over."""
    mina = people("mina")
    secret = generate_totp_secret()

    TOTP.activate(mina.user, secret)
    mina.post("/accounts/reauthenticate/", {"password": PASSWORD})
    mina.post("/accounts/2fa/recovery-codes/generate/")

    stored = {one.type: one.data for one in Authenticator.objects.filter(user=mina.user)}
    assert secret not in json.dumps(stored)
    assert open_seed(stored["totp"]["secret"]) == secret
    assert len(open_seed(stored["recovery_codes"]["seed"])) == 80


def test_a_new_sealing_key_takes_over_second_factors(people: People, settings: Any) -> None:
    """manage.py reseal seals them anew, so that the old key may leave the ring."""
    mina, secret = people("mina"), generate_totp_secret()
    TOTP.activate(mina.user, secret)
    old = settings.SEALING_KEYS
    settings.SEALING_KEYS = "new:" + base64.b64encode(b"n" * 32).decode() + "," + old

    assert reseal_factors() == (1, 0)
    assert reseal_factors() == (0, 0)
    sealed = Authenticator.objects.get(user=mina.user).data["secret"]
    settings.SEALING_KEYS = settings.SEALING_KEYS.split(",")[0]
    assert key_id_of(base64.b64decode(sealed)) == "new"
    assert open_seed(sealed) == secret


def test_a_second_factor_is_asked_for(people: People, postbox: Postbox, do_jobs: Do) -> None:
    """Once it is on, a password alone opens nothing; its code does; and a letter told of it."""
    mina = people("mina")
    mina.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = mina.get("/accounts/2fa/totp/activate/")
    secret = page.context["form"].secret
    mina.post("/accounts/2fa/totp/activate/", {"code": current_code(secret)})
    do_jobs()
    client = Client()

    half = sign_in(client, mina.email)
    shut = client.get("/dashboard/new/")
    wrong = client.post(half.url, {"code": "000000"})
    cache.clear()  # the same code within its half minute counts as used

    assert half.url.startswith("/accounts/2fa/authenticate/")
    assert shut.url.startswith("/accounts/login/")
    assert wrong.status_code == 200
    assert client.post(half.url, {"code": current_code(secret)}).url == "/dashboard/"
    assert "2단계 인증을 켰습니다" in postbox.letters[0]["Subject"]


def test_other_devices_are_signed_out(people: People) -> None:
    """The list shows where one is signed in, and ends the others."""
    mina, phone = people("mina"), Client()
    sign_in(phone, mina.email)
    sign_in(desk := Client(), mina.email)
    phone.get("/dashboard/new/")

    shown = desk.get("/accounts/sessions/").content.decode()
    desk.post("/accounts/sessions/")

    assert "127.0.0.1" in shown
    assert desk.get("/dashboard/new/").status_code == 200
    assert phone.get("/dashboard/new/").url.startswith("/accounts/login/")


def test_every_text_is_korean_and_english(people: People) -> None:
    """The entrance speaks Korean by default and English when asked."""
    korean = Client().get("/accounts/login/").content.decode()
    english = Client(headers={"accept-language": "en"}).get("/accounts/login/").content.decode()

    assert "로그인" in korean
    assert "Sign In" in english


def test_signing_up_costs_the_same_for_known_and_unknown(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password is hashed once either way: the time of the answer does not tell who has an account."""
    mina, hashed = people("mina"), list[int]()
    hash_ = PBKDF2PasswordHasher.encode

    def encode(*given: Any, **named: Any) -> str:
        hashed.append(1)
        return hash_(*given, **named)

    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", encode)
    counts = []
    for email in (mina.email, "nobody@nowhere.example"):
        hashed.clear()
        sign_up(Client(), email)
        counts.append(len(hashed))

    assert counts == [1, 1]


def test_what_ended_is_forgotten(people: People) -> None:
    """Sessions, their devices and counts of attempts that have ended are removed, and none that are alive."""
    here, gone = people("mina"), people("jun")
    assert here.get("/dashboard/").status_code in (200, 302)
    gone.get("/dashboard/")
    cache.set("a-count", 1, 300)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE django_session SET expire_date = now() WHERE session_key = %s", [gone.session.session_key]
        )
        cursor.execute("INSERT INTO tenants_cache VALUES ('old', '', now() - interval '1 minute')")

    forget_sessions()

    assert list(Session.objects.values_list("session_key", flat=True)) == [here.session.session_key]
    assert cache.get("a-count") == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM tenants_cache WHERE cache_key = 'old'")
        assert cursor.fetchone() == (0,)
