"""The settings: who may change what, what is asked again before a secret, and what becomes of a slip of the pen."""

import html
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from results.core.headers import BadHeaders, check_headers
from results.core.words import DEFAULT_EVENTS
from results.deliver import open_headers, open_secrets
from results.endpoints import MOST_ENDPOINTS, create_endpoint, pause_endpoint, ping
from results.models import Attempt, Delivery, Endpoint, EndpointSecret, Setup
from results.portone import open_access
from results.script import INTEGRITY
from results.views.dashboard.settings.events import OFFERED, patterns_of, ticked
from results.views.result_page import return_key
from results.wording import WITH_PARTS
from tenants.fields import new_id
from tenants.keys import rotate_key
from tenants.mail import STEP as LETTERS
from tenants.models import ApiKey, AuditEntry, Credential, MerchantBrand, MerchantMode, RouteKey
from tenants.routing import find_mode, forget_everything, inside
from tenants.scopes import ON_REQUEST, USUAL
from tests.dashboard.settings_stage import PASSWORD, confirm, endpoint_of, member, page, text_of
from tests.factories import Cast

Work = Callable[..., None]
CODE = {"user_code": "imp12345678"}
HOSTILE = '<script>alert("x")</script>'
READ = ("settings", "endpoints", "settings_addresses", "settings_policy", "settings_general", "settings_keys")
READ += ("settings_portone", "settings_branding")
OF_ENDPOINT = ("endpoint_pause", "endpoint_resume", "endpoint_rotate", "endpoint_ping")
TYPED = ("endpoint_change", "endpoint_headers")


def addresses(cast: Cast) -> dict[str, list[str]]:
    """Return every page of the settings: those that are read, and those that change something."""
    one = endpoint_of(cast).id
    read = [page(cast, name) for name in READ] + [page(cast, "endpoint", one)]
    read += [page(cast, "endpoint_pinged", one, uuid4())]
    change = [page(cast, name, one) for name in OF_ENDPOINT]
    change += [page(cast, name) for name in ("api_key_new", "settings_branding", "settings_general")]
    change += [page(cast, name) for name in ("settings_addresses", "settings_policy")]
    change += [page(cast, "api_key_revoke", uuid4()), page(cast, "route_key_retire", uuid4())]
    change += [page(cast, "signing_key_rotate", "order"), page(cast, "route_key_rotate", "webhook")]
    both = [page(cast, "endpoint_new"), page(cast, "portone_replace"), *(page(cast, name, one) for name in TYPED)]
    return {"read": read, "change": change, "both": both}


@pytest.fixture
def owner(bakery: Cast) -> Iterator[Client]:
    with member(bakery.merchant, "owner") as client:
        yield client
    MerchantBrand.objects.all().delete()
    bakery.merchant.refresh_from_db()
    type(bakery.merchant).objects.update(language="", keeps_arrivals=30, keeps_replies=30, keeps_attempts=90)
    MerchantMode.objects.update(policy="open", confirm_policy="open", origins=[], prepares=False, forwards=False)
    forget_everything()


@pytest.fixture
def viewer(bakery: Cast) -> Iterator[Client]:
    with member(bakery.merchant, "viewer") as client:
        yield client


@pytest.fixture
def developer(bakery: Cast) -> Iterator[Client]:
    with member(bakery.merchant, "developer") as client:
        yield client


def audited(action: str) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action=action).order_by("id"))


def as_seen(cast: Cast) -> MerchantMode:
    return MerchantMode.objects.get(merchant=cast.merchant, mode=cast.mode)


# Who may


def test_a_stranger_finds_nothing(bakery: Cast, florist: Cast) -> None:
    """A member of the florist gets 404 on every address of the bakery's settings."""
    found = addresses(bakery)

    with member(florist.merchant, "owner") as stranger:
        answers = [stranger.get(address) for address in found["read"] + found["both"]]
        answers += [stranger.post(address) for address in found["change"] + found["both"]]

    assert {answer.status_code for answer in answers} == {404}


