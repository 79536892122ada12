"""Every page of one's own account and of joining a shop, in each state, in a real browser: fit for everyone."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allauth.account import app_settings
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.urls import reverse
from playwright.sync_api import Page as Tab

from tenants.audit import WORDS
from tenants.invite import make_token
from tenants.models import AuditEntry, Invitation, Membership, Merchant, User
from tests.browser.dashboard.conftest import Visitor
from tests.browser.dashboard.test_pages import LOOKS, SOME
from tests.people import PASSWORD
from tests.second_factor import current_code
from tests.tenants.conftest import newcomers_leave

Visits = Callable[..., Visitor]
Make = Callable[..., User]
Judge = Callable[[Visitor, str, str], None]
AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def person(database: Any) -> Iterator[Make]:
    """Make people who can sign in with the password; they and what they left behind go with the story."""

    def make(name: str, *, factor: bool = False, staff: bool = False) -> User:
        made: User = User.objects.create_user(
            f"{name}@shop.example", PASSWORD, created_at=datetime.now(UTC), is_superuser=staff
        )
        EmailAddress.objects.create(user=made, email=made.email, verified=True, primary=True)
        if factor:
            TOTP.activate(made, generate_totp_secret())
        return made

    cache.clear()
    with newcomers_leave():
        yield make
    Invitation.objects.all().delete()
    Session.objects.all().delete()
    cache.clear()


@pytest.fixture
def faults() -> Iterator[dict[str, list[str]]]:
    """Gather what is found on each page; at the end there must be nothing."""
    found: dict[str, list[str]] = {}
    yield found
    assert found
    assert {name: faults for name, faults in found.items() if faults} == {}


@pytest.fixture
def judge(faults: dict[str, list[str]]) -> Judge:
    """Open a page, or stay on the one that is open, and judge what is shown."""

    def look(visitor: Visitor, name: str, path: str = "") -> None:
        if path:
            visitor.opens(path)
        faults[name] = visitor.finds_faults()
        visitor.takes_picture(name)

    return look


def signs_in(visitor: Visitor, user: User) -> Tab:
    """Fill in the sign-in as a person does."""
    tab = visitor.opens("/accounts/login/")
    tab.get_by_label("이메일").or_(tab.get_by_label("Email")).first.fill(user.email)
    tab.locator("input[type=password]").fill(PASSWORD)
    tab.locator("main button[type=submit]").click()
    return tab


def invitation_of(merchant: Merchant, email: str) -> str:
    now = datetime.now(UTC)
    made = Invitation.objects.create(
        merchant=merchant, email=email, role="viewer", created_at=now, expires_at=now + timedelta(days=7)
    )
    return reverse("invited", args=[make_token(made)])


each_look = pytest.mark.parametrize(("size", "language", "theme"), LOOKS if "SCREENS" in os.environ else SOME)


@each_look
def test_the_way_in_is_fit_for_everyone(
    database: dict[str, Merchant], person: Make, visits: Visits, judge: Judge, size: str, language: str, theme: str
) -> None:
    """Signing up, in and out, letters' links and lost passwords: no fault, no sideways scrolling, nothing forbidden."""
    mina, sora = person("mina"), person("sora", factor=True)
    row = EmailAddress.objects.create(user=mina, email="mina@new.example", verified=False)
    stranger = visits(size=size, language=language, theme=theme)
    tab = stranger.tab

    for name in ("account_login", "account_signup", "account_reset_password", "account_reset_password_done"):
        judge(stranger, name, reverse(name))
    judge(stranger, "verification_sent", reverse("account_email_verification_sent"))
    judge(stranger, "confirm_email", reverse("account_confirm_email", args=[EmailConfirmationHMAC.create(row).key]))
    judge(stranger, "confirm_email_ended", reverse("account_confirm_email", args=["spent"]))
    token = app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(mina)
    judge(stranger, "reset_spent", reverse("account_reset_password_from_key", args=[user_pk_to_url_str(mina), "no"]))
    judge(stranger, "reset_form", reverse("account_reset_password_from_key", args=[user_pk_to_url_str(mina), token]))
    judge(stranger, "reset_ended", reverse("account_reset_password_from_key_done"))
    judge(stranger, "account_inactive", reverse("account_inactive"))
    judge(stranger, "invited_stranger", invitation_of(database["bakery"], "new@shop.example"))
    judge(stranger, "invited_ended", "/dashboard/invited/spent/")

    stranger.opens(reverse("account_signup"))
    tab.locator("input[type=email]").fill("new@shop.example")
    tab.locator("input[type=password]").fill("12345678")
    tab.locator("main button[type=submit]").click()
    judge(stranger, "account_signup_refused")
    signs_in(stranger, sora)
    judge(stranger, "mfa_authenticate")
    tab.locator("main input[name=code]").fill("000000")
    tab.locator("main button[type=submit]").first.click()
    judge(stranger, "mfa_authenticate_refused")


