"""What happens to the orders of a storm: drawn from the seed before it begins, lived while everything else breaks.

A life is a row of steps: at PortOne, in the customer's browser, and at the shop's own server. PortOne sends each
webhook once and never again, whether we are up or not; a browser may be reloaded; a shop's server asks until it is
answered.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

import httpx

from deploy.demo.simulator import Payment
from deploy.demo.simulator.redirects import method_of
from tests.faults.merchants import AMOUNT, Merchant

STORIES: Final = {
    "open approve land": 30,
    "open approve land cancel": 8,
    "open approve land cancel_part cancel_part cancel": 8,
    "open approve cancel_part": 8,
    "open issue_account land deposit": 12,
    "open issue_account land deposit cancel": 4,
    "open issue_account land": 4,
    "open fail land": 8,
    "open fail land approve_late": 4,
    "open fail land open approve land": 6,
    "open abandon land": 3,
    "open abandon land open issue_account land deposit": 3,
}
REGISTERED: Final = {"first": 55, "late": 10, "never": 30, "at another price": 5}
WEBHOOKS: Final = {"sent": 60, "doubled": 15, "lost": 25}
LANDINGS: Final = {"imp_success": 40, "neither": 15, "post": 5, "v2": 5, "without_imp_uid": 10, "": 25}
PARTS: Final = 1000
BETWEEN_STEPS: Final = (0.05, 0.3, 1.0, 4.0)
RELOADS: Final = 3
PATIENCE: Final = 120.0  # seconds that a shop's server tries to register an order
MONEY: Final = ("paid", "partially_cancelled", "awaiting_deposit")

State = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens, so many seconds after the one before."""

    act: str
    pause: float
    webhook: str = "sent"
    landing: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A state that PortOne knew of a payment, and since when."""

    imp_uid: str
    state: State
    at: datetime


@dataclass(slots=True)
class Life:
    """One order: what is to happen to it, and what came of it."""

    merchant: Merchant
    order: str
    registered: Literal["first", "late", "never", "at another price"]
    steps: Sequence[Step]
    imp_uids: list[str] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    webhooks: int = 0
    landings: int = 0
    refused: int = 0

    @property
    def is_forged(self) -> bool:
        return self.registered == "at another price"

    @property
    def may_be_claimed(self) -> bool:
        """True when a browser may have come back with a failure of an order that was expected."""
        failed = any(step.act in ("fail", "abandon") for step in self.steps)
        return failed and self.registered != "never"

    def live(self) -> None:
        for step in self.steps:
            time.sleep(step.pause)
            getattr(self, f"_{step.act}")(step)

    def _register(self, step: Step) -> None:
        url = f"{self.merchant.installation.web_url}/api/v1/orders/{self.order}"
        price = {"amount": AMOUNT + 100 * self.is_forged, "currency": "KRW"}
        headers = {"Authorization": f"Bearer {self.merchant.facts['api_key']}"}
        ends = time.monotonic() + PATIENCE
        while _status(lambda: httpx.put(url, json=price, headers=headers, trust_env=False, timeout=20)) not in (
            200,
            201,
        ):
            if time.monotonic() > ends:
                raise TimeoutError(f"{self.order} could not be registered")
            time.sleep(0.5)

    def _open(self, step: Step) -> None:
        self.imp_uids.append(self.merchant.opens_window(self.order))

    def _land(self, step: Step) -> None:
        if not step.landing:
            return
        url = self.merchant.portone.redirect_url(self.imp_uids[-1], self.merchant.facts["redirect_url"], step.landing)
        for _ in range(RELOADS):
            method = method_of(step.landing)
            if _status(lambda: httpx.request(method, url, trust_env=False, timeout=20)) == 303:  # noqa: B023
                self.landings += 1
                return
            self.refused += 1
            time.sleep(1)

    def _fail(self, step: Step) -> None:
        self._change(lambda imp_uid: self.merchant.portone.fail(imp_uid))

    def _abandon(self, step: Step) -> None:
        self.merchant.portone.abandon(self.imp_uids[-1])

    def _cancel_part(self, step: Step) -> None:
        self._cancel(step, amount=PARTS)

    def _cancel(self, step: Step, amount: int | None = None) -> None:
        portone, heard = self.merchant.portone, step.webhook != "lost"
        self._change(lambda imp_uid: portone.cancel(imp_uid, amount=amount, webhook=heard))
        self._double(step)

    def _approve(self, step: Step) -> None:
        self._by_name(step)

    _approve_late = _issue_account = _deposit = _approve

    def _by_name(self, step: Step) -> None:
        act = getattr(self.merchant.portone, step.act)
        self._change(lambda imp_uid: act(imp_uid, webhook=step.webhook != "lost"))
        self._double(step)

    def _double(self, step: Step) -> None:
        if step.webhook == "doubled":
            self.merchant.portone.resend(self.imp_uids[-1])

    def _change(self, act: Callable[[str], Payment]) -> None:
        imp_uid, at = self.imp_uids[-1], datetime.now(UTC)
        state = state_of(act(imp_uid), is_forged=self.is_forged)
        assert state is not None
        self.said.append(Said(imp_uid, state, at))


def _status(ask: Callable[[], httpx.Response]) -> int:
    try:
        return ask().status_code
    except httpx.TransportError:
        return 0


def state_of(payment: Payment, *, is_forged: bool) -> State | None:
    """Read from PortOne's own books what is to be told in the end: status and cancelled amount, None for nothing."""
    cancelled = int(payment.cancel_amount)
    if cancelled:
        status = "cancelled" if cancelled == payment.amount else "partially_cancelled"
    elif payment.awaits_deposit:
        status = "awaiting_deposit"
    else:
        status = payment.status
    if status == "ready":
        return None
    return ("review" if is_forged and status in MONEY else status, cancelled)


def draw_life(merchant: Merchant, number: int, chance: random.Random) -> Life:
    """Return what is to happen to one order."""
    registered = pick(REGISTERED, chance)
    acts = pick(STORIES, chance).split()
    if registered in ("first", "at another price"):
        acts = ["register", *acts]
    elif registered == "late":
        acts = [*acts, "register"]
    return Life(merchant, f"{merchant.name}-{number:04}", registered, [draw_step(act, chance) for act in acts])


def draw_step(act: str, chance: random.Random) -> Step:
    pause = chance.choice(BETWEEN_STEPS) * chance.random()
    return Step(act, pause, webhook=pick(WEBHOOKS, chance), landing=pick(LANDINGS, chance) if act == "land" else "")


def pick(weights: dict[str, int], chance: random.Random) -> str:
    return chance.choices(list(weights), list(weights.values()))[0]
