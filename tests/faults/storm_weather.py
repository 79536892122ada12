"""What breaks in a storm: processes are killed, the database is stopped, PortOne and the shops misbehave.

Every moment is drawn from the seed before the storm begins. A process is killed only while it is of use, so a kill
that falls into another's repair comes a little later than it was drawn.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final

import httpx
from aiohttp import web

from deploy.demo.mischief import Fault, Faults
from deploy.demo.serving import in_background
from tests.faults.processes import Installation, Process, wait_until

UP_WITHIN: Final = 90.0  # seconds; a machine that does much else is slow to start a process
HANG: Final = 17.0  # longer than the 15 s that we wait for an endpoint
PORTONE_HANG: Final = 5.0
MOST_IN_A_ROW: Final = 12
AT_PORTONE: Final = (
    Fault(kind="status", status=500),
    Fault(kind="status", status=503),
    Fault(kind="html", status=502),
    Fault(kind="hang", seconds=PORTONE_HANG),
    Fault(kind="close"),
)
IN_SHOPS: Final = (
    Fault(kind="status", status=500, where=("callback",)),
    Fault(kind="status", status=500, where=("callback",), after=True),
    Fault(kind="status", status=429, headers={"Retry-After": "3"}, where=("callback",)),
    Fault(kind="hang", seconds=HANG, where=("callback",)),
    Fault(kind="close", where=("callback",)),
    Fault(kind="close", where=("callback",), after=True),
    Fault(kind="endless", seconds=0.01, where=("callback",), after=True),
    Fault(kind="bomb", where=("callback",), after=True),
)
Action = tuple[float, Callable[[], object]]


class Sparing(Faults):
    """The faults of a shop, of which each order meets only so many: so its callbacks come through in the end.

    Nor does it meet more in a row than open a circuit and fail two probes: the waits after them soon take minutes.
    """

    def __init__(self, *, limit: int) -> None:
        super().__init__()
        self._limit = limit
        self._in_a_row = 0
        self._spent: Counter[str] = Counter()

    def take(self, *, where: str, who: str = "") -> Fault | None:
        is_spared = self._spent[who] >= self._limit or self._in_a_row >= MOST_IN_A_ROW
        fault = None if is_spared else super().take(where=where, who=who)
        self._spent[who] += fault is not None
        self._in_a_row = self._in_a_row + 1 if fault else 0
        return fault


@dataclass(slots=True)
class Keeper:
    """Keeps one process running, as a supervisor does, and kills it now and then."""

    begin: Callable[[], Process]
    is_up: Callable[[Process], bool]
    kills: int = 0
    ended: int = 0
    running: list[Process] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self) -> None:
        """Wait until the process is of use; one that has ended by itself is started again."""
        with self.lock:
            self.running = self.running or [self.begin()]
            wait_until(self._comes_up, seconds=UP_WITHIN, what="a process of use")

    def kill(self) -> None:
        self.keep()
        with self.lock:
            self.running[0].kill()
            self.running = [self.begin()]
            self.kills += 1

    def _comes_up(self) -> bool:
        if self.running[0].running.poll() is not None:
            self.ended += 1
            self.running = [self.begin()]
        return self.is_up(self.running[0])


def keeper_of_web(installation: Installation) -> Keeper:
    bind = installation.web_url.removeprefix("http://")
    arguments = ("serve", "--bind", bind, "--workers", "1", "--threads", "4")
    return Keeper(lambda: installation.start(*arguments), lambda _: answers(f"{installation.web_url}/healthz"))


def keeper_of_worker(installation: Installation) -> Keeper:
    return Keeper(lambda: installation.start("worker"), lambda worker: bool(worker.lines("worker_started")))


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def moments(count: int, seconds: float, chance: random.Random) -> list[float]:
    """Return one moment in each of so many equal parts of a time."""
    return [seconds / count * (number + chance.random()) for number in range(count)]


def spells(
    faults: Faults, kinds: Iterable[Fault], *, count: int, seconds: float, longest: float, chance: random.Random
) -> list[Action]:
    """Return so many spells of bad weather, each of another kind than the one before; they may overlap."""
    bag = list(kinds)
    chance.shuffle(bag)
    actions: list[Action] = []
    for number, at in enumerate(moments(count, seconds, chance)):
        fault = bag[number % len(bag)]
        ends = min(at + chance.uniform(longest / 4, longest), seconds)
        actions += [(at, _adds(faults, fault)), (ends, _removes(faults, fault))]
    return actions


def _adds(faults: Faults, fault: Fault) -> Callable[[], object]:
    return lambda: faults.add(fault)


def _removes(faults: Faults, fault: Fault) -> Callable[[], object]:
    return lambda: faults.remove(fault)


def redirecting_to(url: str) -> Fault:
    return Fault(kind="status", status=307, headers={"Location": url}, where=("callback",))


def play(actions: Iterable[Action], *, begun: float) -> None:
    """Do each action at its second, or as soon as the one before it is done."""
    for at, do in sorted(actions, key=lambda action: action[0]):
        time.sleep(max(0.0, begun + at - time.monotonic()))
        do()


def trap(visits: list[str]) -> AbstractContextManager[str]:
    """Serve an address that no callback may ever visit; who does is written down."""

    async def note(request: web.Request) -> web.Response:
        visits.append(f"{request.method} {request.path}")
        return web.Response()

    def make_app() -> web.Application:
        app = web.Application()
        app.add_routes([web.route("*", "/{path:.*}", note)])
        return app

    return in_background(make_app)