@each_look
def test_ones_own_account_is_fit_for_everyone(
    bakery: Any, person: Make, visits: Visits, judge: Judge, size: str, language: str, theme: str
) -> None:
    """The same holds for one's own account: with and without a second factor, and before each page that asks again."""
    mina, sora = person("mina"), person("sora", factor=True)
    looks = {"size": size, "language": language, "theme": theme}
    plain, careful = visits(mina, **looks), visits(sora, **looks)

    for name in ("account_email", "account_change_password", "mfa_index", "usersessions_list", "account_logout"):
        judge(plain, name, reverse(name))
    judge(plain, "reauthenticate", reverse("mfa_activate_totp"))
    plain.client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    judge(plain, "totp_activate", reverse("mfa_activate_totp"))
    plain.tab.locator("main input[name=code]").fill("000000")
    plain.tab.locator("main button[type=submit]").first.click()
    judge(plain, "totp_activate_refused")
    plain.client.post(reverse("account_email"), {"email": "mina@new.example", "action_add": ""})
    judge(plain, "account_email_waiting", reverse("account_email"))

    judge(careful, "mfa_index_on", reverse("mfa_index"))
    judge(careful, "mfa_reauthenticate", reverse("mfa_reauthenticate"))
    careful.client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    judge(careful, "totp_deactivate", reverse("mfa_deactivate_totp"))
    judge(careful, "recovery_codes_none", reverse("mfa_index"))
    judge(careful, "recovery_codes_generate", reverse("mfa_generate_recovery_codes"))
    careful.client.post(reverse("mfa_generate_recovery_codes"))
    judge(careful, "recovery_codes", reverse("mfa_view_recovery_codes"))
    judge(careful, "mfa_index_whole", reverse("mfa_index"))


@each_look
def test_making_and_sharing_a_shop_is_fit_for_everyone(
    bakery: Any, person: Make, visits: Visits, judge: Judge, size: str, language: str, theme: str
) -> None:
    """So do making a shop, watching it grow or fail, invitations, members, the trail, and parting with a shop."""
    mina, sora = person("mina"), person("sora")
    looks = {"size": size, "language": language, "theme": theme}
    visitor, owner = visits(mina, **looks), visits(sora, **looks)

    judge(visitor, "invited", invitation := invitation_of(bakery.merchant, mina.email))
    judge(owner, "invited_other", invitation)
    judge(visitor, "new_merchant", reverse("new_merchant"))
    visitor.tab.evaluate("document.querySelector('main form').noValidate = true")
    visitor.tab.locator("main form button[type=submit]").last.click()
    judge(visitor, "new_merchant_refused")
    owner.client.post(reverse("new_merchant"), {"name": "온누리 꽃집", "language": ""})
    made = Merchant.objects.get(name="온누리 꽃집")
    judge(owner, "merchant_pending", reverse("merchant_progress", args=[made.id]))
    Merchant.objects.filter(id=made.id).update(state=Merchant.State.FAILED, fault="disk full")
    judge(owner, "merchant_failed", reverse("merchant_progress", args=[made.id]))

    mine = Membership.objects.create(merchant=bakery.merchant, user=sora, role="owner", created_at=AT)
    heir = Membership.objects.create(merchant=bakery.merchant, user=mina, role="viewer", created_at=AT)
    place = {"merchant": bakery.merchant.id, "mode": bakery.mode}
    AuditEntry.objects.bulk_create(every_entry(bakery.merchant, sora.email))
    judge(owner, "members", reverse("members", kwargs=place))
    judge(visitor, "members_of_a_viewer", reverse("members", kwargs=place))
    judge(owner, "audit", reverse("audit", kwargs=place))
    judge(owner, "member_leave", reverse("member_leave", kwargs=place))
    owner.client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    judge(owner, "member_ownership", reverse("member_ownership", kwargs=place | {"member": heir.id}))
    assert mine.id


def test_staff_pages_keep_the_policy(bakery: Any, person: Make, visits: Visits) -> None:
    """Django's admin works under our policy: a browser finds nothing to forbid on lists, rows and the way in."""
    chief = person("chief", staff=True)
    secret = str(generate_totp_secret())
    TOTP.activate(chief, secret)
    visitor = visits(language="ko")

    tab = visitor.opens("/staff/")
    assert "/accounts/login/" in tab.url
    signs_in(visitor, chief)
    tab.locator("main input[name=code]").fill(current_code(secret))
    tab.locator("main button[type=submit]").first.click()
    tab.wait_for_url("**/dashboard/**")
    for path in ("", "tenants/merchant/", "tenants/user/", f"tenants/merchant/{bakery.merchant.id}/change/"):
        visitor.opens(f"/staff/{path}")
        visitor.takes_picture(f"staff_{path.strip('/').replace('/', '_')[:16]}")
        assert tab.url.endswith(f"/staff/{path}")
        assert tab.evaluate("getComputedStyle(document.querySelector('#header')).backgroundColor") != "rgba(0, 0, 0, 0)"


def every_entry(merchant: Merchant, actor: str) -> list[AuditEntry]:
    """One entry of each action that has words, with a detail."""
    return [
        AuditEntry(
            merchant=merchant,
            at=AT + timedelta(minutes=number),
            actor=actor,
            action=action,
            subject="end_01M7ZGZC2YEF49WN2BK8ZNR6DP" if action.startswith("endpoint") else "new@shop.example",
            detail={"policy": ["open", "strict"]} if action == "mode.changed" else {"mode": "live", "role": "viewer"},
        )
        for number, action in enumerate(WORDS)
    ]
