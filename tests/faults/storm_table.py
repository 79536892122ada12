"""What a storm comes to: one table, and the reasons why it is not good enough."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from statistics import median
from typing import Final

from tests.faults.storm_judge import Judgement
from tests.faults.storm_stage import Storm

SHOWN: Final = 20


def table(storm: Storm, judgement: Judgement) -> str:
    """Return the table that is printed at the end."""
    rows = list(figures(storm, judgement))
    width = max(len(name) for name, _ in rows)
    return "".join(f"  {name:<{width}}  {value:>8}\n" for name, value in rows)


def figures(storm: Storm, judgement: Judgement) -> Iterator[tuple[str, object]]:
    """Yield each figure with its name, in the order in which they are read."""
    lives = storm.lives
    yield "orders", len(lives)
    yield from ((f"  registered {how}", times) for how, times in _sorted(Counter(life.registered for life in lives)))
    yield "payments", sum(len(life.imp_uids) for life in lives)
    yield "changes at PortOne", sum(len(life.said) for life in lives)
    yield "webhooks PortOne sent", len(storm.installation.portone.outbox.done())
    yield "  accepted", sum(sent.answer == 200 for sent in storm.installation.portone.outbox.done())
    yield "landings accepted", sum(life.landings for life in lives)
    yield "  refused and reloaded", sum(life.refused for life in lives)
    yield "questions to PortOne", storm.installation.portone.journal.questions()
    yield "events", judgement.events
    yield "callbacks received", judgement.callbacks
    yield "attempts written down", judgement.attempts
    yield "kills of the web side", storm.web.kills
    yield "kills of a worker", sum(worker.kills for worker in storm.workers)
    yield "ended by themselves", sum(keeper.ended for keeper in storm.keepers)
    yield "database restarts", storm.restarts
    yield from ((f"PortOne: {kind}", times) for kind, times in _sorted(storm.installation.portone.faults.met()))
    yield from ((f"shops: {kind}", times) for kind, times in _sorted(faults_of_shops(storm)))
    yield "endpoints only probed for a while", storm.probed
    yield from ((f"logged: {event}", times) for event, times in _sorted(storm.errors))
    yield "duplicates, the same bytes", judgement.duplicates
    yield "median telling, s", f"{median(judgement.waits or [0]):.2f}"
    yield "slowest telling, s", f"{max(judgement.waits, default=0):.1f}"
    yield "lost", len(judgement.lost)
    yield "wrong", len(judgement.wrong)
    yield "seconds of storm", f"{storm.seconds:.0f}"
    yield "seconds until settled", f"{storm.settled_after:.0f}"
    yield "seed", storm.plan.seed


def faults_of_shops(storm: Storm) -> Counter[str]:
    shops = [shop for merchant in storm.merchants for shop in merchant.shops]
    return sum((shop.faults.met() for shop in shops), Counter())


def shortcomings(storm: Storm, judgement: Judgement, *, kills: int, restarts: int) -> list[str]:
    """Return why this storm was not weathered, or was none: one line each, not too many."""
    found = [f"lost: {text}" for text in judgement.lost] + [f"wrong: {text}" for text in judgement.wrong]
    lines = list(islice(found, SHOWN)) + [f"and {len(found) - SHOWN} more"] * (len(found) > SHOWN)
    killed = {"the web side": storm.web.kills, "a worker": sum(worker.kills for worker in storm.workers)}
    lines += [f"too few kills of {who}: {times}" for who, times in killed.items() if times < kills]
    if storm.restarts < restarts:
        lines.append(f"too few database restarts: {storm.restarts}")
    return lines


def _sorted(counter: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counter.items())
