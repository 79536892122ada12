"""Whose is it? Routes are found without a query, and nobody ever stands in another merchant's schema."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, connections
from django.db.models import Model

from results.models import (
    Attempt,
    Delivery,
    Endpoint,
    EndpointSecret,
    Event,
    Forgetting,
    Notification,
    Order,
    Payment,
    Reconciliation,
    Replay,
    Setup,
    Verification,
)
from tenants.encryption import SealingKeyMissing
from tenants.fields import new_id
from tenants.models import Merchant, MerchantMode, RouteKey
from tenants.onboarding import retire_route_key, rotate_route_key
from tenants.routing import (
    Threads,
    find_mode,
    find_route,
    forget_everything,
    forget_route,
    inside,
    last_known_route,
)
from tests.factories import let_routes_expire
from tests.tenants.conftest import NOON

Cast = dict[str, Merchant]
Queries = Callable[[int], Any]


@pytest.fixture
def florist(database: Cast) -> Merchant:
    """The other merchant, in tests that write into both schemas."""
    return database["florist"]


def key_of(merchant: Merchant, kind: str = "browser", mode: str = "live") -> RouteKey:
    return RouteKey.objects.get(merchant=merchant, mode=mode, kind=kind, works_until=None)


def make_order(merchant: Merchant, number: str) -> Order:
    with inside(merchant.schema_name):
        return Order.objects.create(mode="live", merchant_uid=number, created_at=NOON)


def search_path() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        return str(cursor.fetchone()[0])


# Routes


def test_a_route_tells_all_that_a_hot_path_needs(database: Cast) -> None:
    """A browser key names its merchant, mode, schema, lane and what the merchant chose for the mode."""
    bakery = database["bakery"]
    chosen = MerchantMode.objects.get(merchant=bakery, mode="test")
    key = key_of(bakery, mode="test")

    route = find_route(key.key, kind="browser", at=NOON)

    assert route is not None
    assert (route.merchant_id, route.schema, route.mode) == (bakery.id, bakery.schema_name, "test")
    assert (route.lane, route.key_id, route.name, route.livemode) == (chosen.id, key.id, "bakery", False)


def test_a_warm_route_needs_no_query(database: Cast, django_assert_num_queries: Queries) -> None:
    """Once found, a route key and a mode cost no question to the database."""
    key = key_of(database["bakery"]).key
    first, mode = find_route(key, kind="browser", at=NOON), find_mode(database["bakery"].id, "live")

    with django_assert_num_queries(0):
        assert find_route(key, kind="browser", at=NOON) is first
        assert find_mode(database["bakery"].id, "live") is mode


def test_an_unknown_key_is_asked_about_once(database: Cast, django_assert_num_queries: Queries) -> None:
    """Whoever tries made-up keys again and again does not reach the database each time."""
    assert search_path() == "public"  # so that entering it is not counted

    with django_assert_num_queries(1):
        for _ in range(5):
            assert find_route("bk_unknown", kind="browser", at=NOON) is None


def test_a_key_that_comes_to_be_is_found_once_forgotten(database: Cast) -> None:
    """What was unknown is no longer so when this process is told to forget it."""
    assert find_route("bk_made_later", kind="browser", at=NOON) is None
    RouteKey.objects.create(
        merchant=database["bakery"],
        mode="live",
        kind="browser",
        key="bk_made_later",
        created_at=NOON,
        works_until=NOON + timedelta(days=1),
    )

    forget_route("bk_made_later")

    assert find_route("bk_made_later", kind="browser", at=NOON) is not None


@pytest.mark.parametrize("key", ["", "bk_\x00", "열쇠", "bk_" + "0" * 5000, "' OR 1=1 --"])
def test_odd_keys_lead_nowhere(database: Cast, key: str) -> None:
    """Whatever stands in the address, the answer is that there is no such route."""
    assert find_route(key, kind="browser", at=NOON) is None


@pytest.mark.parametrize(("kind", "other"), [("browser", "webhook"), ("webhook", "browser")])
def test_a_kind_opens_its_own_paths_only(database: Cast, kind: str, other: str) -> None:
    """A browser key opens no webhook path and the other way round, also when it was just used."""
    key = key_of(database["bakery"], kind).key

    assert find_route(key, kind=kind, at=NOON) is not None
    assert find_route(key, kind=other, at=NOON) is None


def test_a_key_leads_to_its_own_merchant(database: Cast) -> None:
    """Bakery's and florist's keys never lead to each other."""
    led = {
        name: find_route(key_of(merchant, kind, mode).key, kind=kind, at=NOON)
        for name, merchant in database.items()
        for kind in ("browser", "webhook")
        for mode in ("live", "test")
    }

    assert {name: route.schema for name, route in led.items() if route} == {
        name: merchant.schema_name for name, merchant in database.items()
    }


def test_a_rotated_key_leads_to_the_same_place(database: Cast) -> None:
    """Old and new key of a rotation differ in nothing but the key."""
    old = key_of(database["bakery"])
    new = rotate_route_key(database["bakery"], "live", "browser", actor="tests", at=NOON)

    before, after = (find_route(key.key, kind="browser", at=NOON) for key in (old, new))

    assert before is not None
    assert after is not None
    assert (before.merchant_id, before.lane, before.mode) == (after.merchant_id, after.lane, after.mode)


def test_a_closed_ring_still_lets_arrivals_in(database: Cast, ring: Callable[..., None]) -> None:
    """Without the merchant's sealing key the route is found, and only its vault stays closed."""
    ring("other")

    route = find_mode(database["bakery"].id, "live")

    assert route is not None
    with pytest.raises(SealingKeyMissing, match="add it to the ring again"):
        route.open_vault()