def test_a_viewer_only_looks(bakery: Cast, viewer: Client) -> None:
    """A viewer reads every page, finds no button there, and every change is refused."""
    found = addresses(bakery)
    before = [endpoint_of(bakery), as_seen(bakery), AuditEntry.objects.count()]

    seen = [viewer.get(address) for address in found["read"] if "/pings/" not in address]
    refused = [viewer.post(address, {"name": "x"}) for address in found["change"] + found["both"]]

    assert {answer.status_code for answer in seen} == {200}
    assert {answer.status_code for answer in refused} == {403}
    assert [endpoint_of(bakery), as_seen(bakery), AuditEntry.objects.count()] == before
    mains = [text_of(answer).partition("<main")[2] for answer in seen]
    assert not [text for text in mains if "<button" in text and 'type="submit"' in text]


def test_a_developer_changes_endpoints_and_keys_but_no_policy(bakery: Cast, developer: Client) -> None:
    """Policies and PortOne's keys are for admins and owners."""
    policies = [page(bakery, name) for name in ("settings_addresses", "settings_policy", "settings_general")]
    policies += [page(bakery, "settings_branding"), page(bakery, "portone_replace")]

    refused = [developer.post(address, {}) for address in policies]
    made = developer.post(page(bakery, "api_key_new"), {"name": "order server", "scopes": USUAL})

    assert {answer.status_code for answer in refused} == {403}
    assert made.status_code == 200
    assert "pwk_live_" in text_of(made)


def test_every_page_is_there_in_both_languages(bakery: Cast, owner: Client) -> None:
    """Each page can be read in Korean and in English, and none leaves an English heading to Korean readers."""
    found = [address for address in addresses(bakery)["read"] + addresses(bakery)["both"] if "/pings/" not in address]

    english = [text_of(owner.get(address)) for address in found]
    korean = [text_of(owner.get(address, headers={"Accept-Language": "ko"})) for address in found]

    for one, other in zip(english, korean, strict=True):
        heading = one.partition("<h1")[2].partition("</h1>")[0]
        assert heading not in other or "<bdi>" in heading


# Endpoints


def new_endpoint(**more: Any) -> dict[str, Any]:
    return {"url": "https://shop.example.com/hear", "events": ["payment.paid"], "description": "the shop"} | more


def test_a_new_endpoints_secret_is_shown_once(bakery: Cast, developer: Client) -> None:
    """The secret that signs is shown when the endpoint is made, and by no page afterwards; header values by none."""
    given = new_endpoint(headers="Authorization: Bearer hush-hush\nX-Shop: bakery")

    shown = text_of(developer.post(page(bakery, "endpoint_new"), given))
    with inside(bakery.merchant.schema_name):
        made = Endpoint.objects.get(url=given["url"])
        [secret] = open_secrets(bakery.route, {made.id}, at=datetime.now(UTC))[made.id]
        headers = open_headers(bytes(made.headers or b""), bakery.route.open_vault(), row=made.id)
    later = text_of(developer.get(page(bakery, "endpoint", made.id)))
    later += text_of(developer.get(page(bakery, "endpoint_headers", made.id)))

    assert secret.to_text() in shown
    assert secret.to_text() not in later
    assert headers == {"Authorization": "Bearer hush-hush", "X-Shop": "bakery"}
    assert "hush-hush" not in shown + later
    assert "X-Shop" in later
    assert made.events == ["payment.paid"]
    assert audited("endpoint.created")[-1].actor == "developer@people.bakery.example"


def test_who_is_asked_before_a_secret(bakery: Cast, developer: Client) -> None:
    """Whoever has not confirmed who they are is asked before the page; what was typed for long is not lost."""
    confirm(developer, ago=3600)

    asked = developer.get(page(bakery, "endpoint_new"))
    late = developer.post(page(bakery, "endpoint_new"), new_endpoint(headers="X-Key: hush-hush"))

    assert asked.status_code == 302
    assert "/accounts/" in asked["Location"]
    assert late.status_code == 422
    assert "https://shop.example.com/hear" in text_of(late)
    assert "hush-hush" in text_of(late)
    assert "hush-hush" not in str(dict(developer.session))
    assert len(bakery.rows(Endpoint)) == 1


def test_a_rotation_waits_until_it_is_confirmed_who_asks(bakery: Cast, developer: Client) -> None:
    """A rotation is done as soon as the password is given, and then shows the secret; both sign meanwhile."""
    confirm(developer, ago=3600)
    one = endpoint_of(bakery)

    asked = developer.post(page(bakery, "endpoint_rotate", one.id), {"days": "3"})
    before = len(bakery.rows(EndpointSecret))
    shown = developer.post(asked["Location"], {"password": PASSWORD})

    assert before == 1
    assert "whsec_" in text_of(shown)
    old, new = bakery.rows(EndpointSecret)
    assert new.retires_at is None
    assert timedelta(days=2, hours=23) < old.retires_at - datetime.now(UTC) <= timedelta(days=3)


