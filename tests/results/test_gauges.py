"""How far behind are we: what a scrape reads from the database, of all merchants together."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from prometheus_client.core import Metric

from results.gauges import PARTS, Remembered, read_at_scrape, read_deliveries, read_queue
from results.models import Delivery, Endpoint
from tenants.fields import new_id
from tenants.models import Duty, Merchant
from tenants.models.merchant import schema_name_for
from tenants.routing import inside
from tests.factories import Cast
from tests.outages import database_down

Work = Callable[..., None]


def value(metrics: list[Metric], name: str, *labels: str) -> float:
    [found] = [
        sample.value
        for metric in metrics
        for sample in metric.samples
        if sample.name == f"paywitness_{name}" and list(sample.labels.values()) == list(labels)
    ]
    return found


def owes(cast: Cast, *, hours: float, **fields: Any) -> None:
    """Let the merchant's endpoint have waited for an event so long."""
    with inside(cast.merchant.schema_name):
        [delivery] = Delivery.objects.all()
        made_at = datetime.now(UTC) - timedelta(hours=hours)
        Delivery.objects.filter(id=delivery.id).update(created_at=made_at, delivered_at=None, **fields)


def is_told(cast: Cast, run_worker: Work) -> None:
    cast.portone.approve(cast.opens_window("order-1"))
    cast.portone.outbox.wait_for(1)
    run_worker()
    assert cast.told() == ["payment.paid"]


def test_oldest_undelivered_is_of_all_merchants(bakery: Cast, florist: Cast, run_worker: Work) -> None:
    """The age is that of the event which has waited longest, whosever it is, and 0 when nothing waits."""
    for cast in (bakery, florist):
        is_told(cast, run_worker)
    assert value(read_deliveries(), "oldest_undelivered_seconds") == 0

    owes(bakery, hours=1)
    owes(florist, hours=2)

    assert value(read_deliveries(), "oldest_undelivered_seconds") == pytest.approx(7200, abs=30)


@pytest.mark.parametrize("state", [{"paused_at": "2020-01-01T00:00Z"}, {"disabled_at": "2020-01-01T00:00Z"}])
def test_backlog_of_a_silent_endpoint_is_not_late(bakery: Cast, run_worker: Work, state: dict[str, str]) -> None:
    """What waits for an endpoint that is paused or disabled is the merchant's to mend, and alarms nobody."""
    is_told(bakery, run_worker)
    owes(bakery, hours=1)

    with inside(bakery.merchant.schema_name):
        Endpoint.objects.update(**state)

    assert value(read_deliveries(), "oldest_undelivered_seconds") == 0


def test_replay_of_old_events_is_not_late(bakery: Cast, run_worker: Work) -> None:
    """What a replay owes anew was heard long ago."""
    is_told(bakery, run_worker)

    owes(bakery, hours=90, again=True)

    assert value(read_deliveries(), "oldest_undelivered_seconds") == 0


def test_endpoints_in_trouble_are_counted(bakery: Cast) -> None:
    """An endpoint is failing, only probed, or disabled; a disabled one is nothing else."""
    since = "2020-01-01T00:00Z"
    for state in (["failing"], ["failing", "probed"], ["disabled"]):
        fields = dict.fromkeys(state, since)
        with inside(bakery.merchant.schema_name):
            Endpoint.objects.update(
                failing_since=fields.get("failing"), opened_at=fields.get("probed"), disabled_at=fields.get("disabled")
            )

        metrics = read_deliveries()

        counted = {name for name in ("failing", "probed", "disabled") if value(metrics, "endpoints", name)}
        assert counted == set(state)


