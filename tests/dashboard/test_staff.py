"""Who runs the installation: made by a command, let in by a second factor, shown public rows, given no key."""

import re
import time
from io import StringIO
from typing import Any

import pytest
from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db.models import BinaryField
from django.test import Client
from django.urls import reverse

from tenants.models import ApiKey, AuditEntry, Credential, Merchant, MerchantKey, RouteKey, User
from tenants.onboarding import issue_keys
from tenants.staff_pages import site
from tests.factories import Cast
from tests.people import NOON, PASSWORD, People, Person
from tests.second_factor import current_code

TABLES = [(model._meta.app_label, model._meta.model_name) for model in site._registry]


def make_staff(person: Person) -> str:
    """Make a person staff with a second factor; return its secret."""
    User.objects.filter(id=person.user.id).update(is_superuser=True)
    secret = str(generate_totp_secret())
    TOTP.activate(person.user, secret)
    return secret


def enters(person: Person) -> Client:
    """Make a person staff, and sign them in by password and code in a browser of their own."""
    secret, client = make_staff(person), Client()
    half = client.post("/accounts/login/?next=/staff/", {"login": person.email, "password": PASSWORD})
    assert client.post(half.url, {"code": current_code(secret), "next": "/staff/"}).url == "/staff/"
    cache.clear()  # the same code within its half minute counts as used
    return client


@pytest.mark.parametrize("path", ["", "login/", "tenants/merchant/", "tenants/user/", "nothing/"])
def test_others_find_no_staff_pages(people: People, path: str) -> None:
    """To a person who is no staff there is nothing; a stranger is led to the sign-in."""
    mina = people("mina")

    assert mina.get(f"/staff/{path}", follow=True).status_code == 404
    assert Client().get(f"/staff/{path}", follow=True).redirect_chain[-1][0].startswith("/accounts/login/?next=/staff/")


def test_staff_is_led_to_a_second_factor(people: People) -> None:
    """Staff without a second factor come no further than to where it is turned on, and are told why."""
    mina = people("mina")
    User.objects.filter(id=mina.user.id).update(is_superuser=True)

    led = mina.get("/staff/tenants/user/", follow=True)

    assert "/accounts/2fa/totp/activate/" in [url for url, _ in led.redirect_chain]
    assert "직원 화면에는 2단계 인증이 필요합니다" in led.content.decode()


def test_a_password_alone_opens_nothing(people: People) -> None:
    """Staff who signed in without a code enter one first, and then come to where they were going."""
    mina = people("mina")
    secret = make_staff(mina)

    asked = mina.get("/staff/tenants/user/", follow=True).redirect_chain[-1][0]
    entered = mina.post(asked, {"code": current_code(secret), "next": "/staff/tenants/user/"})

    assert asked == "/accounts/2fa/reauthenticate/?next=%2Fstaff%2Ftenants%2Fuser%2F"
    assert entered.url == "/staff/tenants/user/"
    assert mina.get("/staff/tenants/user/").status_code == 200


def test_a_code_lasts_an_hour(people: People) -> None:
    """An hour after the code was entered it is asked for again."""
    client = enters(people("mina"))
    fresh = client.get("/staff/").status_code
    session = client.session
    records = session[AUTHENTICATION_METHODS_SESSION_KEY]
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [one | {"at": time.time() - 3601} for one in records]
    session.save()

    assert fresh == 200
    assert client.get("/staff/", follow=True).redirect_chain[-1][0].startswith("/accounts/2fa/reauthenticate/")


def test_who_is_staff_no_more_is_out_at_once(people: People) -> None:
    """The next page of somebody who was made a person like any other is a 404."""
    mina = people("mina")
    client = enters(mina)

    call_command("staff", mina.email, "--remove", stdout=StringIO())

    assert client.get("/staff/", follow=True).status_code == 404


def test_staff_pages_lead_nowhere_else(people: People) -> None:
    """Where the sign-in of staff leads on to is below their own path."""
    client = enters(people("mina"))

    assert client.get("/staff/login/?next=https://evil.example/").url == "/staff/"
    assert client.get("/staff/login/?next=//evil.example/staff/").url == "/staff/"


def test_only_public_tables_are_there(database: Any) -> None:
    """Staff see what all merchants share, and no table of a merchant's schema."""
    assert {app for app, _ in TABLES} == {"tenants"}


def test_no_column_of_a_key_is_on_a_page() -> None:
    """Sealed keys, digests and passwords are in no list and in no row of any table."""
    for model, pages in site._registry.items():
        secret = {one.name for one in model._meta.get_fields() if isinstance(one, BinaryField)} | {"password", "key"}
        assert pages.fields, model
        assert not secret & {*pages.fields, *pages.list_display}, model


def test_nothing_secret_is_shown(people: People, bakery: Cast) -> None:
    """Every page of every table, with rows in it: no password's hash, no whole route key, no key's text or digest."""
    client = enters(people("mina", bakery.merchant))
    keys = issue_keys(bakery.merchant, "test", actor="tests", at=NOON)
    secrets = [keys.api_key, keys.return_key, keys.order_key, "pbkdf2_", "argon2"]
    secrets += RouteKey.objects.values_list("key", flat=True)
    secrets += [bytes(digest).hex() for digest in ApiKey.objects.values_list("digest", flat=True)]
    secrets += [str(bytes(one)) for one in MerchantKey.objects.values_list("sealed", flat=True)]
    secrets += [str(bytes(one)) for one in Credential.objects.values_list("imp_secret", flat=True)]

    text = "".join(page for model in site._registry for page in pages_of(client, model))

    assert bakery.merchant.name in text
    assert [secret for secret in secrets if secret in text] == []


