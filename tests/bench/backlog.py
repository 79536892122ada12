"""Is a large backlog drained as fast as a small one, and how much memory do the processes hold?

Memory is what a process has resident: of the web's after a load of webhooks, and of a worker with as many requests
under way as it makes at all, to endpoints that answer after some seconds.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from results.worker import DELIVERIES_IN_FLIGHT
from tenants.models import Duty
from tests.bench.accepting import BODY, QUERY
from tests.bench.figures import Figure
from tests.bench.load import Load, run_load
from tests.bench.telling import WARM_UP, begin, check_all_told, deliver, make_deliveries, owe
from tests.bench.world import (
    PATIENCE,
    Stall,
    forget_duties,
    nothing_owed,
    open_stalls,
    process,
    serving,
    tell,
    wait_for,
)

STEADY = 3_000  # deliveries of a steady round
SLOWEST = 200.0  # deliveries a second; a drain that is slower has failed
SLOW_SECONDS = 5  # of an endpoint that holds requests up
SLOW_STALLS, EACH = 30, 20  # as places get scarce, a merchant has no more than twenty
KIB_IN_MIB = 1024  # the kernel counts in KiB


def measure(stalls: Sequence[Stall], url: str, *, rounds: int, amount: int = 100_000) -> tuple[Figure, Figure]:
    """Return the rates of a worker over a whole drain and in short rounds, taken in turns."""
    drain, steady = Figure("drain of the backlog"), Figure("steady deliveries")
    before = begin(stalls, url)
    with process("manage.py", "worker"):
        deliver(stalls, url, WARM_UP)
        for _ in range(rounds):
            steady.rates.append(deliver(stalls, url, min(STEADY, amount)))
            drain.rates.append(deliver(stalls, url, amount, patience=max(PATIENCE, amount / SLOWEST)))
    check_all_told(stalls, url, before)
    return drain, steady


def measure_memory(stalls: Sequence[Stall], url: str, *, seconds: float) -> tuple[Figure, Figure]:
    """Return what the largest web process and a busy worker hold, in MiB."""
    of_web, of_worker = Figure("memory of a web process", unit="MiB"), Figure("memory of a worker", unit="MiB")
    of_web.rates.append(weigh_web(stalls, seconds))
    of_worker.rates.append(weigh_worker(url))
    return of_web, of_worker


def weigh_web(stalls: Sequence[Stall], seconds: float) -> float:
    """Return what the largest process holds after a load of webhooks and landings."""
    webhooks = [f"/webhook/{stall.webhook_key}" for stall in stalls]
    landings = [f"/m/{stall.browser_key}/complete?{QUERY}" for stall in stalls]
    with serving() as (web, port):
        run_load(Load(port, webhooks, BODY, status=200, seconds=seconds))
        run_load(Load(port, landings, "", status=303, seconds=seconds))
        weight = max(map(resident, children(web.pid)))
    forget_duties()
    return weight


def weigh_worker(url: str) -> float:
    """Return what a worker holds with all its places taken."""
    slow = open_stalls(SLOW_STALLS, callback_url=f"{url}/after/{SLOW_SECONDS}")
    made = [make_deliveries(stall, EACH) for stall in slow]
    with process("manage.py", "worker") as worker:
        Duty.objects.bulk_create(owe(slow, made, at=datetime.now(UTC)))
        wait_for(lambda: tell(f"{url}/waiting") >= DELIVERIES_IN_FLIGHT)
        weight = resident(worker.pid)
        wait_for(nothing_owed)
        return max(weight, resident(worker.pid))


def children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def resident(pid: int) -> float:
    """Return the memory that a process has resident, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / KIB_IN_MIB
