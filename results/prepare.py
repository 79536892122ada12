"""Announce an order's amount to PortOne, so that a window with another amount does not even open.

In live mode only: PortOne keeps what is announced by the order's number and account, whatever the channel, so a test
order would block the live one of the same number. A checkout never waits for this, and a payment is judged without it.
(Fact: PortOne V1 API document, POST and PUT /payments/prepare: without a currency only the number is compared.)
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final
from uuid import UUID

import structlog
from django.db import transaction

from results import duties
from results.budget import allot
from results.core.budget import Plan, plan
from results.core.money import Money, major
from results.core.schedule import after_refusal, after_silence
from results.duties import Taken
from results.expect import expected_of
from results.models import Order, Payment
from results.portone import (
    Access,
    PaymentUnknown,
    PortOne,
    PortOneDeclined,
    PortOneError,
    PortOneRefused,
    keep_token,
    open_access,
)
from results.publish import owe_preparation
from tenants.models import Credential
from tenants.routing import Route, Threads

log = structlog.get_logger()

AT_ONCE: Final = 8
LAST_START: Final = 4.0  # seconds into a round: with its own deadline a call still ends within its lease
MOST_TRIES: Final = 148  # a day of the schedule of silence, whose waits end at ten minutes


@dataclass(frozen=True, slots=True)
class Announcement:
    """One order whose amount PortOne is to be told."""

    duty: Taken
    merchant_uid: str
    money: Money

    @property
    def order_id(self) -> UUID:
        return self.duty.reference


@dataclass(frozen=True, slots=True)
class Said:
    """What became of an announcement; no error is success."""

    announcement: Announcement
    error: PortOneError | None


async def announce_orders(portone: PortOne, threads: Threads, route: Route, taken: Sequence[Taken]) -> None:
    """Do the duties of one merchant: tell PortOne what its orders cost."""
    loaded = await threads.run(route.schema, load, route, taken, at=datetime.now(UTC))
    if loaded is None:
        return
    access, announcements = loaded

    async def share_token(token: str, expires_at: datetime) -> None:
        vault = route.open_vault()
        await threads.run("public", keep_token, access, vault, token=token, expires_at=expires_at)

    begun, turn = asyncio.get_running_loop().time(), asyncio.Semaphore(AT_ONCE)

    async def tell(one: Announcement) -> Said | Announcement:
        async with turn:
            if asyncio.get_running_loop().time() - begun > LAST_START:
                return one
            try:
                amount = major(one.money)
                await portone.prepare(access, one.merchant_uid, amount, one.money.currency, keep_token=share_token)
            except PortOneError as error:
                return Said(one, error)
            return Said(one, None)

    said = await asyncio.gather(*map(tell, announcements))
    await threads.run(route.schema, conclude, route, said, at=datetime.now(UTC))


def load(route: Route, taken: Sequence[Taken], *, at: datetime) -> tuple[Access, list[Announcement]] | None:
    """Return what is still to be announced; whatever needs it no more is no longer owed."""
    orders = Order.objects.filter(mode=route.mode, id__in=[duty.reference for duty in taken])
    wanted = {order.id: order for order in orders if route.livemode and route.prepares and is_payable(order, at=at)}
    due = [duty for duty in taken if duty.reference in wanted and duty.tries <= MOST_TRIES]
    duties.done({duty.id for duty in taken} - {duty.id for duty in due})
    if not due:
        return None
    credential = Credential.objects.filter(merchant=route.merchant_id, mode=route.mode).first()
    if credential is None:
        duties.put_off({duty.id: at + after_refusal(duty.tries) for duty in due})
        return None
    if credential.paused_until:  # questions and sweeps find out when PortOne takes these keys again
        duties.give_back({duty.id: max(credential.paused_until, at + after_silence(1)) for duty in due})
        return None
    chosen, next_at = allot(credential, partial(plan_announcements, due), at=at)
    duties.give_back({duty.id: next_at for duty in chosen.left})
    announcements = []
    for duty in chosen.asked:
        order = wanted[duty.reference]
        if expected := expected_of(order):
            announcements.append(Announcement(duty, order.merchant_uid, expected.money))
    return open_access(credential, route.open_vault()), announcements


def plan_announcements(due: Sequence[Taken], allowed: float) -> Plan[Taken]:
    """Leave a third of the budget to questions; an amount that PortOne knows already takes a second call."""
    return plan(due, allowed=allowed, calls_alone=lambda duty: 1, is_vouched=lambda duty: False)


def is_payable(order: Order, *, at: datetime) -> bool:
    """Say whether a window may still open for an order, so that its amount is worth announcing."""
    is_open = order.expires_at is None or at < order.expires_at
    return order.registered_at is not None and is_open and not _is_paid(order)


def _is_paid(order: Order) -> bool:
    return Payment.objects.filter(order=order, money_moved=True).exists()


def conclude(route: Route, said: Sequence[Said | Announcement], *, at: datetime) -> None:
    """Note what PortOne knows now, and put off what it did not hear. What came too late for its turn is due at once."""
    later: dict[int, datetime] = {}
    unasked: dict[int, datetime] = {}
    for one in said:
        match one:
            case Announcement():
                unasked[one.duty.id] = at
            case Said(announcement, None):
                settle(route, announcement, at=at)
            case Said(announcement, PortOneDeclined() | PaymentUnknown() as error):
                log.warning("prepare_declined", **_facts(route, announcement), error=str(error))
                settle(route, announcement, at=None)
            case Said(announcement, PortOneRefused()):
                later[announcement.duty.id] = at + after_refusal(announcement.duty.tries)
            case Said(announcement, _):
                later[announcement.duty.id] = at + after_silence(announcement.duty.tries)
    duties.put_off(later)
    duties.give_back(unasked)


def settle(route: Route, one: Announcement, *, at: datetime | None) -> None:
    """Owe this no more, unless the amount changed meanwhile; `at` is when PortOne was told, None for declined."""
    with transaction.atomic():
        order = Order.objects.select_for_update().get(id=one.order_id)
        expected = expected_of(order)
        if expected is None or expected.money == one.money:
            order.prepared_at = at
            order.save(update_fields=["prepared_at"])
            duties.done([one.duty.id])
        else:
            # Owed anew, since another worker may have removed the duty: the older amount may have come in last.
            owe_preparation(route, order, due_at=datetime.now(UTC))


def _facts(route: Route, one: Announcement) -> dict[str, str]:
    return {"merchant": str(route.merchant_id), "mode": route.mode, "order": one.merchant_uid}
