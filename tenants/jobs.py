"""Background work that is no duty: jobs, and what runs by the clock. PgQueuer, in the public schema.

Its tables are addressed with their schema, because the search path of a connection is some merchant's. Any number of
workers may run this: PgQueuer lets one of them take each job and each turn of a schedule.

A job commits and rolls back with the rows of whoever enqueues it. It may run twice, when its worker dies after the
work and before the mark, so a step looks first whether anything is left to do. Payloads lie open in a table: ids,
never keys or anything personal.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import psycopg
import structlog
from django.db import connection
from pgqueuer import PgQueuer, PsycopgDriver, Queries
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import SyncQueries
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job
from pgqueuer.domain.settings import DBSettings
from psycopg.rows import dict_row

from tenants.routing import Threads

log = structlog.get_logger()

SETTINGS: Final = DBSettings.model_validate({"PGQUEUER_SCHEMA": "public"})
AGAIN: Final = 2.0  # seconds before a lost database is tried again
# A mail server may be down for a weekend: growing waits, then every hour for three days.
WAITS: Final = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 60, 300, 900, 1800, *[3600] * 71))

Step = Callable[..., None]


class GivenUp(Exception):
    """A job that failed to the last; its row is held in the queue, for a person to look at and to queue again."""


@dataclass(frozen=True, slots=True)
class Clockwork:
    """A step that runs by the clock, in the public schema; it is small, and safe to run again."""

    name: str
    cron: str
    step: Callable[[], object]


def install_sql() -> str:
    """Return what makes PgQueuer's tables."""
    return QueryBuilderEnvironment(SETTINGS).build_install_query(create_schema=False)


class DjangosConnection:
    """PgQueuer's way to Django's connection of this thread, and into its open transaction if there is one."""

    def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        connection.ensure_connection()
        connection.validate_no_broken_transaction()
        with connection.wrap_database_errors:
            cursor = psycopg.RawCursor(connection.connection, row_factory=dict_row)
            return cursor.execute(query.encode(), args or None).fetchall()


def enqueue(name: str, *payloads: Mapping[str, str]) -> None:
    """Let a worker do the named step once for each payload, if and when this transaction commits."""
    if payloads:
        bodies: list[bytes | None] = [json.dumps(payload).encode() for payload in payloads]
        queries = SyncQueries(DjangosConnection(), qbq=QueryQueueBuilder(SETTINGS))
        queries.enqueue([name] * len(bodies), bodies, [0] * len(bodies))


def wait_before(attempt: int) -> timedelta | None:
    """Return how long a job waits that has failed once more, having failed `attempt` times; None to give it up."""
    return WAITS[attempt] if attempt < len(WAITS) else None


async def run(
    conninfo: str,
    stop: asyncio.Event,
    *,
    threads: Threads,
    clockwork: Sequence[Clockwork] = (),
    steps: Mapping[str, Step] | None = None,
) -> None:
    """Do jobs, each by the step of its name, and what the clock asks for until `stop`; a lost database is tried again.

    Steps run in `threads`, in the public schema; one may wait for a mail server, so the pool is best one of their own.
    """
    while not stop.is_set():
        try:
            await _run(conninfo, stop, threads, clockwork, steps or {})
        except (psycopg.Error, OSError) as error:
            log.error("jobs_unreachable", error=type(error).__name__)
            await asyncio.sleep(AGAIN)
        except Exception as error:  # a fault of the clock must not end the deliveries that run beside it
            log.error("jobs_failed", exc_info=error)
            await asyncio.sleep(AGAIN)


async def _run(
    conninfo: str,
    stop: asyncio.Event,
    threads: Threads,
    clockwork: Sequence[Clockwork],
    steps: Mapping[str, Step],
) -> None:
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as queue:
        jobs = _queuer(queue)
        for work in clockwork:
            jobs.schedule(work.name, work.cron)(_scheduled(work, threads))
        for name, step in steps.items():
            jobs.entrypoint(name, on_failure="hold")(_entry(name, step, threads))
        running = asyncio.create_task(jobs.run(dequeue_timeout=timedelta(seconds=5)))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        jobs.shutdown.set()
        stopped.cancel()
        await running


def _queuer(queue: "psycopg.AsyncConnection[Any]") -> PgQueuer:
    driver = PsycopgDriver(queue)
    queries = Queries(
        driver,
        qbe=QueryBuilderEnvironment(SETTINGS),
        qbq=QueryQueueBuilder(SETTINGS),
        qbs=QuerySchedulerBuilder(SETTINGS),
    )
    return PgQueuer(driver, queries=queries)


def _scheduled(work: Clockwork, threads: Threads) -> Callable[[Any], Any]:
    async def run_step(_: Any) -> None:
        log.info("job", name=work.name)
        await threads.run("public", work.step)

    return run_step


def _entry(name: str, step: Step, threads: Threads) -> Callable[[Job], Any]:
    async def run_job(job: Job) -> None:
        try:
            await threads.run("public", step, **json.loads(job.payload or b"{}"))
        except Exception as error:
            wait = wait_before(job.attempts)
            again_in = wait.total_seconds() if wait else None
            log.warning("job_failed", name=name, job=job.id, tries=job.attempts + 1, again_in=again_in, exc_info=error)
            # Without the cause: the queue keeps what is raised here in a table, and a cause may quote anything.
            reason = type(error).__name__
            raise (RetryRequested(wait, reason) if wait else GivenUp(reason)) from None
        log.info("job", name=name, job=job.id, tries=job.attempts + 1)

    return run_job