@pytest.mark.parametrize("days", ["", "8", "-1", "x"])
def test_an_overlap_has_0_to_7_days(bakery: Cast, developer: Client, days: str) -> None:
    """Another overlap is refused at its field, and nothing is rotated."""
    answer = developer.post(page(bakery, "endpoint_rotate", endpoint_of(bakery).id), {"days": days})

    assert answer.status_code == 422
    assert "Choose 0 to 7 days." in text_of(answer)
    assert len(bakery.rows(EndpointSecret)) == 1


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ({"url": "http://10.0.0.1/x"}, "Use a public address; this one is private or reserved."),
        ({"url": ""}, "Write the address of your server"),
        ({"events": []}, "Tick at least one event"),
        ({"headers": "no colon here"}, "has no colon"),
        ({"headers": "Host: evil"}, "Host is set by Paywitness or HTTP"),
        ({"headers": "X-A: 1\nx-a: 2"}, "x-a is given twice"),
        ({"description": "x" * 121}, "at most 120 characters"),
    ],
)
def test_a_slip_names_the_field_and_the_mend(bakery: Cast, developer: Client, slip: dict[str, Any], words: str) -> None:
    """A form that cannot be kept comes back whole, and says at its field what to do."""
    given = new_endpoint(description="<b>my shop</b>") | slip

    answer = developer.post(page(bakery, "endpoint_new"), given)

    text = text_of(answer)
    assert answer.status_code == 422
    assert words in text
    assert given["description"][:2].replace("<", "&lt;") in text
    assert "<b>my" not in text
    assert len(bakery.rows(Endpoint)) == 1


def test_a_mode_has_so_many_endpoints_and_no_more(bakery: Cast, developer: Client) -> None:
    """One endpoint too many is refused on its form with what to do, and what was typed stays."""
    with inside(bakery.merchant.schema_name):
        for number in range(MOST_ENDPOINTS - 1):
            url = f"https://shop{number}.example.com/"
            create_endpoint(bakery.route, url=url, actor="tests", at=datetime.now(UTC))

    answer = developer.post(page(bakery, "endpoint_new"), new_endpoint())

    assert answer.status_code == 422
    assert "There are 20 endpoints already" in text_of(answer)
    assert "https://shop.example.com/hear" in text_of(answer)


def test_a_test_does_not_count_as_waiting(bakery: Cast, developer: Client) -> None:
    """What waits for a paused endpoint is what it missed; a test that was not answered yet is nothing it missed."""
    one = endpoint_of(bakery)
    developer.post(page(bakery, "endpoint_pause", one.id))
    with inside(bakery.merchant.schema_name):
        ping(bakery.route, one.id, at=datetime.now(UTC))

    text = text_of(developer.get(page(bakery, "endpoint", one.id)))
    listed = text_of(developer.get(page(bakery, "endpoints")))

    assert "Resume without them" not in text
    assert re.search(r'<td class="money"[^>]*>0</td>', listed)


def test_another_address_is_told_to_the_owners(bakery: Cast, owner: Client) -> None:
    """Another URL leaves hosts alone in the audit, never the path that may hold a secret, and owners get a letter."""
    one = endpoint_of(bakery)
    given = {"url": "https://new.example.com/s3cret", "events": ticked(one.events), "description": ""}

    owner.post(page(bakery, "endpoint_change", one.id), given)

    [entry] = audited("endpoint.url_changed")
    assert entry.detail["new_host"] == "new.example.com"
    assert "s3cret" not in str(entry.detail)
    assert entry.actor == "owner@people.bakery.example"
    with connection.cursor() as cursor:
        cursor.execute("SELECT convert_from(payload, 'UTF8') FROM public.pgqueuer WHERE entrypoint = %s", [LETTERS])
        letters = [row[0] for row in cursor.fetchall()]
    assert any("new.example.com" in letter for letter in letters)


