"""Every group with its amounts, and where each of its figures is to be."""

from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

from tests.bench import (
    accepting,
    backlog,
    confirming,
    fairness,
    latency,
    lookups,
    pgbench,
    scale,
    telling,
    whole,
    workers,
)
from tests.bench.figures import Absolute, Figure, Ratio
from tests.bench.table import Line
from tests.bench.world import Stall, open_stalls, sink

A_TENTH = 0.1


@contextmanager
def stalls_at_sink(asked: Namespace, count: int | None = None) -> Iterator[tuple[list[Stall], str]]:
    """Give a group merchants of its own, and the address of the server that they hear us at."""
    with sink() as url:
        yield open_stalls(count or asked.merchants, callback_url=url), url


def accept(asked: Namespace) -> list[Line]:
    with stalls_at_sink(asked) as (stalls, _):
        times = {"rounds": asked.rounds, "seconds": asked.seconds}
        webhooks, landings, bare = accepting.measure(stalls, **times)
        alone = pgbench.measure(stalls, **times)
    return [Ratio(webhooks, bare, 0.80), Ratio(landings, bare, 0.75), alone]


def confirm(asked: Namespace) -> list[Line]:
    with stalls_at_sink(asked) as (stalls, _):
        return [Ratio(*confirming.measure(stalls, rounds=asked.rounds, seconds=asked.seconds), 0.80)]


def deliver(asked: Namespace) -> list[Line]:
    times = {"rounds": asked.rounds, "seconds": asked.seconds, "concurrency": asked.concurrency}
    with stalls_at_sink(asked) as (stalls, url):
        return [Ratio(*telling.measure(stalls, url, **times), 0.50)]


def whole_way(asked: Namespace) -> list[Line]:
    with stalls_at_sink(asked) as (stalls, url):
        return [Ratio(*whole.measure(stalls, url, rounds=asked.rounds, seconds=asked.seconds), 0.35)]


def from_webhook_to_callback(asked: Namespace) -> list[Line]:
    with stalls_at_sink(asked) as (stalls, url):
        pace, amount = a_tenth(stalls, url, asked), asked.payments
        p50, p99 = latency.measure(stalls, url, rounds=asked.rounds, a_second=pace, amount=amount)
    return [Ratio(*p50, 4.0, at_most=True), Ratio(*p99, 10.0, at_most=True)]


def calls_of_portone(asked: Namespace) -> list[Line]:
    with stalls_at_sink(asked, asked.quiet) as (stalls, url):
        amounts = {"amount": 5 * asked.payments, "spread": 2 * asked.payments}
        full, tenth, _ = lookups.measure(stalls, url, rounds=asked.rounds, **amounts)
    return [Absolute(full, 0.05), Absolute(tenth, 1.1)]


def two_workers(asked: Namespace) -> list[Line]:
    with stalls_at_sink(asked) as (stalls, url):
        two, one, waits = workers.measure(stalls, url, rounds=asked.rounds, seconds=asked.seconds)
    seen = Figure("lock waits", [waits.statements.total()], unit=f"in {waits.looks} looks")
    return [Ratio(two, one, 1.0), Absolute(seen, 0)]


def beside_trouble(asked: Namespace) -> list[Line]:
    with stalls_at_sink(asked) as (stalls, url):
        amounts = {"amount": asked.payments, "flood": asked.flood, "hang": asked.hang}
        pace = a_tenth(stalls, url, asked)
        alone, *troubled = fairness.measure(stalls, url, rounds=asked.rounds, a_second=pace, **amounts)
    return [Ratio(figure, alone, 2.0, at_most=True) for figure in troubled]


def drain(asked: Namespace) -> list[Line]:
    with stalls_at_sink(asked) as (stalls, url):
        rounds = max(1, asked.rounds // 2)  # each takes minutes
        ratio = Ratio(*backlog.measure(stalls, url, rounds=rounds, amount=asked.waiting), 0.90)
        web, worker = backlog.measure_memory(stalls, url, seconds=asked.seconds)
    return [ratio, Absolute(web, 200.0), Absolute(worker, 300.0)]


def a_tenth(stalls: list[Stall], url: str, asked: Namespace) -> float:
    """Return the pace that is asked for, or a tenth of the payments a second that the whole way bears just now."""
    if asked.pace:
        return float(asked.pace)
    ours, _ = whole.measure(stalls, url, rounds=1, seconds=asked.seconds)
    return A_TENTH * median(ours.rates)


def many_merchants(asked: Namespace) -> list[Line]:
    with sink() as url:
        return scale.measure_merchants(url, merchants=asked.schemas, rounds=asked.rounds, seconds=asked.seconds)


def many_rows(asked: Namespace) -> list[Line]:
    amounts = {"merchants": asked.merchants, "events": asked.events, "views": asked.views}
    with sink() as url:
        return scale.measure_rows(url, **amounts, rounds=asked.rounds, seconds=asked.seconds)


MEASURES: dict[str, Callable[[Namespace], list[Line]]] = {
    "accept": accept,
    "confirm": confirm,
    "deliver": deliver,
    "whole": whole_way,
    "latency": from_webhook_to_callback,
    "lookups": calls_of_portone,
    "workers": two_workers,
    "fairness": beside_trouble,
    "backlog": drain,
    "merchants": many_merchants,
    "rows": many_rows,
}
