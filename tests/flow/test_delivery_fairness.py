"""What an endpoint may take of a worker, and what is not its fault."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from results.duties import SHARE
from results.models import Delivery, Endpoint
from results.worker import (
    DELIVERIES_IN_FLIGHT,
    DELIVERIES_OF_A_LANE,
    DELIVERIES_OF_A_MERCHANT,
    Worker,
)
from tenants.fields import new_id
from tenants.models import Duty
from tenants.routing import inside
from tests.conftest import Work
from tests.factories import Cast, add_endpoint
from tests.flow.virtual_endpoint import OK, Line

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class SlowShop:
    """A server that takes its time over every request, and counts how many it holds at once, by path and in all."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.open: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.order: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ", 2)[1].decode()
        self.order.append(path)
        for name in (path, "all"):
            self.open[name] += 1
            self.most[name] = max(self.most[name], self.open[name])
        await asyncio.sleep(self.seconds)
        for name in (path, "all"):
            self.open[name] -= 1
        writer.write(ANSWER)
        await writer.drain()
        writer.close()


@contextmanager
def serving(shop: SlowShop) -> Iterator[None]:
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(shop.serve, "127.0.0.1", 0))
    shop.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield
    server.close()
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)


def make_endpoints(cast: Cast, shop: SlowShop, count: int) -> None:
    with inside(cast.merchant.schema_name):
        Endpoint.objects.all().delete()
    for number in range(count):
        add_endpoint(cast, f"http://127.0.0.1:{shop.port}/{number}")


@pytest.mark.parametrize(
    ("endpoints", "orders", "place", "cap"),
    [(1, 150, "/0", DELIVERIES_OF_A_LANE), (6, 60, "all", DELIVERIES_OF_A_MERCHANT)],
    ids=["endpoint", "merchant"],
)
def test_no_more_are_in_flight_than_the_cap(
    bakery: Cast, run_worker: Work, endpoints: int, orders: int, place: str, cap: int
) -> None:
    """However much waits, one endpoint and one merchant hold only so many requests of a worker at once."""
    shop = SlowShop(seconds=1.5)
    with serving(shop):
        make_endpoints(bakery, shop, endpoints)
        line = Line(bakery, lambda outgoing, at: OK, at=datetime.now(UTC))
        for number in range(orders):
            line.publish(f"order-{number}")

        run_worker(until=lambda: len(shop.order) >= endpoints * orders)

    assert cap / 2 <= shop.most[place] <= cap


def test_first_attempts_stand_behind_no_retry(bakery: Cast, run_worker: Work) -> None:
    """A thousand retries that are due leave room for what happens now."""
    shop = SlowShop(seconds=0.5)
    with serving(shop):
        make_endpoints(bakery, shop, 1)
        line = Line(bakery, lambda outgoing, at: OK, at=datetime.now(UTC) - timedelta(hours=1))
        for number in range(300):
            line.publish(f"order-{number}")
        Duty.objects.filter(kind="deliver").update(kind="redeliver")
        line.at = datetime.now(UTC)
        new = line.publish("order-new")

        run_worker(until=lambda: is_heard(bakery, new.id))

    assert len(shop.order) < 100


def test_a_flood_leaves_every_other_turn_to_the_others(bakery: Cast, florist: Cast, run_worker: Work) -> None:
    """Five hundred older deliveries of another merchant do not stand before one, however fast they are taken."""
    shop = SlowShop(seconds=0)
    with serving(shop):
        make_endpoints(florist, shop, 1)
        flood = Line(florist, lambda outgoing, at: OK, at=datetime.now(UTC) - timedelta(hours=1))
        for number in range(500):
            flood.publish(f"order-{number}")
        quiet = Line(bakery, lambda outgoing, at: OK, at=datetime.now(UTC)).publish("order-quiet")

        run_worker(until=lambda: is_heard(bakery, quiet.id))

    assert len(shop.order) < 200


def is_heard(cast: Cast, event: object) -> bool:
    with inside(cast.merchant.schema_name):
        return Delivery.objects.filter(event_id=event).exclude(delivered_at=None).exists()


def test_a_fault_of_ours_is_not_the_endpoints(bakery: Cast, run_worker: Work, settings: object) -> None:
    """While our own way out is broken nothing is tried, and nothing counts against the endpoint."""
    settings.OUTBOUND_PROXY = "http://127.0.0.1:9"  # type: ignore[attr-defined]
    line = Line(bakery, lambda outgoing, at: OK, at=datetime.now(UTC))
    line.publish("order-1")

    run_worker(until=lambda: Duty.objects.filter(due_at__gt=datetime.now(UTC) + timedelta(seconds=2)).exists())

    assert line.attempts() == []
    assert line.endpoint().failures == 0
    assert line.undelivered() == 1


def test_a_few_slow_merchants_never_fill_a_worker() -> None:
    """However many places slow merchants with many endpoints ask for, another still finds one."""
    worker = Worker(database_url="", portone=None, client=None, threads=None)  # type: ignore[arg-type]
    slow = [new_id() for _ in range(4)]

    for merchant in slow * 20:
        if merchant not in worker.full().merchants:
            lane = new_id()
            worker.deliveries[lane] += 2 * SHARE
            worker.merchants[lane] = merchant

    assert worker.deliveries.total() <= DELIVERIES_IN_FLIGHT - 2 * SHARE
    assert new_id() not in worker.full().merchants