def test_a_change_keeps_what_is_not_changed(bakery: Cast, developer: Client) -> None:
    """Of a form that is sent back as it was nothing is kept in the audit, and prefixes stay prefixes."""
    one = endpoint_of(bakery)
    as_it_was = {"url": one.url, "events": ticked(one.events), "description": "tills"}

    developer.post(page(bakery, "endpoint_change", one.id), as_it_was)

    assert endpoint_of(bakery).events == one.events
    assert [entry.detail["changed"] for entry in audited("endpoint.changed")] == [["description"]]


def test_headers_are_replaced_or_taken_away(bakery: Cast, developer: Client) -> None:
    """New headers take the place of all; an empty field alone takes none away."""
    address = page(bakery, "endpoint_headers", endpoint_of(bakery).id)

    empty = developer.post(address, {"headers": ""})
    developer.post(address, {"headers": "X-Shop: bakery"})
    kept = endpoint_of(bakery).headers
    developer.post(address, {"headers": "", "remove": "on"})

    assert empty.status_code == 422
    assert kept is not None
    assert endpoint_of(bakery).headers is None


@pytest.mark.parametrize(("backlog", "waits"), [("with", 1), ("without", 0)])
def test_a_paused_endpoint_comes_back_with_its_backlog_or_without(
    bakery: Cast, developer: Client, run_worker: Work, backlog: str, waits: int
) -> None:
    """The page says how much waits; resumed with it, it is sent; without, given up."""
    one = endpoint_of(bakery)
    developer.post(page(bakery, "endpoint_pause", one.id))
    imp_uid = bakery.opens_window("order-1")
    bakery.portone.approve(imp_uid)
    bakery.is_called_about(imp_uid, "order-1")
    run_worker()

    text = text_of(developer.get(page(bakery, "endpoint", one.id)))
    developer.post(page(bakery, "endpoint_resume", one.id), {"backlog": backlog})

    assert "Resume, and send the 1 that waits" in text
    assert endpoint_of(bakery).paused_at is None
    assert len([row for row in bakery.rows(Delivery) if row.given_up_at is None]) == waits


def test_a_test_shows_its_request_and_answer_as_they_happen(bakery: Cast, developer: Client, run_worker: Work) -> None:
    """A test's page asks again until the answer is there, then shows it; signatures are not shown."""
    one = endpoint_of(bakery)

    address = developer.post(page(bakery, "endpoint_ping", one.id))["Location"]
    waiting = text_of(developer.get(address))
    run_worker()
    part = text_of(developer.get(address, headers={"HX-Request": "true"}))

    assert 'hx-trigger="every 1s"' in waiting
    assert "hx-trigger" not in part
    assert "<html" not in part
    assert "200 taken" in part
    assert "webhook-timestamp" in part
    assert "v1," not in part


def test_what_a_server_answers_is_escaped(bakery: Cast, developer: Client, run_worker: Work) -> None:
    """Answers and descriptions are strangers' texts: none of them becomes part of a page."""
    one = endpoint_of(bakery)
    address = developer.post(page(bakery, "endpoint_ping", one.id))["Location"]
    run_worker()
    with inside(bakery.merchant.schema_name):
        Attempt.objects.update(body=HOSTILE.encode(), error="<i>", status=None)
        Endpoint.objects.update(description=HOSTILE)

    texts = text_of(developer.get(address)) + text_of(developer.get(page(bakery, "endpoints")))
    texts += text_of(developer.get(page(bakery, "endpoint", one.id)))

    assert "<script>alert" not in texts
    assert "<i>" not in texts
    assert "&lt;script&gt;" in texts


def test_the_list_asks_as_often_for_many_as_for_one(bakery: Cast, viewer: Client) -> None:
    """The number of queries does not grow with the number of endpoints."""
    viewer.get(page(bakery, "endpoints"))
    with CaptureQueriesContext(connection) as few:
        viewer.get(page(bakery, "endpoints"))
    with inside(bakery.merchant.schema_name):
        for number in range(5):
            url = f"https://shop{number}.example.com/"
            create_endpoint(bakery.route, url=url, actor="tests", at=datetime.now(UTC))

    with CaptureQueriesContext(connection) as many:
        text = text_of(viewer.get(page(bakery, "endpoints")))

    assert text.count("shop4.example.com") == 1
    assert len(many) == len(few)


def test_boxes_and_patterns_lead_to_each_other() -> None:
    """Whatever boxes are ticked, what is kept for them ticks the same; whole groups are kept as prefixes."""
    assert patterns_of([event.value for event in OFFERED]) == ["*"]
    assert set(patterns_of(ticked(DEFAULT_EVENTS))) == set(DEFAULT_EVENTS)
    for count in range(1, len(OFFERED)):
        boxes = [event.value for event in OFFERED[:count]]
        assert ticked(patterns_of(boxes)) == boxes


