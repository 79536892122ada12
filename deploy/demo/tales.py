"""What happens in the walk? Eleven stories of PortOne's completion cases, each with what the shop must hear.

PortOne's webhook may be lost, doubled, a form or JSON; the redirect's parameters differ by PG, device and SDK. Each
story comes in another of these shapes, and what is told must not depend on it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from .expectation import Expected, find_faults
from .place import CannotGoOn
from .players import Browser, PortOneDesk, Till, WentWrong
from .simulator.redirects import PREFLIGHT_REASON, refusal_url
from .simulator.window import NOT_OPENED

GOODS = "생일 케이크"
PRICE = 64_900
PART = 4_900

Register = Callable[[str, int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Stage:
    """Everybody who takes part. `register` tells Paywitness what an order is to be paid."""

    desk: PortOneDesk
    till: Till
    browser: Browser
    redirect_url: str
    register: Register


@dataclass(slots=True)
class Scene:
    """One order's story as it goes on."""

    order: str
    pay_url: str = ""
    imp_uid: str = ""
    arrived_at: datetime | None = None

    def arrives(self) -> None:
        """Note the first moment at which Paywitness can know of the newest change."""
        self.arrived_at = self.arrived_at or datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tale:
    """One story: `came_in` says in which shape Paywitness heard of it, `follows` whose order it goes on with."""

    number: int
    title: str
    came_in: str
    expected: Expected
    play: Callable[[Stage, Scene], Awaitable[None]]
    earlier: tuple[str, ...] = ()
    follows: int | None = None


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
    heard = await stage.till.hears(scene.order, sequence=tale.expected.sequence)
    return Row(tale, scene, heard, faults + find_faults(heard, tale.expected, order=scene.order))


async def paid_by_card(stage: Stage, scene: Scene) -> None:
    scene.arrives()
    back = await stage.browser.pays_by_card(scene.pay_url, stage.desk, copies=2)
    page = await stage.browser.comes_back(back, sees="paid")
    await stage.browser.returns_to_shop(page, order=scene.order)


async def told_by_webhook_alone(stage: Stage, scene: Scene) -> None:
    await _opens(stage, scene, "imp_success")
    scene.arrives()
    await stage.desk.does("approve", scene.imp_uid, encoding="json-charset")


async def told_by_redirect_alone(stage: Stage, scene: Scene) -> None:
    await _opens(stage, scene, "post")
    back = await stage.desk.does("approve", scene.imp_uid, webhook=False)
    scene.arrives()
    page = await stage.browser.comes_back(back, method="POST", sees="paid")
    await stage.browser.returns_to_shop(page, order=scene.order)


async def paid_at_the_second_try(stage: Stage, scene: Scene) -> None:
    await _opens(stage, scene, "imp_success")
    await stage.browser.comes_back(await stage.desk.does("fail", scene.imp_uid), sees="declined")
    await _opens(stage, scene, "without_imp_uid")
    back = await stage.desk.does("approve", scene.imp_uid, webhook=False)
    scene.arrives()
    await stage.browser.comes_back(back, sees="paid")


async def account_issued(stage: Stage, scene: Scene) -> None:
    await _opens(stage, scene, "neither", pay_method="vbank")
    scene.arrives()
    back = await stage.desk.does("issue_account", scene.imp_uid)
    await stage.browser.comes_back(back, sees="awaiting_deposit")


async def deposited(stage: Stage, scene: Scene) -> None:
    scene.arrives()
    await stage.desk.does("deposit", scene.imp_uid, encoding="form")


async def declined(stage: Stage, scene: Scene) -> None:
    await _opens(stage, scene, "success")
    back = await stage.desk.does("fail", scene.imp_uid)
    scene.arrives()
    await stage.browser.comes_back(back, sees="declined")


async def closed_by_the_customer(stage: Stage, scene: Scene) -> None:
    await _opens(stage, scene, "imp_status")
    back = await stage.desk.does("abandon", scene.imp_uid)
    scene.arrives()
    await stage.browser.comes_back(back, sees="closed")


