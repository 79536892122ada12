"""What does one merchant's trouble cost another? The time from webhook to callback of a quiet one, beside it.

The trouble is a flood, tens of thousands of deliveries that wait for an endpoint which listens, and an endpoint that
holds every request up for nearly as long as we wait. It answers well in the end, so that it is never left alone.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from tenants.models import Duty
from tests.bench.figures import Figure
from tests.bench.latency import quantile, sample
from tests.bench.telling import begin, check_signatures, make_deliveries, owe
from tests.bench.whole import Told
from tests.bench.world import (
    Stall,
    connect,
    forget_duties,
    open_stalls,
    portone,
    process,
    tell,
    wait_for,
    web,
)

HELD_AT_ONCE = 30  # requests that are held up when the measuring begins
WARM_UP = 20
BATCH = 10_000  # deliveries made ready at a time
PARTS = ("alone", "beside a flood", "beside a hang")


def measure(
    stalls: Sequence[Stall],
    url: str,
    *,
    rounds: int,
    a_second: float,
    amount: int = 200,
    flood: int = 50_000,
    hang: int = 13,
) -> tuple[Figure, Figure, Figure]:
    """Return p99 in milliseconds, by itself, beside a flood and beside an endpoint that hangs, taken in turns.

    It hangs for so many seconds, of our 15.
    """
    alone, flooded, hanging = (
        Figure(f"p99 {when}", unit="ms") for when in ("alone", "beside a flood", "beside a hang")
    )
    quiet = stalls[:1]
    connect(quiet)
    [flooder] = open_stalls(1, callback_url=url)
    [hanger] = open_stalls(1, callback_url=f"{url}/after/{hang}")
    begin(stalls, url)
    with portone(), web() as port:
        told = Told(quiet, url, port)
        for _ in range(rounds):
            with process("manage.py", "worker"):
                alone.rates.append(p99(told, amount, a_second))
            with owing(flooder, flood), process("manage.py", "worker"):
                flooded.rates.append(p99(told, amount, a_second))
                check_waits(flooder)
            with owing(hanger, flood), process("manage.py", "worker"):
                wait_for(lambda: tell(f"{url}/waiting") >= HELD_AT_ONCE)
                hanging.rates.append(p99(told, amount, a_second))
                check_waits(hanger)
    check_signatures([*stalls, flooder, hanger], url)
    return alone, flooded, hanging


def p99(told: Told, amount: int, a_second: float) -> float:
    sample(told, WARM_UP, a_second)
    return 1000 * quantile(sample(told, amount, a_second), 0.99)


@contextmanager
def owing(stall: Stall, amount: int) -> Iterator[None]:
    """Owe a merchant's endpoint so many deliveries, and nothing any more when this is left."""
    for begun in range(0, amount, BATCH):
        made = make_deliveries(stall, min(BATCH, amount - begun))
        Duty.objects.bulk_create(owe([stall], [made], at=datetime.now(UTC)))
    yield
    forget_duties()


def check_waits(stall: Stall) -> None:
    """See to it that there was trouble to the end."""
    if not Duty.objects.filter(lane=stall.endpoint).exists():
        raise RuntimeError("the trouble was over before the measuring was: more deliveries are to wait")
