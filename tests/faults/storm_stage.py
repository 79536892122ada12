"""Who plays in a storm, and by which plan: processes with their keepers, merchants with their shops, orders."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.demo.shop import Shop
from deploy.demo.shop import running as running_shop
from tests.faults.merchants import Merchant, merchant_of
from tests.faults.processes import Installation, installed
from tests.faults.storm_stories import Life, draw_life
from tests.faults.storm_weather import Keeper, Sparing, keeper_of_web, keeper_of_worker

# A webhook that says another thing than PortOne is asked about for ten minutes: the first answer is what is waited for.
TO_DO = "SELECT kind, count(*) FROM tenants_duty WHERE kind NOT IN ('sweep', 'ask', 'verify', 'vouched') GROUP BY kind"
UNANSWERED = """
SELECT count(*) FROM tenants_duty AS duty JOIN {schema}.results_notification AS note ON note.id = duty.reference
WHERE NOT EXISTS (
    SELECT FROM {schema}.results_verification AS asked
    WHERE asked.asked_at > note.received_at AND asked.answer = 'found'
    AND (asked.imp_uid = note.imp_uid OR asked.merchant_uid = note.merchant_uid))
"""


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
