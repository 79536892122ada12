"""What stories need: a real PostgreSQL, our web side on a port, a worker, PortOne's simulator and two merchants."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.db import connection, connections
from django.db.models import F
from django.test.utils import setup_databases, teardown_databases
from psycopg import sql
from xdist.scheduler import LoadScopeScheduling

from deploy.demo.shop import Shop
from deploy.demo.shop import running as running_shop
from deploy.demo.simulator import Simulator
from deploy.demo.simulator import running as running_simulator
from results.management.commands.worker import STEPS, conninfo, guarded_client
from results.models import Notification, Verification
from results.portone import PortOne
from results.worker import Worker
from tenants import jobs
from tenants.models import Credential, Duty, Merchant
from tenants.routing import Threads, forget_everything, inside
from tests.factories import Cast, make_merchant, set_up
from tests.people import people  # noqa: F401  a fixture
from tests.postbox import Postbox, running_postbox

Work = Callable[..., None]
TOGETHER = ("tests/faults/", "tests/browser/", "tests/interop/", "tests/guide/")


class GroupScheduling(LoadScopeScheduling):
    """Keeps together the tests that kill, which share what they kill, and those of a browser or of Node.js."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in TOGETHER if folder in nodeid), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling | None:
    """Stand in for `--dist loadgroup`: since pytest 9.2 xdist 3.8 cannot put its groups into a test's id."""
    return GroupScheduling(config, log) if config.getoption("dist") == "loadgroup" else None