def test_where_a_key_led_is_known_after_the_route_expired(database: Cast) -> None:
    """For an answer that cannot wait, what the merchant chose is known as long as this process lives."""
    bakery = database["bakery"]
    MerchantMode.objects.filter(merchant=bakery, mode="live").update(confirm_policy="closed", prepares=True)
    key = key_of(bakery).key
    found = find_route(key, kind="browser", at=NOON)

    let_routes_expire()
    known = last_known_route(key, kind="browser")

    MerchantMode.objects.filter(merchant=bakery, mode="live").update(confirm_policy="open", prepares=False)
    assert found is not None
    assert (found.confirm_closed, found.prepares, found.reads_prepared) == (True, True, False)
    assert known is found


@pytest.mark.parametrize("kind", ["webhook", "browser"])
def test_only_what_was_found_is_last_known(database: Cast, kind: str) -> None:
    """A key that was never looked up leads nowhere, and one of another kind neither."""
    key = key_of(database["bakery"], "webhook").key
    find_route(key, kind=kind, at=NOON)

    assert (last_known_route(key, kind=kind) is not None) is (kind == "webhook")
    assert last_known_route("bk_never_seen", kind=kind) is None


@pytest.mark.parametrize("way", ["retired here", "retired elsewhere", "merchant closed"])
def test_a_key_known_to_be_closed_is_last_known_no_more(database: Cast, way: str) -> None:
    """A retired key is forgotten where it was retired, and elsewhere as soon as it is looked up."""
    bakery, old = database["bakery"], key_of(database["bakery"])
    find_route(old.key, kind="browser", at=NOON)
    rotate_route_key(bakery, "live", "browser", actor="tests", at=NOON)
    find_route(old.key, kind="browser", at=NOON)
    old.refresh_from_db()

    if way == "retired here":
        retire_route_key(old, actor="tests", at=NOON)
    elif way == "retired elsewhere":
        RouteKey.objects.filter(id=old.id).update(works_until=NOON)
    else:
        Merchant.objects.filter(id=bakery.id).update(closed_at=NOON)
    if way != "retired here":
        let_routes_expire()
        find_route(old.key, kind="browser", at=NOON)
    Merchant.objects.filter(id=bakery.id).update(closed_at=None)

    assert last_known_route(old.key, kind="browser") is None


