"""A merchant's server sets its mode up: PortOne's keys, the addresses that lead here, and what is chosen."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from api.app import api
from deploy.demo.mischief import Fault
from results.core.ids import encode
from results.models import Setup
from results.portone import open_access
from tenants.fields import new_id
from tenants.models import AuditEntry, Credential, Merchant, MerchantMode, RouteKey
from tenants.onboarding import rotate_route_key
from tenants.routing import forget_everything, inside
from tests.api.conftest import Server, Serves
from tests.factories import Cast

Work = Callable[..., None]
OTHER = "imp-key-of-another-account"
SECRET = "hush-hush-secret"
GATEWAY = "password-of-the-shops-own-gateway"


@pytest.fixture(autouse=True)
def as_before(database: Any) -> Iterator[None]:
    """What a merchant chose outlives a test: it is put back."""
    yield
    Merchant.objects.update(language="", keeps_arrivals=30, keeps_replies=30, keeps_attempts=90)
    MerchantMode.objects.update(
        policy="open", confirm_policy="open", origins=[], return_urls=[], prepares=False, reads_prepared=False
    )
    forget_everything()


def kept(cast: Cast) -> Credential:
    return Credential.objects.get(merchant=cast.merchant, mode=cast.mode)


class TestCredentials:
    """PortOne's keys."""

    def test_keys_that_portone_takes_are_in_use(self, server: Server) -> None:
        """PUT tries them, keeps them sealed in place of the old, and shows the end of the key only."""
        server.cast.portone.add_account(OTHER, SECRET)
        Credential.objects.update(refused_at=datetime.now(UTC))
        refused_before = server.gets("/credentials")["state"]
        put = server.asks("PUT", "/credentials", {"imp_key": OTHER, "imp_secret": SECRET})

        assert (refused_before, put.status_code) == ("refused", 200)
        assert (put.json()["state"], put.json()["imp_key"]) == ("in_use", f"…{OTHER[-4:]}")
        assert open_access(kept(server.cast), server.cast.route.open_vault()).imp_secret == SECRET
        assert server.gets("/credentials") == put.json()
        assert AuditEntry.objects.get(action="account.connected").actor == f"API key {server.row.prefix}"

    @pytest.mark.parametrize(
        ("keys", "field"),
        [
            ({"imp_key": "no-such-key"}, "imp_key"),
            ({"imp_secret": "wrong-secret"}, "imp_key"),
            ({"imp_key": ""}, "imp_key"),
            ({"imp_key": "two words"}, "imp_key"),
            ({"imp_secret": "x" * 513}, "imp_secret"),
            ({"tier": "ABCD"}, "tier"),
            ({"imp_secrte": "x"}, "imp_secrte"),
        ],
    )
    def test_what_portone_refuses_changes_nothing(self, server: Server, keys: dict[str, str], field: str) -> None:
        """422 with the field, which repeats no secret; the keys there were stay in use."""
        before = bytes(kept(server.cast).imp_key)
        given = {"imp_key": server.cast.imp_key, "imp_secret": "not-a-secret"} | keys
        refused = server.asks("PUT", "/credentials", given)

        assert (refused.status_code, refused.json().get("field")) == (422, field), refused.text
        assert bytes(kept(server.cast).imp_key) == before
        assert not any(value in refused.text for name, value in keys.items() if len(value) > 4)

    def test_a_sub_store_that_the_keys_do_not_open_is_named(self, server: Server) -> None:
        """PortOne takes key and secret and refuses the rest: the code of the sub-store is at fault."""
        server.cast.portone.faults.add(Fault(kind="status", status=401, where=("pg",)))
        keys = {"imp_key": server.cast.imp_key, "imp_secret": "not-a-secret", "tier": "ZZZ"}
        refused = server.asks("PUT", "/credentials", keys)

        assert (refused.status_code, refused.json()["type"]) == (422, "/problems/tier_refused")
        assert (refused.json()["field"], kept(server.cast).tier) == ("tier", "")

    def test_a_silent_portone_changes_nothing(self, server: Server, settings: Any) -> None:
        """503 with when to try again, in the caller's language; nothing is known about the keys."""
        settings.PORTONE_V1_URL = "http://127.0.0.1:9"
        silent = server.asks("PUT", "/credentials", {"imp_key": OTHER, "imp_secret": SECRET}, Accept_Language="ko")

        assert (silent.status_code, silent.json()["type"]) == (503, "/problems/portone_silent")
        assert (silent.headers["retry-after"], "포트원" in silent.json()["detail"]) == ("60", True)
        assert not AuditEntry.objects.filter(action="account.connected").exists()

    def test_the_kept_keys_are_tested(self, server: Server) -> None:
        """POST says whether PortOne takes them now, asked with key and secret, and changes nothing."""
        before = server.gets("/credentials")
        taken = server.asks("POST", "/credentials/test")

        assert (taken.status_code, taken.json()["result"]) == (200, "accepted")
        assert isinstance(taken.json()["channels"], int)
        assert server.gets("/credentials") == before

    def test_keys_that_were_taken_back_fail_their_test(self, server: Server, run_worker: Work) -> None:
        """A token that they bought before does not hide that PortOne refuses the keys."""
        imp_uid = server.cast.opens_window("order-1")
        server.cast.is_called_about(imp_uid, "order-1")
        run_worker()
        assert kept(server.cast).token is not None
        server.cast.portone.faults.add(Fault(kind="status", status=401, where=("getToken",)))

        assert server.asks("POST", "/credentials/test").json()["result"] == "keys_refused"

    def test_without_keys_there_is_nothing_to_test(self, server: Server) -> None:
        """GET says that there are none, and the test is a 404 with the mend."""
        Credential.objects.all().delete()
        none = server.gets("/credentials")
        missing = server.asks("POST", "/credentials/test")

        assert (none["state"], none["imp_key"], none["connected_at"]) == ("none", None, None)
        assert (missing.status_code, missing.json()["type"]) == (404, "/problems/credentials_not_found")

    def test_a_browsers_name_of_the_account_stays_with_its_account(self, server: Server) -> None:
        """New secrets of the same account keep the user code that a member entered; another account's do not."""
        server.cast.portone.add_account(OTHER, SECRET)
        with inside(server.cast.merchant.schema_name):
            Setup.objects.create(mode="live", user_code="imp12345678")
        Credential.objects.update(account=None)
        server.asks("PUT", "/credentials", {"imp_key": OTHER, "imp_secret": SECRET})
        after_another = server.cast.rows(Setup)[0].user_code
        with inside(server.cast.merchant.schema_name):
            Setup.objects.update(user_code="imp12345678")
        server.asks("PUT", "/credentials", {"imp_key": OTHER, "imp_secret": SECRET})

        assert (after_another, server.cast.rows(Setup)[0].user_code) == ("", "imp12345678")

    def test_who_saw_older_keys_may_not_replace_them(self, server: Server) -> None:
        """412 before PortOne is asked."""
        seen = server.asks("GET", "/credentials").headers["etag"]
        Credential.objects.update(refused_at=datetime.now(UTC))
        refused = server.asks("PUT", "/credentials", {"imp_key": OTHER, "imp_secret": SECRET}, If_Match=seen)

        assert refused.status_code == 412

    def test_keys_are_of_their_mode(self, bakery: Cast, test_bakery: Cast, florist: Cast, serves: Serves) -> None:
        """What one mode's key sets is not seen in the other, nor by another merchant."""
        bakery.portone.add_account(OTHER, SECRET)
        before = [bytes(kept(cast).imp_key) for cast in (test_bakery, florist)]
        serves(bakery).asks("PUT", "/credentials", {"imp_key": OTHER, "imp_secret": SECRET})

        assert [bytes(kept(cast).imp_key) for cast in (test_bakery, florist)] == before
        assert serves(florist).gets("/credentials")["imp_key"] != f"…{OTHER[-4:]}"


