"""Do what is owed: take due duties in small turns and do each lane's work beside the others'.

The event loop does network only; every database step runs in a bounded pool of threads. A lane that is full is left
out of the next turn, so whoever floods or hangs slows only itself. What was sent is recorded in the order of its
merchants, many at a time when they come in fast.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, Final
from uuid import UUID

import psycopg
import structlog

from config import metrics
from results import attempts, deliver, duties
from results.core.schedule import after_refusal
from results.deliver import Tried
from results.duties import SENDING, SHARE, Full, Taken
from results.outbound import GuardedClient, OutboundFault
from results.portone import PortOne
from results.prepare import announce_orders
from results.reconcile import sweep
from results.together import Together
from results.verify import verify
from tenants.encryption import SealingError
from tenants.models import Duty
from tenants.routing import CUT_OFF, Route, Threads, find_mode, remembered_mode
from tenants.statements import PLAN_ONCE

log = structlog.get_logger()

IDLE_SECONDS: Final = 0.01
STOP_SECONDS: Final = 18.0  # longer than any deadline, shorter than the 20 s that a stop may take
DATABASE_THREADS: Final = 6
QUESTIONS_A_TURN: Final = 200
ANNOUNCEMENTS_A_TURN: Final = 40
DELIVERIES_A_TURN: Final = 64
# What was begun within YOUNG seconds and is not answered. More of it would only crowd each other out: connections are
# opened anew while others come free, and a turn finds too little to do together.
YOUNG: Final = 0.05
FEW_YOUNG: Final = 32
ROUNDS_OF_A_LANE: Final = 2
DELIVERIES_OF_A_LANE: Final = 60
DELIVERIES_OF_A_MERCHANT: Final = 180
DELIVERIES_IN_FLIGHT: Final = 500
ROUNDS_IN_FLIGHT: Final = 60
SWEEPS_IN_FLIGHT: Final = 10  # they take seconds, and must leave room for the questions that customers wait for
OUR_FAULT: Final = timedelta(seconds=5)
RECORD_AGAIN: Final = (0.5, 1.0, 2.0, 3.0, 3.0, 4.0)  # seconds: a restart, or a standby that takes over
ASKING: Final = (Duty.Kind.VOUCHED, Duty.Kind.VERIFY, Duty.Kind.ASK)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Duties whose deliveries are to be read, and who waits for them."""

    wanted: deliver.Wanted
    answer: asyncio.Future[list[deliver.Outgoing]]


@dataclass(frozen=True, slots=True)
class _Done:
    """An attempt that is to be written down, and who waits for that."""

    route: Route
    tried: Tried
    written: asyncio.Future[None]


