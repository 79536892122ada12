"""Writing an arrival down: once, in the right place, whatever happens to the connection or to the address."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client

from results.core.claim import Claim, read_claim
from results.receive import Arrival, Kind, NotRecorded, new_page, record
from tenants.models import Duty, RouteKey
from tenants.routing import Route, find_route
from tests.factories import Cast
from tests.outages import answer_lost, database_down

IMP = "imp_448280090638"
CLAIM = Claim(imp_uid=IMP, merchant_uid="order-1", status="paid")


def route_of(cast: Cast, kind: str = "webhook") -> Route:
    route = find_route(cast.key(kind).key, kind=kind, at=datetime.now(UTC))
    assert route is not None
    return route


def test_an_arrival_is_a_notification_and_one_duty(bakery: Cast, florist: Cast) -> None:
    """What came is written into its merchant's schema, with a duty in its mode's lane that is due at once."""
    at = datetime.now(UTC)

    id_ = record(route_of(bakery), Arrival(Kind.WEBHOOK, CLAIM, b"raw", address="127.0.0.1"), at=at)

    (row,) = bakery.notifications()
    assert (row.id, row.mode, row.kind, row.imp_uid, row.merchant_uid) == (id_, "live", "webhook", IMP, "order-1")
    assert (row.received_at, row.settled_at, row.address) == (at, None, "127.0.0.1")
    duty = Duty.objects.get()
    assert (duty.kind, duty.reference, duty.merchant, duty.lane) == (
        "verify",
        id_,
        bakery.merchant.id,
        row_lane(bakery),
    )
    assert (duty.due_at, duty.tries) == (at, 0)
    assert florist.notifications() == []


def row_lane(cast: Cast) -> Any:
    return cast.merchant.modes.get(mode=cast.mode).id


def test_what_names_nothing_owes_nothing(bakery: Cast) -> None:
    """An arrival without an id that PortOne could be asked about is settled when it is written."""
    record(route_of(bakery), Arrival(Kind.LANDING, read_claim(query="success=false"), b"", page=new_page()), at=now())

    (row,) = bakery.notifications()
    assert row.settled_at == row.received_at
    assert (row.raw, row.raw_expires_at) == (None, None)
    assert not Duty.objects.exists()


def test_a_key_that_has_ended_writes_nothing(bakery: Cast) -> None:
    """The statement carries its own proof that the key opens; without it neither row nor duty is made."""
    route = route_of(bakery)
    RouteKey.objects.filter(id=route.key_id).update(works_until=now())
    try:
        assert record(route, Arrival(Kind.WEBHOOK, CLAIM, b"raw"), at=now()) is None
    finally:
        RouteKey.objects.filter(id=route.key_id).update(works_until=None)

    assert bakery.notifications() == []
    assert not Duty.objects.exists()


def test_an_answer_lost_on_its_way_is_no_second_arrival(bakery: Cast) -> None:
    """If the connection breaks after the commit, the second try finds the first one's row and says it is recorded."""
    route, page = route_of(bakery), new_page()

    with answer_lost():
        id_ = record(route, Arrival(Kind.LANDING, CLAIM, b"raw", page=page), at=now())

    assert [(row.id, row.page) for row in bakery.notifications()] == [(id_, page)]
    assert Duty.objects.count() == 1


def test_without_a_database_nothing_is_said_to_be_recorded(bakery: Cast) -> None:
    """When the second try fails as well, whoever sent it is to send it again."""
    route = route_of(bakery)

    with database_down(), pytest.raises(NotRecorded):
        record(route, Arrival(Kind.WEBHOOK, CLAIM, b"raw"), at=now())

    assert bakery.notifications() == []


def test_a_schema_that_is_gone_is_our_fault_and_says_so(bakery: Cast) -> None:
    """A statement that can never succeed is not recorded either, and is no exception of the database's."""
    lost = Route(bakery.merchant.id, f"t_{uuid4().hex}", "live", uuid4(), None, key_id=route_of(bakery).key_id)

    with pytest.raises(NotRecorded, match="ProgrammingError"):
        record(lost, Arrival(Kind.WEBHOOK, CLAIM, b"raw"), at=now())

    connection.close()
    assert not Duty.objects.exists()


@pytest.mark.parametrize(
    ("proxies", "header", "address"),
    [
        (0, "52.78.100.19", "127.0.0.1"),
        (1, "52.78.100.19", "52.78.100.19"),
        (1, "10.0.0.1, 52.78.100.19", "52.78.100.19"),
        (2, "52.78.100.19, 10.0.0.1", "52.78.100.19"),
        (2, "10.9.9.9, 52.78.100.19, 10.0.0.1", "52.78.100.19"),
        (1, "", "127.0.0.1"),
        (1, "2001:db8::1", "2001:db8::1"),
        (1, "fe80::1%eth0", "fe80::1"),
        (1, "fe80::1%'; --", "fe80::1"),
        (1, "unknown", None),
        (1, "52.78.100.19:4711", None),
        (1, "x" * 5000, None),
    ],
)
def test_the_address_is_the_one_our_own_proxies_saw(
    bakery: Cast, settings: Any, proxies: int, header: str, address: str | None
) -> None:
    """Counted from our side, one hop for each trusted proxy; what is no address is none, and refuses nothing."""
    settings.TRUSTED_PROXY_COUNT = proxies
    headers = {"x-forwarded-for": header} if header else {}

    response = Client(headers=headers).post(bakery.webhook_url, {"imp_uid": IMP}, "application/json")

    assert response.status_code == 200
    assert [row.address for row in bakery.notifications()] == [address]


def test_a_claim_is_written_within_microseconds_of_its_key(bakery: Cast) -> None:
    """A rotated key opens until the very moment at which it ends."""
    route, end = route_of(bakery), now()
    arrival = Arrival(Kind.WEBHOOK, CLAIM, b"")
    RouteKey.objects.filter(id=route.key_id).update(works_until=end)
    try:
        before = record(route, arrival, at=end - timedelta(microseconds=1))
        then = record(route, arrival, at=end)
    finally:
        RouteKey.objects.filter(id=route.key_id).update(works_until=None)

    assert before is not None
    assert then is None


def now() -> datetime:
    return datetime.now(UTC)
