"""How many deliveries one worker process makes, beside a bare loop that only POSTs with the same client."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import httpx
from django.db import connection

from results.core.ids import encode
from results.core.signing import verify
from results.models import Delivery, Event
from tenants.fields import new_id
from tenants.models import Duty
from tenants.routing import inside
from tests.bench.figures import Figure
from tests.bench.world import Stall, count_rows, process, wait_for

A_SECOND = 1500  # deliveries made ready for each second of a round
WARM_UP = 300


def measure(
    stalls: Sequence[Stall], url: str, *, rounds: int, seconds: float, concurrency: int
) -> tuple[Figure, Figure]:
    """Return the rates of the worker and of the bare loop, taken in turns."""
    worker, bare = Figure("deliveries"), Figure("bare POSTs")
    amount = int(seconds * A_SECOND)
    with process("manage.py", "worker"):
        deliver(stalls, url, WARM_UP)
        for _ in range(rounds):
            bare.rates.append(post(f"{url}/bare", amount, concurrency))
            worker.rates.append(deliver(stalls, url, amount))
    check_all_told(stalls, url)
    return worker, bare


def post(url: str, amount: int, concurrency: int) -> float:
    """Return how many POSTs a second the bare loop makes, in its own process."""
    asked = json.dumps({"url": url, "body": body(), "amount": amount, "concurrency": concurrency})
    command = [sys.executable, "-m", "tests.bench.post"]
    return float(subprocess.run(command, input=asked, capture_output=True, text=True, check=True).stdout)


def deliver(stalls: Sequence[Stall], url: str, amount: int) -> float:
    """Owe so many deliveries at one moment, and return how many a second were made and recorded."""
    each = amount // len(stalls) or 1
    before = count_heard(url)
    made = [make_deliveries(stall, each) for stall in stalls]
    Duty.objects.bulk_create(owe(stalls, made, at=datetime.now(UTC)))
    started = time.perf_counter()
    wait_for(lambda: count_heard(url) >= before + each * len(stalls))
    wait_for(nothing_owed, every=0.005)
    return each * len(stalls) / (time.perf_counter() - started)


def make_deliveries(stall: Stall, amount: int) -> list[Delivery]:
    """Write events down as publishing does, each with its delivery to the stall's endpoint."""
    at = datetime.now(UTC)
    with inside(stall.route.schema):
        events = Event.objects.bulk_create(
            Event(mode=stall.route.mode, type="payment.paid", created_at=at, body=body().encode())
            for _ in range(amount)
        )
        return Delivery.objects.bulk_create(
            Delivery(event=event, endpoint_id=stall.endpoint, created_at=at) for event in events
        )


def owe(stalls: Sequence[Stall], made: Sequence[Sequence[Delivery]], *, at: datetime) -> Iterator[Duty]:
    """Owe them in turns: payments of different merchants come in between each other."""
    for deliveries in zip(*made, strict=True):
        for stall, delivery in zip(stalls, deliveries, strict=True):
            yield Duty(
                kind=Duty.Kind.DELIVER,
                merchant=stall.route.merchant_id,
                mode=stall.route.mode,
                lane=stall.endpoint,
                reference=delivery.id,
                due_at=at,
            )


def body() -> str:
    """Return an event's bytes, as long as those of a card payment."""
    return json.dumps({"id": encode("evt", new_id()), "type": "payment.paid", "filler": "x" * 1500})


def nothing_owed() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM public.tenants_duty LIMIT 1")
        return cursor.fetchone() is None


def count_heard(url: str) -> int:
    return int(httpx.get(f"{url}/count", trust_env=False).json())


def check_all_told(stalls: Sequence[Stall], url: str) -> None:
    """See to it that each event was heard once and recorded once, and that a sample of signatures holds."""
    events, attempts = count_rows(stalls, "event"), count_rows(stalls, "attempt")
    if not events == attempts == count_heard(url):
        raise RuntimeError(f"{events} events, {attempts} attempts, {count_heard(url)} heard")
    secrets = [stall.secret for stall in stalls]
    for head, text in httpx.get(f"{url}/sample", trust_env=False).json():
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
        if not verify(text.encode(), headers, secrets=secrets, at=datetime.now(UTC), tolerance=timedelta(hours=1)):
            raise RuntimeError(f"a signature does not hold: {head}")