class TestRouteKeys:
    """The addresses that lead to a merchant."""

    def test_the_addresses_are_listed(self, server: Server) -> None:
        """Those that PortOne's console and the shop's page are given, each once."""
        found = {key["kind"]: key for key in server.gets("/route-keys")["data"]}

        assert found["browser"]["addresses"]["redirect"] == server.cast.redirect_url
        for other in ("confirm", "result"):
            assert found["browser"]["addresses"][other] == server.cast.redirect_url.replace("complete", other)
        assert found["webhook"]["addresses"] == {"webhook": server.cast.webhook_url}
        assert {key["works_until"] for key in found.values()} == {None}

    def test_old_addresses_work_until_they_are_retired(self, server: Server) -> None:
        """A rotated address works for 180 days and is listed with its end; retired, it is closed at once."""
        before = server.cast.webhook_url
        new = server.asks("POST", "/route-keys/rotate", {"kind": "webhook"})
        listed = [key for key in server.gets("/route-keys")["data"] if key["kind"] == "webhook"]
        [old] = [key for key in listed if key["works_until"]]
        news = {"imp_uid": "imp_1", "merchant_uid": "order-1", "status": "paid"}
        still = httpx.post(before, json=news, trust_env=False).status_code
        retired = [server.asks("POST", f"/route-keys/{old['id']}/retire") for _again in range(2)]

        assert (new.status_code, new.json()["addresses"]["webhook"]) == (201, server.cast.webhook_url)
        ends = datetime.fromisoformat(old["works_until"]) - datetime.now(UTC)
        assert timedelta(days=179) < ends <= timedelta(days=180)
        assert (still, [answer.status_code for answer in retired]) == (200, [200, 200])
        assert retired[0].json() == retired[1].json()
        assert httpx.post(before, json=news, trust_env=False).status_code == 404
        assert old["id"] not in str(server.gets("/route-keys"))

    def test_the_current_address_cannot_be_retired(self, server: Server) -> None:
        """409 with what to do first."""
        [current, *_] = server.gets("/route-keys")["data"]
        refused = server.asks("POST", f"/route-keys/{current['id']}/retire")

        assert (refused.status_code, refused.json()["type"]) == (409, "/problems/route_key_is_current")

    @pytest.mark.parametrize("kind", ["", "both", None])
    def test_a_kind_is_one_of_two(self, server: Server, kind: object) -> None:
        """Anything else is refused by its field."""
        refused = server.asks("POST", "/route-keys/rotate", {"kind": kind})

        assert (refused.status_code, refused.json()["field"]) == (422, "kind")

    def test_another_merchants_address_is_not_there(
        self, bakery: Cast, florist: Cast, test_bakery: Cast, serves: Serves
    ) -> None:
        """Neither the florist nor the other mode can retire it; nor is there what nobody has."""
        old = bakery.key("webhook")
        rotate_route_key(bakery.merchant, "live", "webhook", actor="tests", at=datetime.now(UTC))
        id_ = encode("rtk", old.id)
        answers = [serves(cast).asks("POST", f"/route-keys/{id_}/retire") for cast in (florist, test_bakery)]
        answers += [serves(bakery).asks("POST", f"/route-keys/{one}/retire") for one in (encode("rtk", new_id()), "x")]

        assert {answer.status_code for answer in answers} == {404}
        old.refresh_from_db()
        assert old.works_until is not None
        assert old.works_until > datetime.now(UTC)

    def test_a_list_of_many_asks_as_often_as_a_list_of_one(self, server: Server) -> None:
        """The number of queries does not grow with the list."""
        client = Client(headers={"Authorization": f"Bearer {server.key}"})

        def counted() -> int:
            with CaptureQueriesContext(connection) as queries:
                assert client.get("/api/v1/route-keys?limit=100").status_code == 200
            return len(queries)

        counted()
        few = counted()
        for _number in range(30):
            rotate_route_key(server.cast.merchant, "live", "webhook", actor="tests", at=datetime.now(UTC))

        assert counted() == few
        assert RouteKey.objects.filter(merchant=server.cast.merchant, mode="live").count() == 32


