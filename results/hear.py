"""Hear what is said of an amount beside the payment: tokens that landings carry, and what was prepared at PortOne.

Both are written beside the order, under its lock, and what came before for that order is judged again.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import structlog
from django.conf import settings
from django.db import transaction

from results.core.claim import Claim, is_askable
from results.core.classify import MONEY_STATES, read_status
from results.core.expectation import Source, Statement, replaces
from results.core.snapshot import Snapshot
from results.expect import OrderKeys, expectation_for, read_signed, statement_of
from results.models import Order
from results.ownership import neighbours_among
from results.portone import Access, KeepToken, PortOne, PortOneError
from results.publish import judge_again, lock_order
from tenants.routing import Route, Threads

log = structlog.get_logger()

READ_AT_ONCE: Final = 8


def hear_tokens(route: Route, landings: Iterable[Claim], *, at: datetime) -> None:
    """Keep what the merchant's server signed about the orders of these landings.

    A token for another order than the landing names is left alone: the browser put together what does not belong so.
    """
    carried = dict.fromkeys((claim.order_token, claim.merchant_uid) for claim in landings if claim.order_token)
    if not carried:
        return
    keys = OrderKeys(route).at(at)
    tokens = {text: read_signed(route, text, keys) for text in dict.fromkeys(text for text, _ in carried)}
    said: dict[str, Statement] = {}
    for text, named in carried:
        token = tokens[text]
        if token and named in (None, token.order):
            statement = Statement(token.money, at, until=token.expires_at)
            if replaces(statement, said.get(token.order)):
                said[token.order] = statement
    # Anybody can land again and again with one token: what says nothing new must not lock its order.
    known = {order.merchant_uid: order for order in Order.objects.filter(mode=route.mode, merchant_uid__in=said)}
    for merchant_uid, statement in said.items():
        order = known.get(merchant_uid)
        if order is None or replaces(statement, statement_of(order, Source.ORDER_TOKEN)):
            keep_token_statement(route, merchant_uid, statement, at=at)


def keep_token_statement(route: Route, merchant_uid: str, said: Statement, *, at: datetime) -> None:
    """Write down what a token says of an order, whose row is made if missing, and judge its payments again."""
    with transaction.atomic():
        order = lock_order(route.mode, merchant_uid, at=at)
        if replaces(said, statement_of(order, Source.ORDER_TOKEN)):
            order.statements[Source.ORDER_TOKEN] = said.as_json()
            order.save(update_fields=["statements"])
            judge_again(route, order, at=at)


async def read_prepared(
    portone: PortOne,
    threads: Threads,
    route: Route,
    access: Access,
    snapshots: Iterable[Snapshot],
    *,
    keep_token: KeepToken,
    until: float,
) -> frozenset[str]:
    """Read back what the shop announced of these payments' orders, where nothing better is known of them.

    Only what holds money is worth a question, once for each try. Return the orders about which PortOne was silent
    until that moment of the event loop's clock.
    """
    wanted = await threads.run(route.schema, orders_to_read, route, list(snapshots), at=datetime.now(UTC))
    turn, silent = asyncio.Semaphore(READ_AT_ONCE), set()

    async def read(merchant_uid: str) -> None:
        asked_at = datetime.now(UTC)
        try:
            async with asyncio.timeout_at(until), turn:
                money = await portone.prepared(access, merchant_uid, keep_token=keep_token)
        except (PortOneError, TimeoutError) as error:
            log.warning("prepare_not_read", merchant=str(route.merchant_id), order=merchant_uid, error=str(error))
            silent.add(merchant_uid)
            return
        said = Statement(money, asked_at) if money else None
        await threads.run(route.schema, keep_prepared, route, merchant_uid, said, at=asked_at)

    await asyncio.gather(*map(read, wanted))
    return frozenset(silent)


def orders_to_read(route: Route, snapshots: Sequence[Snapshot], *, at: datetime) -> list[str]:
    """Return the orders of payments that hold money while neither the merchant's server nor a token names a price."""
    foreign = neighbours_among(route, [one.imp_uid for one in snapshots])
    ours = [one for one in snapshots if one.imp_uid not in foreign]
    holding = [one for one in ours if read_status(one, grace=settings.DEPOSIT_GRACE, at=at) in MONEY_STATES]
    uids = {one.merchant_uid for one in holding if is_askable(one.merchant_uid)}
    orders = {order.merchant_uid: order for order in Order.objects.filter(mode=route.mode, merchant_uid__in=uids)}
    wanted: dict[str, None] = {}
    signed = OrderKeys(route)
    for one in holding:
        order = orders.get(one.merchant_uid) or Order(mode=route.mode, merchant_uid=one.merchant_uid)
        if one.merchant_uid in uids and _lacks_a_price(order, one, signed, at=at):
            wanted[one.merchant_uid] = None
    return list(wanted)


def _lacks_a_price(order: Order, snapshot: Snapshot, keys: OrderKeys, *, at: datetime) -> bool:
    """Say whether only prepare could tell what it costs, and was not asked since the payment began."""
    expected = expectation_for(keys.route, order, snapshot, seen_at=at, keys=keys).expected
    if expected and expected.source != Source.PREPARE:
        return False
    read_at = order.statements.get(Source.PREPARE, {}).get("stated_at")
    return not read_at or datetime.fromisoformat(read_at) < (snapshot.started_at or snapshot.asked_at)


def keep_prepared(route: Route, merchant_uid: str, said: Statement | None, *, at: datetime) -> None:
    """Write down what was prepared, also that nothing was. The payment that made us look is judged next, not here."""
    with transaction.atomic():
        order = lock_order(route.mode, merchant_uid, at=at)
        order.statements[Source.PREPARE] = said.as_json() if said else {"stated_at": at.isoformat()}
        order.save(update_fields=["statements"])
