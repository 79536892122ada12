"""How many calls of PortOne does a payment take?

At full load a merchant's payments are asked about a hundred at a time; at a tenth of what the worker bears, and of many
merchants, each alone, with a webhook and a landing for each. Sweeps go by the clock, tokens last half an hour and
amounts are announced per order: these are counted apart.
"""

from collections.abc import Mapping, Sequence

from tests.bench.accepting import BODY, QUERY
from tests.bench.figures import Figure
from tests.bench.pace import Pace, run_pace
from tests.bench.portone import ASKING
from tests.bench.telling import count_heard
from tests.bench.whole import WARM_UP, Told, check_all_paid, new_orders, prepare, working
from tests.bench.world import Stall, nothing_owed, portone, tell, wait_for, web

A_TENTH = 0.1


def measure(
    stalls: Sequence[Stall], url: str, *, rounds: int, amount: int = 1000, spread: int = 400
) -> tuple[Figure, Figure, list[str]]:
    """Return the calls of each payment, of one merchant at full load and of all at a tenth, and what else was called.

    `amount` payments a round at full load, `spread` at a tenth.
    """
    full, tenth = (Figure(f"calls a payment, {when}", unit="calls") for when in ("full load", "a tenth"))
    also: list[str] = []
    with portone() as asked, web() as port, working(1):
        before, one, all_ = prepare(stalls, url), Told(stalls[:1], url, port), Told(stalls, url, port)
        one.pay(WARM_UP)
        for _ in range(rounds):
            tell(f"{asked}/forget")
            rate = one.pay(amount)
            full.rates.append(calls_of(asked, amount, also))
            pay_steadily(all_, spread, rate * A_TENTH)
            tenth.rates.append(calls_of(asked, spread, also))
        check_all_paid(stalls, url, before, one.paid + all_.paid)
    return full, tenth, also


def pay_steadily(told: Told, amount: int, a_second: float) -> None:
    """Let payments come at a steady pace, each with a webhook and a landing within the next second."""
    made = new_orders(told.stalls, amount)
    before = count_heard(told.url)
    webhooks = [f"/webhook/{stall.webhook_key}" for stall in told.stalls]
    landings = [f"/m/{stall.browser_key}/complete?{QUERY}" for stall in told.stalls]
    run_pace(Pace(told.port, webhooks, BODY, made[0], amount, a_second, landings))
    wait_for(lambda: count_heard(told.url) >= before + amount)
    wait_for(nothing_owed)
    told.paid += made


def calls_of(asked: str, payments: int, also: list[str]) -> float:
    """Return the calls of each payment since the last time, and begin counting anew."""
    counts: Mapping[str, int] = tell(f"{asked}/counts")
    tell(f"{asked}/forget")
    also.append(", ".join(f"{counts.get(kind, 0)} {kind}" for kind in (*ASKING, "list", "token", "prepare")))
    return sum(counts.get(kind, 0) for kind in ASKING) / payments