# Schemas


def test_inside_gives_back_the_schema_before(database: Cast) -> None:
    """Whoever enters a schema stands afterwards where they stood, also when one is entered in another."""
    bakery, florist = database["bakery"].schema_name, database["florist"].schema_name
    seen = []

    with inside(bakery):
        with inside(florist):
            seen.append(search_path())
        seen.append(search_path())
    seen.append(search_path())

    assert seen == [florist, bakery, "public"]


def test_inside_gives_it_back_after_an_exception(database: Cast) -> None:
    """A fault inside does not leave anyone there."""
    with pytest.raises(ZeroDivisionError), inside(database["bakery"].schema_name):
        1 / 0  # noqa: B018

    assert (connection.schema_name, search_path()) == ("public", "public")


def test_threads_never_see_the_other_merchants_rows(database: Cast, florist: Merchant) -> None:
    """Eight threads that switch between bakery and florist 200 times each see the right rows each time."""
    for name, merchant in database.items():
        make_order(merchant, f"{name}-order")
    wrong: list[str] = []

    def switch(names: list[str]) -> None:
        try:
            for name in names * 100:
                with inside(database[name].schema_name):
                    seen = list(Order.objects.values_list("merchant_uid", flat=True))
                wrong.extend(uid for uid in seen if uid != f"{name}-order")
                wrong.extend(["nothing"] * (len(seen) != 1) + ["not public"] * (connection.schema_name != "public"))
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=switch, args=(["bakery", "florist"] if number % 2 else ["florist", "bakery"],))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


@pytest.fixture
def one_thread(database: Cast) -> Iterator[Callable[..., Any]]:
    """Run steps in a pool of one thread, so that each meets what the one before it left behind."""
    threads = Threads(1)

    def run(schema: str, step: Callable[..., Any], *args: Any) -> Any:
        return asyncio.run(threads.run(schema, step, *args))

    yield run
    run("public", connections.close_all)
    threads.close()


def test_a_step_enters_its_schema_inside_its_thread(database: Cast, one_thread: Callable[..., Any]) -> None:
    """The schema is the step's own: the caller's stays as it is, and so does the caller's thread."""
    bakery, florist = database["bakery"].schema_name, database["florist"].schema_name

    with inside(florist):
        there = one_thread(bakery, lambda: (threading.current_thread().name, search_path()))
        here = search_path()

    assert there == ("database_0", bakery)
    assert here == florist


def test_a_thread_is_in_public_between_steps(database: Cast, one_thread: Callable[..., Any]) -> None:
    """After a step, and after one that failed, the thread has left the merchant's schema."""
    own = one_thread("public", lambda: connections["default"])

    one_thread(database["bakery"].schema_name, search_path)
    after_success = own.schema_name
    with pytest.raises(ZeroDivisionError):
        one_thread(database["bakery"].schema_name, lambda: 1 / 0)

    assert (after_success, own.schema_name) == ("public", "public")
    assert one_thread("public", search_path) == "public"


def test_steps_of_many_merchants_do_not_mix(database: Cast) -> None:
    """Steps of two merchants that share four threads each run in their own schema."""
    schemas = [merchant.schema_name for merchant in database.values()] * 50

    async def run_all() -> list[str]:
        threads = Threads(4)
        try:
            return await asyncio.gather(*(threads.run(schema, search_path) for schema in schemas))
        finally:
            await asyncio.gather(*(threads.run("public", connections.close_all) for _ in range(4)))
            threads.close()

    assert asyncio.run(run_all()) == schemas


def test_a_merchants_steps_keep_to_one_thread_while_it_is_free(database: Cast) -> None:
    """Steps after each other meet the same connection; one that comes meanwhile waits for nobody, while one is free."""
    schema = database["bakery"].schema_name

    async def run_all() -> tuple[set[int], int, bool]:
        threads, block = Threads(3), threading.Event()
        try:
            usual = {await threads.run(schema, threading.get_ident) for _ in range(5)}
            slow = asyncio.create_task(threads.run(schema, block.wait, 20))
            await asyncio.sleep(0)
            beside = await threads.run(schema, threading.get_ident)
            waited = slow.done()
            block.set()
            await slow
            return usual, beside, waited
        finally:
            await asyncio.gather(*(threads.run("public", connections.close_all) for _ in range(3)))
            threads.close()

    usual, beside, waited = asyncio.run(run_all())

    assert len(usual) == 1
    assert beside not in usual
    assert not waited