@pytest.mark.parametrize(
    "headers",
    [{"Host": "x"}, {"X-A": "1", "x-a": "2"}, {"X-A": "é"}, {"X-A": " "}, {"no name": "1"}]
    + [{f"x-{number}": "1" for number in range(21)}, {"x": "v" * 5000}],
)
def test_what_is_said_of_headers_has_words_of_its_own(headers: dict[str, str]) -> None:
    """Each refusal of a header is known to the wording, so that it can be said in Korean."""
    with pytest.raises(BadHeaders) as refused:
        check_headers(headers)

    assert [pattern for pattern, _ in WITH_PARTS if pattern.fullmatch(str(refused.value))]


# Choices


def test_addresses_are_kept_in_normal_form(bakery: Cast, owner: Client) -> None:
    """Return URLs and origins are kept as they are compared, each once, in their order; the audit knows both."""
    given = {
        "return_urls": "https://Shop.example.com:443/done\n\nhttps://shop.example.com/other\nhttps://shop.example.com/done",
        "origins": "https://shop.example.com\nhttps://m.shop.example.com/",
    }

    owner.post(page(bakery, "settings_addresses"), given)

    kept = as_seen(bakery)
    assert kept.return_urls == ["https://shop.example.com/done", "https://shop.example.com/other"]
    assert kept.origins == ["https://shop.example.com", "https://m.shop.example.com"]
    assert bakery.route.return_urls == tuple(kept.return_urls)
    assert set(audited("mode.changed")[-1].detail) == {"return_urls", "origins"}


def test_the_script_for_a_page_of_the_shop_is_there_to_copy(bakery: Cast, developer: Client, viewer: Client) -> None:
    """A developer copies the element with its hash and the call with the shop's own key; a viewer sees neither."""
    address = page(bakery, "settings_addresses")

    text, other = html.unescape(text_of(developer.get(address))), text_of(viewer.get(address))

    assert f'crossorigin="anonymous"\n        integrity="{INTEGRITY}"' in text
    assert f'claim = {{ key: "{bakery.key("browser").key}"' in text
    assert INTEGRITY not in html.unescape(other)
    assert bakery.key("browser").key not in other


def test_customers_go_back_by_themselves_if_that_is_chosen(bakery: Cast, owner: Client) -> None:
    """The choice is kept beside the return URLs, and needs one of them to lead to."""
    address = page(bakery, "settings_addresses")

    nowhere = owner.post(address, {"return_urls": "", "origins": "", "forwards": "on"})
    kept = owner.post(address, {"return_urls": bakery.return_url, "origins": "", "forwards": "on"})

    assert nowhere.status_code == 422
    assert "Write a return URL first" in text_of(nowhere)
    assert kept.status_code == 302
    assert bakery.route.forwards
    assert audited("mode.changed")[-1].detail == {"forwards": [False, True]}
    assert "checked" in text_of(owner.get(address)).partition('name="forwards"')[2].partition(">")[0]


def test_a_bad_line_is_named(bakery: Cast, owner: Client) -> None:
    """Of many lines the bad ones are named by number with the mend, and all of them stay as typed."""
    given = {
        "return_urls": "https://shop.example.com/a\nhttps://shop.example.com/b?x=1",
        "origins": "https://a.example/x",
    }

    answer = owner.post(page(bakery, "settings_addresses"), given)

    text = text_of(answer)
    assert answer.status_code == 422
    assert "Line 2: A return URL has no query" in text
    assert "Line 1: An origin ends with its host or port" in text
    assert "https://shop.example.com/b?x=1" in text
    assert as_seen(bakery).return_urls == [bakery.return_url]


def test_the_policy_is_chosen(bakery: Cast, owner: Client) -> None:
    """Order policy, confirm policy and announcing are kept and count at once in this process."""
    given = {"policy": "strict", "confirm_policy": "closed", "prepares": "on"}

    owner.post(page(bakery, "settings_policy"), given)

    assert (bakery.route.strict, bakery.route.confirm_closed, bakery.route.prepares) == (True, True, True)
    assert audited("mode.changed")[-1].detail["policy"] == ["open", "strict"]


