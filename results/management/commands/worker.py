"""Do the duties and jobs until SIGTERM."""

import asyncio
import gc
import signal
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any, Final

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo

from config import metrics
from config.env import Fault
from results import replay
from results.endpoints import own_hosts
from results.outbound import GuardedClient
from results.portone import PortOne
from results.reconcile import ensure_sweeps
from results.recover import recover_everywhere
from results.retention import forget_everywhere
from results.worker import DATABASE_THREADS, DELIVERIES_IN_FLIGHT, Worker
from tenants import account_mail, invite, jobs, mail, onboarding
from tenants.accounts import forget_sessions
from tenants.jobs import Clockwork, Step
from tenants.keys import forget_answers
from tenants.onboarding import provision_unfinished
from tenants.routing import Threads
from tenants.statements import PLAN_ONCE

log = structlog.get_logger()

JOB_THREADS: Final = 2  # of their own, because a job may wait for a mail server
STEPS: Final[Mapping[str, Step]] = {
    mail.STEP: mail.send_letter,
    account_mail.STEP: account_mail.send_account_letter,
    invite.STEP: invite.send_invitation,
    onboarding.STEP: onboarding.make_owed_schema,
    replay.STEP: replay.continue_replay,
}
CLOCKWORK: Final = (
    Clockwork("provision_unfinished", "* * * * *", provision_unfinished),
    Clockwork("ensure_sweeps", "* * * * *", ensure_sweeps),
    Clockwork("forget_expired", "*/5 * * * *", forget_everywhere),
    Clockwork("forget_sessions", "*/10 * * * *", forget_sessions),
    Clockwork("forget_answers", "*/5 * * * *", forget_answers),
    Clockwork("recover", "*/5 * * * *", recover_everywhere),
)


class Command(BaseCommand):
    help = "Do the duties and jobs until SIGTERM; what is held is finished first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--threads", type=int, default=DATABASE_THREADS, help="database steps at once")

    def handle(self, *, threads: int, **options: Any) -> None:
        try:
            metrics.serve_worker(settings.METRICS_BIND)
        except Fault as fault:
            raise CommandError(f"METRICS_BIND {fault}") from None
        connection.settings_dict["OPTIONS"]["options"] += f" {PLAN_ONCE}"  # of every thread: they share the settings
        connection.close()
        gc.freeze()  # what is loaded stays, and need not be gone through again and again
        asyncio.run(work(threads=threads))


async def work(*, threads: int) -> None:
    """Run one worker until a signal asks it to stop."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    pool, spare = Threads(threads), Threads(JOB_THREADS)
    async with PortOne(settings.PORTONE_V1_URL) as portone, guarded_client() as client:
        worker = Worker(database_url=conninfo(), portone=portone, client=client, threads=pool)
        show_in_flight(worker)
        log.info("worker_started")
        background = jobs.run(conninfo(), stop, threads=spare, clockwork=CLOCKWORK, steps=STEPS)
        await asyncio.gather(worker.run(stop), background)
    pool.close()
    spare.close()
    log.info("worker_stopped")


def show_in_flight(worker: Worker) -> None:
    """Let a scrape read how much this worker has under way."""
    metrics.IN_FLIGHT.labels("deliveries").set_function(lambda: worker.deliveries.total())
    metrics.IN_FLIGHT.labels("rounds").set_function(lambda: worker.rounds.total())
    metrics.IN_FLIGHT.labels("sweeps").set_function(lambda: worker.sweeping)


def guarded_client() -> GuardedClient:
    """Return the one way out to endpoints, as this installation is set."""
    return GuardedClient(
        allowed=settings.CALLBACK_ALLOWED_NETWORKS,
        own_hosts=own_hosts(),
        proxy=settings.OUTBOUND_PROXY or None,
        total=DELIVERIES_IN_FLIGHT,
    )


def conninfo() -> str:
    """Return where Django's own connection leads, for connections of our own."""
    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    parameters = connection.get_connection_params().items()
    return make_conninfo("", **{name: value for name, value in parameters if name in known and value})
