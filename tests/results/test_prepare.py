"""Announcing amounts to PortOne: what changes meanwhile, and when it is given up."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from results.core.money import Money
from results.duties import Taken
from results.models import Order
from results.portone import PortOneDeclined, PortOneError
from results.prepare import MOST_TRIES, Announcement, Said, conclude, load
from tenants.models import Duty
from tenants.routing import inside
from tests.factories import Cast

NOW = datetime.now(UTC)


@pytest.fixture
def shop(bakery: Cast) -> Iterator[Cast]:
    """The bakery, which announces what it registers, seen from inside."""
    bakery.chooses(prepares=True)
    with inside(bakery.merchant.schema_name):
        yield bakery


def owed(tries: int = 1) -> Taken:
    """Return what is owed as a worker takes it."""
    duty = Duty.objects.get(kind="prepare")
    return Taken(duty.id, duty.kind, duty.merchant, duty.mode, duty.lane, duty.reference, tries, duty.due_at)


@pytest.mark.parametrize("error", [None, PortOneDeclined("no")])
@pytest.mark.parametrize("is_removed", [True, False])
def test_an_amount_that_changed_meanwhile_stays_owed(shop: Cast, error: PortOneError | None, is_removed: bool) -> None:
    """What PortOne was told is not the newest: it is told again, even if another worker removed the duty."""
    shop.expects("order-1", 64900)
    told = Announcement(owed(), "order-1", Money(64900, "KRW", 0))
    shop.expects("order-1", 59900)
    if is_removed:
        Duty.objects.all().delete()

    conclude(shop.route, [Said(told, error)], at=NOW)

    assert Duty.objects.filter(kind="prepare", reference=told.order_id).exists()
    assert Order.objects.get().prepared_at is None


def test_what_was_told_is_owed_no_more(shop: Cast) -> None:
    """The order remembers when PortOne was told."""
    shop.expects("order-1", 64900)

    conclude(shop.route, [Said(Announcement(owed(), "order-1", Money(64900, "KRW", 0)), None)], at=NOW)

    assert not Duty.objects.exists()
    assert Order.objects.get().prepared_at == NOW


@pytest.mark.parametrize(
    ("changes", "tries", "is_wanted"),
    [
        ({}, 1, True),
        ({"expires_at": NOW + timedelta(hours=1)}, 1, True),
        ({"expires_at": NOW}, 1, False),
        ({}, MOST_TRIES, True),
        ({}, MOST_TRIES + 1, False),
    ],
)
def test_an_expired_order_and_a_day_of_silence_end_it(
    shop: Cast, changes: dict[str, datetime], tries: int, is_wanted: bool
) -> None:
    """No window opens any more for an expired order; and after about a day PortOne is left alone."""
    shop.expects("order-1", 64900)
    Order.objects.update(**changes)

    loaded = load(shop.route, [owed(tries)], at=NOW)

    assert (loaded is not None) is is_wanted
    assert Duty.objects.exists() is is_wanted


def test_a_merchant_who_switched_it_off_is_not_announced(shop: Cast) -> None:
    """What was owed before goes without a word."""
    shop.expects("order-1", 64900)
    shop.chooses(prepares=False)

    assert load(shop.route, [owed()], at=NOW) is None
    assert not Duty.objects.exists()


def test_it_stands_in_a_lane_of_its_own(shop: Cast) -> None:
    """A hanging announcement never holds a question up."""
    shop.expects("order-1", 64900)

    assert owed().lane != shop.route.lane
