"""Onboarding: from PortOne's keys to the first test payment that is told, and on to live mode."""

import html
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from standardwebhooks import Webhook

from deploy.demo.mischief import Fault
from deploy.demo.shop import Shop
from deploy.demo.shop import running as running_shop
from deploy.demo.simulator import Simulator
from results.core.ids import decode, encode
from results.models import Endpoint, EndpointSecret, Event, Setup
from results.script import INTEGRITY
from results.views.dashboard import start
from tenants.models import AuditEntry, Credential, Membership, Merchant, User
from tenants.routing import inside
from tests.conftest import Work
from tests.factories import Cast

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
KEYS = {"user_code": "imp12345678", "imp_key": "bakery-key", "imp_secret": "bakery-words", "tier": ""}
PAGES = ("start", "start_payment", "start_heard", "debug_signature")
DEEDS = ("start_keys", "start_check_keys", "start_urls", "start_callback", "start_order")


class Visitor:
    """A signed-in person at the pages of one merchant's mode."""

    def __init__(self, merchant: Merchant, mode: str, role: str | None) -> None:
        self.merchant, self.mode = merchant, mode
        email = f"{role or 'stranger'}-{mode}@visit.{merchant.name}.example"
        self.user = User.objects.create_user(email, "a long pass phrase", created_at=datetime.now(UTC))
        if role:
            Membership.objects.create(merchant=merchant, user=self.user, role=role, created_at=datetime.now(UTC))
        self.client = Client(enforce_csrf_checks=False)
        self.client.force_login(self.user, backend=BACKEND)
        self.proves_who_they_are()

    def proves_who_they_are(self, ago: timedelta = timedelta(0)) -> None:
        """Let them have entered their password again."""
        at = (datetime.now(UTC) - ago).timestamp()
        session = self.client.session
        session["account_authentication_methods_user"] = str(self.user.id)
        session["account_authentication_methods"] = [{"method": "password", "at": at, "reauthenticated": True}]
        session.save()

    def address(self, name: str, **more: Any) -> str:
        return reverse(name, kwargs={"merchant": self.merchant.id, "mode": self.mode} | more)

    def opens(self, name: str = "start", query: str = "", *, live: bool = False, **more: Any) -> Any:
        headers = {"HX-Request": "true"} if live else {}
        return self.client.get(self.address(name, **more) + query, headers=headers | {"Accept-Language": "en"})

    def does(self, name: str, data: dict[str, str] | None = None, **more: Any) -> Any:
        return self.client.post(self.address(name, **more), data or {}, headers={"Accept-Language": "en"})

    def page(self, query: str = "") -> str:
        return str(self.opens("start", query).content.decode())


def mark_of(page: str, step: str) -> str:
    found = re.search(rf'id="mark-{step}"[^>]*>([^<]*)<', page)
    assert found, step
    return found[1]


@pytest.fixture
def people(database: dict[str, Merchant], settings: Any) -> Iterator[Callable[..., Visitor]]:
    """People who visit, gone again afterwards."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    made: list[Visitor] = []

    def visit(role: str | None = "owner", mode: str = "test", merchant: str = "bakery") -> Visitor:
        made.append(Visitor(database[merchant], mode, role))
        return made[-1]

    yield visit
    connection.set_schema_to_public()
    for visitor in made:
        visitor.user.delete()


@pytest.fixture
def shop() -> Iterator[tuple[Shop, str]]:
    shop = Shop()
    with running_shop(shop) as url:
        yield shop, f"{url}/callback"


@pytest.fixture
def account(portone: Simulator) -> str:
    """The bakery's account at PortOne, which knows nothing of us yet."""
    portone.add_account("bakery-key", "bakery-words", user_code="imp12345678")
    return "bakery-key"


def setup_of(visitor: Visitor) -> Setup:
    with inside(visitor.merchant.schema_name):
        return Setup.objects.get(mode=visitor.mode)


# Keys