class TestSettings:
    """What is chosen."""

    def test_everything_can_be_chosen(self, server: Server) -> None:
        """PATCH keeps what is given, addresses in their one spelling, and says what is chosen now."""
        chosen = {
            "return_urls": ["https://Shop.example.com:443/done", "https://shop.example.com/done"],
            "origins": ["https://Shop.example.com/"],
            "policy": "strict",
            "confirm_policy": "closed",
            "prepares": True,
            "reads_prepared": True,
            "language": "en",
            "retention_days": {"arrivals": 20, "replies": 10, "attempts": 60},
        }
        answer = server.asks("PATCH", "/settings", chosen)

        assert answer.status_code == 200, answer.text
        spelt = {"return_urls": ["https://shop.example.com/done"], "origins": ["https://shop.example.com"]}
        assert answer.json() == {"object": "settings", "livemode": True} | chosen | spelt
        assert server.gets("/settings") == answer.json()
        assert server.cast.route.strict
        actors = AuditEntry.objects.filter(action__in=["mode.changed", "language.changed", "retention.changed"])
        assert [entry.actor for entry in actors] == [f"API key {server.row.prefix}"] * 3

    def test_what_is_left_out_stays(self, server: Server) -> None:
        """So does what is null, but the language, of which null is a choice."""
        server.asks("PATCH", "/settings", {"policy": "strict", "language": "ko"})
        before = server.gets("/settings")
        server.asks("PATCH", "/settings", {"policy": None, "retention_days": {"replies": 7}})
        server.asks("PATCH", "/settings", {"language": None})

        days = before["retention_days"] | {"replies": 7}
        assert server.gets("/settings") == before | {"retention_days": days, "language": None}

    @pytest.mark.parametrize(
        ("given", "field"),
        [
            ({"return_urls": ["https://shop.example.com/", "https://shop.example.com/?a=b"]}, "return_urls.1"),
            ({"return_urls": ["javascript:alert(1)"]}, "return_urls.0"),
            ({"return_urls": ["https://shop.example.com/"] * 21}, "return_urls"),
            ({"origins": ["https://shop.example.com/page"]}, "origins.0"),
            ({"origins": ["null"]}, "origins.0"),
            ({"origins": ["https://shop.example.com\x00"]}, "origins.0"),
            ({"policy": "trusting"}, "policy"),
            ({"prepares": "yes"}, "prepares"),
            ({"language": "fr"}, "language"),
            ({"retention_days": {"arrivals": 91}}, "retention_days.arrivals"),
            ({"retention_days": {"attempts": 7, "replies": 30}}, "retention_days"),
            ({"retention_days": {"arrivls": 9}}, "retention_days.arrivls"),
            ({"polcy": "strict"}, "polcy"),
        ],
    )
    def test_a_slip_names_the_field_and_changes_nothing(
        self, server: Server, given: dict[str, Any], field: str
    ) -> None:
        """One wrong value refuses the whole change."""
        before = server.gets("/settings")
        refused = server.asks("PATCH", "/settings", {"confirm_policy": "closed"} | given)

        assert (refused.status_code, refused.json()["field"]) == (422, field), refused.text
        assert server.gets("/settings") == before

    @pytest.mark.parametrize(
        ("given", "field"),
        [
            ({"language": "ko"}, "language"),
            ({"retention_days": {"arrivals": 1}}, "retention_days"),
            ({"prepares": True}, "prepares"),
            ({"reads_prepared": True}, "reads_prepared"),
        ],
    )
    def test_a_test_key_changes_nothing_of_live_mode(
        self, test_bakery: Cast, serves: Serves, given: dict[str, Any], field: str
    ) -> None:
        """What both modes have together, or live mode alone, is not a test key's to change; its own choices are."""
        server = serves(test_bakery)
        before = server.gets("/settings")
        refused = server.asks("PATCH", "/settings", given)
        own = server.asks("PATCH", "/settings", {"policy": "strict"})

        assert (refused.status_code, refused.json()["type"]) == (422, "/problems/live_mode_only")
        assert refused.json()["field"] == field
        assert own.json() == before | {"policy": "strict"}
        assert set(MerchantMode.objects.filter(mode="live").values_list("policy", flat=True)) == {"open"}

    def test_who_saw_older_settings_may_not_change_them(self, server: Server) -> None:
        """412, and nothing is changed."""
        seen = server.asks("GET", "/settings").headers["etag"]
        newer = server.asks("PATCH", "/settings", {"policy": "strict"}, If_Match=seen)
        late = server.asks("PATCH", "/settings", {"policy": "open"}, If_Match=seen)

        assert (newer.status_code, late.status_code) == (200, 412)
        assert server.gets("/settings")["policy"] == "strict"

    def test_another_merchants_settings_stay(self, bakery: Cast, florist: Cast, serves: Serves) -> None:
        """What the bakery chooses is not the florist's."""
        before = serves(florist).gets("/settings")
        serves(bakery).asks("PATCH", "/settings", {"policy": "strict", "language": "en"})

        assert serves(florist).gets("/settings") == before


