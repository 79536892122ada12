"""What is measured: merchants in a database of their own, our web side, a worker and the merchants' server."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from django.db import connection

from results.connect import connect_account
from results.core.signing import SigningSecret
from results.endpoints import create_endpoint
from results.models import Order
from tenants.fields import Mode
from tenants.management.commands.migrate import SCHEMAS_A_QUERY
from tenants.models import Merchant, RouteKey
from tenants.onboarding import provision, register_merchant
from tenants.routing import Route, find_mode, inside
from tests.bench.portone import AMOUNT
from tests.bench.urls import TABLE

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 120.0  # seconds for a process to come up or a backlog to drain


@dataclass(frozen=True, slots=True)
class Stall:
    """One merchant of the measurement, with all that its arrivals and deliveries need."""

    route: Route
    webhook_key: str
    browser_key: str
    endpoint: UUID
    secret: SigningSecret = field(repr=False)


def open_stalls(count: int, *, callback_url: str) -> list[Stall]:
    """Make merchants, and the one table of the bare views."""
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
    return [_open_stall(f"merchant-{secrets.token_hex(4)}", callback_url) for _ in range(count)]


def _open_stall(name: str, callback_url: str) -> Stall:
    at = datetime.now(UTC)
    merchant = register_merchant(name=name, owner_email=f"{name}@shop.example", actor="bench", at=at)
    return furnish(provision(merchant, at=at), callback_url)


def furnish(merchant: Merchant, callback_url: str) -> Stall:
    """Give a merchant an endpoint at the sink, and gather what its arrivals and deliveries need."""
    route = find_mode(merchant.id, Mode.LIVE)
    assert route is not None
    with inside(merchant.schema_name):
        url, at = f"{callback_url}/{merchant.name}", datetime.now(UTC)
        endpoint, secret = create_endpoint(route, url=url, actor="bench", at=at)
    return Stall(route, *_keys(merchant), endpoint=endpoint.id, secret=secret)


def connect(stalls: Sequence[Stall]) -> None:
    """Give each merchant PortOne keys, which begin its sweeps."""
    at = datetime.now(UTC)
    for stall in stalls:
        name = f"key-{stall.route.merchant_id}"
        connect_account(stall.route, imp_key=name, imp_secret="not-a-secret", actor="bench", at=at)


def register_orders(stalls: Sequence[Stall], numbers: Sequence[int]) -> None:
    """Register orders as shops' servers do before the window opens: number n with stall n modulo their count."""
    at = datetime.now(UTC)
    for place, stall in enumerate(stalls):
        orders = [
            Order(
                mode=stall.route.mode,
                merchant_uid=f"order-{number}",
                expected_amount=AMOUNT,
                expected_currency="KRW",
                expected_exponent=0,
                expected_source="orders_api",
                registered_at=at,
                created_at=at,
            )
            for number in numbers
            if number % len(stalls) == place
        ]
        with inside(stall.route.schema):
            Order.objects.bulk_create(orders, batch_size=5000)


def _keys(merchant: Merchant) -> tuple[str, str]:
    keys = dict(RouteKey.objects.filter(merchant=merchant, mode=Mode.LIVE).values_list("kind", "key"))
    return keys["webhook"], keys["browser"]


@contextmanager
def process(*command: str) -> Iterator["subprocess.Popen[str]"]:
    """Run one of our programs beside us, and stop it kindly; BENCH_LOGS=1 shows what it logs."""
    log = None if os.environ.get("BENCH_LOGS") else subprocess.DEVNULL
    running = subprocess.Popen([sys.executable, *command], cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        yield running
    finally:
        running.terminate()
        running.wait(PATIENCE)


@contextmanager
def web() -> Iterator[int]:
    """Serve the web side; gives its port."""
    with serving() as (_, port):
        yield port


@contextmanager
def serving() -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """Serve the web side; gives the process that watches over the others, and the port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with process("manage.py", "serve", "--bind", f"127.0.0.1:{port}") as running:
        wait_for(lambda: _answers(port))
        yield running, port


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).is_success
    except httpx.TransportError:
        return False


@contextmanager
def sink() -> Iterator[str]:
    """Serve the merchants' side; gives its URL."""
    with process("-m", "tests.bench.sink") as running:
        yield _address(running)


@contextmanager
def portone() -> Iterator[str]:
    """Serve PortOne's side, for the processes that begin meanwhile; gives its URL."""
    before = os.environ["PORTONE_V1_URL"]
    with process("-m", "tests.bench.portone") as running:
        os.environ["PORTONE_V1_URL"] = _address(running)
        try:
            yield os.environ["PORTONE_V1_URL"]
        finally:
            os.environ["PORTONE_V1_URL"] = before


def _address(running: "subprocess.Popen[str]") -> str:
    assert running.stdout is not None
    return f"http://127.0.0.1:{int(running.stdout.readline())}"


def tell(url: str) -> Any:
    """Return what the sink or PortOne tells of itself."""
    return httpx.get(url, trust_env=False, timeout=PATIENCE).json()


def wait_for(holds: Callable[[], bool], *, every: float = 0.02, patience: float = PATIENCE) -> None:
    """Return as soon as it holds; raise TimeoutError when it does not within `patience` seconds."""
    ends = time.monotonic() + patience
    while not holds():
        if time.monotonic() > ends:
            raise TimeoutError(f"did not come to hold within {patience:g} s")
        time.sleep(every)


def nothing_owed() -> bool:
    """Say whether nothing is owed but sweeps, which go by the clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM public.tenants_duty WHERE kind <> 'sweep' LIMIT 1")
        return cursor.fetchone() is None


def forget_duties() -> None:
    """Owe nothing any more; no worker may be at work."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE public.tenants_duty")


def count_rows(stalls: Sequence[Stall], table: str) -> int:
    """Count a table's rows over all merchants, many in one statement."""
    names = [f'"{stall.route.schema}".results_{table}' for stall in stalls]
    rows = 0
    with connection.cursor() as cursor:
        for start in range(0, len(names), SCHEMAS_A_QUERY):
            some = names[start : start + SCHEMAS_A_QUERY]
            counted = " UNION ALL ".join(f"SELECT count(*) AS rows FROM {name}" for name in some)
            cursor.execute(f"SELECT sum(rows) FROM ({counted}) AS each")
            rows += int(cursor.fetchone()[0])
    return rows