def test_keys_that_portone_takes_are_sealed_and_their_channels_shown(people: Any, web: str, account: str) -> None:
    """Keys are tried at once; the channels of the account are shown, test and live, and the secret never again."""
    owner = people()
    assert mark_of(owner.page(), "keys") == "Now"

    answer = owner.does("start_keys", KEYS)

    page = owner.page()
    assert answer.status_code == 302
    assert mark_of(page, "keys") == "Done"
    assert "channel-key-demo-live" in page
    assert "channel-key-demo-test" in page
    assert "bakery-words" not in page
    credential = Credential.objects.get(merchant=owner.merchant, mode="test")
    assert b"bakery-words" not in bytes(credential.imp_secret)
    assert AuditEntry.objects.get(action="account.connected").actor == owner.user.email


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"imp_secret": "other-words"}, "PortOne refuses these keys"),
        ({"imp_key": "not ours"}, "Copy the REST API Key anew, without spaces inside"),
        ({"user_code": "store-1"}, "The merchant code begins with imp"),
        ({"tier": "toolong"}, "The sub-store code has three characters"),
    ],
)
def test_wrong_keys_are_told_with_the_mend(people: Any, web: str, account: str, wrong: Any, words: str) -> None:
    """A refusal says what to do, keeps nothing, and loses nothing that was entered but the secret."""
    owner = people()

    answer = owner.does("start_keys", KEYS | wrong)

    assert answer.status_code == 422
    page = answer.content.decode()
    assert words in page
    assert (KEYS | wrong)["imp_key"] in page
    assert (KEYS | wrong)["imp_secret"] not in page
    assert not Credential.objects.filter(merchant=owner.merchant).exists()


def test_portones_silence_is_not_the_members_fault(people: Any, web: str, portone: Simulator, account: str) -> None:
    """When PortOne does not answer, nothing is known of the keys and nothing is kept."""
    owner = people()
    portone.faults.add(Fault(kind="status", status=503, where=("getToken",)))

    answer = owner.does("start_keys", KEYS)

    assert answer.status_code == 422
    assert "PortOne does not answer" in answer.content.decode()
    assert not Credential.objects.filter(merchant=owner.merchant).exists()


def test_a_list_that_cannot_be_read_does_not_hold_up_good_keys(
    people: Any, web: str, portone: Simulator, account: str
) -> None:
    """Who got a token holds good keys; the channels are read later by a button."""
    owner = people()
    portone.faults.add(Fault(kind="status", status=503, where=("pg",), times=1))

    owner.does("start_keys", KEYS)

    assert mark_of(owner.page(), "keys") == "Done"
    assert setup_of(owner).channels is None
    owner.does("start_check_keys")
    assert len(setup_of(owner).channels or []) == 2


# Addresses


def test_the_snippet_is_filled_in(people: Any, web: str, account: str) -> None:
    """The page's own addresses, the account's code and a channel of the mode stand in the snippet."""
    owner = people()
    owner.does("start_keys", KEYS)

    page = owner.page().replace("&quot;", '"')

    assert 'IMP.init("imp12345678")' in page
    assert 'channelKey: "channel-key-demo-test"' in page
    assert re.search(rf'm_redirect_url: "{web}/m/[a-z0-9_]+/complete"', page)
    assert re.search(rf'notice_url: "{web}/webhook/[a-z0-9_]+"', page)
    assert "결제알림(Webhook) 관리" in page
    assert re.search(rf'// confirm_url: "{web}/m/[a-z0-9_]+/confirm"', page)
    assert f'src="{web}/m/paywitness-1.js"' in page
    assert INTEGRITY in html.unescape(page)


def test_a_webhook_that_comes_marks_the_step(people: Any, test_bakery: Cast) -> None:
    """What comes in shows by itself, without a word of the member."""
    owner = people()
    assert mark_of(owner.page(), "urls") == "Now"

    test_bakery.is_called_about("imp_1234567890", "merchant_1234567890", "ready")

    part = owner.opens("start_heard", live=True).content.decode()
    assert "webhook came" in part
    assert mark_of(part, "urls") == "Done"
    assert mark_of(owner.page(), "urls") == "Done"


def test_a_member_may_say_that_the_urls_are_pasted(people: Any, web: str) -> None:
    """Without a first webhook the member's word counts, and is audited."""
    owner = people("developer")

    owner.does("start_urls")

    assert mark_of(owner.page(), "urls") == "Done"
    assert AuditEntry.objects.get(action="setup.urls_pasted").actor == owner.user.email


# Callback


