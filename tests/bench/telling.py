"""How many deliveries one worker process makes, beside a bare loop that only POSTs with the same client."""

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from results.core.ids import encode
from results.core.signing import verify
from results.models import Delivery, Event
from tenants.fields import new_id
from tenants.models import Duty
from tenants.routing import inside
from tests.bench.figures import Figure
from tests.bench.post import Bare, run_bare
from tests.bench.world import PATIENCE, Stall, count_rows, nothing_owed, process, tell, wait_for

A_SECOND = 1500  # deliveries made ready for each second of a round
WARM_UP = 300


def measure(
    stalls: Sequence[Stall], url: str, *, rounds: int, seconds: float, concurrency: int
) -> tuple[Figure, Figure]:
    """Return the rates of the worker and of the bare loop, taken in turns."""
    worker, bare = Figure("deliveries"), Figure("bare POSTs")
    amount, before = int(seconds * A_SECOND), begin(stalls, url)
    with process("manage.py", "worker"):
        deliver(stalls, url, WARM_UP)
        for _ in range(rounds):
            bare.rates.append(run_bare(Bare(f"{url}/bare", body(), amount, concurrency)).rate)
            worker.rates.append(deliver(stalls, url, amount))
    check_all_told(stalls, url, before)
    return worker, bare


def deliver(stalls: Sequence[Stall], url: str, amount: int, *, patience: float = PATIENCE) -> float:
    """Owe so many deliveries at one moment, and return how many a second were made and recorded."""
    each = amount // len(stalls) or 1
    before = count_heard(url)
    made = [make_deliveries(stall, each) for stall in stalls]
    Duty.objects.bulk_create(owe(stalls, made, at=datetime.now(UTC)))
    started = time.perf_counter()
    wait_for(lambda: count_heard(url) >= before + each * len(stalls), patience=patience)
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


def count_heard(url: str) -> int:
    return int(tell(f"{url}/count"))


def begin(stalls: Sequence[Stall], url: str) -> tuple[int, int]:
    """Let the sink forget what it heard before; return how many events and attempts there are by now."""
    tell(f"{url}/forget")
    return count_rows(stalls, "event"), count_rows(stalls, "attempt")


def check_all_told(stalls: Sequence[Stall], url: str, before: tuple[int, int]) -> None:
    """See to it that each event was heard once and recorded once, and that a sample of signatures holds."""
    events, attempts = count_rows(stalls, "event") - before[0], count_rows(stalls, "attempt") - before[1]
    if not events == attempts == count_heard(url):
        raise RuntimeError(f"{events} events, {attempts} attempts, {count_heard(url)} heard")
    check_signatures(stalls, url)


def check_signatures(stalls: Sequence[Stall], url: str) -> None:
    secrets = [stall.secret for stall in stalls]
    for head, text in tell(f"{url}/sample"):
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
        if not verify(text.encode(), headers, secrets=secrets, at=datetime.now(UTC), tolerance=timedelta(hours=1)):
            raise RuntimeError(f"a signature does not hold: {head}")
