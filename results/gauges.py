"""How far behind are we? Read from the database when somebody scrapes, seldom and within bounds.

Of all merchants together: nothing here tells one from another. A scrape runs in a thread of its own, never on the
event loop, and what was read is kept for a while, so that any number of scrapes costs the same.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from threading import Lock
from time import monotonic
from typing import Any, Final

import structlog
from django.db import Error, connection, transaction
from prometheus_client.core import GaugeMetricFamily, Metric
from psycopg import sql

from tenants.models import Duty, Merchant

log = structlog.get_logger()

QUEUE_SECONDS: Final = 10.0  # what was read is kept for
DELIVERIES_SECONDS: Final = 60.0
STATEMENT_MS: Final = 5_000
SCHEMAS_A_STATEMENT: Final = 50
GROUPS: Final = {
    Duty.Kind.VERIFY: "questions",
    Duty.Kind.VOUCHED: "questions",
    Duty.Kind.ASK: "questions",
    Duty.Kind.SWEEP: "sweeps",
    Duty.Kind.PREPARE: "preparations",
    Duty.Kind.DELIVER: "first_attempts",
    Duty.Kind.REDELIVER: "retries",
    Duty.Kind.PROBE: "probes",
}

QUEUE: Final = """
SELECT kind, min(due_at), count(*) FILTER (WHERE due_at <= %s), count(*) FROM public.tenants_duty GROUP BY kind
"""
# The first of each endpoint by the index that is made for it. What a replay owes anew was heard once, and is not late.
OF_A_SCHEMA: Final = """
SELECT min(first.created_at),
    count(*) FILTER (WHERE endpoint.disabled_at IS NULL AND endpoint.failing_since IS NOT NULL),
    count(*) FILTER (WHERE endpoint.disabled_at IS NULL AND endpoint.opened_at IS NOT NULL),
    count(*) FILTER (WHERE endpoint.disabled_at IS NOT NULL)
FROM {schema}.results_endpoint AS endpoint LEFT JOIN LATERAL (
    SELECT created_at FROM {schema}.results_delivery AS delivery
    WHERE delivery.endpoint_id = endpoint.id AND delivered_at IS NULL AND given_up_at IS NULL AND NOT again
    ORDER BY created_at LIMIT 1) AS first ON endpoint.paused_at IS NULL AND endpoint.disabled_at IS NULL
WHERE endpoint.deleted_at IS NULL
"""


@dataclass(slots=True)
class Remembered:
    """What a reader last found, for so many seconds; the scrapes that come meanwhile wait for one reading."""

    read: Callable[[], list[Metric]]
    seconds: float
    _found: list[Metric] = field(default_factory=list)
    _until: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    def __call__(self) -> list[Metric]:
        with self._lock:
            if monotonic() >= self._until:
                self._found = self.read()
                self._until = monotonic() + self.seconds
            return self._found

    def forget(self) -> None:
        with self._lock:
            self._until = 0.0


def read_at_scrape() -> Iterator[Metric]:
    """Yield every gauge, and whether the database gave it; without an answer a gauge is missing, not stale."""
    was_read = GaugeMetricFamily(
        "paywitness_gauges_read",
        "1 when the gauges of a part (queue, deliveries) could be read from the database, 0 when they are missing.",
        labels=["part"],
    )
    for part, reader in PARTS.items():
        try:
            yield from reader()
            was_read.add_metric([part], 1)
        except Error as error:
            log.warning("gauges_unread", part=part, error=type(error).__name__)
            was_read.add_metric([part], 0)
        finally:
            connection.close()  # each scrape has a thread of its own, and would leave its connection behind
    yield was_read


def read_queue() -> list[Metric]:
    """Read what is owed: how late the oldest of each group is, and how many of each kind."""
    at = datetime.now(UTC)
    lag = GaugeMetricFamily(
        "paywitness_queue_lag_seconds",
        "How long the oldest duty of a group has been due; 0 when none is.",
        labels=["group"],
    )
    duties = GaugeMetricFamily(
        "paywitness_duties",
        "Duties by kind: due (they wait for a worker) or later (put off, or taken by a worker).",
        labels=["kind", "when"],
    )
    rows = {kind: rest for kind, *rest in _ask(sql.SQL(QUEUE), [at])}
    late: dict[str, float] = dict.fromkeys(GROUPS.values(), 0.0)
    for kind, group in GROUPS.items():
        oldest, due, all_ = rows.get(kind, (at, 0, 0))
        late[group] = max(late[group], (at - oldest).total_seconds())
        duties.add_metric([kind.value, "due"], due)
        duties.add_metric([kind.value, "later"], all_ - due)
    for group, seconds in late.items():
        lag.add_metric([group], seconds)
    return [lag, duties]


def read_deliveries() -> list[Metric]:
    """Read, over all merchants, how long the oldest undelivered event has waited, and how many endpoints fail."""
    at = datetime.now(UTC)
    rows = [row for schemas in _chunks(open_schemas()) for row in _ask(over(schemas), [])]
    waited = max([at - oldest for oldest, *_ in rows if oldest], default=timedelta(0))
    oldest = GaugeMetricFamily(
        "paywitness_oldest_undelivered_seconds",
        "Age of the oldest undelivered event of any endpoint that is neither paused nor disabled; 0 when none is.",
        value=max(0.0, waited.total_seconds()),
    )
    endpoints = GaugeMetricFamily(
        "paywitness_endpoints",
        "Endpoints in trouble: failing (nothing but failure at the moment), probed (the circuit is open), disabled.",
        labels=["state"],
    )
    for place, state in enumerate(("failing", "probed", "disabled"), start=1):
        endpoints.add_metric([state], sum(row[place] for row in rows))
    return [oldest, endpoints]


def open_schemas() -> list[str]:
    return list(Merchant.objects.ready().filter(closed_at=None).values_list("schema_name", flat=True))


def over(schemas: Sequence[str]) -> sql.Composed:
    """Return one statement over several merchants' schemas, a row for each."""
    each = [sql.SQL(OF_A_SCHEMA).format(schema=sql.Identifier(schema)) for schema in schemas]
    return sql.SQL(" UNION ALL ").join(each)


def _chunks(schemas: Sequence[str]) -> Iterator[list[str]]:
    left = iter(schemas)
    while some := list(islice(left, SCHEMAS_A_STATEMENT)):
        yield some


def _ask(statement: sql.Composable, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_MS}")
        cursor.execute(statement, values)
        return list(cursor.fetchall())


PARTS: Final = {
    "queue": Remembered(read_queue, QUEUE_SECONDS),
    "deliveries": Remembered(read_deliveries, DELIVERIES_SECONDS),
}