@pytest.fixture
def note(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Note a figure that a test measured; all of them are printed at the end."""
    return lambda text: record_property("figure", text)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what tests measured, in whatever process."""
    reports = [report for some in terminalreporter.stats.values() for report in some]
    noted = [pair for report in reports for pair in getattr(report, "user_properties", ())]
    if figures := dict.fromkeys(value for name, value in noted if name == "figure"):
        terminalreporter.section("measured")
        for figure in figures:
            terminalreporter.line(figure)


class QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: our own middleware logs requests."""


class Server(ThreadedWSGIServer):
    daemon_threads = True


@pytest.fixture(scope="session")
def test_database(django_test_environment: None, django_db_blocker: Any) -> Iterator[None]:
    """A database of this test process's own, made new by the project's own migrations."""
    name = settings.DATABASES["default"]["TEST"]["NAME"]
    connection.settings_dict["TEST"]["NAME"] = "_".join(filter(None, (name, os.environ.get("PYTEST_XDIST_WORKER"))))
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False)
    assert connection.settings_dict["NAME"].startswith("test_")
    yield
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:  # threads of the web side may still hold theirs
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        connections.close_all()
        teardown_databases(made, verbosity=0)


@pytest.fixture(scope="session")
def merchants(test_database: None, django_db_blocker: Any) -> dict[str, Merchant]:
    """The schemas of the two merchants, made once: bakery, and the florist whom nothing of it concerns."""
    with django_db_blocker.unblock():
        return {name: make_merchant(name) for name in ("bakery", "florist")}


@pytest.fixture
def database(
    merchants: dict[str, Merchant], django_db_blocker: Any, request: pytest.FixtureRequest
) -> Iterator[dict[str, Merchant]]:
    """The real database, committed to for real, and empty again afterwards but for the two merchants.

    The florist stands beside every story: whoever does not ask for it must leave its schema without a row.
    """
    with django_db_blocker.unblock():
        connection.set_schema_to_public()
        yield merchants
        connection.set_schema_to_public()
        foreign = rows_of(merchants["florist"]) if "florist" not in request.fixturenames else 0
        empty(merchants)
        forget_everything()
        connections.close_all()
        assert foreign == 0, "the story left rows with a merchant whom nothing of it concerns"


def rows_of(merchant: Merchant) -> int:
    counts = [sql.SQL("(SELECT count(*) FROM {})").format(table) for table in tables_of(merchant)]
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT ") + sql.SQL(" + ").join(counts))
        return int(cursor.fetchone()[0])


def tables_of(merchant: Merchant) -> list[sql.Identifier]:
    """Return a merchant's tables, children first."""
    first = ("attempt", "delivery", "replay", "event", "endpointsecret", "endpoint", "verification", "notification")
    return [
        sql.Identifier(merchant.schema_name, f"results_{name}")
        for name in (*first, "payment", "order", "reconciliation", "forgetting", "setup")
    ]


def empty(merchants: dict[str, Merchant]) -> None:
    public = (
        "duty",
        "credential",
        "merchantkey",
        "apikey",
        "idempotentanswer",
        "auditentry",
        "takenpayment",
        "unmappedfailure",
    )
    everything = [table for merchant in merchants.values() for table in tables_of(merchant)]
    everything += [sql.Identifier("public", f"tenants_{name}") for name in public]
    with connection.cursor() as cursor:
        for table in everything:
            cursor.execute(sql.SQL("DELETE FROM {}").format(table))
        cursor.execute("DELETE FROM tenants_routekey WHERE works_until IS NOT NULL")
        cursor.execute("DELETE FROM public.pgqueuer")
        cursor.execute("DELETE FROM public.pgqueuer_log")


@pytest.fixture(scope="session")
def web_server(test_database: None) -> Iterator[str]:
    """Our web side on a loopback port, one for all tests."""
    server = Server(("127.0.0.1", 0), QuietHandler)
    server.set_app(StaticFilesHandler(get_wsgi_application()))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def web(database: Any, web_server: str, settings: Any) -> str:
    settings.PUBLIC_URL = settings.RESULT_URL = web_server
    return web_server


@pytest.fixture
def portone(settings: Any) -> Iterator[Simulator]:
    """PortOne at the wire."""
    simulator = Simulator()
    with running_simulator(simulator) as url:
        settings.PORTONE_V1_URL = url
        yield simulator


def cast_of(name: str, mode: str, merchants: dict[str, Merchant], portone: Simulator, web: str) -> Iterator[Cast]:
    shop = Shop()
    with running_shop(shop) as shop_url:
        yield set_up(merchants[name], mode, portone=portone, shop=shop, shop_url=shop_url, web=web)


@pytest.fixture
def bakery(database: dict[str, Merchant], portone: Simulator, web: str) -> Iterator[Cast]:
    """The merchant of most stories, in live mode."""
    yield from cast_of("bakery", "live", database, portone, web)


@pytest.fixture
def florist(database: dict[str, Merchant], portone: Simulator, web: str) -> Iterator[Cast]:
    """The other merchant, who must never see anything of the bakery's."""
    yield from cast_of("florist", "live", database, portone, web)


@pytest.fixture
def test_bakery(database: dict[str, Merchant], portone: Simulator, web: str) -> Iterator[Cast]:
    """The bakery's test mode."""
    yield from cast_of("bakery", "test", database, portone, web)


@pytest.fixture
def run_worker(database: Any, portone: Simulator) -> Work:
    """Let a worker do what is due: `run_worker()` until nothing is, `run_worker(until=...)` until that holds."""

    def run(until: Callable[[], bool] | None = None, *, seconds: float = 40) -> None:
        asyncio.run(_work(until, seconds))

    return run


async def _work(until: Callable[[], bool] | None, seconds: float) -> None:
    threads = Threads(4)
    try:
        async with PortOne(settings.PORTONE_V1_URL, deadline=3) as portone, guarded_client() as client:
            worker = Worker(database_url=conninfo(), portone=portone, client=client, threads=threads)
            if until is None:
                await asyncio.wait_for(worker.drain(), seconds)
                return
            stop = asyncio.Event()
            running = asyncio.create_task(worker.run(stop))
            ends = time.monotonic() + seconds
            while not until() and time.monotonic() < ends:  # noqa: ASYNC110  the condition is the test's own
                await asyncio.sleep(0.01)
            stop.set()
            await running
            assert until(), f"did not come to hold within {seconds} s"
    finally:
        await threads.run("public", connections.close_all)
        threads.close()


@pytest.fixture
def postbox(database: Any, settings: Any) -> Iterator[Postbox]:
    """The mail server at the wire."""
    with running_postbox() as postbox:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", postbox.port
        yield postbox


@pytest.fixture
def do_jobs(database: Any) -> Callable[[], None]:
    """Let a worker do the jobs that are due now, each once; what fails waits for its next turn."""

    def do() -> None:
        if jobs_due():
            asyncio.run(_do_jobs())

    return do


async def _do_jobs() -> None:
    threads, stop = Threads(1), asyncio.Event()
    running = asyncio.create_task(jobs.run(conninfo(), stop, threads=threads, steps=STEPS))
    ends = time.monotonic() + 20
    while await threads.run("public", jobs_due) and time.monotonic() < ends:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    stop.set()
    await running
    left = await threads.run("public", jobs_due)
    await threads.run("public", connections.close_all)
    threads.close()
    assert left == 0


def jobs_due() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM public.pgqueuer WHERE status IN ('queued', 'picked') AND execute_after <= now()"
        )
        return int(cursor.fetchone()[0])


@pytest.fixture
def make_due(database: Any) -> Callable[[], None]:
    """Let all that is owed later come due now, in place of waiting; jobs that failed, too."""

    def make() -> None:
        Duty.objects.update(due_at="2020-01-01T00:00:00Z")
        Credential.objects.exclude(paused_until=None).update(paused_until="2020-01-01T00:00:00Z")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE public.pgqueuer SET execute_after = now() WHERE status = 'queued'")

    return make


@pytest.fixture
def later(make_due: Callable[[], None]) -> Callable[[Cast], None]:
    """Let an hour pass: what is owed comes due, what came and what was asked lie behind."""

    def pass_by(cast: Cast) -> None:
        with inside(cast.merchant.schema_name):
            Notification.objects.update(received_at=F("received_at") - timedelta(hours=1))
            Verification.objects.update(asked_at=F("asked_at") - timedelta(hours=1))
        spent = Credential.objects.filter(merchant=cast.merchant)
        spent.update(
            spent_until=F("spent_until") - timedelta(hours=1), slowed_until=F("slowed_until") - timedelta(hours=1)
        )
        make_due()

    return pass_by
