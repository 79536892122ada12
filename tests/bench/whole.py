"""The whole way: webhooks in at the web process, asked about, published, told. How many a second does one worker make?

The orders are registered before, as shops do, so every payment is told as paid. Beside it, a bare loop that makes one
GET to the same PortOne and one POST to the same sink for each. Our time is that from the first webhook's sending until
nothing is owed any more: accepting, which the bare loop has none of, is in it.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import count

from django.db import connection

from tests.bench.accepting import BODY
from tests.bench.figures import Figure
from tests.bench.load import Load, run_load
from tests.bench.post import Bare, run_bare
from tests.bench.telling import begin, body, check_all_told, count_heard
from tests.bench.world import Stall, connect, nothing_owed, portone, process, register_orders, tell, wait_for, web

A_SECOND = 400  # payments for each second of a round, so that its ends do not count for much
WARM_UP = 200
CONCURRENCY = 64  # of the bare loop
numbers = count(10**11)  # of payments, none twice; twelve digits, as PortOne writes them


def measure(
    stalls: Sequence[Stall], url: str, *, rounds: int, seconds: float, workers: int = 1
) -> tuple[Figure, Figure]:
    """Return the rates of payments from webhook to callback and of the bare loop, taken in turns."""
    ours, bare = Figure("whole way"), Figure("bare GET and POST")
    amount = int(seconds * A_SECOND)
    with portone() as asked, web() as port, working(workers):
        before, told = prepare(stalls, url), Told(stalls, url, port)
        told.pay(WARM_UP)
        for _ in range(rounds):
            bare.rates.append(run_bare(bare_way(asked, url, amount)).rate)
            ours.rates.append(told.pay(amount))
        check_all_paid(stalls, url, before, told.paid)
    return ours, bare


class Told:
    """Payments that are made known by webhooks, and told; `paid` holds all their numbers."""

    def __init__(self, stalls: Sequence[Stall], url: str, port: int) -> None:
        self.stalls, self.url, self.port = stalls, url, port
        self.paid: list[int] = []

    def pay(self, amount: int) -> float:
        """Let so many webhooks come in; return how many a second were told and recorded, beginning to end."""
        made = new_orders(self.stalls, amount)
        before = count_heard(self.url)
        targets = [f"/webhook/{stall.webhook_key}" for stall in self.stalls]
        outcome = run_load(Load(self.port, targets, BODY, status=200, first=made[0], amount=amount))
        wait_for(lambda: count_heard(self.url) >= before + amount, every=0.005)
        wait_for(nothing_owed, every=0.005)
        self.paid += made
        return amount / (time.perf_counter() - outcome.began)


def prepare(stalls: Sequence[Stall], url: str) -> tuple[int, int, int]:
    """Give everybody PortOne keys and begin counting; return how many events, attempts and other events there were."""
    connect(stalls)
    return *begin(stalls, url), count_others(stalls)


def new_orders(stalls: Sequence[Stall], amount: int) -> list[int]:
    """Register so many new orders with the merchants in turns; return their numbers, which follow each other."""
    made = [next(numbers) for _ in range(amount)]
    register_orders(stalls, made)
    return made


def bare_way(asked: str, url: str, amount: int, *, concurrency: int = CONCURRENCY, accept: str = "") -> Bare:
    return Bare(f"{url}/bare", body(), amount, concurrency, get=f"{asked}/payments/imp_100000000000", accept=accept)


def working(workers: int) -> ExitStack:
    """Start so many workers; they stop when it is left."""
    with ExitStack() as stack:
        for _ in range(workers):
            stack.enter_context(process("manage.py", "worker"))
        return stack.pop_all()


def check_all_paid(stalls: Sequence[Stall], url: str, before: tuple[int, int, int], paid: Sequence[int]) -> None:
    """See to it that each payment was told as paid, once, that nothing else was, and that nothing is owed."""
    wait_for(nothing_owed)
    check_all_told(stalls, url, before[:2])
    heard = tell(f"{url}/orders")
    if heard.keys() != {f"order-{number}" for number in paid} or count_heard(url) != len(paid):
        raise RuntimeError(f"{len(paid)} were paid, but {len(heard)} orders and {count_heard(url)} events were heard")
    if others := count_others(stalls) - before[2]:
        raise RuntimeError(f"{others} were told as something else than paid")


def count_others(stalls: Sequence[Stall]) -> int:
    """Count the events of orders that are no clean payment."""
    each = " UNION ALL ".join(
        f'SELECT count(*) AS rows FROM "{stall.route.schema}".results_event'
        " WHERE order_id IS NOT NULL AND type <> 'payment.paid'"
        for stall in stalls
    )
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT sum(rows) FROM ({each}) AS each")
        return int(cursor.fetchone()[0])