@pytest.mark.parametrize(
    ("method", "path", "body", "scope"),
    [
        ("PUT", "/credentials", {"imp_key": OTHER, "imp_secret": SECRET}, "credentials:write"),
        ("POST", "/credentials/test", None, "credentials:write"),
        ("POST", "/route-keys/rotate", {"kind": "webhook"}, "route_keys:write"),
        ("POST", "/route-keys/x/retire", None, "route_keys:write"),
        ("PATCH", "/settings", {"policy": "strict"}, "settings:write"),
        ("GET", "/credentials", None, "settings:read"),
        ("GET", "/route-keys", None, "route_keys:read"),
        ("GET", "/settings", None, "settings:read"),
        ("GET", "/endpoints", None, "endpoints:read"),
    ],
)
def test_each_deed_needs_its_scope(
    bakery: Cast, serves: Serves, method: str, path: str, body: object, scope: str
) -> None:
    """A key without the scope is told which one."""
    refused = serves(bakery, "orders:read").asks(method, path, body)

    assert (refused.status_code, scope in refused.json()["detail"]) == (403, True)


def test_no_answer_of_a_reading_key_holds_a_secret(server: Server, bakery: Cast, run_worker: Work) -> None:
    """Whatever can be read of a merchant that has everything: no key, no secret, no header's value."""
    bakery.portone.add_account(OTHER, SECRET)
    server.asks("PUT", "/credentials", {"imp_key": OTHER, "imp_secret": SECRET})
    shop = server.gets("/endpoints")["data"][0]
    secrets = [server.asks("POST", f"/endpoints/{shop['id']}/rotate-secret", {}).json()["signing_secret"]]
    server.asks("PATCH", f"/endpoints/{shop['id']}", {"headers": {"authorization": GATEWAY}})
    server.asks("POST", f"/endpoints/{shop['id']}/ping")
    server.asks("POST", "/orders", {"id": "order-1", "amount": 64900})
    bakery.portone.approve(bakery.opens_window("order-1"))
    bakery.portone.outbox.wait_for(1)
    run_worker()

    read = read_everything(server)

    assert {"/endpoints", f"/endpoints/{shop['id']}", "/credentials", "/settings", "/route-keys", "/me"} <= set(read)
    keys = bakery.keys
    secrets += [OTHER, SECRET, GATEWAY, "not-a-secret", server.key, keys.api_key, keys.return_key, keys.order_key]
    found = {path: secret for path, text in read.items() for secret in secrets if secret in text}
    assert found == {}
    assert not [path for path, text in read.items() if re.search(r"whsec_|\$pw1\$", text)]


def read_everything(server: Server) -> dict[str, str]:
    """Return the text of every address that can be read, by the document of the API: a new one cannot be forgotten."""
    paths = [path for path, deeds in api.get_openapi_schema()["paths"].items() if "get" in deeds]
    read: dict[str, str] = {}
    for path in sorted(path.removeprefix("/api/v1").rstrip("/") for path in paths):
        collection, brace, rest = path.partition("/{")
        listed = json.loads(read.get(collection, "{}")).get("data", []) if brace else [{}]
        for item in listed:
            address = f"{collection}/{item['id']}{rest.partition('}')[2]}" if brace else path
            answer = server.asks("GET", address)
            assert answer.status_code == 200, (address, answer.text)
            read[address] = answer.text
    return read
