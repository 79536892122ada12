"""Does it stay as fast? With thousands of merchants against ten, and with millions of rows against none.

Both sides of such a ratio are taken minutes apart, so each is itself a ratio to the bare work beside it: what the
machine did in between is the same above and below.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from django.core.management import call_command

from tenants import schemas
from tenants.models import Merchant
from tenants.onboarding import provision, register_merchant
from tenants.schemas import migrate_schema
from tests.bench import accepting, pages, whole
from tests.bench.figures import Absolute, Figure, Ratio
from tests.bench.merchants import make_merchants
from tests.bench.rows import EVENTS_OF_A_PAYMENT, fill
from tests.bench.table import Line
from tests.bench.world import Stall, furnish, open_stalls

FEW = 10  # merchants that the many are measured against
A_PAGE = 100  # payments of a shop that fills a page of its list
ONE_BY_ONE = 20  # schemas from which the time of migrating all of them one by one is extrapolated
MADE = 5  # merchants made the real way
STAYS, SKIPS, MADE_WITHIN = 0.9, 20.0, 0.5  # goals: a ratio, a ratio, seconds
SLOWS, QUERIES = 2.0, 15  # goals at most: a ratio of p95, a number


def measure_merchants(url: str, *, merchants: int, rounds: int, seconds: float) -> list[Line]:
    """Return what thousands of merchants change for those who are busy, for migrating, and for making another one."""
    few = open_stalls(min(FEW, merchants // 3), callback_url=url)
    before = _rates(few, url, f"with {len(few)} merchants", rounds=rounds, seconds=seconds)
    made = make_merchants(merchants - len(few), like=few[0].route.schema)
    after = _rates(few, url, f"with {merchants:,} merchants", rounds=rounds, seconds=seconds)
    every = [*few, *(furnish(merchant, url) for merchant in made)]
    busy = _accepted(every, f"all of {merchants:,} busy", rounds=rounds, seconds=seconds)
    return [
        *_compare(after, before),
        *_compare(busy, before[: len(busy)]),
        _migrate(merchants, rounds=rounds),
        *_make(),
    ]


def measure_rows(url: str, *, merchants: int, events: int, views: int, rounds: int, seconds: float) -> list[Line]:
    """Return what millions of rows change for accepting, for the whole way and for the dashboard's pages."""
    stalls = open_stalls(merchants, callback_url=url)
    empty, small = open_stalls(2, callback_url=url)
    before = _rates(stalls, url, "with no rows", rounds=rounds, seconds=seconds)
    fill(stalls, events)
    fill([small], A_PAGE * EVENTS_OF_A_PAYMENT)
    shops = {f"at {events:,} events": stalls[0], f"at {A_PAGE} payments": small, "empty": empty}
    large, little, none = pages.look(shops, rounds=rounds, views=views).values()
    after = _rates(stalls, url, f"with {events:,} events", rounds=rounds, seconds=seconds)
    return [
        *_compare(after, before),
        *(Ratio(page.p95, other.p95, SLOWS, at_most=True) for page, other in zip(large, none, strict=True)),
        *(Ratio(page.p95, other.p95, SLOWS, at_most=True) for page, other in zip(large, little, strict=True)),
        *(Absolute(page.queries, QUERIES) for page in large),
    ]


def _rates(stalls: Sequence[Stall], url: str, when: str, *, rounds: int, seconds: float) -> list[Figure]:
    way, bare = whole.measure(stalls, url, rounds=rounds, seconds=seconds)
    return [*_accepted(stalls, when, rounds=rounds, seconds=seconds), _of_bare(way, bare, when)]


def _accepted(stalls: Sequence[Stall], when: str, *, rounds: int, seconds: float) -> list[Figure]:
    webhooks, landings, bare = accepting.measure(stalls, rounds=rounds, seconds=seconds)
    return [_of_bare(webhooks, bare, when), _of_bare(landings, bare, when)]


def _of_bare(ours: Figure, bare: Figure, when: str) -> Figure:
    return Figure(f"{ours.name}, {when}", Ratio(ours, bare, 0).of_rounds, unit="of bare")


def _compare(ours: Sequence[Figure], theirs: Sequence[Figure]) -> list[Ratio]:
    return [Ratio(one, other, STAYS) for one, other in zip(ours, theirs, strict=True)]


def _migrate(merchants: int, *, rounds: int) -> Ratio:
    """Compare migrating when nothing is to do with doing it one by one, which is extrapolated from some."""
    ours = Figure(f"migrate {merchants:,} merchants", unit="seconds")
    names = list(Merchant.objects.ready().values_list("schema_name", flat=True)[: min(ONE_BY_ONE, merchants // 3)])
    theirs = Figure(f"one by one, from {len(names)}", unit="seconds")
    for _ in range(rounds):
        ours.rates.append(_seconds(lambda: call_command("migrate", verbosity=0)))
        theirs.rates.append(_seconds(lambda: _migrate_each(names)) * merchants / len(names))
    return Ratio(theirs, ours, SKIPS)


def _migrate_each(names: Sequence[str]) -> None:
    for name in names:
        migrate_schema(name)


def _make() -> list[Line]:
    """Return how long it takes to make a merchant with its schema: the first of a process, and those after it."""
    schemas._scripts.clear()
    first, others = Figure("first merchant of a process", unit="seconds"), Figure("creating a merchant", unit="seconds")
    first.rates.append(_seconds(_make_one))
    others.rates.extend(_seconds(_make_one) for _ in range(MADE))
    return [Absolute(others, MADE_WITHIN), first]


def _make_one() -> None:
    at = datetime.now(UTC)
    name = f"shop-{at.timestamp()}"
    provision(register_merchant(name=name, owner_email=f"{name}@shops.example", actor="bench", at=at), at=at)


def _seconds(step: Callable[[], None]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began