# Isolation


def one_of_each() -> list[Model]:
    """Save one row of every table of a merchant."""
    live: dict[str, Any] = {"mode": "live"}
    order = Order.objects.create(**live, merchant_uid="order-1", created_at=NOON)
    payment = Payment.objects.create(
        **live, order=order, imp_uid="imp_000000000001", status="paid", judgement={}, first_seen_at=NOON
    )
    endpoint = Endpoint.objects.create(**live, url="https://shop.example.com/callback", created_at=NOON)
    event = Event.objects.create(
        **live, order=order, payment=payment, sequence=1, type="payment.paid", created_at=NOON, body=b"{}"
    )
    delivery = Delivery.objects.create(event=event, endpoint=endpoint, created_at=NOON)
    asked: dict[str, Any] = {"question": "single", "asked_at": NOON, "answered_at": NOON, "answer": "found"}
    return [
        order,
        payment,
        endpoint,
        event,
        delivery,
        Attempt.objects.create(delivery=delivery, number=1, started_at=NOON, duration_ms=1, body=b""),
        EndpointSecret.objects.create(endpoint=endpoint, sealed=b"sealed", created_at=NOON),
        Notification.objects.create(**live, kind="webhook", received_at=NOON, claim={}),
        Verification.objects.create(**live, **asked),
        Reconciliation.objects.create(**live, since=NOON),
        Forgetting.objects.create(kind=Forgetting.Kind.REPLIES, until=event.id),
        Replay.objects.create(**live, wish={}, actor="owner@bakery.example", expected=1, created_at=NOON),
        Setup.objects.create(**live),
    ]


def test_every_row_of_the_bakery_is_invisible_to_the_florist(database: Cast) -> None:
    """No table of a merchant shares a row with another merchant's."""
    with inside(database["bakery"].schema_name):
        saved = one_of_each()

    models = list(apps.get_app_config("results").get_models())
    assert {type(row) for row in saved} == set(models)
    with inside(database["florist"].schema_name):
        assert {model.__name__: model._default_manager.count() for model in models} == dict.fromkeys(
            (model.__name__ for model in models), 0
        )


def test_a_merchants_tables_are_not_in_public(database: Cast) -> None:
    """Outside every schema there is no table of a merchant to read from by mistake."""
    tables = {model._meta.db_table for model in apps.get_app_config("results").get_models()}

    assert tables.isdisjoint(connection.introspection.table_names())


def test_a_row_saved_in_the_wrong_schema_overwrites_nothing(database: Cast, florist: Merchant) -> None:
    """Ids are unique over all merchants, so that a row that goes astray meets no other with its id."""
    astray = make_order(database["bakery"], "order-1")
    own = make_order(florist, "order-2")

    with inside(florist.schema_name):
        astray.save()
        kept = dict(Order.objects.values_list("id", "merchant_uid"))

    assert kept == {astray.id: "order-1", own.id: "order-2"}


def test_ids_are_new_and_in_order() -> None:
    """Ids never come twice, and sort by when they were made."""
    ids = [new_id() for _ in range(5000)]

    assert len(set(ids)) == 5000
    assert ids == sorted(ids)


def test_what_is_forgotten_is_looked_up_again(database: Cast, django_assert_num_queries: Queries) -> None:
    """Forgetting everything makes the next look-up a fresh one."""
    key = key_of(database["bakery"]).key
    find_route(key, kind="browser", at=NOON)

    forget_everything()

    with django_assert_num_queries(2):  # the key with its merchant, and the mode
        find_route(key, kind="browser", at=NOON)