def test_announcing_is_for_live_mode_only(bakery: Cast, owner: Client) -> None:
    """In test mode the switch is not there, and whoever sends it changes nothing."""
    address = page(bakery, "settings_policy", mode="test")

    owner.post(address, {"policy": "open", "confirm_policy": "open", "prepares": "on"})

    assert 'name="prepares"' not in text_of(owner.get(address))
    assert not MerchantMode.objects.get(merchant=bakery.merchant, mode="test").prepares


def test_language_and_retention_are_chosen(bakery: Cast, owner: Client) -> None:
    """Days within their limits are kept; others are refused at their field, with the limits."""
    address = page(bakery, "settings_general")
    good = {"language": "en", "arrivals": "14", "replies": "7", "attempts": "60"}

    too_long = owner.post(address, good | {"arrivals": "91"})
    crossed = owner.post(address, good | {"replies": "61"})
    kept = owner.post(address, good)

    assert "Keep them 1 to 90 days." in text_of(too_long)
    assert "no longer than those" in text_of(crossed)
    assert kept.status_code == 302
    merchant = type(bakery.merchant).objects.get(id=bakery.merchant.id)
    assert (merchant.language, merchant.keeps_arrivals, merchant.keeps_attempts) == ("en", 14, 60)
    assert bakery.route.language == "en"
    assert len(audited("retention.changed") + audited("language.changed")) == 2


# Keys


def test_an_api_key_works_until_it_is_revoked(bakery: Cast, developer: Client) -> None:
    """A new key opens the API, is shown once, and is refused from the moment on at which it is revoked."""
    shown = text_of(developer.post(page(bakery, "api_key_new"), {"name": HOSTILE[:60], "scopes": USUAL}))
    key = ApiKey.objects.latest("created_at")
    text = shown.partition(f"{key.prefix}_")[2][:32]
    bearer = {"Authorization": f"Bearer {key.prefix}_{text}"}
    order = {"amount": 1000, "currency": "KRW"}

    def asks() -> int:
        return httpx.post(f"{bakery.web}/api/v1/orders", json=order, headers=bearer, trust_env=False).status_code

    opened = asks()
    listed = text_of(developer.get(page(bakery, "settings_keys")))
    developer.post(page(bakery, "api_key_revoke", key.id))
    refused = asks()

    assert opened != 401
    assert refused == 401
    assert key.prefix in listed
    assert text not in listed
    assert "<script>" not in listed.partition("<main")[2]
    assert key.prefix not in text_of(developer.get(page(bakery, "settings_keys"))).partition("<main")[2]


def test_a_key_has_the_scopes_that_are_ticked(bakery: Cast, developer: Client) -> None:
    """It may do what was ticked and nothing else, and opens nothing from its last day on; the list says both."""
    given = {"name": "deployer", "scopes": ["orders:read", "endpoints:write"], "days": "30"}
    developer.post(page(bakery, "api_key_new"), given)

    key = ApiKey.objects.get(name="deployer")
    assert key.scopes == ["orders:read", "endpoints:write"]
    assert key.expires_at == key.created_at + timedelta(days=30)
    listed = text_of(developer.get(page(bakery, "settings_keys"))).partition('id="api"')[2].partition("<form")[0]
    assert "Make, change and delete endpoints" in listed
    ApiKey.objects.filter(id=key.id).update(expires_at=key.created_at)
    assert "has expired" in text_of(developer.get(page(bakery, "settings_keys")))


def test_what_could_lead_results_elsewhere_is_not_ticked(bakery: Cast, developer: Client) -> None:
    """The usual scopes are ticked beforehand; the others stand apart, with a warning."""
    usual, apart = text_of(developer.get(page(bakery, "settings_keys"))).split('id="apart"')

    def ticked_in(part: str) -> list[str]:
        return re.findall(r'name="scopes" value="([a-z_:]+)" checked', part)

    assert (tuple(ticked_in(usual)), ticked_in(apart)) == (USUAL, [])
    assert set(re.findall(r'name="scopes" value="([a-z_:]+)"', apart)) == ON_REQUEST


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ({"scopes": []}, "Tick at least one"),
        ({"scopes": ["payments:steal"]}, "payments:steal"),
        ({"days": "31"}, "Choose one of these."),
    ],
)
def test_a_key_without_meaning_is_not_made(
    bakery: Cast, developer: Client, slip: dict[str, object], words: str
) -> None:
    """No scope, an unknown one, or an odd expiry: what is wrong is said, and there is no key."""
    before = ApiKey.objects.count()
    answer = developer.post(page(bakery, "api_key_new"), {"name": "x", "scopes": ["orders:read"]} | slip)

    assert (answer.status_code, words in text_of(answer)) == (422, True)
    assert ApiKey.objects.count() == before


