"""Where do the stories play, and how is one told? Everybody who takes part, and what a story consists of."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from .expectation import Expected, find_faults
from .place import CannotGoOn
from .players import Browser, PortOneDesk, Till, WentWrong
from .shop.received import value_at

GOODS = "생일 케이크"
PRICE = 64_900

Register = Callable[[str, int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Stage:
    """Everybody who takes part. `register` tells Paywitness what an order is to be paid."""

    desk: PortOneDesk
    till: Till
    browser: Browser
    redirect_url: str
    register: Register

    async def opens(self, scene: "Scene", variant: str, **settings: Any) -> str:
        """Let the customer open the payment window; `variant` is the shape of the redirect after it."""
        scene.imp_uid = await self.desk.opens_window(
            scene.order, PRICE, m_redirect_url=self.redirect_url, variant=variant, **settings
        )
        return scene.imp_uid

    async def was_told(self, scene: "Scene", *, sequence: int = 1) -> None:
        """Wait until the shop heard what happened before the change that the story is about."""
        if await self.till.hears(scene.order, sequence=sequence) is None:
            raise WentWrong("what happened before was never told")


@dataclass(slots=True)
class Scene:
    """One order's story as it goes on. `others` are orders that it touches, each with what must be told of it.

    `page` is the customer's, where the story shows one to whoever tries the demo.
    """

    order: str
    pay_url: str = ""
    imp_uid: str = ""
    arrived_at: datetime | None = None
    others: dict[str, tuple[str, ...]] = field(default_factory=dict)
    page: str = ""

    def arrives(self) -> None:
        """Note the first moment at which Paywitness can know of the newest change."""
        self.arrived_at = self.arrived_at or datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tale:
    """One story: `came_in` says in which shape Paywitness heard of it, `follows` whose order it goes on with.

    Without `expected` the shop must hear nothing. What is `alone` waits until every other story is over.
    """

    number: int
    title: str
    came_in: str
    expected: Expected | None
    play: Callable[[Stage, Scene], Awaitable[None]]
    earlier: tuple[str, ...] = ()
    follows: int | None = None
    alone: bool = False

    @property
    def news(self) -> tuple[str, ...]:
        """Return the types of all that the shop is told in this story."""
        return (*self.earlier, self.expected.type) if self.expected else self.earlier


@dataclass(frozen=True, slots=True)
class Row:
    """How a story went."""

    tale: Tale
    scene: Scene
    heard: Mapping[str, Any] | None
    faults: list[str] = field(default_factory=list)

    @property
    def milliseconds(self) -> int | None:
        """Return the time from the first arrival to the callback."""
        if self.heard is None or self.scene.arrived_at is None:
            return None
        return round((datetime.fromisoformat(self.heard["at"]) - self.scene.arrived_at).total_seconds() * 1000)


async def tell(stage: Stage, tale: Tale, scene: Scene) -> Row:
    """Play one story, wait for its callback and compare; what goes wrong is in the row."""
    faults: list[str] = []
    try:
        if tale.follows is None:
            scene.pay_url = await stage.till.takes_order(scene.order, GOODS, PRICE)
            await stage.register(scene.order, PRICE)
        await tale.play(stage, scene)
    except (WentWrong, CannotGoOn, httpx.HTTPError) as error:
        faults.append(str(error) or type(error).__name__)
    heard, more = await _compare(stage.till, tale.expected, scene.order)
    return Row(tale, scene, heard, faults + more)


async def _compare(till: Till, expected: Expected | None, order: str) -> tuple[Mapping[str, Any] | None, list[str]]:
    """Return what the shop heard of an order in the end, and what is wrong with it."""
    if expected is None:
        return None, [f"the shop was told {item['type']}" for item in await till.received(order)]
    heard = await till.hears(order, sequence=expected.sequence)
    told = {value_at(item["event"], "sequence"): item["webhook_id"] for item in await till.received(order)}
    return heard, find_faults(heard, expected, order=order, told=told)


def paid(*, sequence: int = 1, **more: Any) -> Expected:
    """Return what the shop must hear of an order that was paid as it should be."""
    return Expected(type="payment.paid", status="paid", sequence=sequence, total=PRICE, captured=PRICE, **more)