def test_a_ping_shows_its_request_signature_and_answer(
    people: Any, web: str, shop: tuple[Shop, str], run_worker: Work
) -> None:
    """The secret is shown once; a test shows the very headers that were sent, and the answer."""
    owner = people()
    made = owner.does("start_callback", {"url": shop[1]})
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", made.content.decode())
    assert secret
    assert secret[0] not in owner.page()
    shop[0].configure(signing_secret=secret[0])
    with inside(owner.merchant.schema_name):
        endpoint = Endpoint.objects.get()

    sent = owner.does("start_ping", endpoint=endpoint.id)
    waiting = owner.client.get(sent["location"], headers={"Accept-Language": "en"}).content.decode()
    run_worker()

    with inside(owner.merchant.schema_name):
        event = Event.objects.get(type="endpoint.ping")
    part = owner.opens("start_pinged", live=True, event=event.id).content.decode()
    whole = owner.opens("start_pinged", event=event.id)["location"]
    assert "The test is being sent" in waiting
    assert "Your server took the test" in owner.client.get(whole, headers={"Accept-Language": "en"}).content.decode()
    assert "Your server took the test" in part
    assert "HTTP 200" in part
    assert mark_of(part, "callback") == "Done"
    headers = dict(re.findall(r"^(webhook-[a-z]+): (.*)$", part.replace("&#x27;", "'"), re.M))
    Webhook(secret[0]).verify(bytes(event.body), headers)
    assert mark_of(owner.page(), "callback") == "Done"