def test_the_florists_key_is_not_there_to_revoke(bakery: Cast, florist: Cast, developer: Client) -> None:
    """A key of another merchant or mode is not found, and goes on."""
    theirs = ApiKey.objects.get(merchant=florist.merchant, mode="live")

    answer = developer.post(page(bakery, "api_key_revoke", theirs.id))

    assert answer.status_code == 404
    assert ApiKey.objects.get(id=theirs.id).revoked_at is None


def test_a_new_order_key_is_believed_beside_the_old_one(bakery: Cast, developer: Client) -> None:
    """An order key is shown once with its id; the one before is believed for the overlap."""
    shown = text_of(developer.post(page(bakery, "signing_key_rotate", "order"), {"order-days": "1"}))

    assert "order_key_" in shown
    assert "ok_2" in shown
    listed = text_of(developer.get(page(bakery, "settings_keys")))
    assert "order_key_" not in listed
    assert ("ok_1" in listed, "ok_2" in listed) == (True, True)


def test_returns_are_signed_with_the_old_key_until_it_retires(bakery: Cast) -> None:
    """The shop has the whole overlap to learn a return key; without an overlap the new one signs at once."""
    at = datetime.now(UTC)

    def kid(after: timedelta) -> str:
        key = return_key(bakery.route, at=at + after)
        return key.kid if key else ""

    rotate_key(bakery.merchant, "live", "return", overlap=timedelta(days=2), actor="tests", at=at)
    overlapping = [kid(timedelta(days=days)) for days in (1, 3)]
    rotate_key(bakery.merchant, "live", "return", overlap=timedelta(0), actor="tests", at=at)

    assert overlapping == ["rk_1", "rk_2"]
    assert kid(timedelta(seconds=1)) == "rk_3"


def test_an_address_is_rotated_and_retired(bakery: Cast, developer: Client) -> None:
    """A rotated key still works, is told apart on the page, and turns arrivals away once retired."""
    old_url, old = bakery.webhook_url, bakery.key("webhook")

    developer.post(page(bakery, "route_key_rotate", "webhook"))
    still = httpx.post(old_url, json={"imp_uid": "imp_1", "merchant_uid": "o-1"}, trust_env=False).status_code
    text = text_of(developer.get(page(bakery, "settings_keys")))
    developer.post(page(bakery, "route_key_retire", old.id))
    gone = httpx.post(old_url, json={"imp_uid": "imp_2", "merchant_uid": "o-2"}, trust_env=False).status_code

    assert (still, gone) == (200, 404)
    assert bakery.webhook_url in text
    assert old_url in text
    assert "paste it anew" in text
    assert RouteKey.objects.filter(merchant=bakery.merchant, mode="live", kind="webhook", works_until=None).count() == 1


def test_the_current_address_cannot_be_retired(bakery: Cast, developer: Client) -> None:
    """Only what was rotated can be closed: a shop without an address would lose its payments."""
    answer = developer.post(page(bakery, "route_key_retire", bakery.key("webhook").id))

    assert answer.status_code == 404
    assert bakery.key("webhook").works_until is None


def test_a_viewer_does_not_see_the_webhook_address(bakery: Cast, viewer: Client) -> None:
    """Whoever knows the webhook's address may write to it, so those who only look see none."""
    assert bakery.key("webhook").key not in text_of(viewer.get(page(bakery, "settings_keys")))


@pytest.mark.parametrize("name", ["api_key_new", "signing_key_rotate", "route_key_rotate"])
def test_keys_are_made_after_it_is_confirmed_who_asks(bakery: Cast, developer: Client, name: str) -> None:
    """Without a fresh confirmation every key waits for one."""
    confirm(developer, ago=3600)
    words = {"api_key_new": (), "signing_key_rotate": ("return",), "route_key_rotate": ("browser",)}[name]
    before = [ApiKey.objects.count(), RouteKey.objects.count()]

    answer = developer.post(page(bakery, name, *words), {"name": "x", "return-days": "1"})

    assert "/accounts/" in answer["Location"]
    assert [ApiKey.objects.count(), RouteKey.objects.count()] == before


