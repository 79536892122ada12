"""How long from a webhook to its callback, at a tenth of what the whole way bears?

Payments come at a steady pace, whatever becomes of the others. Beside them, taken one at a time, the round trips that
nobody is spared: a request to the bare view, a GET to PortOne and a POST to the merchant.
"""

import math
from collections.abc import Sequence

from tests.bench.accepting import BODY
from tests.bench.figures import Figure
from tests.bench.pace import Pace, run_pace
from tests.bench.post import run_bare
from tests.bench.whole import WARM_UP, Told, bare_way, check_all_paid, new_orders, prepare, working
from tests.bench.world import Stall, portone, tell, wait_for, web


def measure(
    stalls: Sequence[Stall], url: str, *, rounds: int, a_second: float, amount: int = 200
) -> tuple[tuple[Figure, Figure], tuple[Figure, Figure]]:
    """Return p50 and p99, each of webhook to callback and of the bare round trips, in milliseconds."""
    p50, p99 = (Figure(f"{name} to callback", unit="ms") for name in ("p50", "p99"))
    bare50, bare99 = (Figure(f"{name} of round trips", unit="ms") for name in ("p50", "p99"))
    with portone() as asked, web() as port, working(1):
        before, told = prepare(stalls, url), Told(stalls, url, port)
        told.pay(WARM_UP)
        bare = bare_way(asked, url, amount, concurrency=1, accept=f"http://127.0.0.1:{port}/bare")
        for _ in range(rounds):
            note_both(bare50, bare99, run_bare(bare).seconds)
            note_both(p50, p99, sample(told, amount, a_second))
        check_all_paid(stalls, url, before, told.paid)
    return (p50, bare50), (p99, bare99)


def sample(told: Told, amount: int, a_second: float) -> list[float]:
    """Let so many payments come at a steady pace; return after how many seconds each was heard of."""
    made = new_orders(told.stalls, amount)
    webhooks = [f"/webhook/{stall.webhook_key}" for stall in told.stalls]
    sent = run_pace(Pace(told.port, webhooks, BODY, made[0], amount, a_second, landings=[]))
    wait_for(lambda: tell(f"{told.url}/orders").keys() >= sent.keys(), every=0.1)
    told.paid += made
    heard = tell(f"{told.url}/orders")
    return [heard[order] - moment for order, moment in sent.items()]


def note_both(p50: Figure, p99: Figure, seconds: Sequence[float]) -> None:
    for figure, share in ((p50, 0.50), (p99, 0.99)):
        figure.rates.append(1000 * quantile(seconds, share))


def quantile(seconds: Sequence[float], share: float) -> float:
    return sorted(seconds)[math.ceil(share * len(seconds)) - 1]