async def window_not_opened(stage: Stage, scene: Scene) -> None:
    back = refusal_url(
        stage.redirect_url,
        merchant_uid=scene.order,
        error_code=NOT_OPENED,
        error_msg=PREFLIGHT_REASON,
        variant="preflight_order",
    )
    scene.arrives()
    await stage.browser.comes_back(back, sees="not_opened")


async def cancelled(stage: Stage, scene: Scene) -> None:
    await _paid_before(stage, scene, "flutter")
    scene.arrives()
    await stage.desk.does("cancel", scene.imp_uid)


async def partly_cancelled(stage: Stage, scene: Scene) -> None:
    await _paid_before(stage, scene, "v2")
    scene.arrives()
    await stage.desk.does("cancel", scene.imp_uid, amount=PART)


async def _opens(stage: Stage, scene: Scene, variant: str, **settings: Any) -> None:
    scene.imp_uid = await stage.desk.opens_window(
        scene.order, PRICE, m_redirect_url=stage.redirect_url, variant=variant, **settings
    )


async def _paid_before(stage: Stage, scene: Scene, variant: str) -> None:
    await _opens(stage, scene, variant)
    await stage.browser.comes_back(await stage.desk.does("approve", scene.imp_uid), sees="paid")
    if await stage.till.hears(scene.order, sequence=1) is None:
        raise WentWrong("the payment itself was never told")


def _paid(*, sequence: int = 1, cause: str | None = None) -> Expected:
    return Expected(type="payment.paid", status="paid", sequence=sequence, total=PRICE, captured=PRICE, cause=cause)


def _cancelled(word: str, amount: int) -> Expected:
    return Expected(type=f"payment.{word}", status=word, sequence=2, total=PRICE, captured=PRICE, cancelled=amount)


def _claimed(word: str) -> Expected:
    return Expected(type=f"payment.{word}", status="failed", verification="claimed", cause="landing")


TALES = (
    Tale(
        number=1,
        title="paid by card",
        came_in="redirect imp_success=true, webhook twice",
        expected=_paid(),
        play=paid_by_card,
    ),
    Tale(
        number=2,
        title="paid, customer never came back",
        came_in="webhook as JSON with a charset",
        expected=_paid(cause="webhook"),
        play=told_by_webhook_alone,
    ),
    Tale(
        number=3,
        title="paid, webhook lost",
        came_in="redirect by POST",
        expected=_paid(cause="landing"),
        play=told_by_redirect_alone,
    ),
    Tale(
        number=4,
        title="paid at the second try, webhook lost",
        came_in="redirect without imp_uid",
        earlier=("payment.declined",),
        expected=_paid(sequence=2, cause="landing"),
        play=paid_at_the_second_try,
    ),
    Tale(
        number=5,
        title="virtual account issued",
        came_in="redirect without a flag, webhook ready",
        expected=Expected(type="payment.virtual_account.issued", status="awaiting_deposit", total=PRICE),
        play=account_issued,
    ),
    Tale(
        number=6,
        title="deposited into that account",
        came_in="webhook paid as a form",
        follows=5,
        expected=_paid(sequence=2, cause="virtual_account_deposit"),
        play=deposited,
    ),
    Tale(
        number=7,
        title="declined: over the card's limit",
        came_in="redirect success=false",
        expected=Expected(type="payment.declined", status="failed", total=PRICE, cause="landing"),
        play=declined,
    ),
    Tale(
        number=8,
        title="closed by the customer",
        came_in="redirect imp_status=false",
        expected=_claimed("abandoned"),
        play=closed_by_the_customer,
    ),
    Tale(
        number=9,
        title="window did not open",
        came_in="redirect with merchant_uid only",
        expected=_claimed("not_started"),
        play=window_not_opened,
    ),
    Tale(
        number=10,
        title="cancelled in the console",
        came_in="webhook cancelled",
        earlier=("payment.paid",),
        expected=_cancelled("cancelled", PRICE),
        play=cancelled,
    ),
    Tale(
        number=11,
        title="cancelled in part",
        came_in="webhook cancelled",
        earlier=("payment.paid",),
        expected=_cancelled("partially_cancelled", PART),
        play=partly_cancelled,
    ),
)