# PortOne


def test_portones_keys_are_tried_before_they_are_kept(bakery: Cast, owner: Client) -> None:
    """Keys that PortOne refuses change nothing and say what to do; those that it takes are in use at once."""
    address = page(bakery, "portone_replace")
    before = Credential.objects.get(merchant=bakery.merchant, mode="live")
    Credential.objects.update(refused_at=datetime.now(UTC))

    refused = owner.post(address, CODE | {"imp_key": "no-such-key", "imp_secret": "hush-hush"})
    unchanged = Credential.objects.get(id=before.id)
    taken = owner.post(address, CODE | {"imp_key": bakery.imp_key, "imp_secret": "not-a-secret"})

    assert refused.status_code == 422
    assert "PortOne refuses these keys" in text_of(refused)
    assert "no-such-key" in text_of(refused)
    assert bytes(unchanged.imp_key) == bytes(before.imp_key)
    assert taken["Location"] == page(bakery, "settings_portone")
    kept = Credential.objects.get(id=before.id)
    assert kept.refused_at is None
    assert open_access(kept, bakery.route.open_vault()).imp_key == bakery.imp_key
    assert bakery.imp_key not in text_of(owner.get(page(bakery, "settings_portone")))
    [setup] = bakery.rows(Setup)
    assert (setup.user_code, setup.channels_read_at is not None) == (CODE["user_code"], True)


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ({"user_code": ""}, "Copy the merchant code"),
        ({"user_code": "store-1"}, "It begins with imp"),
        ({"imp_key": "a b"}, "without spaces"),
        ({"imp_secret": ""}, "Copy the REST API secret"),
        ({"tier": "toolong"}, "three characters"),
    ],
)
def test_a_key_that_cannot_be_one_is_not_tried(bakery: Cast, owner: Client, slip: dict[str, str], words: str) -> None:
    """What is no key at all is said at its field before PortOne hears of it, and the rest stays as typed."""
    given = CODE | {"imp_key": "typed-key", "imp_secret": "typed-secret"} | slip

    answer = owner.post(page(bakery, "portone_replace"), given)

    assert answer.status_code == 422
    assert words in text_of(answer)
    assert all(value in text_of(answer) for value in given.values())
    assert not audited("account.connected")


def test_a_silent_portone_changes_nothing(bakery: Cast, owner: Client, settings: Any) -> None:
    """When PortOne cannot be reached the keys stay as they were, and the form says so."""
    settings.PORTONE_V1_URL = "http://127.0.0.1:9"

    answer = owner.post(page(bakery, "portone_replace"), CODE | {"imp_key": "other", "imp_secret": "hush-hush"})

    assert answer.status_code == 422
    assert "PortOne does not answer just now" in text_of(answer)
    assert not audited("account.connected")


def test_unknown_parts_are_not_found(bakery: Cast, owner: Client) -> None:
    """Purposes, kinds and ids that do not exist lead nowhere."""
    missing = [page(bakery, "signing_key_rotate", "x"), page(bakery, "route_key_rotate", "x")]
    missing += [page(bakery, name, new_id()) for name in (*OF_ENDPOINT, *TYPED)]

    assert {owner.post(address, {"days": "1"}).status_code for address in missing} == {404}
    assert owner.get(page(bakery, "endpoint", new_id())).status_code == 404


def test_an_endpoint_of_test_mode_is_not_there_in_live_mode(bakery: Cast, test_bakery: Cast, owner: Client) -> None:
    """The two modes do not see each other's endpoints."""
    foreign = reverse("endpoint", args=[bakery.merchant.id, "live", endpoint_of(test_bakery).id])

    assert owner.get(foreign).status_code == 404


def test_a_paused_endpoint_is_told_in_the_list(bakery: Cast, viewer: Client) -> None:
    """A state is a word, and the overview says it too."""
    with inside(bakery.merchant.schema_name):
        pause_endpoint(bakery.route, endpoint_of(bakery).id, actor="tests", at=datetime.now(UTC))

    texts = [text_of(viewer.get(page(bakery, name))) for name in ("endpoints", "settings")]

    assert all("Paused" in text and "state-pending" in text for text in texts)
    assert find_mode(bakery.merchant.id, "live") is not None
