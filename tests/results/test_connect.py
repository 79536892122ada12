"""Connecting PortOne's keys, and reporting what only owners can mend."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from results.connect import connect_account
from results.core.ids import encode
from results.models import Event
from results.portone import keep_token, open_access
from results.report import report_refused_keys
from tenants.models import AuditEntry, Credential, Membership, Merchant
from tenants.routing import Route, find_mode, inside
from tests.factories import Cast
from tests.tenants.conftest import newcomers_leave

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
def baker(database: dict[str, Merchant]) -> Route:
    return mode_of(database["bakery"])


@pytest.fixture
def florist(database: dict[str, Merchant]) -> Route:
    return mode_of(database["florist"])


@pytest.fixture
def newcomers(database: Any) -> Iterator[None]:
    with newcomers_leave():
        yield


def mode_of(merchant: Merchant, mode: str = "live") -> Route:
    route = find_mode(merchant.id, mode)
    assert route is not None
    return route


def connect(route: Route, imp_key: str = "imp-key-of-tests", **more: str) -> list[Any]:
    return connect_account(route, imp_key=imp_key, imp_secret="not-a-secret", actor="tests", at=NOW, **more)


def told() -> list[tuple[Any, str]]:
    """Return who has been told that its account is shared: by audit, and by mail."""
    audited = AuditEntry.objects.filter(action="account.shared").values_list("merchant", flat=True)
    return sorted([(merchant, "audit") for merchant in audited] + [(merchant, "mail") for merchant in written_to()])


def written_to() -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT payload FROM public.pgqueuer")
        letters = [json.loads(bytes(payload)) for (payload,) in cursor.fetchall()]
    merchants = dict(Membership.objects.values_list("id", "merchant_id"))
    return [merchants[id_] for id_ in merchants for letter in letters if letter["membership"] == str(id_)]


def both(*routes: Route) -> list[tuple[Any, str]]:
    return sorted((route.merchant_id, way) for route in routes for way in ("audit", "mail"))


def test_a_second_merchant_of_an_account_is_told_and_so_is_the_first(baker: Route, florist: Route) -> None:
    """Both merchants get an entry in their audit and their owners a mail; neither reads who the other is."""
    assert connect(baker) == []

    assert connect(florist) == [baker.merchant_id]

    assert told() == both(baker, florist)
    entries = AuditEntry.objects.filter(action="account.shared")
    assert {(entry.subject, str(entry.detail)) for entry in entries} == {("PortOne account, live", "{}")}


def test_both_are_told_once(baker: Route, florist: Route, database: dict[str, Merchant]) -> None:
    """New secrets for the same account, or the same keys for the other mode, are no news."""
    connect(baker)
    connect(florist)

    connect(florist)
    connect(mode_of(database["bakery"], "test"))

    assert told() == both(baker, florist)


def test_another_account_concerns_nobody(baker: Route, florist: Route) -> None:
    """Another key, or another sub-store of the same key, is another account."""
    connect(baker)

    assert connect(florist, imp_key="another-key") == []
    assert connect(florist, tier="A1B") == []

    assert told() == []


def test_two_modes_of_one_merchant_share_without_a_word(baker: Route, database: dict[str, Merchant]) -> None:
    """The same keys for live and test mode are usual."""
    connect(baker)

    assert connect(mode_of(database["bakery"], "test")) == []

    assert told() == []


def test_new_keys_take_the_place_of_the_old(baker: Route) -> None:
    """A mode has one pair of keys; new ones are tried at once, though the old ones were refused."""
    connect(baker, imp_key="old-key")
    Credential.objects.update(refused_at=NOW, paused_until=NOW, pauses=3, token=b"sealed")

    connect(baker, imp_key="new-key")

    credential = Credential.objects.get()
    assert open_access(credential, baker.open_vault()).imp_key == "new-key"
    assert (credential.refused_at, credential.paused_until, credential.pauses, credential.token) == (
        None,
        None,
        0,
        None,
    )


def test_a_token_of_the_account_before_is_not_kept(baker: Route) -> None:
    """A worker that was buying a token while the merchant connected another account shares it with nobody."""
    connect(baker, imp_key="old-key")
    vault = baker.open_vault()
    access = open_access(Credential.objects.get(), vault)
    connect(baker, imp_key="new-key")

    keep_token(access, vault, token="not-a-token", expires_at=NOW)

    assert Credential.objects.get().token is None


def test_the_account_does_not_give_the_key_away(baker: Route) -> None:
    """What names the account is a digest that the database alone cannot recompute."""
    connect(baker)

    account = bytes(Credential.objects.get().account or b"")
    assert len(account) == 32
    assert b"of-tests" not in account


def test_create_merchant_says_so_on_standard_error(baker: Route, newcomers: None) -> None:
    """The operator reads who else holds the account; standard output stays one line of JSON."""
    connect(baker)
    out, err = StringIO(), StringIO()

    options = {"name": "tailor", "owner-email": "owner@tailor.example", "mode": "live", "imp-secret": "not-a-secret"}
    options |= {"imp-key": "imp-key-of-tests", "callback-url": "http://127.0.0.1:8200/callback"}
    arguments = [f"--{name}={value}" for name, value in options.items()]
    call_command("create_merchant", *arguments, "--json", stdout=out, stderr=err)

    assert out.getvalue().count("\n") == 1
    assert encode("mer", baker.merchant_id) in err.getvalue()
    assert len(told()) == 4


def test_refused_keys_reach_shop_and_owners(bakery: Cast, run_worker: Any) -> None:
    """The shop hears one event, which names mode, moment and mend, and the owners get one mail."""
    with inside(bakery.merchant.schema_name):
        report_refused_keys(bakery.route, at=NOW)
    run_worker()

    [event] = bakery.events()
    assert (event["type"], event["livemode"], event["sequence"]) == ("account.credentials_invalid", True, None)
    account = event["data"]["account"]
    assert (account["mode"], account["refused_at"]) == ("live", "2026-11-01T12:00:00.000Z")
    assert "REST API key" in account["message"]
    assert written_to() == [bakery.merchant.id]


def test_a_report_that_rolls_back_tells_nobody(bakery: Cast) -> None:
    """Event and mail stand and fall with the transaction that noted the refusal."""
    with inside(bakery.merchant.schema_name), transaction.atomic():
        report_refused_keys(bakery.route, at=NOW)
        transaction.set_rollback(True)

    assert bakery.rows(Event) == []
    assert written_to() == []
