"""The storm: a steady stream of payments through real processes, while everything that can break does.

`python -m tests.faults` runs it whole, `test_storm.py` a short one. Whatever is random is drawn from the seed first;
how the drawn moments fall together is up to the machine. When the weather is over, nothing may be owed after a while,
and `storm_judge.py` compares what PortOne knows with what each shop was told.
"""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tests.faults.storm_judge import Judgement, judge
from tests.faults.storm_stage import Plan, Storm, gathering
from tests.faults.storm_weather import AT_PORTONE, IN_SHOPS, Action, moments, play, redirecting_to, spells, trap

PROBED = "endpoint_only_probed"
LIVES_AT_ONCE = 120
QUIET_SECONDS = 6.0  # three sweeps in which nothing more may be told


def weather(plan: Plan, folder: Path) -> tuple[Storm, Judgement]:
    """Let the storm rage and pass; return what happened, and what is wrong about it."""
    with ExitStack() as stack:
        storm = stack.enter_context(gathering(plan, folder))
        trapped = stack.enter_context(trap(storm.visits))
        begun = time.monotonic()
        rage(storm, trapped)
        storm.seconds = time.monotonic() - begun
        calm(storm)
        judgement = settle(storm)
        storm.settled_after = time.monotonic() - begun - storm.seconds
        read_logs(storm)
        return storm, judgement


def read_logs(storm: Storm) -> None:
    """Count what the processes logged, those that were killed included, while their logs are there."""
    for process in storm.installation.processes:
        storm.errors.update(str(line["event"]).partition(":")[0] for line in process.faults)
        storm.probed += len(process.lines(PROBED))


def rage(storm: Storm, trapped: str) -> None:
    """Live all lives while the weather is at its worst; raise what went wrong on the harness's own side."""
    plan, begun = storm.plan, time.monotonic()
    chance = random.Random(f"{plan.seed} beginnings")
    begins = sorted(chance.uniform(0, plan.seconds) for _ in storm.lives)
    with ThreadPoolExecutor(LIVES_AT_ONCE) as people, ThreadPoolExecutor(16) as gods:
        breaking = [gods.submit(play, actions, begun=begun) for actions in all_weather(storm, trapped)]
        lived = []
        for at, life in zip(begins, storm.lives, strict=True):
            time.sleep(max(0.0, begun + at - time.monotonic()))
            lived.append(people.submit(life.live))
        for ending in [*breaking, *lived]:
            ending.result()


def all_weather(storm: Storm, trapped: str) -> Iterator[list[Action]]:
    """Yield the plan of each that breaks: they go on beside each other."""
    plan, chance = storm.plan, random.Random(f"{storm.plan.seed} weather")
    worker_kills = moments(plan.kills, plan.seconds, chance)
    for number, worker in enumerate(storm.workers):
        yield [(at, worker.kill) for at in worker_kills[number :: len(storm.workers)]]
    yield [(at, storm.web.kill) for at in moments(plan.kills, plan.seconds, chance)]
    yield [(at, storm.restart_database) for at in moments(plan.restarts, plan.seconds, chance)]
    yield spells(
        storm.installation.portone.faults,
        AT_PORTONE,
        count=plan.outages,
        seconds=plan.seconds,
        longest=plan.longest,
        chance=chance,
    )
    for merchant in storm.merchants:
        for shop in merchant.shops:
            kinds = [*IN_SHOPS, redirecting_to(trapped)]
            yield spells(
                shop.faults, kinds, count=plan.spells, seconds=plan.seconds, longest=plan.longest, chance=chance
            )


def calm(storm: Storm) -> None:
    """End every fault and see to it that all processes are there."""
    storm.installation.portone.faults.clear()
    for merchant in storm.merchants:
        for shop in merchant.shops:
            shop.faults.clear()
    for keeper in storm.keepers:
        keeper.keep()


def settle(storm: Storm) -> Judgement:
    """Wait until nothing is owed and nothing is lost, or until patience ends; judge a little later."""
    ends = time.monotonic() + storm.plan.patience
    while time.monotonic() < ends and (storm.owed() or judge(storm.merchants, storm.lives).lost):
        time.sleep(1)
    time.sleep(QUIET_SECONDS)
    judgement = judge(storm.merchants, storm.lives)
    judgement.lost += [f"{count} duties to {kind} are still owed" for kind, count in storm.owed().items()]
    judgement.wrong += [f"a redirect was followed: {visit}" for visit in storm.visits]
    return judgement