@dataclass(slots=True)
class Worker:
    """One process's hands. `database_url` is for the connection that takes duties; it commits without waiting."""

    database_url: str
    portone: PortOne
    client: GuardedClient
    threads: Threads
    rounds: Counter[UUID] = field(default_factory=Counter)
    deliveries: Counter[UUID] = field(default_factory=Counter)
    merchants: dict[UUID, UUID] = field(default_factory=dict)  # whose lanes those are
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    resting: dict[UUID, datetime] = field(default_factory=dict)
    held: set[int] = field(default_factory=set)
    sweeping: int = 0
    tried: dict[UUID, list[Tried]] = field(default_factory=lambda: defaultdict(list))
    recording: set[UUID] = field(default_factory=set)
    aside: set[UUID] = field(default_factory=set)  # merchants
    young: dict[int, float] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    loading: Together[_Asked] = field(init=False)
    healthy: Together[_Done] = field(init=False)

    def __post_init__(self) -> None:
        self.loading = Together(self._load)
        self.healthy = Together(self._record_healthy)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then finish what is held."""
        while not stop.is_set():
            try:
                await self._work(stop)
            except (psycopg.Error, OSError) as error:
                log.error("queue_unreachable", error=type(error).__name__)
                await _sleep(stop, stop, 0.5)
        await self._finish()

    async def drain(self) -> None:
        """Do everything that is due now, and return when nothing is: for tests and commands."""
        async with await self._connect() as queue:
            while True:
                # Asked before the turn: work that ends meanwhile may owe something new.
                working = bool(self.tasks or self.aside)
                if not await self._turn(queue) and not working:
                    return
                await asyncio.sleep(0.002)

    async def _work(self, stop: asyncio.Event) -> None:
        async with await self._connect() as queue:
            while not stop.is_set():
                self.wake.clear()
                others = bool(self.aside)
                taken = await self._turn(queue)
                if self.is_busy() or not (taken or others):
                    await _sleep(stop, self.wake, IDLE_SECONDS)

    async def _connect(self) -> "psycopg.AsyncConnection[Any]":
        # Losing a claim in a crash only makes the duty due again, so taking need not wait for the disk.
        return await psycopg.AsyncConnection.connect(
            self.database_url, autocommit=True, options=f"-c synchronous_commit=off {PLAN_ONCE}", connect_timeout=5
        )

    async def _turn(self, queue: "psycopg.AsyncConnection[Any]") -> int:
        """Take one turn's duties and set them going; return how many."""
        sending = ceil(max(0, DELIVERIES_IN_FLIGHT - self.deliveries.total()) / len(SENDING))
        if self.is_busy():
            sending = 0
        asking = QUESTIONS_A_TURN if self.rounds.total() < ROUNDS_IN_FLIGHT else 0
        limits = {
            **{kind.value: asking for kind in ASKING},
            Duty.Kind.SWEEP.value: min(asking, max(0, SWEEPS_IN_FLIGHT - self.sweeping)),
            Duty.Kind.PREPARE.value: min(ANNOUNCEMENTS_A_TURN, asking),
            Duty.Kind.DELIVER.value: min(DELIVERIES_A_TURN, sending),
            Duty.Kind.REDELIVER.value: min(DELIVERIES_A_TURN, sending),
            Duty.Kind.PROBE.value: min(DELIVERIES_A_TURN, sending),
        }
        # What is still being done may be due again: put off by its own round, or a crash forgot our claim of it.
        taken = await duties.take(queue, limits=limits, full=self.full(), held=self.held, at=datetime.now(UTC))
        metrics.count_each(metrics.TAKEN, (duty.kind for duty in taken))
        self._stand_aside(taken)
        asked = _by(lambda duty: duty.lane, (duty for duty in taken if duty.kind in ASKING))
        for lane, group in asked.items():
            self._start(self._ask(group), group, self.rounds, [lane])
        for duty in taken:
            if duty.kind == Duty.Kind.SWEEP:
                self._start(self._sweep([duty]), [duty], self.rounds, [duty.lane])
        announced = _by(lambda duty: duty.lane, (duty for duty in taken if duty.kind == Duty.Kind.PREPARE))
        for lane, group in announced.items():
            self._start(self._announce(group), group, self.rounds, [lane])
        sent = _by(lambda duty: (duty.merchant, duty.mode), (duty for duty in taken if duty.kind in SENDING))
        for group in sent.values():
            places = [duty.lane for duty in group]
            self.merchants |= {duty.lane: duty.merchant for duty in group}
            now = asyncio.get_running_loop().time()
            self.young |= {duty.id: now for duty in group}
            self._start(self._deliver(group, places), group, self.deliveries, places)
        return len(taken)

    def is_busy(self) -> bool:
        """Say whether enough deliveries are begun for now: more at once would only crowd each other out."""
        begun_after = asyncio.get_running_loop().time() - YOUNG
        self.young = {duty: begun for duty, begun in self.young.items() if begun > begun_after}
        return len(self.young) > FEW_YOUNG

    def _stand_aside(self, taken: Iterable[Taken]) -> None:
        """Let whoever got a whole share wait until nobody else asks for one: a turn sees the oldest only."""
        got = Counter((duty.kind, duty.merchant) for duty in taken if duty.kind in SENDING)
        served = {merchant for (_, merchant), count in got.items() if count >= SHARE}
        self.aside = self.aside | served if served else set()

    def full(self) -> Full:
        """Return what is left out of the next turn, because enough of it is under way."""
        at = datetime.now(UTC)
        self.resting = {lane: until for lane, until in self.resting.items() if until > at}
        asking = [lane for lane, count in self.rounds.items() if count >= ROUNDS_OF_A_LANE]
        asking += self.resting
        self.merchants = {lane: merchant for lane, merchant in self.merchants.items() if lane in self.deliveries}
        of_merchants: Counter[UUID] = Counter()
        for lane, merchant in self.merchants.items():
            of_merchants[merchant] += self.deliveries[lane]
        turn = SHARE  # one turn takes so many of each kind at the most, and all may be of one lane
        # As places get scarce each merchant's share shrinks, so that a few slow ones never fill the worker.
        free = DELIVERIES_IN_FLIGHT - self.deliveries.total()
        share = max(3 * turn, min(DELIVERIES_OF_A_MERCHANT, free // 2))
        return Full(
            lanes=asking + _more_than(DELIVERIES_OF_A_LANE - turn, self.deliveries),
            again=_more_than(DELIVERIES_OF_A_LANE - 2 * turn, self.deliveries),
            merchants=[*_more_than(share - 2 * turn, of_merchants), *self.aside],
        )

    def _start(
        self, work: Coroutine[Any, Any, None], group: Sequence[Taken], counter: Counter[UUID], places: list[UUID]
    ) -> None:
        """Set work going; it holds `places` in their lanes, and may give some back before its end."""
        ids = {duty.id for duty in group}
        self.held |= ids
        counter.update(places)

        async def guarded() -> None:
            try:
                await work
            except SealingError as error:
                log.error("sealed", error=str(error))
                await self._put_off(group)
            except Exception as error:  # a fault of ours: the lease ends, and the duty comes due again
                log.error("duty_failed", exc_info=error)
            finally:
                self.held -= ids
                _give_back(counter, places)

        task = asyncio.create_task(guarded())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _ask(self, group: Sequence[Taken]) -> None:
        route = await self._route(group)
        if not route:
            return
        if rests_until := await verify(self.portone, self.threads, route, group):
            self.resting[group[0].lane] = rests_until
        else:
            self.wake.set()  # what was published is to be told at once

    async def _announce(self, group: Sequence[Taken]) -> None:
        route = await self._route(group)
        if route:
            await announce_orders(self.portone, self.threads, route, group)

    async def _sweep(self, group: Sequence[Taken]) -> None:
        """Read on in PortOne's list for one mode; a mode never has two sweeps at a time."""
        self.sweeping += 1
        try:
            route = await self._route(group)
            if route:
                await sweep(self.portone, self.threads, route, group[0], jitter=random.uniform(-1, 1))
        finally:
            self.sweeping -= 1

    async def _deliver(self, group: Sequence[Taken], places: list[UUID]) -> None:
        """Make the deliveries of one merchant; each gives its place back when it is over, not when all are."""
        route = await self._route(group)
        if not route:
            return
        asked = _Asked(deliver.Wanted(route, group), asyncio.get_running_loop().create_future())
        self.loading.add(asked)
        outgoing = await asked.answer
        sent = {item.duty.id for item in outgoing}
        for duty in group:
            if duty.id not in sent:  # nothing is left of it, or it waits for an earlier event of its order
                self._let_go(duty, places)

        async def one(item: deliver.Outgoing) -> None:
            try:
                await self._send(route, item)
            except Exception as error:  # ours; its lease ends, and its neighbours go on
                log.error("delivery_failed", delivery=str(item.delivery_id), exc_info=error)
            finally:
                self._let_go(item.duty, places)

        await asyncio.gather(*map(one, outgoing))

    async def _load(self, asked: Sequence[_Asked]) -> None:
        """Read the deliveries of all who ask at this moment, in one step."""
        try:
            wanted = [one.wanted for one in asked]
            found = await self.threads.run("public", deliver.load_many, wanted, at=datetime.now(UTC))
        except Exception as error:
            found = [error] * len(asked)
        for one, outgoing in zip(asked, found, strict=True):
            if one.answer.cancelled():
                continue
            if isinstance(outgoing, Exception):
                one.answer.set_exception(outgoing)
            else:
                one.answer.set_result(outgoing)

    def _let_go(self, duty: Taken, places: list[UUID]) -> None:
        self.held.discard(duty.id)
        self._is_over(duty)
        places.remove(duty.lane)
        _give_back(self.deliveries, [duty.lane])

    def _is_over(self, duty: Taken) -> None:
        self.young.pop(duty.id, None)
        if len(self.young) <= FEW_YOUNG:
            self.wake.set()

    async def _send(self, route: Route, item: deliver.Outgoing) -> None:
        try:
            tried = await deliver.send(self.client, item, jitter=random.uniform(-1, 1))
        except OutboundFault as error:
            log.error("outbound_fault", error=str(error))  # ours: not charged to the endpoint
            metrics.FAULTS.inc()
            await self.threads.run("public", duties.put_off, {item.duty.id: datetime.now(UTC) + OUR_FAULT})
            return
        self._is_over(item.duty)
        await self._record(route, tried)

    async def _route(self, group: Sequence[Taken]) -> Route | None:
        merchant, mode = group[0].merchant, group[0].mode
        route = remembered_mode(merchant, mode) or await self.threads.run("public", find_mode, merchant, mode)
        if route is None:
            log.error("duty_without_merchant", merchant=str(merchant), duties=len(group))
            await self._put_off(group)
        return route

    async def _put_off(self, group: Sequence[Taken]) -> None:
        """Let duties wait that only a person can make possible again: longer each time, and never forgotten."""
        at = datetime.now(UTC)
        later = {duty.id: at + after_refusal(duty.tries) for duty in group}
        await self.threads.run("public", duties.put_off, later)

    async def _record(self, route: Route, tried: Tried) -> None:
        """Record one attempt, together with those that come in while others are written.

        What says nothing new of its endpoint is written with that of all merchants; the rest takes its endpoint's lock,
        which must keep nobody else waiting.
        """
        if not tried.tells_of_health:
            done = _Done(route, tried, asyncio.get_running_loop().create_future())
            self.healthy.add(done)
            await done.written
            return
        waiting = self.tried[route.lane]
        waiting.append(tried)
        if route.lane in self.recording:
            return
        self.recording.add(route.lane)
        try:
            while waiting:
                batch, waiting[:] = list(waiting), []
                await self._write(route, batch)
        finally:
            self.recording.discard(route.lane)
            self.tried.pop(route.lane, None)

    async def _record_healthy(self, done: Sequence[_Done]) -> None:
        """Write down what came in at this moment, for all merchants in one step; if that fails, each for itself."""
        batches = list(_by_route(done).values())
        try:
            step = [(batch[0].route, [one.tried for one in batch]) for batch in batches]
            await self.threads.run("public", attempts.record_healthy, step, at=datetime.now(UTC))
        except Exception as error:
            log.warning("attempts_recorded_one_by_one", error=type(error).__name__)
            for batch in batches:
                self._write_later(batch)
        else:
            for batch in batches:
                _settle(batch)

    def _write_later(self, batch: Sequence[_Done]) -> None:
        """Try again by itself what could not be written with the others."""

        async def write() -> None:
            try:
                await self._write(batch[0].route, [one.tried for one in batch])
            except Exception as error:
                _settle(batch, error)
            else:
                _settle(batch)

        task = asyncio.create_task(write())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _write(self, route: Route, batch: Sequence[Tried]) -> None:
        """Write attempts down. A database that restarts is waited for, lest merchants hear everything again."""
        for wait in RECORD_AGAIN:
            try:
                await self.threads.run(route.schema, attempts.record, route, batch, at=datetime.now(UTC))
            except CUT_OFF as error:
                log.warning("attempts_not_recorded", error=type(error).__name__, attempts=len(batch))
                metrics.UNRECORDED.inc(len(batch))
                await asyncio.sleep(wait)
            else:
                return
        await self.threads.run(route.schema, attempts.record, route, batch, at=datetime.now(UTC))

    async def _finish(self) -> None:
        """Finish what is held; what takes longer than a stop may take comes due again elsewhere."""
        if self.tasks:
            log.info("finishing", tasks=len(self.tasks))
            _, late = await asyncio.wait(self.tasks, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()


def _by_route(done: Iterable[_Done]) -> dict[UUID, list[_Done]]:
    groups: dict[UUID, list[_Done]] = defaultdict(list)
    for one in done:
        groups[one.route.lane].append(one)
    return dict(sorted(groups.items()))  # everybody locks in the same order


def _settle(batch: Iterable[_Done], error: Exception | None = None) -> None:
    """Let go who waits for these attempts to be written."""
    for one in batch:
        if not one.written.done():
            if error:
                one.written.set_exception(error)
            else:
                one.written.set_result(None)


def _give_back(counter: Counter[UUID], places: Sequence[UUID]) -> None:
    counter.subtract(places)
    for lane in set(places):
        if counter[lane] <= 0:
            del counter[lane]


def _more_than(count: int, counter: Counter[UUID]) -> list[UUID]:
    return [key for key, value in counter.items() if value > count]


def _by(key: Callable[[Taken], Any], taken: Iterable[Taken]) -> dict[Any, list[Taken]]:
    groups: dict[Any, list[Taken]] = defaultdict(list)
    for duty in taken:
        groups[key(duty)].append(duty)
    return groups


async def _sleep(stop: asyncio.Event, wake: asyncio.Event, seconds: float) -> None:
    """Sleep, or wake as soon as there is room or the stop comes."""
    try:
        await asyncio.wait_for(wake.wait(), seconds)
    except TimeoutError:
        return