def test_a_test_that_is_heard_meanwhile_contradicts_no_step(
    people: Any, web: str, shop: tuple[Shop, str], run_worker: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that is drawn in the moment in which its test is heard never shows it beside a step that waits for it."""
    owner = people()
    made = owner.does("start_callback", {"url": shop[1]})
    shop[0].configure(signing_secret=re.findall(r"whsec_[A-Za-z0-9+/=]+", made.content.decode())[0])
    with inside(owner.merchant.schema_name):
        endpoint = Endpoint.objects.get()
    sent = owner.does("start_ping", endpoint=endpoint.id)

    def heard_after(read: Any) -> Any:
        def read_and_hear(*asked: Any, **named: Any) -> Any:
            found = read(*asked, **named)
            run_worker()
            return found

        return read_and_hear

    for name in ("read_ping", "read_progress"):
        monkeypatch.setattr(start, name, heard_after(getattr(start, name)))
    page = owner.client.get(sent["location"], headers={"Accept-Language": "en"}).content.decode()

    assert "Your server took the test" not in page or mark_of(page, "callback") == "Done"


def test_a_bad_address_is_refused_with_the_mend(people: Any, web: str) -> None:
    """An address that is never called is refused in words, and stands in the form again."""
    owner = people()

    answer = owner.does("start_callback", {"url": "ftp://shop.example.com/hook"})

    assert answer.status_code == 422
    assert "Use https: a callback must not travel unencrypted." in answer.content.decode()
    assert "ftp://shop.example.com/hook" in answer.content.decode()


def test_the_same_address_makes_no_second_endpoint(people: Any, web: str, shop: tuple[Shop, str]) -> None:
    """A page that is sent twice makes one endpoint: two would hear everything twice."""
    owner = people()
    owner.does("start_callback", {"url": shop[1]})

    again = owner.does("start_callback", {"url": shop[1]})

    assert again.status_code == 422
    with inside(owner.merchant.schema_name):
        assert Endpoint.objects.count() == 1


def test_a_secret_is_made_after_reauthentication_only(people: Any, web: str, shop: tuple[Shop, str]) -> None:
    """Who signed in long ago enters the password again before a secret is shown."""
    owner = people()
    owner.proves_who_they_are(ago=timedelta(hours=1))

    answer = owner.does("start_callback", {"url": shop[1]})

    assert answer.status_code == 302
    assert "reauthenticate" in answer["location"]
    with inside(owner.merchant.schema_name):
        assert EndpointSecret.objects.count() == 0
    resumed = owner.client.post(answer["location"], {"password": "a long pass phrase"})
    assert "whsec_" in resumed.content.decode()
    with inside(owner.merchant.schema_name):
        assert [endpoint.url for endpoint in Endpoint.objects.all()] == [shop[1]]


# A first payment


def test_a_test_payment_moves_through_the_page(people: Any, test_bakery: Cast, run_worker: Work) -> None:
    """Landing, webhook, verified, told: each shows as it happens."""
    owner = people()
    owner.does("start_order")
    order = setup_of(owner).test_order
    assert f"<code>{order}</code>" in owner.page("?open=payment")
    imp_uid = test_bakery.opens_window(order, 1000)

    test_bakery.portone.approve(imp_uid)
    test_bakery.lands(imp_uid=imp_uid, merchant_uid=order, imp_success="true")
    landed = owner.opens("start_payment", live=True).content.decode()
    run_worker()

    told = owner.opens("start_payment", live=True).content.decode()
    assert trail_of(landed) == ["landing", "webhook"]
    assert trail_of(told) == ["landing", "webhook", "asked", "verified", "told"]
    assert '<span class="state state-paid" data-fresh="state">Confirmed</span>' in told
    assert "matched" in told
    story = re.search(r'href="([^"]*/payments/pay_[^"]*)"', told)
    assert story
    assert owner.client.get(story[1]).status_code == 200
    assert mark_of(told, "payment") == "Done"
    assert "data-refresh" not in told
    assert mark_of(owner.page(), "payment") == "Done"


def trail_of(part: str) -> list[str]:
    """Return which lines of a watched payment have happened."""
    return re.findall(r'<li class="is" data-step="([a-z]+)"', part)


def test_no_order_to_try_with_in_live_mode(people: Any, web: str) -> None:
    """In live mode it would cost real money."""
    assert people(mode="live").does("start_order").status_code == 404


def test_whoever_arrives_in_live_mode_is_led_to_test_mode(people: Any, test_bakery: Cast, run_worker: Work) -> None:
    """Before a payment was told in test mode nothing is open in live mode but the way there; then its own steps."""
    owner = people(mode="live")
    newcomer = owner.page()

    owner.mode = "test"
    owner.does("start_order")
    order = setup_of(owner).test_order
    imp_uid = test_bakery.opens_window(order, 1000)
    test_bakery.portone.approve(imp_uid)
    test_bakery.is_called_about(imp_uid, order)
    run_worker()
    owner.mode = "live"

    assert f'class="btn btn-primary" href="/dashboard/{encode("mer", owner.merchant.id)}/test/start"' in newcomer
    assert "<details open>" not in newcomer
    assert mark_of(newcomer, "keys") == "Later"
    assert mark_of(owner.page(), "payment") == "Done"
    assert mark_of(owner.page(), "keys") == "Now"
    assert "Begin in test mode" not in owner.page()


def test_only_the_present_step_is_open(people: Any, web: str, account: str) -> None:
    """What is done is folded with a check, the next one is open, later ones are folded and quiet."""
    owner = people()
    owner.does("start_keys", KEYS)

    page = owner.page()

    cards = re.findall(r'<li id="(\w+)" class="leg (\w+)">\s*<details( open)?>', page)
    later = [(name, "later", "") for name in ("callback", "payment", "live")]
    assert cards == [("keys", "done", ""), ("urls", "now", " open"), *later]


# Going live


def test_live_mode_has_a_list_of_its_own(people: Any, bakery: Cast, run_worker: Work) -> None:
    """Keys, a callback that was heard, URLs and return URLs of live mode stand before it is ready."""
    owner = people(mode="live")
    assert mark_of(owner.page(), "live") != "Done"

    with inside(bakery.merchant.schema_name):
        endpoint = Endpoint.objects.get()
    owner.does("start_ping", endpoint=endpoint.id)
    run_worker()
    owner.does("start_urls")

    assert mark_of(owner.page(), "live") == "Done"


# Doors


def test_a_stranger_finds_nothing(people: Any, web: str) -> None:
    """Whoever is no member gets a 404 on every address, and so does the florist's owner."""
    for visitor in (people(None), people("owner", merchant="florist")):
        stranger = Visitor.__new__(Visitor)
        stranger.client, stranger.mode = visitor.client, "test"
        stranger.merchant = Merchant.objects.get(name="bakery")
        for name in PAGES:
            assert stranger.opens(name).status_code == 404, name
        for name in DEEDS:
            assert stranger.does(name).status_code == 404, name
        some = decode("evt_" + "0" * 26, prefix="evt")
        assert stranger.does("start_ping", endpoint=some).status_code == 404
        assert stranger.opens("start_pinged", event=some).status_code == 404


def test_a_viewer_changes_nothing_and_sees_no_address(people: Any, web: str, shop: tuple[Shop, str]) -> None:
    """Viewers look: every deed is refused, and the webhook's address is not shown."""
    people("developer").does("start_callback", {"url": shop[1]})
    viewer = people("viewer")

    page = viewer.page()

    assert "/webhook/" not in page
    assert shop[1] not in page
    assert "<form" not in page.split("<main", 1)[-1].split("</main")[0]
    for name in DEEDS:
        assert viewer.does(name).status_code == 403, name
    with inside(viewer.merchant.schema_name):
        endpoint = Endpoint.objects.get()
    assert viewer.does("start_ping", endpoint=endpoint.id).status_code == 403


def test_a_developer_enters_no_keys(people: Any, web: str, account: str) -> None:
    """PortOne's keys are a matter of admins."""
    assert people("developer").does("start_keys", KEYS).status_code == 403


def test_another_merchants_ping_is_not_found(people: Any, web: str, florist: Cast, shop: tuple[Shop, str]) -> None:
    """An endpoint or event of the florist is none of the bakery's."""
    owner = people()
    [endpoint] = florist.rows(Endpoint)

    assert owner.does("start_ping", endpoint=endpoint.id).status_code == 404
    assert encode("end", endpoint.id) not in owner.page()


def test_hostile_names_stay_text(people: Any, web: str, account: str) -> None:
    """What PortOne's console calls a channel is text, wherever it stands."""
    owner = people()
    hostile = '"</script><img src=x onerror=alert(1)>'
    channel = {"provider": "nice_v2", "merchant_id": "m", "sandbox": True, "kind": "payment"}
    with inside(owner.merchant.schema_name):
        named = channel | {"name": hostile, "key": hostile}
        Setup.objects.create(mode="test", user_code="imp12345678", channels=[named], test_order=hostile)

    page = owner.page()

    assert "<img" not in page
    assert "\\u003c/script" in page


def test_the_page_takes_a_fixed_number_of_queries(people: Any, test_bakery: Cast, run_worker: Work) -> None:
    """However much has come in, the page is read in as many queries."""
    owner = people()

    def look() -> int:
        with CaptureQueriesContext(connection) as queries:
            owner.page()
        return len([query for query in queries if not query["sql"].startswith("SET search_path")])

    for number in range(2):
        imp_uid = test_bakery.opens_window(f"order-{number}")
        test_bakery.portone.approve(imp_uid)
        test_bakery.lands(imp_uid=imp_uid, merchant_uid=f"order-{number}")
    run_worker()
    look()
    few = look()
    for number in range(2, 6):
        imp_uid = test_bakery.opens_window(f"order-{number}")
        test_bakery.portone.approve(imp_uid)
        test_bakery.lands(imp_uid=imp_uid, merchant_uid=f"order-{number}")
    run_worker()

    assert look() == few
    assert few <= 40


def test_the_page_works_without_javascript(people: Any, web: str) -> None:
    """Nothing inline, and a part that is opened by itself leads to the page it belongs to."""
    owner = people()

    page = owner.opens()

    assert not re.search(r"\son[a-z]+=|style=|<script>|javascript:", page.content.decode())
    assert owner.opens("start_payment")["location"].endswith("?open=payment#payment")
    assert owner.opens("start_heard")["location"].endswith("?open=urls#urls")


def test_every_text_is_said_in_korean(people: Any, test_bakery: Cast) -> None:
    """Nothing of the page is left in English but the words of code and of PortOne's console."""
    owner = people()
    owner.does("start_order")
    page = owner.client.get(owner.address("start"), headers={"Accept-Language": "ko"}).content.decode()

    main = page.split("<main", 1)[1].split("</main")[0]
    words = re.sub(r"<(pre|code|dl)[ >].*?</\1>|<[^>]*>", " ", main, flags=re.S)
    assert not re.findall(r"(?:[A-Za-z']+ ){4,}", words)
    assert "첫 테스트 결제" in main


def test_keys_are_replaced_only_by_who_confirmed_who_they_are(people: Any, web: str, account: str) -> None:
    """The first keys are taken as they come; others in their place ask for the password, as in the settings."""
    owner = people()
    owner.does("start_keys", KEYS)
    before = Credential.objects.get(merchant=owner.merchant, mode="test").imp_secret
    owner.proves_who_they_are(timedelta(hours=1))

    answer = owner.does("start_keys", KEYS)

    assert answer.url == owner.address("portone_replace")
    assert "/accounts/reauthenticate/" in owner.opens("portone_replace").url
    assert bytes(Credential.objects.get(merchant=owner.merchant, mode="test").imp_secret) == bytes(before)
    assert "bakery-words" not in str(dict(owner.client.session))
