"""The storm: a steady stream of payments through real processes, while everything that can break does.

`python -m tests.faults` runs it whole, `test_storm.py` a short one. Whatever is random is drawn from the seed first;
how the drawn moments fall together is up to the machine. When the weather is over, nothing may be owed after a while,
and `storm_judge.py` compares what PortOne knows with what each shop was told.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.demo.shop import Shop
from deploy.demo.shop import running as running_shop
from tests.faults.merchants import Merchant, merchant_of
from tests.faults.processes import Installation, installed
from tests.faults.storm_judge import Judgement, judge
from tests.faults.storm_stories import Life, draw_life
from tests.faults.storm_weather import (
    AT_PORTONE,
    IN_SHOPS,
    Action,
    Keeper,
    Sparing,
    keeper_of_web,
    keeper_of_worker,
    moments,
    play,
    redirecting_to,
    spells,
    trap,
)

PROBED = "endpoint_only_probed"
LIVES_AT_ONCE = 120
# A webhook that says another thing than PortOne is asked about for ten minutes: the first answer is what is waited for.
TO_DO = "SELECT kind, count(*) FROM tenants_duty WHERE kind NOT IN ('sweep', 'ask', 'verify', 'vouched') GROUP BY kind"
UNANSWERED = """
SELECT count(*) FROM tenants_duty AS duty JOIN {schema}.results_notification AS note ON note.id = duty.reference
WHERE NOT EXISTS (
    SELECT FROM {schema}.results_verification AS asked
    WHERE asked.asked_at > note.received_at AND asked.answer = 'found'
    AND (asked.imp_uid = note.imp_uid OR asked.merchant_uid = note.merchant_uid))
"""
QUIET_SECONDS = 6.0  # three sweeps in which nothing more may be told


@dataclass(frozen=True, slots=True)
class Plan:
    """How much happens in how many seconds, and how often each process dies in them.

    `spells` is how often each shop misbehaves, `spared` how often one order's callbacks meet it, `patience` how long
    it may take until nothing is owed any more.
    """

    seed: int
    orders: int
    seconds: float
    kills: int
    restarts: int
    outages: int
    spells: int
    longest: float
    spared: int
    patience: float
    second_shops: tuple[str, ...] = ("florist",)
    merchants: tuple[str, ...] = ("bakery", "florist", "tailor")


@dataclass(slots=True)
class Storm:
    """A plan, who plays in it, and what is counted meanwhile."""

    plan: Plan
    installation: Installation
    merchants: Sequence[Merchant]
    lives: list[Life]
    web: Keeper
    workers: Sequence[Keeper]
    visits: list[str] = field(default_factory=list)
    restarts: int = 0
    seconds: float = 0.0
    settled_after: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)
    probed: int = 0

    @property
    def keepers(self) -> list[Keeper]:
        return [self.web, *self.workers]

    def restart_database(self) -> None:
        self.installation.crash_database()
        self.installation.start_database()
        self.restarts += 1

    def owed(self) -> dict[str, int]:
        """Return how much is still to be told, and of how many arrivals PortOne has said nothing yet."""
        owed = dict(self.installation.query(TO_DO))
        for merchant in self.merchants:
            [(unanswered,)] = self.installation.query(UNANSWERED.format(schema=merchant.schema))
            owed |= {f"ask for {merchant.name}": unanswered} if unanswered else {}
        return owed


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


@contextmanager
def gathering(plan: Plan, folder: Path) -> Iterator[Storm]:
    """Make the installation, its merchants and their shops, and draw every order's life; start all processes."""
    chance = random.Random(f"{plan.seed} lives")
    with ExitStack() as stack:
        installation = stack.enter_context(installed(folder, SWEEP_INTERVAL="2s"))
        merchants = [stack.enter_context(merchant_of(installation, name)) for name in plan.merchants]
        for merchant in merchants:
            if merchant.name in plan.second_shops:
                stack.enter_context(second_shop(merchant))
            for shop in merchant.shops:
                shop.faults = Sparing(limit=plan.spared)
        lives = [draw_life(chance.choice(merchants), number, chance) for number in range(plan.orders)]
        workers = [keeper_of_worker(installation) for _ in range(2)]
        storm = Storm(plan, installation, merchants, lives, keeper_of_web(installation), workers)
        for keeper in storm.keepers:
            keeper.keep()
        yield storm


@contextmanager
def second_shop(merchant: Merchant) -> Iterator[None]:
    """Give a merchant another endpoint, which hears all that the first one hears, under a key of its own."""
    shop = Shop()
    with running_shop(shop) as url:
        shop.configure(signing_secret=merchant.adds_endpoint(f"{url}/callback"))
        merchant.more_shops += (shop,)
        yield


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
