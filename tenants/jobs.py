"""Background work that is no duty: what runs by the clock. PgQueuer, in the public schema.

Its tables are addressed with their schema, because the search path of a connection is some merchant's. Any number of
workers may run this: PgQueuer lets one of them take each turn of a schedule.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import psycopg
import structlog
from pgqueuer import PgQueuer, PsycopgDriver, Queries
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.domain.settings import DBSettings

from tenants.routing import Threads

log = structlog.get_logger()

SETTINGS: Final = DBSettings.model_validate({"PGQUEUER_SCHEMA": "public"})
AGAIN: Final = 2.0  # seconds before a lost database is tried again


@dataclass(frozen=True, slots=True)
class Clockwork:
    """A step that runs by the clock, in the public schema; it is small, and safe to run again."""

    name: str
    cron: str
    step: Callable[[], None]


def install_sql() -> str:
    """Return what makes PgQueuer's tables."""
    return QueryBuilderEnvironment(SETTINGS).build_install_query(create_schema=False)


async def run(conninfo: str, stop: asyncio.Event, *, threads: Threads, clockwork: Sequence[Clockwork]) -> None:
    """Run what the clock asks for until `stop`; a lost database is tried again."""
    while not stop.is_set():
        try:
            await _run(conninfo, stop, threads, clockwork)
        except (psycopg.Error, OSError) as error:
            log.error("jobs_unreachable", error=type(error).__name__)
            await asyncio.sleep(AGAIN)
        except Exception as error:  # a fault of the clock must not end the deliveries that run beside it
            log.error("jobs_failed", exc_info=error)
            await asyncio.sleep(AGAIN)


async def _run(conninfo: str, stop: asyncio.Event, threads: Threads, clockwork: Sequence[Clockwork]) -> None:
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        jobs = _queuer(connection, threads, clockwork)
        running = asyncio.create_task(jobs.run(dequeue_timeout=timedelta(seconds=5)))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        jobs.shutdown.set()
        stopped.cancel()
        await running


def _queuer(connection: "psycopg.AsyncConnection[Any]", threads: Threads, clockwork: Sequence[Clockwork]) -> PgQueuer:
    driver = PsycopgDriver(connection)
    queries = Queries(
        driver,
        qbe=QueryBuilderEnvironment(SETTINGS),
        qbq=QueryQueueBuilder(SETTINGS),
        qbs=QuerySchedulerBuilder(SETTINGS),
    )
    jobs = PgQueuer(driver, queries=queries)
    for work in clockwork:
        jobs.schedule(work.name, work.cron)(_scheduled(work, threads))
    return jobs


def _scheduled(work: Clockwork, threads: Threads) -> Callable[[Any], Any]:
    async def run_step(_: Any) -> None:
        log.info("job", name=work.name)
        await threads.run("public", work.step)

    return run_step