def pages_of(client: Client, model: Any) -> list[str]:
    """Return a table's list, its history and its first row as they are shown."""
    name = f"admin:tenants_{model._meta.model_name}"
    paths = [reverse(f"{name}_changelist")]
    if row := model.objects.first():
        paths += [reverse(f"{name}_change", args=[row.pk]), reverse(f"{name}_history", args=[row.pk])]
    answers = [client.get(path) for path in paths]
    assert {answer.status_code for answer in answers} == {200}
    return [answer.content.decode() for answer in answers]


@pytest.mark.parametrize("table", [name for _, name in TABLES])
def test_nothing_is_changed_by_hand(people: People, bakery: Cast, table: str) -> None:
    """Rows are neither added, changed nor deleted here: that would go past what keeps them right."""
    client = enters(people("mina", bakery.merchant))
    row = next(model for model in site._registry if model._meta.model_name == table).objects.first()

    assert client.post(reverse(f"admin:tenants_{table}_add")).status_code == 403
    for deed in ("change", "delete") if row else ():
        path = reverse(f"admin:tenants_{table}_{deed}", args=[row.pk])
        assert client.post(path, {"post": "yes", "name": "forged", "email": "x@evil.example"}).status_code == 403


def test_staff_pages_obey_our_policy(people: People, bakery: Cast) -> None:
    """Nothing on them is inline, and no other site may frame them; Django's own admin needs no exception."""
    client = enters(people("mina", bakery.merchant))

    shown = [page for model in site._registry for page in pages_of(client, model)]
    for page in (*shown, *(client.get(path).content.decode() for path in ("/staff/", "/staff/tenants/"))):
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*(src=|application/json))", page)
    policy = client.get("/staff/")["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "script-src 'self'" in policy


def act(client: Client, table: str, action: str, row: Any) -> Any:
    """Choose a row of a list and do something to it."""
    path = reverse(f"admin:tenants_{table}_changelist")
    return client.post(path, {"action": action, "_selected_action": [str(row.pk)]}, follow=True)


def test_a_locked_person_is_out_at_once(people: People, bakery: Cast) -> None:
    """Locking ends a person's sessions and keeps them out until unlocked; their merchants read who did it."""
    sora, mina = people("sora", bakery.merchant), people("mina")
    staff = enters(mina)

    act(staff, "user", "lock", sora.user)
    act(staff, "user", "lock", mina.user)  # nobody locks themselves out
    locked = sora.get("/dashboard/").url
    refused = Client().post("/accounts/login/", {"login": sora.email, "password": PASSWORD})
    act(staff, "user", "unlock", sora.user)
    cache.clear()
    again = Client().post("/accounts/login/", {"login": sora.email, "password": PASSWORD})

    entries = AuditEntry.objects.filter(merchant=bakery.merchant, subject=sora.email).order_by("at")
    assert locked.startswith("/accounts/login/")
    assert refused.url == "/accounts/inactive/"
    assert again.url == "/dashboard/"
    assert User.objects.get(id=mina.user.id).is_active
    assert [(one.actor, one.action) for one in entries] == [
        (mina.email, "member.locked"),
        (mina.email, "member.unlocked"),
    ]


def test_a_failed_schema_is_made_again(people: People, do_jobs: Any) -> None:
    """Staff have a worker try once more to make what failed; what did not fail is left alone."""
    mina = people("mina")
    mina.post("/dashboard/new/", {"name": "cheesemonger", "language": ""})
    made = Merchant.objects.get(name="cheesemonger")
    Merchant.objects.filter(id=made.id).update(state=Merchant.State.FAILED, fault="ran out of disk")

    act(enters(mina), "merchant", "make_again", made)
    do_jobs()

    assert Merchant.objects.get(id=made.id).state == Merchant.State.READY


def test_the_command_makes_staff(people: People) -> None:
    """`manage.py staff` makes a person staff, a new one too, and says where to go; what is no address is told."""
    people("mina")
    out = StringIO()

    call_command("staff", "Chief@Desk.example", stdout=out)

    chief = User.objects.get(email="chief@desk.example")
    assert chief.is_staff
    assert not chief.has_usable_password()
    assert "/staff/" in out.getvalue()
    assert "/accounts/password/reset/" in out.getvalue()
    with pytest.raises(CommandError, match="no e-mail address"):
        call_command("staff", "chief")
    with pytest.raises(CommandError, match="no staff person"):
        call_command("staff", "nobody@desk.example", "--remove")


def test_djangos_own_command_makes_staff(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """`manage.py createsuperuser` works as everywhere."""
    people("mina")
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)

    call_command("createsuperuser", "--noinput", "--email", "root@desk.example", stdout=StringIO())

    made = User.objects.get(email="root@desk.example")
    assert made.is_staff
    assert made.check_password(PASSWORD)
