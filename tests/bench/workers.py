"""Do two workers do at least what one does, and does neither wait for a lock of the other's?

PostgreSQL is asked twenty times a second who waits for a lock, while two work.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

from results.management.commands.worker import conninfo
from tests.bench.figures import Figure
from tests.bench.whole import A_SECOND, WARM_UP, Told, check_all_paid, prepare, working
from tests.bench.world import Stall, portone, web

EVERY = 0.05  # seconds
WAITING = """
SELECT regexp_replace(left(query, 100), '\\s+', ' ', 'g') FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@dataclass(slots=True)
class Waits:
    """Who was seen waiting for a lock, by statement, and how often somebody looked."""

    looks: int = 0
    statements: Counter[str] = field(default_factory=Counter)

    def line(self) -> str:
        each = "".join(f"\n  {count} times {statement}" for statement, count in self.statements.most_common(5))
        return f"lock waits = {self.statements.total()} in {self.looks} looks (goal: none){each}"


def measure(stalls: Sequence[Stall], url: str, *, rounds: int, seconds: float) -> tuple[Figure, Figure, Waits]:
    """Return the rates of two workers and of one, taken in turns, and who waited for a lock."""
    two, one = Figure("two workers"), Figure("one worker")
    waits = Waits()
    amount = int(seconds * A_SECOND)
    with portone(), web() as port:
        before, told = prepare(stalls, url), Told(stalls, url, port)
        for _ in range(rounds):
            with working(1):
                told.pay(WARM_UP)
                one.rates.append(told.pay(amount))
            with working(2):
                told.pay(WARM_UP)
                with sampling(waits):
                    two.rates.append(told.pay(amount))
        check_all_paid(stalls, url, before, told.paid)
    return two, one, waits


@contextmanager
def sampling(waits: Waits) -> Iterator[None]:
    """Count, as long as this lasts, who waits for a lock."""
    over = threading.Event()

    def sample() -> None:
        with psycopg.connect(conninfo(), autocommit=True) as own:
            while not over.wait(EVERY):
                waits.statements.update(row[0] for row in own.execute(WAITING))
                waits.looks += 1

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield
    finally:
        over.set()
        sampler.join()