def test_queue_lag_is_of_each_group(bakery: Cast) -> None:
    """Duties are counted by kind, due or later; the lag is that of the oldest one which is due, by group."""
    at = datetime.now(UTC)
    late = {Duty.Kind.VOUCHED: 30, Duty.Kind.VERIFY: 90, Duty.Kind.DELIVER: 10, Duty.Kind.REDELIVER: -600}
    for kind, seconds in late.items():
        fields = {"merchant": bakery.merchant.id, "mode": "live", "lane": new_id(), "reference": new_id()}
        Duty.objects.create(kind=kind, due_at=at - timedelta(seconds=seconds), **fields)

    metrics = read_queue()

    lags = {group: value(metrics, "queue_lag_seconds", group) for group in ("questions", "first_attempts", "retries")}
    assert lags == {
        "questions": pytest.approx(90, abs=5),
        "first_attempts": pytest.approx(10, abs=5),
        "retries": 0,
    }
    assert value(metrics, "duties", "verify", "due") == 1
    assert value(metrics, "duties", "redeliver", "due") == 0
    assert value(metrics, "duties", "redeliver", "later") == 1


def test_reading_is_kept_for_a_while() -> None:
    """However often somebody scrapes, the database is asked once in a while."""
    asked: list[int] = []
    reader = Remembered(lambda: asked.append(1) or [], seconds=60)  # type: ignore[func-returns-value]

    for _ in range(5):
        reader()

    assert asked == [1]


@pytest.fixture
def nothing_kept() -> Iterator[None]:
    """Let every reading be made anew, before the test and after it."""
    for reader in PARTS.values():
        reader.forget()
    yield
    for reader in PARTS.values():
        reader.forget()


def test_scrape_without_a_database_says_so(database: Any, nothing_kept: None) -> None:
    """While the database is away a scrape still answers, says what is missing, and shows no stale gauge."""
    with database_down():
        metrics = list(read_at_scrape())

    assert [metric.name for metric in metrics] == ["paywitness_gauges_read"]
    assert [value(metrics, "gauges_read", part) for part in PARTS] == [0, 0]


def test_two_hundred_merchants_are_read_quickly(bakery: Cast, note: Callable[[str], None]) -> None:
    """With 200 merchants, each with an endpoint and a backlog, a reading takes well under a second."""
    made = [_merchant() for _ in range(200)]
    try:
        Merchant.objects.bulk_create(made)
        _copy_tables(bakery.merchant.schema_name, [merchant.schema_name for merchant in made])

        started = time.perf_counter()
        metrics = read_deliveries()
        first = time.perf_counter() - started
        started = time.perf_counter()
        read_deliveries()
        again = time.perf_counter() - started
    finally:
        with connection.cursor() as cursor:
            for merchant in made:
                cursor.execute(f"DROP SCHEMA IF EXISTS {merchant.schema_name} CASCADE")
            cursor.execute("DELETE FROM tenants_merchant WHERE name = 'one of many'")

    assert value(metrics, "oldest_undelivered_seconds") == pytest.approx(3600, abs=60)
    note(f"gauges over 200 merchants x 500 undelivered: {first * 1000:.0f} ms, again {again * 1000:.0f} ms")
    assert again < 1


def _merchant() -> Merchant:
    id_, at = new_id(), datetime.now(UTC)
    return Merchant(id=id_, name="one of many", schema_name=schema_name_for(id_), state="ready", created_at=at)


def _copy_tables(source: str, schemas: list[str]) -> None:
    with connection.cursor() as cursor:
        for schema in schemas:
            cursor.execute(
                f"CREATE SCHEMA {schema};"
                f"CREATE TABLE {schema}.results_endpoint (LIKE {source}.results_endpoint INCLUDING ALL);"
                f"CREATE TABLE {schema}.results_delivery (LIKE {source}.results_delivery INCLUDING ALL);"
                f"INSERT INTO {schema}.results_endpoint SELECT * FROM {source}.results_endpoint;"
                f"INSERT INTO {schema}.results_delivery (id, event_id, endpoint_id, created_at, tries)"
                f" SELECT gen_random_uuid(), gen_random_uuid(), id, now() - '1 hour'::interval, 0"
                f" FROM {schema}.results_endpoint, generate_series(1, 500)"
            )
